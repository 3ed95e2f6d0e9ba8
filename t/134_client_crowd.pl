# Folders as they are found in the wild: 50,000 files, every kind of file that
# could block, and each of them named where a file is expected.  None blocks, the
# good ones still work, and all of it is over in time.  Not pg_regress: files.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder run run_with slurp write_file);
use CertPolicy::PKI;
use IO::Socket::UNIX;
use POSIX qw(mkfifo);
use Test::More;
use Time::HiRes qw(time);

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $good = $pki->leaf('good', issuer => $ca, eku => 'clientAuth', days => 100);
# the older of the two, however long it takes to make them
my $spare = $pki->leaf('spare', issuer => $ca, eku => 'clientAuth', not_before => '20240101000000Z', days => 3650);
my @names = ('--ca-file', $ca->{cert});

# Fails the test if it takes longer than this, which is meant for slow machines.
my $patience = 60;

sub timely
{
	my ($what, @command) = @_;
	my $start = time;
	my $got = run_with({ timeout => 2 * $patience }, @command);

	cmp_ok(time - $start, '<', $patience, "$what: in time");
	return $got;
}

# --- 50,000 files ----------------------------------------------------------------

my $crowd = folder($pki->dir . '/crowd', $good);
my $noise = write_file($pki->dir . '/noise', "just some words\n" x 50);

# Links cost little; each is read like a file of its own.
foreach my $i (1 .. 50_000)
{
	my $from = $i % 10 == 0 ? $spare->{cert} : $i % 10 == 1 ? $ca->{cert} : $i % 50 == 2 ? $spare->{key} : $noise;

	link $from, sprintf '%s/%05d.pem', $crowd, $i or die "could not link: $!";
	if ($i % 20_000 == 0)
	{
		# a file system may allow no more links to one file
		$noise = write_file($pki->dir . "/noise$i", "just some other words\n");
	}
}
my $got = timely('list of 50,000 files', $pgcertsel, 'list', '--bundle', $crowd);
is($got->{status}, 0, 'list of 50,000 files: status 0');
like($got->{stdout}, qr{^good .* \Q$crowd\E/good\.crt$}m, 'the good one is among them');
cmp_ok(scalar(() = $got->{stdout} =~ /holds no PEM block/g), '>', 30_000, 'and every file that is none is named');
$got = timely('select from 50,000 files', $pgcertsel, 'select', @names, '--bundle', $crowd);
is($got->{stdout}, "sslcert='$crowd/good.crt' sslkey='$crowd/good.key'", 'and chosen');
$got = timely('check of 50,000 files', $pgcertsel, 'check', @names, '--bundle', $crowd, '--format', 'json');
is($got->{status}, 0, 'check of 50,000 files');
unlink glob "$crowd/*.pem";

# --- what could block, each where a file is expected ---------------------------------

my $zoo = $pki->dir . '/zoo';
mkdir $zoo or die $!;
mkfifo("$zoo/fifo", 0600) or die $!;
my $socket = IO::Socket::UNIX->new(Local => "$zoo/socket", Listen => 1) or die $!;
symlink '/dev/zero', "$zoo/zero" or die $!;
symlink '/dev/tty', "$zoo/tty" or die $!;
symlink '/proc/kmsg', "$zoo/kmsg" or die $!;
symlink 'loop', "$zoo/loop" or die $!;
symlink '.', "$zoo/self" or die $!;
write_file("$zoo/huge", '');
truncate "$zoo/huge", 1 << 30 or die $!;
write_file("$zoo/many", "-----BEGIN CERTIFICATE-----\n" x 30_000);
write_file("$zoo/line", 'x' x 1_000_000);
write_file("$zoo/nul", "\0" x 1_000_000);
write_file("$zoo/bob\n.crt", slurp($spare->{cert}));
write_file("$zoo/bob\n.key", slurp($spare->{key}));
write_file("$zoo/closed.crt", slurp($spare->{cert}), 0000);

my @zoo = (map { "$zoo/$_" } qw(fifo socket zero tty kmsg loop self huge many line nul));

$got = timely('the zoo', $pgcertsel, 'list', '--bundle', $zoo, '--bundle', $crowd);
is($got->{status}, 0, 'a folder of them: list works');
like($got->{stdout}, qr{^good .* \Q$crowd\E/good\.crt$}m, 'with the good one');
like($got->{stdout}, qr{^good .* \Q$zoo\E/bob\\0[aA]\.crt$}m, 'and one with a newline in its name, escaped');
unlike($got->{stdout}, qr/^\.(?:crt|key)/m, 'which breaks no line');
$got = run($pgcertsel, 'select', @names, '--bundle', $zoo);
is($got->{stdout}, "sslcert='$zoo/bob\n.crt' sslkey='$zoo/bob\n.key'", 'and can be chosen');

foreach my $path (@zoo)
{
	my ($name) = $path =~ m{([^/]+)$};

	foreach my $case (
		[ 'as --bundle', 0, '--bundle', $path, '--bundle', $crowd, @names ],
		[ 'as sslcert in a list', 0, @names,
			"sslcert='$path,$crowd/good.crt' sslkey='$crowd/good.key,$crowd/good.key'" ],
		[ 'as sslkey in a list', 0, @names,
			"sslcert='$crowd/good.crt,$crowd/good.crt' sslkey='$path,$crowd/good.key'" ],
		[ 'as sslrootcert', undef, '--bundle', $crowd, @names, "sslrootcert=$path" ],
		[ 'as --ca-file', 1, '--bundle', $crowd, '--ca-file', $path ],
		[ 'as --names-file', 1, '--bundle', $crowd, '--names-file', $path ],
		[ 'as --password-file', 1, '--bundle', $crowd, @names, '--password-file', $path ],
		[ 'as --complete-chain', 0, '--bundle', $crowd, @names, '--complete-chain', $path ])
	{
		my ($how, $status, @args) = @$case;

		# a folder is a bundle like any other
		next if $name eq 'self' && $how eq 'as --bundle';
		$got = run_with({ timeout => 20 }, $pgcertsel, 'select', @args);
		is($got->{status}, $status, "$name $how: status $status") || diag "$got->{stdout}\n$got->{stderr}"
		  if defined $status;
		if ($got->{status} == 0)
		{
			is($got->{stdout}, "sslcert='$crowd/good.crt' sslkey='$crowd/good.key'", 'the good one is chosen');
		}
		else
		{
			is($got->{stdout}, "sslcert='/dev/null/none'", 'nothing is sent');
			like($got->{stderr}, qr{^pgcertsel: .*\Q$zoo/$name\E}m, 'with the file')
			  if defined $status;
		}
	}
}

done_testing();
