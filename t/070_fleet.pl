# More than one server: a primary, its standby, a standby of that, and a logical
# subscriber, each of which trusts other CAs.  Policies bind on a standby as they
# are replayed, connections for replication are judged by the node that they ask,
# and after a promotion everything goes on.  What one server does with them is in
# 051_replication.pl.  Not pg_regress: several servers, and a promotion.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use POSIX qw(strftime);
use Test::More;

my $pki = CertPolicy::PKI->new;
my %ca = map { $_ => $pki->root($_) } qw(caA caB caC servers);
my (%shop, %repl);
foreach my $name (qw(caA caB caC))
{
	$shop{$name} = $pki->leaf("shop-$name", issuer => $ca{$name}, subject => '/CN=shop', eku => 'clientAuth');
	$repl{$name} = $pki->leaf("repl-$name", issuer => $ca{$name}, subject => '/CN=repl', eku => 'clientAuth');
}
my $server_cert = $pki->server($ca{servers});
my @hba = ('local all all peer map=me', 'local replication all peer map=me',
	'hostssl all all 127.0.0.1/32 trust', 'hostssl replication all 127.0.0.1/32 trust');
my %common = (pki => $pki, server_cert => $server_cert, hba => \@hba);

my $primary = CertPolicy::Server->new('primary', %common, ca_file => $ca{caA}{cert},
	init => { allows_streaming => 'logical' }, conf => "wal_retrieve_retry_interval = 100ms\n");
$primary->sql(<<'SQL');
create extension pg_cert_policy;
create role shop login;
create role repl login replication superuser;
security label for pg_cert_policy on role shop is 'cn=%role';
security label for pg_cert_policy on role repl is 'cn=%role eku=clientAuth';
create table t (i int primary key);
create publication pub for table t;
SQL
my $standby = $primary->standby('standby', user => 'repl', cert => $repl{caA}, ca_file => $ca{caB}{cert});
my $subscriber = CertPolicy::Server->new('subscriber', %common, ca_file => $ca{caC}{cert},
	init => { allows_streaming => 'logical' }, conf => "wal_retrieve_retry_interval = 100ms\n");
$subscriber->sql(<<'SQL');
create extension pg_cert_policy;
create role shop login;
create table t (i int primary key);
SQL

sub label
{
	my ($srv, $role, $policy) = @_;

	$srv->sql("security label for pg_cert_policy on role $role is '$policy'");
	return;
}

sub rejected
{
	my ($srv, $role, $cert, $reason, $what) = @_;
	my $got = $srv->login(user => $role, cert => $cert);

	is($got->{status}, 2, "$what: turned away");
	like($got->{log}, qr/ 28000 \S+ FATAL:  certificate policy rejects login as role "$role"\n.*DETAIL:  \Q$reason\E\n/,
		"$what: the log says why");
	return;
}

sub accepted
{
	my ($srv, $role, $cert, $what) = @_;
	my $got = $srv->login(user => $role, cert => $cert, sql => 'select client_dn from pg_stat_ssl where pid = pg_backend_pid()');

	return is($got->{stdout}, "/CN=$role", "$what: let in") || diag $got->{stderr};
}

# --- each node by its own CAs -------------------------------------------------

subtest 'each node trusts other CAs' => sub {
	my %node = (caA => $primary, caB => $standby, caC => $subscriber);

	$primary->wait_for_replay($standby);
	foreach my $ours (sort keys %node)
	{
		is($node{$ours}->sql('select string_agg(name, \',\') from pg_trusted_ca_names()'), "CN=$ours", "$ours: announced");
		foreach my $theirs (sort keys %node)
		{
			if ($ours eq $theirs)
			{
				accepted($node{$ours}, 'shop', $shop{$theirs}, "the node of $ours, a certificate of it");
				next;
			}
			my $got = $node{$ours}->login(user => 'shop', cert => $shop{$theirs});
			is($got->{status}, 2, "the node of $ours, a certificate of $theirs: refused");
			like($got->{log}, qr/could not accept SSL connection: .*certificate verify failed/, 'by TLS');
		}
	}

	# the same text asks for what each node makes of it
	label($primary, 'shop', 'cn=%role ca="CN=caA"');
	$primary->wait_for_replay($standby);
	accepted($primary, 'shop', $shop{caA}, 'a policy with the CA of the primary, there');
	rejected($standby, 'shop', $shop{caB}, 'Policy of role "shop": ca: required "CN=caA", found "CN=caB".', 'on the standby');
	accepted($subscriber, 'shop', $shop{caC}, 'the subscriber, where no policy came,');
	label($primary, 'shop', 'cn=%role');
	$primary->wait_for_replay($standby);
};

