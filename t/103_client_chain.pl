# The missing link: a certificate whose intermediates lie in other files is made
# into a private chain file that libpq can send.  Not pg_regress: files and their
# modes, and logins over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $root = $pki->root('root');
my $int1 = $pki->intermediate('int1', issuer => $root);
my $int2 = $pki->intermediate('int2', issuer => $int1);
my $leaf = $pki->leaf('leaf', issuer => $int2, eku => 'clientAuth');
my $bundle = $pki->dir . '/bundle';
my $chains = $pki->dir . '/chains';

mkdir $bundle or die $!;
copy($leaf->{cert}, "$bundle/leaf.crt") or die $!;
copy($leaf->{key}, "$bundle/leaf.key") or die $!;
chmod 0600, "$bundle/leaf.key" or die $!;
copy($int1->{cert}, "$bundle/a-int1.pem") or die $!;
copy($int2->{cert}, "$bundle/z-int2.pem") or die $!;

my $srv = CertPolicy::Server->new('main',
	pki => $pki, preload => 0,
	ca_file => $root->{cert}, server_cert => $pki->server($root));
my $conninfo = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port
  . ' user=postgres dbname=postgres sslmode=require';

sub pgcertsel
{
	my (@args) = @_;

	return $srv->client([ $pgcertsel, @args ]);
}

sub login_with
{
	my ($fragment) = @_;

	return $srv->client([ 'psql', '-XAtqd', "$conninfo $fragment", '-c',
			'select client_dn from pg_stat_ssl where pid = pg_backend_pid()' ])->{stdout};
}

my $got = pgcertsel('select', $conninfo, '--bundle', $bundle);
is($got->{status}, 2, 'without the option: nothing suitable');
like($got->{stderr},
	qr{leaf\.crt: needs intermediate "CN=int2", which is in \S+/z-int2\.pem, and "CN=int1", which is in \S+/a-int1\.pem},
	'and what is missing, with both files');

# --- written, private, and right ------------------------------------------

my @select = ('select', $conninfo, '--bundle', $bundle, '--complete-chain', $chains);

