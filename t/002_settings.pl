# The settings and the ways out of a lock-out: enforce, local_connections,
# default_policy and exempt_roles, by reload and at start, spelt well and not.
# A misspelt setting must count as its strictest value, never as its default.
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
my $bob = $pki->leaf('bob', issuer => $ca, eku => 'clientAuth');
my @tcp = ('host all all 127.0.0.1/32 trust');

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => ['local all all trust', @tcp]);

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role bob login;
create role boss login superuser;
create role renamed login;
security label for pg_cert_policy on role alice is 'cn=%role';
SQL

sub outcome
{
	my ($what, $want, %opt) = @_;
	my $user = $opt{user} //= 'alice';
	my $got = $srv->login(%opt);
	my $log = $got->{log};
	my $reason = $opt{reason} // 'Policy of role "alice": cn: required "alice", found "bob".';

	if ($want eq 'rejected')
	{
		is($got->{status}, 2, "$what: rejected");
		like($log, qr/FATAL:  certificate policy rejects login as role "$user"\n.*DETAIL:  \Q$reason\E\n/,
			"$what: with its reason");
	}
	elsif ($want eq 'recorded')
	{
		is($got->{status}, 0, "$what: let in");
		like($log, qr/LOG:  certificate policy would reject login as role "$user"\n.*DETAIL:  \Q$reason\E\n/,
			"$what: and recorded");
	}
	else
	{
		is($got->{status}, 0, "$what: let in") or diag $got->{stderr};
		unlike($log, qr/certificate policy/, "$what: without a word");
	}
	return;
}

# Writes a setting to the file, reloads, and returns what the server said.
sub set
{
	my ($name, $value) = @_;

	$srv->conf("pg_cert_policy.$name = '$value'\n");
	return $srv->reload;
}

subtest 'enforce by reload' => sub {
	outcome('on, the default', 'rejected', cert => $bob);
	set(enforce => 'log');
	outcome('log', 'recorded', cert => $bob);
	outcome('log, the right certificate', 'accepted', cert => $alice);
	set(enforce => 'off');
	outcome('off', 'accepted', cert => $bob);
	set(enforce => 'On');
	outcome('On', 'rejected', cert => $bob);
};

subtest 'a misspelt value in the file' => sub {
	set(enforce => 'off');
	my $said = set(enforce => 'offf');
	like($said, qr/WARNING:  invalid value for parameter "pg_cert_policy.enforce": "offf"\n.*DETAIL:  It counts as "on" until it is corrected\.\n.*HINT:  Available values: on, log, off\./,
		'the log says so');
	is(scalar(() = $said =~ /invalid value/g), 1, 'once');
	outcome('enforce=offf by reload, off before', 'rejected', cert => $bob);
	$srv->restart;
	outcome('enforce=offf at start', 'rejected', cert => $bob);
	set(enforce => 'on');
};

subtest 'ALTER SYSTEM is refused instead' => sub {
	foreach my $case (
		['enforce', 'offf', qr/Available values: on, log, off/],
		['local_connections', 'none', qr/Available values: peer, allow, reject/],
		['default_policy', 'cn=%who', qr/The policy cannot be read: .* at position 4/],
		['exempt_roles', 'a,,b', qr/Write role names separated by commas/])
	{
		my ($name, $value, $advice) = @$case;
		my $got = $srv->try_sql("alter system set pg_cert_policy.$name = '$value'");
		like($got->{stderr}, qr/ERROR:  invalid value for parameter "pg_cert_policy.$name": "\Q$value\E"\n.*$advice/s,
			"$name = $value");
	}
	is($srv->try_sql(q{alter system set pg_cert_policy.enforce = 'log'})->{status}, 0,
		'a good value is accepted');
	$srv->sql('alter system reset pg_cert_policy.enforce');
};

