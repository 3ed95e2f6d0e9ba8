# pg_cert_policy, the server extension, is built here by PGXS;
# pgcertsel, the client half, by client/Makefile.
#
#   make demo, make test     set up what is missing, then show it, prove it
#   make check-tree          house-keeping: what needs no build
#   make mutate              break it in many places: a test has to fail;
#                            ONLY=pattern for some of them
#   make, make install       both halves, for the server of PG_CONFIG;
#                            with_client=no leaves the client half out
#   make installcheck        the tests, against what is installed
#   make uninstall           with the same PG_CONFIG, prefix, ... as install
#   make dist, make deb      PGXN's archive, Debian's packages, in OUT=dist

EXTENSION = pg_cert_policy
MODULE_big = pg_cert_policy
COMMON_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard common/*.c)))
EXTENSION_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard extension/*.c)))
OBJS = $(COMMON_OBJS) $(EXTENSION_OBJS)
DATA = $(sort $(wildcard extension/pg_cert_policy--*.sql))
PGFILEDESC = "pg_cert_policy - trusted CA names and certificate policies"

PG_CPPFLAGS = -I$(srcdir)/common -I$(srcdir)/extension
SHLIB_LINK = -lssl -lcrypto

# installcheck brings its own server, since the library must be preloaded
REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
REGRESS_OPTS = --temp-instance=./tmp_check/regress --temp-config=./tmp_check/regress.conf
REGRESS_PREP = tmp_check/regress.conf
TAP_TESTS = 1
EXTRA_CLEAN = tmp_check

PG_CONFIG ?= pg_config
IN_CLIENT = -C client PG_CONFIG='$(PG_CONFIG)'

# These set up their own needs, PostgreSQL's included.
SCRIPTED = bench check-tree demo mutate test sanitize dist deb
ifneq ($(filter $(SCRIPTED),$(MAKECMDGOALS)),)

.PHONY: $(SCRIPTED)
bench:
	@.ci/setup.sh && bench/run.sh
demo:
	@.ci/setup.sh && examples/demo.sh
mutate:
	@.ci/setup.sh && ONLY='$(ONLY)' .ci/mutate.sh
test:
	@.ci/setup.sh && { .ci/setup.sh --wishes || true; } && .ci/test.sh
check-tree:
	@.ci/setup.sh && { .ci/setup.sh --wishes || true; } && .ci/check.sh
sanitize:
	@.ci/setup.sh && { .ci/setup.sh --wishes || true; } && .ci/sanitize.sh $(PARTS)
dist:
	@.ci/dist.sh
deb:
	@.ci/deb.sh

else

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(PGXS),)
$(error $(PG_CONFIG) was not found: install PostgreSQL's server headers \
(Debian: postgresql-server-dev-NN), or name another one with PG_CONFIG=...)
endif
include $(PGXS)

# A prefix moves both halves.  PGXS heeds it from 18 on only, and not where the
# server was configured with folders outside of its own prefix, as Debian's is.
ifeq ($(origin prefix),command line)
ifneq ($(origin datadir),command line)
ifeq ($(filter $(prefix)/%,$(datadir)),)
override datadir := $(prefix)/share/postgresql
override pkglibdir := $(prefix)/lib/postgresql
install: elsewhere
endif
endif
endif
.PHONY: elsewhere
elsewhere:
	@echo "The extension goes to $(datadir) and $(pkglibdir)."
ifeq ($(shell test $(MAJORVERSION) -ge 18 && echo yes),yes)
	@echo "Let the server look there: extension_control_path = '$(datadir):\$$system'," \
		"dynamic_library_path = '$(pkglibdir):\$$libdir'."
else
	@echo "PostgreSQL $(MAJORVERSION) does not look there: it finds extensions" \
		"in $(shell $(PG_CONFIG) --sharedir) alone."
endif

# PGXS tracks no headers by itself.
$(COMMON_OBJS): $(wildcard common/*.h)
$(EXTENSION_OBJS): $(wildcard common/*.h extension/*.h)

.PHONY: client client-install client-uninstall client-clean
with_client = yes
ifneq ($(with_client),no)
all: client
install: client-install
uninstall: client-uninstall
clean: client-clean
endif
client:
	$(MAKE) $(IN_CLIENT) all
client-install: client
	$(MAKE) $(IN_CLIENT) install
client-uninstall:
	$(MAKE) $(IN_CLIENT) uninstall
client-clean:
	$(MAKE) $(IN_CLIENT) clean

# Each fuzz target for so many seconds, JOBS of them at a time; TARGETS may
# name some of them.  Needs clang with its libFuzzer.
SECONDS ?= 60
JOBS ?= 1
.PHONY: fuzz
fuzz:
	$(MAKE) -C fuzz PG_CONFIG='$(PG_CONFIG)' all seeds
	TARGETS='$(TARGETS)' fuzz/run.sh $(SECONDS) $(JOBS)

# The tests run the command that was built here, unless told otherwise.
export PGCERTSEL ?= $(CURDIR)/client/pgcertsel

# PG_CERT_POLICY_STAGE names the DESTDIR of an install that is not in place:
# Debian's servers up to 17 look there first, 18 and later by two paths.
.PHONY: tmp_check/regress.conf
tmp_check/regress.conf:
	@mkdir -p tmp_check
	@echo "shared_preload_libraries = 'pg_cert_policy'" > $@
ifneq ($(PG_CERT_POLICY_STAGE),)
ifeq ($(shell test $(MAJORVERSION) -ge 18 && echo yes),yes)
	@echo "extension_control_path = '$(PG_CERT_POLICY_STAGE)$(datadir):\$$system'" >> $@
	@echo "dynamic_library_path = '$(PG_CERT_POLICY_STAGE)$(pkglibdir):\$$libdir'" >> $@
else
	@echo "extension_destdir = '$(PG_CERT_POLICY_STAGE)'" >> $@
	@echo "dynamic_library_path = '$(PG_CERT_POLICY_STAGE)$(pkglibdir):\$$libdir'" >> $@
endif
endif

endif
