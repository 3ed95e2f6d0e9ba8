# Sessions end when their certificate does, if the server or a policy wants
# that: idle, running, in a failed transaction, and while streaming.  Every
# certificate here expires some seconds after the test has begun.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use IPC::Run ();
use POSIX qw(strftime);
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [
		'local all all trust', 'local replication all trust',
		'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'
	],
	init => { allows_streaming => 1 });

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login replication;
create role keeper login;
create role logged login;
create role super login superuser;
security label for pg_cert_policy on role keeper is 'on_expiry=keep any';
security label for pg_cert_policy on role logged is 'mode=log on_expiry=disconnect any';
security label for pg_cert_policy on role super is 'exempt';
SQL

# What is to be used before it expires lives longer on a busy machine.
my $slack = time;
$srv->sql('select 1') foreach 1 .. 8;
$slack = time - $slack;

sub in_seconds
{
	my ($seconds) = @_;
	return strftime('%Y%m%d%H%M%SZ', gmtime(time + $seconds));
}

sub short
{
	my ($name, $seconds) = @_;
	return $pki->leaf($name, issuer => $ca, eku => 'clientAuth', not_after => in_seconds($seconds + $slack));
}

subtest 'warnings at login' => sub {
	my $log = sub {
		my ($cert) = @_;
		return $srv->login(user => 'alice', cert => $cert)->{log};
	};
	my $day = 86400;
	my $made = sub {
		my ($name, $lived, $left) = @_;
		return $pki->leaf($name, issuer => $ca, not_before => in_seconds(-$lived),
			not_after => in_seconds($left));
	};

	my $detail = qr/DETAIL:  The certificate is valid for another 3 days and 2 hours, until /;
	# psql itself hears what is told before the login is through
	my $soon = $srv->login(user => 'alice', cert => $made->('soon', 100 * $day, 3 * $day + 7300),
		env => { PGAPPNAME => 'psql' });

	like($soon->{log}, qr/LOG:  client certificate of role "alice" expires soon\n[^\n]*$detail/, 'within seven days');
	# before, PostgreSQL has no way to tell a client that is logging in
	if ($srv->sql('show server_version_num') >= 190000)
	{
		like($soon->{stderr}, qr/WARNING:  your client certificate expires soon\n$detail/, 'the client is told as well');
	}
	else
	{
		is($soon->{stderr}, '', 'the client is not told');
	}
	unlike($log->($made->('later', 100 * $day, 8 * $day)), qr/expires soon/, 'not before');
	unlike($log->($made->('daily', 3600, $day)), qr/expires soon/,
		'a certificate for a day is not complained of all day');
	like($log->($made->('evening', $day, 3600)), qr/expires soon/, 'only in its last tenth');
	$srv->conf("pg_cert_policy.expiry_warning = 0\n");
	$srv->reload;
	unlike($log->($made->('silent', 100 * $day, $day)), qr/expires soon/, '0 turns it off');
};

subtest 'off by default' => sub {
	my $cert = short('alice0', 6);
	my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $cert);
	my $mark = $srv->log_mark;

	sleep 8;
	is($session->query('select 1'), '1', 'the session outlives its certificate');
	unlike($srv->log_since($mark), qr/expired/, 'and nothing is said');
	$session->close;
};

$srv->conf("pg_cert_policy.disconnect_expired = on\n");
$srv->reload;

