# Logins that end badly: killed in the middle, too slow, after a reload with a
# broken CA file, after a restart with other sizes, with more certificates than
# there is room for.  Everybody else logs in as before, by the same policies, and
# no slot of the session table is lost.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use IO::Socket::INET;
use IPC::Run ();
use POSIX qw(strftime);
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my %cert = map { $_ => $pki->leaf($_, issuer => $ca, eku => 'clientAuth') } qw(alice bob);
my $trusted = $pki->dir . '/trusted.crt';
write_file($trusted, slurp($ca->{cert}));

# Few connections, so that a slot that is lost would soon be missed.
my $max = 14;
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $trusted,
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ],
	conf => <<"CONF");
max_connections = $max
superuser_reserved_connections = 3
max_wal_senders = 0
restart_after_crash = on
pg_cert_policy.exempt_roles = 'postgres'
pg_cert_policy.session_bytes = 2048
CONF

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role bob login;
security label for pg_cert_policy on role alice is 'cn=%role';
SQL
my $started = $srv->sql('select pg_postmaster_start_time()');

# As before: by the same policies, and with a slot for everybody.
sub as_before
{
	my ($what, $slots) = @_;
	my $mark = $srv->log_mark;

	is($srv->login(user => 'alice', cert => $cert{alice})->{status}, 0, "$what: the right certificate");
	like($srv->login(user => 'alice', cert => $cert{bob})->{log},
		qr/ 28000 .*FATAL:  certificate policy rejects login as role "alice"\n.*DETAIL:  Policy of role "alice": cn: required "alice", found "bob"\./,
		"$what: another");
	is($srv->login(user => 'bob', tls => 0)->{status}, 0, "$what: a role without a policy");

	my $many = ($slots // $max) - 3;
	my @all = map { CertPolicy::Session->new($srv, user => 'alice', cert => $cert{alice}) } 1 .. $many;
	is($srv->sql(q{select count(*) from pg_cert_sessions where role = 'alice' and accepted_now}), $many, "$what: a slot for each session");
	$_->close foreach @all;
	is($srv->sessions_become(0), 0, "$what: none is left");
	unlike($srv->log_since($mark), qr/no slot is left/, "$what: none is missing");
	return;
}

# Begins a login that waits between two of its policies, and returns it with the
# pid of its process.
sub begin_stuck_login
{
	my ($blocker) = @_;
	my %login = (in => "select 'in';\n", out => '', err => '');

	$blocker->query('begin');
	$blocker->query('lock table pg_auth_members in access exclusive mode');
	$login{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $srv->conninfo(user => 'alice', cert => $cert{alice}) ],
		'<', \$login{in}, '>', \$login{out}, '2>', \$login{err}, IPC::Run::timeout(120));
	for (1 .. 60 * 20)
	{
		$login{pid} = $blocker->query(q{select pid from pg_locks where relation = 'pg_auth_members'::regclass and not granted});
		last if $login{pid} ne '';
		select undef, undef, undef, 0.05;
	}
	return \%login;
}

as_before('at first');

subtest 'killed while its policies are read' => sub {
	my $mark = $srv->log_mark;
	my $blocker = CertPolicy::Session->new($srv, tls => 0);
	my $login = begin_stuck_login($blocker);

	is($blocker->query("select count(*) from pg_cert_sessions where pid = $login->{pid}"), 1, 'it has a slot already');
	kill 'KILL', $login->{pid} or die "could not kill $login->{pid}: $!";
	my $log = $srv->wait_for_log(qr/all server processes terminated; reinitializing(?:.*\n)+?.*database system is ready to accept connections/, $mark);
	like($log, qr/LOG:  (?:server process|client backend) \(PID $login->{pid}\) was terminated by signal 9: Killed/, 'the log has its end');
	eval { $login->{run}->finish };
	unlike($login->{out}, qr/in/, 'it was not let in');
	$blocker->wait_for_end;
	$srv->node->poll_query_until('postgres', 'select true') or die 'the server did not come back';
	is($srv->sql('select pg_postmaster_start_time()'), $started, 'the same postmaster goes on');
	$srv->node->poll_query_until('postgres', q{select count(*) = 1 from pg_stat_activity where backend_type = 'pg_cert_policy watchdog'})
	  or die 'no watchdog';
	as_before('afterwards');
};

subtest 'killed in the handshake' => sub {
	my $mark = $srv->log_mark;
	my $client = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . $srv->port) or die "$!";
	$client->syswrite(pack 'NN', 8, 80877103);
	$client->sysread(my $answer, 1) or die 'no answer';
	is($answer, 'S', 'it is in TLS');
	my ($pid) = $srv->wait_for_log(qr/\[(\d+)\] .*connection received/, $mark) =~ /\[(\d+)\] .*connection received/;
	kill 'KILL', $pid or die "could not kill $pid: $!";
	$srv->wait_for_log(qr/\(PID $pid\) was terminated by signal 9: Killed(?:.*\n)+?.*database system is ready to accept connections/, $mark);
	$srv->node->poll_query_until('postgres', 'select true') or die 'the server did not come back';
	as_before('afterwards');
};

subtest 'authentication_timeout' => sub {
	$srv->conf("authentication_timeout = 5s\n");
	$srv->reload;
	my $blocker = CertPolicy::Session->new($srv, tls => 0);
	foreach my $round (1, 2)
	{
		my $mark = $srv->log_mark;
		my $login = begin_stuck_login($blocker);
		eval { $login->{run}->finish };
		# PostgreSQL tells the log and not the client
		like($srv->wait_for_log(qr/FATAL/, $mark), qr/\[$login->{pid}\] 57014 .*FATAL:  canceling authentication due to timeout/, 'it ends');
		unlike($login->{out}, qr/in/, 'it was not let in');
		is($srv->sessions_become(0, "pid = $login->{pid}"), 0, 'its slot is free');
		$blocker->query('rollback');
	}
	$blocker->close;
	# a busy machine may take longer for an honest login
	$srv->conf("authentication_timeout = 60s\n");
	$srv->reload;
	as_before('afterwards');
};

