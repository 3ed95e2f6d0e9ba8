#!/usr/bin/env bash
#
# sanitize.sh - tests once more, where every error in memory is seen.
#
#	sanitize.sh [PART...]
#
#	command		pgcertsel built with ASan and UBSan, leaks looked for
#	server		PostgreSQL as it is, with the extension built with ASan and UBSan
#	c-valgrind	the C tests under valgrind
#	command-valgrind	pgcertsel under valgrind, leaks looked for
#	server-valgrind		PostgreSQL under valgrind
#
# Without a PART all of them, which takes long: under valgrind everything is
# twenty times slower.  TESTS="001_login 030_watch" names the files of t/ to run,
# instead of those that a part has.
#
# A line for each part; what failed, and every report, comes below it.  The exit
# status is 0 only if all tests passed and nothing was reported.  Like test.sh
# it works on a copy, as another user if the caller is root.
#
# PostgreSQL itself is not instrumented, and what it does with bytes that it has
# not written counts as its own affair: of valgrind's reports about a server
# those count that have a function of ours on the stack.
#
# The parts are called by name, which shellcheck cannot follow:
# shellcheck disable=SC2317
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR source=sandbox.sh
. "$here/sandbox.sh"

sanitizers=address,undefined
sanitized="-O1 -g -fno-omit-frame-pointer -fsanitize=$sanitizers -fno-sanitize-recover=all"
jobs=$(nproc 2>/dev/null || echo 2)
status=0

# Logins and rejections, views, reloads, bad files and bad input, crashes.
server_tests="001_login 003_which_policies 004_faults 005_ca_names 006_dry_run
	007_trusted_cas 030_watch 031_expiry 050_who_may_set 058_bad_input
	059_bad_files 061_concurrent 065_hostile 080_between 082_login_faults"
slow_server_tests="001_login 005_ca_names 006_dry_run 007_trusted_cas 030_watch
	059_bad_files 080_between"
command_tests="100_client_probe 101_client_select 102_client_bad_input
	103_client_chain 104_client_hosts 105_client_connect 131_client_output
	132_client_words 133_client_servers 135_client_unsent 140_client_pkcs12
	150_client_memory
	152_client_hosts 155_client_random_hosts 160_lying_servers
	161_lying_tls"
slow_command_tests="100_client_probe 101_client_select 103_client_chain
	140_client_pkcs12 160_lying_servers"

main()
{
	local part parts=("$@")

	[ ${#parts[@]} -gt 0 ] ||
		parts=(command server c-valgrind command-valgrind server-valgrind)
	sandbox_open "$root" || exit 1
	if [ -n "${KEEP:-}" ]; then
		sandbox_keep
	fi
	for part in "${parts[@]}"; do
		case $part in
			command | server | c-valgrind | command-valgrind | server-valgrind) ;;
			*)
				echo "sanitize: there is no part \"$part\"" >&2
				exit 2
				;;
		esac
		if [[ $part = *valgrind ]] && ! command -v valgrind >/dev/null; then
			echo "$part: skipped, valgrind is not installed"
			continue
		fi
		reports=$sandbox/reports-$part
		as_user 10 mkdir "$reports"
		"run_${part//-/_}" || status=1
	done
	exit "$status"
}

# ---------------------------------------------------------------------------
# Parts
# ---------------------------------------------------------------------------

run_command()
{
	quietly 600 as_user 600 make -s -C client -j "$jobs" BUILD=build-sanitized "SANITIZE=$sanitizers" all
	script "$sandbox/sanitized/pgcertsel" <<-EOF
		$(options)
		exec $sandbox/src/client/build-sanitized/pgcertsel "\$@"
	EOF
	stage "$(plain_stage)"
	prove_in command "$command_tests" "PGCERTSEL=$sandbox/sanitized/pgcertsel" \
		"PGCERTSEL_TEST_PROGRAMS=$sandbox/src/client/build-sanitized/test"
}

