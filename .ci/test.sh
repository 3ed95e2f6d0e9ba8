#!/usr/bin/env bash
#
# test.sh - builds everything, runs every test, and counts.
#
# "make test" calls this after setup.sh.  It works on a copy, as another user
# if the caller is root, and leaves nothing behind: see sandbox.sh.  One line
# is shown for each stage, more only where something failed.  The last line is
# "N passed, N failed", and "N skipped" behind it if there are any; the exit
# status is 0 only if nothing failed and every stage of tests had some.
#
#	KEEP=1 .ci/test.sh		leaves the folder behind, to look into it
#	.ci/test.sh --leg		without what says the same with every server, and
#							without the sanitizers; the documentation only with
#							18 and later
#
# The stages are called by name, which shellcheck cannot follow:
# shellcheck disable=SC2317
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR source=sandbox.sh
. "$here/sandbox.sh"

leg=${1:-}
passed=0
failed=0
skipped=0
repeated=()		# what failed, said again at the end
limit=			# seconds that the stage may take
log=			# where its output goes
jobs=$(nproc 2>/dev/null || echo 2)
strict="-Wall -Wextra -Wformat-security -Werror"
sanitizers=address,undefined
sanitized="-fsanitize=$sanitizers -fno-sanitize-recover=all"

main()
{
	local clang

	if ! sandbox_open "$root"; then
		failed=1
		finish
	fi
	if [ -n "${KEEP:-}" ]; then
		sandbox_keep
	fi

	describe
	stage check "build" 600 build all || finish
	if [ -z "$leg" ]; then
		if clang=$(find_clang); then
			stage check "build with clang" 600 build_with "$clang" || true
		else
			skip "build with clang: there is no clang"
		fi
	fi
	stage tests "C tests of common/" 300 \
		common_tests "-g -O1 $strict" || true
	stage tests "C tests of client/" 300 client_tests || true
	if [ -z "$leg" ]; then
		# The same tests once more are not counted twice.
		stage again "common/ under sanitizers" 600 \
			common_tests "-g -O1 -fno-omit-frame-pointer $sanitized" || true
		stage again "client/ under sanitizers" 600 \
			client_tests BUILD=build-sanitized "SANITIZE=$sanitizers" || true
		stage again "threads under sanitizer" 600 thread_tests || true
	fi

	if [ -z "$leg" ]; then
		if clang=$(find_clang) && fuzzes "$clang"; then
			stage check "fuzzing, 3 s each" 900 fuzz_shortly "$clang" || true
		else
			skip "fuzzing: there is no clang with libFuzzer"
		fi
	fi

	if stage check "install" 300 build install "DESTDIR=$sandbox/stage"; then
		export PG_CERT_POLICY_STAGE=$sandbox/stage
		stage tests "pg_regress" 600 regress || show_regress
		is_documented || skip "the documentation is run with 18 and later"
		stage tests "Perl TAP and pgTAP" 2100 perl_tests || show_servers
	fi
	if [ -z "$leg" ]; then
		stage tests "house-keeping" 600 timeout -k 10 600 "$here/check.sh" || true
	fi
	finish
}

# What is tested with what.
describe()
{
	printf '%s, %s, %s\n' "$("${PG_CONFIG:-pg_config}" --version)" \
		"$(openssl version | cut -d ' ' -f 1,2)" \
		"$("${CC:-cc}" --version | head -n 1)"
}

# ---------------------------------------------------------------------------
# What the stages do
# ---------------------------------------------------------------------------

# One command of a stage.
run()
{
	as_user "$limit" "$@"
}

# Bitcode for the server's JIT would only cost time here.
quiet_make()
{
	run make -s --no-print-directory with_llvm=no "$@"
}

build()
{
	quiet_make -j "$jobs" "WARNINGS=$strict" "COPT=$strict $(for_server)" "$@"
}