subtest 'default_policy' => sub {
	set(default_policy => 'cn=%role eku=clientAuth');
	outcome('a role without a label', 'rejected', user => 'bob', cert => $alice,
		reason => 'Policy of default_policy: cn: required "bob", found "alice".');
	outcome('its own certificate', 'accepted', user => 'bob', cert => $bob);
	outcome('a role with a label has its own', 'rejected', cert => $bob);

	my $said = set(default_policy => 'cn=%role ekku=clientAuth');
	like($said, qr/WARNING:  invalid value for parameter "pg_cert_policy.default_policy".*\n.*DETAIL:  The policy cannot be read: clause "ekku" is not recognized at position 10\. Every login that it covers is rejected until it is corrected\./,
		'misspelt: the log says so');
	my $broken = 'Policy of default_policy cannot be read: clause "ekku" is not recognized (clause "ekku", position 10).';
	outcome('misspelt: whom it covers', 'rejected', user => 'bob', cert => $bob,
		reason => $broken);
	outcome('misspelt: whom it does not cover', 'accepted', cert => $alice);
	$srv->restart;
	outcome('misspelt at start', 'rejected', user => 'bob', cert => $bob,
		reason => $broken);
	set(default_policy => 'exempt');
	outcome('"exempt" means none', 'accepted', user => 'bob');
	set(default_policy => '');
	outcome('so does an empty one', 'accepted', user => 'bob');
};

# The test's own user is "postgres" by way of the map "me".
subtest 'local_connections' => sub {
	my $me = getpwuid($>);
	my $local = 'Policy of role "alice": no TLS.';
	my $peer = sub { $srv->hba("local all all $_[0]", @tcp); $srv->reload };

	$srv->ident("me $me alice", "me $me boss", "me $me bob");
	$peer->('peer map=me');
	outcome('peer', 'accepted', tls => 0);
	$peer->('trust');
	outcome('trust is not peer', 'rejected', tls => 0, reason => $local);
	set(local_connections => 'allow');
	outcome('allow', 'accepted', tls => 0);
	outcome('allow is about sockets alone', 'rejected',
		conninfo => 'sslmode=disable', reason => $local);
	$peer->('peer map=me');
	$srv->sql(q{security label for pg_cert_policy on role alice is 'local=reject cn=%role'});
	outcome('local=reject in the policy wins', 'rejected', tls => 0, reason => $local);
	$srv->sql(q{security label for pg_cert_policy on role alice is 'mode=log local=reject cn=%role'});
	outcome('with mode=log it is recorded', 'recorded', tls => 0, reason => $local);
	set(local_connections => 'reject');
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=%role'});
	outcome('reject', 'rejected', tls => 0, reason => $local);
	$srv->sql(q{security label for pg_cert_policy on role alice is 'local=peer cn=%role'});
	outcome('local=peer in the policy wins', 'accepted', tls => 0);
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=%role'});
	set(local_connections => 'alow');
	outcome('misspelt', 'rejected', tls => 0, reason => $local);
	set(local_connections => 'peer');
};

subtest 'exempt_roles' => sub {
	$srv->sql(q{security label for pg_cert_policy on role boss is 'cn=nobody'});
	my $reason = 'Policy of role "boss": no certificate.';
	outcome('a superuser with a policy', 'rejected', user => 'boss', reason => $reason);
	set(exempt_roles => 'alice, "boss"');
	outcome('in the list', 'accepted', user => 'boss');
	outcome('others than superusers do not count', 'rejected', cert => $bob);
	set(exempt_roles => 'Boss');
	outcome('names are folded as in search_path', 'accepted', user => 'boss');
	set(exempt_roles => '"Boss"');
	outcome('unless quoted', 'rejected', user => 'boss', reason => $reason);
	my $said = set(exempt_roles => 'boss,');
	like($said, qr/WARNING:  invalid value for parameter "pg_cert_policy.exempt_roles": "boss,"\n.*DETAIL:  No role is exempt until it is corrected\./,
		'a list that cannot be read: the log says so');
	outcome('a list that cannot be read holds nobody', 'rejected', user => 'boss',
		reason => $reason);
	set(exempt_roles => '');
};

