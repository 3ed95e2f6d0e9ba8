#!/usr/bin/env bash
#
# demo.sh - shows what pg_cert_policy and pgcertsel do, on real servers.
#
# "make demo" calls this after .ci/setup.sh.  It builds both halves, makes
# certificates with openssl, starts two servers, and logs in to them with the
# system's own psql.  Everything happens in a folder that is removed in the
# end, the servers included.  The exit status is 0 only if every step showed
# what it should.  The steps themselves are in demo/.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR source=../.ci/sandbox.sh
. "$root/.ci/sandbox.sh"

psql=$(command -v psql) || {
	echo "demo: there is no psql in PATH" >&2
	exit 1
}
jobs=$(nproc 2>/dev/null || echo 2)
color=no
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	color=yes
fi

sandbox_open "$root"
log=$sandbox/log/build

# build MAKE-ARGUMENT...: shows nothing unless it fails.
build()
{
	if ! as_user 300 make --no-print-directory with_llvm=no -j "$jobs" "$@" >>"$log" 2>&1; then
		tail -n 40 "$log" >&2
		echo "demo: \"make $*\" failed" >&2
		exit 1
	fi
}

echo "Building ..."
build all
build install "DESTDIR=$sandbox/stage"

export PG_CERT_POLICY_STAGE=$sandbox/stage
as_user 300 env "DEMO_COLOR=$color" "DEMO_PSQL=$psql" \
	"DEMO_PGCERTSEL=$sandbox/src/client/pgcertsel" "DEMO_FOLDER=$sandbox/demo" \
	bash examples/demo/play.sh
