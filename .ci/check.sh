#!/usr/bin/env bash
#
# check.sh - what can be said of the tree without building it.
#
# Prints TAP, a test for each rule; what breaks one stands below it.  A check
# whose tool is not there is skipped with a word.  Nothing in the tree is
# written.
#
#	make check-tree					all, with the tools installed first
#	.ci/check.sh spelling scripts	these alone, by their functions
#	.ci/indent.pl					mends the formatting
#
# The functions are called by name, which shellcheck cannot follow:
# shellcheck disable=SC2317
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
wanted=" $* "
tests=0
status=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

main()
{
	# someone else's checkout is fine: nothing of it is run
	if git -c safe.directory='*' ls-files --cached --others --exclude-standard >"$tmp/all" 2>/dev/null; then
		have_git=yes
	else
		have_git=
		find . -type f ! -path './.git/*' | sed 's,^\./,,' >"$tmp/all"
	fi
	while IFS= read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done <"$tmp/all" | LC_ALL=C sort -u >"$tmp/files"

	rule "formatted as PostgreSQL is" "$(lacks pg_bsd_indent perl)" formatting
	rule "each header compiles alone: cc" "$(lacks "${CC:-cc}")" headers_alone "${CC:-cc}" c common client extension
	rule "each header compiles alone: clang" "$(lacks clang)" headers_alone clang c common client extension
	rule "pgcertsel.h compiles as C++" "$(lacks g++)" headers_alone g++ c++ client/pgcertsel.h
	rule "exports, pgcertsel.h and man pages agree" "" functions
	rule "one version everywhere" "" versions
	rule "OpenSSL is included only where allowed" "" openssl_includes
	rule "versions are looked at only where allowed" "" version_macros
	rule "debian/control and control.in agree" "" debian_control
	rule "shellcheck" "$(lacks shellcheck)" scripts
	rule "spelling" "$(lacks codespell)" spelling
	rule "links in the documentation lead somewhere" "$(lacks perl)" links
	rule "subjects of commits have at most 64 characters" \
		"${have_git:-no history is here}" subjects
	rule "no // comments" "" line_comments
	rule "no white space at the ends of lines" "" trailing
	rule "no file of code has more than 900 lines" "" lengths

	echo "1..$tests"
	[ "$tests" -gt 0 ] || status=1
	return "$status"
}

# rule WORDS REASON-TO-SKIP FUNCTION...: the function prints what is wrong.
rule()
{
	local words=$1 why=$2

	shift 2
	if [ "$wanted" != "  " ] && [[ $wanted != *" $1 "* ]]; then
		return
	fi
	tests=$((tests + 1))
	if [ -n "$why" ] && [ "$why" != yes ]; then
		echo "ok $tests - $words # skip $why"
		return
	fi
	if "$@" >"$tmp/wrong" 2>&1 && [ ! -s "$tmp/wrong" ]; then
		echo "ok $tests - $words"
	else
		echo "not ok $tests - $words"
		head -n 60 "$tmp/wrong" | sed 's/^/# /'
		status=1
	fi
}

# The first of the programs that is not here, as a reason to skip.
lacks()
{
	local program

	for program in "$@"; do
		if ! command -v "$program" >/dev/null; then
			echo "$program is not installed"
			return
		fi
	done
}

# files REGEXP: those whose paths match.
files()
{
	grep -E "$1" "$tmp/files" || true
}

formatting()
{
	local list

	mapfile -t list < <(files '\.[ch]$')
	# a type without its name there would be formatted as a product
	sed -nE 's/^\} (\w+);.*/\1/p; s/^typedef (struct|enum|union) \w+ \*?(\w+);.*/\2/p' "${list[@]}" |
		LC_ALL=C sort -u | LC_ALL=C comm -23 - <(LC_ALL=C sort -u typedefs.list) |
		sed 's/^/typedefs.list: lacks /'
	.ci/indent.pl --check "${list[@]}" ||
		echo "would be changed; this does it: .ci/indent.pl"
}

