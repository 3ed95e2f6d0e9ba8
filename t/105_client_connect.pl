# pgcs_connect: hosts that trust different CAs, each of which gets its own
# certificate, in libpq's order; with and without blocking; and the cache of what
# servers ask for.  Not pg_regress: several servers, stopped and reconfigured.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use IO::Socket::INET;
use IPC::Run ();
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my ($tool) = grep { -x $_ } $ENV{PGCERTSEL_CONNECT} || (),
  dirname($pgcertsel) . '/build/test/connect_tool',
  "$FindBin::RealBin/../client/build/test/connect_tool";

plan skip_all => 'connect_tool is not built (make -C client)' unless $tool;

my $pki = CertPolicy::PKI->new;
my $ca1 = $pki->root('ca1');
my $ca2 = $pki->root('ca2');
my $ca3 = $pki->root('ca3');
my $bundle = $pki->dir . '/bundle';
my %leaf = map { $_->{name} => $_ } (
	$pki->leaf('one', issuer => $ca1, eku => 'clientAuth'),
	$pki->leaf('two', issuer => $ca2, eku => 'clientAuth'));

mkdir $bundle or die $!;
put($_) foreach values %leaf;

sub put
{
	my ($leaf, $name) = @_;

	$name //= $leaf->{name};
	copy($leaf->{cert}, "$bundle/$name.crt") or die $!;
	copy($leaf->{key}, "$bundle/$name.key.new") or die $!;
	chmod 0600, "$bundle/$name.key.new" or die $!;
	rename "$bundle/$name.key.new", "$bundle/$name.key" or die $!;
	return;
}

sub server
{
	my ($name, $ca, %opt) = @_;

	return CertPolicy::Server->new($name, pki => $pki, preload => 0,
		ca_file => $ca->{cert}, server_cert => $pki->server($ca3),
		hba => ['hostssl all all 127.0.0.1/32 trust clientcert=verify-ca',
			'hostnossl all all 127.0.0.1/32 reject'], %opt);
}

my $a = server('a', $ca1);
my $b = server('b', $ca2);
my ($pa, $pb) = ($a->port, $b->port);

# From 14 on libpq says which server it was, and knows more kinds of sessions.
my $libpq = CertPolicy::Server::libpq_version();
my $at_pa = $libpq < 14 ? '' : ".*port $pa failed: ";

sub conninfo
{
	my (@ports) = @_;

	return 'host=' . join(',', ('127.0.0.1') x @ports) . ' port=' . join(',', @ports)
	  . ' user=postgres dbname=postgres sslmode=require';
}

sub tool
{
	my (@args) = @_;

	return $b->client([ $tool, @args ]);
}

sub free_port
{
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
	my $port = $socket->sockport;

	close $socket;
	return $port;
}

foreach my $way ([], ['--poll'], ['--no-bundle'])
{
	my $how = "@$way" || 'blocking';

	# --- one host ---------------------------------------------------------------

	is(tool(@$way, $bundle, conninfo($pa))->{stdout}, "$pa /CN=one", "$how: the first server");
	is(tool(@$way, $bundle, conninfo($pb))->{stdout}, "$pb /CN=two", "$how: the second server");
	is(tool(@$way, '--reset', $bundle, conninfo($pb))->{stdout}, "$pb /CN=two\n$pb /CN=two",
		"$how: PQreset keeps host and certificate");
	like(tool(@$way, $bundle, conninfo(free_port()))->{stdout}, qr/^error: .*refused/,
		"$how: nobody there");
	like(tool(@$way, $bundle, conninfo($pa) . ' sslmode=verify-ca sslrootcert=' . $ca1->{cert})->{stdout},
		qr/^error: .*certificate verify failed/, "$how: a server that is not what it should be");
	like(tool(@$way, $bundle, conninfo($pa) . ' dbname=missing')->{stdout},
		qr/^error: .*database "missing" does not exist/, "$how: libpq's own errors");
	like(tool(@$way, $bundle, conninfo($pa) . ' sslmode=disable')->{stdout},
		qr/^error: .*pg_hba\.conf rejects/, "$how: other parameters pass through untouched");

	# --- several hosts ------------------------------------------------------------

	is(tool(@$way, $bundle, conninfo($pa, $pb))->{stdout}, "$pa /CN=one", "$how: the first of two");
	is(tool(@$way, $bundle, conninfo($pb, $pa))->{stdout}, "$pb /CN=two", "$how: in the order given");
	is(tool(@$way, $bundle, conninfo(free_port(), $pb))->{stdout}, "$pb /CN=two",
		"$how: past one that is down");
	like(tool(@$way, $bundle, conninfo($pa, $pb) . ' dbname=missing')->{stdout},
		qr/^error: ${at_pa}FATAL:  database "missing" does not exist$/,
		"$how: a failed login ends it, as in libpq");
	like(tool(@$way, $bundle, conninfo($pa, $pb) . ' sslmode=verify-ca sslrootcert=' . $ca1->{cert})->{stdout},
		qr/^error: ${at_pa}SSL error: certificate verify failed$/,
		"$how: so does a server that is not what it should be");

	# --- sessions of a kind -----------------------------------------------------------

	$a->conf("default_transaction_read_only = on\n");
	$a->reload;
	is(tool(@$way, $bundle, conninfo($pa, $pb) . ' target_session_attrs=read-write')->{stdout},
		"$pb /CN=two", "$how: read-write is the second, with its own certificate");
	if ($libpq >= 14)
	{
		is(tool(@$way, $bundle, conninfo($pb, $pa) . ' target_session_attrs=read-only')->{stdout},
			"$pa /CN=one", "$how: read-only is the other");
		is(tool(@$way, $bundle, conninfo($pb, $pa) . ' target_session_attrs=prefer-standby')->{stdout},
			"$pb /CN=two", "$how: prefer-standby without one: the first after all");
		like(tool(@$way, $bundle, conninfo($pa) . ' target_session_attrs=standby')->{stdout},
			qr/^error: .*server is not in hot standby mode/, "$how: none of the kind");
	}
	else
	{
		like(tool(@$way, $bundle, conninfo($pb, $pa) . ' target_session_attrs=read-only')->{stdout},
			qr/^error: invalid target_session_attrs value: "read-only"/, "$how: libpq does not know read-only");
	}
	$a->conf("default_transaction_read_only = off\n");
	$a->reload;
}

