# Files that are not what they should be: each is said with its file and reason,
# the others remain usable, and nobody is ever asked for a password.  Not
# pg_regress: files, modes and processes without a terminal and with one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX qw(mkfifo);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('rootCA1', subject => '/O=IDO/CN=rootCA1');
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');
my $bob = $pki->leaf('bob', issuer => $ca, eku => 'clientAuth');
my $locked = $pki->leaf('locked', issuer => $ca, eku => 'clientAuth', password => 'sesame');
my $dir = $pki->dir . '/bundle';
my $names = write_file($pki->dir . '/names', "CN=rootCA1,O=IDO\n");

mkdir $dir or die $!;
copy($alice->{cert}, "$dir/alice.crt") or die $!;
copy($alice->{key}, "$dir/alice.key") or die $!;
chmod 0600, "$dir/alice.key" or die $!;

sub write_file
{
	my ($path, $text, $mode) = @_;

	open my $file, '>', $path or die "could not write $path: $!";
	print $file $text;
	close $file or die "could not write $path: $!";
	chmod $mode // 0600, $path or die $!;
	return $path;
}

sub slurp
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!";
	local $/;
	return <$file>;
}

# Runs a command with standard input at its end; fails the test if it hangs.
sub run
{
	my (@command) = @_;

	return bless({}, 'CertPolicy::Server')->client([@command], timeout => 20);
}

# CertPolicy::Server's client() wants a log; there is no server here.
{
	no warnings 'redefine';
	*CertPolicy::Server::_log_end = sub { return 0 };
	*CertPolicy::Server::_log_of_clients = sub { return '' };
}

