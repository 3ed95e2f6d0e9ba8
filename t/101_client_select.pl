# pgcertsel select, exec, check and list with real servers: the same bundle gives
# each server the certificate that it accepts, the seed's lists mean what they
# mean, and where nothing fits nothing is sent.  Not pg_regress: processes, their
# exit statuses and logins over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $nothing = "sslcert='/dev/null/none'";
my $no_fit = 'Server requests a client certificate but no suitable certificate'
  . ' is found from sslcert list provided';
my $pki = CertPolicy::PKI->new;
my $ido = '/C=CA/ST=BC/L=VAN/O=IDO/OU=DEV';
my $ca1 = $pki->root('rootCA1', subject => "$ido/CN=rootCA1");
my $ca2 = $pki->root('rootCA2', subject => "$ido/CN=rootCA2");
my $ca3 = $pki->root('rootCA3', subject => "$ido/CN=rootCA3");
my $int = $pki->intermediate('int', issuer => $ca3, subject => "$ido/CN=int");
my %leaf = (
	client1 => $pki->leaf('client1', issuer => $ca1, subject => "$ido/CN=client1",
		eku => 'clientAuth', ku => 'digitalSignature'),
	client2 => $pki->leaf('client2', issuer => $ca2, subject => "$ido/CN=client2",
		eku => 'clientAuth', key => 'rsa:2048', password => 'password'),
	client3 => $pki->leaf('client3', issuer => $int, subject => "$ido/CN=client3",
		eku => 'clientAuth'));
my $bundle = folder('bundle', values %leaf);

# A folder with each certificate's chain as NAME.crt and its key as NAME.key.
sub folder
{
	my ($name, @leaves) = @_;
	my $dir = $pki->dir . "/$name";

	mkdir $dir or die "could not create $dir: $!";
	foreach my $leaf (@leaves)
	{
		copy($leaf->{chain}, "$dir/$leaf->{name}.crt") or die $!;
		copy($leaf->{key}, "$dir/$leaf->{name}.key") or die $!;
		chmod 0600, "$dir/$leaf->{name}.key" or die $!;
	}
	return $dir;
}

sub write_file
{
	my ($path, $text, $mode) = @_;

	open my $file, '>', $path or die "could not write $path: $!";
	print $file $text;
	close $file or die "could not write $path: $!";
	chmod $mode // 0600, $path or die $!;
	return $path;
}

my $srv = CertPolicy::Server->new('one',
	pki => $pki, preload => 0,
	ca_file => $ca1->{cert}, server_cert => $pki->server($ca1));
my $conninfo = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port
  . ' user=postgres dbname=postgres sslmode=require';
my $passwords = write_file($pki->dir . '/passwords',
	"# keys of the bundle\n$bundle/client2.key:password\n");

sub trust
{
	my ($ca) = @_;

	$srv->conf("ssl_ca_file = '$ca->{cert}'\n");
	$srv->reload;
	return;
}

sub pgcertsel
{
	my (@args) = @_;

	return $srv->client([ $pgcertsel, @args ]);
}

# psql as a shell would run it with the fragment that select printed.
sub psql_with
{
	my ($fragment, %opt) = @_;

	return $srv->client(
		[ 'psql', '-XAtq', '-d', "$conninfo $fragment", '-c',
			'select client_dn from pg_stat_ssl where pid = pg_backend_pid()' ],
		%opt);
}

# --- the same bundle, three servers -------------------------------------

foreach my $case ([ $ca1, 'client1' ], [ $ca2, 'client2' ], [ $ca3, 'client3' ])
{
	my ($ca, $name) = @$case;
	my $dn = "$ido/CN=$name";

	trust($ca);
	my $got = pgcertsel('select', $conninfo, '--bundle', $bundle,
		'--password-file', $passwords);

	is($got->{status}, 0, "the server trusts $ca->{name}: status 0");
	is($got->{stdout}, "sslcert='$bundle/$name.crt' sslkey='$bundle/$name.key'",
		"and $name is chosen");
	if ($name eq 'client2')
	{
		like($got->{stderr}, qr/needs its password, which is not printed: use "pgcertsel exec"/,
			'a password is not printed, but pointed to');
		unlike($got->{stdout} . $got->{stderr}, qr/'password'/, 'nowhere');
		$got = pgcertsel('select', $conninfo, '--bundle', $bundle,
			'--password-file', $passwords, '--show-password');
		like($got->{stdout}, qr/ sslpassword='password'$/, 'unless asked for');
		is($got->{stderr}, '', 'then without a word');
	}
	is(psql_with($got->{stdout})->{stdout}, $dn, "which logs in as $name");

	$got = pgcertsel('exec', $conninfo, '--bundle', $bundle,
		'--password-file', $passwords, '--', 'psql', '-XAtq', '-c',
		'select client_dn from pg_stat_ssl where pid = pg_backend_pid()');
	is($got->{stdout}, $dn, "exec does, too, for $name");
	is($got->{status}, 0, 'and ends as psql does');
	is($got->{stderr}, '', 'without a word');
}

