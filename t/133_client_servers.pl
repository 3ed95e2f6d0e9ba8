# The probe against servers as they are: pgbouncer, one version of TLS only, IPv6,
# several addresses, the system's root certificates, and servers that stop talking
# half-way.  What 100_client_probe.pl says of the four answers is not repeated.
# Not pg_regress: servers, poolers, sockets and their logs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(compile folder run run_with slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Pooler;
use CertPolicy::Server;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time usleep);

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca1 = $pki->root('ca1');
my $ca2 = $pki->root('ca2');
my $alice = $pki->leaf('alice', issuer => $ca1, eku => 'clientAuth');
my $bob = $pki->leaf('bob', issuer => $ca2, eku => 'clientAuth');
my $bundle = folder($pki->dir . '/bundle', $alice, $bob);
my $server_cert = $pki->leaf('server', issuer => $ca1, subject => '/CN=localhost', eku => 'serverAuth',
	san => 'DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1');
my $srv = CertPolicy::Server->new('main', pki => $pki, preload => 0,
	ca_file => $ca1->{cert}, server_cert => $server_cert,
	hba => [ 'hostssl all all all trust clientcert=verify-ca' ]);
my $port = $srv->port;
my $to = "host=localhost hostaddr=127.0.0.1 port=$port user=postgres dbname=postgres sslmode=require";
my $libpq = run(compile("$FindBin::RealBin/lib/readback.c", $pki->dir . '/readback'), 'version')->{stdout};
my @dn = ('psql', '-XAtqc', 'select client_dn from pg_stat_ssl where pid = pg_backend_pid()');

sub pgcertsel
{
	my (@args) = @_;

	return $srv->client([ $pgcertsel, @args ]);
}

sub chose
{
	my ($got, $name, $what) = @_;

	return is($got->{stdout}, "sslcert='$bundle/$name.crt' sslkey='$bundle/$name.key'", $what)
	  || diag $got->{stderr};
}

# Nothing but "connection received" of a probe; checkpoints come when they come.
sub is_quiet
{
	my ($log, $what) = @_;

	return is(join('', grep { !/connection received|LOG:  checkpoint / } split /^/, $log), '', "$what: no line in the server's log");
}

# --- one version of TLS only -----------------------------------------------------

foreach my $tls ('TLSv1.2', 'TLSv1.3')
{
	$srv->conf("ssl_min_protocol_version = '$tls'\nssl_max_protocol_version = '$tls'\n");
	$srv->reload;
	my $got = pgcertsel('names', $to);

	is($got->{stdout}, 'CN=ca1', "a server with $tls only: its names");
	is_quiet($got->{log}, "$tls only");
	$got = pgcertsel('check', $to, '--bundle', $bundle);
	like($got->{stdout}, qr/^Server localhost:$port \(\Q$tls\E\) asks/, 'check says which it was');
	chose(pgcertsel('select', $to, '--bundle', $bundle), 'alice', 'its choice');
	$got = pgcertsel('select', $to, '--bundle', $bundle, '--confirm');
	chose($got, 'alice', 'confirmed');
	is_quiet($got->{log}, "confirmed over $tls");
	is($srv->client([ $pgcertsel, 'exec', $to, '--bundle', $bundle, '--', @dn ])->{stdout}, '/CN=alice', 'which logs in');
	my $other = $tls eq 'TLSv1.2' ? 'TLSv1.3' : 'TLSv1.2';
	$got = pgcertsel('names', "$to ssl_min_protocol_version=$other ssl_max_protocol_version=$other");
	is($got->{status}, 3, "a client with $other only: status 3");
	like($got->{stderr}, qr/could not ask localhost:$port: .*(?:version|alert)/i, 'in the words of TLS');
}
$srv->conf("ssl_min_protocol_version = 'TLSv1.2'\nssl_max_protocol_version = ''\n");
$srv->reload;

# --- direct TLS ---------------------------------------------------------------------

SKIP:
{
	skip 'direct TLS needs libpq 17 and server 17', 3
	  if $libpq < 170000 || $srv->sql('show server_version_num') < 170000;
	my $got = pgcertsel('names', "$to sslnegotiation=direct");

	is($got->{stdout}, 'CN=ca1', 'direct TLS: the names');
	is_quiet($got->{log}, 'direct TLS');
	chose(pgcertsel('select', "$to sslnegotiation=direct", '--bundle', $bundle, '--confirm'), 'alice', 'and the choice');
}

