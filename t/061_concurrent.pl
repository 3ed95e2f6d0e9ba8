# Many logins at once, with everything on: each session is in the view exactly
# once and with its own certificate, each rejection is counted, no slot is lost
# when all have gone, nor after a backend was killed and the server recovered.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use IPC::Run ();
use Test::More;
use Time::HiRes qw(usleep);

my $sessions = 64;
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my %cert = map { $_ => $pki->leaf($_, issuer => $ca, eku => 'clientAuth') } qw(alice bob);
my $crl = $pki->crl($ca);

# One slot for each connection, and no more: a single lost one would be missed.
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ],
	conf => <<"CONF");
max_connections = @{[$sessions + 6]}
superuser_reserved_connections = 3
max_wal_senders = 0
restart_after_crash = on
shared_buffers = 16MB
ssl_crl_file = '$crl'
pg_cert_policy.disconnect_expired = on
pg_cert_policy.recheck_interval = 10s
pg_cert_policy.max_tracked = 10
pg_cert_policy.exempt_roles = 'postgres'
pg_cert_policy.default_policy = 'eku=clientAuth'
CONF

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role bob login;
security label for pg_cert_policy on role alice is 'cn=%role ca="CN=ca" min_remaining=1h';
security label for pg_cert_policy on role bob is 'mode=log cn=nobody';
SQL

# Starts a psql that logs in and waits, without waiting for it.
sub begin_session
{
	my ($role, $cert, $sql) = @_;
	my $self = { in => "$sql;\n\\echo :done:\n", out => '', err => '' };

	$self->{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $srv->conninfo(user => $role, cert => $cert{$cert}) ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, IPC::Run::timeout(120));
	return $self;
}

# Waits for its answer; undef if it was turned away.
sub answer
{
	my ($self) = @_;

	eval { $self->{run}->pump while $self->{out} !~ /:done:/ && $self->{run}->pumpable; 1 };
	return $self->{out} =~ /^(\d+)\s+:done:/ ? $1 : undef;
}

sub end_session
{
	my ($self) = @_;

	local $SIG{PIPE} = 'IGNORE';
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	return;
}

# What the superuser asked before may still be in the view for a moment.
sub rows
{
	return $srv->sql(q{select count(*), count(distinct pid) from pg_cert_sessions where role <> 'postgres'});
}