$got = pgcertsel(@select);
is($got->{status}, 0, 'with it: found') or diag $got->{stderr};
my ($path) = $got->{stdout} =~ m{^sslcert='(\Q$chains\E/leaf-[0-9a-f]{16}\.crt)' sslkey='\Q$bundle\E/leaf\.key'$};
ok(defined $path, 'a file of the folder, with the key where it was') or diag $got->{stdout};
is(login_with($got->{stdout}), '/CN=leaf', 'which logs in');
is(sprintf('%04o', (stat $chains)[2] & 07777), '0700', 'the folder is private');
is(sprintf('%04o', (stat $path)[2] & 07777), '0600', 'so is the file');
is(subjects($path), 'CN=leaf CN=int2 CN=int1', 'the chain, leaf first, without the root');
is_deeply([ files() ], [$path], 'nothing else lies there');
like(pgcertsel('check', @select[1 .. $#select])->{stdout},
	qr{^\* doubtful +\Q$path\E\n.*\n(?:.*doubt: .*\n)?.*leaf\.crt: its chain is completed with "CN=int2" from \S+z-int2\.pem, "CN=int1" from}m,
	'check tells where it comes from');
like(pgcertsel('check', @select[1 .. $#select], '--format=json')->{stdout},
	qr/"verdict": "doubtful", "sslcert": "\Q$path\E"(?:(?!"verdict").)*"code": "chain-completed", "severity": "note"/s, 'json by a code');

sub subjects
{
	my ($file) = @_;
	my $out = `openssl crl2pkcs7 -nocrl -certfile '$file' | openssl pkcs7 -print_certs -noout`;

	return join ' ', map { s/\s//gr } $out =~ /^subject=(.*)$/mg;
}

sub files
{
	opendir my $dir, $chains or die $!;
	return map { "$chains/$_" } grep { !/^\.\.?$/ } readdir $dir;
}

# --- reused while unchanged, rewritten when stale ---------------------------

my @before = stat $path;
pgcertsel(@select);
is_deeply([ (stat $path)[ 1, 9 ] ], [ @before[ 1, 9 ] ], 'reused while unchanged');

open my $file, '>>', $path or die $!;
print $file "garbage\n";
close $file;
$got = pgcertsel(@select);
is(subjects($path), 'CN=leaf CN=int2 CN=int1', 'rewritten when it was tampered with');
unlike(slurp($path), qr/garbage/, 'as a whole');
chmod 0644, $path;
pgcertsel(@select);
is(sprintf('%04o', (stat $path)[2] & 07777), '0600', 'and when others could read it');

unlink $path;
symlink "$bundle/leaf.crt", $path;
pgcertsel(@select);
ok(!-l $path && -f $path, 'a link in its place is replaced, not followed');
is(subjects("$bundle/leaf.crt"), 'CN=leaf', 'what it pointed to is left alone');

my $renewed = $pki->leaf('renewed', issuer => $int2, subject => '/CN=leaf', eku => 'clientAuth',
	key_of => $leaf, days => 400);
copy($renewed->{cert}, "$bundle/leaf.crt") or die $!;
$got = pgcertsel(@select);
like($got->{stdout}, qr/^sslcert='\Q$path\E'/, 'a renewed certificate keeps the name');
is(serial($path), serial($renewed->{cert}), 'and is what is in the file then');

sub serial
{
	my ($file) = @_;

	return `openssl x509 -in '$file' -noout -serial`;
}

sub slurp
{
	my ($file) = @_;

	open my $handle, '<', $file or die $!;
	local $/;
	return <$handle>;
}

# --- with proof, and with the CA certificates -------------------------------

$got = pgcertsel(@select, '--confirm');
is($got->{status}, 0, '--confirm sends the completed chain');
unlike($got->{log}, qr/could not accept/, 'and the server accepts it');
unlink $path;
$got = pgcertsel(@select, '--confirm');
is($got->{status}, 0, 'also when it had to be written first');
$got = pgcertsel(@select, '--ca-file', $root->{cert});
is($got->{status}, 0, 'with the CA certificate known, too');

# --- where it cannot be ------------------------------------------------------

chmod 0755, $chains;
unlink $path;
$got = pgcertsel(@select);
is($got->{status}, 2, 'a folder that others can read: nothing suitable');
like($got->{stderr}, qr/could not write the completed chain: the directory has group or world access/,
	'with the reason');
is($got->{stdout}, "sslcert='/dev/null/none'", 'sending nothing');
is_deeply([ files() ], [], 'and writing nothing');
like(pgcertsel('check', @select[1 .. $#select], '--format=json')->{stdout},
	qr/"code": "chain-not-written", "severity": "fatal"/, 'json: the code');
chmod 0700, $chains;

$got = pgcertsel(@select[0 .. 3], '--complete-chain', "$bundle/leaf.crt/x");
like($got->{stderr}, qr/could not write the completed chain: Not a directory/, 'a folder that cannot be');

# a file that is complete is used as it is
my $whole = $pki->concat('bundle/whole.crt', $renewed->{cert}, $int2->{cert}, $int1->{cert});
unlink "$bundle/leaf.crt";
$got = pgcertsel(@select);
is($got->{stdout}, "sslcert='$whole' sslkey='$bundle/leaf.key'", 'a complete file is used as it is');
is_deeply([ files() ], [], 'and nothing is written');

# --- a CA that was signed by several --------------------------------------------

# OpenSSL goes the way of the first issuer that it was sent, and does not come
# back for another, so each way up is a chain of its own.
my $other = $pki->root('other');
my $cross = $pki->intermediate('cross', issuer => $root, subject => '/CN=cross');
my %cross = (
	root => $cross,
	other => $pki->intermediate('cross-other', issuer => $other, subject => '/CN=cross', key_of => $cross),
	expired => $pki->intermediate('cross-expired', issuer => $root, subject => '/CN=cross', key_of => $cross,
		not_before => '20200101000000Z', not_after => '20210101000000Z'));
my $of_cross = $pki->leaf('of-cross', issuer => $cross, eku => 'clientAuth');
my $server_roots = $pki->concat('server-roots.crt', $root->{cert}, $other->{cert});

foreach my $case ([qw(root other)], [qw(other root)], [qw(expired other root)], [qw(root expired other)])
{
	my $where = $pki->dir . '/cross-' . join('-', @$case);
	my $number = 0;

	mkdir $where or die $!;
	copy($of_cross->{cert}, "$where/leaf.crt") or die $!;
	copy($of_cross->{key}, "$where/leaf.key") or die $!;
	chmod 0600, "$where/leaf.key" or die $!;
	copy($cross{$_}{cert}, "$where/" . ++$number . "-$_.pem") or die $! foreach @$case;
	foreach my $trusted ($root, $other)
	{
		my $what = "@$case, and the server trusts $trusted->{name}";

		$srv->conf("ssl_ca_file = '$trusted->{cert}'\n");
		$srv->reload;
		$got = pgcertsel('select', $conninfo, '--bundle', $where);
		like($got->{stderr}, qr{needs intermediate "CN=cross", which is in \S+/\d-$trusted->{name}\.pem\n},
			"$what: the one that leads there is named");
		foreach my $more ([], [ '--ca-file', $trusted->{cert} ], ['--confirm'])
		{
			$got = pgcertsel('select', $conninfo, '--bundle', $where, '--complete-chain', $chains, @$more);
			is(login_with($got->{stdout}), '/CN=of-cross', "$what, @$more: its chain logs in") or diag $got->{stderr};
		}
	}
}

# a file with one of the chains is complete, and the other is made where it is needed
my $either = $pki->dir . '/either';
mkdir $either or die $!;
$pki->concat('either/leaf.crt', $of_cross->{cert}, $cross{root}{cert});
copy($of_cross->{key}, "$either/leaf.key") or die $!;
chmod 0600, "$either/leaf.key" or die $!;
copy($cross{other}{cert}, "$either/other.pem") or die $!;
$got = pgcertsel('select', $conninfo, '--bundle', $either);
like($got->{stderr}, qr{needs intermediate "CN=cross", which is in \S+/other\.pem\npgcertsel: hint: put it behind the certificate that it issued},
	'the other chain is seen');
$got = pgcertsel('select', $conninfo, '--bundle', $either, '--complete-chain', $chains, '--confirm');
is(login_with($got->{stdout}), '/CN=of-cross', 'a file with the chain to another root') or diag $got->{stderr};
like(pgcertsel('check', $conninfo, '--bundle', $either, '--complete-chain', $chains)->{stdout},
	qr{leaf\.crt: another chain of it is made with "CN=cross" from \S+/other\.pem}, 'check tells where it comes from');
$srv->conf("ssl_ca_file = '$root->{cert}'\n");
$srv->reload;
$got = pgcertsel('select', $conninfo, '--bundle', $either, '--complete-chain', $chains);
is($got->{stdout}, "sslcert='$either/leaf.crt' sslkey='$either/leaf.key'", 'which is used as it is where it fits');
my $late = $pki->dir . '/late';
mkdir $late or die $!;
copy($of_cross->{cert}, "$late/leaf.crt") or die $!;
copy($of_cross->{key}, "$late/leaf.key") or die $!;
chmod 0600, "$late/leaf.key" or die $!;
copy($cross{expired}{cert}, "$late/int.pem") or die $!;
my $list = pgcertsel('list', '--bundle', $late)->{stdout};
like($list, qr/^incomplete .*\n(?:.*\n)*.* completed with "CN=cross" from \S+int\.pem\n +fatal: .*"CN=cross" of the chain expired on 2021-01-01\n +do: have it renewed/m,
	'list: what would complete it has expired');
unlike($list, qr/append/, 'so nobody is told to append it');
unlike(pgcertsel('list', '--bundle', $either)->{stdout}, qr/incomplete|--complete-chain/, 'and is not called incomplete');

$srv->stop;
done_testing();
