# sandbox.sh - a private folder, and a user who may run servers in it.
#
# Sourced by the scripts that build and start servers.  PostgreSQL refuses to
# run as root, a checkout may be read-only or out of another user's reach, and
# the environment of whoever calls may be set for another server.  So the
# sources are copied into a new folder, everything runs there as "nobody" when
# the caller is root, and with an environment of its own.  When the script
# ends, in whatever way, the servers that were started in the folder are
# stopped and the folder is removed.
#
#	sandbox_open ROOT		makes $sandbox and copies the sources to $sandbox/src;
#							fails if it cannot
#	as_user SECONDS CMD...	runs a command in there, for so long at most
#	sandbox_keep			leaves the folder behind, and says where it is
#
# shellcheck shell=bash

sandbox=
sandbox_user=
sandbox_child=
sandbox_kept=no

sandbox_open()
{
	local root=$1 parent

	trap sandbox_close EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM

	if [ "$(id -u)" -eq 0 ]; then
		sandbox_user=nobody
	fi
	# A socket's path must stay below 108 bytes, so TMPDIR cannot be long.
	parent=${TMPDIR:-/tmp}
	if [ ${#parent} -gt 40 ] || ! sandbox_reaches "$parent"; then
		parent=/tmp
	fi
	sandbox=$(mktemp -d "$parent/pgcp.XXXXXX") &&
		chmod 755 "$sandbox" &&
		mkdir "$sandbox/src" "$sandbox/home" "$sandbox/tmp" "$sandbox/log" ||
		return 1

	# Neither the history nor what a build in the checkout left behind.
	tar -C "$root" --mode=u+rwX,go+rX,go-w -cf - --exclude=./.git \
		--exclude='*.o' --exclude='*.bc' --exclude='*.a' --exclude='*.so' \
		--exclude='./tmp_check*' --exclude='./results' \
		--exclude='./regression.*' --exclude='./client/build*' \
		--exclude='./client/pgcertsel' --exclude='./*/test/run_*' \
		--exclude=./dist . |
		tar -C "$sandbox/src" -xf - --no-same-owner || return 1
	if [ -n "$sandbox_user" ]; then
		chown -R "$sandbox_user:$(id -gn "$sandbox_user")" "$sandbox"
	fi
}

# May the user work in that folder, and are programs run from there?
sandbox_reaches()
{
	local probe status=0

	probe=$(mktemp -d "$1/pgcp.XXXXXX" 2>/dev/null) || return 1
	printf '#!/bin/sh\n' >"$probe/run"
	chmod 755 "$probe" "$probe/run"
	(sandbox_exec "$probe/run") 2>/dev/null || status=1
	rm -rf "$probe"
	return "$status"
}

# Turns this shell into the command, run as the user, with nothing of the
# caller's environment but what says which compiler and which PostgreSQL to
# use.  It gets a session of its own: no terminal to prompt on, and one process
# group to end.
sandbox_exec()
{
	local name keep=()

	for name in CC CLANG PG_CONFIG PG_CERT_POLICY_STAGE PGCERTSEL \
		PG_TEST_TIMEOUT_DEFAULT PERL_TEST_HARNESS_DUMP_TAP COLUMNS TERM; do
		if [ -n "${!name:-}" ]; then
			keep+=("$name=${!name}")
		fi
	done
	set -- env -i "PATH=$PATH" LC_ALL=C.UTF-8 TZ=UTC "HOME=$sandbox/home" \
		"TMPDIR=$sandbox/tmp" "${keep[@]}" "$@"
	if [ -n "$sandbox_user" ]; then
		set -- setpriv --reuid="$sandbox_user" \
			--regid="$(id -gn "$sandbox_user")" --clear-groups "$@"
	fi
	exec setsid "$@"
}

# The command runs in the background, so that a signal to the script is acted
# upon at once.
as_user()
{
	local seconds=$1 status=0

	shift
	(cd "$sandbox/src" && sandbox_exec timeout -k 10 "$seconds" "$@") &
	sandbox_child=$!
	wait "$sandbox_child" || status=$?
	sandbox_child=
	return "$status"
}

sandbox_keep()
{
	sandbox_kept=yes
}

# Stops what was started and removes the folder.  A server is known by the
# pid file in its data folder, and by that folder being its current one.
sandbox_close()
{
	local status=$? file pid

	trap - EXIT
	trap '' HUP INT TERM
	if [ -n "$sandbox_child" ]; then
		kill -TERM -- "-$sandbox_child" 2>/dev/null || true
		sandbox_wait_for "$sandbox_child"
	fi
	if [ -n "$sandbox" ] && [ -d "$sandbox" ]; then
		while IFS= read -r file; do
			read -r pid <"$file" || continue
			if [ "$(readlink "/proc/$pid/cwd")" = "$(dirname "$file")" ]; then
				kill -QUIT "$pid" 2>/dev/null || true
				sandbox_wait_for "$pid"
			fi
		done < <(find "$sandbox" -name postmaster.pid 2>/dev/null)
		if [ "$sandbox_kept" = yes ]; then
			echo "kept: $sandbox"
		else
			chmod -R u+rwX "$sandbox" 2>/dev/null
			rm -rf --one-file-system "$sandbox"
		fi
	fi
	exit "$status"
}

# Waits for a process to end, and loses patience after ten seconds.
sandbox_wait_for()
{
	local i

	for ((i = 0; i < 100; i++)); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	kill -KILL "$1" 2>/dev/null || true
}