subtest 'a policy binds as it is replayed' => sub {
	my $live = CertPolicy::Session->new($standby, user => 'shop', cert => $shop{caB});

	$standby->sql('select pg_wal_replay_pause()');
	$standby->node->poll_query_until('postgres', q{select pg_is_wal_replay_paused()}) or die 'not paused';
	label($primary, 'shop', 'cn=%role eku=codeSigning');
	accepted($standby, 'shop', $shop{caB}, 'before');
	is($standby->sql('select count(*) from pg_cert_policy_recheck()'), '0', 'nor is a session ended');
	$standby->sql('select pg_wal_replay_resume()');
	$primary->wait_for_replay($standby);
	my $reason = 'Policy of role "shop": eku: required "codeSigning", found "clientAuth".';
	rejected($standby, 'shop', $shop{caB}, $reason, 'after');
	is($standby->sql('select pid, reason from pg_cert_policy_recheck()'), $live->pid . "|$reason", 'and a recheck there ends the session');
	like($live->wait_for_end, qr/terminating connection due to administrator command/, 'which is gone');
	label($primary, 'shop', 'cn=%role');
	$primary->wait_for_replay($standby);
};

# --- replication, judged by whom it asks ---------------------------------------

my $cascaded = $standby->standby('cascaded', user => 'repl', cert => $repl{caB}, ca_file => $ca{caB}{cert}, start => 0);

subtest 'a standby of the standby' => sub {
	my $reason = 'Policy of role "repl": eku: required "codeSigning", found "clientAuth".';
	my $replicates = sub {
		$primary->sql('insert into t select coalesce(max(i), 0) + 1 from t');
		my $n = $primary->sql('select max(i) from t');
		return $cascaded->node->poll_query_until('postgres', "select max(i) = $n from t");
	};

	# the standby does not trust the primary's CA
	$cascaded->stream_from($standby, user => 'repl', cert => $repl{caA});
	my $mark = $standby->log_mark;
	$cascaded->start;
	like($standby->wait_for_log(qr/could not accept SSL connection: .*certificate verify failed/, $mark), qr/verify failed/,
		'with a certificate for the primary: refused by the standby');
	$cascaded->stream_from($standby, user => 'repl', cert => $repl{caB});
	$cascaded->reload;
	ok($replicates->(), 'with one for the standby: streams');
	is($standby->sql('select role, database is null, subject, issuer from pg_cert_sessions join pg_stat_replication using (pid)'),
		'repl|t|CN=repl|CN=caB', 'and is among the sessions of the standby');
	is($primary->sql('select role, database is null, subject, issuer from pg_cert_sessions join pg_stat_replication using (pid)'),
		'repl|t|CN=repl|CN=caA', 'as the standby is among those of the primary');

	# a stricter policy, set on the primary, ends what streams from the standby
	label($primary, 'repl', 'cn=%role eku=codeSigning');
	$primary->wait_for_replay($standby);
	$mark = $standby->log_mark;
	is($standby->sql('select role, reason from pg_cert_policy_recheck()'), "repl|$reason", 'a recheck on the standby ends it');
	like($standby->wait_for_log(qr/FATAL:  certificate policy rejects login as role "repl"/, $mark), qr/DETAIL:  \Q$reason\E/,
		'and keeps it out');
	label($primary, 'repl', 'cn=%role eku=clientAuth');
	ok($replicates->(), 'until the policy allows it again');
	$cascaded->stop;
};

subtest 'a subscription' => sub {
	my $conninfo = $primary->conninfo(user => 'repl', cert => $repl{caC}) =~ s/'/''/gr;
	my $got = $subscriber->try_sql("create subscription s connection '$conninfo' publication pub");
	like($got->{stderr}, qr/ERROR:  .*could not connect to the publisher/, "with a certificate for the subscriber's own server: refused");

	$conninfo = $primary->conninfo(user => 'repl', cert => $repl{caA}) =~ s/'/''/gr;
	$subscriber->sql("create subscription s connection '$conninfo' publication pub");
	my $n = $primary->sql('select count(*) from t');
	ok($subscriber->node->poll_query_until('postgres', "select count(*) = $n from t"), 'with one for the publisher: copies');

	# the policy of the subscriber's shop is its own business
	label($subscriber, 'shop', 'cn=%role ca="CN=caC"');
	is($primary->sql(q{select policy from pg_cert_policies where name = 'shop'}), 'cn=%role', 'policies are not carried by logical replication');
	accepted($subscriber, 'shop', $shop{caC}, 'its own policy');
};

