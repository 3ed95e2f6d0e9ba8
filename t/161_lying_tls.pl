# Servers that lie within TLS: about the CAs they trust, about themselves, and
# about when they are done.  Each has its exit status, its words, and a limit of
# time.  The handshakes are real; t/lib/tls_liar.c writes what no OpenSSL would.
# Not pg_regress: no PostgreSQL server lies.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(compile folder run run_with write_file);
use CertPolicy::Liar qw(take_request message);
use CertPolicy::PKI;
use IO::Socket::INET;
use Test::More;
use POSIX ();
use Time::HiRes qw(time usleep);

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca1 = $pki->root('ca1');
my $ca2 = $pki->root('ca2');
my $alice = $pki->leaf('alice', issuer => $ca1, eku => 'clientAuth');
my $bob = $pki->leaf('bob', issuer => $ca2, eku => 'clientAuth');
my $bundle = folder($pki->dir . '/bundle', $alice, $bob);
my $good = $pki->server($ca1);
my $liar = compile("$FindBin::RealBin/lib/tls_liar.c", $pki->dir . '/tls_liar', '-rdynamic', '-lssl', '-lcrypto');
my $libpq = run(compile("$FindBin::RealBin/lib/readback.c", $pki->dir . '/readback'), 'version')->{stdout};
my @started;

# The name of a CA in DER, in hex, as a test's own eyes see it: CN, UTF8String.
sub cn
{
	my ($cn) = @_;
	my $set = sub { my ($tag, $in) = @_; length $in < 128 ? pack('C C a*', $tag, length $in, $in) : pack('C C n a*', $tag, 0x82, length $in, $in) };

	return unpack 'H*', $set->(0x30, $set->(0x31, $set->(0x30, "\x06\x03\x55\x04\x03" . $set->(0x0c, $cn))));
}

# A file of names for tls_liar: [ count, hex ], ...
my $files = 0;
sub names
{
	my (@lines) = @_;

	return ('--names', write_file($pki->dir . '/names' . ++$files, join '', map { "$_->[0] $_->[1]\n" } @lines));
}

# Starts tls_liar; the port that it listens at, for TLS alone.
sub tls
{
	my ($cert, @args) = @_;
	my $pid = open my $out, '-|';

	defined $pid or die "could not fork: $!";
	if ($pid == 0)
	{
		setpgrp 0, 0;
		exec $liar, '--cert', $cert->{chain}, '--key', $cert->{key}, @args or POSIX::_exit(1);
	}
	push @started, $pid;
	my $port = <$out> // die 'tls_liar did not start';
	chomp $port;
	# (it is not waited for: closing the pipe would do that)
	push @started, $out;
	return $port;
}

END
{
	my $status = $?;

	kill 'KILL', map { (-$_, $_) } grep { !ref } @started;
	$? = $status;
}