# The server's headers do not pass our warnings, so they count as the system's;
# and its callbacks have parameters that not everybody needs.
for_server()
{
	echo "-Wno-unused-parameter" \
		"-isystem $("${PG_CONFIG:-pg_config}" --includedir-server)"
}

# In a copy; the server's own compiler options are not all known to another
# compiler.
build_with()
{
	local other="-Wno-unknown-warning-option -Wno-ignored-optimization-argument"

	run cp -R "$sandbox/src" "$sandbox/other" &&
		quiet_make -C "$sandbox/other" clean "CC=$1" &&
		quiet_make -C "$sandbox/other" -j "$jobs" "CC=$1" \
			"WARNINGS=$strict" "COPT=$strict $(for_server) $other" all
}

# Each target, from its seeds: that they are there, and hold at least that long.
fuzz_shortly()
{
	quiet_make -j "$jobs" fuzz "FUZZ_CC=$1" SECONDS=3 "JOBS=$jobs"
}

fuzzes()
{
	echo 'int LLVMFuzzerTestOneInput(void);
		int LLVMFuzzerTestOneInput(void) { return 0; }' |
		"$1" -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null
}

common_tests()
{
	quiet_make -C common/test clean &&
		quiet_make -C common/test -j "$jobs" "CFLAGS=$1" all &&
		quiet_make -C common/test "CFLAGS=$1" check
}

client_tests()
{
	quiet_make -C client -j "$jobs" all "$@" &&
		with_tap quiet_make -C client check "$@"
}

# And builds the tool with which t/105_client_connect.pl does the same.
thread_tests()
{
	with_tap quiet_make -C client -j "$jobs" check-threads
}

# Runs something that calls prove, which keeps what each test file printed in a
# file of its own.
with_tap()
{
	run mkdir -p "$log.tap" &&
		PERL_TEST_HARNESS_DUMP_TAP=$log.tap "$@"
}

regress()
{
	quiet_make installcheck TAP_TESTS=
}

# Test files run side by side.
perl_tests()
{
	with_tap quiet_make installcheck REGRESS= "PROVE_FLAGS=--timer -j $jobs" \
		"PROVE_TESTS=$(perl_files)"
}

# A leg leaves out what is about this tree, and not about a server.
perl_files()
{
	local file out='^$'

	if [ -n "$leg" ]; then
		out='_(docs_extractor|dist|check_tree|versions|mutants)\.pl$'
		is_documented || out+='|_docs\.pl$'
	fi
	for file in "$root"/t/*.pl; do
		grep -Eq "$out" <<<"$file" || echo "t/${file##*/}"
	done | xargs
}

