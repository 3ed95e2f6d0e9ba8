# Other libraries in the server: in the same hook, before and after us in the
# list, contrib's auth_delay among them; and ourselves in other ways than the one
# that is documented: loaded into a session only, or twice, as two copies.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Neighbour;
use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use File::Copy qw(copy);
use Test::More;
use Time::HiRes qw(time);

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my %cert = map { $_ => $pki->leaf($_, issuer => $ca, eku => 'clientAuth') } qw(alice bob);
my %neighbour = map { $_ => CertPolicy::Neighbour->new($_) } qw(before after);
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all wrong 127.0.0.1/32 scram-sha-256', 'host all all 127.0.0.1/32 trust' ]);

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role bob login;
set password_encryption = 'scram-sha-256';
create role wrong login password 'right';
security label for pg_cert_policy on role alice is 'cn=%role';
security label for pg_cert_policy on role wrong is 'cn=%role';
SQL

sub preload
{
	my ($libraries) = @_;

	$srv->conf("shared_preload_libraries = '$libraries'\n");
	$srv->restart;
	return;
}

my $rejected = qr/ 28000 .*FATAL:  certificate policy rejects login as role "alice"\n.*DETAIL:  Policy of role "alice": cn: required "alice", found "bob"\./;

# Whoever comes first in the list is asked first, and then the next.
subtest 'before and after' => sub {
	preload("@{[$neighbour{before}->library]}, pg_cert_policy, @{[$neighbour{after}->library]}");
	my $got = $srv->login(user => 'alice', cert => $cert{alice});
	is($got->{status}, 0, 'the right certificate');
	like($got->{log}, qr/neighbour before: role "alice", status 0\n(?:.*\n)*?.*neighbour after: role "alice", status 0\n/, 'both are asked');
	$got = $srv->login(user => 'alice', cert => $cert{bob});
	like($got->{log}, $rejected, 'another is rejected, with its reason');
	like($got->{log}, qr/neighbour before: role "alice"/, 'who comes before is asked');
	unlike($got->{log}, qr/neighbour after/, 'who comes after is not any more');

	# a login that the method has turned down is the others' business alone
	$srv->sql('select pg_stat_cert_policy_reset()');
	$got = $srv->login(user => 'wrong', cert => $cert{bob}, password => 'false');
	like($got->{log}, qr/neighbour before: role "wrong", status -1\n(?:.*\n)*?.*neighbour after: role "wrong", status -1\n/,
		'both hear of a wrong password');
	like($got->{log}, qr/ 28P01 .*FATAL:  password authentication failed for user "wrong"/, 'which is the reason');
	unlike($got->{log}, qr/certificate policy/, 'and not the policy');
	is($srv->sql('select count(*) from pg_stat_cert_policy'), 0, 'and is not counted');
	$got = $srv->login(user => 'wrong', cert => $cert{bob}, password => 'right');
	like($got->{log}, qr/DETAIL:  Policy of role "wrong": cn: required "wrong", found "bob"\./, 'the right one leaves the policy');
};

subtest 'one of them turns away' => sub {
	foreach my $name (qw(before after))
	{
		$srv->sql('select pg_stat_cert_policy_reset()');
		$neighbour{$name}->tell('refuse');
		my ($got) = map { $srv->login(user => 'alice', cert => $cert{alice}) } 1 .. 3;
		like($got->{log}, qr/ 28000 .*FATAL:  neighbour $name turns you away/, "$name: its words");
		unlike($got->{log}, qr/certificate policy/, "$name: not ours");
		$neighbour{$name}->tell_no_more('refuse');
		is($srv->sql('select coalesce(sum(accepted), 0) from pg_stat_cert_policy'), $name eq 'before' ? 0 : 3,
			"$name: what we were asked is counted");
		is($srv->sessions_become(0), 0, "$name: no session is left");
	}
};

subtest 'all three in any order' => sub {
	foreach my $order ([qw(pg_cert_policy before after)], [qw(after before pg_cert_policy)])
	{
		preload(join ', ', map { $neighbour{$_} ? $neighbour{$_}->library : $_ } @$order);
		is($srv->login(user => 'alice', cert => $cert{alice})->{status}, 0, "@$order: the right certificate");
		like($srv->login(user => 'alice', cert => $cert{bob})->{log}, $rejected, "@$order: another");
		my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $cert{alice});
		is($srv->sessions_become(1), 1, "@$order: a session is seen");
		$session->close;
	}
};

# Whoever is last in the list is called first: hence the advice of the manual.
subtest 'one that passes nothing on' => sub {
	my $before = $neighbour{before};

	preload($before->library . ', pg_cert_policy');
	$before->tell('swallow');
	like($srv->login(user => 'alice', cert => $cert{bob})->{log}, $rejected, 'in the list before us it can do nothing');
	preload('pg_cert_policy, ' . $before->library);
	my $got = $srv->login(user => 'alice', cert => $cert{bob});
	is($got->{status}, 0, 'after us it does what it should not');
	like($got->{log}, qr/neighbour before: role "alice", status 0/, 'as the log can tell');
	$before->tell_no_more('swallow');
};