# --- the lists of the seed ----------------------------------------------

my $certs = "sslcert=$bundle/client1.crt,$bundle/client2.crt";
my $keys = "sslkey=$bundle/client1.key,$bundle/client2.key";
my $got;

trust($ca2);
$got = pgcertsel('exec', "$conninfo $certs $keys sslpassword=,password", '--',
	'psql', '-XAtq', '-c', 'select client_dn from pg_stat_ssl where pid = pg_backend_pid()');
is($got->{stdout}, "$ido/CN=client2", 'comma lists: the second pair with its password');
trust($ca1);
$got = pgcertsel('select', "$conninfo $certs $keys sslpassword=,password");
is($got->{stdout}, "sslcert='$bundle/client1.crt' sslkey='$bundle/client1.key'",
	'the same lists, another server, the first pair');

trust($ca3);
$got = pgcertsel('select', "$conninfo $certs $keys sslpassword=,password");
is($got->{status}, 2, 'no pair fits: status 2');
like($got->{stderr}, qr/\Q$no_fit\E/, 'with the message of the seed');
like($got->{stderr},
	qr{client1\.crt: issuer "CN=rootCA1,\S+" is not the CA that the server names, "CN=rootCA3,},
	'and the reason of each');
is($got->{stdout}, $nothing, 'sending nothing');

$got = pgcertsel('select', "$conninfo $certs $keys sslpassword=,password,");
is($got->{status}, 1, 'three passwords for two keys: status 1');
like($got->{stderr}, qr/could not match 3 sslpassword to 2 sslkey values/,
	'with the message of the seed');
is($got->{stdout}, $nothing, 'sending nothing');
$got = pgcertsel('exec', "$conninfo $certs $keys sslpassword=,password,", '--', 'echo', 'ran');
is($got->{status}, 125, 'exec fails with 125');
is($got->{stdout}, '', 'and does not run the program');

# --- sending nothing, while there is something to send ------------------

my $home = $pki->dir . '/home';
mkdir $home;
mkdir "$home/.postgresql";
copy($leaf{client2}{key}, "$home/.postgresql/other.key");
my $home1 = $pki->leaf('home1', issuer => $ca1, eku => 'clientAuth');
copy($home1->{cert}, "$home/.postgresql/postgresql.crt");
copy($home1->{key}, "$home/.postgresql/postgresql.key");
chmod 0600, "$home/.postgresql/postgresql.key", "$home/.postgresql/other.key";
my %at_home = (env => { CertPolicy::Server::at_home($home) });

$srv->hba('hostssl all all 127.0.0.1/32 trust');
$srv->reload;
if (CertPolicy::Server::libpq_version() < 15)
{
	my %home_alone = (env => { HOME => $home });

	$got = psql_with('', %home_alone);
	is($got->{status}, 0, 'libpq before 15 does not look at HOME') or diag $got->{stderr};
	$got = $srv->client([ $pgcertsel, 'list', $conninfo ], %home_alone);
	unlike($got->{stdout} . $got->{stderr}, qr/\Q$home\E/, 'so pgcertsel does not');
}
$got = psql_with('', %at_home);
isnt($got->{status}, 0, 'libpq alone sends the certificate of the home directory');
like($got->{log}, qr/could not accept SSL connection/, 'and the server throws it out');
$got = $srv->client([ $pgcertsel, 'select', $conninfo ], %at_home);
is($got->{status}, 2, 'pgcertsel finds it there');
like($got->{stderr}, qr{home/\.postgresql/postgresql\.crt: issuer }, 'and says why not');
$got = psql_with($got->{stdout}, %at_home);
is($got->{status}, 0, 'with its fragment, libpq sends nothing and is let in')
  or diag $got->{stderr};
$got = psql_with($nothing, %at_home, env => { %{ $at_home{env} },
		PGSSLCERT => "$home/.postgresql/postgresql.crt" });
is($got->{status}, 0, 'also while PGSSLCERT is set');
$got = $srv->client([ $pgcertsel, 'exec', $conninfo, '--', 'psql', '-XAtqc', 'select 42' ],
	%at_home);
is($got->{status}, 0, 'exec runs the program with nothing');
is($got->{stdout}, '42', 'which is let in');
like($got->{stderr}, qr/\Q$no_fit\E/, 'and the words say so');
$got = $srv->client([ $pgcertsel, 'exec', '--strict', $conninfo, '--', 'echo', 'ran' ],
	%at_home);
is($got->{status}, 125, '--strict does not run it');
is($got->{stdout}, '', 'not at all');

trust($ca1);
$got = $srv->client([ $pgcertsel, 'select', $conninfo ], %at_home);
is($got->{stdout},
	"sslcert='$home/.postgresql/postgresql.crt' sslkey='$home/.postgresql/postgresql.key'",
	'where it fits, the one at home is chosen');
foreach my $format ('env', 'json')
{
	$got = $srv->client([ $pgcertsel, 'select', 'port=1 host=127.0.0.1', '--format', $format ],
		%at_home);
	is($got->{status}, 3, "a failure with --format $format: status 3");
	like($got->{stdout}, qr{/dev/null/none}, 'sends nothing');
}
$srv->hba('hostssl all all 127.0.0.1/32 trust clientcert=verify-ca');
$srv->reload;

# --- certain and doubtful -----------------------------------------------

my $prefer = $conninfo =~ s/require/prefer/r;
$got = pgcertsel('select', $prefer, '--bundle', $bundle);
is($got->{status}, 0, 'sslmode=prefer: status 0');
like($got->{stderr}, qr/warning: the choice is not certain, .* sslmode=prefer may go on without encryption/,
	'with a warning, as names prove nothing');
$got = pgcertsel('select', $prefer, '--bundle', $bundle, '--ca-file', $ca1->{cert});
is($got->{stderr}, '', 'no warning where the CA certificates are known');
$got = pgcertsel('select', $prefer, '--bundle', $bundle, '--confirm');
is($got->{stderr}, '', 'nor where the server has confirmed it');
is($got->{stdout}, "sslcert='$bundle/client1.crt' sslkey='$bundle/client1.key'",
	'and it is the same choice');
unlike($got->{log}, qr/could not accept/, 'an accepted certificate leaves no complaint in the log');

# --- twins --------------------------------------------------------------

my $twin = $pki->root('twin', subject => "$ido/CN=rootCA1");
my $newer = $pki->leaf('newer', issuer => $twin, eku => 'clientAuth', subject => "$ido/CN=client1",
	days => 4000);
my $twins = folder('twins', $leaf{client1}, $newer);

trust($ca1);
$got = pgcertsel('select', $conninfo, '--bundle', $twins);
is($got->{status}, 0, 'two CAs of one name: by name one is chosen');
like($got->{stdout}, qr{/newer\.crt}, '(the wrong one, as it lasts longer)');
$got = pgcertsel('check', $conninfo, '--bundle', $twins);
like($got->{stdout}, qr/^\* doubtful +\S+newer\.crt/m, 'but it is called doubtful');
$got = pgcertsel('select', $conninfo, '--bundle', $twins, '--confirm');
like($got->{stdout}, qr{/client1\.crt}, '--confirm settles it');
like($got->{log}, qr/could not accept SSL connection: certificate verify failed/,
	'at the price of a line in the log');
$got = pgcertsel('select', $conninfo, '--bundle', $twins, '--ca-file', $ca1->{cert});
like($got->{stdout}, qr{/client1\.crt}, 'and the CA certificate settles it');
$got = pgcertsel('check', $conninfo, '--bundle', $twins, '--ca-file', $ca1->{cert});
like($got->{stdout}, qr/^\* certain +\S+client1\.crt/m, 'with certainty');
$got = pgcertsel('check', $conninfo, '--bundle', $twins, '--ca-file', $ca1->{cert}, '--format=json');
like($got->{stdout}, qr/"code": "crl-unknown", "severity": "note"/, 'but for CRLs, which json says by a code');
$got = pgcertsel('check', $conninfo, '--bundle', $twins, '--confirm', '--format=json');
like($got->{stdout}, qr/"verdict": "certain", "sslcert": "[^"]*client1\.crt"(?:(?!"verdict").)*"code": "accepted-by-server", "severity": "note"/s,
	'json: what the server accepted');
