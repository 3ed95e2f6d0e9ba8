#!/usr/bin/env bash
#
# play.sh - the demo itself, act by act.  Called by ../demo.sh, which prepares
# the folder, the build, and a user who may run servers.
set -uo pipefail
umask 077

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$DEMO_FOLDER"
cd "$DEMO_FOLDER" || exit 1

# shellcheck source-path=SCRIPTDIR source=show.sh
. "$scripts/show.sh"
# shellcheck source-path=SCRIPTDIR source=certificates.sh
. "$scripts/certificates.sh"
# shellcheck source-path=SCRIPTDIR source=servers.sh
. "$scripts/servers.sh"
# shellcheck source-path=SCRIPTDIR source=client.sh
. "$scripts/client.sh"
# shellcheck source-path=SCRIPTDIR source=policy.sh
. "$scripts/policy.sh"

trap servers_stop EXIT
trap 'exit 143' HUP INT TERM

# The commands that are shown are just these.
mkdir bin
ln -s "$DEMO_PSQL" bin/psql
ln -s "$DEMO_PGCERTSEL" bin/pgcertsel
export PATH="$PWD/bin:$PATH"
printf '\\set QUIET on\n\\pset linestyle ascii\n\\pset footer off\n' >psqlrc
export PSQLRC=$PWD/psqlrc PSQL_PAGER=cat

act_certificates
act_servers
act_client
act_policy
summary