# --- addresses ------------------------------------------------------------------------

my $got = pgcertsel('names', "hostaddr=127.0.0.1 port=$port sslmode=require");
is($got->{stdout}, 'CN=ca1', 'hostaddr alone');
$got = pgcertsel('names', "host=no.such.name hostaddr=127.0.0.1 port=$port sslmode=require");
is($got->{stdout}, 'CN=ca1', 'hostaddr keeps the name from being looked up');
$got = pgcertsel('names', "host=no.such.name.invalid port=$port sslmode=require");
is($got->{status}, 3, 'a name that does not exist: status 3');
like($got->{stderr}, qr/could not ask no\.such\.name\.invalid:$port: .*translate host name/, 'in the words of libpq');
$got = pgcertsel('names', "host=127.0.0.1,localhost hostaddr=127.0.0.1,127.0.0.1 port=$port sslmode=require");
is($got->{stdout}, "# 127.0.0.1:$port\nCN=ca1\n# localhost:$port\nCN=ca1", 'a list of hosts with one port');

SKIP:
{
	my $v6 = eval { require IO::Socket::IP; IO::Socket::IP->new(Listen => 1, LocalHost => '::1') };

	skip 'no IPv6 here', 5 unless $v6;
	$srv->conf("listen_addresses = '127.0.0.1, ::1'\n");
	$srv->restart;
	# before 15 libpq does not compare addresses with those in a certificate
	my $full = CertPolicy::Server::libpq_version() < 15 ? 'ca' : 'full';
	$got = pgcertsel('names', "host=::1 port=$port sslmode=verify-$full sslrootcert=$ca1->{cert}");
	is($got->{stdout}, 'CN=ca1', 'IPv6, verified') or diag $got->{stderr};
	is_quiet($got->{log}, 'IPv6');
	$got = pgcertsel('names', "postgresql://postgres\@[::1]:$port/postgres?sslmode=require");
	is($got->{stdout}, 'CN=ca1', 'IPv6 in a URI');
	chose(pgcertsel('select', "host=localhost hostaddr=::1 port=$port sslmode=require", '--bundle', $bundle, '--confirm'),
		'alice', 'IPv6 as hostaddr');
	is($srv->client([ $pgcertsel, 'exec', "host=::1 port=$port user=postgres dbname=postgres sslmode=require",
				'--bundle', $bundle, '--', @dn ])->{stdout}, '/CN=alice', 'exec over IPv6');
}

# --- where the parameters come from ------------------------------------------------------

my $service = write_file($pki->dir . '/service.conf', "[s]\nhost=localhost\nhostaddr=127.0.0.1\nport=$port\n"
		. "sslmode=verify-full\nsslrootcert=$ca1->{cert}\nuser=postgres\n");
my %env = (PGHOST => 'localhost', PGHOSTADDR => '127.0.0.1', PGPORT => $port, PGSSLMODE => 'verify-full',
	PGSSLROOTCERT => $ca1->{cert}, PGUSER => 'postgres');
foreach my $case (
	[ 'the environment', '', \%env ],
	[ 'PGSERVICE', '', { PGSERVICEFILE => $service, PGSERVICE => 's' } ],
	[ 'a service', 'service=s', { PGSERVICEFILE => $service } ],
	[ 'the environment, overruled', "port=$port", { %env, PGPORT => 1 } ],
	[ 'a service, overruled', "service=s port=$port", { PGSERVICEFILE => write_file($pki->dir . '/other.conf',
				slurp($service) =~ s/port=\d+/port=1/r) } ])
{
	my ($what, $info, $env) = @$case;

	$got = $srv->client([ $pgcertsel, 'select', $info, '--bundle', $bundle ], env => $env);
	chose($got, 'alice', $what);
	is_quiet($got->{log}, $what);
}

# --- the server is verified before anything is shown ----------------------------------------

