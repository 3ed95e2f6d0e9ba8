# Several hosts in one connection string: one certificate must fit every host that
# can be reached, and where none does the table says what fits where.  And a server
# that insists on a certificate during the handshake.  Not pg_regress: servers with
# different CAs, and hosts that are down.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::OpenSSLServer;
use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca1 = $pki->root('ca1');
my $ca2 = $pki->root('ca2');
my $both = $pki->concat('both.crt', $ca1->{cert}, $ca2->{cert});
my $one = $pki->leaf('one', issuer => $ca1, eku => 'clientAuth');
my $two = $pki->leaf('two', issuer => $ca2, eku => 'clientAuth');
my $bundle = $pki->dir . '/bundle';

mkdir $bundle or die $!;
foreach my $leaf ($one, $two)
{
	copy($leaf->{cert}, "$bundle/$leaf->{name}.crt") or die $!;
	copy($leaf->{key}, "$bundle/$leaf->{name}.key") or die $!;
	chmod 0600, "$bundle/$leaf->{name}.key" or die $!;
}

my @hba = ('hostssl all all 127.0.0.1/32 trust clientcert=verify-ca');
my $a = CertPolicy::Server->new('a', pki => $pki, preload => 0,
	ca_file => $ca1->{cert}, server_cert => $pki->server($ca1), hba => \@hba);
my $b = CertPolicy::Server->new('b', pki => $pki, preload => 0,
	ca_file => $ca2->{cert}, server_cert => $pki->server($ca1), hba => \@hba);
my ($pa, $pb) = ($a->port, $b->port);
my $hosts = "host=127.0.0.1,localhost hostaddr=127.0.0.1,127.0.0.1 port=$pa,$pb"
  . ' user=postgres dbname=postgres sslmode=require';

sub pgcertsel
{
	my (@args) = @_;

	return $a->client([ $pgcertsel, @args ]);
}

# --- two hosts that trust different CAs -------------------------------------

my $got = pgcertsel('names', $hosts);
is($got->{stdout}, "# 127.0.0.1:$pa\nCN=ca1\n# localhost:$pb\nCN=ca2", 'names, host by host');

$got = pgcertsel('select', $hosts, '--bundle', $bundle);
is($got->{status}, 2, 'no certificate fits both: status 2');
is($got->{stdout}, "sslcert='/dev/null/none'", 'sending nothing');
like($got->{stderr}, qr/one\.crt: localhost:$pb: issuer "CN=ca1" is not the CA/, 'with the reason for each');
like($got->{stderr}, qr/two\.crt: 127\.0\.0\.1:$pa: issuer "CN=ca2" is not the CA/, 'by host');
$got = pgcertsel('check', $hosts, '--bundle', $bundle);
is($got->{status}, 2, 'check: status 2');
like($got->{stdout},
	qr/unusable +\S+one\.crt\n.*\n +127\.0\.0\.1:$pa: doubtful\n +localhost:$pb: unusable\n/,
	'and the table of what fits where');
like($got->{stdout},
	qr/unusable +\S+two\.crt\n.*\n +127\.0\.0\.1:$pa: unusable\n +localhost:$pb: doubtful\n/,
	'for each certificate');

# --- one that fits both ------------------------------------------------------

$b->conf("ssl_ca_file = '$both'\n");
$b->reload;
$got = pgcertsel('select', $hosts, '--bundle', $bundle);
is($got->{status}, 0, 'a certificate fits both: status 0');
is($got->{stdout}, "sslcert='$bundle/one.crt' sslkey='$bundle/one.key'", 'and is chosen');
$got = pgcertsel('select', $hosts, '--bundle', $bundle, '--confirm');
is($got->{status}, 0, '--confirm tries it on both');
is(scalar(() = $b->client(['true'])->{log} =~ /could not accept/g), 0, 'and both accept it');
$got = pgcertsel('exec', $hosts, '--bundle', $bundle, '--', 'psql', '-XAtqc', 'show port');
is($got->{stdout}, $pa, 'exec hands both hosts over');

# --- hosts that are down -------------------------------------------------------

$a->stop;
$got = pgcertsel('select', $hosts, '--bundle', $bundle, '-U', 'two');
is($got->{status}, 0, 'a host that is down does not count: status 0');
is($got->{stdout}, "sslcert='$bundle/two.crt' sslkey='$bundle/two.key'", 'the other decides');
like($got->{stderr}, qr/warning: 127\.0\.0\.1:$pa could not be asked: .*refused/, 'with a warning');
$got = pgcertsel('exec', $hosts, '--bundle', $bundle, '-U', 'postgres', '--', 'psql', '-XAtqc', 'show port');
is($got->{stdout}, $pb, 'exec: libpq goes on to the one that is up') or diag $got->{stderr};
$got = pgcertsel('names', "host=127.0.0.1,127.0.0.1 port=$pa,$pa");
is($got->{status}, 3, 'all down: status 3');

# --- hosts that do not fit the ports -------------------------------------------

$got = pgcertsel('select', "host=a,b port=1,2,3", '--bundle', $bundle);
is($got->{status}, 1, 'three ports for two hosts: status 1');
like($got->{stderr}, qr/could not match 3 port numbers to 2 hosts/, 'in the words of libpq');

# a Unix socket beside a host with TLS: the certificate is for the latter
$got = pgcertsel('select', 'host=' . $b->node->host . ",127.0.0.1 port=$pb user=two sslmode=require",
	'--bundle', $bundle);
is($got->{status}, 0, 'a Unix socket among the hosts');
is($got->{stdout}, "sslcert='$bundle/two.crt' sslkey='$bundle/two.key'", 'needs none, the other decides');

# --- a server that insists on a certificate during the handshake ----------------

foreach my $tls ('tls1_2', 'tls1_3')
{
	my $server = CertPolicy::OpenSSLServer->new($pki->server($ca1), "-$tls",
		'-Verify', 3, '-verify_return_error', '-CAfile', $ca2->{cert});

	$got = pgcertsel('names', 'host=127.0.0.1 port=' . $server->port);
	is($got->{status}, 0, "a server that insists ($tls): status 0");
	is($got->{stdout}, 'CN=ca2', 'its names') or diag $got->{stderr};
	$got = pgcertsel('select', 'host=127.0.0.1 sslmode=require port=' . $server->port,
		'--bundle', $bundle, '--confirm');
	is($got->{stdout}, "sslcert='$bundle/two.crt' sslkey='$bundle/two.key'", 'the certificate, confirmed');
	$server->stop;
}

$b->stop;
done_testing();
