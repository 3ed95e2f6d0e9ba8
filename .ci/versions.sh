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
#	versions.sh [--within SECONDS] [13 17 18 ...]
#
# One line is printed for each, "PostgreSQL 17: ok (N tests)" or "PostgreSQL
# 13: skipped (REASON)"; what a failed one said, and which tests any of them
# skipped, comes before it.  The last line counts them all.  The exit status is
# 0 unless one failed.  At most two run side by side, each has a limit, and so
# has the whole, so that it ends in time whatever hangs.  Who takes longer than
# the one has failed; what the other leaves too little time for is skipped.
#
# Needs root, mmdebstrap, and namespaces; what can be installed is.
# What is in single quotes is for apt and mmdebstrap to expand, and traps call
# what seems never to be called:
# shellcheck disable=SC2016,SC2317
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
roots=${PGCP_ROOTS:-/var/cache/pg_cert_policy}
majors=()
at_once=2
log_lines=3000			# of a leg that failed
make_seconds=900		# for a root
leg_seconds=2700		# for the tests in it
enough_seconds=600		# with less it is not begun
all_seconds=3600		# for everything, unless told otherwise
work=
children=()
passed=0
failed=0
skipped=0

# The suite that ships a major.  14 and 16 are in none.
suite_of()
{
	case $1 in
		13) echo bullseye ;;
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		19) echo sid ;;		# and experimental
		*) return 1 ;;
	esac
}

# Where this machine's apt gets Debian itself from.
mirror()
{
	# without lists apt does not know whose archive it is
	[ -n "$(find_mirror)" ] || timeout 300 apt-get update >/dev/null 2>&1 || true
	find_mirror
}

find_mirror()
{
	apt-get indextargets --format '$(REPO_URI) $(LABEL)' 2>/dev/null |
		awk '$2 == "Debian" { print $1; exit }'
}

packages_of()
{
	local list=(
		"postgresql-$1" libipc-run-perl libio-pty-perl libpq-dev libssl-dev
		libkrb5-dev libxml2-dev gcc libc6-dev make perl openssl pkg-config
		iproute2 mount pgbouncer python3-minimal)
	local IFS=,

	[ "$1" = 19 ] || list+=("postgresql-$1-pgtap")
	# what libpq.pc of 19 requires, but its package does not
	[ "$1" != 19 ] || list+=(libcurl4-openssl-dev)
	# what the LDAP library of older_of() stands on
	[ "$1" != 17 ] || list+=(libgnutls30t64)

	echo "${list[*]}"
}

# What tests do without where a suite lacks it.
wishes="g++ git krb5-kdc krb5-admin-server opensc libengine-pkcs11-openssl \
	mandoc python3-psycopg2 softhsm2"

install_wishes()
{
	local wish

	for wish in $wishes; do
		echo "apt-get install -qq --no-install-recommends $wish || true;"
	done
}

# pg_upgrade is tried from the major before, as the suite before has it: its
# packages, and the libraries that only that suite has.
older_of()
{
	case $1 in
		17) echo bookworm postgresql-15 postgresql-client-15 libicu72 libldap-2.5-0 ;;
	esac
}

# What a root is made of, to tell if one that is there is the one wanted.
contents()
{
	echo "$(packages_of "$1") $wishes $(older_of "$1")"
}

# remaining SECONDS: so many, or what is left of the time for everything.
remaining()
{
	local left=$((all_seconds - SECONDS))

	[ "$left" -ge 1 ] || left=1
	echo $(($1 < left ? $1 : left))
}