# Takes PostgreSQL's request and hands the client to the server at a port:
#
#	behind		bytes right behind the yes
#	cut			so many bytes of the server's reach the client, no more
#	slow		seconds between the bytes of the server
sub relay
{
	my ($port, %how) = @_;

	return CertPolicy::Liar->new(sub {
		my ($client) = @_;
		my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or return;
		my %other = (fileno $client => [ $client, $server ], fileno $server => [ $server, $client ]);
		my $left = $how{cut};

		take_request($client) unless $how{direct};
		syswrite $client, 'S' . ($how{behind} // '') unless $how{direct};
		while (%other)
		{
			my $read = '';

			vec($read, $_, 1) = 1 foreach keys %other;
			select $read, undef, undef, 60 or return;
			foreach my $fd (grep { vec $read, $_, 1 } keys %other)
			{
				my ($from, $to) = @{ $other{$fd} };

				if (!sysread $from, my $bytes, 65536)
				{
					shutdown $to, 1;
					delete $other{$fd};
				}
				elsif ($from == $server && defined $left)
				{
					syswrite $to, substr $bytes, 0, $left;
					$left -= $left < length $bytes ? $left : length $bytes;
				}
				elsif ($from == $server && $how{slow})
				{
					foreach my $byte (split //, $bytes)
					{
						syswrite $to, $byte or return;
						usleep(1e6 * $how{slow});
					}
				}
				else
				{
					syswrite $to, $bytes;
				}
			}
		}
	});
}

sub ask
{
	my ($server, $info, @args) = @_;
	my $start = time;
	my $got = run_with({}, $pgcertsel, @args, 'host=127.0.0.1 port=' . $server->port . " sslmode=require user=x $info");

	$got->{took} = time - $start;
	unlike($got->{stderr}, qr/[^\x20-\x7e\n]/, 'nothing unprintable is said') if $got->{stderr} ne '';
	return $got;
}

sub chose
{
	my ($got, $name, $what, $limit) = @_;

	is($got->{status}, 0, "$what: status 0");
	is($got->{stdout}, "sslcert='$bundle/$name.crt' sslkey='$bundle/$name.key'", "$name is chosen")
	  or diag substr $got->{stderr}, 0, 2000;
	cmp_ok($got->{took}, '<', $limit // 12, 'in time');
	return;
}

sub refused
{
	my ($got, $what, $status, $words, $limit) = @_;

	is($got->{status}, $status, "$what: status $status") or diag substr $got->{stderr}, 0, 2000;
	like($got->{stderr}, $words, 'its words');
	is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');
	cmp_ok($got->{took}, '<', $limit // 12, 'in time');
	return;
}

my @select = ('select', '--bundle', $bundle, '--timeout', 5);

# --- CA lists --------------------------------------------------------------------------

# A list holds 65535 bytes, two of them for the length of each name; in TLS 1.3 all
# extensions together do, and the others (signature algorithms) take less than 100.
my $ours = cn('ca1');
my $longest = 65535 - 2 - length($ours) / 2 - 2;
my $junk = qr/could not ask 127\.0\.0\.1:\d+: .*(?:SSL error|alert)/;

foreach my $version ('1.2', '1.3')
{
	my @tls = ('--tls', $version, '--demand');
	my $room = $version eq '1.2' ? $longest : $longest - 100;
	my $one = cn('x' x ($room - 21));
	my $many = int($room / (2 + length(cn('some CA 0000')) / 2));

	foreach my $case (
		[ 'demands a certificate and names its CA', 0, undef, [ 1, $ours ] ],
		[ 'names thousands, as many as the protocol holds', 0, undef, [ $many, cn('some CA 0000') ], [ 1, $ours ] ],
		[ 'names one of 64 kB', 0, undef, [ 1, $one ], [ 1, $ours ] ],
		[ 'names ours a thousand times', 0, undef, [ 1000, $ours ] ],
		[ 'names the empty name, and ours', 0, undef, [ 3, '3000' ], [ 1, $ours ] ],
		[ 'names the empty name alone', 2, qr/no suitable certificate/, [ 3, '3000' ] ],
		[ 'names a name with a NUL', 2, qr/no suitable certificate/, [ 1, cn("ca1\0") ] ],
		[ 'names a name with an escape', 2, qr/no suitable certificate/, [ 1, cn("ca1\e[31m\n") ] ],
		[ 'names more than the protocol holds', 3, $junk, [ 2, $one ] ],
		[ 'names a name of no bytes', 3, $junk, [ 1, '' ], [ 1, $ours ] ],
		[ 'names a name that is cut off', 3, $junk, [ 1, substr $ours, 0, -2 ] ],
		[ 'names something behind a name', 3, $junk, [ 1, "${ours}00" ] ],
		[ 'names what is no DER', 3, $junk, [ 1, 'ffffffff' ], [ 1, $ours ] ],
		[ 'names a length without bytes', 3, $junk, [ 1, '3084ffffffff' ] ])
	{
		my ($what, $status, $words, @lines) = @$case;
		my $server = relay(tls($good, @tls, names(@lines)));
		my $got = ask($server, '', @select);

		$status == 0 ? chose($got, 'alice', "TLS $version: a server that $what")
		  : refused($got, "TLS $version: a server that $what", $status, $words);
		if ($what =~ /thousands/)
		{
			$got = ask($server, '', 'names', '--timeout', 5);
			is(scalar(() = $got->{stdout} =~ /^/mg), $many + 1, 'not one is lost');
		}
		$server->stop;
	}
}

# --- who it is ----------------------------------------------------------------------------

my $at = relay(tls($pki->leaf('old', issuer => $ca1, subject => '/CN=localhost', san => 'IP:127.0.0.1', eku => 'serverAuth',
		not_before => '20200101000000Z', not_after => '20200201000000Z'), names([ 1, $ours ])));
refused(ask($at, "sslmode=verify-full sslrootcert=$ca1->{cert}", @select), 'an expired server', 3, qr/certificate (?:verify failed|has expired)/);
chose(ask($at, '', @select), 'alice', 'unless nobody wants to know');
$at->stop;
$at = relay(tls($pki->leaf('purpose', issuer => $ca1, subject => '/CN=localhost', san => 'IP:127.0.0.1', eku => 'clientAuth'), names([ 1, $ours ])));
refused(ask($at, "sslmode=verify-full sslrootcert=$ca1->{cert}", @select), 'a server with the certificate of a client', 3, qr/certificate verify failed/);
$at->stop;
$at = relay(tls($good, names([ 1, $ours ])));
refused(ask($at, "sslmode=verify-full sslrootcert=$ca2->{cert}", @select), 'an untrusted server', 3, qr/certificate verify failed/);
refused(ask($at, "host=example.com hostaddr=127.0.0.1 sslmode=verify-full sslrootcert=$ca1->{cert}", @select),
	'a server of another name', 3, qr/does not match host name "example\.com"/);
chose(ask($at, "host=localhost hostaddr=127.0.0.1 sslmode=verify-full sslrootcert=$ca1->{cert}", @select), 'alice', 'and the right one');
$at->stop;

# A chain without end: 70 intermediates are a lot, and 2000 more than OpenSSL reads.
{
	my $long = $pki->leaf('long', issuer => $ca1, san => 'IP:127.0.0.1', eku => 'serverAuth');
	my $mid = $pki->intermediate('mid', issuer => $ca1);
	my $one = do { local (@ARGV, $/) = $mid->{cert}; <> };
	my $own = do { local (@ARGV, $/) = $long->{cert}; <> };

	foreach my $case ([ 70, 0 ], [ 2000, 3 ])
	{
		my ($n, $status) = @$case;
		my %cert = (%$long, chain => write_file($pki->dir . "/long$n", $own . $one x $n));
		my $server = relay(tls(\%cert, names([ 1, $ours ])));
		my $got = ask($server, '', @select);

		$status == 0 ? chose($got, 'alice', "a chain of $n") : refused($got, "a chain of $n", 3, qr/excessive message size/);
		$server->stop;
	}
}

# --- versions ------------------------------------------------------------------------------

$at = relay(tls($good, '--tls', '1.0', names([ 1, $ours ])));
refused(ask($at, '', @select), 'TLS 1.0 only', 3, qr/could not ask .*(?:unsupported protocol|alert protocol version)/);
$at->stop;

SKIP:
{
	skip 'direct TLS needs libpq 17', 4 if $libpq < 170000;
	$at = relay(tls($good, names([ 1, $ours ])), direct => 1);
	refused(ask($at, 'sslnegotiation=direct', @select), 'direct TLS without ALPN', 3, qr/direct SSL connection was established without ALPN/);
	$at->stop;
}

# --- the handshake, bent ------------------------------------------------------------------------

$at = relay(tls($good, '--tls', '1.3', names([ 1, $ours ])), behind => message('E', "SFATAL\0Mme\0\0"));
refused(ask($at, '', @select), 'plain text behind the yes, then TLS', 3, qr/could not ask .*received unencrypted data after SSL response/);
$at->stop;
foreach my $cut (0, 3, 90, 500)
{
	$at = relay(tls($good, names([ 1, $ours ])), cut => $cut);
	refused(ask($at, '', 'select', '--bundle', $bundle, '--timeout', 2), "a handshake that stops after $cut bytes", 3, qr/timeout expired/);
	$at->stop;
}
$at = relay(tls($good, names([ 1, $ours ])), slow => 1);
refused(ask($at, '', 'select', '--bundle', $bundle, '--timeout', 2), 'a handshake of one byte a second', 3, qr/timeout expired/);
$at->stop;
$at = relay(tls($good, names([ 1, $ours ])), slow => 0.0005);
chose(ask($at, '', 'select', '--bundle', $bundle, '--timeout', 30), 'alice', 'one of single bytes that comes to its end', 40);
$at->stop;

# --- another list at each attempt -----------------------------------------------------------------

my $theirs = cn('ca2');
$at = relay(tls($good, names([ 1, $ours ]), names([ 1, $theirs ])));
my $port = $at->port;
my $got = ask($at, "host=127.0.0.1,127.0.0.1 port=$port", 'names');
is($got->{stdout}, "# 127.0.0.1:$port\nCN=ca1\n# 127.0.0.1:$port\nCN=ca2", 'a server that names another CA each time');
# asked first, then tried: what counts is what it named when it was asked
chose(ask($at, '', @select, '--confirm'), 'alice', 'is told alice at the first');
chose(ask($at, '', @select, '--confirm'), 'alice', 'and at the third');
$at->stop;
$at = relay(tls($good, '--demand', '--ca', $ca2->{cert}, names([ 1, $ours ])));
refused(ask($at, '', @select, '--confirm'), 'a server that names one CA and trusts another', 2, qr/no suitable certificate/);
$at->stop;

# --- after the handshake ---------------------------------------------------------------------------

foreach my $version ('1.2', '1.3')
{
	$at = relay(tls($good, '--tls', $version, '--after', 'hang', names([ 1, $ours ])));
	$got = ask($at, '', 'check', '--bundle', $bundle, '--timeout', 2, '--confirm');
	is($got->{status}, 3, "TLS $version: a server that never closes: status 3");
	like($got->{stdout} . $got->{stderr}, qr/did not end the connection in time/, "TLS $version: a server that never closes: its words");
	cmp_ok($got->{took}, '<', 25, 'in time');
	$at->stop;
	$at = relay(tls($good, '--tls', $version, '--after', 'talk', names([ 1, $ours ])));
	$got = ask($at, '', 'check', '--bundle', $bundle, '--timeout', 2, '--confirm');
	is($got->{status}, 2, "TLS $version: a server that talks without end: status 2");
	like($got->{stdout} . $got->{stderr}, qr/sent more than a TLS handshake needs/, "TLS $version: a server that talks without end: its words");
	cmp_ok($got->{took}, '<', 25, 'in time');
	$at->stop;
	$at = relay(tls($good, '--tls', $version, '--demand', '--ca', $ca1->{cert}, names([ 1, $ours ])));
	chose(ask($at, '', @select, '--confirm'), 'alice', "TLS $version: an honest one");
	$at->stop;
}

done_testing();
