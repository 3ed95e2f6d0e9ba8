# PKCS#12 files, which libpq cannot read: found, judged and unpacked into a
# private file.  Made by the openssl command, and used to log in over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(run slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $root = $pki->root('root');
my $int = $pki->intermediate('int', issuer => $root);
my $alice = $pki->leaf('alice', issuer => $int, eku => 'clientAuth');
my $bob = $pki->leaf('bob', issuer => $root, eku => 'clientAuth');
my $rsa = $pki->leaf('rsa', issuer => $root, eku => 'clientAuth', key => 'rsa');
my $other = $pki->root('other');
my $stranger = $pki->leaf('stranger', issuer => $other, eku => 'clientAuth');
my $secret = q{Pass'w\o:rd 9};

my $srv = CertPolicy::Server->new('main',
	pki => $pki, preload => 0,
	ca_file => $root->{cert}, server_cert => $pki->server($root));
my $conninfo = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port
  . ' user=postgres dbname=postgres sslmode=require';
my $n = 0;

# A PKCS#12 file in a folder of its own: (folder, path).
sub p12
{
	my ($name, $leaf, @options) = @_;
	my $dir = $pki->dir . '/p12_' . ++$n;

	mkdir $dir or die $!;
	openssl('pkcs12', '-export', '-out', "$dir/$name",
		$leaf ? ('-in', $leaf->{cert}, '-inkey', $leaf->{key}) : (), @options);
	return ($dir, "$dir/$name");
}

sub openssl
{
	my $got = run('openssl', @_);

	die "openssl @_: $got->{stderr}" unless $got->{ok};
	return $got->{stdout};
}

sub unpack_dir
{
	return $pki->dir . '/unpacked_' . ++$n;
}

sub files
{
	my ($dir) = @_;

	opendir my $handle, $dir or return;
	return map { "$dir/$_" } grep { !/^\.\.?$/ } sort readdir $handle;
}

sub mode
{
	return sprintf '%04o', (stat shift)[2] & 07777;
}

sub passwords
{
	my ($p12, $password) = @_;

	return write_file($pki->dir . '/passwords_' . ++$n,
		join('', map { s/([:\\])/\\$1/gr . ':' } $p12) . ($password =~ s/([:\\])/\\$1/gr) . "\n");
}

sub pgcertsel
{
	return $srv->client([ $pgcertsel, @_ ]);
}

sub who
{
	my (@args) = @_;

	return pgcertsel('exec', $conninfo, @args, '--', 'psql', '-XAtqc',
		'select client_dn from pg_stat_ssl where pid = pg_backend_pid()');
}

# --- found, but left alone ----------------------------------------------------

my ($dir, $p12) = p12('alice.p12', $alice, '-certfile', $int->{cert}, '-passout', "pass:$secret");
my $got = pgcertsel('list', '--bundle', $dir);
like($got->{stdout}, qr{\Q$p12\E: PKCS#12 file, which libpq cannot read\n +do: have it unpacked into a private directory with --unpack=DIR},
	'list names it, and what to do');
$got = pgcertsel('select', $conninfo, '--bundle', $dir);
is($got->{status}, 2, 'nothing suitable then');
is($got->{stdout}, "sslcert='/dev/null/none'", 'nothing is sent');
like($got->{stderr}, qr/\Q$p12\E: PKCS#12 file, which libpq cannot read\n.*--unpack=DIR/, 'and the file is named');

# --- unpacked -------------------------------------------------------------------

my $unpacked = unpack_dir();
my $passwords = passwords($p12, $secret);
my @with = ('--bundle', $dir, '--unpack', $unpacked, '--password-file', $passwords);

$got = pgcertsel('list', @with[0 .. 3]);
like($got->{stdout}, qr/\Q$p12\E: PKCS#12 file is encrypted, and no password is known for it\n +do: give its password with --password-file/,
	'without its password: named, and nobody is asked');
$got = pgcertsel('list', @with);
like($got->{stdout}, qr{^good .*\Q$unpacked\E/alice-[0-9a-f]{16}\.pem\n +subject  CN=alice\n +issuer   CN=int\n.*note: +\Q$p12\E: PKCS#12 file, to be unpacked for libpq}ms,
	'with it, list judges what is inside') or diag $got->{stdout};
ok(!-e $unpacked, 'and writes nothing');

$got = who(@with);
is($got->{stdout}, '/CN=alice', 'exec logs in with it') or diag $got->{stderr};
my ($pem) = files($unpacked);
is(scalar(files($unpacked)), 1, 'one file was written');
is(mode($unpacked), '0700', 'the folder is private');
is(mode($pem), '0600', 'so is the file');
my $text = slurp($pem);
is(() = $text =~ /BEGIN CERTIFICATE/g, 2, 'certificate and intermediate');
like($text, qr/BEGIN ENCRYPTED PRIVATE KEY/, 'and the key, which is encrypted');
unlike($text, qr/BEGIN [A-Z ]*(?<!ENCRYPTED )PRIVATE KEY/, 'and nowhere else');
openssl('pkey', '-in', $pem, '-passin', "pass:$secret", '-noout');
pass('by the same password');

$got = pgcertsel('select', $conninfo, @with);
is($got->{stdout}, "sslcert='$pem' sslkey='$pem'", 'select names it');
unlike($got->{stdout} . $got->{stderr} . $got->{log}, qr/\Q$secret\E/, 'without the password');
like($got->{stderr}, qr/the key needs its password, which is not printed/, 'and says so');
$got = pgcertsel('select', $conninfo, @with, '--show-password');
is($srv->client([ 'psql', '-XAtqd', "$conninfo $got->{stdout}", '-c', 'select 1' ])->{stdout}, '1',
	'psql takes it with --show-password');
foreach my $command (qw(check list))
{
	$got = pgcertsel($command, $command eq 'check' ? $conninfo : (), @with);
	unlike($got->{stdout} . $got->{stderr}, qr/\Q$secret\E/, "$command does not show the password");
}

# --- reused, and written anew ---------------------------------------------------

my @before = stat $pem;
who(@with);
is_deeply([ (stat $pem)[ 1, 9, 10 ] ], [ @before[ 1, 9, 10 ] ], 'reused while unchanged');

sub is_mended
{
	my ($what) = @_;

	is(who(@with)->{stdout}, '/CN=alice', "$what: it still logs in");
	is(mode($pem), '0600', 'the file is private');
	is(() = slurp($pem) =~ /BEGIN CERTIFICATE/g, 2, 'and whole');
	like(slurp($pem), qr/BEGIN ENCRYPTED PRIVATE KEY/, 'its key encrypted');
	return;
}

chmod 0644, $pem;
is_mended('others could read it');
write_file($pem, $text =~ s/-----BEGIN ENC.*//sr);
is_mended('the key was cut off');
write_file($pem, $text =~ s/-----BEGIN ENC.*//sr . slurp($alice->{key}));
is_mended('the key lay there without its password');
write_file($pem, $text =~ s/-----BEGIN ENC.*//sr
	  . openssl('pkey', '-in', $bob->{key}, '-aes256', '-passout', "pass:$secret") . "\n");
is_mended("another's key lay there");
write_file($pem, $text =~ s/-----BEGIN ENC.*//sr
	  . openssl('pkey', '-in', $alice->{key}, '-aes256', '-passout', 'pass:other') . "\n");
is_mended('the key had another password');
unlink $pem;
symlink $alice->{cert}, $pem or die $!;
is_mended('a link lay in its place');
ok(!-l $pem, 'which was not followed');
like(slurp($alice->{cert}), qr/^-----BEGIN CERTIFICATE/, 'and what it named is as it was');

openssl('pkcs12', '-export', '-out', $p12, '-in', $bob->{cert}, '-inkey', $bob->{key},
	'-passout', "pass:$secret");
is(who(@with)->{stdout}, '/CN=bob', 'a file that was replaced is unpacked anew');
is_deeply([ files($unpacked) ], [$pem], 'under the same name');

# --- passwords ------------------------------------------------------------------

($dir, $p12) = p12('none.pfx', $bob, '-passout', 'pass:');
$unpacked = unpack_dir();
$got = pgcertsel('select', $conninfo, '--bundle', $dir, '--unpack', $unpacked);
is($got->{status}, 0, 'an empty password: found') or diag $got->{stderr};
is($srv->client([ 'psql', '-XAtqd', "$conninfo $got->{stdout}", '-c', 'select 1' ])->{stdout}, '1', 'and used');
($pem) = files($unpacked);
like(slurp($pem), qr/BEGIN PRIVATE KEY/, 'the key has no password then');
is(mode($pem), '0600', 'but it is private');
@before = stat $pem;
pgcertsel('select', $conninfo, '--bundle', $dir, '--unpack', $unpacked, '--password-file',
	passwords($p12, 'needless'));
is_deeply([ (stat $pem)[ 1, 9, 10 ] ], [ @before[ 1, 9, 10 ] ],
	'also if a password is given that it does not need');

($dir, $p12) = p12('wrong.p12', $bob, '-passout', "pass:$secret");
$unpacked = unpack_dir();
$got = pgcertsel('select', $conninfo, '--bundle', $dir, '--unpack', $unpacked,
	'--password-file', passwords($p12, 'swordfish'));
is($got->{status}, 2, 'a wrong password: nothing suitable');
like($got->{stderr}, qr/\Q$p12\E: PKCS#12 file is encrypted, and the password given does not open it/, 'with the reason');
unlike($got->{stderr}, qr/swordfish/, 'but without the password');
ok(!-e $unpacked, 'and nothing is written');
$got = pgcertsel('select', "$conninfo sslcert=$p12 sslpassword='" . $secret =~ s/(['\\])/\\$1/gr . "'", '--unpack', $unpacked);
is($got->{status}, 0, 'sslcert and sslpassword name it as well') or diag $got->{stderr};
$got = pgcertsel('select', "$conninfo sslcert=$alice->{chain},$p12 sslkey=$alice->{key},$p12 sslpassword=,x", '--unpack', $unpacked);
like($got->{stdout}, qr/^sslcert='\Q$alice->{chain}\E'/, 'in a list, a file with a wrong password leaves the others usable');
$got = pgcertsel('select', "$conninfo sslcert=$p12 sslkey=$bob->{key}", '--unpack', $unpacked);
like($got->{stderr}, qr/\Q$p12\E: PKCS#12 file, whose key is in it, but sslkey names another file/, 'with the key of a PEM file it is refused');
$got = pgcertsel('select', "$conninfo sslcert=$bob->{cert} sslkey=$p12", '--unpack', $unpacked);
like($got->{stderr}, qr/\Q$p12\E: PKCS#12 file, which libpq cannot read\n.*name it in sslcert/, 'so it is as the key of a PEM file');

# --- MAC, ciphers, and rounds ------------------------------------------------------

my $has_nomac = run('openssl', 'pkcs12', '-help')->{stderr} =~ /-nomac\b/;
my $has_iter = run('openssl', 'pkcs12', '-help')->{stderr} =~ /-iter\b/;

foreach my $case (
	[ 'without a MAC', '-nomac', '-passout', "pass:$secret" ],
	[ 'with nothing encrypted but the MAC', '-keypbe', 'NONE', '-certpbe', 'NONE', '-passout', "pass:$secret" ],
	[ 'with triple DES', '-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1', '-passout', "pass:$secret" ],
	[ 'with many rounds', '-iter', '100000', '-passout', "pass:$secret" ])
{
	my ($what, @options) = @$case;

	# openssl of 1.1.1 cannot write such a file
	next if "@options" =~ /-iter/ && !$has_iter;
	($dir, $p12) = p12('case.p12', $bob, @options);
	$unpacked = unpack_dir();
	$got = who('--bundle', $dir, '--unpack', $unpacked, '--password-file', passwords($p12, $secret));
	is($got->{stdout}, '/CN=bob', "$what: it logs in") or diag $got->{stderr};
	like(slurp((files($unpacked))[0]), qr/BEGIN ENCRYPTED PRIVATE KEY/, 'the key keeps its password');
	$got = who('--strict', '--bundle', $dir, '--unpack', unpack_dir(), '--password-file', passwords($p12, 'swordfish'));
	like($got->{stderr}, qr/the password given does not open it/, 'and a wrong one does not open it');
}
SKIP:
{
	my $legacy = run('openssl', 'list', '-providers', '-provider', 'legacy');

	skip 'OpenSSL here has no legacy provider to make such a file with, or needs none', 2
	  unless $legacy->{ok} && $legacy->{stdout} =~ /legacy/;
	($dir, $p12) = p12('legacy.p12', $bob, '-legacy', '-passout', "pass:$secret");
	$got = pgcertsel('select', $conninfo, '--bundle', $dir, '--unpack', unpack_dir(),
		'--password-file', passwords($p12, $secret));
	is($got->{status}, 2, 'RC2 of 40 bits: nothing suitable');
	like($got->{stderr}, qr/\Q$p12\E: PKCS#12 file is encrypted by pbeWithSHA1And40BitRC2-CBC, which OpenSSL here does not offer .*\n.*openssl pkcs12 -legacy/,
		'with the reason, and what to do');
}
foreach my $case ([ 'of the MAC' ], [ 'of the encryption', '-nomac' ])
{
	my ($what, @options) = @$case;

	($dir, $p12) = p12('slow.p12', $bob, @options, '-passout', "pass:$secret");
	patch_rounds($p12);
	my $start = time;
	$got = pgcertsel('select', $conninfo, '--bundle', $dir, '--unpack', unpack_dir(), '--password-file', passwords($p12, $secret));
	like($got->{stderr}, qr/\Q$p12\E: PKCS#12 file asks for more than five million rounds of hashing/,
		"billions of rounds $what are refused");
	cmp_ok(time - $start, '<', 20, 'at once');
}

# Makes 2048 rounds, which openssl writes, into two billion.  The number gets two
# bytes longer, so it is put in place of a salt that gets two bytes shorter.
sub patch_rounds
{
	my ($path) = @_;
	my $bytes = slurp($path);
	my $n = $bytes =~ s{\x04(?:\x08(.{6})|\x10(.{14}))..\x02\x02\x08\x00}
	  { my $salt = $1 // $2; "\x04" . chr(length $salt) . "$salt\x02\x04\x7f\xff\xff\xff" }egsx;

	die "no rounds of 2048 in $path" unless $n;
	write_file($path, $bytes);
	return;
}

# --- what is inside --------------------------------------------------------------

($dir, $p12) = p12('order.p12', undef, '-in', $pki->concat('order.pem', $root->{cert}, $int->{cert}, $alice->{cert}),
	'-inkey', $alice->{key}, '-passout', 'pass:');
$unpacked = unpack_dir();
is(who('--bundle', $dir, '--unpack', $unpacked)->{stdout}, '/CN=alice', 'a chain in wrong order is put in order');
($pem) = files($unpacked);
is(() = slurp($pem) =~ /BEGIN CERTIFICATE/g, 2, 'and the root is left out');

($dir, $p12) = p12('truststore.p12', undef, '-nokeys', '-in', $pki->concat('cas.pem', $root->{cert}, $int->{cert}), '-passout', 'pass:');
$got = pgcertsel('list', '--bundle', $dir, '--unpack', unpack_dir());
unlike($got->{stdout}, qr/truststore/, "CAs without keys are no problem");
($dir, $p12) = p12('nokey.p12', undef, '-nokeys', '-in', $bob->{cert}, '-passout', 'pass:');
like(pgcertsel('list', '--bundle', $dir, '--unpack', unpack_dir())->{stdout},
	qr/\Q$p12\E: certificate 1 of the PKCS#12 file has no key in it/, 'a certificate without its key is one');
($dir, $p12) = p12('nocert.p12', undef, '-nocerts', '-inkey', $bob->{key}, '-in', $bob->{cert}, '-passout', 'pass:');
like(pgcertsel('list', '--bundle', $dir, '--unpack', unpack_dir())->{stdout},
	qr/\Q$p12\E: key 1 of the PKCS#12 file has no certificate in it/, 'so is a key without its certificate');

# a certificate that does not fit is judged as any other
($dir, $p12) = p12('stranger.p12', $stranger, '-passout', 'pass:');
$got = pgcertsel('select', $conninfo, '--bundle', $dir, '--unpack', $unpacked);
is($got->{status}, 2, "another CA's certificate does not become suitable");
like($got->{stderr}, qr/\Q$p12\E: PKCS#12 file, to be unpacked for libpq\n.*issuer "CN=other" is not the CA that the server names/,
	'and that is the reason');
is_deeply([ files($unpacked) ], [$pem], 'only what is chosen is written');

# an intermediate that lies elsewhere
($dir, $p12) = p12('short.p12', $alice, '-passout', "pass:$secret");
write_file("$dir/int.pem", slurp($int->{cert}));
$unpacked = unpack_dir();
$got = who('--bundle', $dir, '--unpack', $unpacked, '--complete-chain', $unpacked, '--password-file', passwords($p12, $secret));
is($got->{stdout}, '/CN=alice', 'the chain is completed as that of any certificate') or diag $got->{stderr};
is(scalar(files($unpacked)), 2, 'into the same folder, if that is wanted');

# proof, and other kinds of keys
($dir, $p12) = p12('rsa.p12', $rsa, '-passout', "pass:$secret");
$got = pgcertsel('check', $conninfo, '--bundle', $dir, '--unpack', unpack_dir(), '--confirm', '--password-file', passwords($p12, $secret));
like($got->{stdout}, qr/^\* certain /m, '--confirm proves it');

# the same certificate as PEM: no key needs to be written
write_file("$dir/rsa.crt", slurp($rsa->{cert}));
write_file("$dir/rsa.key", slurp($rsa->{key}));
$unpacked = unpack_dir();
$got = pgcertsel('select', $conninfo, '--bundle', $dir, '--unpack', $unpacked, '--password-file', passwords($p12, $secret));
is($got->{stdout}, "sslcert='$dir/rsa.crt' sslkey='$dir/rsa.key'", 'where it is there as PEM too, that is used');
ok(!-e $unpacked, 'and no key is written');

# --- where nothing can be written --------------------------------------------------

$unpacked = unpack_dir();
mkdir $unpacked;
chmod 0755, $unpacked;
($dir, $p12) = p12('bob.p12', $bob, '-passout', 'pass:');
$got = pgcertsel('select', $conninfo, '--bundle', $dir, '--unpack', $unpacked);
is($got->{status}, 2, 'a folder that others can enter: nothing suitable');
like($got->{stderr}, qr/\Q$p12\E: could not unpack the PKCS#12 file: the directory has group or world access/, 'with the reason');
is_deeply([ files($unpacked) ], [], 'and nothing is written');
like(pgcertsel('check', $conninfo, '--bundle', $dir, '--unpack', $unpacked, '--format=json')->{stdout},
	qr/"code": "not-unpacked", "severity": "fatal"/, 'json: the code');

write_file("$dir/broken.p12", substr(slurp($p12), 0, 500));
like(pgcertsel('list', '--bundle', $dir)->{stdout}, qr{broken\.p12: holds no PEM block}, 'half a file is none');
my $bytes = slurp($p12);
substr($bytes, 200, 16) = 'x' x 16;
write_file("$dir/broken.p12", $bytes);
like(pgcertsel('list', '--bundle', $dir, '--unpack', $unpacked)->{stdout},
	qr{broken\.p12: PKCS#12 file (is encrypted, and no password is known|cannot be decoded)}, 'nor is one whose MAC is wrong');

$srv->stop;
done_testing();