# Makes the root of a major, or leaves the one that is there.  The archive's key
# may have changed since this machine's release, and a suite's lists may have
# expired: the packages serve nothing but tests in a root without a network.
make_root()
{
	local major=$1 suite=$2 target=$roots/$2-$1 from sources options=() older

	if [ "$(cat "$target/complete" 2>/dev/null)" = "$(contents "$major")" ]; then
		return 0
	fi
	rm -rf --one-file-system "$target"
	from=$(mirror)
	[ -n "$from" ] || { echo "apt knows no Debian archive"; return 1; }
	sources=("deb [trusted=yes] $from $suite main")
	if [ "$major" = 19 ]; then
		sources+=("deb [trusted=yes] $from experimental main")
		options+=(--setup-hook='printf "Package: src:postgresql-19\nPin: release a=experimental\nPin-Priority: 990\n" >"$1/etc/apt/preferences.d/19"')
	fi
	read -ra older < <(older_of "$major") || true
	if [ ${#older[@]} -gt 0 ]; then
		sources+=("deb [trusted=yes] $from ${older[0]} main")
		options+=(--setup-hook='printf "Package: *\nPin: release n='"${older[0]}"'\nPin-Priority: 50\n" >"$1/etc/apt/preferences.d/older"')
	fi
	# server-dev depends on clang and llvm, which nothing here needs
	unshare --mount timeout --foreground -k 10 "$(remaining "$make_seconds")" \
		mmdebstrap --mode=root --variant=apt --quiet \
		--aptopt='Acquire::Check-Valid-Until "false"' \
		--aptopt='Acquire::Retries "3"' --dpkgopt=force-unsafe-io \
		--setup-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"' \
		--setup-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/ci.conf"' \
		"${options[@]}" --include="$(packages_of "$major")" \
		--customize-hook="chroot \"\$1\" sh -c '$(unpack "postgresql-server-dev-$major")'" \
		--customize-hook="chroot \"\$1\" sh -c '$(borrow_pgtap "$major")'" \
		--customize-hook="chroot \"\$1\" sh -c '$(install_wishes)'" \
		--customize-hook="chroot \"\$1\" sh -c '$(unpack "${older[@]:1}")'" \
		"$suite" "$target" "${sources[@]}" || return 1
	rm -f "$target/etc/resolv.conf"
	contents "$major" >"$target/complete"
}

# The commands that put packages' files in place without what they depend on.
unpack()
{
	local package commands="cd /tmp"

	for package in "$@"; do
		commands+=" && apt-get download -qq $package && dpkg -x ${package}_*.deb / && rm ${package}_*.deb"
	done
	echo "$commands"
}

# pgTAP is plain SQL: where a new major has no package of it yet, the one of the
# major before does.
borrow_pgtap()
{
	if [ "$1" = 19 ]; then
		echo "$(unpack postgresql-18-pgtap) &&" \
			"cp /usr/share/postgresql/18/extension/pgtap* /usr/share/postgresql/19/extension/"
	else
		echo true
	fi
}

# Runs in namespaces of its own.  The root becomes theirs: in a chroot no user
# could make namespaces, as some tests do.
enter_root()
{
	local target=$1

	mount --bind "$target" "$target"
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
	cd "$target"
	mkdir -p .outside
	pivot_root . .outside
	exec chroot . sh -c 'umount -l /.outside && exec "$@"' sh \
		env -i PATH="$2:/usr/sbin:/usr/bin:/sbin:/bin" \
		LC_ALL=C.UTF-8 HOME=/root PG_CONFIG="$2/pg_config" \
		/tmp/src/.ci/test.sh --leg
}

# One major, from nothing to its log.
leg()
{
	local major=$1 suite seconds status=0

	if ! suite=$(suite_of "$major"); then
		echo "no suite of Debian has it: build it from source" >"$work/$major.skipped"
		return
	fi
	# another run may use the same root, but not while it is made
	mkdir -p "$roots"
	exec 9>"$roots/$major.lock"
	flock -w "$(remaining 900)" 9 || true
	if ! make_root "$major" "$suite" >"$work/$major.root" 2>&1; then
		echo "its root could not be made: $(tail -n 1 "$work/$major.root")" >"$work/$major.skipped"
		return
	fi
	flock -s 9
	if [ "$(remaining "$enough_seconds")" -lt "$enough_seconds" ]; then
		echo "of $all_seconds s too few are left for its tests" >"$work/$major.skipped"
		return
	fi
	seconds=$(remaining "$leg_seconds")
	# unshare holds back every signal but this one
	timeout --foreground -s KILL "$seconds" \
		unshare --mount --pid --net --ipc --uts --fork --kill-child \
		"$0" --enter "$roots/$suite-$major" "/usr/lib/postgresql/$major/bin" \
		>"$work/$major.log" 2>&1 || status=$?
	if [ "$status" -eq 137 ] && [ "$seconds" -lt "$leg_seconds" ] &&
		! grep -q 'FAILED' "$work/$major.log"; then
		echo "its tests were not done when the $all_seconds s were over" >"$work/$major.skipped"
		return
	fi
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
		head -n 1 "$work/$major.log" | sed 's/^/    /'
		sed -n 's/^ *skipped: /    PostgreSQL '"$major"' skipped: /p' "$work/$major.log"
		echo "PostgreSQL $major: ok (${ok:-0} tests)"
		return
	fi
	sed 's/^/    /' "$work/$major.log" | head -n "$log_lines"
	if [ "$status" -eq 137 ]; then
		echo "    it took too long and was stopped"
	fi
	echo "PostgreSQL $major: FAILED (${ok:-0} tests passed, $bad failed)"
}

close_down()
{
	local status=$? pid

	trap - EXIT
	for pid in "${children[@]}"; do
		kill -KILL -- "-$pid" 2>/dev/null || true
	done
	[ -z "$work" ] || rm -rf --one-file-system "$work"
	exit "$status"
}

cannot()
{
	if [ "$(id -u)" -ne 0 ]; then
		echo "not root"
	elif ! command -v mmdebstrap >/dev/null; then
		echo "mmdebstrap is not installed: $(tail -n 1 "$work/setup")"
	elif ! command -v ip >/dev/null || ! unshare --mount --pid --net --fork true 2>/dev/null; then
		echo "no namespaces of its own to be had"
	fi
}

main()
{
	local major why

	if [ "${1:-}" = --within ]; then
		all_seconds=$2
		shift 2
	fi
	majors=("$@")
	[ ${#majors[@]} -gt 0 ] || majors=(13 14 15 16 17 18 19)
	work=$(mktemp -d)
	set -m				# each leg is a process group, to be ended as one
	trap close_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	timeout 600 "$here/setup.sh" --versions >"$work/setup" 2>&1 </dev/null || true
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
main "$@"
exit
