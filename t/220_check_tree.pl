# The house-keeping of .ci/check.sh: each of its rules sees what breaks it.
# In a copy of the tree, one thing is broken at a time.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(run run_with slurp program);
use File::Temp ();
use Test::More;

my $root = "$FindBin::RealBin/..";
my $tree = File::Temp::tempdir('tree_XXXXXX', TMPDIR => 1, CLEANUP => 1);

# What a build made is no part of it.
run('sh', '-c', <<'COPY', 'sh', $root, $tree)->{ok} or die 'could not copy the tree';
cd "$1" && tar -cf - --exclude=./tmp_check --exclude=./log --exclude='./client/build*' \
	--exclude=./results --exclude=./.git --exclude='*.o' --exclude='*.so' \
	--exclude=./client/pgcertsel --exclude='./*/test/run_*' . | tar -C "$2" -xf -
COPY

sub check
{
	my ($rule) = @_;

	return run_with({ timeout => 600 }, "$tree/.ci/check.sh", $rule);
}

# rule, the tools it needs, the file, a sub that breaks it, what is said then
my @breakages = (
	[ formatting => 'pg_bsd_indent', 'common/hex.c',
		sub { s/^\t(\w)/    $1/m }, qr{^# common/hex\.c$}m ],
	[ formatting => 'pg_bsd_indent', 'typedefs.list',
		sub { s/^PgcertSan\n//m }, qr{^# typedefs\.list: lacks PgcertSan$}m ],
	[ headers_alone => '', 'common/judge.h',
		sub { s/^#include.*\n//mg }, qr{judge\.h:\d+:.*error} ],
	[ headers_alone => 'g++', 'client/pgcertsel.h',
		sub { s/^(extern .*\()/extern int pgcs_new(int class);\n$1/m },
		qr{^ok 1 - each header compiles alone: cc\n(?:.*\n)*?not ok \d - pgcertsel\.h compiles as C\+\+$}m ],
	[ functions => '', 'client/exports.map',
		sub { s/\tpgcs_version;/\tpgcs_revision;/ },
		qr{^# pgcs_revision: in exports\.map, not in pgcertsel\.h$}m ],
	[ functions => '', 'client/pgcertsel.h',
		sub { s/^(extern const char \*pgcs_)version/$1edition/m },
		qr{^# pgcs_edition: in pgcertsel\.h, on no man page$}m ],
	[ versions => '', 'client/pgcertsel.h',
		sub { s/(PGCS_VERSION_NUM) \d+/$1 10001/ },
		qr{^# client/pgcertsel\.h: does not say #define PGCS_VERSION_NUM}m ],
	[ versions => '', 'META.json',
		sub { s/("version": ")1\./${1}7./ }, qr{^# < 7\.}m ],
	[ openssl_includes => '', 'common/hex.c',
		sub { s/^#include/#include <openssl\/evp.h>\n#include/m },
		qr{^# common/hex\.c: includes OpenSSL, but is not in \.ci/openssl\.list$}m ],
	[ openssl_includes => '', '.ci/openssl.list',
		sub { $_ .= "common/hexe.c\n" },
		qr{common/hexe\.c: no such file includes OpenSSL$}m ],
	[ version_macros => '', 'extension/login.c',
		sub { $_ .= "#if PG_VERSION_NUM >= 160000\n#endif\n" },
		qr{^# extension/login\.c:\d+:.*: belongs into extension/compat\.h$}m ],
	[ version_macros => '', 'common/hex.c',
		sub { $_ .= "#if OPENSSL_VERSION_NUMBER < 0x30000000L\n#endif\n" },
		qr{^# common/hex\.c:\d+:.*: is not where it may be$}m ],
	[ debian_control => '', 'debian/tests/control',
		sub { s/^ make,$/ make,\n more,/m }, qr{^# <  more,$}m ],
	[ scripts => 'shellcheck', '.ci/run',
		sub { $_ .= "echo \$1\n" }, qr{SC2086} ],
	[ spelling => 'codespell', 'README.md',
		sub { $_ .= "t" . "eh end\n" }, qr{README\.md:\d+: t[e]h ==> the} ],
	[ line_comments => '', 'common/hex.c',
		sub { $_ .= "/" . "/ done\n" }, qr{^# common/hex\.c:\d+: a // comment$}m ],
	[ links => '', 'README.md',
		sub { s/\(docs\/tutorial\.md\)/(docs\/lesson.md)/ }, qr{^# README\.md: docs/lesson\.md is not there$}m ],
	[ links => '', 'docs/operations.md',
		sub { s/^## Poolers/## Proxies/m }, qr{^# docs/operations\.md: #poolers is not there$(?:\n.*)*^# docs/security\.md: operations\.md#poolers is not there$}m ],
	[ trailing => '', 'README.md',
		sub { $_ .= "blank \n" }, qr{^# README\.md:\d+:blank $}m ],
	[ lengths => '', 'common/hex.c',
		sub { $_ .= "\n" x 900 }, qr{^# common/hex\.c: \d+ lines$}m ],
);

my %missing;

foreach my $breakage (@breakages)
{
	my ($rule, $tool, $path, $change, $says) = @$breakage;

	if ($tool ne '' && !program($tool))
	{
		$missing{$tool} = 1;
		next;
	}
	my $old = slurp("$tree/$path");
	my $new = $old;

	$change->() foreach $new;
	isnt($new, $old, "$rule: $path is changed") or next;
	_spew("$tree/$path", $new);
	my $got = check($rule);

	_spew("$tree/$path", $old);
	isnt($got->{status}, 0, "$rule: $path breaks it");
	like($got->{stdout}, qr/^not ok \d+/m, "$rule: as a test that failed");
	like($got->{stdout}, $says, "$rule: with the reason");
}

# Subjects are in no file but in the history, of which the copy has none.
SKIP:
{
	skip 'git is not installed', 6 unless program('git');
	my @git = ('git', '-C', $tree, '-c', 'user.name=x', '-c', 'user.email=x@example.com');
	my $commit = sub { run(@git, qw(commit -q --allow-empty -m), $_[0])->{ok} or die 'could not commit' };

	run(@git, qw(init -q))->{ok} or die 'could not make a repository';
	$commit->('x' x 64);
	my $got = check('subjects');
	is($got->{status}, 0, 'subjects: one of 64 characters') or diag $got->{stdout};
	unlike($got->{stdout}, qr/skip/, 'subjects: is looked at');
	$commit->('y' x 65);
	$commit->('z');
	$got = check('subjects');
	isnt($got->{status}, 0, 'subjects: one of 65 breaks it');
	like($got->{stdout}, qr/^not ok \d+/m, 'subjects: as a test that failed');
	like($got->{stdout}, qr/^# y{65}$/m, 'subjects: with the reason');
	unlike($got->{stdout}, qr/^# [xz]/m, 'subjects: and no other');
}

isnt(check('nonsense')->{status}, 0, 'a rule that does not exist is not kept');
SKIP:
{
	skip join(', ', sort keys %missing) . ' not installed', 1 if %missing;
}

done_testing();

# The mode stays: some are programs.
sub _spew
{
	my ($path, $text) = @_;

	open my $file, '>:raw', $path or die "could not write $path: $!";
	print $file $text;
	close $file or die "could not write $path: $!";
	return;
}