like($got->{stdout}, qr/"verdict": "unusable", "sslcert": "[^"]*newer\.crt"(?:(?!"verdict").)*"code": "refused-by-server", "severity": "fatal"/s,
	'json: what it refused');

# --- roles and policies -------------------------------------------------

my $alice = $pki->leaf('alice', issuer => $ca1, eku => 'clientAuth', days => 10);
my $bob = $pki->leaf('bob', issuer => $ca1, eku => 'clientAuth', san => 'URI:spiffe://x/bob');
my $roles = folder('roles', $alice, $bob);

$got = pgcertsel('select', $conninfo, '--bundle', $roles, '-U', 'alice');
like($got->{stdout}, qr{/alice\.crt}, '-U alice: the certificate of alice');
is($got->{stderr}, '', 'without a word');
$got = pgcertsel('check', $conninfo, '--bundle', $roles, '-U', 'alice', '--format=json');
like($got->{stdout}, qr/"sslcert": "[^"]*alice\.crt"(?:(?!"verdict").)*"code": "expires-soon", "severity": "note"/s,
	'json: that it expires soon');
$got = pgcertsel('select', $conninfo, '--bundle', $roles, '-U', 'carol');
is($got->{status}, 0, '-U carol: some certificate');
like($got->{stderr}, qr/warning: "CN=bob" .* and "CN=alice" .* fit equally well/,
	'with a warning');
