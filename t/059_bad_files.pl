# The server's CA and CRL files go bad on the disk while it runs: gone, out of
# reach, a folder, a FIFO, huge, of the wrong kind.  Everything that reads them
# says so and ends nobody; whoever logs in meets what was loaded before.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use POSIX ();
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');
my $locked = $pki->leaf('locked', issuer => $ca, password => 'secret');
my %path = (ca => $pki->dir . '/trusted.crt', crl => $pki->dir . '/revoked.crl');

sub slurp
{
	my ($name) = @_;
	open my $file, '<:raw', $name or die "could not read $name: $!";
	local $/ = undef;
	return scalar <$file>;
}

sub put
{
	my ($name, $bytes) = @_;

	unlink $name;
	rmdir $name;
	open my $file, '>:raw', $name or die "could not write $name: $!";
	print $file $bytes;
	close $file or die "could not write $name: $!";
	return;
}

my %good = (ca => slurp($ca->{cert}), crl => slurp($pki->crl($ca)));
put($path{$_}, $good{$_}) foreach qw(ca crl);

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $path{ca},
	server_cert => $pki->server($ca),
	conf => "ssl_crl_file = '$path{crl}'\n",
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);
$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
security label for pg_cert_policy on role alice is 'cn=%role';
SQL
my $mark = $srv->log_mark;
my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $alice);
my $pem = slurp($alice->{cert});

# what, how to make it, and the SQLSTATE and reason; a FIFO must not be waited for
(my $proc_type = slurp($alice->{cert})) =~
  s/^(-----BEGIN.*?\n)/$1Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n/;
srand(1);
my $noise = join '', map { chr int rand 256 } 1 .. 1024 * 1024;
my @cases = (
	[ 'missing', sub { unlink $_[0] }, '58P01', qr/No such file or directory/ ],
	[ 'out of reach', sub { chmod 0, $_[0] }, 'F0000', qr/Permission denied/ ],
	[ 'a folder', sub { unlink $_[0]; mkdir $_[0] }, '42809', qr/is not a regular file/ ],
	[ 'a FIFO', sub { unlink $_[0]; POSIX::mkfifo($_[0], 0600) }, '42809', qr/is not a regular file/ ],
	[ 'a device', sub { unlink $_[0]; symlink '/dev/zero', $_[0] }, '42809', qr/is not a regular file/ ],
	[ 'a link to itself', sub { unlink $_[0]; symlink $_[0], $_[0] }, '58030', qr/Too many levels of symbolic links/ ],
	[ 'huge', sub { truncate $_[0], 17 * 1024 * 1024 }, '54000', qr/has more than 16777216 bytes/ ],
	[ 'empty', sub { put($_[0], '') }, 'F0000', qr/\S/ ],
	[ 'zeros', sub { put($_[0], "\0" x 1000) }, 'F0000', qr/\S/ ],
	[ 'a megabyte of noise', sub { put($_[0], $noise) }, 'F0000', qr/\S/ ],
	[ 'DER', sub { put($_[0], $pki->der($ca)) }, 'F0000', qr/\S/ ],
	[ 'cut off', sub { put($_[0], substr $good{ca}, 0, 200) }, 'F0000', qr/\S/ ],
	[ 'a private key', sub { put($_[0], slurp($locked->{key})) }, 'F0000', qr/\S/ ],
	[ 'encrypted', sub { put($_[0], $proc_type) }, 'F0000', qr/\S/ ]);

my $check = "select * from pg_cert_policy_check('alice', '$pem'::text)";

# An error of this SQLSTATE that names the setting, with the reason.
sub is_error
{
	my ($what, $sql, $setting, $code, $reason) = @_;
	my $got = $srv->try_sql($sql, timeout => 20);

	like($got->{log}, qr/ $code .*ERROR:  could not read the file of "$setting"\n.*DETAIL:  .*$reason/, $what)
	  or diag $got->{log};
	return;
}

sub is_row
{
	my ($what, $setting, $reason) = @_;
	my $got = $srv->try_sql("select count(*) from pg_tls_expiry where setting = '$setting' and not_after is null", timeout => 20);

	is($got->{stdout}, '1', "$what: pg_tls_expiry has a row");
	like($got->{stderr}, qr/WARNING:  could not read the file of "$setting"\nDETAIL:  .*$reason/, '... and a warning');
	return;
}

sub lives
{
	my ($what) = @_;

	is($srv->login(user => 'alice', cert => $alice, timeout => 20)->{status}, 0, "$what: a login meets what was loaded");
	is($session->query('select 1'), '1', "$what: sessions stay");
	return;
}

foreach my $case (@cases)
{
	my ($what, $make, $code, $reason) = @$case;

	subtest "ssl_ca_file: $what" => sub {
		$make->($path{ca}) or $what =~ /empty|zeros|noise|DER|cut|key|encrypted/ or die "$what: $!";
		is_error('pg_trusted_ca_names', 'select * from pg_trusted_ca_names()', 'ssl_ca_file', $code, $reason);
		is_error('the dry run', $check, 'ssl_ca_file', $code, $reason);
		is_error('pg_cert_sessions', 'select * from pg_cert_sessions', 'ssl_ca_file', $code, $reason);
		is_error('the recheck', 'select * from pg_cert_policy_recheck()', 'ssl_ca_file', $code, $reason);
		like($srv->sql('select problems::text from pg_trusted_cas'), qr/could not read the file of .*ssl_ca_file.*$reason/, 'pg_trusted_cas has a row');
		is_row('expiry', 'ssl_ca_file', $reason);
		is($srv->sql('select count(*) from pg_cert_policies'), '1', 'policies can be seen');
		is($srv->login(user => 'alice', cert => $alice, sql => q{select string_agg(name, ' ') from pg_trusted_ca_names()})->{stdout},
			'CN=ca', 'a TLS session has its own list');
		lives('after all');
		put($path{ca}, $good{ca});
	};

	# the files that hold something are read by OpenSSL as lists are
	subtest "ssl_crl_file: $what" => sub {
		$make->($path{crl}) or $what =~ /empty|zeros|noise|DER|cut|key|encrypted/ or die "$what: $!";
		is_error('the dry run', $check, 'ssl_crl_file', $code, $reason);
		is_error('the recheck', 'select * from pg_cert_policy_recheck()', 'ssl_crl_file', $code, $reason);
		is_row('expiry', 'ssl_crl_file', $reason);
		lives('after all');
		put($path{crl}, $good{crl});
	};
}

subtest 'mended' => sub {
	is($srv->sql('select * from pg_trusted_ca_names()') =~ s/\|.*//r, '1', 'names');
	is($srv->sql("select holds from pg_cert_policy_check('alice', '$pem'::text) where kind = 'verdict'"), 't', 'the dry run');
	is($srv->sql('select count(*) from pg_cert_policy_recheck()'), '0', 'the recheck');
	lives('at last');
};

subtest 'a thousand CAs' => sub {
	put($path{ca}, $good{ca} x 1000);
	is($srv->sql('select count(*) from pg_trusted_ca_names()'), '1', 'of one name');
	like($srv->sql('select count(*) from pg_trusted_cas'), qr/^(?:1|1000)$/, 'all are seen');
	is($srv->sql("select holds from pg_cert_policy_check('alice', '$pem'::text) where kind = 'verdict'"), 't', 'the dry run');
	put($path{ca}, $good{ca});
};

$session->close;
unlike($srv->log_since($mark), qr/was terminated by signal|PANIC|starting up/, 'no backend crashed');
done_testing();
