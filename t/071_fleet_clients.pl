# Clients of a primary and its standby, which trust different CAs, by one
# connection string that names both: pgcs_connect sends each its own certificate,
# pgcertsel finds the one that fits both, and target_session_attrs picks the node,
# before a promotion and after it.  That libpq's order is kept, and what is said
# when nothing fits, are in 104_client_hosts.pl and 105_client_connect.pl.  Not
# pg_regress: two servers, and a promotion.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder);
use CertPolicy::PKI;
use CertPolicy::Server;
use File::Basename qw(dirname);
use POSIX qw(strftime);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my ($tool) = grep { -x $_ } $ENV{PGCERTSEL_CONNECT} || (),
  dirname($pgcertsel) . '/build/test/connect_tool',
  "$FindBin::RealBin/../client/build/test/connect_tool";

plan skip_all => 'connect_tool is not built (make -C client)' unless $tool;
plan skip_all => 'libpq before 14 knows target_session_attrs=read-write only'
  if CertPolicy::Server::libpq_version() < 14;

# The primary trusts caA and caBoth, the standby caB and caBoth.  Where one of them
# is down, two certificates fit the other: the one that was issued later wins.
my $pki = CertPolicy::PKI->new;
my %ca = map { $_ => $pki->root($_) } qw(caA caB caBoth servers);
my %leaf = map {
	$_ => $pki->leaf("shop-$_", issuer => $ca{"ca$_"}, subject => "/O=$_/CN=shop", eku => 'clientAuth',
		not_before => strftime('%Y%m%d%H%M%SZ', gmtime(time - ($_ eq 'Both' ? 3600 : 7200))))
} qw(A B Both);
my $repl = $pki->leaf('repl', issuer => $ca{caBoth}, eku => 'clientAuth');
my $primary = CertPolicy::Server->new('primary', pki => $pki,
	ca_file => $pki->concat('a.crt', $ca{caA}{cert}, $ca{caBoth}{cert}),
	server_cert => $pki->server($ca{servers}),
	init => { allows_streaming => 1 },
	hba => [ 'local all all peer map=me', 'local replication all peer map=me',
		'hostssl all,replication all 127.0.0.1/32 trust clientcert=verify-ca' ]);
$primary->sql(<<'SQL');
create extension pg_cert_policy;
create role shop login;
create role repl login replication;
security label for pg_cert_policy on role shop is 'cn=%role eku=clientAuth';
security label for pg_cert_policy on role repl is 'cn=%role ca="CN=caBoth"';
SQL
my $standby = $primary->standby('standby', user => 'repl', cert => $repl,
	ca_file => $pki->concat('b.crt', $ca{caB}{cert}, $ca{caBoth}{cert}));
$primary->wait_for_replay($standby);

my ($pp, $ps) = ($primary->port, $standby->port);
my $apart = folder($pki->dir . '/apart', @leaf{qw(A B)});
my $common = folder($pki->dir . '/common', @leaf{qw(A B Both)});
my $who = q{select current_setting('port') || ' ' || client_dn from pg_stat_ssl where pid = pg_backend_pid()};

sub conninfo
{
	my ($attrs) = @_;

	return "host=localhost,localhost hostaddr=127.0.0.1,127.0.0.1 port=$pp,$ps dbname=postgres user=shop"
	  . " sslmode=verify-full sslrootcert=$ca{servers}{cert} target_session_attrs=$attrs";
}

# pgcs_connect, from a bundle without a certificate that fits both.
sub connects
{
	my ($attrs, $port, $leaf, $when) = @_;

	foreach my $way ([], ['--poll'])
	{
		my $got = $standby->client([ $tool, @$way, '--reset', $apart, conninfo($attrs) ]);
		my $how = @$way ? 'polling' : 'blocking';

		is($got->{stdout}, join("\n", ("$port /O=$leaf/CN=shop") x 2), "$when, pgcs_connect, $how: $attrs, and again by PQreset")
		  || diag $got->{stderr};
	}
	return;
}