# --- nobody answers -------------------------------------------------------------------

my $silent = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
foreach my $way ([], ['--poll'])
{
	my $start = time;

	is(tool(@$way, $bundle, conninfo($silent->sockport, $pb) . ' connect_timeout=2')->{stdout},
		"$pb /CN=two", 'a host that never answers is given up');
	cmp_ok(time - $start, '<', 8, 'in time');
}

# --- nothing to send ---------------------------------------------------------------------

$a->conf("ssl_ca_file = '$ca3->{cert}'\n");
$a->reload;
like(tool($bundle, conninfo($pa))->{stdout}, qr/^error: .*requires a valid client certificate/,
	'no certificate fits: none is sent');
like(tool('--strict', $bundle, conninfo($pa))->{stdout},
	qr/^error: Server requests a client certificate but no suitable certificate is found/,
	'strict: not even tried');
$a->conf("ssl_ca_file = '$ca1->{cert}'\n");
$a->reload;

my $home = $pki->dir . '/home';
my $strange = $pki->leaf('strange', issuer => $ca3, eku => 'clientAuth');
mkdir $home or die $!;
mkdir "$home/.postgresql" or die $!;
copy($strange->{cert}, "$home/.postgresql/postgresql.crt") or die $!;
copy($strange->{key}, "$home/.postgresql/postgresql.key") or die $!;
chmod 0600, "$home/.postgresql/postgresql.key" or die $!;
my $empty = $pki->dir . '/empty';
mkdir $empty or die $!;
my %at_home = (env => { CertPolicy::Server::at_home($home) });

$a->hba('host all all 127.0.0.1/32 trust');
$a->reload;
like($a->client([ 'psql', '-XAtqd', conninfo($pa), '-c', 'select 1' ], %at_home)->{log}, qr/could not accept SSL connection/,
	'what is at home is refused, and libpq alone sends it');
my @ways = map { my $way = $_; map { [ @$way, @$_ ] } [], ['--strict'] } [], ['--poll'], ['--no-bundle'];
foreach my $way (@ways)
{
	my $how = join ' ', 'connect', @$way;
	my $got = $a->client([ $tool, @$way, $empty, conninfo($pa) ], %at_home);

	if ("@$way" =~ /strict/)
	{
		like($got->{stdout}, qr/^error: .*no suitable certificate/, "$how: nothing but at home: not even tried");
	}
	else
	{
		is($got->{stdout}, "$pa none", "$how: what is at home is not sent");
	}
}

$a->conf("ssl_ca_file = ''\n");
$a->reload;
foreach my $way (@ways)
{
	my $how = join ' ', 'connect', @$way;

	is($a->client([ $tool, @$way, $bundle, conninfo($pa) ], %at_home)->{stdout}, "$pa none",
		"$how: a server without ssl_ca_file gets none");
}

