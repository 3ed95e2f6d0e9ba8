#!/usr/bin/env bash
#
# packages.sh - builds what is released, and lives with it in a bare root.
#
# The archive for PGXN is made, unpacked, and Debian's packages are built from
# it, so without git; lintian looks at them.  Then in a root of this machine's
# own Debian suite that holds nothing but apt: the packages are installed, used
# and purged (packages_inside.sh), and so is "make install".
#
#	packages.sh			with two test files for each kind of installation
#	FULL=1 packages.sh	with all of them
#
# One line is printed for each check; the last one counts them.  The bare root
# and apt's downloads are kept in $PGCP_ROOTS or /var/cache/pg_cert_policy.
# Needs root, git, mmdebstrap, lintian, unzip and namespaces.
#
# What is in single quotes is for apt to expand, and traps call what seems
# never to be called:
# shellcheck disable=SC2016,SC2317
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
roots=${PGCP_ROOTS:-/var/cache/pg_cert_policy}
work=
passed=0
failed=0

main()
{
	local status=0

	needs
	work=$(mktemp -d)
	chmod 755 "$work"
	trap close_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM

	check "make dist" env "OUT=$work/dist" "$here/dist.sh" || finish
	check "unpacks" unzip -q "$work/dist/*.zip" -d "$work" || finish
	mv "$work"/pg_cert_policy-* "$work/src"
	check "make deb" env "OUT=$work/debs" make -s -C "$work/src" deb || finish
	check "lintian has no errors" env "TMPDIR=$work" lintian --allow-root --fail-on error \
		--suppress-tags initial-upload-closes-no-bugs \
		"$work"/debs/*.changes || true
	sed 's/^/    /' "$work/log"
	check "a bare root" make_root || finish
	inside || status=$?
	if [ "$status" -ne 0 ] && ! grep -q '^not ok' "$work/inside"; then
		failed=$((failed + 1))
		sed 's/^/    /' "$work/inside.log" | tail -n 40
		echo "FAILED: the checks in the root ended early, with status $status"
	fi
	finish
}

needs()
{
	local tool missing=()

	for tool in git make mmdebstrap lintian unzip unshare; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	if [ "$(id -u)" -ne 0 ]; then
		echo "packages: this makes roots, which needs root" >&2
		exit 1
	elif [ ${#missing[@]} -gt 0 ]; then
		echo "packages: missing ${missing[*]}: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
}

# check WORDS COMMAND...: counts it, and shows what it said if it failed.
check()
{
	local words=$1 start=$SECONDS

	shift
	if "$@" >"$work/log" 2>&1 </dev/null; then
		passed=$((passed + 1))
		echo "ok: $words  ($((SECONDS - start)) s)"
	else
		failed=$((failed + 1))
		tail -n 60 "$work/log" | sed 's/^/    /'
		echo "FAILED: $words"
		return 1
	fi
}

# Every archive of Debian's that this machine's apt uses.
sources()
{
	apt-get indextargets --format '$(LABEL) $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		"Created-By: Packages" |
		awk '$1 ~ /^Debian/ { print "deb [trusted=yes]", $2, $3, $4 }'
}

# Unpacks the bare root, which is made once.
make_root()
{
	local suite tar lines

	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	tar=$roots/bare-$suite.tar
	mkdir -p "$roots/archives/partial" "$work/root"
	[ -n "$(sources)" ] || apt-get update || return 1
	mapfile -t lines < <(sources)
	exec 9>"$tar.lock"
	flock -w 900 9 || return 1
	if [ ! -s "$tar" ]; then
		mmdebstrap --mode=root --variant=apt --format=tar --quiet \
			--dpkgopt=force-unsafe-io "$suite" "$tar.new" "${lines[@]}" \
			>/dev/null || return 1
		mv "$tar.new" "$tar"
	fi
	exec 9>&-
	tar -C "$work/root" -xf "$tar" || return 1
	cp /etc/resolv.conf "$work/root/etc/resolv.conf"
	mkdir -p "$work/root/packages"
	cp -R "$work/debs" "$work/src" "$work/root/packages"
	cp "$here/packages_inside.sh" "$work/root/packages"
}

# Runs the checks in there; each prints a line of its own.
inside()
{
	local status=0

	timeout --foreground -s KILL "${SECONDS_INSIDE:-1800}" \
		unshare --mount --pid --ipc --uts --fork --kill-child \
		"$0" --enter "$work/root" "$roots/archives" \
		>"$work/inside" 2>"$work/inside.log" </dev/null || status=$?
	sed 's/^not ok/FAILED/' "$work/inside"
	passed=$((passed + $(grep -c '^ok' "$work/inside" || true)))
	failed=$((failed + $(grep -c '^not ok' "$work/inside" || true)))
	return "$status"
}

# In namespaces of its own, to become root of the chroot.  apt's downloads are
# shared with the next run.
enter_root()
{
	local target=$1

	mount --bind "$2" "$target/var/cache/apt/archives"
	mount --rbind /dev "$target/dev"
	mkdir -p "$target/dev/shm"
	mount -t tmpfs tmpfs "$target/dev/shm"
	chmod 1777 "$target/dev/shm"
	mount -t proc proc "$target/proc"
	mount -t tmpfs tmpfs "$target/tmp"
	chmod 1777 "$target/tmp"
	exec chroot "$target" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive \
		FULL="${FULL:-}" bash /packages/packages_inside.sh
}

finish()
{
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
	exit
}

close_down()
{
	local status=$?

	trap - EXIT
	[ -z "$work" ] || rm -rf --one-file-system "$work"
	exit "$status"
}

if [ "${1:-}" = --enter ]; then
	enter_root "$2" "$3"
fi
main
