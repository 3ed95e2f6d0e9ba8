#!/bin/sh
# Is everything that is exported in the header, and the other way round, with
# the version that exports.map gives it; does the library call nothing that a
# library must not; and has it no variables?
#
#	check_symbols.sh DIRECTORY-OF-THE-HEADER SHARED-LIBRARY STATIC-LIBRARY
set -eu

srcdir=$1
library=$2
archive=$3
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

# who is linked with a version finds it in later libraries, too
awk '/^[A-Z]/ { node = $1 } /^[ \t]+pgcs_/ { sub(/;/, ""); print $1 "@@" node }' \
	"$srcdir/exports.map" | sort > "$tmp/nodes"
nm -D --defined-only "$library" | sed -n 's/.* T //p' | sort > "$tmp/versions"
if ! diff "$tmp/nodes" "$tmp/versions" > "$tmp/diff"
then
	echo "exports.map (<) and the versions of what $library exports (>) differ:" >&2
	cat "$tmp/diff" >&2
	status=1
fi

# exit, printing, the environment, prompts, signals, shared state
forbidden='exit|_exit|_Exit|quick_exit|abort|__assert_fail'
forbidden="$forbidden|stdin|stdout|stderr|v?f?printf|v?dprintf|__v?[fd]?printf_chk|puts|fputs|putchar|perror|v?syslog|__v?syslog_chk|ERR_print_errors(_fp)?"
forbidden="$forbidden|(__)?environ|getenv|secure_getenv|setenv|unsetenv|putenv|clearenv|setlocale|umask|chdir|signal|sigaction"
forbidden="$forbidden|getpass|UI_new|UI_UTIL_read_pw(_string)?|EVP_read_pw_string(_min)?"
forbidden="$forbidden|strtok|gmtime|localtime|ctime|asctime"
nm -D --undefined-only "$library" | sed 's/^ *[Uvw] //; s/@.*//' |
	grep -Ex "$forbidden" > "$tmp/forbidden" || true
if [ -s "$tmp/forbidden" ]
then
	echo "$library calls what a library must not:" >&2
	cat "$tmp/forbidden" >&2
	status=1
fi

# a variable would be shared by all threads; what the loader alone writes is none
size -A "$archive" | awk '/\.o / { member = $1 }
	/^\.(data|bss|tdata|tbss)/ && !/^\.data\.rel\.ro/ && $2 > 0 { print member, $1, $2 }' > "$tmp/variables"
if [ -s "$tmp/variables" ]
then
	echo "$archive has variables (member, section, bytes):" >&2
	cat "$tmp/variables" >&2
	status=1
fi
[ $status -eq 0 ] && echo "symbols: $(wc -l < "$tmp/exported") exported, all declared; nothing forbidden is called, no variables"
exit $status
