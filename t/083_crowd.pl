# Two hundred clients that log in and out, while labels change, roles are dropped
# and made anew, names are swapped, memberships come and go, and the server
# reloads.  Each change is one transaction, and before and after it the same
# people are allowed: so nobody else may ever get in, and they always must.  At
# the end every slot of the session table is still there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(compile);
use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use IPC::Run ();
use Test::More;
use Time::HiRes qw(time);

my $clients = 200;
my $seconds = $ENV{CROWD_SECONDS} // 20;
my $pki = CertPolicy::PKI->new;
my $crowd = compile("$FindBin::RealBin/lib/crowd.c", $pki->dir . '/crowd', '-lpthread');
my $ca = $pki->root('ca');
my %cert = map { $_ => $pki->leaf($_, issuer => $ca, eku => 'clientAuth') } qw(alice mallory);
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ],
	conf => <<"CONF");
max_connections = @{[$clients + 10]}
superuser_reserved_connections = 10
max_wal_senders = 0
shared_buffers = 32MB
fsync = off
deadlock_timeout = 100ms
log_connections = off
log_disconnections = off
pg_cert_policy.exempt_roles = 'postgres'
pg_cert_policy.default_policy = 'dn="CN=alice"'
pg_cert_policy.recheck_interval = 10s
pg_cert_policy.session_bytes = 4096
CONF

# Only alice's certificate is for any of them, but for "guest", who needs none.
my $only = q{is 'dn="CN=alice"'};
my $label = 'security label for pg_cert_policy on';
$srv->sql(<<"SQL");
create extension pg_cert_policy;
create role moved login;
create role member login;
create role staff;
create role guest login;
create role vip login;
create role temp login;
create role plain login;
create database db;
create database open;
$label role moved $only;
$label role member is 'any';
$label role staff $only;
grant staff to member;
$label role guest is 'exempt';
$label role vip $only;
$label role temp $only;
SQL

my %oid = map { $_ => $srv->sql("select oid from pg_roles where rolname = '$_'") } qw(guest vip);

# What each connection string must come to: "in", "out", or a rule of its own.
my @logins = map { { user => $_->[0], db => $_->[1], cert => $_->[2], want => $_->[3] } } (
	[ 'moved', 'db', 'alice', 'in' ], [ 'moved', 'db', 'mallory', 'out' ],
	[ 'member', 'postgres', 'alice', 'in' ], [ 'member', 'postgres', 'mallory', 'out' ],
	[ 'guest', 'postgres', 'alice', 'in' ], [ 'guest', 'postgres', 'mallory', 'guest' ],
	[ 'vip', 'postgres', 'alice', 'in' ], [ 'vip', 'postgres', 'mallory', 'guest' ],
	[ 'temp', 'postgres', 'alice', 'maybe' ], [ 'temp', 'postgres', 'mallory', 'out' ],
	[ 'plain', 'postgres', 'alice', 'in' ], [ 'plain', 'postgres', 'mallory', 'out' ]);

# One transaction each, there and back.
my $swap = 'begin; alter role guest rename to tmp; alter role vip rename to guest; alter role tmp rename to vip; commit';
my @changes = (
	[ "begin; $label role moved is 'any'; $label database db $only; commit",
		"begin; $label database db is 'any'; $label role moved $only; commit" ],
	[ "begin; revoke staff from member; $label role member $only; commit",
		"begin; grant staff to member; $label role member is 'any'; commit" ],
	[ $swap, $swap ],
	[ 'drop role temp', "begin; create role temp login; $label role temp $only; commit" ],
	[ 'select count(*) from pg_cert_policy_recheck()', 'select count(*) from pg_cert_sessions' ]);
my $mark = $srv->log_mark;
my $out = '';
my $run = IPC::Run::start(
	[ $crowd, $clients, $seconds, map { $srv->conninfo(%$_, cert => $cert{ $_->{cert} }, conninfo => 'connect_timeout=120') } @logins ],
	'>', \$out, '2>', \my $err, IPC::Run::timeout(300));
my $until = time + $seconds;
my @admins = map { CertPolicy::Session->new($srv, tls => 0) } 1 .. 3;
my $n_changes = 0;

