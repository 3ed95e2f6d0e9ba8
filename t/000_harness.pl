# The test harness itself, without the extension: certificates are what they
# were asked to be, a login gives its reason, and a reload has happened when
# reload() returns.  Every other test in this folder stands on these.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(slurp);
use CertPolicy::Command qw(run_program);
use CertPolicy::PKI;
use CertPolicy::Server;
use POSIX ();
use Test::More;
use Time::HiRes qw(usleep);

my $pki = CertPolicy::PKI->new;
my $ido = '/C=CA/ST=BC/L=VAN/O=IDO/OU=DEV';
my $ca1 = $pki->root('rootCA1', subject => "$ido/CN=rootCA1");
my $ca2 = $pki->root('rootCA2', subject => "$ido/CN=rootCA2");
my $int = $pki->intermediate('int', issuer => $ca1);
my $alice = $pki->leaf('alice', issuer => $int, eku => 'clientAuth',
	password => 'se cret');

# What openssl itself says about a certificate.
sub openssl
{
	my (@args) = @_;
	my $out = '';

	IPC::Run::run([ 'openssl', @args ], '>', \$out, '2>&1');
	return $out;
}

sub verify
{
	my ($ca, $cert) = @_;

	return openssl('verify', '-purpose', 'sslclient', '-CAfile', $ca->{cert},
		'-untrusted', $cert->{chain}, $cert->{cert});
}

subtest 'certificates' => sub {
	like(verify($ca1, $alice), qr/OK$/, 'a chain over an intermediate');
	like(verify($ca2, $alice), qr/unable to get local issuer/,
		'not under another root');
	like(openssl('x509', '-in', $ca1->{cert}, '-noout', '-subject', '-nameopt', 'RFC2253'),
		qr/CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA/, 'the subject in its order');
	is((stat $alice->{key})[2] & 0777, 0600, 'a key is private');
	like(openssl('pkey', '-in', $alice->{key}, '-passin', 'pass:wrong', '-noout'),
		qr/Could not|unable to load/i, 'an encrypted key');
	is(openssl('pkey', '-in', $alice->{key}, '-passin', 'pass:se cret', '-noout'),
		'', 'and its password');
	like($pki->cert_sha256($alice), qr/^[0-9a-f]{64}$/, 'a fingerprint');

	my $twin = $pki->root('twin', subject => $ca1->{subject}, with_key_of => $ca1);
	is($pki->key_sha256($twin), $pki->key_sha256($ca1), 'the same key again');
	isnt($pki->cert_sha256($twin), $pki->cert_sha256($ca1), 'in another certificate');

	my $bare = $pki->leaf('bare', issuer => $ca1, ski => 0, aki => 0);
	unlike(openssl('x509', '-in', $bare->{cert}, '-noout', '-text'), qr/Key Identifier/,
		'one without key identifiers');

	my $old = $pki->leaf('old', issuer => $ca1,
		not_before => '20200101000000Z', days => 30);
	like(verify($ca1, $old), qr/certificate has expired/, 'an expired one');
	my $soon = $pki->leaf('soon', issuer => $ca1,
		not_before => '20990101000000Z', not_after => '20990201000000Z');
	like(verify($ca1, $soon), qr/not yet valid/, 'one that is not valid yet');
	my $purpose = $pki->leaf('purpose', issuer => $ca1, eku => 'serverAuth');
	like(verify($ca1, $purpose), qr/unsuitable|unsupported certificate purpose/,
		'one for another purpose');

	my $nul = $pki->leaf('nul', issuer => $ca1, subject => '/CN=aliceXevil',
		patch => sub { my ($tbs) = @_; $tbs =~ s/aliceX/alice\0/; $tbs });
	like(verify($ca1, $nul), qr/OK$/, 'a patched one is signed again');
	like(unpack('H*', $pki->der($nul)), qr/616c69636500/, 'with its NUL');

	my $bmp = $pki->leaf('bmp', issuer => $ca1, string_mask => 'MASK:0x800');
	like(unpack('H*', $pki->der($bmp)), qr/1e06/, 'a BMPString');
	my $nobody = $pki->leaf('nobody', issuer => $ca1, subject => '/',
		san => 'critical,URI:spiffe://example.org/a');
	like(openssl('x509', '-in', $nobody->{cert}, '-noout', '-subject', '-ext', 'subjectAltName'),
		qr!^subject= *\n(?s:.*)URI:spiffe://example.org/a!m, 'an empty subject');

	foreach my $kind (qw(rsa rsa-pss ed25519 ec:P-384))
	{
		my $root = $pki->root("root-$kind", key => $kind);
		my $leaf = $pki->leaf("leaf-$kind", issuer => $root, key => $kind);
		like(verify($root, $leaf), qr/OK$/, "keys of kind $kind");
	}

	my $crl = $pki->crl($int, revoked => [$alice]);
	my $serial = $pki->serial($alice);
	like(openssl('crl', '-in', $crl, '-noout', '-text'),
		qr/Serial Number: \Q$serial\E/, 'a CRL');
};

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca1->{cert},
	server_cert => $pki->server($ca1),
	preload => 0,
	hba => [
		'hostssl all alice 127.0.0.1/32 cert',
		'hostssl all all 127.0.0.1/32 trust clientcert=verify-ca',
	]);

