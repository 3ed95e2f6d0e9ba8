# pgcs_connect among hosts as they are in a cluster: a primary and its standby
# with CAs of their own under every target_session_attrs, a server that starts up,
# names with several addresses, load_balance_hosts; nothing blocks; what the caller
# asks for besides arrives; and certificates that are replaced while it works.
# t/105 has the simple cases.  Not pg_regress: several servers, a standby, and files
# that change.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(compile folder run run_with test_program write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use IO::Socket::INET;
use IPC::Run ();
use Test::More;
use Time::HiRes qw(time usleep);

my $tool = test_program('connect_tool');

plan skip_all => 'connect_tool is not built (make -C client)' unless $tool;

my $pki = CertPolicy::PKI->new;
my ($ca1, $ca2, $ca3) = map { $pki->root("ca$_") } 1 .. 3;
my $one = $pki->leaf('one', issuer => $ca1, eku => 'clientAuth');
my $two = $pki->leaf('two', issuer => $ca2, eku => 'clientAuth');
my $bundle = folder($pki->dir . '/bundle', $one, $two);
my $server_cert = $pki->leaf('server', issuer => $ca3, subject => '/CN=localhost', eku => 'serverAuth',
	san => 'DNS:localhost,DNS:two.test,IP:127.0.0.1');
my @hba = ('hostssl all all all trust clientcert=verify-ca', 'hostnossl all all all reject');
my $libpq = run(compile("$FindBin::RealBin/lib/readback.c", $pki->dir . '/readback'), 'version')->{stdout};
my $primary = CertPolicy::Server->new('primary', pki => $pki, preload => 0, ca_file => $ca1->{cert},
	server_cert => $server_cert, hba => \@hba, init => { allows_streaming => 1 });
my $pa = $primary->port;

sub conninfo
{
	my ($ports, @more) = @_;

	return join ' ', 'host=' . join(',', ('127.0.0.1') x @$ports), 'port=' . join(',', @$ports),
	  'user=postgres dbname=postgres sslmode=require', @more;
}

sub tool
{
	my (@args) = @_;

	return run($tool, @args);
}

# --- a primary and its standby -----------------------------------------------------

$primary->node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary->node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "ssl_ca_file = '$ca2->{cert}'\n");
$standby->start;
my $pb = $standby->port;
my $at_a = "$pa /CN=one";
my $at_b = "$pb /CN=two";

SKIP:
{
	# before 14 libpq knows any and read-write only
	my @cases = ([ 'any', $at_b, $at_a ], [ 'read-write', $at_a, $at_a ]);

	push @cases, [ 'read-only', $at_b, $at_b ], [ 'primary', $at_a, $at_a ], [ 'standby', $at_b, $at_b ],
	  [ 'prefer-standby', $at_b, $at_b ]
	  if $libpq >= 140000;
	foreach my $case (@cases)
	{
		my ($attrs, $b_first, $a_first) = @$case;

		foreach my $way ([], ['--poll'])
		{
			is(tool(@$way, $bundle, conninfo([ $pb, $pa ], "target_session_attrs=$attrs"))->{stdout}, $b_first,
				"$attrs, the standby first: who is asked for, with its own certificate (@$way)");
			is(tool(@$way, $bundle, conninfo([ $pa, $pb ], "target_session_attrs=$attrs"))->{stdout}, $a_first,
				"$attrs, the primary first (@$way)");
		}
	}
}

# --- a server that does not serve yet ------------------------------------------------

# in recovery without hot standby it says "cannot connect now", 57P03
$standby->append_conf('postgresql.conf', "hot_standby = off\n");
$standby->restart(fail_ok => 1);
foreach my $way ([], ['--poll'], ['--cache', '--repeat', 2])
{
	my $want = $way->[0] && $way->[0] eq '--cache' ? "$at_a\n$at_a" : $at_a;
	my $got = tool(@$way, $bundle, conninfo([ $pb, $pa ]));

	is($got->{stdout}, $want, "a host that cannot be connected to now: the next (@$way)") or diag $got->{stderr};
}
like(tool($bundle, conninfo([$pb]))->{stdout},
	qr/^error: .*FATAL:  the database system is (?:not accepting connections|not yet accepting connections|starting up)/,
	'and as the only one: its words');
like(tool($bundle, conninfo([ $pb, 1 ]))->{stdout}, qr/^error: [^\n]*FATAL:  the database system is [^;]*(?:; DETAIL:  [^;]*)?; [^\n]*refused/,
	'or as the first of two, the words of both, none of them verbose');
unlike(tool($bundle, conninfo([ $pb, 1 ]))->{stdout}, qr/57P03|postmaster\.c|LOCATION/, 'without where in the source it was');
like(tool($bundle, conninfo([ $pa, $pb ], 'dbname=missing'))->{stdout}, qr/^error: [^\n]*FATAL:  database "missing" does not exist$/,
	'another refusal ends it, in plain words');
$standby->stop;

# --- load_balance_hosts ----------------------------------------------------------------

