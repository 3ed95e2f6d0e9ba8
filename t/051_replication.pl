# Connections for replication are logins like any other: a base backup, a
# standby, a logical stream and a subscription are let in with the right
# certificate, turned away with the wrong one, and ended by a recheck.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $repl = $pki->leaf('repl', issuer => $ca, eku => 'clientAuth');
my $other = $pki->leaf('other', issuer => $ca, eku => 'clientAuth');
my @hba = (
	'local all all trust', 'local replication all trust',
	'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust');

my $srv = CertPolicy::Server->new(
	'publisher',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	init => { allows_streaming => 'logical' },
	hba => \@hba);

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role repl login replication superuser;
create database db;
security label for pg_cert_policy on role repl is 'cn=%role eku=clientAuth';
SQL
$srv->sql('create table t (i int primary key); create publication pub for table t', db => 'db');

my $reason = 'Policy of role "repl": cn: required "repl", found "other".';
my $turned_away = qr/ 28000 (?:repl\@\S*|\S+) FATAL:  certificate policy rejects login as role "repl"\n.*DETAIL:  \Q$reason\E\n/;

# The connection string of a replication program; it adds the database itself.
sub conninfo
{
	my ($cert, %opt) = @_;

	return $srv->conninfo(user => 'repl', cert => $cert, %opt);
}

sub label
{
	my ($object, $policy) = @_;

	$srv->sql("security label for pg_cert_policy on $object is "
		  . (defined $policy ? "'$policy'" : 'null'));
	return;
}

# Runs a program with the right certificate and with the wrong one.
sub both
{
	my ($what, @command) = @_;
	my $got = $srv->client([ map { ref $_ ? $_->($other) : $_ } @command ]);

	isnt($got->{status}, 0, "$what, the wrong certificate: fails");
	like($got->{stderr}, qr/FATAL:  certificate policy rejects login as role "repl"/, "$what: and says so");
	like($got->{log}, $turned_away, "$what: the log has the reason");
	$got = $srv->client([ map { ref $_ ? $_->($repl) : $_ } @command ]);
	is($got->{status}, 0, "$what, the right one: works") or diag $got->{stderr};
	unlike($got->{log}, qr/certificate policy/, "$what: without a word");
	return;
}

subtest 'pg_basebackup' => sub {
	my $folder = $pki->dir . '/base';
	both('fetching WAL', 'pg_basebackup', '--no-sync', '-c', 'fast', '-X', 'fetch',
		'-D', $folder, '-d', sub { conninfo($_[0]) });
	ok(-s "$folder/PG_VERSION", 'there is a backup');
	both('streaming WAL', 'pg_basebackup', '--no-sync', '-c', 'fast', '-X', 'stream',
		'-D', "$folder.stream", '-d', sub { conninfo($_[0]) });
	# without TLS there is no certificate, whatever is in the connection string
	my $got = $srv->client([ 'pg_basebackup', '-c', 'fast', '-D', "$folder.plain",
			'-d', conninfo($repl, conninfo => 'sslmode=disable') ]);
	like($got->{log}, qr/DETAIL:  Policy of role "repl": no TLS\.\n/, 'without TLS');
	ok(!-e "$folder.plain/PG_VERSION", 'nothing was copied');
};

subtest 'pg_recvlogical' => sub {
	my @command = ('pg_recvlogical', '-S', 'slot', '-d', sub { conninfo($_[0], db => 'db') });
	both('a slot is created', @command, '--create-slot', '-P', 'test_decoding');
	# the database's policy counts, as the connection has one
	label('database db', 'key_type=RSA');
	my $got = $srv->client([ 'pg_recvlogical', '-S', 'slot', '-d', conninfo($repl, db => 'db'), '--drop-slot' ]);
	isnt($got->{status}, 0, 'against the policy of the database');
	like($got->{log}, qr/DETAIL:  Policy of database "db": key_type: required "RSA", found EC\.\n/, 'its reason');
	is($srv->login(user => 'repl', cert => $repl, db => 'replication',
			conninfo => 'replication=true', sql => 'IDENTIFY_SYSTEM')->{status}, 0,
		'physical replication has none');
	label('database db');
	both('it is dropped', @command, '--drop-slot');
	is($srv->sql('select count(*) from pg_replication_slots'), '0', 'none is left');
};

# The dry run tells beforehand; the empty database is physical replication.
subtest 'the dry run' => sub {
	label('database db', 'key_type=RSA');
	my $check = sub {
		my ($cert, $database) = @_;
		open my $file, '<', $cert->{cert} or die $!;
		my $pem = do { local $/ = undef; <$file> };
		return $srv->sql("select holds, found from pg_cert_policy_check('repl', '$pem'::text, '$database') where kind = 'verdict'");
	};
	is($check->($repl, ''), 't|accepted', 'physical');
	is($check->($repl, 'db'), 'f|Policy of database "db": key_type: required "RSA", found EC.', 'logical');
	is($check->($other, ''), "f|$reason", 'physical, the wrong certificate');
	label('database db');
};