$a->conf("ssl = off\n");
$a->reload;
foreach my $way (@ways)
{
	my $how = join ' ', 'connect', @$way;

	is($a->client([ $tool, @$way, $bundle, conninfo($pa) =~ s/require/prefer/r ], %at_home)->{stdout}, "$pa none",
		"$how: a server without TLS is connected to without");
	like($a->client([ $tool, @$way, $bundle, conninfo($pa) ], %at_home)->{stdout},
		qr/^error: .*server does not support SSL, but SSL was required/, "$how: unless that is asked for");
}
is(tool($bundle, conninfo($pa, $pb) =~ s/require/prefer/r)->{stdout}, "$pa none", 'and it counts as reached, as in libpq');
$a->conf("ssl = on\nssl_ca_file = '$ca1->{cert}'\n");
$a->hba('hostssl all all 127.0.0.1/32 trust clientcert=verify-ca', 'hostnossl all all 127.0.0.1/32 reject');
$a->reload;

# --- the cache ------------------------------------------------------------------------------

sub connections
{
	my ($log) = @_;

	return scalar(() = $log =~ /connection received/g);
}

my $got = $a->client([ $tool, '--repeat', 5, $bundle, conninfo($pa) ]);
is(connections($got->{log}), 10, 'without a cache: a probe for each connection');
$got = $a->client([ $tool, '--cache', '--repeat', 5, $bundle, conninfo($pa) ]);
is(connections($got->{log}), 6, 'with it: one probe');
is($got->{stdout}, join("\n", ("$pa /CN=one") x 5), 'for all of them');
$got = $a->client([ $tool, '--cache', '--threads', 8, '--repeat', 5, $bundle, conninfo($pa) ]);
is($got->{stdout}, join("\n", ("$pa /CN=one") x 40), 'shared by threads');
is($got->{stderr}, '', 'without a word of a sanitizer, if there is one');
is($got->{status}, 0, 'to the end');
cmp_ok(connections($got->{log}), '<=', 48, 'a probe for each thread at most');

SKIP:
{
	my $watched = dirname($tool) =~ s{/build/test$}{/build-threads/test}r . '/connect_tool';

	skip 'connect_tool is not built for ThreadSanitizer (make -C client check-threads)', 2 unless -x $watched;
	my @unshuffled = system('setarch -R true 2>/dev/null') == 0 ? ('setarch', '-R') : ();

	$got = $a->client([ @unshuffled, $watched, '--cache', '--threads', 8, '--repeat', 5, $bundle, conninfo($pa) ],
		timeout => 180);
	is($got->{stdout}, join("\n", ("$pa /CN=one") x 40), 'and once more under ThreadSanitizer');
	unlike($got->{stderr}, qr/ThreadSanitizer/, 'which finds no race') or diag $got->{stderr};
}

# The server's CAs change under a cached answer.
{
	my ($in, $out, $err) = ('', '', '');
	local $ENV{CONNECT_TOOL_WAIT} = 1;
	my $harness = IPC::Run::start([ $tool, '--cache', '--repeat', 3, $bundle, conninfo($pa) ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));

	$harness->pump until $out =~ /\n/;
	$a->conf("ssl_ca_file = '$ca2->{cert}'\n");
	$a->reload;
	$in .= 'x';
	$harness->pump until $out =~ /\n.*\n/;
	put($leaf{two}, 'one');    # and the files under the bundle
	$in .= 'xx';
	$harness->finish;
	is($out, "$pa /CN=one\n$pa /CN=two\n$pa /CN=two\n",
		'a server whose CAs changed is asked again, and rotated files are read again');
}

# What is read for one host is what matters for that one only.
foreach my $way ([], ['--no-bundle'])
{
	my ($in, $out, $err) = ('', '', '');
	local $ENV{CONNECT_TOOL_WAIT} = 1;

	$a->conf("ssl_ca_file = '$ca1->{cert}'\ndefault_transaction_read_only = on\n");
	$a->reload;
	put($leaf{$_}) foreach qw(one two);
	my $harness = IPC::Run::start(
		[ $tool, @$way, '--repeat', 2, $bundle, conninfo($pa, $pb) . ' target_session_attrs=read-write' ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));

	$harness->pump until $out =~ /\n/;
	put($leaf{two}, 'one');
	put($leaf{one}, 'two');
	$in .= 'xx';
	$harness->finish;
	is($out, "$pb /CN=two\n$pb /CN=two\n",
		"the files are read again for the second host, too: @$way");
}

$a->stop;
$b->stop;
done_testing();
