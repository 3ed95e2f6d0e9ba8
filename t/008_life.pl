# Policies in the life of a cluster: pg_cert_policy_export(), pg_dumpall and
# restore, DROP ROLE, rename, DROP EXTENSION and again; what CREATEROLE can do
# to get around a policy; and logins on a standby.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');
my $carol = $pki->leaf('carol', issuer => $ca, eku => 'clientAuth');
my @hba = ('local all all trust', 'local replication all trust', 'host all all 127.0.0.1/32 trust');
my %options = (
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => \@hba);

my $srv = CertPolicy::Server->new('main', %options, init => { allows_streaming => 1 });
my $version = $srv->sql('show server_version_num');

my $labels = q{select kind, name, policy from pg_cert_policies order by 1, 2};

$srv->sql(<<"SQL");
create extension pg_cert_policy;
create role alice login;
create role bob login;
create role "o""dd ro'le";
create role boss superuser login;
create database db;
security label for pg_cert_policy on role boss is 'exempt';
security label for pg_cert_policy on role postgres is 'exempt';
security label for pg_cert_policy on role alice is 'cn=%role ca="CN=ca"';
security label for pg_cert_policy on role "o""dd ro'le" is 'cn="it''s \\5C"
 or san=URI:*';
security label for pg_cert_policy on database db is 'tls=1.2';
security label for pg_cert_policy on database postgres is 'mode=log any';
SQL
my $before = $srv->sql($labels);

sub clear_labels
{
	my ($server) = @_;

	$server->sql(q{set allow_system_table_mods = on;
		delete from pg_shseclabel where provider = 'pg_cert_policy'});
	return;
}

sub run_sql
{
	my ($server, $sql) = @_;
	my $file = $pki->dir . '/script.sql';

	open my $out, '>', $file or die "could not write $file: $!";
	print $out $sql;
	close $out;
	return $server->client([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $server->node->host,
			'-p', $server->port, '-U', 'postgres', '-d', 'postgres', '-f', $file ]);
}

