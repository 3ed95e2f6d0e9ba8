#!/bin/sh
# Gives each function that a manual page names a page of its own, which only
# refers to that one: "man pgcs_connect_start" shows pgcs_connect(3).
#
#	link_functions.sh DIRECTORY PAGE...
set -eu

directory=$1
shift
for page in "$@"
do
	name=$(basename "$page")
	sed -n '/^\.SH NAME/,/^\.SH SYNOPSIS/p' "$page" |
		sed 's/\\-.*//' | grep -o 'pgcs_[a-z0-9_]*' |
	while read -r function
	do
		[ "$function.3" = "$name" ] || echo ".so man3/$name" > "$directory/$function.3"
	done
done