subtest 'whose client goes away' => sub {
	my $mark = $srv->log_mark;
	my $blocker = CertPolicy::Session->new($srv, tls => 0);
	my $login = begin_stuck_login($blocker);
	$login->{run}->kill_kill;
	$blocker->query('commit');
	$blocker->close;
	$srv->node->poll_query_until('postgres', "select count(*) = 0 from pg_stat_activity where pid = $login->{pid}") or die 'it is still there';
	unlike($srv->log_since($mark), qr/terminated by signal|PANIC/, 'nothing crashes');
	as_before('afterwards');
};

# The file that is loaded stays: a reload that fails changes nothing.
subtest 'a broken CA file at reload' => sub {
	my $other = $pki->root('other');
	foreach my $case (
		[ 'empty', '', qr/could not load root certificate file "\Q$trusted\E": / ],
		[ 'noise', 'noise' x 1000, qr/could not load root certificate file "\Q$trusted\E": / ],
		[ 'cut off', substr(slurp($ca->{cert}), 0, 200), qr/could not load root certificate file "\Q$trusted\E": / ],
		[ 'gone', undef, qr/could not load root certificate file "\Q$trusted\E": / ])
	{
		my ($what, $bytes, $words) = @$case;

		defined $bytes ? write_file($trusted, $bytes) : unlink $trusted;
		my $log = $srv->reload;
		like($log, $words, "$what: the server says so");
		like($log, qr/LOG:  SSL configuration was not reloaded/, "$what: and goes on with the old one");
		is($srv->login(user => 'alice', cert => $cert{alice})->{status}, 0, "$what: the right certificate");
		like($srv->login(user => 'alice', cert => $cert{bob})->{log},
			qr/DETAIL:  Policy of role "alice": cn: required "alice", found "bob"\./, "$what: another");
		is($srv->login(user => 'alice', cert => $cert{alice}, sql => 'select name, source from pg_trusted_ca_names()')->{stdout},
			'CN=ca|session', "$what: a session has the old names");
		like($srv->try_sql('select * from pg_trusted_ca_names()')->{log}, qr/ERROR:  could not read the file of "ssl_ca_file"/,
			"$what: one without TLS is told");
	}
	write_file($trusted, slurp($other->{cert}));
	unlike($srv->reload, qr/not reloaded/, 'one that can be read');
	like($srv->login(user => 'alice', cert => $cert{alice})->{log}, qr/could not accept SSL connection/, 'counts');
	write_file($trusted, slurp($ca->{cert}));
	$srv->reload;
	as_before('mended');
};

subtest 'other sizes after a restart' => sub {
	foreach my $case ([ 40, 0, 10 ], [ 6, 10, 100000 ], [ 200, 3, 1024 ], [ $max, 0, 100 ])
	{
		my ($connections, $senders, $tracked) = @$case;

		$srv->conf("max_connections = $connections\nmax_wal_senders = $senders\npg_cert_policy.max_tracked = $tracked\n"
			. ($senders ? "wal_level = replica\n" : "wal_level = minimal\n"));
		$srv->restart;
		as_before("max_connections = $connections", $connections > 20 ? 20 : $connections);
	}
};

# --- more certificates than session_bytes -----------------------------------------

subtest 'a chain that is too large' => sub {
	my $soon = time + 25;
	my @big = (issuer => $ca, eku => 'clientAuth', subject => '/CN=alice', san => join(',', map { "DNS:name$_.example" } 1 .. 200));
	my $big = $pki->leaf('big', @big);
	my $ends = $pki->leaf('ends', @big, not_after => strftime('%Y%m%d%H%M%SZ', gmtime $soon));

	$srv->conf("pg_cert_policy.disconnect_expired = on\n");
	$srv->reload;
	my $mark = $srv->log_mark;
	my $stays = CertPolicy::Session->new($srv, user => 'alice', cert => $cert{alice});
	my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $big);
	my $expires = CertPolicy::Session->new($srv, user => 'alice', cert => $ends);
	like($srv->login(user => 'bob', cert => $big)->{status}, qr/^0$/, 'it is let in, and judged at login');
	is($srv->sql('select chain_kept, accepted_now, subject is null, not_after is not null from pg_cert_sessions where pid = ' . $session->pid),
		'f|f|t|t', 'but flagged');
	like($srv->login(user => 'alice', cert => $pki->leaf('big2', @big, subject => '/CN=other'))->{log},
		qr/DETAIL:  Policy of role "alice": cn: required "alice", found "other"\./, 'a wrong one is rejected');

	like($expires->wait_for_end, qr/terminating connection/, 'it ends when its certificate does');
	like($srv->log_since($mark), qr/ending session of role "alice" with PID @{[$expires->pid]}, as its certificate has expired/, 'and the log says so');
	is($srv->sql('select count(*), min(reason) from pg_cert_policy_recheck()'),
		'1|Connection: its certificates were too large to be kept ("pg_cert_policy.session_bytes").', 'a recheck ends it');
	like($session->wait_for_end, qr/terminating connection/, 'really');
	like($srv->log_since($mark), qr/ending session of role "alice" with PID @{[$session->pid]}, as its login would be rejected now\n.*DETAIL:  Connection: its certificates were too large to be kept \("pg_cert_policy\.session_bytes"\)\./,
		'and the log says why');
	is($stays->query('select 1'), 1, 'others stay');
	$stays->close;
};

$srv->stop;
done_testing();
