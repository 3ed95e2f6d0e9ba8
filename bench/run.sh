#!/usr/bin/env bash
#
# run.sh - measures everything, says which goals are met, and draws plots.
#
# "make bench" calls this after .ci/setup.sh.  It works on a copy, as another
# user if the caller is root, on servers of its own; what it leaves is
# bench/out: the raw numbers, the report, and the plots.
#
#	bench/run.sh [judge | client | choose | views | logins]...	only these
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR source=../.ci/sandbox.sh
. "$root/.ci/sandbox.sh"

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(judge client choose views logins)
jobs=$(nproc 2>/dev/null || echo 2)
raw=
failed=()

main()
{
	sandbox_open "$root"
	raw=$sandbox/tmp/raw
	echo "Building ..." >&2
	build all
	build install "DESTDIR=$sandbox/stage"
	build -C bench all
	as_user 10 touch "$raw"

	export PG_CERT_POLICY_STAGE=$sandbox/stage
	# a part that fails leaves its goals unmeasured, and the others measured
	for part in "${parts[@]}"; do
		"measure_$part" || failed+=("$part ($?)")
	done
	keep_results
	if [ ${#failed[@]} -gt 0 ]; then
		echo "bench: failed, with their status: ${failed[*]}" >&2
		exit 1
	fi
}

build()
{
	if ! as_user 900 make -s --no-print-directory with_llvm=no -j "$jobs" "$@" >"$sandbox/log/build" 2>&1; then
		tail -n 40 "$sandbox/log/build" >&2
		echo "bench: \"make $*\" failed" >&2
		exit 1
	fi
}

# measure_in SECONDS COMMAND...: status 124 is that of a time-out.
measure_in()
{
	local seconds=$1

	shift
	as_user "$seconds" env "BENCH_OUT=$raw" \
		"PGCERTSEL=$sandbox/src/client/pgcertsel" \
		"PG_CERT_POLICY_STAGE=$PG_CERT_POLICY_STAGE" "$@"
}

measure_judge()
{
	measure_in 60 perl bench/judge.pl
}

measure_client()
{
	measure_in 180 perl bench/client.pl
}

measure_choose()
{
	echo "Choosing ..." >&2
	# shellcheck disable=SC2016
	measure_in 300 sh -c 'bench/choose "$PGCERTSEL" >>"$BENCH_OUT"'
}

measure_views()
{
	measure_in 300 perl bench/views.pl
}

measure_logins()
{
	measure_in 600 perl bench/logins.pl
}

# Raw numbers of a run are kept until the next, and so are those of another
# server version, which add to them.
keep_results()
{
	mkdir -p "$root/bench/out"
	cp "$raw" "$root/bench/out/raw.txt"
	perl "$here/report.pl" "$root/bench/out"
}

main
