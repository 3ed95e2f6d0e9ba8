# What pgcertsel learns from a server by beginning a handshake with it: the four
# answers, and how it fails.  Not pg_regress: servers with and without TLS, and
# the log of the server that was asked.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::OpenSSLServer;
use CertPolicy::PKI;
use CertPolicy::Server;
use IO::Socket::INET;
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ido = '/C=CA/ST=BC/L=VAN/O=IDO/OU=DEV';
my $ca1 = $pki->root('rootCA1', subject => "$ido/CN=rootCA1");
my $ca2 = $pki->root('rootCA2', subject => "$ido/CN=rootCA2, with a comma");
my $both = $pki->concat('both.crt', $ca1->{cert}, $ca2->{cert});
my $alice = $pki->leaf('alice', issuer => $ca1, eku => 'clientAuth');
my $names1 = 'CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA';

my $srv = CertPolicy::Server->new('trusting',
	pki => $pki, preload => 0,
	ca_file => $ca1->{cert}, server_cert => $pki->server($ca1),
	hba => ['hostssl all all 127.0.0.1/32 trust']);
my $port = $srv->port;
my $conninfo = "host=localhost hostaddr=127.0.0.1 port=$port user=alice dbname=postgres";

# Runs pgcertsel, without a bundle unless one is named.
sub pgcertsel
{
	my ($server, @args) = @_;

	return $server->client([ $pgcertsel, @args ]);
}

# --- wanted, with names -------------------------------------------------

my $got = pgcertsel($srv, 'names', $conninfo);
is($got->{status}, 0, 'a server that names its CA: status 0');
is($got->{stdout}, $names1, 'the name, as RFC 4514 writes it');
is($got->{stderr}, '', 'no words');
unlike($got->{log}, qr/could not accept|alert|EOF|error/i,
	'the probe leaves no complaint in the log');
is(scalar(grep { !/connection received/ } split /\n/, $got->{log}),
	0, 'nor any other line of its own')
  or diag $got->{log};

for my $tls ('TLSv1.2', 'TLSv1.3')
{
	my $range = "ssl_min_protocol_version=$tls ssl_max_protocol_version=$tls";

	$got = pgcertsel($srv, 'names', "$conninfo $range");
	is($got->{stdout}, $names1, "the names over $tls");
	is(scalar(grep { !/connection received/ } split /\n/, $got->{log}),
		0, "no line of its own over $tls")
	  or diag $got->{log};
}

$srv->conf("ssl_ca_file = '$both'\n");
$srv->reload;
is(pgcertsel($srv, 'names', $conninfo)->{stdout},
	"$names1\nCN=rootCA2\\, with a comma,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA",
	'two names, in the order of the file, escaped');

$got = pgcertsel($srv, 'names', "postgresql://alice\@127.0.0.1:$port/postgres");
like($got->{stdout}, qr/^CN=rootCA1,/, 'a URI does as well');
$got = $srv->client([ $pgcertsel, 'names' ],
	env => { PGHOST => '127.0.0.1', PGPORT => $port, PGSSLMODE => 'require' });
like($got->{stdout}, qr/^CN=rootCA1,/, 'and the environment');
$got = pgcertsel($srv, 'names', '-h', '127.0.0.1', '-p', $port);
like($got->{stdout}, qr/^CN=rootCA1,/, 'and options as those of psql');

my $service = $pki->dir . '/service.conf';
open my $file, '>', $service or die $!;
print $file "[here]\nhost=127.0.0.1\nport=$port\nuser=alice\n";
close $file;
$got = $srv->client([ $pgcertsel, 'names', 'service=here' ],
	env => { PGSERVICEFILE => $service });
like($got->{stdout}, qr/^CN=rootCA1,/, 'and a service');
$got = $srv->client([ $pgcertsel, 'names', 'service=there' ],
	env => { PGSERVICEFILE => $service });
is($got->{status}, 1, 'a service that does not exist: status 1');
like($got->{stderr}, qr/definition of service "there" not found/, 'and libpq\'s words');

# --- the server is verified first ---------------------------------------

$got = pgcertsel($srv, 'names', "$conninfo sslmode=verify-full sslrootcert=$ca1->{cert}");
is($got->{status}, 0, 'sslmode=verify-full with the right root');
$got = pgcertsel($srv, 'select',
	"$conninfo sslmode=verify-full sslrootcert=$ca2->{cert}"
	  . " sslcert=$alice->{cert} sslkey=$alice->{key}");
is($got->{status}, 3, 'and with the wrong one: status 3');
like($got->{stderr}, qr/could not ask localhost:$port: .*certificate verify failed/,
	'which says why');
is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');
$got = $srv->client(
	[ $pgcertsel, 'names', $conninfo ],
	env => { PGSSLMODE => 'verify-full', PGSSLROOTCERT => $ca2->{cert} });
is($got->{status}, 3, 'sslmode of the environment is not weakened');
$got = pgcertsel($srv, 'names',
	"host=some.other.name hostaddr=127.0.0.1 port=$port sslmode=verify-full sslrootcert=$ca1->{cert}");
is($got->{status}, 3, 'a server of another name: status 3');
like($got->{stderr}, qr/does not match host name "some\.other\.name"/, 'which says so');
$got = $srv->client([ $pgcertsel, 'names', "$conninfo sslrootcert=$ca1->{cert}" ],
	env => { PGSSLMODE => 'verify-full' });
