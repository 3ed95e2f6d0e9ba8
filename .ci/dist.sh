#!/usr/bin/env bash
#
# dist.sh - makes the archive that PGXN takes, of the last commit.
#
# "make dist" calls this.  The archive goes to the folder OUT, which is dist/ in
# the checkout unless it is named.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
out=${OUT:-$root/dist}

if ! git -C "$root" rev-parse --verify -q HEAD >/dev/null 2>&1; then
	echo "dist: $root is not a git repository with a commit, and git makes the archive" >&2
	exit 1
fi
# what is archived is what is committed, and so is what is checked
committed=$(mktemp -d)
trap 'rm -rf "$committed"' EXIT
git -C "$root" archive HEAD | tar -C "$committed" -xf -
name=$(perl "$here/check_meta.pl" "$committed")

if [ -n "$(git -C "$root" status --porcelain)" ]; then
	echo "dist: there are changes that are not committed, and not in the archive" >&2
fi
mkdir -p "$out"
git -C "$root" archive --format=zip --prefix="$name/" -o "$(cd "$out" && pwd)/$name.zip" HEAD
echo "The archive is $out/$name.zip"
