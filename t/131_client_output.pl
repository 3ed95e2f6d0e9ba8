# What pgcertsel prints is read back by those that it is for: libpq, a shell's
# eval, a service file read by libpq, a JSON parser.  Paths with every kind of
# byte; what a format cannot hold is refused with the reason; and where nothing
# fits, each format keeps libpq from sending the certificate at home.  Not
# pg_regress: programs and their output.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(compile folder run run_with slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use Digest::SHA qw(sha256_hex);
use File::Copy qw(copy);
use MIME::Base64 qw(encode_base64);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $leaf = $pki->leaf('leaf', issuer => $ca, eku => 'clientAuth');
my $readback = compile("$FindBin::RealBin/lib/readback.c", $pki->dir . '/readback');

diag 'libpq ' . run($readback, 'version')->{stdout};

# --- paths ---------------------------------------------------------------------

my %name = (
	'spaces' => 'a b  c',
	'a leading space' => ' a',
	'a trailing space' => 'a ',
	'a tab' => "a\tb",
	'a trailing tab' => "a\t",
	'single quotes' => "it's 'a' b'",
	'double quotes' => 'a"b"',
	'backslashes' => '\\a\\\\b\\',
	'a backslash before a quote' => "a\\'b",
	'percent signs' => 'a%41%%zz%',
	'what a shell expands' => '$HOME `id` $(id) !! ~ * {a,b}',
	'what ends a command' => 'a;b&c|d>e<f',
	'what a URI takes apart' => 'a?b&c=d#e@f[1]+g',
	'an equals sign and blanks' => 'a = b',
	'a comment sign' => '# a',
	'a section' => '[a]',
	'commas' => 'a,b',
	'a newline' => "a\nb",
	'a trailing newline' => "a\n",
	'a carriage return' => "a\rb",
	'control bytes' => "a\x01\x1b[31m\x7fb",
	'UTF-8' => "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91",
	'bytes that are not UTF-8' => "a\xff\xfe\x80\xc3(b",
	'an option' => '--help');
my $nothing = unpack 'H*', '/dev/null/none';

# What the reader found, as { keyword => bytes }.
sub parameters
{
	my ($got) = @_;

	return { map { /^(\w+)=(\w*)$/ ? ($1 => pack 'H*', $2) : () } split /\n/, $got->{stdout} };
}

sub check_read
{
	my ($what, $got, $dir) = @_;
	my $found = parameters($got);

	is_deeply([ @$found{qw(sslcert sslkey)} ], [ "$dir/leaf.crt", "$dir/leaf.key" ],
		"$what: read back as the same bytes")
	  or diag "$got->{stdout}\n$got->{stderr}";
	return;
}

my $n = 0;

foreach my $what (sort keys %name)
{
	my $base = $pki->dir . '/' . ++$n;
	my $dir = "$base/$name{$what}";

	mkdir $base or die $!;
	folder($dir, $leaf);
	my @select = ($pgcertsel, 'select', '--ca-file', $ca->{cert}, '--bundle', $dir);
	my $got;

	foreach my $format (qw(conninfo uri))
	{
		foreach my $full ([], ['--full'])
		{
			$got = run(@select, '--format', $format, @$full);
			is($got->{status}, 0, "$format with $what: status 0") or diag $got->{stderr};
			check_read("$format @$full with $what", run($readback, 'parse', $got->{stdout}), $dir);
		}
	}

	# the text itself would be cut by chomp and the like
	$got = run('sh', '-c', 'eval "$("$@")" && exec "$0" defaults', $readback, @select, '--format', 'env');
	check_read("env with $what", $got, $dir);
	$got = run('sh', '-c', '"$0" parse "$("$@")"', $readback, @select);
	check_read("\$(...) with $what", $got, $dir);

	# and as what stands there: a combined file, whose own name is odd
	my $combined = $pki->concat("$n/$name{$what}.pem", $leaf->{cert}, $leaf->{key});
	chmod 0600, $combined;
	$got = run(@select[0 .. 3], '--bundle', $combined);
	my $found = parameters(run($readback, 'parse', $got->{stdout}));
	is_deeply([ @$found{qw(sslcert sslkey)} ], [ $combined, $combined ], "a file named with $what")
	  or diag $got->{stderr};

	$got = run(@select, '--format', 'service');
	if ($name{$what} =~ /[\r\n]/)
	{
		is($got->{status}, 1, "service with $what: refused");
		like($got->{stderr}, qr/sslcert has a newline, which no service file can hold/, 'with the reason');
		check_nothing('service', $got);
	}
	else
	{
		check_service($what, $got, $dir);
	}
	$got = run($pgcertsel, 'select', '--ca-file', $ca->{cert}, '--bundle', $combined, '--format', 'json');
	check_json("json with $what", $got, $combined);
}

