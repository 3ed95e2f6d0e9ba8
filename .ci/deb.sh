#!/usr/bin/env bash
#
# deb.sh - builds Debian's packages.
#
# "make deb" calls this.  The packages, and the source package, go to the
# folder OUT, which is dist/ in the checkout unless it is named.  They are
# built from a copy, as another user if the caller is root, for each PostgreSQL
# that server headers are installed of.
#
#	OUT=/tmp/packages .ci/deb.sh
#
# What is missing for it is installed if the caller is root; else it is said.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source-path=SCRIPTDIR source=sandbox.sh
. "$here/sandbox.sh"
out=${OUT:-$root/dist}
tools=(build-essential debhelper dpkg-dev fakeroot postgresql-server-dev-all)
seconds=1800

main()
{
	local name version

	needs
	mkdir -p "$out"
	sandbox_open "$root" || exit 1
	name=$(dpkg-parsechangelog -l "$root/debian/changelog" -S Source)
	version=$(dpkg-parsechangelog -l "$root/debian/changelog" -S Version)

	# Debian's package of the sources is what upstream released, and debian/.
	quietly as_user 60 tar -C "$sandbox" --exclude=src/debian \
		--transform="s,^src,$name-${version%-*}," \
		-cJf "$sandbox/tmp/orig" src
	mv "$sandbox/tmp/orig" "$sandbox/${name}_${version%-*}.orig.tar.xz"
	# debian/control names the PostgreSQL versions of this distribution
	quietly as_user 60 pg_buildext updatecontrol
	quietly as_user "$seconds" dpkg-buildpackage -us -uc \
		"-j$(nproc 2>/dev/null || echo 2)"

	echo "The packages are in $out:"
	find "$sandbox" -maxdepth 1 -type f -name "*_*" | sort |
		while IFS= read -r file; do
			install -m 644 "$file" "$out"
			case $file in *.deb) echo "  ${file##*/}" ;; esac
		done
}

# Everything that debian/control asks for, and the tools that read it.
needs()
{
	local missing=()

	mapfile -t missing < <(lacking)
	if [ ${#missing[@]} -eq 0 ]; then
		return
	fi
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		echo "deb: cannot install packages here: that needs root and apt-get" >&2
		echo "deb: as root: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	echo "deb: installing ${missing[*]}"
	quietly apt-get update
	quietly env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y --no-install-recommends "${missing[@]}"
	mapfile -t missing < <(lacking)
	if [ ${#missing[@]} -ne 0 ]; then
		echo "deb: installed, and still something is missing: ${missing[*]}" >&2
		exit 1
	fi
}

# The names of packages that are to be installed, one a line.
lacking()
{
	local package

	for package in "${tools[@]}" $(build_depends); do
		# "install ok installed", or one that provides it
		if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -q '^installed$'; then
			echo "$package"
		fi
	done | sort -u
}

build_depends()
{
	perl -0ne 'print join " ", map { s/[\s(].*//sr } grep { !/debhelper-compat/ }
		map { s/^\s+//r } split /,\s*/, $1 if /^Build-Depends:(.*?)^\S/ms' \
		"$root/debian/control"
}

# Runs a command and shows what it said only if it fails.
quietly()
{
	local log status=0

	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if [ "$status" -ne 0 ]; then
		echo "deb: \"$*\" failed:" >&2
		tail -n 60 "$log" >&2
	fi
	rm -f "$log"
	return "$status"
}

main
