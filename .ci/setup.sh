#!/usr/bin/env bash
#
# setup.sh - installs what the build, the tests and the demo need and is not
# there yet.
#
# It looks for capabilities, not for packages: a PostgreSQL built from source
# and found through PG_CONFIG or PATH is as good as the distribution's.  If
# nothing is missing it does nothing.  Missing packages come from the machine's
# own apt configuration, which needs root.  No database cluster is created and
# no server is left running.
#
#	setup.sh				for the build, the tests and the demo
#	setup.sh --wishes			what tests like to have; they do without
#	setup.sh --versions		what versions.sh needs
set -euo pipefail

purpose=${1:-}
pg_config=${PG_CONFIG:-pg_config}
major=				# of the PostgreSQL that is wanted
missing=()			# what is missing, in words
packages=()			# and the packages that have it
wishes=()			# packages that are good to have
lists_updated=no

main()
{
	if [ -n "${PG_CONFIG:-}" ] && ! have "$PG_CONFIG" >/dev/null; then
		echo "setup: PG_CONFIG is \"$PG_CONFIG\", which is not a program" >&2
		exit 1
	fi
	look
	if [ ${#missing[@]} -eq 0 ]; then
		if [ ${#wishes[@]} -eq 0 ] || ! can_install; then
			return
		fi
	elif ! can_install; then
		give_up "cannot install packages here: that needs root and apt-get"
	fi
	update_lists
	look			# the new lists may offer what the old ones did not
	packages+=("${wishes[@]}")
	if [ ${#packages[@]} -eq 0 ]; then
		return
	fi
	echo "setup: installing ${packages[*]}"
	install_packages "${packages[@]}"

	look
	if [ ${#missing[@]} -ne 0 ]; then
		give_up "the packages are installed, and still something is missing"
	fi
}

can_install()
{
	[ "$(id -u)" -eq 0 ] && have apt-get >/dev/null
}

# Fills in what is missing.
look()
{
	missing=()
	packages=()
	wishes=()
	case $purpose in
		--wishes)
			look_for_wishes
			;;
		--versions)
			need mmdebstrap	"mmdebstrap, to make roots" have mmdebstrap
			need iproute2	"ip, to run servers in them" have ip
			need util-linux	"unshare, for the same"		have unshare
			;;
		*)
			look_for_build
			;;
	esac
}

look_for_wishes()
{
	wish clang			have clang
	wish codespell		have codespell
	wish g++			have g++
	wish mandoc			have mandoc
	# where the locales are made from: a Turkish one
	wish locales		test -e /usr/share/i18n/locales/tr_TR
	wish pg-bsd-indent	have pg_bsd_indent
	wish shellcheck		have shellcheck
	# a KDC, for logins over connections that GSSAPI encrypts
	wish krb5-kdc		system_program krb5kdc
	wish krb5-admin-server system_program kadmin.local
	wish pgbouncer		system_program pgbouncer
	wish softhsm2		have softhsm2-util
	wish opensc			have pkcs11-tool
	wish libengine-pkcs11-openssl	openssl engine pkcs11
	wish python3-psycopg2	/usr/bin/python3 -c "import psycopg2"
}

look_for_build()
{
	find_major
	need gcc		"a C compiler"				have "${CC:-cc}"
	need libc6-dev	"the C library's headers"	header stdlib.h
	need make		"make"						have make
	need pkg-config	"pkg-config"				have pkg-config
	need perl		"perl with prove"			have prove
	need libipc-run-perl "perl's IPC::Run"		perl -MIPC::Run -e 1
	need openssl	"the openssl command"		have openssl
	need libssl-dev	"OpenSSL's headers"			header openssl/ssl.h
	need libkrb5-dev "Kerberos headers, which PostgreSQL's server headers include" \
		header gssapi/gssapi.h
	need libpq-dev	"libpq's headers"			header libpq-fe.h
	need util-linux	"setpriv, to run servers as another user than root" \
		not_root_or have setpriv
	need "postgresql-$major"	"a PostgreSQL server" \
		pg_file --bindir postgres
	need "postgresql-client-$major"	"psql"		pg_file --bindir psql
	# the client's package of Debian has the makefiles, but not the headers
	need "postgresql-server-dev-$major" "PostgreSQL's build files (PGXS)" \
		both_pg_files --pgxs --includedir-server postgres.h
	need "postgresql-$major-pgtap" "pgTAP"		pg_file --sharedir extension/pgtap.control
}

# need PACKAGE WORDS TEST...: notes the package unless the test succeeds.
need()
{
	local package=$1 words=$2

	shift 2
	if ! "$@" >/dev/null 2>&1; then
		missing+=("$words")
		packages+=("$package")
	fi
}

# wish PACKAGE TEST...: notes a package whose lack makes a test skip, unless the
# test succeeds or the distribution, as far as is known, has none.
wish()
{
	local package=$1

	shift
	if "$@" >/dev/null 2>&1; then
		return
	fi
	if [ "$lists_updated" = no ] || offered "^${package//+/[+]}\$" >/dev/null; then
		wishes+=("$package")
	fi
}

have()
{
	command -v "$1"
}

# One that Debian keeps where only root looks.
system_program()
{
	have "$1" || [ -x "/usr/sbin/$1" ]
}

not_root_or()
{
	[ "$(id -u)" -ne 0 ] || "$@"
}

header()
{
	local include

	include=$("$pg_config" --includedir 2>/dev/null) || true
	echo "#include <$1>" |
		"${CC:-cc}" -E -I"${include:-/usr/include/postgresql}" -x c -
}

# pg_file --OPTION [NAME]: is this file of PostgreSQL's installation there?
pg_file()
{
	local path

	path=$("$pg_config" "$1") && [ -e "$path${2:+/$2}" ]
}

# both_pg_files --OPTION --OPTION NAME
both_pg_files()
{
	pg_file "$1" && pg_file "$2" "$3"
}

# The major version that pg_config speaks for; else the newest that is
# installed; else the newest that the distribution offers.
find_major()
{
	major=
	if pg_file --pgxs 2>/dev/null; then
		major=$("$pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	fi
	if [ -z "$major" ]; then
		major=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres |
			sed -n 's,.*/postgresql/\([0-9]*\)/.*,\1,p' | sort -n | tail -n 1)
	fi
	if [ -z "$major" ]; then
		major=$(offered '^postgresql-server-dev-[0-9]+$' |
			sed 's/.*-//' | sort -n | tail -n 1) || true
	fi
	major=${major:-N}
}

# The packages of the distribution that have such a name; fails if none has.
offered()
{
	have apt-cache >/dev/null &&
		apt-cache search --names-only "$1" | sed 's/ .*//' | grep .
}

update_lists()
{
	if [ "$lists_updated" = no ]; then
		quietly apt-get update
		lists_updated=yes
	fi
}

# Debian's server package creates and starts a cluster when it is installed,
# unless it is told not to.
install_packages()
{
	folder=/etc/postgresql-common/createcluster.d
	snippet=$folder/zz-none-wanted-by-setup.conf
	trap 'rm -f "$snippet"; rmdir --ignore-fail-on-non-empty "$folder"' EXIT
	mkdir -p "$folder"
	echo "create_main_cluster = false" >"$snippet"
	quietly env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "$@"
}

# Runs a command and shows what it said only if it fails.
quietly()
{
	local log status=0

	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if [ "$status" -ne 0 ]; then
		echo "setup: \"$*\" failed:" >&2
		tail -n 40 "$log" >&2
	fi
	rm -f "$log"
	return "$status"
}

give_up()
{
	local i

	echo "setup: $1" >&2
	for i in "${!missing[@]}"; do
		echo "setup: missing: ${missing[i]} (on Debian and Ubuntu: ${packages[i]})" >&2
	done
	echo "setup: as root: apt-get install --no-install-recommends ${packages[*]}" >&2
	exit 1
}

main
