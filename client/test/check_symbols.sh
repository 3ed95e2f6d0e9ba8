#!/bin/sh
# Is everything that is exported in the header, and the other way round, and
# does the library call nothing that a library must not?
#
#	check_symbols.sh DIRECTORY-OF-THE-HEADER SHARED-LIBRARY
set -eu

srcdir=$1
library=$2
status=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

nm -D --defined-only "$library" | sed -n 's/.* T \([a-z_0-9]*\).*/\1/p' |
	sort > "$tmp/exported"
sed -n 's/^extern .*[^a-z_]\(pgcs_[a-z_0-9]*\)(.*/\1/p' "$srcdir/pgcertsel.h" |
	sort -u > "$tmp/declared"
if ! diff "$tmp/declared" "$tmp/exported" > "$tmp/diff"
then
	echo "pgcertsel.h (<) and what $library exports (>) differ:" >&2
	cat "$tmp/diff" >&2
	status=1
fi

# exit, printing, the environment, prompts, signals, shared state
forbidden='exit|_exit|abort|printf|fprintf|vprintf|vfprintf|__printf_chk|__fprintf_chk|puts|fputs|putchar|perror|getenv|secure_getenv|setenv|putenv|setlocale|signal|sigaction|strtok|getpass|UI_new|gmtime|localtime|__assert_fail'
nm -D --undefined-only "$library" | sed 's/^ *U //; s/@.*//' |
	grep -Ex "$forbidden" > "$tmp/forbidden" || true
if [ -s "$tmp/forbidden" ]
then
	echo "$library calls what a library must not:" >&2
	cat "$tmp/forbidden" >&2
	status=1
fi
[ $status -eq 0 ] && echo "symbols: $(wc -l < "$tmp/exported") exported, all declared; nothing forbidden is called"
exit $status
