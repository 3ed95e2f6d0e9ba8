# Keys that a PKCS#11 token holds: libpq's sslkey=pkcs11:URI passes through, its
# certificate is judged, and a PIN in it is treated as a password is.  The token
# is SoftHSM's, the engine OpenSC's, and libpq logs in with both.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(run_with write_file program);
use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my ($module) = grep { -f } map { "$_/softhsm/libsofthsm2.so" } glob('/usr/lib /usr/lib/*-*-* /usr/local/lib');
my $softhsm = program('softhsm2-util');
my $pkcs11_tool = program('pkcs11-tool');
my $engine = run_with({}, 'openssl', 'engine', 'pkcs11');

plan skip_all => 'there is no SoftHSM (softhsm2)' unless $module && $softhsm;
plan skip_all => 'there is no pkcs11-tool (opensc)' unless $pkcs11_tool;
plan skip_all => 'OpenSSL has no engine "pkcs11" (libengine-pkcs11-openssl)' unless $engine->{ok};

my $pki = CertPolicy::PKI->new;
my $root = $pki->root('root');
my $other = $pki->root('other');
my $alice = $pki->leaf('alice', issuer => $root, eku => 'clientAuth');
my $bob = $pki->leaf('bob', issuer => $root, eku => 'clientAuth', key => 'rsa');
my $carol = $pki->leaf('carol', issuer => $root, eku => 'clientAuth');
my $stranger = $pki->leaf('stranger', issuer => $other, eku => 'clientAuth');
my $pin = '98765';

# --- the token --------------------------------------------------------------------

my $tokens = $pki->dir . '/tokens';

mkdir $tokens or die $!;
my %env = (
	SOFTHSM2_CONF => write_file($pki->dir . '/softhsm2.conf', "directories.tokendir = $tokens\nlog.level = ERROR\n"),
	PKCS11_MODULE_PATH => $module);

sub tool
{
	my $got = run_with({ env => \%env }, @_);

	die "@_: $got->{stderr}" unless $got->{ok};
	return $got->{stdout};
}

tool($softhsm, '--init-token', '--free', '--label', 'mine', '--so-pin', '1234', '--pin', $pin);
my $id = 1;
foreach my $leaf ($alice, $bob, $stranger)
{
	my $p8 = "$leaf->{key}.p8";

	tool('openssl', 'pkcs8', '-topk8', '-nocrypt', '-in', $leaf->{key}, '-out', $p8);
	tool($softhsm, '--import', $p8, '--token', 'mine', '--label', $leaf->{name}, '--id', sprintf('%02x', $id++), '--pin', $pin);
	unlink $p8, $leaf->{key};
}
like(tool($pkcs11_tool, '--module', $module, '--token-label', 'mine', '--login', '--pin', $pin, '--list-objects', '--type', 'privkey'),
	qr/label: +alice/, 'the token holds the keys, which lie in no file any more');