subtest 'a standby' => sub {
	my $primary = $srv->node;
	$primary->backup('base');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	my $conninfo = sub { conninfo($_[0], conninfo => 'application_name=standby') =~ s/'/''/gr };
	my $set = sub { $standby->append_conf('postgresql.conf', "primary_conninfo = '" . $conninfo->($_[0]) . "'\n") };
	$standby->append_conf('postgresql.conf', "wal_retrieve_retry_interval = 100ms\nhot_standby = on\n");
	$set->($other);
	my $mark = $srv->log_mark;
	$standby->start;
	like($srv->wait_for_log($turned_away, $mark), $turned_away, 'the wrong certificate is turned away');
	is($srv->sql('select count(*) from pg_stat_replication'), '0', 'and nothing streams');
	$set->($repl);
	$standby->reload;
	$srv->sql('create table after ()');
	$primary->wait_for_catchup($standby);
	is($standby->safe_psql('postgres', q{select count(*) from pg_class where relname = 'after'}), '1', 'the right one streams');
	is($srv->sql(q{select role, database is null, subject, accepted_now from pg_cert_sessions s join pg_stat_replication r using (pid)}),
		'repl|t|CN=repl|t', 'and is among the sessions');

	# the policies have arrived there, and are asked
	my $srv2 = bless { %$srv, node => $standby }, ref $srv;
	my $got = $srv2->login(user => 'repl', cert => $other);
	like($got->{log}, $turned_away, 'the standby turns away as well');
	is($srv2->login(user => 'repl', cert => $repl)->{status}, 0, 'and lets in');
	$got = $srv2->login(user => 'postgres', tls => 0,
		sql => q{security label for pg_cert_policy on role repl is null});
	like($got->{log}, qr/ 25006 .*ERROR:  cannot execute SECURITY LABEL in a read-only transaction/, 'but has no policies of its own');

	# promoted, it goes on by itself
	$standby->promote;
	like($srv2->login(user => 'repl', cert => $other)->{log}, $turned_away, 'after its promotion too');
	is($srv2->login(tls => 0, sql => q{security label for pg_cert_policy on role repl is null})->{status}, 0,
		'now with policies of its own');
	is($srv2->login(user => 'repl', cert => $other)->{status}, 0, 'at once');
	$standby->stop;
	label('role repl', 'cn=%role eku=clientAuth');
};

subtest 'a subscription' => sub {
	my $sub = CertPolicy::Server->new('subscriber', init => { allows_streaming => 'logical' },
		conf => "wal_retrieve_retry_interval = 100ms\n", hba => ['local all all trust']);
	$sub->sql('create table t (i int primary key)');
	my $create = sub {
		my ($cert) = @_;
		my $conninfo = conninfo($cert, db => 'db') =~ s/'/''/gr;
		return $sub->try_sql("create subscription s connection '$conninfo' publication pub");
	};
	my $mark = $srv->log_mark;
	my $got = $create->($other);
	like($got->{stderr}, qr/ERROR:  .*could not connect to the publisher.*FATAL:  certificate policy rejects login as role "repl"/s,
		'the wrong certificate: not created');
	like($srv->log_since($mark), $turned_away, 'the publisher has the reason');

	$srv->sql('insert into t values (1)', db => 'db');
	is($create->($repl)->{status}, 0, 'the right one');
	$sub->node->poll_query_until('postgres', 'select count(*) = 1 from t') or die 'no initial copy';
	$srv->sql('insert into t values (2)', db => 'db');
	$sub->node->poll_query_until('postgres', 'select count(*) = 2 from t') or die 'no stream';
	pass('copies and streams');
	is($srv->sql(q{select role, database, subject from pg_cert_sessions join pg_stat_replication using (pid)}),
		'repl|db|CN=repl', 'and is among the sessions');

	# a stricter policy of the database ends it, and keeps it out
	label('database db', 'key_type=RSA');
	$mark = $srv->log_mark;
	is($srv->sql('select role, reason from pg_cert_policy_recheck()'),
		'repl|Policy of database "db": key_type: required "RSA", found EC.', 'a recheck ends it');
	like($srv->wait_for_log(qr/FATAL:  certificate policy rejects login as role "repl"/, $mark),
		qr/DETAIL:  Policy of database "db": key_type: required "RSA", found EC\.\n/, 'and it does not get back in');
	label('database db');
	$srv->sql('insert into t values (3)', db => 'db');
	$sub->node->poll_query_until('postgres', 'select count(*) = 3 from t') or die 'no stream';
	pass('until the policy allows it again');
	$sub->sql('drop subscription s');
};

done_testing();