sub check_all
{
	my ($what, $sources, $pattern, $status) = @_;
	my $list = run($pgcertsel, 'list', map { ('--bundle', $_) } $dir, @$sources);

	is($list->{status}, $status // 0, "$what: list works, and its status tells of what cannot be read");
	like($list->{stdout}, $pattern, "$what: list says it");
	like($list->{stdout}, qr{^good .* \Q$dir\E/alice\.crt\n}m, "$what: the others are listed");

	my $got = run($pgcertsel, 'select', '-U', 'alice', '--names-file', $names,
		map { ('--bundle', $_) } $dir, @$sources);

	is($got->{stdout}, "sslcert='$dir/alice.crt' sslkey='$dir/alice.key'",
		"$what: the others are usable");
	$got = run($pgcertsel, 'select', '--names-file', $names,
		map { ('--bundle', $_) } @$sources);
	is($got->{status}, 2, "$what: alone it is nothing suitable");
	is($got->{stdout}, "sslcert='/dev/null/none'", "$what: and sends nothing");
	check_json($what, map { ('--bundle', $_) } $dir, @$sources);
	return $got->{stderr};
}

# What check has in its table is in json, too.
sub check_json
{
	my ($what, @sources) = @_;
	my @check = ($pgcertsel, 'check', '--names-file', $names, @sources);
	my ($table) = run(@check)->{stdout} =~ /^Files that are no certificate with a key:\n(.*)/ms;
	my @problems = map {
		my $hint = defined $_->{hint} ? "\n         do: $_->{hint}" : '';
		'  ' . substr("$_->{severity}:  ", 0, 7) . "$_->{file}: $_->{text}$hint";
	} @{ JSON::PP::decode_json(run(@check, '--format=json')->{stdout})->{problems} };

	is(join("\n", @problems), $table // '', "$what: check says it in json");
	return;
}

# --- files that are named ----------------------------------------------

my $place = $pki->dir . '/place';
mkdir $place;

check_all('missing', ["$place/missing.crt"],
	qr{missing\.crt: could not open directory: No such file}, 1);
check_all('empty', [ write_file("$place/empty.crt", '') ], qr{empty\.crt: is empty});
SKIP:
{
	skip 'root reads everything', 14 if $> == 0;
	check_all('unreadable', [ write_file("$place/unreadable.crt", slurp($bob->{cert}), 0000) ],
		qr{unreadable\.crt: could not open file: Permission denied}, 1);
	mkdir "$place/closed", 0000;
	check_all('unreadable directory', ["$place/closed"],
		qr{closed: could not open directory: Permission denied}, 1);
	rmdir "$place/closed";
}
check_all('not PEM', [ write_file("$place/words.crt", "hello\n") ],
	qr{words\.crt: holds no PEM block});
check_all('PEM of another kind',
	[ write_file("$place/request.crt", "-----BEGIN NOTHING-----\nAAAA\n-----END NOTHING-----\n") ],
	qr{request\.crt: holds neither a certificate nor a key});
check_all('broken PEM',
	[ write_file("$place/broken.crt", substr(slurp($bob->{cert}), 0, 200) . "\n-----END CERTIFICATE-----\n") ],
	qr{broken\.crt: (certificate 1 of the file cannot be read|holds no)});
system('openssl', 'x509', '-in', $bob->{cert}, '-outform', 'DER', '-out', "$place/der.crt") == 0 or die;
check_all('DER', ["$place/der.crt"], qr{der\.crt: is a certificate in DER form.*\n.*openssl x509 -inform DER});
system('openssl', 'pkcs12', '-export', '-in', $bob->{cert}, '-inkey', $bob->{key},
	'-out', "$place/bob.p12", '-passout', 'pass:x') == 0 or die;
check_all('PKCS#12', ["$place/bob.p12"], qr{bob\.p12: PKCS#12 file, which libpq cannot read});
copy($bob->{cert}, "$place/lone.crt");
check_all('certificate without key', ["$place/lone.crt"],
	qr{lone\.crt: no key was found for this certificate});
copy($bob->{key}, "$place/lone2.key");
chmod 0600, "$place/lone2.key";
check_all('key without certificate', ["$place/lone2.key"],
	qr{lone2\.key: no certificate was found for this key});
check_all('a huge file', [ huge("$place/huge.crt") ], qr{huge\.crt: is larger than 1048576 bytes}, 1);
check_all('a PEM file with a NUL', [ write_file("$place/nul.crt", "\0" x 100 . "x") ],
	qr{nul\.crt: holds no PEM block});

sub huge
{
	my ($path) = @_;

	write_file($path, '');
	truncate $path, 1_000_000_000 or die $!;
	return $path;
}

# --- keys ---------------------------------------------------------------

sub pair
{
	my ($name, $cert, $key, $mode) = @_;
	my $folder = $pki->dir . "/$name";

	mkdir $folder or die $!;
	write_file("$folder/x.crt", slurp($cert), 0644);
	write_file("$folder/x.key", slurp($key), $mode // 0600);
	return $folder;
}

my $words = check_all('another\'s key', [ pair('other', $bob->{cert}, $alice->{key}) ],
	qr{x\.crt: the key in \S+x\.key belongs to another certificate});
like($words, qr{x\.crt: the key in \S+x\.key belongs to another certificate}, 'select says it, too');

$words = check_all('mode 0644', [ pair('open', $bob->{cert}, $bob->{key}, 0644) ],
	qr{x\.key: private key file has group or world access \(mode 0644\).*\n.*chmod 0600 \S+x\.key});
like($words, qr{x\.key: private key file has group or world access}, 'select says it, too');

$words = check_all('encrypted, no password', [ pair('locked', $locked->{cert}, $locked->{key}) ],
	qr{x\.key: key is encrypted, and no password is known for it});
like($words, qr{x\.key: key is encrypted, and no password is known}, 'select says it, too');
check_all('a broken key', [ pair('broken', $bob->{cert},
			write_file($pki->dir . '/broken.key', "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")) ],
	qr{x\.key: key cannot be decoded});

my $wrong = write_file($pki->dir . '/wrong', $pki->dir . "/locked/x.key:wrong\n");
my $got = run($pgcertsel, 'list', '--bundle', $pki->dir . '/locked', '--password-file', $wrong);
like($got->{stdout}, qr{x\.key: key is encrypted, and the password given does not open it}, 'a wrong password');
unlike($got->{stdout} . $got->{stderr}, qr/wrong/, 'is not shown');
my $right = write_file($pki->dir . '/right', $pki->dir . "/locked/x.key:sesame\n");
$got = run($pgcertsel, 'select', '--names-file', $names, '--bundle', $pki->dir . '/locked', '--password-file', $right);
is($got->{status}, 0, 'the right one opens it');
unlike($got->{stdout} . $got->{stderr}, qr/sesame/, 'and is not shown');
$got = run($pgcertsel, $_, '--names-file', $names, '--bundle', $pki->dir . '/locked',
	'--password-file', $right, '--show-password')
  and unlike($got->{stdout} . $got->{stderr}, qr/sesame/, "$_ never shows it")
  foreach qw(list check);
chmod 0644, $right;
$got = run($pgcertsel, 'select', '--names-file', $names, '--bundle', $dir, '--password-file', $right);
is($got->{status}, 1, 'a password file that others can read: status 1');
like($got->{stderr}, qr/right: has group or world access/, 'which says so');
write_file($right, "no colon here\n");
$got = run($pgcertsel, 'select', '--names-file', $names, '--bundle', $dir, '--password-file', $right);
is($got->{status}, 1, 'a password file with a line that is none: status 1');
like($got->{stderr}, qr/right: line 1 is not KEYFILE:PASSWORD/, 'which says which');
unlike($got->{stderr}, qr/no colon/, 'but not what it holds');

# a password with a colon and a backslash, a path with a colon
my $colon = $pki->leaf('colon', issuer => $ca, password => 'a:b\\c');
mkdir $pki->dir . '/co:lon';
my $x = $pki->dir . '/co:lon';
write_file("$x/c.crt", slurp($colon->{cert}));
write_file("$x/c.key", slurp($colon->{key}));
(my $escaped = "$x/c.key") =~ s/:/\\:/g;
write_file($right, "$escaped:a\\:b\\\\c\n");
$got = run($pgcertsel, 'list', '--bundle', $x, '--password-file', $right);
unlike($got->{stdout}, qr/does not open|no password/, 'escapes in the password file');
like($got->{stdout}, qr/c\.key: libpq takes a key path with a colon for an engine/, 'a colon in a key path');
$got = run($pgcertsel, 'select', '--names-file', $names, '--bundle', $x, '--password-file', $right);
is($got->{status}, 2, 'cannot be used');

my $long = $pki->dir . '/' . 'd' x 250;
my $deep = $long;
mkdir $deep;
for (1 .. 4)
{
	$deep .= '/' . 'd' x 250;
	mkdir $deep or die $!;
}
write_file("$deep/x.crt", slurp($bob->{cert}));
write_file("$deep/x.key", slurp($bob->{key}));
$got = run($pgcertsel, 'list', '--bundle', $deep);
like($got->{stdout}, qr/path is longer than the 1023 bytes that libpq keeps of sslcert/, 'a path that libpq would cut');

# --- as a pair, and as lists -----------------------------------------------

sub select_pair
{
	my ($cert, $key, @more) = @_;

	return run($pgcertsel, 'select', '--names-file', $names, "sslcert='$cert' sslkey='$key'", @more);
}

foreach my $case (
	[ "$place/missing.crt", $bob->{key}, qr{missing\.crt: could not open file: No such file} ],
	[ $bob->{cert}, "$place/missing.key", qr{missing\.key: could not open file: No such file} ],
	[ $place, $bob->{key}, qr{place: is a directory, not a file} ],
	[ $bob->{cert}, $place, qr{place: is a directory, not a file} ],
	[ "$place/empty.crt", $bob->{key}, qr{empty\.crt: is empty} ],
	[ $bob->{cert}, "$place/empty.crt", qr{empty\.crt: is empty} ],
	[ "$place/words.crt", $bob->{key}, qr{words\.crt: holds no PEM block} ],
	[ $bob->{cert}, "$place/words.crt", qr{words\.crt: holds no PEM block} ],
	[ $bob->{key}, $bob->{key}, qr{bob\.key: holds a key, but no certificate} ],
	[ $bob->{cert}, $bob->{cert}, qr{bob\.crt: holds no private key} ],
	[ $bob->{cert}, $alice->{key}, qr{alice\.key: key belongs to another certificate} ],
	[ $bob->{cert}, $pki->dir . '/open/x.key', qr{x\.key: private key file has group or world access} ],
	[ $locked->{cert}, $locked->{key}, qr{locked\.key: key is encrypted, and no password is known} ])
{
	my ($cert, $key, $pattern) = @$case;

	$got = select_pair($cert, $key);
	is($got->{status}, 2, "as a pair: $pattern");
	like($got->{stderr}, $pattern, 'which is said');
	is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');
	$got = select_pair("$cert,$dir/alice.crt", "$key,$dir/alice.key", '-U', 'alice');
	is($got->{stdout}, "sslcert='$dir/alice.crt' sslkey='$dir/alice.key'",
		'in a list, the others are usable');
}
my $chain = $pki->concat('reversed.crt', $ca->{cert}, $bob->{cert});
$got = select_pair($chain, $bob->{key});
is($got->{status}, 2, 'a chain in the wrong order');
like($got->{stderr}, qr{it belongs to certificate 2 of the certificate file, but libpq sends the first},
	'is explained');
my $reversed = $pki->dir . '/reversed';
mkdir $reversed;
write_file("$reversed/bob.crt", slurp($chain));
write_file("$reversed/bob.key", slurp($bob->{key}));
$got = run($pgcertsel, 'select', '--names-file', $names, '--bundle', $reversed);
like($got->{stderr}, qr{bob\.crt: the certificate that has a key is number 2 of the file},
	'also when a folder is read');

# --- a folder full of strange things ---------------------------------------

my $zoo = $pki->dir . '/zoo';
mkdir $zoo;
write_file("$zoo/bob.pem", slurp($bob->{key}) . "some words\n" . slurp($bob->{cert}) =~ s/\n/\r\n/gr);
mkfifo("$zoo/fifo.crt", 0600) or die $!;
my $socket = IO::Socket::UNIX->new(Local => "$zoo/s.crt", Listen => 1) or diag "no socket: $!";
symlink '/dev/zero', "$zoo/zero.crt";
symlink 'loop2.crt', "$zoo/loop.crt";
symlink 'loop.crt', "$zoo/loop2.crt";
symlink '..', "$zoo/up";
symlink '/nowhere/at/all', "$zoo/dangling.crt";
write_file("$zoo/\nname\e[31m.crt", slurp($alice->{cert}));
write_file("$zoo/README", "words\n");
write_file("$zoo/.hidden.crt", slurp($alice->{cert}));
write_file("$zoo/.hidden.key", slurp($alice->{key}));
mkdir "$zoo/sub";
write_file("$zoo/sub/alice.crt", slurp($alice->{cert}));
write_file("$zoo/sub/alice.key", slurp($alice->{key}));
huge("$zoo/huge");
$got = run($pgcertsel, 'list', '--bundle', $zoo);
is($got->{status}, 0, 'a folder full of strange things is read');
like($got->{stdout}, qr{^good .* EC +\S+/zoo/bob\.pem\n.*\n.*\n.*\n +key +\S+/zoo/bob\.pem\n}m,
	'certificate and key in one file, CRLF and words between them');
like($got->{stdout}, $_, "it says: $_")
  foreach qr{fifo\.crt: is a FIFO}, qr{s\.crt: is a socket}, qr{zero\.crt: is a device},
  qr{loop\.crt: could not open file: Too many levels}, qr{dangling\.crt: could not open file: No such},
  qr{huge: is larger}, qr{README: holds no PEM block}, qr{\\0[Aa]name\\1[Bb]\[31m\.crt: no key was found};
unlike($got->{stdout}, qr/\e/, 'a terminal is safe from file names');
unlike($got->{stdout}, qr/hidden|\/sub\//, 'hidden names and folders below are not looked at');
$got = run($pgcertsel, 'check', '--names-file', $names, '--bundle', $zoo, '--format=json');
is_deeply([ sort map { "$_->{code} " . $_->{file} =~ s{.*/}{}sr } @{ JSON::PP::decode_json($got->{stdout})->{problems} } ],
	[ 'file-missing dangling.crt', 'file-not-pem README', map({ "file-special $_" } 'fifo.crt', $socket ? 's.crt' : (), 'zero.crt'),
		'file-too-large huge', 'file-unreadable loop.crt', 'file-unreadable loop2.crt', "no-key \nname\e[31m.crt" ],
	'json has a code for each');
$got = run($pgcertsel, 'select', '--names-file', $names, '--bundle', $zoo);
is($got->{stdout}, "sslcert='$zoo/bob.pem' sslkey='$zoo/bob.pem'", 'and the good one is chosen');

# a mounted Kubernetes secret: seen once, by its stable name
my $mount = $pki->dir . '/secret';
mkdir $mount;
mkdir "$mount/..2026_11_21";
write_file("$mount/..2026_11_21/tls.crt", slurp($bob->{cert}));
write_file("$mount/..2026_11_21/tls.key", slurp($bob->{key}));
symlink '..2026_11_21', "$mount/..data";
symlink '..data/tls.crt', "$mount/tls.crt";
symlink '..data/tls.key', "$mount/tls.key";
$got = run($pgcertsel, 'list', '--bundle', $mount);
is(scalar(() = $got->{stdout} =~ /^ +subject/mg), 1, 'a mounted secret is seen once');
$got = run($pgcertsel, 'select', '--names-file', $names, '--bundle', $mount);
is($got->{stdout}, "sslcert='$mount/tls.crt' sslkey='$mount/tls.key'", 'by its stable name');

# --- never a prompt ----------------------------------------------------------

# With a terminal for it to appear on: script(1) gives one.
SKIP:
{
	skip 'script(1) is not there', 3 if system('command -v script >/dev/null 2>&1') != 0;
	$got = run('script', '-qec',
		"$pgcertsel select --names-file $names --bundle " . $pki->dir . '/locked', '/dev/null');
	like($got->{stdout}, qr/key is encrypted, and no password is known/,
		'on a terminal, too, an encrypted key is said to be one');
	unlike($got->{stdout}, qr/pass ?phrase/i, 'and nobody is asked');
	$got = run('script', '-qec',
		"$pgcertsel select --prompt --names-file $names --bundle " . $pki->dir . '/locked', '/dev/null');
	like($got->{stdout}, qr{sslcert='\S+/locked/x\.crt'}, '--prompt makes it usable');
	unlike($got->{stdout}, qr/pass ?phrase/i, 'while pgcertsel itself still does not ask');
}

done_testing();