subtest 'auth_delay' => sub {
	plan skip_all => 'contrib is not there'
	  unless $srv->sql(q{select count(*) from pg_config where name = 'PKGLIBDIR' and (pg_stat_file(setting || '/auth_delay.so', true)).size is not null});
	$srv->conf("auth_delay.milliseconds = 1500\n");
	foreach my $order ('auth_delay, pg_cert_policy', 'pg_cert_policy, auth_delay')
	{
		preload($order);
		my $start = time;
		is($srv->login(user => 'alice', cert => $cert{alice})->{status}, 0, "$order: the right certificate");
		my $right = time - $start;
		$start = time;
		like($srv->login(user => 'wrong', cert => $cert{bob}, password => 'false')->{log},
			qr/FATAL:  password authentication failed/, "$order: a wrong password");
		cmp_ok(time - $start, '>=', 1.5, "$order: is held up");
		like($srv->login(user => 'alice', cert => $cert{bob})->{log}, $rejected, "$order: a wrong certificate is rejected");
	}
};

# --- ourselves, otherwise --------------------------------------------------------

subtest 'loaded into sessions only' => sub {
	preload('');
	my $got;
	$srv->conf("session_preload_libraries = 'pg_cert_policy'\n");
	$srv->reload;
	$got = $srv->login(user => 'alice', cert => $cert{bob}, sql => q{select mode from pg_cert_policy_for('alice')});
	is($got->{stdout}, 'off', 'nothing is enforced, and the view says so') or diag $got->{stderr};
	is($srv->sessions_become(0), 0, 'no session is watched');
	$got = $srv->try_sql(q{security label for pg_cert_policy on role bob is 'any'});
	like($got->{stderr}, qr/WARNING:  the certificate policy of role "bob" is stored, but nothing is enforced\nDETAIL:  The library "pg_cert_policy" is not in "shared_preload_libraries"\./,
		'a label is taken, with a warning');
	is($srv->try_sql($_)->{status}, 0, $_)
	  foreach 'select * from pg_cert_policies', 'select * from pg_stat_cert_policy', 'select * from pg_cert_policy_rejections',
		'select * from pg_cert_policy_recheck()', 'select pg_stat_cert_policy_reset()';
	$srv->conf("session_preload_libraries = ''\n");
	$srv->reload;
	$got = $srv->login(user => 'bob', cert => $cert{bob}, sql => q{load 'pg_cert_policy'});
	like($got->{log}, qr/ 42501 .*ERROR:  access to library "pg_cert_policy" is not allowed/, 'LOAD is for superusers');
	$got = $srv->try_sql(q{load 'pg_cert_policy'; show pg_cert_policy.enforce; load 'pg_cert_policy'; select mode from pg_cert_policy_for('alice')});
	is($got->{stdout} =~ s/\n/ /gr, 'on off', 'LOAD, twice, enforces nothing either') or diag $got->{stderr};
	is($srv->login(user => 'alice', cert => $cert{bob})->{status}, 0, 'nor does it leave anything to others');
};

# PostgreSQL tells libraries apart by their files.  A setting can be defined once
# only, and so the second does not get far.
subtest 'two copies' => sub {
	my $stage = $ENV{PG_CERT_POLICY_STAGE} // '';
	my $original = $stage . $srv->sql(q{select setting from pg_config where name = 'PKGLIBDIR'}) . '/pg_cert_policy.so';
	my $copy = $pki->dir . '/copy';
	copy($original, "$copy.so") or die "could not copy $original: $!";

	preload('pg_cert_policy, pg_cert_policy');
	like($srv->login(user => 'alice', cert => $cert{bob})->{log}, $rejected, 'the same one twice is one');
	is($srv->sql(q{select count(*) from pg_stat_activity where backend_type = 'pg_cert_policy watchdog'}), 1, 'with one watchdog');

	my $redefined = qr/attempt to redefine parameter "pg_cert_policy\.\w+"/;
	my $got = $srv->try_sql("load '$copy'; select 1");
	like($got->{log}, qr/ERROR:  $redefined/, 'another copy cannot be loaded into a session');
	my $session = CertPolicy::Session->new($srv, tls => 0);
	$session->query("load '$copy'");
	is($session->query(q{select mode from pg_cert_policy_for('alice')}), 'enforce', 'which goes on with the first');
	$session->query(q{security label for pg_cert_policy on role bob is 'tls=1.2'});
	is($session->query(q{select count(*) from pg_cert_policies where name = 'bob' and policy = 'tls=1.2'}), 1, 'and can set labels');
	$session->close;
	like($srv->login(user => 'alice', cert => $cert{bob})->{log}, $rejected, 'nobody else notices');

	$srv->conf("session_preload_libraries = '$copy'\n");
	$srv->reload;
	like($srv->login(user => 'alice', cert => $cert{alice})->{log}, qr/FATAL:  $redefined/, 'in session_preload_libraries it lets nobody in');
	$srv->conf("session_preload_libraries = ''\n");
	$srv->reload;
	is($srv->login(user => 'alice', cert => $cert{alice})->{status}, 0, 'until it is gone');

	$srv->conf("shared_preload_libraries = 'pg_cert_policy, $copy'\n");
	$srv->stop;
	my $mark = $srv->log_mark;
	ok(!$srv->start(fail_ok => 1), 'in shared_preload_libraries the server does not start');
	like($srv->log_since($mark), qr/FATAL:  $redefined/, 'and says why');
	$srv->conf("shared_preload_libraries = 'pg_cert_policy'\n");
	$srv->start;
	like($srv->login(user => 'alice', cert => $cert{bob})->{log}, $rejected, 'with the one alone it does');
};

done_testing();