sub key
{
	my ($name, $query) = @_;

	return "pkcs11:pkcs11:token=mine;object=$name;type=private" . ($query // '');
}

my $pin_file = write_file($pki->dir . '/pin', $pin);
my $by_value = "?pin-value=$pin";
my $by_source = "?pin-source=file:$pin_file";

# --- logins -----------------------------------------------------------------------

my $srv = CertPolicy::Server->new('main',
	pki => $pki, preload => 0,
	ca_file => $root->{cert}, server_cert => $pki->server($root));
my $conninfo = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port
  . ' user=postgres dbname=postgres sslmode=require';

sub client
{
	return $srv->client([@_], env => \%env);
}

sub pgcertsel
{
	return client($pgcertsel, @_);
}

sub who
{
	my ($fragment) = @_;
	my $got = client('psql', '-XAtqd', "$conninfo $fragment", '-c',
		'select client_dn from pg_stat_ssl where pid = pg_backend_pid()');

	diag $got->{stderr} unless $got->{ok};
	return $got->{stdout};
}

foreach my $leaf ($alice, $bob)
{
	my $key = key($leaf->{name}, $by_source);
	my $got = pgcertsel('select', "$conninfo sslcert=$leaf->{cert} sslkey=$key");

	is($got->{stdout}, "sslcert='$leaf->{cert}' sslkey='$key'", "the key of $leaf->{name} passes through") or diag $got->{stderr};
	is(who($got->{stdout}), "/CN=$leaf->{name}", 'and logs in');
}

my $key = key('alice', $by_source);
my $got = pgcertsel('exec', "$conninfo sslcert=$alice->{cert} sslkey=$key", '--', 'psql', '-XAtqc',
	'select client_dn from pg_stat_ssl where pid = pg_backend_pid()');
is($got->{stdout}, '/CN=alice', 'exec as well');
$got = pgcertsel('check', "$conninfo sslcert=$alice->{cert} sslkey=$key");
like($got->{stdout}, qr/^\* doubtful .*\n(?:.*\n)*? +doubt: key is held by an engine, so only libpq can tell/m,
	'the key is a doubt, as only libpq can open it');
$got = pgcertsel('check', "$conninfo sslcert=$alice->{cert} sslkey=$key", '--confirm');
like($got->{stdout}, qr/^\* certain /m, 'which --confirm settles, through libpq and the token');
$got = pgcertsel('check', "$conninfo sslcert=$alice->{cert} sslkey=" . key('bob', $by_source), '--confirm');
like($got->{stdout}, qr/^ +unusable /m, "with another certificate's key it refuses");

# the certificate is judged as any other
$got = pgcertsel('select', "$conninfo sslcert=$stranger->{cert} sslkey=" . key('stranger', $by_source));
is($got->{status}, 2, "another CA's certificate: nothing suitable");
like($got->{stderr}, qr/issuer "CN=other" is not the CA that the server names/, 'with the reason');

# --- lists, and the bundle ----------------------------------------------------------

$got = pgcertsel('select', "$conninfo sslcert=$stranger->{cert},$alice->{cert} sslkey=" . key('stranger', $by_source) . ',' . key('alice', $by_source));
is($got->{stdout}, "sslcert='$alice->{cert}' sslkey='$key'", 'in lists, the key that belongs to the certificate');
is(who($got->{stdout}), '/CN=alice', 'which logs in');
$got = pgcertsel('select', "$conninfo user=alice sslcert=$carol->{cert},$alice->{cert} sslkey=$carol->{key},$key");
is($got->{stdout}, "sslcert='$alice->{cert}' sslkey='$key'", 'files and tokens may be mixed');
my $with_comma = "pkcs11:pkcs11:object=a,b;type=private$by_source";
$got = pgcertsel('select', "$conninfo sslcert=$alice->{cert} sslkey=$with_comma");
is($got->{stdout}, "sslcert='$alice->{cert}' sslkey='$with_comma'", 'a comma in the only key splits nothing');
$got = pgcertsel('select', "$conninfo sslcert=$stranger->{cert},$alice->{cert} sslkey=$stranger->{key},$with_comma");
like($got->{stderr}, qr/could not match 3 sslkey to 2 sslcert values/, 'in a list of several it does');

my $dir = $pki->dir . '/bundle';
mkdir $dir or die $!;
write_file("$dir/alice.crt", CertPolicy::Client::slurp($alice->{cert}));
$got = pgcertsel('select', $conninfo, '--bundle', $dir);
is($got->{status}, 2, 'a certificate of the bundle without its key is not suitable');
like($got->{stderr}, qr{alice\.crt: no key was found.*\n.*or name it in sslkey}, 'with the way to give it one');
$got = pgcertsel('select', "$conninfo sslcert=$dir/alice.crt sslkey=$key", '--bundle', $dir);
is(who($got->{stdout}), '/CN=alice', 'which is sslcert and sslkey, beside the bundle');

# --- the PIN --------------------------------------------------------------------------

my $secret = key('alice', $by_value);
my $shown = key('alice');
my $given = "$conninfo sslcert=$alice->{cert} sslkey=$secret";

is(who("sslcert=$alice->{cert} sslkey='$secret'"), '/CN=alice', 'libpq takes a PIN in the URI');
foreach my $format (qw(conninfo env json uri service))
{
	$got = pgcertsel('select', $given, '--format', $format);
	is($got->{status}, 0, "$format: found");
	unlike($got->{stdout} . $got->{stderr}, qr/pin-value=\w|$pin/, 'the PIN is not printed');
	like($got->{stderr}, qr/the key's PIN is not printed: name a file in its URI \(pin-source=file:PATH\)/, 'and that is said');
	$got = pgcertsel('select', $given, '--format', $format, '--show-password');
	like($got->{stdout}, qr/pin-value(=|%3D)$pin/, 'it is with --show-password');
}
$got = pgcertsel('select', $given, '--full');
is($got->{stdout} =~ s/.* sslcert=/sslcert=/sr, "sslcert='$alice->{cert}' sslkey='$shown'", 'what is left is a URI');
like(pgcertsel('select', $given, '--format', 'json')->{stdout}, qr/"password_needed": true/, 'json says that something is missing');
is(pgcertsel('exec', $given, '--', 'psql', '-XAtqc', 'select 1')->{stdout}, '1', 'exec hands the PIN over');
foreach my $command (qw(check list))
{
	$got = pgcertsel($command, $given);
	unlike($got->{stdout} . $got->{stderr}, qr/$pin/, "$command does not show it");
}
like($got->{stdout}, qr/^ +key +\Q$shown\E$/m, 'but the rest of the key');
like(pgcertsel('check', $given)->{stdout}, qr/^\* doubtful +\Q$alice->{cert}\E$/m, 'check marks the choice, PIN or not');
$got = pgcertsel('select', "$conninfo sslcert=$alice->{cert} sslkey=pkcs11:pkcs11:object=nobody;type=private?pin-value=$pin", '--confirm');
# (bullseye's SoftHSM crashes when a program ends whose libpq has failed with its engine)
like($got->{status}, run_with({}, 'openssl', 'version')->{stdout} =~ /^OpenSSL 1\./ ? qr/^(?:2|-11)$/ : qr/^2$/, 'a key that the token does not have: nothing suitable with --confirm');
like($got->{stderr}, qr/could not read private SSL key "pkcs11:object=nobody;type=private" from engine "pkcs11"/,
	"libpq's words are shown");
unlike(join("\n", grep { /^pgcertsel:/ } split /\n/, $got->{stderr}), qr/$pin/,
	'without the PIN in them; what the engine prints by itself is its own');
$got = pgcertsel('select', "$conninfo sslcert=$bob->{cert},$alice->{cert} sslkey=" . key('nobody', $by_source) . ",$key", '--confirm');
is($got->{stdout}, "sslcert='$alice->{cert}' sslkey='$key'", 'the next best is tried then') or diag $got->{stderr};
$got = pgcertsel('select', "$conninfo sslcert=$alice->{cert} sslkey=nothing:x", '--confirm');
like($got->{stderr}, qr/could not load SSL engine "nothing"/, 'an engine that is not there is named');

$srv->stop;
done_testing();
