# What "make test" counts: .ci/tally.pl must count each test once, and must not
# mistake a stream that broke off for one that passed.
use strict;
use warnings;

use File::Temp ();
use FindBin;
use Test::More;

my $tally = "$FindBin::RealBin/../.ci/tally.pl";

# name, what was printed, the count, what is said of it
my @streams = (
	[
		'TAP', <<'TAP', '2 1 0', qr/^failed: .*: second$/m ],
ok 1 - first
not ok 2 - second
ok 3
1..3
TAP
	[
		'subtests count once, with what is in them', <<'TAP', '3 1 0', qr/^failed: .*: c$/m ],
    ok 1 - a
        ok 1 - b
        not ok 2 - c
        1..2
    not ok 2 - inner
    1..2
not ok 1 - outer
ok 2 - alone
1..2
TAP
	[
		'a subtest whose plan fails', <<'TAP', '1 1 0', qr/^failed: .*: outer \(its plan\)$/m ],
    ok 1 - a
    # Looks like you planned 2 tests but ran 1.
not ok 1 - outer
1..1
TAP
	[
		'skipped and to be done', <<'TAP', '1 0 2', qr/^skipped: .*no tool$/m ],
ok 1 - a
ok 2 # skip no tool
not ok 3 - b # TODO later
1..3
TAP
	[
		'a whole file skipped', <<'TAP', '0 0 1', qr/^skipped: .*: no server$/m ],
1..0 # SKIP no server
TAP
	[
		'broken off', <<'TAP', '1 1 0', qr/^failed: .*ended early$/m ],
ok 1 - a
TAP
	[
		'several programs, one broken off', <<'TAP', '3 1 0', qr/planned 4 tests but ran 3/ ],
1..2
ok 1
ok 2
1..2
ok 1
TAP
	[
		'bail out', <<'TAP', '1 1 0', qr/Bail out!  no server/ ],
ok 1 - a
Bail out!  no server
TAP
	[
		'pg_regress up to 15', <<'OUT', '2 2 0', qr/^failed: .*: b$/m ],
test a                            ... ok           12 ms
parallel group (3 tests):  b c d
     b                            ... FAILED       64 ms
     c                            ... ok            9 ms
test d                            ... FAILED (test process exited with exit code 2)
OUT
	[
		'pg_regress from 16 on', <<'OUT', '2 1 0', qr/^failed: .*: c / ],
# using temp instance
ok 1         - a                                    64 ms
# parallel group (2 tests):  b c
ok 2         + b                                    12 ms
not ok 3     + c                                    12 ms
1..3
OUT
	[
		'a test file that died', <<'OUT', '0 1 0', qr/^failed: 003_x.pl: ended with status 255/m ],
t/003_x.pl (Wstat: 65280 (exited 255) Tests: 0 Failed: 0)
  Non-zero exit status: 255
OUT
	[ 'nothing', "gcc -c ok 1.c\n", '0 0 0' ]);

foreach my $stream (@streams)
{
	my ($name, $text, $count, $said) = @$stream;
	my $file = File::Temp->new;

	print $file $text;
	close $file;
	my $out = qx("$^X" "$tally" "$file");
	like($out, qr/^\Q$count\E\n\z/m, "$name: the count");
	like($out, $said, "$name: the words") if $said;
}

# What failed is not counted again because prove says so as well.
my $dir = File::Temp->newdir;
foreach my $part ([ '003_x.pl', "not ok 1 - a\n1..1\n" ],
	[ 'log', "t/003_x.pl (Wstat: 256 (exited 1) Tests: 1 Failed: 1)\n" ])
{
	open my $file, '>', "$dir/$part->[0]" or die "could not write: $!";
	print $file $part->[1];
	close $file;
}
like(qx("$^X" "$tally" "$dir/log" "$dir/003_x.pl"), qr/^0 1 0$/m, 'once only');

done_testing();
