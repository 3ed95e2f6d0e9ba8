#!/usr/bin/env bash
#
# mutate.sh - breaks the code in many places, one at a time: a test has to fail.
#
# "make mutate" calls this after setup.sh.  t/mutants/ lists the changes, and
# which tests are to notice; each is applied to a copy, built and tested.  The
# last line is "mutants: N, noticed: N (100 %)", and the exit status is 0 only
# if none survived.
#
#	ONLY='judge\.c' .ci/mutate.sh	those whose file and name match
#	JOBS=1 ...						one at a time
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR source=sandbox.sh
. "$here/sandbox.sh"

jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}

sandbox_open "$root"
# Bitcode for the server's JIT would only cost time here.
as_user 600 make -s --no-print-directory -j "$jobs" with_llvm=no with_client=no all
as_user 600 make -s --no-print-directory -C common/test -j "$jobs" "CFLAGS=-g -O0" all
as_user 14400 perl .ci/mutate.pl "$jobs" "$sandbox/copies" ${ONLY:+"$ONLY"}
