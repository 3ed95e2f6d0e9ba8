#!/usr/bin/env bash
#
# versions.sh - runs test.sh against other PostgreSQL majors.
#
# Each major is tested in a throw-away root of the Debian suite that ships it,
# so with that suite's OpenSSL and compiler, in namespaces of its own: no port,
# process or shared memory is met by another, and nothing is left behind.  The
# roots are a cache and made once; the folder is $PGCP_ROOTS or
# /var/cache/pg_cert_policy.  Packages come from wherever this machine's own
# apt gets them.
#
#	versions.sh [13 17 18 ...]
#
# One line is printed for each, "PostgreSQL 17: ok (N tests)" or "PostgreSQL
# 13: skipped (REASON)"; what a failed one said, and which tests any of them
# skipped, comes before it.  The last line counts them all.  The exit status is
# 0 unless one failed.  At most two run side by side, and each has a limit, so
# that the whole ends in time whatever happens.
#
# Needs root, mmdebstrap, and namespaces: see setup.sh --versions.
# What is in single quotes is for apt and mmdebstrap to expand:
# shellcheck disable=SC2016
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
roots=${PGCP_ROOTS:-/var/cache/pg_cert_policy}
majors=("$@")
[ ${#majors[@]} -gt 0 ] || majors=(13 17 18)
at_once=2
log_lines=3000			# of a leg that failed
make_seconds=600		# for a root
leg_seconds=1200		# for the tests in it
work=
children=()
passed=0
failed=0
skipped=0

# The suite that ships a major; 14 and 16 are in none.
suite_of()
{
	case $1 in
		13) echo bullseye ;;
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		*) return 1 ;;
	esac
}

# Where this machine's apt gets Debian itself from.
mirror()
{
	apt-get indextargets --format '$(REPO_URI) $(LABEL)' 2>/dev/null |
		awk '$2 == "Debian" { print $1; exit }'
}

packages_of()
{
	echo "postgresql-$1,postgresql-$1-pgtap,libipc-run-perl,libpq-dev,libssl-dev" \
		",libkrb5-dev,libxml2-dev,gcc,libc6-dev,make,perl,openssl,iproute2,pkg-config" | tr -d ' '
}

# Makes the root of a major, or leaves the one that is there.
make_root()
{
	local major=$1 suite=$2 target=$roots/$2-$1 from

	[ -e "$target/complete" ] && return 0
	rm -rf --one-file-system "$target"
	mkdir -p "$roots"
	from=$(mirror)
	[ -n "$from" ] || { echo "apt knows no Debian archive"; return 1; }
	# The archive's key may have changed since this machine's release, and a
	# suite's lists may have expired; the packages are not for anything but
	# tests in a root without a network.
	timeout -k 10 "$make_seconds" mmdebstrap --mode=root --variant=apt --quiet \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io \
		--setup-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"' \
		--setup-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/ci.conf"' \
		--include="$(packages_of "$major")" \
		--customize-hook='cd "$1/tmp" && chroot "$1" sh -c "cd /tmp && apt-get download -qq postgresql-server-dev-'"$major"' && dpkg -x postgresql-server-dev-*.deb / && rm postgresql-server-dev-*.deb"' \
		"$suite" "$target" "deb [trusted=yes] $from $suite main" || return 1
	rm -f "$target/etc/resolv.conf"
	touch "$target/complete"
}

# Runs in namespaces of its own, as root of the chroot.
enter_root()
{
	local target=$1

	mount -t tmpfs tmpfs "$target/tmp"
	chmod 1777 "$target/tmp"
	mkdir -p "$target/dev/shm"
	mount --rbind /dev "$target/dev"
	mount -t tmpfs tmpfs "$target/dev/shm"
	chmod 1777 "$target/dev/shm"
	mount -t proc proc "$target/proc"
	ip link set lo up
	tar -C "$root" -cf - --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude='*.a' --exclude='./tmp_check*' --exclude='./client/build' . |
		tar -C "$target/tmp" --one-top-level=src -xf - --no-same-owner
	exec chroot "$target" env -i PATH="$2:/usr/sbin:/usr/bin:/sbin:/bin" \
		LC_ALL=C.UTF-8 HOME=/root PG_CONFIG="$2/pg_config" \
		/tmp/src/.ci/test.sh
}

# One major, from nothing to its log.
leg()
{
	local major=$1 suite status=0

	suite=$(suite_of "$major") || { echo "no suite ships it" >"$work/$major.skipped"; return; }
	if ! make_root "$major" "$suite" >"$work/$major.root" 2>&1; then
		echo "its root could not be made: $(tail -n 1 "$work/$major.root")" >"$work/$major.skipped"
		return
	fi
	# unshare holds back every signal but this one
	timeout -s KILL "$leg_seconds" \
		unshare --mount --pid --net --ipc --uts --fork --kill-child \
		"$0" --enter "$roots/$suite-$major" "/usr/lib/postgresql/$major/bin" \
		>"$work/$major.log" 2>&1 || status=$?
	echo "$status" >"$work/$major.status"
}

report()
{
	local major=$1 line status ok=0 bad=0 left=0

	if [ -e "$work/$major.skipped" ]; then
		echo "PostgreSQL $major: skipped ($(cat "$work/$major.skipped"))"
		skipped=$((skipped + 1))
		return
	fi
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$work/$major.log" | tail -n 1)
	read -r ok bad left < <(echo "$line" | tr -dc '0-9 \n') || true
	status=$(cat "$work/$major.status" 2>/dev/null) || status=1
	# A leg that was stopped has no count, and cannot have been all right.
	if [ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then
		bad=1
	fi
	passed=$((passed + ${ok:-0}))
	failed=$((failed + ${bad:-0}))
	skipped=$((skipped + ${left:-0}))
	if [ "$status" -eq 0 ]; then
		sed -n 's/^ *skipped: /    PostgreSQL '"$major"' skipped: /p' "$work/$major.log"
		echo "PostgreSQL $major: ok (${ok:-0} tests)"
		return
	fi
	sed 's/^/    /' "$work/$major.log" | head -n "$log_lines"
	if [ "$status" -eq 137 ]; then
		echo "    it took longer than $leg_seconds s and was stopped"
	fi
	echo "PostgreSQL $major: FAILED (${ok:-0} tests passed, $bad failed)"
}

close_down()
{
	local status=$? pid

	trap - EXIT
	for pid in "${children[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	[ -z "$work" ] || rm -rf --one-file-system "$work"
	exit "$status"
}

cannot()
{
	if [ "$(id -u)" -ne 0 ]; then
		echo "not root"
	elif ! command -v mmdebstrap >/dev/null; then
		echo "mmdebstrap is not installed"
	elif ! command -v ip >/dev/null || ! unshare --mount --pid --net --fork true 2>/dev/null; then
		echo "no namespaces of its own to be had"
	fi
}

main()
{
	local major why

	work=$(mktemp -d)
	trap close_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	why=$(cannot)
	for major in "${majors[@]}"; do
		if [ -n "$why" ]; then
			echo "$why" >"$work/$major.skipped"
		else
			while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do
				wait -n || true
			done
			leg "$major" &
			children+=($!)
		fi
	done
	wait
	children=()
	for major in "${majors[@]}"; do
		report "$major"
	done
	if [ "$skipped" -gt 0 ]; then
		echo "$passed passed, $failed failed, $skipped skipped"
	else
		echo "$passed passed, $failed failed"
	fi
	[ "$failed" -eq 0 ]
}

if [ "${1:-}" = --enter ]; then
	enter_root "$2" "$3"
fi
main