# --- promotion ------------------------------------------------------------------

subtest 'promotion' => sub {
	my $counts = sub {
		return $standby->sql(q{select accepted, rejected from pg_stat_cert_policy where role = 'shop' and database = 'postgres'});
	};
	my ($in, $out) = split /\|/, $counts->();

	# three sessions of before: one whose certificate ends, one that a policy of
	# after the promotion objects to, and one to stay
	$primary->sql('create role brief login; create role keeper login');
	label($primary, 'brief', 'on_expiry=disconnect cn=%role');
	label($primary, 'keeper', 'any');
	$primary->wait_for_replay($standby);
	my $shop = CertPolicy::Session->new($standby, user => 'shop', cert => $shop{caB});
	my $keeper = CertPolicy::Session->new($standby, user => 'keeper', cert => $shop{caB});
	my $short = $pki->leaf('short', issuer => $ca{caB}, subject => '/CN=brief', eku => 'clientAuth',
		not_after => strftime('%Y%m%d%H%M%SZ', gmtime(time + 45)));
	my $brief = CertPolicy::Session->new($standby, user => 'brief', cert => $short);
	my $mark = $standby->log_mark;

	$primary->stop;
	$standby->node->promote;
	is($_->query('select pg_is_in_recovery()'), 'f', 'a session lives on') foreach $brief, $shop, $keeper;
	is($standby->sql(q{select string_agg(role, ',' order by role) from pg_cert_sessions where accepted_now and subject is not null}),
		'brief,keeper,shop', 'and is still watched');
	is($counts->(), ($in + 1) . "|$out", 'the counts go on');
	rejected($standby, 'shop', $repl{caB}, 'Policy of role "shop": cn: required "shop", found "repl".', 'the policies, too');
	is($counts->(), ($in + 1) . '|' . ($out + 1), 'and are counted');
	is($standby->sql('select role, clause, found from pg_cert_policy_rejections limit 1'), 'shop|cn|"repl"', 'and recorded');

	label($standby, 'shop', 'cn=%role ca="CN=caA"');
	my $reason = 'Policy of role "shop": ca: required "CN=caA", found "CN=caB".';
	rejected($standby, 'shop', $shop{caB}, $reason, 'a policy that was set after it');
	$standby->conf("pg_cert_policy.recheck_interval = 10s\n");
	$standby->reload;
	$shop->wait_for_end;
	like($standby->log_since($mark), qr/ending session of role "shop" with PID @{[$shop->pid]}, as its login would be rejected now\n.*DETAIL:  \Q$reason\E/,
		'the watchdog judges again');
	$brief->wait_for_end;
	like($standby->log_since($mark), qr/ending session of role "brief" with PID @{[$brief->pid]}, as its certificate has expired/,
		'and sees what expires');
	is($keeper->query('select 1'), '1', 'and leaves the others alone');
	$keeper->close;
	label($standby, 'shop', 'cn=%role');

	# the subscriber follows, with a certificate for the new primary
	my $conninfo = sub { $standby->conninfo(user => 'repl', cert => $_[0]) =~ s/'/''/gr };
	$standby->sql(q{select pg_create_logical_replication_slot('s', 'pgoutput')});
	$mark = $standby->log_mark;
	$subscriber->sql("alter subscription s connection '" . $conninfo->($repl{caA}) . "'");
	like($standby->wait_for_log(qr/could not accept SSL connection: .*certificate verify failed/, $mark), qr/verify failed/,
		'the subscriber with the certificate for the old primary: refused');
	$subscriber->sql("alter subscription s connection '" . $conninfo->($repl{caB}) . "'");
	$standby->sql('insert into t values (1000)');
	ok($subscriber->node->poll_query_until('postgres', 'select count(*) = 1 from t where i = 1000'), 'with one for the new primary: streams');
	is($standby->sql('select role, database, issuer from pg_cert_sessions join pg_stat_replication using (pid)'), 'repl|postgres|CN=caB',
		'and is among the sessions');
	$subscriber->sql('drop subscription s');
};

$_->stop foreach $standby, $subscriber;
done_testing();