$got = pgcertsel('select', $conninfo, '--bundle', $roles, '-U', 'carol', '--strict');
is($got->{status}, 4, '--strict: status 4');
is($got->{stdout}, $nothing, 'sending nothing');
$got = pgcertsel('select', $conninfo, '--bundle', $roles, '-U', 'alice', '--policy',
	'san="URI:spiffe://x/%role" or cn=bob');
like($got->{stdout}, qr{/bob\.crt}, 'a policy that only bob meets decides for bob');
$got = pgcertsel('select', $conninfo, '--bundle', $roles, '-U', 'alice', '--policy', 'cn=carol');
is($got->{status}, 2, 'a policy that none meets: status 2');
like($got->{stderr}, qr/alice\.crt: the role's policy refuses it: .*cn.*carol.*alice/,
	'which says why');
$got = pgcertsel('select', $conninfo, '--bundle', $roles, '--policy', 'cm=carol');
is($got->{status}, 1, 'a policy that is none: status 1');
like($got->{stderr}, qr/policy is not valid at position 1/, 'which says where');

# --- names from elsewhere ------------------------------------------------

my $names = write_file($pki->dir . '/names', "\nCN=rootCA3, OU=DEV, O=IDO, L=VAN, ST=BC, C=CA\n");
$got = pgcertsel('select', 'host=127.0.0.1 port=1', '--bundle', $bundle, '--names-file', $names);
like($got->{stdout}, qr{/client3\.crt}, '--names-file needs no server');
$got = pgcertsel('select', 'host=127.0.0.1 port=1', '--bundle', $bundle, '--ca-file', $ca3->{cert});
like($got->{stdout}, qr{/client3\.crt}, 'nor does --ca-file');
$got = pgcertsel('names', '--ca-file', $ca3->{cert});
is($got->{stdout}, 'CN=rootCA3,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA', 'names --ca-file');
$got = pgcertsel('select', '--names-file', $names, '--ca-file', $ca3->{cert});
is($got->{status}, 1, 'both at once: status 1');
$got = pgcertsel('select', '--bundle', $bundle, '--ca-file', "$bundle/client1.key");
is($got->{status}, 1, 'a CA file without certificates: status 1');
like($got->{stderr}, qr/CA file ".*client1\.key" /, 'named');

# --- the missing link -----------------------------------------------------

my $scattered = $pki->dir . '/scattered';
mkdir $scattered;
copy($leaf{client3}{cert}, "$scattered/client3.crt");
copy($leaf{client3}{key}, "$scattered/client3.key");
copy($int->{cert}, "$scattered/int.crt");
chmod 0600, "$scattered/client3.key";
trust($ca3);
$got = pgcertsel('select', $conninfo, '--bundle', $scattered);
is($got->{status}, 2, 'a leaf without its intermediate: status 2');
like($got->{stderr}, qr{needs intermediate "CN=int,\S+", which is in \S*/scattered/int\.crt},
	'which says what would mend it');
