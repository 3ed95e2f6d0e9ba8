# One table of cases, two judges: what the dry run says of a certificate and a
# policy must be what a real login meets, and the reason must be the same.  The
# table is common/test/cases.txt; the C test of common/ is its third judge.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use POSIX qw(strftime);
use Test::More;

my $pki = CertPolicy::PKI->new;
my $one = $pki->root('one');
my $two = $pki->root('two');
# trusted for itself, and no CA
my $anchor = $pki->root('anchor', subject => '/CN=alice', bc => 'CA:FALSE', ku => undef);
my $forged_ca = $pki->intermediate('forged_ca', issuer => $two, subject => '/CN=one');

sub days
{
	my ($days) = @_;
	return strftime('%Y%m%d%H%M%SZ', gmtime($^T + $days * 86400));
}

my @short = (issuer => $one, not_before => days(-1), not_after => days(1));
my %alice = (
	subject => '/O=Example/CN=alice',
	eku => 'clientAuth,1.3.6.1.4.1.99999.7',
	san => 'DNS:Alice.Example.com,email:alice@example.com,'
	  . 'URI:spiffe://example.com/alice,IP:10.1.2.3,IP:2001:db8::7,'
	  . 'otherName:1.3.6.1.4.1.311.20.2.3;UTF8:alice@EXAMPLE',
	ext => ['certificatePolicies=1.3.6.1.4.1.99999.1,2.5.29.32.0'],
	serial => '0A0B0C',
	not_before => days(-1),
	not_after => days(29));

my %who = (
	alice => $pki->leaf('alice', issuer => $one, %alice),
	alice_two => $pki->leaf('alice_two', issuer => $two, %alice),
	forged => $pki->leaf('forged', issuer => $forged_ca, %alice),
	bare => $pki->leaf('bare', @short, subject => '/O=Example'),
	two_cns => $pki->leaf('two_cns', @short, subject => '/CN=mallory/CN=alice'),
	nul_cn => $pki->leaf('nul_cn', @short, subject => '/CN=aliceX.',
		patch => sub { $_[0] =~ s/aliceX\./alice\0./r }),
	bmp_cn => $pki->leaf('bmp_cn', @short, subject => '/O=EXAMPLE /CN=alice',
		string_mask => 'MASK:0x800'),
	stars => $pki->leaf('stars', @short, subject => '/CN=a*b%role\\\\c'),
	odd_eku => $pki->leaf('odd_eku', @short, subject => '/CN=alice',
		eku => 'anyExtendedKeyUsage,1.3.6.1.4.1.99999.7',
		ext => ['certificatePolicies=2.5.29.32.0']),
	bad_san => $pki->leaf('bad_san', @short, subject => '/CN=alice',
		ext => ['subjectAltName=DER:3011820A6F6B2E6578616D706C658203610062']),
	empty_san => $pki->leaf('empty_san', @short, subject => '/CN=alice',
		ext => ['subjectAltName=DER:300E820A6F6B2E6578616D706C658200']),
	high_san => $pki->leaf('high_san', @short, subject => '/CN=alice',
		ext => ['subjectAltName=DER:300F820A6F6B2E6578616D706C658201E9']),
	long_san => $pki->leaf('long_san', @short, subject => '/CN=alice',
		ext => ['subjectAltName=DER:300C820A6F6B2E6578616D706C650500']),
	odd_upn => $pki->leaf('odd_upn', @short, subject => '/CN=alice',
		ext => ['subjectAltName=DER:3023820A6F6B2E6578616D706C65A015060A2B060104018237140203A0071605616C696365']),
	long_policies => $pki->leaf('long_policies', @short, subject => '/CN=alice',
		ext => ['certificatePolicies=DER:300D300B06092B06010401868D1F010500']),
	bad_eku => $pki->leaf('bad_eku', @short, subject => '/CN=alice',
		ext => ['extendedKeyUsage=DER:3003020101FF']),
	# the second is written as another extension and given its OID afterwards
	twice_eku => $pki->leaf('twice_eku', @short, subject => '/CN=alice', eku => 'clientAuth',
		ext => ['2.5.29.99=DER:300A06082B06010505070301'],
		patch => sub { $_[0] =~ s/\x55\x1D\x63/\x55\x1D\x25/r }),
	weak => $pki->leaf('weak', issuer => $one, subject => '/CN=alice', key => 'rsa:1024',
		not_before => days(1), not_after => days(-1)),
	unicode => $pki->leaf('unicode', @short, subject => "/CN=Ren\xC3\xA9"),
	nameless => $pki->leaf('nameless', @short, subject => '/', san => 'critical,DNS:host.example'),
	# OpenSSL's command makes no negative numbers
	spoilt => $pki->leaf('spoilt', @short, subject => '/CN=alice', serial => '0A0B0C',
		ext => ['certificatePolicies=DER:3003020101'],
		patch => sub { $_[0] =~ s/\x02\x03\x0A\x0B\x0C/\x02\x03\xF5\xF4\xF4/r }),
	anchor => $anchor,
	nobody => undef,
	plain => undef,
	gss => undef);