run_server()
{
	local asan ubsan first=$sandbox/first.so

	asan=$(realpath "$("${CC:-gcc}" -print-file-name=libasan.so)")
	ubsan=$(realpath "$("${CC:-gcc}" -print-file-name=libubsan.so)")
	make_first "$first"
	plain_stage >/dev/null		# some tests ask pgcertsel, too
	quietly 600 as_user 60 cp -R "$sandbox/src" "$sandbox/sanitized-src"
	quietly 600 build -C "$sandbox/sanitized-src" clean
	quietly 900 build -C "$sandbox/sanitized-src" with_client=no "COPT=$sanitized" \
		install "DESTDIR=$sandbox/stage-sanitized"
	if ! find "$sandbox/stage-sanitized" -name pg_cert_policy.so -exec nm -D {} + |
		grep __asan_init >/dev/null; then
		echo "server: FAILED, the extension is not built with ASan"
		return 1
	fi
	server_as server <<-EOF
		$(options detect_leaks=0:detect_odr_violation=0:verify_asan_link_order=0)
		LD_PRELOAD=$asan:$ubsan:$first\${LD_PRELOAD:+:\$LD_PRELOAD}
		export LD_PRELOAD
	EOF
	stage "$sandbox/stage-sanitized"
	prove_in server "$server_tests" "PG_CONFIG=$sandbox/server/pg_config"
}

# The server is not built with ASan, so its runtime is preloaded, and begins with
# the first malloc().  That may come from the constructor of a library, in
# gettext and with gettext's lock held; the runtime needs gettext to begin, and
# then the server waits for that lock for good.  So the very first constructor
# of all is this one.  (With both runtimes there from the beginning, nothing has
# to begin in a session that loads the library by itself.)
make_first()
{
	cat >"$sandbox/first.c" <<-'EOF'
		#include <stdlib.h>
		__attribute__((constructor)) static void first(void) { free(malloc(1)); }
	EOF
	as_user 60 "${CC:-gcc}" -O0 -shared -fPIC -Wl,-z,initfirst -o "$1" "$sandbox/first.c"
}

run_c_valgrind()
{
	local failed=0 log=$sandbox/log/c-valgrind

	as_user 1800 make -s -C common/test check-valgrind >"$log" 2>&1 || failed=1
	as_user 3600 make -s -C client check-valgrind >>"$log" 2>&1 || failed=1
	verdict c-valgrind "$failed"
}

run_command_valgrind()
{
	script "$sandbox/valgrind/pgcertsel" <<-EOF
		exec valgrind --quiet --error-exitcode=99 --leak-check=full \\
			--show-leak-kinds=definite --errors-for-leak-kinds=definite \\
			--log-file=$reports/%p \\
			$sandbox/src/client/pgcertsel "\$@"
	EOF
	stage "$(plain_stage)"
	prove_in command-valgrind "$slow_command_tests" "PGCERTSEL=$sandbox/valgrind/pgcertsel"
}