# a service file loses a blank at the end of a line
my $blank = $pki->dir . '/blank ';
copy($pki->concat('blank', $leaf->{cert}, $leaf->{key}), $blank) or die $!;
chmod 0600, $blank;
my $got = run($pgcertsel, 'select', '--ca-file', $ca->{cert}, '--bundle', $blank, '--format', 'service');
is($got->{status}, 1, 'service with a path that ends in a blank: refused');
like($got->{stderr}, qr/sslcert ends in a blank, which a service file loses/, 'with the reason');
check_nothing('service', $got);

sub check_service
{
	my ($what, $text, $dir) = @_;
	my $file = write_file($pki->dir . '/service.conf', "$text->{stdout}\n[after]\nhost=elsewhere\n");

	check_read("service with $what",
		run_with({ env => { PGSERVICEFILE => $file, PGSERVICE => 'pgcertsel' } }, $readback, 'defaults'), $dir);
	return;
}

# JSON is UTF-8, so other bytes are written another way
sub check_json
{
	my ($what, $text, $path) = @_;

	SKIP:
	{
		eval { require JSON::PP; 1 } or skip 'JSON::PP is not there', 1;
		my $json = eval { JSON::PP->new->utf8->decode($text->{stdout}) };
		my $found = $json->{sslcert} // '';

		ok(defined $json, "$what: it is JSON") or diag "$@ $text->{stdout}";
		utf8::encode($found);
		is($found, $path, "$what: the path") if $path !~ /\xff/;
	}
	return;
}

# --- what JSON says of a candidate -----------------------------------------------

SKIP:
{
	eval { require JSON::PP; 1 } or skip 'JSON::PP is not there', 6;

	# its curve is one that nobody knows: a certificate whose key does not decode
	my $locked = $pki->leaf('locked', issuer => $ca, password => 'secret');
	my $der = $pki->der($locked);
	my $curve = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01";
	ok($der =~ s/\Q$curve\E\x07/$curve\x7f/, 'the leaf has a key of P-256');
	my $unknown = folder($pki->dir . '/unknown', $locked);
	write_file("$unknown/locked.crt",
		"-----BEGIN CERTIFICATE-----\n" . encode_base64($der) . "-----END CERTIFICATE-----\n");

	$got = run($pgcertsel, 'select', '--ca-file', $ca->{cert}, '--bundle', folder($pki->dir . '/known', $leaf),
		'--bundle', $unknown, '--format', 'json');
	my $json = JSON::PP->new->utf8->decode($got->{stdout});
	my ($good, $bad) = map {
		my $dir = $_;
		grep { $_->{sslcert} =~ m{/$dir/} } @{ $json->{candidates} }
	} qw(known unknown);
	is($good->{cert_sha256}, $pki->cert_sha256($leaf), 'the hash of its certificate');
	is($bad->{cert_sha256}, sha256_hex($der), 'of one whose key does not decode, too');
	like($good->{not_after}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'until when it is valid');
	is($bad->{not_after}, undef, 'which of the other nobody can tell');
	ok((grep { $_->{text} eq 'certificate cannot be decoded' } @{ $bad->{reasons} }), 'and which is refused');
}

# --- what libpq cannot express -----------------------------------------------------