# The documentation takes long, and is run with the server here and the newest.
is_documented()
{
	local version

	version=$("${PG_CONFIG:-pg_config}" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	[ -z "$leg" ] || [ "$version" -ge 18 ]
}

find_clang()
{
	local name

	for name in "${CLANG:-clang}" clang-{25..11}; do
		if command -v "$name"; then
			return 0
		fi
	done
	return 1
}

# ---------------------------------------------------------------------------
# Running and counting them
# ---------------------------------------------------------------------------

# stage KIND NAME SECONDS COMMAND...: KIND is "check" for a stage that counts
# only if it fails, "tests" for one that has tests, "again" for tests that have
# been counted.
stage()
{
	local kind=$1 name=$2 status=0 start=$SECONDS
	local ok=0 bad=0 left=0 details

	limit=$3
	log=$sandbox/log/$(echo "$name" | tr -c 'a-zA-Z0-9\n' _)
	shift 3
	printf '%-28s ' "$name"
	"$@" >"$log" 2>&1 || status=$?

	if [ "$kind" != check ]; then
		details=$(find "$log" "$log.tap" -type f -print0 2>/dev/null | sort -z |
			xargs -0 perl "$here/tally.pl")
		read -r ok bad left <<<"${details##*$'\n'}"
		if [ "$((ok + bad + left))" -eq 0 ] && [ "$status" -eq 0 ]; then
			echo "this stage ran no tests" >>"$log"
			status=1
		fi
		details=$(printf '%s' "$details" | sed '$d')
	fi
	# A stage may fail without a failed test: a crash, a time-out.
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		bad=1
	fi
	if [ "$bad" -ne 0 ] && [ "$status" -eq 0 ]; then
		status=1
	fi

	failed=$((failed + bad))
	if [ "$kind" = tests ]; then
		passed=$((passed + ok))
		skipped=$((skipped + left))
	fi
	if [ "$status" -eq 0 ]; then
		printf '%s  (%d s)\n' "$(words "$kind" "$ok" "$left")" "$((SECONDS - start))"
	else
		printf 'FAILED  (%d s)\n' "$((SECONDS - start))"
	fi
	if [ -n "${details:-}" ]; then
		printf '%s\n' "$details" | sort | uniq -c | tell_how_often
	fi
	if [ "$status" -eq 124 ]; then
		echo "    it took longer than $limit s and was stopped"
	fi
	if [ "$status" -ne 0 ]; then
		remember_failure "$name" "${details:-}"
		if [ "$kind" != check ]; then
			grep -E '^ *#' "$log" >"$log.why" || true
			excerpt "what the failed tests said" "$log.why" 300
			grep -vE '^(\[[0-9:]+\]|ok |not ok |[[:space:]]*#|$)' "$log" >"$log.else" || true
			excerpt "what else was said" "$log.else" 60
		fi
		excerpt "what it printed last" "$log" 60
	fi
	return "$status"
}

# Lines of "uniq -c": one that came several times says so.
tell_how_often()
{
	sed -E -e 's/^ *1 /    /' -e 's/^ *([0-9]+) (.*)/    \2 (\1 times)/'
}

# Who sees only the end of the output finds there what failed and why.
remember_failure()
{
	local lines

	lines=$(grep '^failed: ' <<<"$2" | head -n 20) ||
		lines="failed: the stage \"$1\": $(tail -n 1 "$log")"
	repeated+=("$lines")
	if [ -e "$log.tap" ]; then
		lines=$(find "$log.tap" -type f -print0 |
			xargs -0 grep -h -A 12 '^ *not ok' | sed -n 1,30p) || true
		repeated+=("$lines")
		# Perl tests say on the standard error what they found.
		lines=$(grep -A 20 '^ *#   Failed test' "$log" | sed -n 1,60p) || true
		repeated+=("$lines")
	fi
}

words()
{
	if [ "$1" = check ]; then
		printf 'ok'
	elif [ "$3" -eq 0 ]; then
		printf '%d passed' "$2"
	else
		printf '%d passed, %d skipped' "$2" "$3"
	fi
}

skip()
{
	echo "    skipped: $1"
	skipped=$((skipped + 1))
}

# excerpt WORDS FILE LINES
excerpt()
{
	if [ -s "$2" ]; then
		echo "    --- $1"
		tail -n "$3" "$2" | sed 's/^/    | /'
	fi
}

show_regress()
{
	excerpt "regression.diffs" "$sandbox/src/regression.diffs" 200
	excerpt "the server's log" "$sandbox/src/log/postmaster.log" 30
}

# The ends of the logs of the servers whose tests failed; those of the others
# have been removed with their data.
show_servers()
{
	local folder name

	for folder in "$sandbox"/src/tmp_check/t_*_data; do
		name=$(basename "$folder" _data)
		excerpt "the server's log of ${name#t_}" \
			"$sandbox/src/tmp_check/log/${name#t_}.log" 30
	done
}

finish()
{
	local line="$passed passed, $failed failed"

	if [ "$skipped" -gt 0 ]; then
		line+=", $skipped skipped"
	fi
	if [ ${#repeated[@]} -gt 0 ]; then
		printf '%s\n' "${repeated[@]}"
	fi
	echo "$line"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
	exit
}

main