subtest 'export and back' => sub {
	my $export = $srv->sql('select pg_cert_policy_export()');

	is($export, <<'SQL' =~ s/\n\z//r, 'as SQL');
LOAD 'pg_cert_policy';
SECURITY LABEL FOR pg_cert_policy ON DATABASE db IS 'tls=1.2';
SECURITY LABEL FOR pg_cert_policy ON DATABASE postgres IS 'mode=log any';
SECURITY LABEL FOR pg_cert_policy ON ROLE "o""dd ro'le" IS E'cn="it''s \\5C"
 or san=URI:*';
SECURITY LABEL FOR pg_cert_policy ON ROLE alice IS 'cn=%role ca="CN=ca"';
SECURITY LABEL FOR pg_cert_policy ON ROLE boss IS 'exempt';
SECURITY LABEL FOR pg_cert_policy ON ROLE postgres IS 'exempt';
SQL
	clear_labels($srv);
	is($srv->sql('select count(*) from pg_cert_policies'), '0', 'all gone');
	is(run_sql($srv, $export)->{status}, 0, 'run');
	is($srv->sql($labels), $before, 'all back');

	$srv->conf("pg_cert_policy.default_policy = 'mode=log cn=\"it\\\\27s\"'\n");
	$srv->reload;
	my @lines = split /\n/, $srv->sql('select pg_cert_policy_export()');
	is($lines[-1], q{ALTER SYSTEM SET pg_cert_policy.default_policy = E'mode=log cn="it\\\\27s"';}, 'the default');
	is(run_sql($srv, $lines[-1])->{status}, 0, 'which can be run');
	$srv->sql('alter system reset pg_cert_policy.default_policy');
	$srv->conf("pg_cert_policy.default_policy = 'mode=log cn=%who'\n");
	$srv->reload;
	@lines = split /\n/, $srv->sql('select pg_cert_policy_export()');
	like($lines[-1], qr/^-- left out: the policy of default_policy, which cannot be read: % is not followed by "role" \(clause "cn", position 13\)$/,
		'unless it cannot be read');
	$srv->conf("pg_cert_policy.default_policy = ''\n");
	$srv->reload;
};

subtest 'what cannot be set again is a comment' => sub {
	$srv->sql(<<'SQL');
set allow_system_table_mods = on;
-- from 19 on no command makes such a name, but an upgrade may bring one along
create role two_lines;
update pg_authid set rolname = E'two\ndrop role bob;' where rolname = 'two_lines';
update pg_shseclabel set label = E'cn=x\ndrop role bob;' where provider = 'pg_cert_policy' and objoid = 'alice'::regrole;
insert into pg_shseclabel values ((select oid from pg_authid where rolname like 'two%'), 'pg_authid'::regclass, 'pg_cert_policy', 'two'),
	('pg_monitor'::regrole, 'pg_authid'::regclass, 'pg_cert_policy', 'any'),
	(99999, 'pg_authid'::regclass, 'pg_cert_policy', 'any');
SQL
	my $export = $srv->sql('select pg_cert_policy_export()');
	like($export, qr/^-- left out: the policy of role "alice", which cannot be read: .*$/m, 'a broken label');
	like($export, qr/^-- left out: the policy of role "pg_monitor", which cannot be set on a role of this name$/m,
		'one of a pg_ role');
	like($export, qr/^-- left out: the policy of role 99999, which does not exist$/m, 'one of nobody');
	like($export, qr/^-- left out: the policy of role "two\\0Adrop role bob;", which cannot be read: .*$/m,
		'one of a role whose name has a line of its own');
	is(run_sql($srv, $export)->{status}, 0, 'the rest runs');
	$srv->sql(q{set allow_system_table_mods = on;
		delete from pg_shseclabel where provider = 'pg_cert_policy' and objoid in ('pg_monitor'::regrole, 99999)});
	$srv->sql("drop role \"two\ndrop role bob;\"");
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=%role ca="CN=ca"'});
	like($srv->try_sql('set role bob; select pg_cert_policy_export()')->{stderr},
		qr/permission denied for function pg_cert_policy_export/, 'not for anybody');
};

subtest 'pg_dumpall and restore' => sub {
	my $dump = $srv->client([ 'pg_dumpall', '-h', $srv->node->host, '-p', $srv->port, '-U', 'postgres', '--no-sync' ]);
	my $export = $srv->sql('select pg_cert_policy_export()');
	is($dump->{status}, 0, 'dumped');

	my $fresh = CertPolicy::Server->new('fresh', %options);
	my $restored = $fresh->client([ 'psql', '-Xq', '-h', $fresh->node->host, '-p', $fresh->port,
			'-U', 'postgres', '-d', 'postgres' ], stdin => $dump->{stdout});
	is_deeply([ grep { /ERROR/ && !/already exists/ } split /\n/, $restored->{stderr} ], [],
		'restored, without an error');
	is($fresh->sql($labels), join("\n", grep { !/\|postgres\|mode=log/ } split /\n(?=\w+\|)/, $before),
		'all but the label of the database postgres');
	is(run_sql($fresh, $export)->{status}, 0, 'which the export brings');
	is($fresh->sql($labels), $before, 'so that all are there');
	like($fresh->login(user => 'alice', cert => $carol)->{log},
		qr/DETAIL:  Policy of role "alice": cn: required "alice", found "carol"\./, 'and enforced');
	$fresh->stop;

	my $bare = CertPolicy::Server->new('bare', %options, preload => 0);
	$restored = $bare->client([ 'psql', '-Xq', '-h', $bare->node->host, '-p', $bare->port,
			'-U', 'postgres', '-d', 'postgres' ], stdin => $dump->{stdout});
	like($restored->{stderr}, qr/ERROR:  security label provider "pg_cert_policy" is not loaded/,
		'a server without the library says that the labels are lost');
	$bare->stop;
};

subtest 'DROP and rename' => sub {
	$srv->sql('drop role "o""dd ro\'le"; drop database db');
	is($srv->sql(q{select count(*) from pg_cert_policies where name in ('o"dd ro''le', 'db')}), '0',
		'a label goes with its object');
	$srv->sql('alter role alice rename to carol');
	is($srv->login(user => 'carol', cert => $carol)->{status}, 0, '%role is the new name');
	like($srv->login(user => 'carol', cert => $alice)->{log},
		qr/Policy of role "carol": cn: required "carol", found "alice"\./, 'and no longer the old');
	$srv->sql('alter role carol rename to alice');
	$srv->sql('drop extension pg_cert_policy');
	like($srv->login(user => 'alice', cert => $carol)->{log}, qr/certificate policy rejects/,
		'policies do without the extension');
	$srv->sql('create extension pg_cert_policy');
	like($srv->sql($labels), qr/^role\|alice\|/m, 'which can come back');
};

# A policy binds whoever logs in; CREATEROLE can change who is what.
subtest 'what CREATEROLE can achieve' => sub {
	$srv->sql(<<'SQL');
create role maker login createrole;
create role staff;
create role member login in role staff;
security label for pg_cert_policy on role staff is 'cn=nobody';
SQL
	my $as_maker = sub { $srv->try_sql("set session authorization maker; $_[0]") };
	my $refused = qr/ERROR/;

	like($as_maker->(q{security label for pg_cert_policy on role member is 'exempt'})->{stderr},
		$refused, 'no policy can be set');
	like($as_maker->(q{security label for pg_cert_policy on role staff is null})->{stderr},
		$refused, 'nor taken away');
	my $revoke = $as_maker->('revoke staff from member');
	my $login = $srv->login(user => 'member', cert => $alice);
	if ($version < 160000)
	{
		is($revoke->{status}, 0, 'before 16: a member can be taken out of its group');
		is($login->{status}, 0, 'and with it out of the policy');
		$srv->sql('grant staff to member');
		is($as_maker->('alter role member rename to member2')->{status}, 0, 'it can be renamed');
		$srv->sql('alter role member2 rename to member');
	}
	else
	{
		# PostgreSQL only warns that there is nothing of his to revoke
		like($revoke->{stderr}, qr/ERROR|WARNING/, 'from 16 on: not somebody else\'s member');
		like($login->{log}, qr/Policy of group "staff"/, 'the policy stays');
		like($as_maker->('alter role member rename to member2')->{stderr}, $refused, 'nor renamed');
		is($as_maker->('create role made login; grant staff to made')->{status} == 0 ? 1 : 0, 0,
			'nor put one of his own in');
	}
	$srv->sql('drop role if exists made; drop role member; drop role staff; drop role maker');
};

subtest 'a standby' => sub {
	my $node = $srv->node;
	$node->backup('b');
	my $standby = PostgreSQL::Test::Cluster->new('standby');
	$standby->init_from_backup($node, 'b', has_streaming => 1);
	$standby->start;
	my $try = sub {
		my ($cert) = @_;
		return $srv->client([ 'psql', '-XAtq', '-c', 'select pg_is_in_recovery()', '-d',
				"host=localhost hostaddr=127.0.0.1 user=alice dbname=postgres sslmode=require gssencmode=disable port="
				  . $standby->port . " sslcert=$cert->{chain} sslkey=$cert->{key}" ]);
	};
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=carol'});
	$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
	is($try->($carol)->{stdout}, 't', 'lets in by the policies that came over');
	like($try->($alice)->{stderr}, qr/FATAL:  certificate policy rejects login as role "alice"/,
		'and turns away');
	$standby->stop;
};

done_testing();