# pgcertsel exec, and psql with what pgcertsel select printed, from a bundle that
# has one.
sub runs
{
	my ($attrs, $port, $when) = @_;
	my $got = $standby->client([ $pgcertsel, 'exec', conninfo($attrs), '--bundle', $common, '--', 'psql', '-XAtqc', $who ]);

	is($got->{stdout}, "$port /O=Both/CN=shop", "$when, pgcertsel exec: $attrs") || diag $got->{stderr};
	$got = $standby->client([ $pgcertsel, 'select', conninfo($attrs), '--bundle', $common ]);
	is($got->{stdout}, "sslcert='$common/shop-Both.crt' sslkey='$common/shop-Both.key'", "$when, pgcertsel select: $attrs");
	$got = $standby->client([ 'psql', '-XAtqd', conninfo($attrs) . " $got->{stdout}", '-c', $who ]);
	is($got->{stdout}, "$port /O=Both/CN=shop", "$when, psql with it: $attrs") || diag $got->{stderr};
	return;
}

sub reaches
{
	my ($attrs, $port, $leaf, $when) = @_;

	connects($attrs, $port, $leaf, $when);
	runs($attrs, $port, $when);
	return;
}

reaches('primary', $pp, 'A', 'before');
reaches('read-write', $pp, 'A', 'before');
reaches('standby', $ps, 'B', 'before');
reaches('read-only', $ps, 'B', 'before');
reaches('prefer-standby', $ps, 'B', 'before');

# without one for both there is nothing that libpq could be given, and the table
# tells what fits where
my $got = $standby->client([ $pgcertsel, 'select', conninfo('primary'), '--bundle', $apart ]);
is($got->{status}, 2, 'pgcertsel select without one for both: status 2');
is($got->{stdout}, "sslcert='/dev/null/none'", 'and nothing is sent');
$got = $standby->client([ $pgcertsel, 'check', conninfo('primary'), '--bundle', $apart ]);
like($got->{stdout}, qr/shop-A\.crt\n.*\n +localhost:$pp: doubtful\n +localhost:$ps: unusable\n/, 'check: A is for the primary');
like($got->{stdout}, qr/shop-B\.crt\n.*\n +localhost:$pp: unusable\n +localhost:$ps: doubtful\n/, 'check: B is for the standby');

# the policy of the primary, on both
$primary->sql(q{security label for pg_cert_policy on role shop is 'cn=%role ca="CN=caA","CN=caBoth"'});
$primary->wait_for_replay($standby);
connects('primary', $pp, 'A', 'with a stricter policy');
$got = $standby->client([ $tool, $apart, conninfo('standby') ]);
like($got->{stdout}, qr/^error: .*FATAL:  certificate policy rejects login as role "shop"$/, 'which the standby has as well');
like($got->{log}, qr/DETAIL:  Policy of role "shop": ca: required "CN=caA" or "CN=caBoth", found "CN=caB"\.\n/, 'with the reason in its log');
runs('standby', $ps, 'with a stricter policy');
$primary->sql(q{security label for pg_cert_policy on role shop is 'cn=%role eku=clientAuth'});
$primary->wait_for_replay($standby);

# the primary is lost
$primary->stop('immediate');
reaches('read-only', $ps, 'B', 'with the primary down');
$standby->node->promote;
reaches('primary', $ps, 'B', 'after the promotion');
reaches('read-write', $ps, 'B', 'after the promotion');
$got = $standby->client([ $tool, $apart, conninfo('standby') ]);
like($got->{stdout}, qr/^error: .*server is not in hot standby mode/, 'after the promotion there is no standby');
$got = $standby->client([ $pgcertsel, 'exec', conninfo('standby'), '--bundle', $common, '--', 'psql', '-XAtqc', $who ]);
like($got->{stderr}, qr/server is not in hot standby mode/, 'nor for pgcertsel exec');

# the old primary comes back as a standby of the new one
my $back = $standby->standby('back', user => 'repl', cert => $repl,
	ca_file => $pki->concat('a2.crt', $ca{caA}{cert}, $ca{caBoth}{cert}));
$standby->wait_for_replay($back);
$pp = $back->port;
reaches('standby', $pp, 'A', 'with a new standby');
reaches('primary', $ps, 'B', 'with a new standby');

$_->stop foreach $back, $standby;
done_testing();