subtest 'a superuser who locks himself out is warned' => sub {
	$srv->ident;
	$srv->hba('local all all peer map=me', @tcp);
	$srv->reload;
	my $label = 'security label for pg_cert_policy on';
	my $over_tls = sub { $srv->login(user => 'boss', cert => $alice, sql => $_[0])->{stderr} };
	$srv->sql("$label role boss is null");

	like($over_tls->("$label role boss is 'cn=%role'"),
		qr/WARNING:  a new login like that of this session will be rejected\nDETAIL:  Policy of role "boss": cn: required "boss", found "alice"\./,
		'by its own label');
	$srv->sql("$label role boss is null");
	is($over_tls->("$label role boss is 'cn=alice'"), '', 'not by one that accepts');
	is($over_tls->("$label role alice is 'cn=nobody'"), '', 'not by the label of another');
	like($over_tls->("$label database postgres is 'key_type=RSA'"),
		qr/WARNING:  a new login.*\nDETAIL:  Policy of database "postgres": key_type: required "RSA", found EC\./,
		'by that of the database');
	$srv->sql("$label database postgres is null; create role staff; grant staff to boss");
	like($over_tls->("$label role staff is 'tls=1.3 eku!=clientAuth'"),
		qr/WARNING:  a new login.*\nDETAIL:  Policy of group "staff": eku: required not "clientAuth"/,
		'by that of a group');
	$srv->sql("$label role staff is null");
	is($over_tls->("$label role staff is 'mode=log tls=1.2 eku!=clientAuth'"), '',
		'not by one that records only');
	is($over_tls->("$label role staff is null"), '', 'not by taking one away');
	is(scalar(() = $over_tls->("$label role boss is 'cn=nobody'; $label role staff is 'tls=1.2'") =~ /WARNING/g),
		1, 'nor by one that accepts, whatever another says');
	$srv->sql("$label role boss is 'cn=alice'; $label role staff is 'key_type=RSA'");
	$srv->conf("pg_cert_policy.enforce = log\n");
	$srv->reload;
	is($over_tls->("$label role boss is 'cn=nobody'"), '', 'nor while nothing is enforced');
	$srv->conf("pg_cert_policy.enforce = on\n");
	$srv->reload;
	$srv->sql("$label role staff is null; $label role boss is null");
	is($srv->try_sql("$label role postgres is 'cn=nobody'", user => 'postgres')->{stderr}, '',
		'not over a socket that is spared');
	$srv->sql("$label role postgres is null");
};

subtest 'each change is in the log' => sub {
	$srv->sql(q{security label for pg_cert_policy on role bob is null});
	my $log = $srv->try_sql(q{security label for pg_cert_policy on role bob is 'any'})->{log};
	like($log, qr/LOG:  certificate policy of role "bob" set by role "postgres"\n.*DETAIL:  Old policy: none\. New policy: "any"\.\n/,
		'the first');
	$log = $srv->try_sql(qq{security label for pg_cert_policy on role bob is 'cn="x ""y"""\n or any_=1'})->{log};
	unlike($log, qr/set by role/, 'not one that is refused');
	$log = $srv->try_sql(qq{security label for pg_cert_policy on role bob is 'cn=a\n or cn=b'})->{log};
	like($log, qr/DETAIL:  Old policy: "any"\. New policy: "cn=a\\0A or cn=b"\.\n/,
		'another, on one line');
	$log = $srv->try_sql(q{security label for pg_cert_policy on role bob is null})->{log};
	like($log, qr/DETAIL:  Old policy: "cn=a\\0A or cn=b"\. New policy: none\.\n/, 'the last');
	unlike($srv->try_sql(q{security label for pg_cert_policy on role bob is 'any'})->{stderr},
		qr/certificate policy/, 'the client is not told');
};

done_testing();