my $roots = $pki->concat('roots.crt', $ca3->{cert}, $int->{cert});
$got = pgcertsel('select', "$conninfo sslrootcert=$roots", '--bundle', $scattered);
is($got->{status}, 3, 'another root file: the server is verified with it');
$got = $srv->client([ $pgcertsel, 'select', "$conninfo sslrootcert="
		. $pki->concat('roots1.crt', $ca1->{cert}, $int->{cert}), '--bundle', $scattered ]);
is($got->{status}, 0, 'libpq completes a lone leaf from its root file, so it is chosen');
is(psql_with("$got->{stdout} sslrootcert=" . $pki->dir . '/roots1.crt')->{stdout},
	"$ido/CN=client3", 'and logs in');

# --- formats --------------------------------------------------------------

trust($ca1);
my $odd = $pki->dir . q(/it's a \\ "place"$HOME);
mkdir $odd or die $!;
copy($leaf{client1}{cert}, "$odd/c 1.crt");
copy($leaf{client1}{key}, "$odd/c 1.key");
chmod 0600, "$odd/c 1.key";
$got = pgcertsel('select', $conninfo, '--bundle', $odd);
is(psql_with($got->{stdout})->{stdout}, "$ido/CN=client1",
	'a path with quotes, blanks and a backslash is read back by libpq');
$got = pgcertsel('select', $conninfo, '--bundle', $odd, '--full');
is($srv->client([ 'psql', '-XAtqc',
			'select client_dn from pg_stat_ssl where pid = pg_backend_pid()', '-d', $got->{stdout} ])->{stdout},
	"$ido/CN=client1", '--full needs nothing else');
foreach my $full ('', '--full')
{
	my $connect = $full ? '' : '-d "$1"';

	$got = $srv->client([ 'sh', '-c', <<"SHELL", 'sh', $conninfo, $odd ]);
eval "\$($pgcertsel select "\$1" --bundle "\$2" --format env $full)"
psql -XAtq $connect -c "select client_dn from pg_stat_ssl where pid = pg_backend_pid()"
SHELL
	is($got->{stdout}, "$ido/CN=client1", "--format env $full is read by a shell")
	  or diag $got->{stderr};
}
$got = pgcertsel('select', $conninfo, '--bundle', $odd, '--full', '--format', 'uri');
is($srv->client([ 'psql', '-XAtqc',
			'select client_dn from pg_stat_ssl where pid = pg_backend_pid()', '-d', $got->{stdout} ])->{stdout},
	"$ido/CN=client1", '--format uri is read by libpq');
$got = pgcertsel('select', $conninfo, '--bundle', $odd, '--full', '--format', 'service');
write_file($pki->dir . '/service', $got->{stdout} . "\n");
is($srv->client([ 'psql', '-XAtqc',
			'select client_dn from pg_stat_ssl where pid = pg_backend_pid()', '-d', 'service=pgcertsel' ],
		env => { PGSERVICEFILE => $pki->dir . '/service' })->{stdout},
	"$ido/CN=client1", '--format service is read by libpq');

SKIP:
{
	eval { require JSON::PP; 1 } or skip 'JSON::PP is not there', 4;
	$got = pgcertsel('select', $conninfo, '--bundle', $bundle, '--format', 'json');
	my $json = JSON::PP::decode_json($got->{stdout});

	is($json->{status}, 'found', 'json: status');
	is($json->{sslcert}, "$bundle/client1.crt", 'json: sslcert');
	is(scalar @{ $json->{candidates} }, 3, 'json: every candidate');
	is_deeply([ map { $_->{code} } grep { $_->{severity} eq 'fatal' }
				map { @{ $_->{reasons} } } grep { $_->{subject} =~ /CN=client3/ } @{ $json->{candidates} } ],
		['issuer-not-announced'], 'json: reasons in words for programs');
}

# --- exec -----------------------------------------------------------------

$got = pgcertsel('exec', $conninfo, '--bundle', $bundle, '--', 'sh', '-c', 'exit 7');
is($got->{status}, 7, 'exec ends as its program ends');
$got = pgcertsel('exec', $conninfo, '--bundle', $bundle, '--', 'sh', '-c', 'kill -TERM $$');
is($got->{status}, -15, 'also by a signal');
$got = pgcertsel('exec', $conninfo, '--bundle', $bundle, '--', '/does/not/exist');
is($got->{status}, 127, 'a program that does not exist: 127');
$got = pgcertsel('exec', $conninfo, '--bundle', $bundle, '--', $bundle);
is($got->{status}, 126, 'a program that cannot be run: 126');
$got = pgcertsel('exec', $conninfo, '--bundle', $bundle);
is($got->{status}, 125, 'no program: 125');
$got = pgcertsel('exec', 'host=127.0.0.1 port=1', '--bundle', $bundle, '--', 'echo', 'ran');
is($got->{status}, 125, 'no server: 125');
is($got->{stdout}, '', 'and the program is not run');

# with a password, which no environment variable can carry
trust($ca2);
my @with_password = ('exec', $conninfo, '--bundle', $bundle, '--password-file', $passwords, '--');
my $query = 'select client_dn from pg_stat_ssl where pid = pg_backend_pid()';

$got = pgcertsel(@with_password, 'sh', '-c', 'env; cat /proc/$$/cmdline');
unlike($got->{stdout}, qr/=password\b/, 'exec shows the password in no environment');
$got = pgcertsel(@with_password, 'sh', '-c', 'exit 7');
is($got->{status}, 7, 'through the service file: exec ends as its program ends');
$got = pgcertsel(@with_password, 'sh', '-c', 'kill -KILL $$');
is($got->{status}, -9, 'also by a signal');
$got = pgcertsel(@with_password, '/does/not/exist');
is($got->{status}, 127, 'a program that does not exist: 127');
$got = pgcertsel(@with_password, 'perl', '-e',
	'use POSIX; POSIX::close($_) for 3 .. 200; exit(system(@ARGV) >> 8)', 'psql', '-XAtqc', $query);
is($got->{stdout}, "$ido/CN=client2", 'a child of a child with closed descriptors logs in')
  or diag $got->{stderr};
$got = $srv->client([ 'sh', '-c', '"$@" & pid=$!; for i in $(seq 600); do [ -e "$READY" ] && break; sleep 0.1; done; kill -TERM $pid; wait $pid; echo $?', 'sh',
		$pgcertsel, @with_password, 'sh', '-c', 'trap "echo caught; exit 3" TERM; : >"$READY"; sleep 10 & wait' ],
	env => { READY => $pki->dir . '/ready' });
is($got->{stdout}, "caught\n3", 'a signal is passed on');
$got = $srv->client([ $pgcertsel, 'exec', 'service=two', '--bundle', $bundle, '--password-file', $passwords,
		'--', 'psql', '-XAtqc', $query ],
	env => { PGSERVICEFILE => write_file($pki->dir . '/service2',
			"[two]\nhost=localhost\nhostaddr=127.0.0.1\nport=" . $srv->port
			. "\nuser=postgres\ndbname=postgres\nsslmode=require\nkeepalives_idle=77\n") });
is($got->{stdout}, "$ido/CN=client2", 'a service is resolved and handed over')
  or diag $got->{stderr};
$got = $srv->client([ $pgcertsel, 'exec', '--bundle', $bundle, '--password-file', $passwords,
		'--', 'psql', '-XAtqc', $query ],
	env => { PGSERVICEFILE => $pki->dir . '/service2', PGSERVICE => 'two' });
is($got->{stdout}, "$ido/CN=client2", 'so is PGSERVICE') or diag $got->{stderr};

# --- usage -----------------------------------------------------------------

like(pgcertsel('--version')->{stdout}, qr/^pgcertsel 1\.0 \(libpq \d+\.\d+\)$/, '--version');
like(pgcertsel('--help')->{stdout}, qr/pgcertsel exec +\[CONNINFO\]/, '--help');
like(pgcertsel($_, '--help')->{stdout}, qr/^Usage: pgcertsel $_/, "$_ --help")
  foreach qw(select exec names list check);
is(pgcertsel($_->[0], @{ $_->[1] })->{status}, 1, "usage: $_->[2]")
  foreach ([ 'select', ['--format=xml'], 'a format that does not exist' ],
	[ 'select', ['--timeout=0'], 'a timeout that is none' ],
	[ 'select', [ 'a=b', 'c=d' ], 'two conninfos' ],
	[ 'choose', [], 'a command that does not exist' ],
	[ 'select', ['--no-such-option'], 'an option that does not exist' ],
	[ 'list', [ '--bundle', $bundle, '--format=json' ], 'a format of list' ],
	[ 'names', [ '--ca-file', $ca1->{cert}, '--format=json' ], 'a format of names' ],
	[ 'check', [ '--ca-file', $ca1->{cert}, '--bundle', $bundle, '--format=env' ], 'a format that check does not have' ],
	map { [ $_, [ '--ca-file', $ca1->{cert}, '--bundle', $bundle, '--', 'true' ], "$_ with a program" ] } qw(select names list check));

$srv->stop;
done_testing();