# Those that the server's TLS turns away, whatever the policy says, and what
# the dry run has to say of them.
my %refused = (
	nul_cn => qr/common name .*embedded NUL/,
	bmp_cn => qr/common name .*embedded NUL/,
	odd_eku => qr/purpose/,
	bad_eku => qr/./,
	weak => qr/too weak|too small|not yet valid/);

# One that is refused for what it is: by the client's OpenSSL, which does not
# load it, or, where that is lenient, by the server's.
my %unsendable = (twice_eku =>
	  qr/could not read certificate file .*invalid certificate|tlsv1 alert unknown ca/);

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $pki->concat('cas', $one->{cert}, $two->{cert}, $anchor->{cert}),
	server_cert => $pki->server($one),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);

$srv->sql('create extension pg_cert_policy; create role alice login');

sub literal
{
	my ($text) = @_;
	return "'" . $text =~ s/'/''/gr . "'";
}

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or die "could not read $path: $!";
	local $/ = undef;
	return scalar <$file>;
}

# The reason as a pattern, for a log line or the verdict row.
sub pattern
{
	my ($reason) = @_;
	my $open = $reason =~ s/\.\.\.$//;
	return qr/^.*\QPolicy of role "alice": $reason\E/m if $open || $reason eq '';
	return qr/\QPolicy of role "alice": $reason.\E$/m;
}

sub dry_run
{
	my ($name, $policy) = @_;
	my $cert = defined $who{$name} ? literal(slurp($who{$name}{chain})) : 'null::text';
	my $tls = { plain => 'none', gss => 'gss' }->{$name} // '1.2';

	return split /\|/, $srv->sql(<<"SQL"), 2;
select holds, found from pg_cert_policy_check('alice', $cert, tls => '$tls',
	policy => @{[literal($policy)]}) where kind = 'verdict'
SQL
}

sub login
{
	my ($name, $policy) = @_;
	my %options = (conninfo => 'ssl_max_protocol_version=TLSv1.2');

	$options{cert} = $who{$name} if defined $who{$name};
	$options{conninfo} = 'sslmode=disable' if $name eq 'plain';
	$srv->sql('security label for pg_cert_policy on role alice is ' . literal($policy));
	return $srv->login(user => 'alice', %options);
}

sub one_case
{
	my ($name, $policy, $truth, $reason) = @_;
	my ($holds, $found) = dry_run($name, $policy);
	my $got = $name eq 'gss' ? undef : login($name, $policy);
	my $want = $truth eq 'true' && !$refused{$name};

	is($holds, $want ? 't' : 'f', "$name | $policy: the dry run") or diag $found;
	like($found, qr/^TLS: .*$refused{$name}/, '... says why TLS refuses it') if $refused{$name};
	like($found, pattern($reason), '... and why the policy does') if $truth ne 'true';
	return unless $got;

	is($got->{ok}, $want ? 1 : 0, '... the login') or diag $got->{stderr};
	if ($refused{$name})
	{
		like($got->{log}, qr/could not accept SSL connection|common name contains embedded null/,
			'... is refused by TLS');
	}
	elsif ($unsendable{$name})
	{
		like($got->{stderr}, $unsendable{$name}, '... is refused by OpenSSL');
	}
	elsif (!$want)
	{
		like($got->{log}, pattern($reason), '... has the reason in the log') or diag $got->{stderr};
	}
	return;
}

my $n_cases = 0;
my %hash = (
	one => $pki->key_sha256($one),
	leaf => $pki->key_sha256($who{alice}),
	cert => $pki->cert_sha256($who{alice}));

foreach my $line (split /\n/, slurp("$FindBin::RealBin/../common/test/cases.txt"))
{
	next if $line =~ /^(#|$)/;
	my ($name, $policy, $truth, $reason) = split / \| ?/, $line, 4;

	$reason //= '';
	$truth =~ s/ \|$//;
	$policy =~ s/=\@(one|leaf|cert)$/=$hash{$1}/;
	# how a client sees it that does not know the server's CAs
	next if $name eq 'lone';
	die "nobody is called \"$name\"" unless exists $who{$name};
	subtest "$name | $policy" => sub { one_case($name, $policy, $truth, $reason) };
	$n_cases++;
}
cmp_ok($n_cases, '>=', 120, 'cases');
done_testing();
