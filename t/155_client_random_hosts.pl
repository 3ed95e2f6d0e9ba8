# pgcs_connect over random lists of hosts: two servers with CAs of their own, of
# which one comes and goes, one without TLS, a Unix socket, and a port where nobody
# listens; with every sslmode that has a say, twice with one cache.  Where it ends
# is known from libpq's rules: the first host that can be reached decides.
#
#	HOSTS_CASES=500 HOSTS_SEED=7 prove t/155_client_random_hosts.pl		more, others
#
# Not pg_regress: several servers, and a client that connects by itself.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder test_program);
use CertPolicy::PKI;
use CertPolicy::Server;
use IPC::Run ();
use Test::More;

my $tool = test_program('connect_tool');

plan skip_all => 'connect_tool is not built (make -C client)' unless $tool;

my $seed = $ENV{HOSTS_SEED} || 2;
my $cases = $ENV{HOSTS_CASES} || 40;
my $pki = CertPolicy::PKI->new;
my ($ca1, $ca2) = map { $pki->root("ca$_") } 1, 2;
my $bundle = folder($pki->dir . '/bundle',
	map { $pki->leaf($_->[0], issuer => $_->[1], eku => 'clientAuth') } [ one => $ca1 ], [ two => $ca2 ]);
my $cert = $pki->leaf('server', issuer => $ca1, subject => '/CN=localhost', eku => 'serverAuth');
my @tls = (pki => $pki, preload => 0, server_cert => $cert,
	hba => [ 'hostssl all all all trust clientcert=verify-ca', 'hostnossl all all all reject' ]);
my $steady = CertPolicy::Server->new('steady', @tls, ca_file => $ca1->{cert});
my $wavering = CertPolicy::Server->new('wavering', @tls, ca_file => $ca2->{cert});
my $plain = CertPolicy::Server->new('plain', pki => $pki, preload => 0, hba => ['hostnossl all all all trust']);
my $wavering_is_up = 1;

# Of each host where it is, and how a connection to it ends by sslmode: undef goes on
# to the next, and an error is the end.
my $rejected = qr/^error: .*pg_hba\.conf rejects connection/;
my %hosts = (
	steady => { host => '127.0.0.1', port => $steady->port,
		disable => $rejected, map { $_ => $steady->port . ' /CN=one' } qw(allow prefer require) },
	wavering => { host => '127.0.0.1', port => $wavering->port,
		disable => $rejected, map { $_ => $wavering->port . ' /CN=two' } qw(allow prefer require) },
	plain => { host => '127.0.0.1', port => $plain->port,
		require => qr/^error: .*server does not support SSL, but SSL was required/,
		map { $_ => $plain->port . ' none' } qw(disable allow prefer) },
	socket => { host => $steady->node->host, port => $steady->port,
		map { $_ => $steady->port . ' none' } qw(disable allow prefer require) },
	nobody => { host => '127.0.0.1', port => 1 },
);

sub set_wavering
{
	my ($up) = @_;

	return if $up == $wavering_is_up;
	$up ? $wavering->node->start : $wavering->node->stop;
	$wavering_is_up = $up;
}

# What comes of a list now.
sub expected
{
	my ($sslmode, @names) = @_;

	foreach my $name (@names)
	{
		next if $name eq 'wavering' && !$wavering_is_up;
		return $hosts{$name}{$sslmode} if defined $hosts{$name}{$sslmode};
	}
	return qr/^error: .*Connection refused/;
}

sub pick { $_[ int rand @_ ] }

my (%ended, $wrong);

foreach my $case (1 .. $cases)
{
	srand($seed * 100003 + $case);
	my @names = map { pick('wavering', sort keys %hosts) } 0 .. int rand 4;
	my $sslmode = pick(qw(disable allow prefer require require require));
	my @way = pick([], ['--poll'], ['--no-bundle'])->@*;
	my @up = pick([ 1, 0 ], [ 1, 0 ], [ 0, 1 ], [ 1, 1 ])->@*;
	my $conninfo = join ' ', 'host=' . join(',', map { $hosts{$_}{host} } @names),
	  'port=' . join(',', map { $hosts{$_}{port} } @names),
	  "user=postgres dbname=postgres sslmode=$sslmode gssencmode=disable";
	my ($in, $out, $err, @expected) = ('', '', '');
	my $harness;
	local $ENV{CONNECT_TOOL_WAIT} = 1;

	foreach my $turn (0, 1)
	{
		set_wavering($up[$turn]);
		push @expected, expected($sslmode, @names);
		$harness //= IPC::Run::start([ $tool, @way, '--cache', '--repeat', 2, $bundle, $conninfo ],
			'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
		$in .= 'x' if $turn > 0;
		$harness->pump while $harness->pumpable && ($out =~ tr/\n//) <= $turn;
	}
	$in .= 'x';
	my $ended_well = $harness->finish;

	my @got = split /\n/, $out;
	foreach my $turn (0, 1)
	{
		my $got = $got[$turn] // 'nothing';
		my $expected = $expected[$turn];

		$ended{ $got =~ s/:.*//sr }++;
		next if ref $expected ? $got =~ $expected : $got eq $expected;
		diag("alone: HOSTS_SEED=$seed, case $case, turn $turn: @names, sslmode=$sslmode @way, up @up");
		diag("got: $got\nexpected: $expected\n$err");
		$wrong++;
	}
	ok($ended_well, "case $case: @names, sslmode=$sslmode");
}
is($wrong // 0, 0, "seed $seed: each connection ended where libpq would have ended");
cmp_ok(scalar(keys %ended), '>=', 5, 'and they ended in many ways: ' . join ', ', map { "$_ ($ended{$_})" } sort keys %ended);

done_testing();
