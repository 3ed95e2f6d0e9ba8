# What a policy on a role does at login, over real TLS: who is let in, who is
# turned away, what the client hears and what the log says.  The two forgeries
# that plain "cert" and an issuer's name let through are here as well.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ido = '/C=CA/ST=BC/L=VAN/O=IDO/OU=DEV';
my $ca1 = $pki->root('rootCA1', subject => "$ido/CN=rootCA1");
my $ca2 = $pki->root('rootCA2', subject => "$ido/CN=rootCA2");
my $int1 = $pki->intermediate('int1', issuer => $ca1, subject => '/O=IDO/CN=int');

# The second CA, which the server trusts too, names an intermediate of its own
# like the first CA.
my $forged = $pki->intermediate('forged', issuer => $ca2,
	subject => $ca1->{subject});

my $alice = $pki->leaf('alice', issuer => $ca1, eku => 'clientAuth');
my $alice_int = $pki->leaf('alice_int', issuer => $int1, subject => '/CN=alice',
	eku => 'clientAuth');
my $alice_ca2 = $pki->leaf('alice_ca2', issuer => $ca2, subject => '/CN=alice',
	eku => 'clientAuth');
my $alice_forged = $pki->leaf('alice_forged', issuer => $forged,
	subject => '/CN=alice', eku => 'clientAuth');
my $alice_plain = $pki->leaf('alice_plain', issuer => $ca1, subject => '/CN=alice');
my $bob = $pki->leaf('bob', issuer => $ca1, eku => 'clientAuth');

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $pki->concat('both.crt', $ca1->{cert}, $ca2->{cert}),
	server_cert => $pki->server($ca1),
	hba => [
		'local all postgres trust',
		'local all all trust',
		'hostssl all certonly 127.0.0.1/32 cert map=anybody',
		'hostssl all secret 127.0.0.1/32 scram-sha-256',
		'host all all 127.0.0.1/32 trust',
	],
	ident => ['anybody alice certonly']);

my $ca1_name = 'CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA';
my $ca2_name = 'CN=rootCA2,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA';

$srv->sql(<<"SQL");
create extension pg_cert_policy;
create role alice login;
create role bob login;
create role certonly login;
set password_encryption = 'scram-sha-256';	-- 13 has another default
create role secret login password 'pw';
security label for pg_cert_policy on role alice is
	'cn=%role eku=clientAuth ca="$ca1_name"';
SQL

# The client hears one sentence, the same for every refusal.
my $sentence = 'FATAL:  certificate policy rejects login as role "alice"';

sub accepted
{
	my ($what, %opt) = @_;
	my $got = $srv->login(user => 'alice', %opt);

	is($got->{status}, 0, "$what: let in") or diag $got->{stderr};
	unlike($got->{log}, qr/certificate policy/, "$what: nothing in the log");
	return $got;
}

sub rejected
{
	my ($what, $reason, %opt) = @_;
	my $got = $srv->login(user => 'alice', %opt);
	my $heard = quotemeta $sentence;

	is($got->{status}, 2, "$what: turned away");
	like($got->{stderr}, qr/\A[^\n]*$heard\z/, "$what: the client hears the sentence alone");
	like($got->{log}, qr/ 28000 alice\@postgres $heard\n[^\n]* 28000 alice\@postgres DETAIL:  \Q$reason\E\n/,
		"$what: the log has the reason")
	  or diag $got->{log};
	return $got;
}

my $whose = 'Policy of role "alice": ';

subtest 'a policy of CN, EKU and CA' => sub {
	accepted('the right certificate', cert => $alice);
	accepted('through an intermediate', cert => $alice_int);
	rejected('another name', $whose . 'cn: required "alice", found "bob".',
		cert => $bob);
	rejected('no EKU', $whose . 'eku: required "clientAuth", found absent.',
		cert => $alice_plain);
	rejected('the same CN from another trusted CA',
		$whose . qq{ca: required "$ca1_name", found "$ca2_name".},
		cert => $alice_ca2);
	rejected('an intermediate forged under the name of the right CA',
		$whose . qq{ca: required "$ca1_name", found "$ca2_name".},
		cert => $alice_forged);
	rejected('no certificate', $whose . 'no certificate.');
	rejected('no TLS', $whose . 'no TLS.', conninfo => 'sslmode=disable');
	rejected('no TLS, on a Unix socket without peer', $whose . 'no TLS.',
		tls => 0);
};

