# A CA is replaced over a fleet, as docs/operations.md says and with the very SQL of
# that page: on a primary, its standby and a logical subscriber, while clients go on
# logging in to each of them.  Every proof is seen to fail before it holds, and
# what it proves is tried.  Not pg_regress: several servers and live clients.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(run_with slurp write_file);
use CertPolicy::Docs;
use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use POSIX ();
use Test::More;

my $page = slurp("$FindBin::RealBin/../docs/operations.md");
my $pki = CertPolicy::PKI->new;
my $folder = $pki->dir . '/fleet';
my %ca = map { $_ => $pki->root("clients$_", subject => "/O=Example/CN=Clients $_") } 2026, 2027;
my $servers = $pki->root('servers');
my ($old, $new) = ('CN=Clients 2026,O=Example', 'CN=Clients 2027,O=Example');
my %leaf;

mkdir "$folder$_" or die $! foreach '', '/ca', '/certs', '/db1', '/db2', '/db3';
foreach my $year (2026, 2027)
{
	write_file("$folder/ca/$year.crt", slurp($ca{$year}{cert}));
	$leaf{$year}{$_} = $pki->leaf("$_-$year", issuer => $ca{$year}, subject => "/CN=$_", eku => 'clientAuth')
	  foreach qw(monitor shop standby subscriber);
}
write_file("$folder/$_", CertPolicy::Docs::file_of($page, $_)) foreach qw(cas.sql phase1.sql phase2.sql phase3.sql);

# A client's certificate and key, in one file that is replaced as a whole.
sub hand_out
{
	my ($name, $year) = @_;
	my $leaf = $leaf{$year}{$name};

	write_file("$folder/certs/$name.new", slurp($leaf->{cert}) . slurp($leaf->{key}));
	rename "$folder/certs/$name.new", "$folder/certs/$name.pem" or die $!;
	return;
}

sub current
{
	my ($name) = @_;

	return { map { $_ => "$folder/certs/$name.pem" } qw(cert chain key) };
}

# --- the fleet -----------------------------------------------------------------

my @hba = ('local all all peer map=me', 'local replication all peer map=me',
	'hostssl all,replication all 127.0.0.1/32 trust clientcert=verify-ca');
my %db;

hand_out($_, 2026) foreach qw(monitor shop standby subscriber);
trust($_, 2026) foreach qw(db1 db2 db3);
foreach my $name (qw(db1 db3))
{
	$db{$name} = CertPolicy::Server->new($name, pki => $pki, hba => \@hba, server_cert => $pki->server($servers),
		ca_file => "$folder/$name/clients.crt", init => { allows_streaming => 'logical' },
		conf => "wal_retrieve_retry_interval = 100ms\n");
	$db{$name}->sql(<<"SQL");
create extension pg_cert_policy;
create role shop login;
create role monitor login in role pg_monitor;
grant execute on function pg_reload_conf(), pg_stat_cert_policy_reset() to monitor;
create table orders (id int primary key);
security label for pg_cert_policy on role shop is 'cn=%role ca="$old"';
SQL
}
$db{db1}->sql(<<'SQL');
create role standby login replication;
create role subscriber login replication;
security label for pg_cert_policy on role standby is 'cn=%role';
security label for pg_cert_policy on role subscriber is 'cn=%role';
grant select on orders to subscriber;
create publication orders for table orders;
SQL
$db{db2} = $db{db1}->standby('db2', user => 'standby', cert => current('standby'), ca_file => "$folder/db2/clients.crt");
{
	my $to_primary = $db{db1}->conninfo(user => 'subscriber', cert => current('subscriber'));
	$db{db3}->sql("create subscription orders connection \$\$$to_primary\$\$ publication orders");
}
my @nodes = sort keys %db;

# Lets the file of a node hold the CAs of these years.
sub trust
{
	my ($node, @years) = @_;

	write_file("$folder/$node/clients.crt", join '', map { slurp("$folder/ca/$_.crt") } @years);
	return;
}

sub replay
{
	$db{db1}->wait_for_replay($db{db2});
	return;
}

# On the primary and on the subscriber; the standby replays it.
sub everywhere
{
	my ($sql) = @_;

	$db{$_}->sql($sql) foreach qw(db1 db3);
	replay();
	return;
}

# What a proof of the page says on a node, asked over TLS by the monitor.
sub missing
{
	my ($node, $proof) = @_;
	my $got = run_with({}, 'bash', '-c', 'cd "$0" && exec psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -f cas.sql -f "$2"',
		$folder, $db{$node}->conninfo(user => 'monitor', cert => current('monitor')), "$proof.sql");

	$got->{ok} or die "$proof on $node: $got->{stderr}";
	# a live client may be there just now, or not
	return join "\n", grep { $_ ne 'is connected with it|shop|CN=shop' } sort split /\n/, $got->{stdout};
}

