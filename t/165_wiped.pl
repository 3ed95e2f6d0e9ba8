# What the library had of passwords and keys is wiped when it is done with them:
# a program that uses it stops, and its memory is searched from outside.  Not
# pg_regress: no server is in it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder run slurp write_file);
use CertPolicy::PKI;
use IPC::Run ();
use MIME::Base64 qw(decode_base64);
use Test::More;

my $stage = $ENV{PG_CERT_POLICY_STAGE} // '';
my ($pc) = grep { -e $_ } map { "$stage$_/pgcertsel.pc" }
  map { ("$_/lib/pkgconfig", "$_/share/pkgconfig") } ($ENV{PREFIX} // '/usr/local'), '/usr';

plan skip_all => 'the library is not installed' unless $pc;
plan skip_all => 'no /proc here' unless -r '/proc/self/mem';

my ($lib, $include) = map { slurp($pc) =~ /^$_=(\S+)/m ? "$stage$1" : die "no $_ in $pc" } qw(libdir includedir);
my $pki = CertPolicy::PKI->new;
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my ($pg_include, $pg_lib) = map { run($pg_config, "--$_")->{stdout} } qw(includedir libdir);
my $program = $pki->dir . '/wipe';
my $got = run(split(/ /, $ENV{CC} || 'cc'), qw(-Wall -Wextra -Werror -o), $program, "$FindBin::RealBin/lib/wipe.c",
	"-I$include", "-I$pg_include", "-L$lib", "-Wl,-rpath,$lib", '-lpgcertsel', "-L$pg_lib", '-lpq', '-lcrypto');
die "could not build wipe.c: $got->{stderr}" unless $got->{ok};

# --- a bundle with every kind of key ----------------------------------------------

my $ca = $pki->root('ca');
my @usual = (issuer => $ca, eku => 'clientAuth');
my %password = (locked => 'kw-9Jx4tY7uQ2', packed => 'pw-3Fh6kD9sL4');
my @leaves = (
	$pki->leaf('locked', @usual, password => $password{locked}),
	$pki->leaf('open', @usual),
	$pki->leaf('rsa', @usual, key => 'rsa'),
	$pki->leaf('curve', @usual, key => 'ed25519'));
my $packed = $pki->leaf('packed', @usual);
my $bundle = folder($pki->dir . '/bundle', @leaves);
run('openssl', 'pkcs12', '-export', '-in', $packed->{cert}, '-inkey', $packed->{key}, '-out', "$bundle/packed.p12",
	'-passout', 'file:' . write_file($pki->dir . '/p12_password', $password{packed}))->{ok} or die 'openssl pkcs12';
chmod 0600, "$bundle/packed.p12";
my $passwords = write_file($pki->dir . '/passwords', "$bundle/locked.key:$password{locked}\n$bundle/packed.p12:$password{packed}\n");

my %secret = map { $password{$_} => "the password of $_" } keys %password;
foreach my $leaf (@leaves, $packed)
{
	my $name = $leaf->{name};
	my $pem = run('openssl', 'pkcs8', '-topk8', '-nocrypt', '-in', $leaf->{key},
		defined $leaf->{password} ? ('-passin', 'file:' . write_file($pki->dir . '/in', $leaf->{password})) : ())->{stdout};
	my $der = decode_base64($pem =~ s/-----.*//gr);
	my @lines = grep { length == 64 } split /\n/, $pem;
	# of RSA: the private exponent, behind the public one, and at times shorter than
	# 256 bytes; of the others, 32 bytes
	my ($number) = $name eq 'rsa' ? $der =~ /\x02\x03\x01\x00\x01\x02(?:\x82..|\x81.)\x00?(.{32})/s : $der =~ /\x04\x20(.{32})/s;
	defined $number or die "no key in $name";

	$secret{ $lines[1] } = "the key of $name in PEM" if @lines > 1;
	$secret{$number} = "the key of $name";
	$secret{reverse $number} = "the key of $name, backwards";
}
my $any = join '|', map { quotemeta } sort keys %secret;

# All memory that the process can write to, searched.
sub found_in
{
	my ($pid) = @_;
	my %found;
	my $size = 0;

	open my $maps, '<', "/proc/$pid/maps" or die "maps: $!";
	open my $mem, '<:raw', "/proc/$pid/mem" or return;
	while (<$maps>)
	{
		my ($from, $to, $name) = /^([0-9a-f]+)-([0-9a-f]+) rw\S+ \S+ \S+ \S+\s*(.*)$/ or next;
		($from, $to) = (hex $from, hex $to);
		sysseek $mem, $from, 0 or next;
		my $bytes = '';
		while (length $bytes < $to - $from)
		{
			sysread($mem, $bytes, $to - $from - length $bytes, length $bytes) or last;
		}
		$size += length $bytes;
		$found{"$secret{$1} in " . ($name =~ /^\[(.*)\]/ ? $1 : $name || 'memory')}++ while $bytes =~ /($any)/gs;
	}
	return ($size, join ', ', sort keys %found);
}

my ($in, $out, $err) = ('', '', '');
# Whoever looks up a function at its first call saves all registers on the stack,
# and in these the program had the passwords while it read them.
local $ENV{LD_BIND_NOW} = 1;
my $run = IPC::Run::start([ $program, $bundle, $passwords, $ca->{cert}, $pki->dir . '/unpacked' ],
	'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
my $pid = $run->{KIDS}[0]{PID};

sub at_stop
{
	my ($word) = @_;

	$run->pump until $out =~ /^$word\n/m || !$run->pumpable;
	like($out, qr/^$word\n/m, "it comes to the stop \"$word\"") or BAIL_OUT($err);
	return found_in($pid);
}

my ($size, $found) = at_stop('bundle');
SKIP:
{
	skip "the memory of another process cannot be read here", 8 unless defined $size;
	cmp_ok($size, '>', 100_000, 'its memory can be read');
	like($found, qr/the password of locked in heap/, 'the bundle keeps passwords: whoever looks can see');
	unlike($found, qr/the key of/, 'but no keys');

	$in .= "\n";
	($size, $found) = at_stop('chosen');
	is(scalar(() = $out =~ /^# \w+: /mg), 5, 'each of them was chosen and loaded');
	unlike($found, qr/the key of/, 'when a choice is freed, no key is left of it');

	$in .= "\n";
	($size, $found) = at_stop('freed');
	is($found, '', 'when all is freed, nothing is left');
}
$in .= "\n";
$run->finish;
is($run->full_result(0), 0, 'it ends well');
done_testing();
