# The client: pgcs_connect() and "pgcertsel exec", beside libpq and psql that
# are told the right certificate.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Bench;

use File::Copy qw(copy);
use File::Temp ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $server = server('server');
my $pki = pki();
my $bundle = File::Temp::tempdir('bundle_XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $where = sprintf "host=localhost hostaddr=127.0.0.1 port=%d dbname=postgres"
  . " user=alice sslmode=verify-full gssencmode=disable sslrootcert='%s'",
  $server->port, $pki->{ca}{cert};

# Ten pairs, one of which fits.
my $stranger = $pki->{made}->root('strangeCA', subject => '/CN=strangeCA');
foreach my $i (1 .. 9)
{
	my $leaf = $pki->{made}
	  ->leaf("other$i", issuer => $stranger, eku => 'clientAuth');
	keep($leaf, "other$i");
}
keep($pki->{alice}, 'mine');

under_way('pgcs_connect');
measure('connect', 300, $bundle, $where, "$bundle/mine.crt", "$bundle/mine.key");

under_way('pgcertsel exec');
my @psql = ('psql', '-XAtq', '-c', 'select 1');
my @ours = ($ENV{PGCERTSEL}, 'exec', $where, '--bundle', $bundle, '--', @psql);
my @other = (@psql, '-d', "$where sslcert='$bundle/mine.crt' sslkey='$bundle/mine.key'");
foreach my $pair (0 .. 100)
{
	my %time;

	foreach my $name ($pair % 2 ? qw(ours other) : qw(other ours))
	{
		$time{$name} = run_once($name eq 'ours' ? @ours : @other);
	}
	result('8', 'pgcertsel exec psql', 10, @time{qw(ours other)}) if $pair > 0;
}
$server->stop;

sub keep
{
	my ($leaf, $name) = @_;

	copy($leaf->{cert}, "$bundle/$name.crt") or die "could not copy: $!";
	copy($leaf->{key}, "$bundle/$name.key") or die "could not copy: $!";
	chmod 0600, "$bundle/$name.key";
	return;
}

# Nanoseconds from the start of a program to its end.
sub run_once
{
	my (@command) = @_;
	my $start = clock_gettime(CLOCK_MONOTONIC);
	my $pid = fork() // die "could not fork: $!";

	if ($pid == 0)
	{
		open STDOUT, '>', '/dev/null' or die "could not open /dev/null: $!";
		exec @command or die "could not run $command[0]: $!";
	}
	waitpid $pid, 0;
	die "\"@command\" failed" if $?;
	return int((clock_gettime(CLOCK_MONOTONIC) - $start) * 1e9);
}
