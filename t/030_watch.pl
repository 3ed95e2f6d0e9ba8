# What is known of logins after they happened: sessions, counts, rejections;
# and sessions that are judged again, by today's policies and CRLs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca', subject => '/O=Example/CN=ca');
my $int = $pki->intermediate('int', issuer => $ca, subject => '/O=Example/CN=int');
my $long = '/O=' . 'An organization whose name is far longer than sixty-three bytes' . '/CN=alice';
my $alice = $pki->leaf('alice', issuer => $int, subject => $long, serial => '0A0B',
	eku => 'clientAuth', san => 'DNS:alice.example,URI:spiffe://example/alice');
my $bob = $pki->leaf('bob', issuer => $ca);
my $huge = $pki->leaf('huge', issuer => $ca, subject => '/CN=huge',
	san => join(',', map { "DNS:name$_.example" } 1 .. 200));
my $crl = $pki->crl($ca, name => 'empty');

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ],
	conf => "pg_cert_policy.max_tracked = 3\npg_cert_policy.session_bytes = 2048\n");

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role bob login;
create role huge login;
create role watcher login;
create role monitor login;
grant pg_monitor to monitor;
security label for pg_cert_policy on role alice is 'cn=%role eku=clientAuth';
security label for pg_cert_policy on role bob is 'mode=log eku=clientAuth';
SQL

subtest 'sessions' => sub {
	my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $alice);
	my $pid = $session->pid;
	my $plain = CertPolicy::Session->new($srv, user => 'watcher', tls => 0);
	my $big = CertPolicy::Session->new($srv, user => 'huge', cert => $huge);
	my $row = sub {
		my ($what, $which) = @_;
		return $srv->sql("select $what from pg_cert_sessions where pid = " . $which->pid);
	};

	is($row->('role, database, subject, issuer', $session),
		'alice|postgres|CN=alice,O=An organization whose name is far longer than sixty-three bytes|CN=int,O=Example',
		'names are whole');
	is($row->('sans, ekus, serial', $session),
		'{DNS:alice.example,URI:spiffe://example/alice}|{clientAuth}|0a0b', 'extensions');
	is($row->('cert_sha256, key_sha256', $session),
		$pki->cert_sha256($alice) . '|' . $pki->key_sha256($alice), 'the fingerprints');
	is($row->("remaining between '364 days' and '365 days', chain_kept, accepted_now, reason is null",
			$session), 't|t|t|t', 'time left, and the verdict of today');
	is($row->('subject is null, not_after is null, chain_kept is null, accepted_now', $plain),
		't|t|t|t', 'a session without certificate');
	is($row->('subject is null, not_after is not null, chain_kept, accepted_now, reason', $big),
		't|t|f|f|Connection: its certificates were too large to be kept ("pg_cert_policy.session_bytes").',
		'a chain that is too large is flagged');
	is($plain->query("select pid, role, subject, accepted_now from pg_cert_sessions where pid = $pid"),
		"$pid|||", "of others' sessions only the pid is shown");
	is($plain->query('select role from pg_cert_sessions where pid = pg_backend_pid()'),
		'watcher', "one's own is shown");
	is($srv->login(user => 'monitor', tls => 0,
			sql => "select role from pg_cert_sessions where pid = $pid")->{stdout},
		'alice', 'and all to pg_monitor');
	$_->close foreach $session, $plain, $big;
	$srv->node->poll_query_until('postgres',
		"select count(*) = 0 from pg_cert_sessions where pid in ($pid)");
	is($row->('count(*)', $session), '0', 'a session that ended is gone');
};

