# A cluster that loses the library: what still works, what PostgreSQL refuses,
# and the documented steps to be rid of labels whose provider is gone.  And
# what the several kinds of dump carry.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $x = $pki->leaf('x', issuer => $ca, eku => 'clientAuth');
my %options = (
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);

my $srv = CertPolicy::Server->new('main', %options);
my $stored = q{select count(*) from pg_shseclabel where provider = 'pg_cert_policy'};

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role bob login;
create role staff;
create database db;
security label for pg_cert_policy on role postgres is 'exempt';
security label for pg_cert_policy on role alice is 'cn=%role';
security label for pg_cert_policy on role bob is 'cn=%role';
security label for pg_cert_policy on role staff is 'any';
security label for pg_cert_policy on database db is 'any';
security label for pg_cert_policy on database postgres is 'tls=1.2';
SQL

# The statements about labels in a dump, sorted.
sub dumped
{
	my ($program, @options) = @_;
	my $got = $srv->client([ $program, '-h', $srv->node->host, '-p', $srv->port, '-U', 'postgres', @options ]);

	is($got->{status}, 0, "$program @options") or diag $got->{stderr};
	return join("\n", sort $got->{stdout} =~ /^SECURITY LABEL FOR pg_cert_policy ON (.*);$/mg);
}

my @roles = (
	"ROLE alice IS 'cn=%role'", "ROLE bob IS 'cn=%role'", "ROLE postgres IS 'exempt'", "ROLE staff IS 'any'");

sub dumps
{
	is(dumped('pg_dumpall'), join("\n", sort "DATABASE db IS 'any'", @roles), 'all but that of "postgres"');
	is(dumped('pg_dumpall', '--clean'), join("\n", sort "DATABASE db IS 'any'", "DATABASE postgres IS 'tls=1.2'", @roles), 'that too');
	is(dumped('pg_dumpall', '--roles-only'), join("\n", @roles), 'those of roles');
	is(dumped('pg_dumpall', '--globals-only'), join("\n", @roles), 'those of roles');
	is(dumped('pg_dumpall', '--no-security-labels'), '', 'none');
	is(dumped('pg_dump', '-C', 'db'), "DATABASE db IS 'any'", 'that of the database');
	is(dumped('pg_dump', 'db'), '', 'none');
	return;
}

subtest 'what dumps carry' => \&dumps;

subtest 'the extension is dropped' => sub {
	$srv->sql('drop extension pg_cert_policy');
	is($srv->sql($stored), '6', 'the labels stay');
	like($srv->login(user => 'alice', cert => $x)->{log},
		qr/DETAIL:  Policy of role "alice": cn: required "alice", found "x"\./, 'and are enforced');
	$srv->sql(q{security label for pg_cert_policy on role staff is 'tls=1.2'});
	like($srv->try_sql(q{security label for pg_cert_policy on role staff is 'nonsense'})->{log},
		qr/ 42602 .*ERROR:  invalid certificate policy of role "staff"/, 'and can be set: the library knows them');
	$srv->sql(q{security label for pg_cert_policy on role staff is 'any'});
	$srv->sql('create extension pg_cert_policy');
	is($srv->sql('select count(*) from pg_cert_policies where valid'), '6', 'it comes back to all of them');
	$srv->sql('drop extension pg_cert_policy');
};

subtest 'the library is gone' => sub {
	$srv->conf("shared_preload_libraries = ''\n");
	$srv->restart;
	is($srv->login(user => 'alice', cert => $x)->{status}, 0, 'nothing is enforced');
	foreach my $what ("'any'", 'null')
	{
		my $got = $srv->try_sql("security label for pg_cert_policy on role alice is $what");
		like($got->{log}, qr/ 22023 .*ERROR:  security label provider "pg_cert_policy" is not loaded/,
			"no label can be set: $what");
	}
	is($srv->sql($stored), '6', 'all are there');
	dumps();
};

subtest 'what takes labels away without it' => sub {
	$srv->sql('drop role bob');
	$srv->sql('drop database db');
	is($srv->sql($stored), '4', 'DROP ROLE and DROP DATABASE do');
	# documented: a superuser may, and nothing else is left
	$srv->sql(q{delete from pg_shseclabel where provider = 'pg_cert_policy' and objoid = 'staff'::regrole});
	is($srv->sql($stored), '3', 'so does a superuser in the catalog');
};

subtest 'the library is back' => sub {
	$srv->conf("shared_preload_libraries = 'pg_cert_policy'\n");
	$srv->restart;
	like($srv->login(user => 'alice', cert => $x)->{log},
		qr/DETAIL:  Policy of role "alice": cn: required "alice", found "x"\./, 'what was left is enforced');
	$srv->sql('create extension pg_cert_policy');
	is($srv->sql('select string_agg(name, \' \' order by name) from pg_cert_policies'), 'alice postgres postgres', 'and seen');
};

# A restore into a server that cannot take the labels must not go unnoticed,
# and one that can must take them as they are.
subtest 'restore' => sub {
	my $dump = $srv->client([ 'pg_dumpall', '--clean', '--if-exists', '-h', $srv->node->host, '-p', $srv->port, '-U', 'postgres' ])->{stdout};
	my $before = $srv->sql('select kind, name, policy from pg_cert_policies order by 1, 2');
	my $restore = sub {
		my ($server) = @_;
		return $server->client([ 'psql', '-Xq', '-h', $server->node->host, '-p', $server->port, '-U', 'postgres', '-d', 'template1' ],
			stdin => $dump);
	};
	my $fresh = CertPolicy::Server->new('fresh', %options);
	my $got = $restore->($fresh);
	# what it says about existing roles and the database it is in is as ever
	unlike($got->{stderr}, qr/label|provider|certificate/i, 'without an error about labels');
	is($fresh->sql('select kind, name, policy from pg_cert_policies order by 1, 2'), $before,
		'with --clean the label of "postgres" comes too');
	$fresh->stop;

	my $bare = CertPolicy::Server->new('bare', %options, preload => 0);
	$got = $restore->($bare);
	is(scalar(() = $got->{stderr} =~ /ERROR:  security label provider "pg_cert_policy" is not loaded/g), 3,
		'without the library each label is an error');
	is($bare->sql($stored), '0', 'and none is stored');
	$bare->stop;
};

# Where no dump carries a label, none is taken: it would be lost without a word.
subtest 'refused where no dump carries them' => sub {
	foreach my $role (qw(pg_monitor pg_read_all_data pg_signal_backend))
	{
		next if $role eq 'pg_read_all_data' && $srv->sql('show server_version_num') < 140000;
		like($srv->try_sql("security label for pg_cert_policy on role $role is 'any'")->{log},
			qr/ 42939 .*ERROR:  cannot set a certificate policy on role "$role"\n.*DETAIL:  No dump would carry it/, $role);
	}
	foreach my $object ('table pg_class', 'schema public', 'tablespace pg_default', 'function now()', 'extension pg_cert_policy')
	{
		like($srv->try_sql("security label for pg_cert_policy on $object is 'any'")->{log},
			qr/ (?:42809 .*ERROR:  certificate policies can be set on roles and databases only|42601 .*|42501 .*|42809 .*security labels are not supported for this type of object)/,
			$object);
	}
	is($srv->sql(q{select count(*) from pg_seclabel}), '0', 'none is stored');
};

done_testing();