# Whatever fails here, no certificate was sent: the log would tell of it, as the
# server trusts neither alice nor bob then.
my $distrusting = $pki->root('ca3');
$srv->conf("ssl_ca_file = '$distrusting->{cert}'\n");
$srv->reload;
foreach my $case ([ 'verify-ca', "sslrootcert=$ca2->{cert}", qr/certificate verify failed/ ],
	[ 'verify-full', "sslrootcert=$ca2->{cert}", qr/certificate verify failed/ ],
	[ 'verify-full', "host=example.com sslrootcert=$ca1->{cert}", qr/does not match host name "example\.com"/ ],
	[ 'verify-full', 'sslrootcert=/nowhere', qr{root certificate file "/nowhere" does not exist} ])
{
	my ($mode, $info, $words) = @$case;

	foreach my $command ([ 'select' ], [ 'check', '--confirm' ], [ 'names' ])
	{
		$got = pgcertsel(@$command, "$to sslmode=$mode $info", $command->[0] eq 'names' ? () : ('--bundle', $bundle));
		is($got->{status}, 3, "$command->[0] with $mode $info: status 3");
		like($got->{stderr}, $words, 'with the reason');
		unlike($got->{log}, qr/certificate verify failed|alice|bob|ca2/, 'and the server has seen no certificate');
	}
}
# A misspelt mode is no weaker one.
foreach my $case ([ "$to sslmode=verify_full" ], [ $to =~ s/sslmode=require//r, PGSSLMODE => 'verifyfull' ])
{
	my ($info, %mode) = @$case;

	$got = $srv->client([ $pgcertsel, 'check', '--confirm', $info, '--bundle', $bundle ], env => \%mode);
	is($got->{status}, 3, 'a misspelt sslmode: status 3');
	like($got->{stderr}, qr/could not ask localhost:$port: .*sslmode value.*"verify/, 'in the words of libpq');
	is_quiet($got->{log}, 'a misspelt sslmode');
}
$srv->conf("ssl_ca_file = '$ca1->{cert}'\n");
$srv->reload;
$got = pgcertsel('select', "$to gssencmode=require", '--bundle', $bundle);
is($got->{status}, 5, 'gssencmode=require: status 5');
like($got->{stderr}, qr/no TLS, .*: gssencmode=require asks for GSS encryption instead/, 'with the reason');

SKIP:
{
	skip 'sslrootcert=system needs libpq 16', 4 if $libpq < 160000;
	my %system = (SSL_CERT_FILE => $ca1->{cert}, SSL_CERT_DIR => '/nonexistent');

	$got = $srv->client([ $pgcertsel, 'select', $to =~ s/require/verify-full/r . ' sslrootcert=system', '--bundle', $bundle ],
		env => \%system);
	chose($got, 'alice', 'sslrootcert=system with a system that trusts the server\'s CA');
	is_quiet($got->{log}, 'sslrootcert=system');
	$got = $srv->client([ $pgcertsel, 'select', $to =~ s/require/verify-full/r . ' sslrootcert=system', '--bundle', $bundle ],
		env => { %system, SSL_CERT_FILE => $ca2->{cert} });
	is($got->{status}, 3, 'and with one that does not: status 3');
	like($got->{stderr}, qr/certificate verify failed/, 'with the reason');
}

# --- servers that stop talking -----------------------------------------------------------------

# A server that answers the request for TLS with some bytes, one each interval, and
# then says nothing more.
sub stalling
{
	my ($bytes, $interval) = @_;
	my $listen = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1') or die "could not listen: $!";
	my $pid = fork() // die "could not fork: $!";

	if ($pid == 0)
	{
		my @clients;

		while (my $client = $listen->accept)
		{
			push @clients, $client;
			next if fork();
			sysread $client, my $request, 8;
			foreach my $byte (split //, $bytes)
			{
				syswrite $client, $byte or last;
				usleep($interval * 1e6);
			}
			sleep 60;
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	setpgrp($pid, $pid);
	return ($pid, $listen->sockport);
}

foreach my $case ([ 'says nothing', '', 0 ], [ 'stops after accepting TLS', 'S', 0 ],
	[ 'stops within a record', "S\x16\x03\x03\x10\x00\x02\x00", 0 ],
	[ 'sends one byte at a time', "S\x16\x03\x03\x3f\xff" . "\x02" x 200, 0.2 ],
	[ 'sends an endless error', 'E' . 'SERROR' x 40, 0.2 ])
{
	my ($what, $bytes, $interval) = @$case;
	my ($pid, $at) = stalling($bytes, $interval);

	foreach my $limit ([ '--timeout', 1 ], ['connect_timeout=2'])
	{
		my $start = time;

		$got = pgcertsel('select', "host=127.0.0.1 port=$at sslmode=require user=x "
				. (@$limit == 1 ? $limit->[0] : ''), '--bundle', $bundle, @$limit == 2 ? @$limit : ());
		is($got->{status}, 3, "a server that $what, @$limit: status 3") or diag $got->{stderr};
		cmp_ok(time - $start, '<', 6, 'in time');
		is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');
	}
	if ($what eq 'says nothing')
	{
		my $start = time;

		$got = pgcertsel('select', "host=127.0.0.1,127.0.0.1,127.0.0.1,localhost hostaddr=127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1"
				. " port=$at,$at,$at,$port sslmode=require user=x", '--timeout', 1, '--bundle', $bundle);
		chose($got, 'alice', 'three of them before a good one');
		cmp_ok(time - $start, '<', 10, 'each for as long, and no longer');
		is(scalar(() = $got->{stderr} =~ /could not be asked: .*(?:timeout|time)/g), 3, 'and each is named');
	}
	kill 'KILL', -$pid;
	kill 'KILL', $pid;
	waitpid $pid, 0;
}

# --- pgbouncer -------------------------------------------------------------------------------------

SKIP:
{
	skip 'pgbouncer is not there (Debian: pgbouncer)', 1 unless CertPolicy::Pooler::there();
	foreach my $mode (qw(allow verify-ca))
	{
		my $pooler = start_pgbouncer($mode);
		my $at = $pooler->port;
		my $via = "host=localhost hostaddr=127.0.0.1 port=$at user=alice dbname=postgres sslmode=require";
		my $named = 0;

		foreach my $tls ('TLSv1.2', 'TLSv1.3')
		{
			$got = pgcertsel('names', "$via ssl_min_protocol_version=$tls ssl_max_protocol_version=$tls");
			if ($mode eq 'allow' && $got->{status} == 6)
			{
				is($got->{status}, 6, "pgbouncer ($mode, $tls) does not ask for a certificate");
				next;
			}
			is($got->{status}, 0, "pgbouncer ($mode, $tls): status 0") or diag $got->{stderr};
			# from 1.24 on, if not before, pgbouncer names the CA that it has
			if ($got->{stdout} ne '')
			{
				$named = 1;
				like($got->{stdout}, qr/^CN=ca1$/, 'it names its CA');
				next;
			}
			like($got->{stderr}, qr/localhost:$at asks for a client certificate, but names no CA/, 'it names nobody');
		}
		$got = pgcertsel('select', $via, '--bundle', $bundle);
		if ($mode eq 'verify-ca')
		{
			chose($got, 'alice', 'the role decides');
			$got = pgcertsel('select', $via =~ s/alice/carol/r, '--bundle', $bundle);
			is($got->{status}, $named ? 0 : 4, $named ? 'without it: the CA does' : 'without it: ambiguous');
			$got = pgcertsel('select', $via =~ s/alice/bob/r, '--bundle', $bundle, '--confirm');
			isnt($got->{stdout}, "sslcert='$bundle/bob.crt' sslkey='$bundle/bob.key'",
				'--confirm finds out that pgbouncer does not take the certificate of bob');
			# (the pooler keeps its own connection, so the server's log is not waited for)
			$got = run($pgcertsel, 'exec', $via, '--bundle', $bundle, '--', 'psql', '-XAtqc', 'select 6 * 7');
			is($got->{stdout}, 42, 'exec logs in through pgbouncer') or diag $got->{stderr};
			$got = run('psql', '-XAtqd', "$via sslcert=/dev/null/none", '-c', 'select 1');
			isnt($got->{status}, 0, 'which it does not let in without a certificate');
		}
		$pooler->stop;
	}
}

# A pooler in front of the server, which it reaches over the Unix socket.
sub start_pgbouncer
{
	my ($mode) = @_;
	my $dir = $pki->dir . "/pgbouncer-$mode";

	mkdir $dir or die $!;
	write_file("$dir/users", qq("alice" ""\n));
	return CertPolicy::Pooler->new($dir, <<"INI");
[databases]
postgres = host=${\($srv->node->host)} port=$port dbname=postgres user=postgres
[pgbouncer]
auth_type = trust
auth_file = $dir/users
ignore_startup_parameters = extra_float_digits
client_tls_sslmode = $mode
client_tls_key_file = $server_cert->{key}
client_tls_cert_file = $server_cert->{chain}
client_tls_ca_file = $ca1->{cert}
client_tls_protocols = all
INI
}

$srv->stop;
done_testing();