for (my $i = 0; time < $until; $i++)
{
	my $way = $i % 2;

	$admins[0]->query($changes[$_][$way]) foreach 0, 1;
	$admins[1]->query($changes[2][$way]);
	$admins[2]->query($changes[$_][$way]) foreach 3, 4;
	$n_changes += 5;
	if ($i % 10 == 0)
	{
		# another spelling of the same
		$srv->conf("pg_cert_policy.default_policy = '" . ($i % 20 ? 'cn=alice' : 'dn="CN=alice"') . "'\n");
		$srv->node->reload;
	}
	eval { $run->pump_nb };
}
is(join('', map { $_->{err} } @admins), '', 'every change could be made');
$_->close foreach @admins;
$run->finish;
is($run->full_result(0), 0, 'the crowd is done') or diag $err;

my (%in, %out);
foreach my $line (split /\n/, $out)
{
	$line =~ /^(\d+) (in|out|ended)\s*(.*)$/ or die "crowd said: $line";
	($2 eq 'in' ? \%in : \%out)->{$1}{$3}++;
}
my ($n_in, $n_out) = map { my $of = $_; my $n = 0; $n += $_ foreach map { values %$_ } values %$of; $n } \%in, \%out;
note "$n_in logins let in, $n_out turned away, $n_changes changes";
cmp_ok($n_in, '>', 50, 'many were let in');
cmp_ok($n_out, '>', 50, 'many were turned away');
cmp_ok($n_changes, '>', 20, 'while much changed');

foreach my $i (0 .. $#logins)
{
	my ($user, $cert, $want) = @{ $logins[$i] }{qw(user cert want)};
	my @in = sort keys %{ $in{$i} // {} };
	my @out = sort keys %{ $out{$i} // {} };
	my @strange = grep { $_ ne qq{FATAL:  certificate policy rejects login as role "$user"} } @out;
	my $what = "$user with the certificate of $cert";

	# a role that is dropped takes its sessions with it, and a recheck its logins
	@strange = grep { $_ ne '' && $_ !~ /^FATAL:  role "temp" does not exist|terminating connection|SSL connection has been closed unexpectedly/ } @strange if $user eq 'temp';
	is("@strange", '', "$what: nothing but a policy turns away");
	is("@in", '', "$what: never in") if $want eq 'out';
	is("@in", (grep { /^$oid{guest} / } @in)[0] // 'nobody', "$what: in as the guest only") if $want eq 'guest';
	cmp_ok(scalar(@in), '>', 0, "$what: in") if $want =~ /in|maybe|guest/;
	cmp_ok(scalar(@out), '>', 0, "$what: out") if $want =~ /out|guest/;
	if ($want eq 'in')
	{
		# a swap within the login is the one thing that may come between
		my $n = 0;
		$n += $_ foreach values %{ $out{$i} // {} };
		$user =~ /guest|vip/ ? cmp_ok($n, '<', 1000, "$what: out only if renamed ($n times)") : is($n, 0, "$what: never out");
	}
}

my $log = $srv->log_since($mark);
unlike($log, qr/deadlock detected/, 'no deadlock');
unlike($log, qr/no slot is left/, 'no slot was missing');
unlike($log, qr/terminated by signal|PANIC|TRAP/, 'nothing crashed');
unlike($log, qr/could not read the certificate policies/, 'every login could read its policies');
# what a login says to SIGTERM as well
unlike($log, qr/^(?!.* temp@).*canceling authentication/m, 'none took too long');
my @renamed = $log =~ /DETAIL:  The role or the database that its name stands for has changed/g;
my $n = 0;
$n += $_ foreach map { values %{ $out{$_} // {} } } grep { $logins[$_]{want} eq 'in' } 0 .. $#logins;
cmp_ok($n, '<=', scalar(@renamed), 'who should have been let in was renamed in the middle');

# All slots are there: a session in each.
is($srv->sessions_become(0), 0, 'all sessions have ended');
$mark = $srv->log_mark;
my @all = map { my %s = (in => "select 1;\n", out => '', err => '');
	$s{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $srv->conninfo(user => 'plain', cert => $cert{alice}) ],
		'<', \$s{in}, '>', \$s{out}, '2>', \$s{err}, IPC::Run::timeout(300)); \%s } 1 .. $clients;
eval { $_->{run}->pump while $_->{out} !~ /1/ && $_->{run}->pumpable } foreach @all;
is($srv->sql(q{select count(*) from pg_cert_sessions where role = 'plain' and accepted_now}), $clients, 'there is a slot for each');
unlike($srv->log_since($mark), qr/no slot is left/, 'and the log does not miss any');
foreach (@all) { $_->{in} .= "\\q\n"; eval { $_->{run}->finish } }

$srv->stop;
done_testing();