# headers_alone COMPILER LANGUAGE PATH...: of the headers below these paths.
headers_alone()
{
	local compiler=$1 language=$2 path header list=() include flags=()

	shift 2
	if [ "$language" = c ]; then
		flags+=(-std=gnu17)
		include=$("${PG_CONFIG:-pg_config}" --includedir-server)
		flags+=(-isystem "$include")
	fi
	include=$("${PG_CONFIG:-pg_config}" --includedir)
	for path in "$@"; do
		while IFS= read -r header; do
			list+=("$tmp/alone/${header//\//_}.$language")
			mkdir -p "$tmp/alone"
			echo "#include \"$PWD/$header\"" >"${list[-1]}"
		done < <(files "^$path(/.*)?(\.h)?$" | grep '\.h$')
	done
	"$compiler" -fsyntax-only -Wall -Wextra -Wformat-security -Werror -Wno-unused-parameter \
		"${flags[@]}" -isystem "$include" -I common -I client \
		-I extension "${list[@]}"
}

# What is exported, what the header declares, and what the man pages tell.
functions()
{
	grep -oE '^[[:space:]]+pgcs_\w+;' client/exports.map | tr -d '\t ;' | sort >"$tmp/exported"
	perl -0777 -ne 's{/\*.*?\*/}{}gs; print "$1\n" while /\bextern\b[^;]*?\b(pgcs_\w+)\(/g' \
		client/pgcertsel.h | sort >"$tmp/declared"
	grep -ohE '\bpgcs_\w+' client/pgcertsel.h | sort -u >"$tmp/known"
	sed 's/\\-/-/g; s/\\f[A-Z]//g' client/man/*.3 | grep -ohE '\bpgcs_\w+' | sort -u >"$tmp/told"

	differ "in exports.map, not in pgcertsel.h" "$tmp/exported" "$tmp/declared"
	differ "in pgcertsel.h, not in exports.map" "$tmp/declared" "$tmp/exported"
	differ "in pgcertsel.h, on no man page" "$tmp/declared" "$tmp/told"
	differ "on a man page, not in pgcertsel.h" "$tmp/told" "$tmp/known"
}

# differ WORDS A B: what is in A but not in B.
differ()
{
	LC_ALL=C comm -23 <(LC_ALL=C sort -u "$2") <(LC_ALL=C sort -u "$3") |
		awk -v words="$1" '{ print $0 ": " words }'
}

# The control file has it; where else it stands, it must be the same.
versions()
{
	local version page major minor

	version=$(sed -n "s/^default_version = '\(.*\)'\$/\1/p" pg_cert_policy.control)
	major=${version%%.*}
	minor=${version#*.}
	perl -MJSON::PP -0777 -ne 'my $m = decode_json($_);
		my $p = $m->{provides}{pg_cert_policy};
		print map { "$_\n" } $m->{version}, $p->{version}, $p->{file}' META.json |
		diff - <(printf '%s\n' "$version.0" "$version.0" "extension/pg_cert_policy--$version.sql") ||
		echo "META.json: has (<) what it should not (>)"
	[ -e "extension/pg_cert_policy--$version.sql" ] ||
		echo "extension/pg_cert_policy--$version.sql: is not there"
	says client/Makefile "VERSION = $version" 1
	says client/pgcertsel.h "#define PGCS_VERSION \"$version\"" 1
	says client/pgcertsel.h "#define PGCS_VERSION_NUM $((major * 10000 + minor * 100))" 1
	says client/pgcertsel.pc.in "Version: @VERSION@" 1
	[ "$(sed -n 's/^## \([0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)" = "$version" ] ||
		echo "CHANGELOG.md: does not begin with $version"
	for page in client/man/*.[0-9]; do
		says "$page" "\"pg_cert_policy $version\"" 1
	done
	if [ -e debian/changelog ]; then
		head -n 1 debian/changelog | grep -qF "($version" ||
			echo "debian/changelog: does not begin with $version"
	fi
}

# says FILE TEXT N: so often.
says()
{
	[ "$(grep -cF -- "$2" "$1")" -eq "$3" ] || echo "$1: does not say $2"
}

openssl_includes()
{
	local pattern pattern_used file

	files '\.[ch]$' | xargs grep -lE '^ *# *include *<openssl/' >"$tmp/include"
	: >"$tmp/allowed"
	while read -r pattern _; do
		pattern_used=
		while IFS= read -r file; do
			# the pattern is one
			# shellcheck disable=SC2053
			if [[ $file == $pattern ]]; then
				pattern_used=yes
				echo "$file" >>"$tmp/allowed"
			fi
		done <"$tmp/include"
		[ -n "$pattern_used" ] || echo ".ci/openssl.list: $pattern: no such file includes OpenSSL"
	done < <(grep -v '^#' .ci/openssl.list | grep .)
	differ "includes OpenSSL, but is not in .ci/openssl.list" "$tmp/include" "$tmp/allowed"
}

# Whose version is asked for while compiling: of PostgreSQL in one place, of
# OpenSSL where a constant or a function of 3.0 is needed.
version_macros()
{
	local list

	mapfile -t list < <(files '\.[ch]$')
	grep -nE '\bPG_(VERSION|MAJORVERSION)_NUM\b' "${list[@]}" |
		grep -v '^extension/compat\.h:' | sed 's,$,: belongs into extension/compat.h,'
	grep -nE '\b(OPENSSL|LIBRESSL)_VERSION_(NUMBER|MAJOR|MINOR)\b' "${list[@]}" |
		grep -vE '^(client/sigalg|extension/tls|t/lib/tls_liar)\.c:' | sed 's,$,: is not where it may be,'
	return 0
}

# The former is what "pg_buildext updatecontrol" makes of the latter, for the
# server of one suite.
debian_control()
{
	local major name

	[ -e debian/control ] || return 0
	major=$(sed -n 's/^Package: postgresql-\([0-9]*\)-.*/\1/p' debian/control)
	for name in debian/control debian/tests/control; do
		sed "s/PGVERSION/$major/g" "$name.in" | diff "$name" - ||
			echo "$name: has (<) what it should not (>)"
	done
}