subtest 'counts' => sub {
	my $counts = sub {
		return $srv->sql(<<'SQL');
select role, database, accepted, rejected, would_reject, last_reason
from pg_stat_cert_policy order by role
SQL
	};

	$srv->sql('select pg_stat_cert_policy_reset()');
	is($counts->(), '', 'none after a reset');
	$srv->login(user => 'alice', cert => $alice) for 1 .. 3;
	$srv->login(user => 'alice', cert => $bob);
	$srv->login(user => 'bob', cert => $bob);
	$srv->login(user => 'watcher', cert => $bob);
	is($counts->(), join("\n",
		'alice|postgres|3|1|0|Policy of role "alice": cn: required "alice", found "bob".',
		'bob|postgres|0|0|1|Policy of role "bob": eku: required "clientAuth", found absent.'),
		'accepted, rejected, would reject; who has no policy is not counted');
	$srv->login(user => 'alice', conninfo => 'sslmode=prefer');
	like($counts->(), qr/^alice\|postgres\|3\|3\|0\|Policy of role "alice": no TLS\.$/m,
		'sslmode=prefer is rejected twice, the second time without TLS');

	$srv->sql('create role r1 login; create role r2 login');
	$srv->sql("security label for pg_cert_policy on role $_ is 'any'") foreach qw(r1 r2);
	$srv->login(user => 'r1', cert => $bob);
	$srv->login(user => 'r2', cert => $bob);
	is($srv->sql('select string_agg(role, \',\' order by role) from pg_stat_cert_policy'),
		'alice,r1,r2', 'max_tracked bounds it, the quietest goes');
	is($srv->try_sql('select 1 from pg_stat_cert_policy', user => 'watcher')->{stderr},
		'ERROR:  permission denied for view pg_stat_cert_policy', 'not for everybody');
	is($srv->try_sql('select pg_stat_cert_policy_reset()', user => 'monitor')->{stderr},
		'ERROR:  permission denied for function pg_stat_cert_policy_reset', 'reset is for superusers');
	is($srv->try_sql('select count(*) from pg_stat_cert_policy', user => 'monitor')->{stdout},
		'3', 'pg_monitor reads');
};

subtest 'rejections' => sub {
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=x eku=codeSigning or dn="CN=y"'});
	$srv->login(user => 'alice', cert => $bob);
	my $hash = $pki->cert_sha256($bob);
	is($srv->sql(<<'SQL'),
select role, database, address, policy, clause, required, found, cert_sha256, enforced
from pg_cert_policy_rejections limit 2
SQL
		join("\n",
		qq{alice|postgres|127.0.0.1|role "alice"|dn|"CN=y"|"CN=bob"|$hash|t},
		qq{alice|postgres|127.0.0.1|role "alice"|cn|"x"|"bob"|$hash|t}),
		'one row for each alternative, the newest first');
	$srv->login(user => 'alice', tls => 0);
	is($srv->sql('select address is null, clause, found, cert_sha256 is null from pg_cert_policy_rejections limit 1'),
		't|certificate|no TLS|t', 'over a Unix socket');
	$srv->login(user => 'bob', cert => $bob);
	is($srv->sql('select role, clause, enforced from pg_cert_policy_rejections limit 1'),
		'bob|eku|f', 'mode=log is not enforced');
	$srv->login(user => 'alice', tls => 0) for 1 .. 130;
	$srv->login(user => 'alice', cert => $bob) for 1 .. 70;
	is($srv->sql('select count(*) from pg_cert_policy_rejections'), '256', 'the ring is bounded');
	is($srv->try_sql('select 1 from pg_cert_policy_rejections', user => 'watcher')->{stderr},
		'ERROR:  permission denied for view pg_cert_policy_rejections', 'not for everybody');
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=%role eku=clientAuth'});
};