sub proves
{
	my ($proof, $what) = @_;

	is(missing($_, $proof), '', "$_: $what") foreach @nodes;
	return;
}

sub logs_in
{
	my ($year, @on) = @_;

	is($db{$_}->login(user => 'shop', cert => $leaf{$year}{shop})->{status}, 0, "$_: a certificate of $year is taken")
	  foreach @on ? @on : @nodes;
	return;
}

sub is_refused
{
	my ($year, @on) = @_;

	foreach my $node (@on ? @on : @nodes)
	{
		my $got = $db{$node}->login(user => 'shop', cert => $leaf{$year}{shop});
		is($got->{status}, 2, "$node: a certificate of $year is refused");
		like($got->{log}, qr/could not accept SSL connection: .*certificate verify failed/, "$node: by TLS");
	}
	return;
}

my $n_orders = 0;

sub replicates
{
	my ($when) = @_;

	$db{db1}->sql('insert into orders values (' . ++$n_orders . ')');
	ok($db{$_}->node->poll_query_until('postgres', "select count(*) = $n_orders from orders"), "$_: replicates, $when")
	  foreach qw(db2 db3);
	return;
}

# --- clients that log in all the time -----------------------------------------------

my $journal = "$folder/journal";
my $live = fork() // die "could not fork: $!";
if ($live == 0)
{
	my %to = map { $_ => $db{$_}->conninfo(user => 'shop', cert => current('shop')) } @nodes;

	for (my $i = 0; $i < 3000 && !-e "$folder/stop"; $i++)
	{
		my $node = $nodes[ $i % @nodes ];
		my $got = live_login($to{$node});

		# libpq opens the file twice, and this time it was replaced in between
		$got = live_login($to{$node}) if $got->{stderr} =~ /key values mismatch/;

		open my $file, '>>', $journal or POSIX::_exit(1);
		print $file "$node $got->{status} $got->{stdout} $got->{stderr}\n";
		close $file;
	}
	POSIX::_exit(0);
}
write_file($journal, '');

END
{
	my $status = $?;

	if ($live)
	{
		write_file("$folder/stop", '');
		waitpid $live, 0;
	}
	$? = $status;
}

sub live_login
{
	my ($to) = @_;

	return eval { run_with({}, 'psql', '-XAtqwd', $to, '-c', 'select current_user') }
	  // { status => -1, stdout => '', stderr => $@ };
}

# Each node has seen live logins since the last call, and none has failed.
my $read = 0;

sub all_went_well
{
	my ($when) = @_;
	my %seen;

	for (1 .. 600)
	{
		%seen = map { /^(db\d) 0 shop / ? ($1 => 1) : () } split /\n/, substr(slurp($journal), $read);
		last if keys %seen == @nodes;
		select undef, undef, undef, 0.1;
	}
	my $lines = substr(slurp($journal), $read);
	$lines =~ s/[^\n]*\z//;
	$read += length $lines;
	is(join(' ', sort keys %seen), "@nodes", "live clients log in to each node, $when");
	is(join("\n", grep { !/^db\d 0 shop $/ } split /\n/, $lines), '', 'and none is ever refused');
	return;
}

# --- phase 1 -----------------------------------------------------------------------------

my $not_loaded = 'the new CA is not loaded, or no chain can end there';
my $only_old = qq{role shop admits only the old CA: cn=%role ca="$old"};

is(missing($_, 'phase1'), "$only_old\n$not_loaded", "$_: before, both is missing") foreach @nodes;
is_refused(2027);
replicates('before');
all_went_well('before');

trust('db1', 2026, 2027);
is(missing('db1', 'phase1'), "$only_old\n$not_loaded", 'db1: a file without a reload is not enough');
$db{db1}->reload;
is(missing('db1', 'phase1'), $only_old, 'db1: with it, the policy is left');
trust('db2', 2026, 2027);
$db{db2}->conf("ssl_crl_file = '/nonexistent'\n");
$db{db2}->reload;
is(missing('db2', 'phase1'), "$only_old\n$not_loaded", 'db2: nor is a reload that failed');
$db{db2}->conf("ssl_crl_file = ''\n");
$db{db2}->reload;
is(missing('db2', 'phase1'), $only_old, 'db2: the standby, with a file of its own');
is(missing('db3', 'phase1'), "$only_old\n$not_loaded", 'db3: one node is behind, and the phase is not complete');
is_refused(2027, 'db3');
trust('db3', 2026, 2027);
$db{db3}->reload;

