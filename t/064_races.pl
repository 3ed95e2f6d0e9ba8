# A login and a change of policy at the same time.  Whoever changes a policy and
# then has all sessions judged again must not miss one that read the policy from
# before and is only just coming in.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use IPC::Run ();
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	conf => "pg_cert_policy.exempt_roles = 'postgres'\n");

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
security label for pg_cert_policy on role alice is 'cn=%role';
SQL

# Memberships are read behind the role's own policy, so that whoever holds that
# catalog stops a login between the two.
my %session = map { $_ => CertPolicy::Session->new($srv, user => 'postgres', tls => 0) }
  qw(blocker admin observer);

sub waiting_for
{
	my ($what, $sql) = @_;

	for (1 .. 60 * 20)
	{
		return pass($what) if $session{observer}->query($sql) eq 't';
		select undef, undef, undef, 0.05;
	}
	fail($what);
	return;
}

subtest 'a recheck while a login is under way' => sub {
	$session{blocker}->query('begin');
	$session{blocker}->query('lock table pg_auth_members in access exclusive mode');

	my ($in, $out, $err) = ("select 'in';\n", '', '');
	my $login = IPC::Run::start([ 'psql', '-XAtq', '-d', $srv->conninfo(user => 'alice', cert => $alice) ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	waiting_for('the login has read its policy and waits',
		q{select count(*) = 1 from pg_locks where relation = 'pg_auth_members'::regclass and not granted});
	my $pid = $session{observer}->query(
		q{select pid from pg_locks where relation = 'pg_auth_members'::regclass and not granted});

	# the superuser is exempt and the policy has no cn: nothing holds the
	# statement up
	$session{admin}->query(q{security label for pg_cert_policy on role alice is 'key_type=RSA'});
	$session{admin}->send('select pid from pg_cert_policy_recheck()');
	waiting_for('the recheck waits as well, or is done',
		q{select count(*) = 1 from pg_stat_activity where query ~ '^select pid from pg_cert_policy_recheck'
			and (state = 'idle' or wait_event_type = 'Lock')});
	$session{blocker}->query('commit');

	eval { $login->pump until $out =~ /in/ || !$login->pumpable };
	for (1 .. 60 * 20)
	{
		last unless kill 0, $pid;
		select undef, undef, undef, 0.05;
	}
	ok(!kill(0, $pid), 'the session has ended');
	eval { $login->finish };
	# a login that has read the new policy by then ends by itself, before the
	# recheck says anything of it: so that is waited for
	is($session{admin}->query('select count(*) from pg_cert_policy_recheck()') =~ s/^$pid\n//r, '0',
		'nobody else is left');
	like($srv->log_since(0), qr/ending session of role "alice" with PID $pid, as its login would be rejected now\n.*DETAIL:  Policy of role "alice": key_type: required "RSA", found EC\./,
		'by the new policy');
};

# Seen while it is being judged, and not after it was turned away.
subtest 'a login that is turned away' => sub {
	like($srv->login(user => 'alice', cert => $alice)->{log}, qr/FATAL:  certificate policy rejects login as role "alice"/,
		'leaves');
	is($srv->sessions_become(0, q{role = 'alice'}), 0, 'no session');
};

$_->close foreach values %session;
done_testing();