subtest 'disconnect_expired' => sub {
	my $cert = short('alice', 15);
	my %login = (user => 'alice', cert => $cert);
	my $idle = CertPolicy::Session->new($srv, %login);
	my $running = CertPolicy::Session->new($srv, %login);
	my $failed = CertPolicy::Session->new($srv, %login);
	my $keeper = CertPolicy::Session->new($srv, %login, user => 'keeper');
	my $logged = CertPolicy::Session->new($srv, %login, user => 'logged');
	my $super = CertPolicy::Session->new($srv, %login, user => 'super');
	my $plain = CertPolicy::Session->new($srv, user => 'alice');
	my $mark = $srv->log_mark;

	# a stream of WAL, which never ends by itself
	my $streamed = '';
	my $stream = IPC::Run::start(
		[ 'pg_receivewal', '--no-loop', '-D', $pki->dir,
			'-d', $srv->conninfo(%login, db => 'replication') ],
		'>', \my $out, '2>', \$streamed);
	$srv->node->poll_query_until('postgres', 'select count(*) = 1 from pg_stat_replication');

	$running->send('select pg_sleep(100)');
	$failed->query('begin');
	$failed->query('select 1/0');
	$failed->query('select 1/0');

	like($_->[1]->wait_for_end, qr/terminating connection due to administrator command/, $_->[0])
	  foreach [ 'idle', $idle ], [ 'running', $running ], [ 'in a failed transaction', $failed ];
	$stream->finish;
	isnt($stream->full_result(0), 0, 'streaming');
	my $log = $srv->log_since($mark);
	like($log, qr/ending session of role "alice" with PID @{[$_->pid]}, as its certificate has expired/, 'the log says why')
	  foreach $idle, $running, $failed;
	like($log, qr/DETAIL:  The certificate was valid until \d{4}-[^;]*; the grace period is 0 s\./, 'and since when');

	is($keeper->query('select 1'), '1', 'on_expiry=keep keeps');
	is($logged->query('select 1'), '1', 'mode=log keeps');
	like($log, qr/would end session of role "logged" with PID @{[$logged->pid]}, as its certificate has expired/,
		'... and says what it would do');
	is($super->query('select 1'), '1', 'an exempt role is kept');
	is($plain->query('select 1'), '1', 'no certificate, no expiry');
	$_->close foreach $keeper, $logged, $super, $plain;
};

subtest 'on_expiry, expiry_grace and enforce' => sub {
	$srv->conf("pg_cert_policy.disconnect_expired = off\npg_cert_policy.expiry_grace = 4s\n");
	$srv->reload;
	$srv->sql(q{security label for pg_cert_policy on role keeper is 'on_expiry=disconnect any'});
	my $cert = short('keeper', 8);
	my $begun = time;
	my $session = CertPolicy::Session->new($srv, user => 'keeper', cert => $cert);
	my $other = CertPolicy::Session->new($srv, user => 'alice', cert => $cert);

	$session->wait_for_end;
	cmp_ok(time - $begun, '>=', 12, 'on_expiry=disconnect, after the grace period');
	is($other->query('select 1'), '1', 'without it the session stays');
	$other->close;

	$srv->conf("pg_cert_policy.enforce = log\npg_cert_policy.expiry_grace = 0\n");
	$srv->reload;
	$cert = short('keeper2', 8);
	my $mark = $srv->log_mark;
	$session = CertPolicy::Session->new($srv, user => 'keeper', cert => $cert);
	$srv->wait_for_log(qr/would end session of role "keeper" with PID @{[$session->pid]}/, $mark);
	is($session->query('select 1'), '1', 'enforce=log only says so');
	$session->close;
	$srv->conf("pg_cert_policy.enforce = on\n");
	$srv->reload;
};

subtest 'the watchdog' => sub {
	my $pid = sub {
		return $srv->sql(q{select pid from pg_stat_activity where backend_type = 'pg_cert_policy watchdog'});
	};
	my $first = $pid->();

	ok($first, 'is a background process');
	$srv->sql("select pg_terminate_backend($first)");
	$srv->node->poll_query_until('postgres',
		"select count(*) = 1 from pg_stat_activity where backend_type = 'pg_cert_policy watchdog' and pid <> $first");
	my $cert = short('again', 8);
	my $session = CertPolicy::Session->new($srv, user => 'keeper', cert => $cert);
	like($session->wait_for_end, qr/terminating connection/, 'comes back, and goes on');
};

subtest 'on a standby' => sub {
	my $primary = $srv->node;
	$primary->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->start;
	my $srv2 = bless { %$srv, node => $standby }, ref $srv;
	my $cert = short('standby', 8);
	my $session = CertPolicy::Session->new($srv2, user => 'keeper', cert => $cert);
	like($session->wait_for_end, qr/terminating connection/, 'sessions end there too');

	$cert = short('standby2', 3000);
	$session = CertPolicy::Session->new($srv2, user => 'keeper', cert => $cert);
	$srv->sql(q{security label for pg_cert_policy on role keeper is 'cn=other'});
	$primary->wait_for_catchup($standby);
	is($srv2->sql('select count(*), min(reason) from pg_cert_policy_recheck()'),
		'1|Policy of role "keeper": cn: required "other", found "standby2".',
		'and are judged by the policies that were replayed');
	$session->wait_for_end;
};

done_testing();