my $other = CertPolicy::Server->new('other', pki => $pki, preload => 0, ca_file => $ca2->{cert},
	server_cert => $server_cert, hba => \@hba);
my $po = $other->port;

SKIP:
{
	skip 'load_balance_hosts needs libpq 16', 3 if $libpq < 160000;
	my %seen;

	$seen{$_}++ foreach split /\n/, tool('--cache', '--repeat', 30, $bundle, conninfo([ $pa, $po ], 'load_balance_hosts=random'))->{stdout};
	is_deeply([ sort keys %seen ], [ sort $at_a, "$po /CN=two" ], 'random: both have their turn, each with its own certificate');
	%seen = ();
	$seen{$_}++ foreach split /\n/, tool('--cache', '--repeat', 10, $bundle, conninfo([ $pa, $po ], 'load_balance_hosts=disable'))->{stdout};
	is_deeply(\%seen, { $at_a => 10 }, 'disable: always the first');
	is(tool($bundle, conninfo([ 1, $po ], 'load_balance_hosts=random'))->{stdout}, "$po /CN=two", 'random, and one is down');
}

# --- a Unix socket behind a host that was remembered ------------------------------------------

{
	my ($in, $out) = ('', '');
	local $ENV{CONNECT_TOOL_WAIT} = 1;
	my $info = join ' ', 'host=127.0.0.1,' . $primary->node->host, "port=$po,$pa",
	  'user=postgres dbname=postgres sslmode=prefer';
	my $harness = IPC::Run::start([ $tool, '--cache', '--repeat', 2, $bundle, $info ],
		'<', \$in, '>', \$out, '2>', '/dev/null', IPC::Run::timeout(60));

	$harness->pump until $out =~ /\n/;
	is($out, "$po /CN=two\n", 'a host, whose answer is remembered');
	$other->node->stop;
	$in .= 'xx';
	$harness->finish;
	is($out, "$po /CN=two\n$pa none\n", 'and when nobody listens there any more, the socket behind it');
	$other->node->start;
}

# --- names with several addresses ---------------------------------------------------------

# A hosts file of our own, in a namespace that sees no other.
my $hosts = write_file($pki->dir . '/hosts', "::1 two.test\n127.0.0.1 two.test\n127.0.0.1 localhost\n", 0644);
my @inside = ('unshare', '-Urm', 'sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', $hosts);

SKIP:
{
	my $can = run(@inside, 'getent', 'ahosts', 'two.test');

	skip 'no namespace, or no IPv6, to have a name with two addresses in', 3
	  unless $can->{ok} && $can->{stdout} =~ /^::1/m && $can->{stdout} =~ /^127/m;
	my $info = conninfo([$pa], 'host=two.test sslmode=verify-full', "sslrootcert=$ca3->{cert}");

	is(run(@inside, $tool, $bundle, $info)->{stdout}, $at_a, 'nobody listens at one of two addresses: the other');
	is(run(@inside, $tool, '--poll', $bundle, $info)->{stdout}, $at_a, 'without blocking');
	is(run(@inside, $ENV{PGCERTSEL} || 'pgcertsel', 'names', $info)->{stdout}, 'CN=ca1', 'and for a probe alone');
}
# Two servers behind one name, each with CAs of its own.
write_file($hosts, "127.0.0.1 two.test\n127.0.0.2 two.test\n127.0.0.1 localhost\n", 0644);
SKIP:
{
	skip 'no namespace to have a name with two addresses in', 4
	  unless run(@inside, 'getent', 'ahosts', 'two.test')->{stdout} =~ /^127\.0\.0\.1 .*^127\.0\.0\.2 /ms;
	my $far = CertPolicy::Server->new('far', pki => $pki, preload => 0, ca_file => $ca1->{cert},
		server_cert => $server_cert, hba => \@hba);
	my $mark = $far->log_mark;
	my $info = conninfo([$po], 'host=two.test sslmode=verify-full', "sslrootcert=$ca3->{cert}");
	my ($in, $out) = ('', '');

	# the sockets of both would have one name
	$far->node->append_conf('postgresql.conf',
		"listen_addresses = '127.0.0.2'\nport = $po\nunix_socket_directories = ''\n");
	$far->node->stop;
	$far->node->start;
	local $ENV{CONNECT_TOOL_WAIT} = 1;
	my $harness = IPC::Run::start([ @inside, $tool, '--cache', '--repeat', 2, $bundle, $info ],
		'<', \$in, '>', \$out, '2>', '/dev/null', IPC::Run::timeout(60));

	$harness->pump until $out =~ /\n/;
	is($out, "$po /CN=two\n", 'the first address of a name');
	$other->node->stop;
	$in .= 'xx';
	$harness->finish;
	like($out, qr{\n$po /CN=one\n$}, 'and when nobody listens there any more, the second');
	$other->node->start;
	unlike($far->log_since($mark), qr/could not accept SSL connection/, 'who never sees the certificate for the first');

	if ($libpq < 160000)
	{
		$far->node->stop;
		skip 'load_balance_hosts needs libpq 16', 1;
	}
	delete $ENV{CONNECT_TOOL_WAIT};
	my %seen;
	$seen{$_}++ foreach split /\n/, run(@inside, $tool, '--cache', '--repeat', 30, $bundle, "$info load_balance_hosts=random")->{stdout};
	is_deeply([ sort keys %seen ], [ "$po /CN=one", "$po /CN=two" ], 'random: each of them gets its own');
	$far->node->stop;
}
is(tool($bundle, conninfo([ $pa, $po ], "hostaddr=127.0.0.2,127.0.0.1"))->{stdout}, "$po /CN=two",
	'hostaddr decides: nobody listens at the first');