subtest 'who has no policy is not touched' => sub {
	foreach my $cert ($alice_forged, undef)
	{
		my $got = $srv->login(user => 'bob', cert => $cert);
		is($got->{status}, 0, 'let in');
		unlike($got->{log}, qr/certificate policy/, 'nothing in the log');
	}
	my $got = $srv->login(user => 'nobody');
	like($got->{stderr}, qr/FATAL:  role "nobody" does not exist$/,
		'a role that does not exist is turned away as ever');
};

# libpq's default tries again without TLS, so that the client's last word would
# be about that; the log tells the two apart.
subtest 'sslmode=prefer asks twice' => sub {
	my $got = $srv->login(user => 'alice', cert => $bob,
		conninfo => 'sslmode=prefer');
	is($got->{status}, 2, 'turned away');
	like($got->{log}, qr/cn: required "alice", found "bob"\..*Policy of role "alice": no TLS\./s,
		'first for the name, then for want of TLS');
};

subtest 'the issuer alone is a hole, and the warning says so' => sub {
	my $said = $srv->try_sql(
		qq{security label for pg_cert_policy on role alice is 'cn=%role issuer="$ca1_name"'});
	like($said->{stderr}, qr/WARNING:  the clause "issuer" binds nothing by itself/,
		'a warning');
	accepted('the forged intermediate', cert => $alice_forged);

	my $key = $pki->key_sha256($ca1);
	$said = $srv->try_sql(
		qq{security label for pg_cert_policy on role alice is 'cn=%role issuer="$ca1_name" ca_key_sha256=$key'});
	is($said->{stderr}, '', 'no warning with the key of the CA');
	accepted('the right certificate', cert => $alice);
	rejected('the forged intermediate',
		$whose . qq{ca_key_sha256: required "$key", found }
		  . $pki->key_sha256($forged) . ', ' . $pki->key_sha256($ca2) . '.',
		cert => $alice_forged);
};

subtest 'beside the methods of pg_hba.conf' => sub {
	my $any = 'any';
	$srv->sql("security label for pg_cert_policy on role $_ is '$any'")
	  foreach qw(secret certonly);
	my $got = $srv->login(user => 'secret', cert => $bob, password => 'pw');
	is($got->{status}, 0, '"any" beside scram: certificate and password');
	$got = $srv->login(user => 'secret', password => 'pw');
	like($got->{log}, qr/Policy of role "secret": no certificate\./, 'the password alone');
	$got = $srv->login(user => 'secret', cert => $bob, password => 'wrong');
	like($got->{stderr}, qr/FATAL:  password authentication failed/, 'the certificate alone');
	$got = $srv->login(user => 'secret', password => 'wrong');
	like($got->{stderr}, qr/FATAL:  password authentication failed/, 'neither');
	unlike($got->{log}, qr/certificate policy/, 'is not judged after a failed password');

	# "cert" lets the forgery in: a map cannot tell the CAs apart
	$got = $srv->login(user => 'certonly', cert => $alice_forged);
	is($got->{status}, 0, 'a forged certificate under method "cert"');
	$srv->sql(qq{security label for pg_cert_policy on role certonly is 'ca="$ca1_name"'});
	$got = $srv->login(user => 'certonly', cert => $alice_forged);
	like($got->{log}, qr/Policy of role "certonly": ca: required "\Q$ca1_name\E", found "\Q$ca2_name\E"\./,
		'a policy turns it away');
};

subtest 'alternatives' => sub {
	$srv->sql(qq{security label for pg_cert_policy on role alice is
		'cn=alice eku=clientAuth or cn=bob,carol key_type=RSA'});
	accepted('the first', cert => $alice_ca2);
	rejected('neither',
		$whose . 'alternative 1: cn: required "alice", found "bob"; '
		  . 'alternative 2: key_type: required "RSA", found EC.',
		cert => $bob);
	$srv->sql(q{security label for pg_cert_policy on role alice is
		'cn=alice eku=clientAuth or cn=bob,carol key_type!=RSA'});
	accepted('the second', cert => $bob);
};

subtest 'taking the label away' => sub {
	$srv->sql('security label for pg_cert_policy on role alice is null');
	accepted('no policy, no certificate');
};

done_testing();
