#!/usr/bin/env bash
#
# packages_inside.sh - what packages.sh runs in the bare root.
#
# As a user would: apt-get install, a server, a login that the policy lets in
# and one that it does not, the command, a program in C, the manual, purge.
# Then the same with make install.  Prints "ok - WORDS" or "not ok - WORDS" for
# each check, and on stderr what was said; a step that others stand on ends it.
#
# The checks are called by name, which shellcheck cannot follow:
# shellcheck disable=SC2317
set -uo pipefail

version=$(basename /packages/debs/postgresql-*-pg-cert-policy_*.deb |
	sed 's/^postgresql-\([0-9]*\)-.*/\1/')
pg_config=/usr/lib/postgresql/$version/bin/pg_config
port=54329
some_tests="t/001_login.pl t/101_client_select.pl"
bad=0

check()
{
	local words=$1

	shift
	echo "== $words" >&2
	if "$@" >/tmp/said 2>&1 </dev/null; then
		echo "ok - $words"
		cat /tmp/said >&2
	else
		tail -n 40 /tmp/said | sed 's/^/    /'
		echo "not ok - $words"
		bad=1
		return 1
	fi
}

main()
{
	check "apt has its lists" apt-get -o APT::Update::Error-Mode=any update || exit 1
	mkdir -p /etc/postgresql-common/createcluster.d
	echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/ci.conf

	check "the packages install" install /packages/debs/*"$version"-pg-cert-policy_*.deb \
		/packages/debs/libpgcertsel*.deb /packages/debs/pgcertsel_*.deb || exit 1
	dpkg -L "postgresql-$version-pg-cert-policy" libpgcertsel0 libpgcertsel-dev pgcertsel |
		sort -u | while read -r file; do
			if [ -f "$file" ] || [ -L "$file" ]; then echo "$file"; fi
		done >/tmp/files
	check "a server with the library preloaded" start_server || exit 1
	check "CREATE EXTENSION, and a policy" set_policy
	check "the right certificate gets in" right_certificate
	check "another one is rejected, by the policy" wrong_certificate
	check "pgcertsel select" finds_certificate
	check "pgcertsel exec" runs_psql
	check "the tools for a program install" install gcc libc6-dev pkg-config man-db
	check "a program in C is built by what pkg-config says" builds_program
	check "the manual pages are found" finds_pages
	check "the tools for the tests install" install make perl libio-pty-perl \
		libipc-run-perl libkrb5-dev openssl "postgresql-$version-pgtap" \
		postgresql-server-dev-all || exit 1
	check "autopkgtest: installcheck" autopkgtest
	check "purge" apt-get purge -y "postgresql-$version-pg-cert-policy" \
		libpgcertsel0 libpgcertsel-dev pgcertsel
	check "leaves no file" nothing_left
	check "and the server starts without the library" restarts
	pg_dropcluster --stop "$version" main >&2

	useradd --create-home builder
	cp -R /packages/src /home/builder/src
	chown -R builder: /home/builder/src
	find / -xdev -path /home -prune -o -type f -print | sort >/tmp/before
	check "a user: make" user make -s "-j$(nproc)" with_llvm=no "PG_CONFIG=$pg_config" || exit 1
	check "root: make install" make -s -C /home/builder/src with_llvm=no "PG_CONFIG=$pg_config" install
	check "the user: make installcheck" user env "PROVE_TESTS=$(tests)" \
		make -s installcheck with_llvm=no "PG_CONFIG=$pg_config"
	check "the user: pg_virtualenv make installcheck" user env "PROVE_TESTS=t/001_login.pl" \
		pg_virtualenv -t -v "$version" make -s installcheck with_llvm=no "PG_CONFIG=$pg_config"
	check "root: make uninstall" make -s -C /home/builder/src with_llvm=no "PG_CONFIG=$pg_config" uninstall
	find / -xdev -path /home -prune -o -type f -print | sort >/tmp/then
	check "leaves no file" diff /tmp/before /tmp/then
	exit "$bad"
}

tests()
{
	[ -n "${FULL:-}" ] || echo "$some_tests"
}

install()
{
	apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "$@"
}

user()
{
	cd /home/builder/src && setpriv --reuid=builder --regid=builder --init-groups \
		env HOME=/home/builder timeout 1500 "$@"
}

psql_as()
{
	local who=$1

	shift
	psql -XAtw -c "select current_user" "host=127.0.0.1 port=$port dbname=postgres user=alice sslmode=require sslcert=/certs/$who.crt sslkey=/certs/$who.key" "$@"
}

superuser()
{
	setpriv --reuid=postgres --regid=postgres --init-groups \
		psql -XAtw -v ON_ERROR_STOP=1 -p "$port" postgres "$@"
}

# A CA, the server's certificate and two for clients.
make_certs()
{
	local name

	mkdir -p /certs
	cd /certs || return 1
	openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj "/CN=ca" -days 30 || return 1
	for name in localhost alice bob; do
		openssl req -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.csr" -subj "/CN=$name" &&
			openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -out "$name.crt" -days 30 || return 1
	done
	rm -f ./*.csr ca.key
	chmod 600 ./*.key
	mkdir bundle
	cp -p alice.crt alice.key bob.crt bob.key bundle
}

start_server()
{
	local conf=/etc/postgresql/$version/main

	command -v openssl >/dev/null || install openssl || return 1
	make_certs || return 1
	pg_createcluster -p "$port" "$version" main -- -N || return 1
	chown postgres: /certs/localhost.key
	cat >>"$conf/postgresql.conf" <<-CONF
		shared_preload_libraries = 'pg_cert_policy'
		listen_addresses = '127.0.0.1'
		ssl = on
		ssl_ca_file = '/certs/ca.crt'
		ssl_cert_file = '/certs/localhost.crt'
		ssl_key_file = '/certs/localhost.key'
	CONF
	printf 'local all all peer\nhostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n' >"$conf/pg_hba.conf"
	pg_ctlcluster "$version" main start
}

set_policy()
{
	superuser -c "create extension pg_cert_policy" -c "create role alice login" \
		-c "security label for pg_cert_policy on role alice is 'cn=%role'" &&
		[ "$(superuser -c "select name from pg_trusted_ca_names()")" = CN=ca ]
}

right_certificate()
{
	[ "$(psql_as alice)" = alice ]
}

wrong_certificate()
{
	! psql_as bob 2>/tmp/refused &&
		grep 'certificate policy rejects login as role "alice"' /tmp/refused &&
		grep 'cn: required "alice", found "bob"' "/var/log/postgresql/postgresql-$version-main.log"
}

finds_certificate()
{
	pgcertsel select "host=127.0.0.1 port=$port user=alice" --bundle /certs/bundle |
		grep "sslcert='\?/certs/bundle/alice.crt"
}

runs_psql()
{
	[ "$(pgcertsel exec "host=127.0.0.1 port=$port user=alice dbname=postgres" --bundle /certs/bundle -- psql -XAtwc "select current_user")" = alice ]
}

builds_program()
{
	cat >/tmp/program.c <<-'C'
		#include <pgcertsel.h>
		#include <libpq-fe.h>
		#include <stdio.h>

		int
		main(void)
		{
			return printf("%s %d\n", pgcs_version(), PQlibVersion()) < 0;
		}
	C
	# shellcheck disable=SC2046
	cc -Wall -Werror -o /tmp/program /tmp/program.c $(pkg-config --cflags --libs pgcertsel libpq) &&
		ldd /tmp/program | grep libpgcertsel.so.0 && /tmp/program | grep "^1\."
}

finds_pages()
{
	man -w 1 pgcertsel && man -w 3 pgcertsel && man pgcertsel | grep -q "choose the client certificate" &&
		man --warnings -l "$(man -w pgcertsel)" 2>&1 >/dev/null | (! grep .)
}

autopkgtest()
{
	cd /packages/src && pg_buildext updatecontrol && PROVE_TESTS=$(tests) debian/tests/installcheck
}

nothing_left()
{
	local left

	left=$(while read -r file; do
			if [ -e "$file" ] || [ -L "$file" ]; then echo "$file"; fi
		done </tmp/files
		find / -xdev \( -path /packages -o -path /var/cache -o -path /proc -o -path /tmp \) -prune \
			-o \( -name '*cert?policy*' -o -name '*pgcertsel*' \) -print)
	echo "$left"
	[ -z "$left" ] && [ -s /tmp/files ] && ! dpkg-query -W '*pgcertsel*' '*pg-cert-policy*' 2>/dev/null | grep .
}

restarts()
{
	sed -i /^shared_preload_libraries/d "/etc/postgresql/$version/main/postgresql.conf"
	pg_ctlcluster "$version" main restart && [ "$(superuser -c "select 1")" = 1 ]
}

main
