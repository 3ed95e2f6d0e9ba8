# .ci/versions.sh, where it makes no root: each major that it cannot test is
# skipped with a word, and that is no failure.  No server is needed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(run_with write_file);
use File::Temp ();
use Test::More;

my $script = "$FindBin::RealBin/../.ci/versions.sh";
my $dir = File::Temp::tempdir('versions_XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub versions
{
	my ($path, @majors) = @_;

	return run_with({ env => { PATH => $path, PGCP_ROOTS => "$dir/roots" } }, $script, @majors);
}

my $got = versions($ENV{PATH}, 14, 16);
is($got->{status}, 0, 'not as root: status 0') or diag $got->{stderr};
is($got->{stdout}, <<'OUT' =~ s/\n\z//r, 'each major is skipped, and says why');
PostgreSQL 14: skipped (not root)
PostgreSQL 16: skipped (not root)
0 passed, 0 failed, 2 skipped
OUT

# As root, and with all that it needs: so it seems.
mkdir "$dir/bin";
write_file("$dir/bin/id", "#!/bin/sh\necho 0\n", 0755);
write_file("$dir/bin/$_", "#!/bin/sh\nexit 0\n", 0755) foreach qw(ip mmdebstrap unshare);
write_file("$dir/bin/apt-get", "#!/bin/sh\nexit 1\n", 0755);
$got = versions("$dir/bin:$ENV{PATH}", 14, 16);
is($got->{status}, 0, 'majors that no suite has: status 0') or diag $got->{stderr};
is($got->{stdout}, <<'OUT' =~ s/\n\z//r, 'each is skipped, and says what to do');
PostgreSQL 14: skipped (no suite of Debian has it: build it from source)
PostgreSQL 16: skipped (no suite of Debian has it: build it from source)
0 passed, 0 failed, 2 skipped
OUT
ok(!-e "$dir/roots", 'nothing is made for them');

# A root that cannot be made is no failure of a test either.
$got = versions("$dir/bin:$ENV{PATH}", '--within', 60, 15);
is($got->{status}, 0, 'no archive: status 0') or diag $got->{stderr};
like($got->{stdout}, qr/^PostgreSQL 15: skipped \(its root could not be made: apt knows no Debian archive\)$/m, 'and the words');

done_testing();