my $colon = folder($pki->dir . '/co:lon', $leaf);
$got = run($pgcertsel, 'select', '--ca-file', $ca->{cert}, '--bundle', $colon);
is($got->{status}, 2, 'a colon in a key path: nothing suitable');
like($got->{stderr}, qr/key: libpq takes a key path with a colon for an engine's name/, 'with the reason');
like($got->{stderr}, qr/hint: rename it, or link to it by another name/, 'and what to do');
symlink $colon, $pki->dir . '/alias' or die $!;
$got = run($pgcertsel, 'select', '--ca-file', $ca->{cert}, '--bundle', $pki->dir . '/alias');
is($got->{status}, 0, 'which helps');

my $long = $pki->dir;
while (length($long) < 1024 - 9)
{
	my $left = 1024 - 9 - length $long;
	my $size = $left > 200 ? 150 : $left;

	$long .= '/' . 'd' x ($size - 1);
	mkdir $long or die $!;
}
foreach my $extra (0, 1)
{
	my $stem = 'x' x (1023 - length($long) - 5 + $extra);

	copy($leaf->{cert}, "$long/$stem.crt") or die $!;
	copy($leaf->{key}, "$long/$stem.key") or die $!;
	chmod 0600, "$long/$stem.key";
	$got = run($pgcertsel, 'select', '--ca-file', $ca->{cert}, '--bundle', "$long/$stem.crt", '--bundle', "$long/$stem.key");
	is(length "$long/$stem.crt", 1023 + $extra, 'a path of ' . (1023 + $extra) . ' bytes');
	is($got->{status}, $extra ? 2 : 0, $extra ? 'is refused' : 'can be used');
	like($got->{stderr}, qr/longer than the 1023 bytes that libpq keeps of sslcert/, 'with the reason') if $extra;
	is(parameters(run($readback, 'parse', $got->{stdout}))->{sslcert}, "$long/$stem.crt", 'whole') if !$extra;

	# the key's path alone
	$got = run($pgcertsel, 'select', '--ca-file', $ca->{cert}, '--bundle', $leaf->{cert}, '--bundle', "$long/$stem.key");
	is($got->{status}, $extra ? 2 : 0, 'of a key alone, it ' . ($extra ? 'is refused' : 'can be used'));
	like($got->{stderr}, qr/\Q$stem\E\.key: path is longer than the 1023 bytes that libpq keeps of sslkey/, 'with the reason') if $extra;
	is_deeply([ @{ parameters(run($readback, 'parse', $got->{stdout})) }{qw(sslcert sslkey)} ], [ $leaf->{cert}, "$long/$stem.key" ], 'whole')
	  if !$extra;
}

# --- the whole connection -----------------------------------------------------------

my $odd = q{host='/a b' dbname='d"=%' user='u\\\\\'' password='p w' application_name='%41' options='-c a=b'};
$odd .= ' connect_timeout=5 sslcertmode=allow' if run($readback, 'version')->{stdout} >= 160000;
foreach my $format (qw(conninfo uri))
{
	$got = run($pgcertsel, 'select', $odd, '--ca-file', $ca->{cert}, '--bundle', $colon . '/../alias',
		'--full', '--format', $format);
	my $found = parameters(run($readback, 'parse', $got->{stdout}));
	is_deeply([ @$found{qw(host dbname user application_name options)} ],
		[ '/a b', 'd"=%', "u\\'", '%41', '-c a=b' ], "$format --full: the connection's own parameters");
	is($found->{password}, undef, 'without its password');
	is($found->{sslcertmode}, undef, 'nor what would undo the choice');
	like($got->{stderr}, qr/the connection's password is not printed/, 'which is said');
	$got = run($pgcertsel, 'select', $odd, '--ca-file', $ca->{cert}, '--bundle', $colon . '/../alias',
		'--full', '--format', $format, '--show-password');
	is(parameters(run($readback, 'parse', $got->{stdout}))->{password}, 'p w', 'unless asked for');
}

# what the format cannot hold of it is refused, and what is printed instead is safe
foreach my $case ([ 'service', "host='a\nb'", qr/host has a newline, which no service file can hold/ ],
	[ 'service', "service=x", qr/service cannot stand in a service file/ ],
	[ 'env', 'keepalives_idle=7', qr/keepalives_idle has no environment variable; use "pgcertsel exec"/ ])
{
	my ($format, $info, $words) = @$case;

	write_file($pki->dir . '/x.conf', "[x]\nhost=a\n");
	$got = run_with({ env => { PGSERVICEFILE => $pki->dir . '/x.conf' } }, $pgcertsel, 'select', $info,
		'--ca-file', $ca->{cert}, '--bundle', $pki->dir . '/alias', '--full', '--format', $format);
	is($got->{status}, 1, "$format --full with $info: refused");
	like($got->{stderr}, $words, 'with the reason');
	check_nothing($format, $got);
}

# --- sending nothing ------------------------------------------------------------------

# What was printed keeps libpq from sending anything, whatever it was asked for.
sub check_nothing
{
	my ($format, $text) = @_;
	my $file = write_file($pki->dir . '/nothing.conf', "$text->{stdout}\n");
	my $read =
		$format eq 'env' ? run('sh', '-c', 'eval "$1"; exec "$0" defaults', $readback, $text->{stdout})
	  : $format eq 'service' ? run_with({ env => { PGSERVICEFILE => $file, PGSERVICE => 'pgcertsel' } },
		$readback, 'defaults')
	  : run($readback, 'parse', $text->{stdout});

	like($read->{stdout}, qr/^sslcert=$nothing$/m, "$format: what is printed says to send nothing")
	  or diag "$text->{stdout}\n$read->{stderr}";
	return;
}

my $srv = CertPolicy::Server->new('main', pki => $pki, preload => 0,
	ca_file => $ca->{cert}, server_cert => $pki->server($ca),
	hba => ['hostssl all all 127.0.0.1/32 trust']);
my $other = $pki->root('other');
my $wrong = $pki->leaf('wrong', issuer => $other, eku => 'clientAuth');
my $home = $pki->dir . '/home';
mkdir $home or die $!;
mkdir "$home/.postgresql" or die $!;
copy($wrong->{cert}, "$home/.postgresql/postgresql.crt") or die $!;
copy($wrong->{key}, "$home/.postgresql/postgresql.key") or die $!;
chmod 0600, "$home/.postgresql/postgresql.key";
my %at_home = (env => { CertPolicy::Server::at_home($home) });
my $to = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port . ' user=postgres dbname=postgres sslmode=require';
my @psql = ('psql', '-XAtqc', "select coalesce(client_dn, 'nothing') from pg_stat_ssl where pid = pg_backend_pid()");

$got = $srv->client([ @psql, '-d', $to ], %at_home);
isnt($got->{status}, 0, 'libpq alone sends what is at home');
like($got->{log}, qr/could not accept SSL connection/, 'and is thrown out');
foreach my $format (qw(conninfo uri env service))
{
	foreach my $case ([ 2, $to ], [ 3, $to =~ s/port=\d+/port=1/r ], [ 1, $to, '--bundle', '' ])
	{
		my ($status, @args) = @$case;
		my $text = $srv->client([ $pgcertsel, 'select', @args, '--format', $format ], %at_home);

		is($text->{status}, $status, "$format: status $status");
		check_nothing($format, $text);
	}
	$got = $srv->client([ $pgcertsel, 'select', $to, '--format', $format, '--full' ], %at_home);
	my $file = write_file($pki->dir . '/pg_service.conf', $got->{stdout} . "\n");
	$got =
		$format eq 'env' ? $srv->client([ 'sh', '-c', 'eval "$0"; exec "$@"', $got->{stdout}, @psql ], %at_home)
	  : $format eq 'service' ? $srv->client([ @psql, '-d', 'service=pgcertsel' ],
		env => { %{ $at_home{env} }, PGSERVICEFILE => $file })
	  : $srv->client([ @psql, '-d', $got->{stdout} ], %at_home);
	is($got->{stdout}, 'nothing', "$format: libpq sends nothing, and is let in") or diag $got->{stderr};
}
$got = $srv->client([ $pgcertsel, 'exec', $to, '--', @psql ], %at_home);
is($got->{stdout}, 'nothing', 'exec: libpq sends nothing, and is let in') or diag $got->{stderr};

$srv->stop;
done_testing();