scripts()
{
	local list

	mapfile -t list < <(files '\.sh$|^\.ci/run$')
	shellcheck -x "${list[@]}"
}

# Words that are meant stand in codespell.list.
spelling()
{
	local list

	mapfile -t list < <(files '\.([chtm]|md|sh|pl|pm|sql|txt|json|control|[0-9])$|Makefile$' | grep -v codespell)
	codespell --ignore-words=.ci/codespell.list "${list[@]}"
}

# To files, and to headings by the names that GitHub gives them.
links()
{
	local list

	mapfile -t list < <(files '\.md$')
	perl -0777 -e '
		foreach my $file (@ARGV) {
			open my $page, "<", $file or die "$file: $!\n";
			my $text = <$page> =~ s/^ *```.*?^ *```$//gmsr;
			$text{$file} = $text;
			while ($text =~ /^#+ (.*)$/gm) {
				my $name = lc $1 =~ s/\]\([^)]*\)//gr;
				$name =~ s/[^\w -]//g;
				$heading{$file}{$name =~ tr/ /-/r} = 1;
			}
		}
		foreach my $file (@ARGV) {
			while ($text{$file} =~ /\]\(([^)\s]+)\)/g) {
				my ($path, $name) = split /#/, my $link = $1;
				next if $link =~ /^\w+:/;
				my $to = $path eq "" ? $file : ($file =~ m{^(.*/)} ? $1 : "") . $path;
				1 while $to =~ s{[^/]+/\.\./}{};
				print "$file: $link is not there\n"
					if !-e $to || (defined $name && !$heading{$to}{$name});
			}
		}' "${list[@]}"
}

# History is not changed, and has one that is longer.
subjects()
{
	git -c safe.directory='*' log --format=%s |
		grep -vxF 'client: test several hosts, and servers that insist on a certificate' |
		awk 'length > 64'
}

line_comments()
{
	local list

	mapfile -t list < <(files '\.[ch]$')
	perl -0777 -ne '
		s{(/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27)}{$1 =~ s/[^\n]//gr}gse;
		my $n = 0;
		$n++, m{//} && print "$ARGV:$n: a // comment\n" foreach split /\n/;' "${list[@]}"
}

# What psql prints has such ends.
trailing()
{
	files '' | grep -vE '^expected/|\.(png|svg)$' | xargs -d '\n' grep -nIP '[ \t]$' | head -n 40 || true
}

# Pages are read by searching them.
lengths()
{
	files '' | grep -vE '^expected/|^docs/|\.(png|svg)$' | xargs -d '\n' wc -l |
		awk '$1 > 900 && $2 != "total" { print $2 ": " $1 " lines" }'
}

main