$srv->sql('create role alice login; create role bob login');

subtest 'logins' => sub {
	my $got = $srv->login(user => 'alice', cert => $alice,
		sql => 'select current_user, ssl from pg_stat_ssl where pid = pg_backend_pid()');
	is($got->{stdout}, 'alice|t', 'with the chain and the password of the key');
	is($got->{status}, 0, 'is a success');
	like($got->{log}, qr/connection authorized: user=alice/, 'which the log knows');
	like($got->{log}, qr/disconnection:/, 'to its end');

	$got = $srv->login(user => 'alice', cert => $alice, chain => 0);
	ok(!$got->{ok}, 'without the intermediate');
	like($got->{log}, qr/could not accept SSL connection/, 'the log has the reason');
	unlike($got->{log}, qr/connection authorized/, 'and nothing of the login before');

	$got = $srv->login(user => 'bob');
	is($got->{status}, 2, 'without a certificate');
	like($got->{log}, qr/28000 .*FATAL:  connection requires a valid client certificate/,
		'SQLSTATE and reason');

	my $mallory = $pki->leaf('mallory', issuer => $ca2, subject => '/CN=alice');
	$got = $srv->login(user => 'alice', cert => $mallory);
	ok(!$got->{ok}, 'with the same name from a CA that is not trusted');
	like($got->{log}, qr/could not accept SSL connection/, 'is refused by TLS');

	$got = $srv->login(user => 'bob', cert => $alice,
		conninfo => "sslmode=verify-full sslrootcert=$ca1->{cert}");
	is($got->{stdout}, '1', 'the server\'s certificate passes verify-full');

	$got = $srv->login(user => 'bob', cert => $alice, conninfo => 'sslmode=disable');
	like($got->{log}, qr/no pg_hba.conf entry .*(?:no encryption|SSL off)/, 'conninfo wins');

	$got = $srv->try_sql('select 1/0');
	is($got->{status}, 1, 'a failing statement');
	like($got->{stderr}, qr/division by zero/, 'is a result');
};

subtest 'another child that ends meanwhile' => sub {
	my $signals = 0;
	my $while_one_ends = sub {
		my ($run) = @_;
		my $pid = fork // die "could not fork: $!";

		if ($pid == 0)
		{
			select undef, undef, undef, 0.2;
			POSIX::_exit(0);
		}
		my $result = $run->();
		waitpid $pid, 0;
		return $result;
	};

	local $SIG{CHLD} = sub { $signals++ };
	is($while_one_ends->(sub { $srv->sql('select 1 from pg_sleep(0.5)') }), '1', 'a login goes on');
	is($while_one_ends->(sub { run_program({}, 'sh', '-c', 'sleep 0.5; exit 3')->{status} }),
		3, 'a program is waited for');
	cmp_ok($signals, '>=', 2, 'though signals came');
};

subtest 'ended by a signal, a test stops its servers' => sub {
	my $said = $pki->dir . '/said';

	foreach my $signal (qw(TERM INT))
	{
		my $text = '';
		my $test = IPC::Run::start([ $^X, map({ "-I$_" } @INC), '-MCertPolicy::Server', '-e', <<'PERL', $said, "ended_by_$signal" ],
my $other = fork // die;
sleep 60 unless $other;
my $dir = CertPolicy::Server->new($ARGV[1], preload => 0)->node->data_dir;
kill 'TERM', $other;
waitpid $other, 0;
open my $file, '>', "$ARGV[0].new" or die;
print $file $dir;
close $file;
rename "$ARGV[0].new", $ARGV[0];
sleep 60;
PERL
			'<', \'', '>', \$text, '2>&1');

		for (1 .. 600)
		{
			last if -e $said || !$test->pumpable;
			usleep(100_000);
		}
		my $dir = -e $said ? slurp($said) : 'nowhere';
		ok(-e "$dir/postmaster.pid", "$signal: the server runs, though a child has ended")
		  or diag($text);
		$test->signal($signal);
		$test->finish;
		ok(!-e "$dir/postmaster.pid", "$signal: and no more");
		unlink $said;
	}
};

subtest 'reload' => sub {
	is($srv->login(user => 'bob', cert => $alice)->{ok}, 1, 'before');
	$srv->hba('hostssl all bob 127.0.0.1/32 reject');
	like($srv->reload, qr/reloading configuration files/, 'a reload');
	like($srv->login(user => 'bob', cert => $alice)->{log},
		qr/pg_hba.conf rejects connection .*"bob"/, 'counts at once');

	$srv->conf("ssl_ca_file = '$pki->{dir}/nowhere.crt'\n");
	like($srv->reload, qr/SSL configuration was not reloaded/,
		'what the server says to a wrong one is returned');
	$srv->conf("ssl_ca_file = '$ca2->{cert}'\n");
	$srv->hba('hostssl all all 127.0.0.1/32 cert');
	$srv->restart;
	ok(!$srv->login(user => 'alice', cert => $alice)->{ok}, 'another CA after a restart');
};

done_testing();