# Paths of our sources are what our functions are known by.
run_server_valgrind()
{
	local found

	server_as server-valgrind <<-EOF
		set -- valgrind --quiet --leak-check=no --log-file=$reports/%p \\
			--error-markers=BEGIN,END --num-callers=40 --error-limit=no \\
			--fullpath-after= -- "\$postgres" "\$@"
		exec "\$@"
	EOF
	stage "$(plain_stage)"
	prove_in server-valgrind "$slow_server_tests" \
		"PG_CONFIG=$sandbox/server-valgrind/pg_config" PG_TEST_TIMEOUT_DEFAULT=900 || true
	found=$(cat "$reports"/* 2>/dev/null | ours)
	find "$reports" -type f -delete
	if [ -n "$found" ]; then
		echo "$found" >"$reports/ours"
	fi
	verdict server-valgrind "$tests_failed"
}

# Of valgrind's reports those with a function of ours.
ours()
{
	perl -ne 'if (/BEGIN/ .. /END/) { $report .= $_; if (/END/) {
		print $report if $report =~ m!/src/(?:extension|common)/\w+\.c:!; $report = "" } }'
}

# ---------------------------------------------------------------------------
# What they are made of
# ---------------------------------------------------------------------------

build()
{
	as_user 600 make -s --no-print-directory with_llvm=no -j "$jobs" "$@"
}

# Shows what a command said only if it fails, and then that is the end.
quietly()
{
	shift
	if ! "$@" >"$sandbox/log/build" 2>&1; then
		tail -n 40 "$sandbox/log/build"
		exit 1
	fi
}

# How ASan and UBSan shall report: a file for each process, and an end.
options()
{
	echo "export ASAN_OPTIONS=abort_on_error=1:log_path=$reports/asan${1:+:$1}"
	echo "export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:log_path=$reports/ubsan"
}

# script PATH: a shell script of what is read.
script()
{
	mkdir -p "$(dirname "$1")"
	(echo '#!/bin/sh' && cat) >"$1"
	chmod 755 "$1"
}

# server_as NAME: a folder of PostgreSQL's programs, with a postgres that is
# started by the lines that are read, and a pg_config that points to it.  pg_ctl
# would look for postgres where it lies itself, and at a restart in
# postmaster.opts, which has the real one: it is told.
server_as()
{
	local bin=$sandbox/$1 real

	real=$("${PG_CONFIG:-pg_config}" --bindir)
	mkdir "$bin"
	ln -s "$real"/* "$bin"
	rm -f "$bin/postgres" "$bin/pg_ctl" "$bin/pg_config"
	script "$bin/pg_ctl" <<-EOF
		exec $real/pg_ctl -p $bin/postgres "\$@"
	EOF
	script "$bin/pg_config" <<-EOF
		[ "\$*" != --bindir ] || exec echo $bin
		exec $(command -v "${PG_CONFIG:-pg_config}") "\$@"
	EOF
	{
		echo "postgres=$real/postgres"
		# shellcheck disable=SC2016
		echo '[ "$1" != -V ] || exec "$postgres" -V'
		cat
		# shellcheck disable=SC2016
		echo 'exec "$postgres" "$@"'
	} | script "$bin/postgres"
}

# The extension as it is, installed once.
plain_stage()
{
	if [ ! -e "$sandbox/stage" ]; then
		quietly 600 build install "DESTDIR=$sandbox/stage" >&2
	fi
	echo "$sandbox/stage"
}

stage()
{
	export PG_CERT_POLICY_STAGE=$1
}

# prove_in NAME TESTS VARIABLE=VALUE...: and then the verdict
prove_in()
{
	local name=$1 files=() file

	for file in ${TESTS:-$2}; do
		files+=("t/$file.pl")
	done
	shift 2
	tests_failed=0
	as_user 7200 env "PGCERTSEL=$sandbox/src/client/pgcertsel" "$@" \
		prove -It/lib --timer "${files[@]}" >"$sandbox/log/$name" 2>&1 || tests_failed=1
	# a process that has lost its way may write to what it has for stderr
	grep -rE -A 10 'runtime error: |ERROR: AddressSanitizer' "$sandbox/src/tmp_check/log" \
		>"$reports/logs" 2>/dev/null || true
	[ "$name" = server-valgrind ] || verdict "$name" "$tests_failed"
}

# verdict NAME FAILED: the line, and what there is to see.
verdict()
{
	local name=$1 failed=$2 n

	n=$(find "$reports" -type f -size +0 2>/dev/null | wc -l)
	if [ "$failed" -eq 0 ] && [ "$n" -eq 0 ]; then
		echo "$name: no report, $(grep -c ' ok\b' "$sandbox/log/$name" || true) test files passed"
		return 0
	fi
	echo "$name: FAILED, $n reports"
	find "$reports" -type f -size +0 -print0 | xargs -0r head -n 60 | sed 's/^/    /' | head -n 500
	tail -n 60 "$sandbox/log/$name" | sed 's/^/    /'
	return 1
}

main "$@"