is($got->{status}, 0, 'it is that mode which made the difference');

# a mode that libpq does not know may be meant for one that verifies: nobody is asked
my $misspelt = "host=some.other.name hostaddr=127.0.0.1 port=$port user=alice sslmode=verify_full sslrootcert=$ca1->{cert}";
foreach my $command ([ 'names', $misspelt ],
	[ 'select', "$misspelt sslcert=$alice->{cert} sslkey=$alice->{key}", '--confirm' ],
	[ 'check', "$misspelt sslcert=$alice->{cert} sslkey=$alice->{key}", '--confirm', '--ca-file', $ca1->{cert} ])
{
	$got = pgcertsel($srv, @$command);
	is($got->{status}, 3, "$command->[0] with a misspelt sslmode: status 3");
	like($got->{stderr}, qr/invalid sslmode value: "verify_full"/, 'in the words of libpq');
	unlike($got->{log}, qr/connection received/, 'and the server is not spoken to');
}

# --- not wanted, and no TLS ---------------------------------------------

$srv->conf("ssl_ca_file = ''\n");
$srv->reload;
$got = pgcertsel($srv, 'names', $conninfo);
is($got->{status}, 6, 'no ssl_ca_file: status 6');
is($got->{stdout}, '', 'no name');
like($got->{stderr}, qr/localhost:$port does not ask for a client certificate/,
	'and its own words');
$got = pgcertsel($srv, 'select', "$conninfo sslcert=$alice->{cert} sslkey=$alice->{key}");
is($got->{status}, 6, 'select says the same');
is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');

$srv->conf("ssl = off\n");
$srv->reload;
$got = pgcertsel($srv, 'names', $conninfo);
is($got->{status}, 5, 'a server without TLS: status 5');
like($got->{stderr}, qr/no TLS, so no certificate can be sent: the server does not support TLS/,
	'and its own words');
is(pgcertsel($srv, 'names', '-h', $srv->node->host, '-p', $port)->{status},
	5, 'a Unix socket: status 5');
is(pgcertsel($srv, 'names', "$conninfo sslmode=disable")->{status},
	5, 'sslmode=disable: status 5');

# --- wanted, no names ---------------------------------------------------

$srv->conf("ssl = on\n");
$srv->reload;

# No PostgreSQL server asks without naming, but poolers do.
my $plain = CertPolicy::OpenSSLServer->new($pki->server($ca1), '-verify', 1);
$got = pgcertsel($srv, 'names', 'host=127.0.0.1 port=' . $plain->port);
is($got->{status}, 0, 'a server that asks and names nobody: status 0');
is($got->{stdout}, '', 'no names');
like($got->{stderr}, qr/asks for a client certificate, but names no CA/, 'and its own words');
$got = pgcertsel($srv, 'select', '-U', 'alice',
	'host=127.0.0.1 sslmode=require port=' . $plain->port . " sslcert=$alice->{cert} sslkey=$alice->{key}");
is($got->{status}, 0, 'the only certificate is chosen then');
$got = pgcertsel($srv, 'select', '-U', 'carol', '--bundle', two_identities(),
	'host=127.0.0.1 sslmode=require port=' . $plain->port);
is($got->{status}, 4, 'but of two, neither of them the role\'s, none: status 4');
like($got->{stderr}, qr/fit equally well, and the server names no CA/, 'which says so');
is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');
$got = pgcertsel($srv, 'select', '-U', 'bob', '--bundle', two_identities(),
	'host=127.0.0.1 sslmode=require port=' . $plain->port);
is($got->{status}, 0, 'the role decides');
like($got->{stdout}, qr{/two/bob\.crt}, 'for its own');
$plain->stop;

sub two_identities
{
	my $dir = $pki->dir . '/two';

	return $dir if -d $dir;
	mkdir $dir or die $!;
	for my $name (qw(alice bob))
	{
		my $leaf = $name eq 'alice' ? $alice
		  : $pki->leaf($name, issuer => $ca2, eku => 'clientAuth');
		$pki->concat("two/$name.crt", $leaf->{cert});
		chmod 0600, $pki->concat("two/$name.key", $leaf->{key});
	}
	return $dir;
}

sub free_port
{
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
	my $port = $socket->sockport;

	close $socket;
	return $port;
}

# --- nobody there, and somebody who never answers -----------------------

$got = pgcertsel($srv, 'names', '-h', '127.0.0.1', '-p', free_port());
is($got->{status}, 3, 'nobody listens: status 3');
like($got->{stderr}, qr/could not ask 127\.0\.0\.1:\d+: .*refused/, 'which says so');

my $silent = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
my $start = time;
$got = pgcertsel($srv, 'select', '--timeout', 1, '-h', '127.0.0.1', '-p',
	$silent->sockport, '--bundle', two_identities());
is($got->{status}, 3, 'somebody listens and never answers: status 3');
like($got->{stderr}, qr/timeout expired/, 'which says so');
is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');
cmp_ok(time - $start, '<', 8, 'in time');

$got = pgcertsel($srv, 'names', 'host=127.0.0.1 port=nonsense');
is($got->{status}, 3, 'a port that is none: status 3');
$got = pgcertsel($srv, 'select', 'host=127.0.0.1 nonsense');
is($got->{status}, 1, 'a conninfo that is none: status 1');
is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');

$srv->stop;
done_testing();