subtest 'recheck' => sub {
	my $stays = CertPolicy::Session->new($srv, user => 'watcher', tls => 0);
	my $logged = CertPolicy::Session->new($srv, user => 'bob', cert => $bob);
	my $goes = CertPolicy::Session->new($srv, user => 'alice', cert => $alice);
	my $running = CertPolicy::Session->new($srv, user => 'alice', cert => $alice);
	my $mark = $srv->log_mark;

	$running->send('select pg_sleep(100)');
	is($srv->sql('select count(*) from pg_cert_policy_recheck()'), '0', 'nobody fails yet');
	like($srv->log_since($mark),
		qr/would end session of role "bob" with PID @{[$logged->pid]}, as its login would be rejected now/,
		'what a policy in mode=log objects to is logged');
	$mark = $srv->log_mark;
	$srv->sql('select * from pg_cert_policy_recheck()');
	unlike($srv->log_since($mark), qr/would end session/, 'once');

	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=%role eku=codeSigning'});
	is($srv->sql('select accepted_now, reason from pg_cert_sessions where pid = ' . $goes->pid),
		'f|Policy of role "alice": eku: required "codeSigning", found "clientAuth".',
		'the view says so beforehand');
	$mark = $srv->log_mark;
	is($srv->sql('select count(*), min(role), min(reason) from pg_cert_policy_recheck()'),
		'2|alice|Policy of role "alice": eku: required "codeSigning", found "clientAuth".',
		'a stricter policy ends sessions');
	like($goes->wait_for_end, qr/terminating connection due to administrator command/, 'idle');
	like($running->wait_for_end, qr/terminating connection due to administrator command/, 'running');
	like($srv->log_since($mark),
		qr/ending session of role "alice" with PID @{[$goes->pid]}, as its login would be rejected now\n[^\n]*DETAIL:  Policy of role "alice": eku: required "codeSigning"/,
		'and the log says why');
	is($stays->query('select 1'), '1', 'others stay');
	is($srv->try_sql('select * from pg_cert_policy_recheck()', user => 'monitor')->{stderr},
		'ERROR:  permission denied for function pg_cert_policy_recheck', 'for superusers');

	# revocation, on a role without a policy
	$srv->sql(q{security label for pg_cert_policy on role alice is null});
	$srv->conf("ssl_crl_file = '" . $pki->concat('crls', $pki->crl($ca, revoked => [$int]), $pki->crl($int)) . "'\n");
	my $revoked = CertPolicy::Session->new($srv, user => 'alice', cert => $alice);
	$srv->reload;
	is($srv->sql('select count(*), min(reason) from pg_cert_policy_recheck()'),
		'1|Connection: its certificate would be refused: certificate revoked (at depth 1: "CN=int,O=Example").',
		'a revoked intermediate ends sessions');
	$revoked->wait_for_end;

	# what cannot be looked at ends nobody
	$srv->conf("ssl_crl_file = ''\nssl_ca_file = '/nonexistent'\n");
	$srv->reload;
	like($srv->try_sql('select * from pg_cert_policy_recheck()')->{stderr},
		qr/^ERROR:  could not read the file of "ssl_ca_file"/, 'a CA file that is gone is an error');
	is($logged->query('select 1'), '1', 'and ends nobody');
	$srv->conf("ssl_ca_file = '$ca->{cert}'\n");
	$srv->reload;

	# by itself
	my $later = CertPolicy::Session->new($srv, user => 'alice', cert => $alice);
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=nobody'});
	$srv->conf("pg_cert_policy.recheck_interval = 10s\n");
	$srv->reload;
	like($later->wait_for_end, qr/terminating connection/, 'recheck_interval does it by itself');
	$srv->conf("pg_cert_policy.recheck_interval = 0\n");
	$srv->reload;

	$_->close foreach $stays, $logged;
};

subtest 'pg_hba.conf' => sub {
	$srv->sql(q{security label for pg_cert_policy on role alice is 'any'});
	$srv->hba('local all all trust',
		'hostssl all alice,watcher 127.0.0.1/32 cert',
		'hostssl all bob 127.0.0.1/32 trust clientcert=verify-ca',
		'hostnossl all +pg_monitor 127.0.0.1/32 trust');
	is($srv->sql(<<'SQL'),
select type, can_carry, requires, checks_cn, roles, roles_without_policy, policies
from pg_cert_policy_hba where type <> 'local' order by line_number
SQL
		join("\n", 'hostssl|t|t|t|2|1|{"role alice"}', 'hostssl|t|t|f|1|0|{"role bob"}',
			'hostnossl|f|f|f|1|1|{}'), 'rules and policies side by side');
	like($srv->try_sql('select 1 from pg_cert_policy_hba', user => 'monitor')->{stderr},
		qr/^ERROR:  permission denied for view pg_cert_policy_hba/, 'as pg_hba_file_rules');

	# 13 takes this for verify-full, without a word
	my $rules = 'select auth_method, options, error from pg_hba_file_rules where line_number = 1';
	my $says = 'clientcert can only be set to "verify-full" when using "cert" authentication';
	my $fails = $srv->sql('show server_version_num') >= 140000;
	my $log = $fails ? qr/LOG:  clientcert only accepts "verify-full" when using "cert" authentication\n/ : qr/\A(?!.*clientcert)/s;
	$srv->hba('hostssl all alice 127.0.0.1/32 cert clientcert=verify-ca', 'local all all trust');
	like($srv->reload, $log, 'method cert with clientcert=verify-ca: the log');
	is($srv->sql($rules), $fails ? "||$says" : 'cert|{clientcert=verify-full}|', 'the rules');
	is($srv->sql($rules =~ s/pg_hba_file_rules/pg_cert_policy_hba/r), $srv->sql($rules), 'and the view');
	$srv->hba('hostssl all alice 127.0.0.1/32 cert', 'local all all trust');
	unlike($srv->reload, qr/clientcert/, 'cert alone: the log');
	is($srv->sql($rules), 'cert|{clientcert=verify-full}|', 'is verify-full');
	like($srv->login(user => 'alice', cert => $bob)->{stderr}, qr/certificate authentication failed for user "alice"/, 'so the name counts');
};

done_testing();