# --- what else the caller asks for ------------------------------------------------------------

my $asked = q{select concat_ws('|', current_setting('application_name'), current_setting('work_mem'), current_setting('client_encoding'))};
foreach my $way ([], ['--poll'])
{
	is(tool(@$way, '--reset', '--query', $asked, $bundle,
			conninfo([ 1, $pa ], q{application_name='it\\'s \\\\ "mine" %' options='-c work_mem=7MB' client_encoding=LATIN1 keepalives_idle=7}))->{stdout},
		join("\n", ('it\'s \\ "mine" %|7MB|LATIN1') x 2), "other parameters arrive untouched, also after PQreset (@$way)");
}

# --- nothing blocks -------------------------------------------------------------------------------

my $silent = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1') or die $!;
my $got = tool('--poll', '--longest', $bundle, conninfo([ $silent->sockport, $pa ], 'connect_timeout=3'));
my ($longest) = $got->{stdout} =~ /^longest (\d+)$/m;

like($got->{stdout}, qr/^\Q$at_a\E$/m, 'past a host that never answers, by polling');
cmp_ok($longest // 9999, '<', 1500, "while no call lasted ($longest ms) as it waited (3000 ms)");

# --- files that are replaced --------------------------------------------------------------------------

# Nothing in the bundle fits, as it was loaded; then it does.
my $later = folder($pki->dir . '/later', $two);
{
	my ($in, $out) = ('', '');
	local $ENV{CONNECT_TOOL_WAIT} = 1;
	my $harness = IPC::Run::start([ $tool, '--cache', '--repeat', 2, $later, conninfo([$pa]) ],
		'<', \$in, '>', \$out, '2>', '/dev/null', IPC::Run::timeout(60));

	$harness->pump until $out =~ /\n/;
	copy($one->{cert}, "$later/one.crt") or die $!;
	write_file("$later/one.key", CertPolicy::Client::slurp($one->{key}));
	$in .= 'xx';
	$harness->finish;
	like($out, qr/^error: [^\n]*requires a valid client certificate[^\n]*\n\Q$at_a\E\n$/,
		'a certificate that came after the bundle was loaded is found before nothing is sent');
}

# A mounted secret, whose link is swapped all the time: old and new are both right
# for the server, but no certificate goes with the other's key.  Who reads the one
# before and the other behind a swap has to read again; a few may meet one each time.
my $renewed = $pki->leaf('renewed', issuer => $ca1, eku => 'clientAuth');
my $mount = $pki->dir . '/mount';
mkdir $mount or die $!;
foreach my $leaf ($one, $renewed)
{
	mkdir "$mount/..$leaf->{name}" or die $!;
	# a long text, so that libpq takes its time between certificate and key
	write_file("$mount/..$leaf->{name}/tls.crt", "words\n" x 20000 . CertPolicy::Client::slurp($leaf->{cert}));
	write_file("$mount/..$leaf->{name}/tls.key", CertPolicy::Client::slurp($leaf->{key}));
}
symlink '..one', "$mount/..data" or die $!;
symlink "..data/$_", "$mount/$_" or die $! foreach qw(tls.crt tls.key);
my $rotator = fork() // die $!;
if ($rotator == 0)
{
	for (my $i = 0; $i < 1e7; $i++)
	{
		symlink $i % 2 ? '..one' : '..renewed', "$mount/..new" and rename "$mount/..new", "$mount/..data";
		usleep(100000);
	}
	POSIX::_exit(0);
}
$got = $primary->client([ $tool, '--cache', '--repeat', 100, $mount, conninfo([$pa]) ], timeout => 240);
kill 'KILL', $rotator;
waitpid $rotator, 0;
my @lines = split /\n/, $got->{stdout};
my %came = map { $_ => 1 } grep { !/^error/ } @lines;
my @errors = grep { /^error/ } @lines;

is(scalar(@lines), 100, 'a hundred connections while a secret is rotated');
is_deeply([ sort keys %came ], [ $at_a, "$pa /CN=renewed" ], 'old and new both get in');
my @in_between = grep { !/requires a valid client certificate/ } @errors;

is("@in_between", '', 'where libpq, which reads the files last, met what does not go together, they are chosen anew');
cmp_ok(@errors - @in_between, '<=', 3, 'and hardly ever is nothing sent because what was read did not');
note(scalar(@errors), ' of 100 met the swap');
unlike($got->{log}, qr/signature|decrypt error|bad certificate|verify failed/, 'and no certificate came with another\'s key');

$other->stop;
$primary->stop;
done_testing();