# As many as there can be, all at once; a slot that had leaked would be missed
# by the last of them.  Returns them.
sub fill
{
	my ($what) = @_;
	my $mark = $srv->log_mark;
	my @all = map { begin_session($_ % 2 ? ('alice', 'alice') : ('bob', 'bob'), 'select pg_backend_pid()') } 1 .. $sessions;
	my @pids = map { answer($_) // 'none' } @all;

	is(scalar(grep { /^\d+$/ } @pids), $sessions, "$what: all are in");
	is(rows(), "$sessions|$sessions", "$what: each is in the view, once");
	my $list = join ',', grep { /^\d+$/ } @pids;
	is($srv->sql(<<"SQL"), "alice|CN=alice|@{[$sessions / 2]}\nbob|CN=bob|@{[$sessions / 2]}", "$what: with its own certificate");
select s.role, s.subject, count(*)
from pg_cert_sessions s join pg_stat_activity a using (pid)
where a.usename = s.role and s.pid in ($list) and s.chain_kept and s.accepted_now
group by 1, 2 order by 1
SQL
	unlike($srv->log_since($mark), qr/no slot is left/, "$what: no slot was missing");
	return \@all;
}

sub none_left
{
	my ($what) = @_;

	$srv->node->poll_query_until('postgres',
		q{select count(*) = 0 from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()})
	  or die 'sessions are still there';
	is($srv->sessions_become(0), '0', "$what: the view is empty");
	return;
}

my $started = $srv->sql('select pg_postmaster_start_time()');

subtest 'many at once' => sub {
	$srv->sql('select pg_stat_cert_policy_reset()');
	my $all = fill('first');
	is($srv->sql(q{select role, accepted, rejected, would_reject from pg_stat_cert_policy order by role}),
		"alice|@{[$sessions / 2]}|0|0\nbob|0|0|@{[$sessions / 2]}", 'all are counted');
	is($srv->sql('select count(*) from pg_cert_policy_recheck()'), '0', 'a recheck ends nobody');
	end_session($_) foreach @$all;
	none_left('first');
};

# Some are turned away, while others come and go and others look.
subtest 'coming and going' => sub {
	$srv->sql('select pg_stat_cert_policy_reset()');
	my $before = $srv->sql('select count(*) from pg_cert_policy_rejections where role = \'alice\'');
	for my $round (1, 2)
	{
		my $mark = $srv->log_mark;
		my @all = map {
			$_ % 4 == 0 ? begin_session('alice', 'bob', 'select pg_backend_pid()')
			  : $_ % 4 == 1 ? begin_session('alice', 'alice', 'select pg_backend_pid()')
			  : begin_session('bob', 'bob',
				'select count(*) * 0 + pg_backend_pid() from pg_cert_sessions, pg_cert_policies') } 1 .. $sessions;
		my @pids = map { answer($_) } @all;
		is(scalar(grep { defined } @pids), $sessions * 3 / 4, "round $round: three of four are in");
		# the watchdog may come upon one of them in between, and say the same
		is(scalar(() = $srv->log_since($mark) =~ /FATAL:  .*\n.*DETAIL:  Policy of role "alice": cn: required "alice", found "bob"\.$/mg),
			$sessions / 4, "round $round: one of four is turned away");
		end_session($_) foreach @all;
	}
	none_left('afterwards');
	is($srv->sql(q{select role, accepted, rejected, would_reject from pg_stat_cert_policy order by role}),
		"alice|@{[$sessions / 2]}|@{[$sessions / 2]}|0\nbob|0|0|$sessions", 'none is counted twice or lost');
	is($srv->sql('select count(*) - ' . $before . q{ from pg_cert_policy_rejections where role = 'alice' and enforced}), $sessions / 2,
		'each rejection is in the ring');
};

subtest 'more than there is room for' => sub {
	my $mark = $srv->log_mark;
	my @all = map { begin_session('alice', 'alice', 'select pg_backend_pid()') } 1 .. $sessions + 12;
	my @pids = grep { defined } map { answer($_) } @all;
	cmp_ok(scalar(@pids), '<=', $sessions + 3, 'some find no room');
	is(scalar(() = $srv->log_since($mark) =~ /FATAL:  (?:sorry, too many clients already|remaining connection slots are reserved)/g),
		@all - @pids, 'for PostgreSQL\'s own reason');
	is(rows() =~ s/\|.*//r, scalar(@pids), 'those who are in are in the view');
	end_session($_) foreach @all;
	none_left('all gone');
};

subtest 'logins that end after they were accepted' => sub {
	# between the policies and and the first statement PostgreSQL may still refuse
	$srv->sql('alter role alice connection limit 0');
	$srv->login(user => 'alice', cert => $cert{alice}) for 1 .. $sessions + 10;
	$srv->sql('alter role alice connection limit -1');
	$srv->login(user => 'alice', cert => $cert{alice}, db => 'nowhere') for 1 .. 10;
	end_session($_) foreach @{ fill('afterwards') };
	none_left('afterwards');
};

sub kill_one
{
	my ($what, @kill) = @_;
	my $all = fill($what);
	my $mark = $srv->log_mark;
	my ($victim) = $all->[3]{out} =~ /^(\d+)/;

	kill $kill[0], $victim or die "could not kill $victim: $!";
	$srv->wait_for_log(qr/(?:server process|client backend) \(PID $victim\) was terminated by signal/, $mark) if $kill[0] eq 'KILL';
	$srv->wait_for_log(qr/database system is ready to accept connections/, $mark) if $kill[0] eq 'KILL';
	end_session($_) foreach @$all;
	$srv->node->poll_query_until('postgres', 'select true') or die 'the server did not come back';
	none_left($what);
	return $srv->log_since($mark);
}

subtest 'one session is terminated' => sub {
	my $log = kill_one('TERM', 'TERM');
	unlike($log, qr/terminated by signal/, 'the others do not notice');
	is($srv->sql('select pg_postmaster_start_time()'), $started, 'nor the server');
};

# Its slot is taken and nobody gives it back: the server starts shared memory
# anew.
subtest 'one is killed' => sub {
	my $log = kill_one('KILL', 'KILL');
	like($log, qr/reinitializing/, 'the server recovers');
	unlike($log, qr/PANIC/, 'at once');
	is($srv->sql('select pg_postmaster_start_time()'), $started, 'it is the same postmaster');
	is($srv->sql('select count(*) from pg_stat_cert_policy'), '0', 'counts begin anew');
	$srv->node->poll_query_until('postgres', q{select count(*) = 1 from pg_stat_activity where backend_type = 'pg_cert_policy watchdog'})
	  or die 'no watchdog';
	pass('the watchdog is back');
	like($srv->login(user => 'alice', cert => $cert{bob})->{log}, qr/Policy of role "alice": cn: required "alice", found "bob"\./,
		'policies are enforced');
	end_session($_) foreach @{ fill('after the crash') };
	none_left('after the crash');
};

subtest 'the watchdog is killed' => sub {
	my $mark = $srv->log_mark;
	my $pid = $srv->sql(q{select pid from pg_stat_activity where backend_type = 'pg_cert_policy watchdog'});
	kill 'KILL', $pid or die "could not kill $pid: $!";
	$srv->wait_for_log(qr/reinitializing/, $mark);
	# 18 calls it by its name
	like($srv->log_since($mark), qr/LOG:  (?:background worker|server process|client backend)[^\n]*\(PID $pid\) was terminated by signal 9\b/, 'the log has what it died of');
	$srv->node->poll_query_until('postgres',
		"select count(*) = 1 from pg_stat_activity where backend_type = 'pg_cert_policy watchdog' and pid <> $pid")
	  or die 'no watchdog';
	end_session($_) foreach @{ fill('afterwards') };
	none_left('afterwards');
};

done_testing();
