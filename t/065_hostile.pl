# What others may prepare: a schema with objects of like names, into which the
# extension is then installed, and a name of a database in bytes that are no
# text.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);

# Every call and operator in the install script must mean the extension's or
# PostgreSQL's own, whatever stands in the schema: up to 14, anybody may create
# objects in "public".
subtest 'a schema that is not ours' => sub {
	my $trap = q{language plpgsql as 'begin raise exception ''hijacked''; end'};
	my @views = qw(pg_trusted_cas pg_tls_expiry pg_cert_policies pg_cert_sessions
	  pg_stat_cert_policy pg_cert_policy_rejections pg_cert_policy_hba);

	$srv->sql("create role alice login; security label for pg_cert_policy on role alice is 'any'");
	$srv->sql('create role mallory; create schema theirs authorization mallory');
	$srv->sql(<<"SQL");
set role mallory;
set search_path = theirs;
create function pg_cert_policy_for(name, text) returns table (kind text, name name, policy text) $trap;
create function pg_cert_policy_for(text, text) returns table (kind text, name name, policy text) $trap;
create function equals(text, text) returns bool $trap;
create function equals(anyelement, anyelement) returns bool $trap;
create function minus(timestamptz, timestamptz) returns interval $trap;
create operator = (function = equals, leftarg = text, rightarg = text);
create operator = (function = equals, leftarg = anyelement, rightarg = anyelement);
create operator - (function = minus, leftarg = timestamptz, rightarg = timestamptz);
create function count(anyelement) returns bigint $trap;
create function quote_ident(text) returns text $trap;
create function array_agg(text) returns text[] $trap;
SQL
	my $got = $srv->try_sql('create extension pg_cert_policy schema theirs');
	is($got->{status}, 0, 'the extension can be created') or diag $got->{stderr};
	unlike($got->{stderr}, qr/hijacked/, 'and runs nothing of theirs');
	foreach my $view (@views)
	{
		$got = $srv->try_sql("select * from theirs.$view");
		is($got->{status}, 0, "nor does $view") or diag $got->{stderr};
	}
	is($srv->sql(q{select roles > 0, policies from theirs.pg_cert_policy_hba where type = 'host'}),
		q(t|{"role alice"}), 'which sees what it should');
	$srv->sql('drop extension pg_cert_policy; drop schema theirs cascade; drop role mallory');
};

# The name comes from the client, before anybody has looked whether there is
# such a database.  Whoever reads of the rejection must be able to.
subtest 'a database in no encoding' => sub {
	$srv->sql('create extension pg_cert_policy');
	my $got = $srv->login(user => 'alice', db => "d\xff\xfe\xc3");

	like($got->{log}, qr/DETAIL:  Policy of role "alice": no certificate\./, 'is turned away by the policy first');
	$got = $srv->try_sql('select role, database from pg_cert_policy_rejections limit 1', conninfo => 'client_encoding=LATIN1');
	is($got->{status}, 0, 'the view can be read in any client encoding') or diag $got->{stderr};
	is($got->{stdout}, 'alice|d\FF\FE\C3', 'and shows the bytes');

	$srv->login(user => 'alice', db => "\xff" x 63);
	$got = $srv->try_sql('select database from pg_cert_policy_rejections limit 1', conninfo => 'client_encoding=LATIN1');
	is($got->{stdout}, '\FF' x 20 . '...', 'as many as a name holds') or diag $got->{stderr};
};

done_testing();
