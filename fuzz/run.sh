#!/usr/bin/env bash
#
# run.sh - runs the fuzz targets, and prints what each has done.
#
#	run.sh SECONDS [JOBS]	each target for so long, JOBS of them at a time
#	TARGETS="policy name" run.sh ...	some of them only
#
# What is learnt stays in build/corpus for the next run.  An input that makes a
# target fail is kept in build/found; the exit status is 1 then.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BUILD:-$here/build}
seconds=${1:?seconds}
jobs=${2:-1}
read -ra targets <<<"${TARGETS:-$(cd "$here" && printf '%s ' fuzz_*.c |
	sed 's/fuzz_//g; s/\.c//g')}"

# Leaks are looked for as well; a malloc of 2 GB or a run of 25 s is a failure.
fuzz()
{
	local target=$1 corpus=$build/corpus/$1 status=0 words=()

	mkdir -p "$corpus" "$build/found" "$build/log" "$build/seeds/$target"
	if [ -f "$here/$target.dict" ]; then
		words=("-dict=$here/$target.dict")
	fi
	"$build/fuzz_$target" -max_total_time="$seconds" -max_len=8192 -timeout=25 \
		-print_final_stats=1 -artifact_prefix="$build/found/$target-" \
		"${words[@]}" "$corpus" "$build/seeds/$target" \
		>"$build/log/$target" 2>&1 || status=$?
	line "$target" "$status"
	return "$status"
}

# The counts of a log: executions, edges covered, features, inputs kept.
line()
{
	local log=$build/log/$1 executions cover

	executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	cover=$(grep -oE 'cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -n 1)
	printf '%-12s %12s executions  %s%s\n' "$1" "${executions:-?}" "$cover" \
		"$([ "$2" -eq 0 ] || echo "  FAILED ($2), see $log")"
}

status=0
running=0
for target in "${targets[@]}"; do
	if [ "$running" -ge "$jobs" ]; then
		wait -n || status=1
		running=$((running - 1))
	fi
	fuzz "$target" &
	running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
	wait -n || status=1
	running=$((running - 1))
done
exit "$status"