my $rejected = $db{db2}->login(user => 'shop', cert => $leaf{2027}{shop});
like($rejected->{log}, qr/DETAIL:  Policy of role "shop": ca: required "\Q$old\E", found "\Q$new\E"\./,
	'db2: where the policy is left, it is what refuses');
everywhere(qq{security label for pg_cert_policy on role shop is 'cn=%role ca="$old","$new"'});
proves('phase1', 'phase 1 is complete');
logs_in(2027);
logs_in(2026);
replicates('in phase 1');
all_went_well('in phase 1');

# --- phase 2 -----------------------------------------------------------------------------

my ($recording) = map { $_->{body} } grep { $_->{kind} eq 'sql' && !$_->{hidden} && $_->{body} =~ /^CREATE ROLE roll_over;/ }
  CertPolicy::Docs::blocks($page);
my $found = qq{Policy of group "roll_over": ca: required "$new", found "$old".};

everywhere($recording);
everywhere('create role late login');
$db{$_}->sql('select pg_stat_cert_policy_reset()') foreach @nodes;
logs_in(2026);
is(missing('db1', 'phase2'), join("\n",
		'is connected with it|monitor|CN=monitor', 'is connected with it|standby|CN=standby',
		'is connected with it|subscriber|CN=subscriber', 'is not recorded|late|',
		"logged in with it|monitor|$found", "logged in with it|shop|$found"),
	'db1: who depends on the old CA, replication and the monitor among them');
is(missing($_, 'phase2'), join("\n", 'is connected with it|monitor|CN=monitor', 'is not recorded|late|',
		"logged in with it|monitor|$found", "logged in with it|shop|$found"), "$_: likewise") foreach qw(db2 db3);
everywhere('grant roll_over to late');

hand_out($_, 2027) foreach qw(monitor shop standby subscriber);
$db{db1}->sql(q{select pg_terminate_backend(pid) from pg_cert_sessions where role in ('standby', 'subscriber')});
replicates('with new certificates');
is($db{db1}->sql(q{select string_agg(role || ' ' || issuer, ', ' order by role) from pg_cert_sessions join pg_stat_replication using (pid)}),
	"standby $new, subscriber $new", 'the standby and the subscriber have changed');
all_went_well('while certificates change');
# after this one, no login is under way that began with the old certificate
all_went_well('with new certificates');
$db{$_}->sql('select pg_stat_cert_policy_reset()') foreach @nodes;
all_went_well('in phase 2');
proves('phase2', 'phase 2 is complete');
is($db{$_}->sql(q{select accepted > 0, would_reject from pg_stat_cert_policy where role = 'shop'}), 't|0', "$_: as the live clients show")
  foreach @nodes;

# one that was forgotten is found, on the node that it asks
logs_in(2026, 'db2');
is(missing('db2', 'phase2'), "logged in with it|shop|$found", 'db2: one that was forgotten is seen there');
is(missing('db1', 'phase2'), '', 'db1: and only there');

# --- at last ------------------------------------------------------------------------------

my $forgotten = CertPolicy::Session->new($db{db2}, user => 'shop', cert => $leaf{2026}{shop});
my $trusted = 'it is trusted';
my $admits = qq{role shop admits it: cn=%role ca="$old","$new"};

is(missing('db1', 'phase3'), "$trusted\n$admits",
	'db1: before, what is left of the old CA');
everywhere(qq{security label for pg_cert_policy on role shop is 'cn=%role ca="$new"'});
everywhere('drop role roll_over');
is(missing('db1', 'phase3'), $trusted, 'db1: the file is left');
is(missing('db2', 'phase3'), "$trusted\nshop is connected with it", 'db2: and a session');
foreach my $node (@nodes)
{
	trust($node, 2027);
	is(missing($node, 'phase3') =~ s/\nshop.*//r, $trusted, "$node: until it is loaded");
	$db{$node}->reload;
}
is(missing('db2', 'phase3'), 'shop is connected with it', 'db2: a session of before is still there');
is($db{db2}->sql('select pid from pg_cert_policy_recheck()'), $forgotten->pid, 'a recheck ends it, and nobody else');
$forgotten->wait_for_end;
proves('phase3', 'nothing is left of the old CA');
is_refused(2026);
logs_in(2027);
replicates('at last');
all_went_well('at last');

write_file("$folder/stop", '');
waitpid $live, 0;
$live = 0;
my @lines = split /\n/, slurp($journal);
is(scalar(grep { !/^db\d 0 shop $/ } @lines), 0, 'no live login ever failed');
diag(scalar(@lines) . ' live logins');

$db{$_}->stop foreach qw(db3 db2 db1);
done_testing();
