# Policies, memberships and names that change while a login is between two of
# its steps.  Whatever is let in, one committed state must allow: not the half of
# one and the half of another.  Each login is stopped where it hurts most, by a
# lock or by another library in the login.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Neighbour;
use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use IPC::Run ();
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');
my $mallory = $pki->leaf('mallory', issuer => $ca, eku => 'clientAuth');
my $after = CertPolicy::Neighbour->new('after');
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ],
	conf => "shared_preload_libraries = 'pg_cert_policy, @{[$after->library]}'\n"
	  . "pg_cert_policy.exempt_roles = 'postgres'\n");

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role guest login;
create role vip login;
create role staff;
create database db;
create database open;
SQL

# Their own logins come first, or they would be held up as well.
my %session = map { $_ => CertPolicy::Session->new($srv, user => 'postgres', tls => 0) }
  qw(admin observer);
my $label = 'security label for pg_cert_policy on';
my $clear = join '; ', map { "$label $_ is null" } 'role alice', 'role vip', 'role guest', 'role staff', 'database db', 'database open';

# Begins a login that is going to be stopped.
sub begin_login
{
	my (%opt) = @_;
	my %login = (out => '', err => '', mark => $srv->log_mark);

	$login{run} = IPC::Run::start([ 'psql', '-XAtq', '-c', q{select 'in'}, '-d', $srv->conninfo(%opt) ],
		'<', '/dev/null', '>', \$login{out}, '2>', \$login{err}, IPC::Run::timeout(120));
	return \%login;
}

sub outcome
{
	my ($login) = @_;

	$login->{run}->finish;
	return $login->{out} =~ /in/ ? 'in' : $login->{err} =~ s/.*FATAL:  |\n//gr;
}

sub waiting
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

# A login that has read its own policy and waits for the memberships, while one
# transaction changes everything.
sub changed_within
{
	my ($what, $before, $change, $want, %login) = @_;

	subtest $what => sub {
		$session{admin}->query("$clear; $before");
		$session{admin}->query('begin; lock table pg_auth_members in access exclusive mode');
		my $login = begin_login(user => 'alice', db => 'db', %login);

		waiting('it waits between two policies',
			q{select count(*) = 1 from pg_locks where relation = 'pg_auth_members'::regclass and not granted});
		$session{admin}->query("$change; commit");
		my $got = outcome($login);
		if (!ref $want)
		{
			is($got, $want, 'it is let in');
			return;
		}
		is($got, 'certificate policy rejects login as role "alice"', 'it is turned away') or return;
		like($srv->wait_for_log(qr/ 28000 .*FATAL/, $login->{mark}), qr/ 28000 .*\n.*DETAIL:  $want\n/, 'by what holds now');
	};
	return;
}

my $only = q{is 'dn="CN=alice"'};
my $refusal = qr/dn: required "CN=alice", found "CN=mallory"\./;

changed_within('the rule moves from database to role', "$label role alice is 'any'; $label database db $only",
	"$label role alice $only; $label database db is 'any'",
	qr/Policy of role "alice": $refusal/, cert => $mallory);
changed_within('it moves from group to role', "grant staff to alice; $label role staff $only",
	"revoke staff from alice; $label role alice $only",
	qr/Policy of role "alice": $refusal/, cert => $mallory);
changed_within('whom all of it lets in gets in', "$label role alice is 'any'; $label database db $only",
	"$label role alice $only; $label database db is 'any'", 'in', cert => $alice);
changed_within('what is lifted is lifted', "$label role alice is 'any'; $label database db $only",
	"$label role alice is null; $label database db is null", 'in', cert => $mallory);

# The server looks up role and database by their names once more, when all have
# had their say.
sub renamed_after
{
	my ($what, $before, $change, $want, $back, %login) = @_;

	subtest $what => sub {
		$session{admin}->query("$clear; $before");
		$after->tell('hold');
		my $login = begin_login(%login);
		my $log = $srv->wait_for_log(qr/neighbour after: role/, $login->{mark});

		unlike($log, qr/certificate policy rejects/, 'its policies let it in');
		$session{admin}->query($change);
		$after->tell_no_more('hold');
		my $got = outcome($login);
		if (!ref $want)
		{
			is($got, $want, 'it is let in');
		}
		else
		{
			is($got, qq{certificate policy rejects login as role "$login{user}"}, 'it is turned away')
			  and like($srv->wait_for_log(qr/ 28000 .*FATAL/, $login->{mark}), qr/ 28000 .*\n.*DETAIL:  $want\n/, 'and the log says why');
		}
		$session{admin}->query($back);
	};
	return;
}

my $renamed = qr/The role or the database that its name stands for has changed since its policies were judged\./;
my $swap = sub { my ($what, $one, $two) = @_; "begin; alter $what $one rename to tmp; alter $what $two rename to $one; alter $what tmp rename to $two; commit" };

renamed_after('two roles swap their names', "$label role vip $only", $swap->('role', 'guest', 'vip'),
	$renamed, $swap->('role', 'guest', 'vip'), user => 'guest', cert => $mallory);
renamed_after('a role without a policy makes room for another', "$label role vip $only",
	'alter role guest rename to was_guest; alter role vip rename to guest',
	$renamed, 'alter role guest rename to vip; alter role was_guest rename to guest', user => 'guest', tls => 0);
renamed_after('a role comes to be', "$label role vip $only", 'alter role vip rename to nobody',
	$renamed, 'alter role nobody rename to vip', user => 'nobody', cert => $mallory);
renamed_after('two databases swap their names', "$label database db $only", $swap->('database', 'open', 'db'),
	$renamed, $swap->('database', 'open', 'db'), user => 'alice', db => 'open', cert => $mallory);
renamed_after('others are renamed', "$label role vip $only", 'alter role vip rename to very; alter database db rename to data',
	'in', 'alter role very rename to vip; alter database data rename to db', user => 'guest', db => 'open', cert => $mallory);

subtest 'under enforce=log it is recorded' => sub {
	my $mark = $srv->log_mark;
	$srv->conf("pg_cert_policy.enforce = log\n");
	$srv->reload;
	renamed_after('two roles', "$label role vip $only", $swap->('role', 'guest', 'vip'),
		'in', $swap->('role', 'guest', 'vip'), user => 'guest', cert => $mallory);
	like($srv->log_since($mark), qr/LOG:  certificate policy would reject login as role "guest"\n.*DETAIL:  $renamed/, 'and so the log says');
	$srv->conf("pg_cert_policy.enforce = off\n");
	$srv->reload;
	$mark = $srv->log_mark;
	renamed_after('two roles', "$label role vip $only", $swap->('role', 'guest', 'vip'),
		'in', $swap->('role', 'guest', 'vip'), user => 'guest', cert => $mallory);
	unlike($srv->log_since($mark), qr/certificate policy would/, 'with enforce=off nothing is');
};

is($srv->sessions_become(0), 0, 'no session is left');
$_->close foreach values %session;
done_testing();
