# What SQL tells beyond the handshake: --names-from brings the CA certificates,
# which tell apart CAs of one name, and the policies that the role is under.  Not
# pg_regress: the command, and logins over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder);
use CertPolicy::PKI;
use CertPolicy::Server;
use JSON::PP qw(decode_json);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $nothing = "sslcert='/dev/null/none'";
my $pki = CertPolicy::PKI->new;
my @twins = map { $pki->root("twin$_", subject => '/CN=twin') } 1, 2;
my @leaves = map { $pki->leaf("of-twin$_", issuer => $twins[ $_ - 1 ], subject => '/CN=alice',
		eku => 'clientAuth') } 1, 2;
my $rsa = $pki->leaf('with-rsa', issuer => $twins[0], subject => '/CN=alice',
	eku => 'clientAuth', key => 'rsa:2048');
my $srv = CertPolicy::Server->new('main', pki => $pki, ca_file => $twins[0]{cert},
	server_cert => $pki->server($twins[0]), conf => "pg_cert_policy.exempt_roles = 'postgres'\n",
	init => { allows_streaming => 1 }, hba => [ 'local all all trust', 'hostssl all,replication all 127.0.0.1/32 trust' ]);
my $to = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port . ' dbname=postgres sslmode=require';
my $admin = $srv->node->connstr('postgres') . ' user=postgres';
my $two = folder($pki->dir . '/two', @leaves);
my $kinds = folder($pki->dir . '/kinds', $leaves[0], $rsa);

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role "group of all" role alice;
SQL

# What the command says, and whether its choice is certain.
sub choose
{
	my ($bundle, @more) = @_;
	my @command = ($pgcertsel, 'select', "$to user=alice", '--bundle', $bundle, @more);
	my $got = $srv->client([@command]);

	$got->{json} = decode_json($srv->client([ @command, '--format', 'json' ])->{stdout});
	return $got;
}

sub logs_in
{
	my ($fragment) = @_;

	return $srv->client([ 'psql', '-XAtqc', 'select current_user', '-d', "$to user=alice $fragment" ]);
}

sub is_chosen
{
	my ($got, $dir, $leaf, $what) = @_;
	my $fragment = "sslcert='$dir/$leaf->{name}.crt' sslkey='$dir/$leaf->{name}.key'";

	is($got->{stdout}, $fragment, "$what: $leaf->{name}") or diag $got->{stderr};
	ok($got->{json}{certain}, "$what: certain");
	is(logs_in($fragment)->{stdout}, 'alice', "$what: and it logs in");
	return;
}

# The reasons against a candidate, by their codes.
sub codes
{
	my ($got, $leaf) = @_;
	my ($candidate) = grep { $_->{sslcert} =~ m{/\Q$leaf->{name}\E\.crt$} } @{ $got->{json}{candidates} };

	return join ' ', map { $_->{code} } @{ $candidate->{reasons} };
}

# --- CAs of one name --------------------------------------------------------------

my $got = choose($two);
ok(!$got->{json}{certain}, 'twins by name: a doubtful choice');
foreach my $trusted (0, 1)
{
	$srv->conf("ssl_ca_file = '$twins[$trusted]{cert}'\n");
	$srv->reload;
	$got = choose($two, '--names-from', $admin);
	is_chosen($got, $two, $leaves[$trusted], "twins, the server trusts $twins[$trusted]{name}");
	like(codes($got, $leaves[ 1 - $trusted ]), qr/chain|issuer|signature/, 'the other is of another CA');
}
$srv->conf("ssl_ca_file = '$twins[0]{cert}'\n");
$srv->reload;

# --- policies of the role -----------------------------------------------------------

foreach my $on ('alice', '"group of all"')
{
	foreach my $case ([ 'key_type=RSA', $rsa ], [ 'key_type=EC', $leaves[0] ])
	{
		my ($policy, $leaf) = @$case;

		$srv->sql("security label for pg_cert_policy on role $on is '$policy'");
		$got = choose($kinds, '--strict', '--names-from', $admin);
		is_chosen($got, $kinds, $leaf, "policy $policy on $on");
		$got = $srv->client([ $pgcertsel, 'check', "$to user=alice", '--bundle', $kinds, '--names-from', $admin ]);
		like($got->{stdout}, qr/policy.*key_type/, 'check tells why not the other');
	}
	$srv->sql("security label for pg_cert_policy on role $on is 'cn=bob'");
	$got = choose($kinds, '--names-from', $admin);
	is($got->{status}, 2, "policy cn=bob on $on: nothing suitable");
	is($got->{stdout}, $nothing, 'so nothing is sent');
	like($got->{stderr}, qr/cn.*"bob".*"alice"/, 'with the reason');
	like(logs_in("sslcert='$kinds/with-rsa.crt' sslkey='$kinds/with-rsa.key'")->{stderr},
		qr/certificate policy rejects login/, 'as the server rejects them');
	$srv->sql("security label for pg_cert_policy on role $on is null");
}

# Physical replication has no database, whose policies count for all others.
$srv->sql(<<'SQL');
alter role alice replication;
security label for pg_cert_policy on database postgres is 'cn=bob';
SQL
foreach my $case ([ 'replication=true', 1 ], [ 'replication=YES', 1 ], [ 'replication=on', 1 ],
	[ 'replication=database', 0 ], [ 'replication=off', 0 ], [ '', 0 ])
{
	my ($replication, $in) = @$case;
	my $fragment = "sslcert='$two/of-twin1.crt' sslkey='$two/of-twin1.key'";

	$got = $srv->client([ $pgcertsel, 'select', "$to user=alice $replication", '--bundle', $two, '--names-from', $admin ]);
	is($got->{stdout}, $in ? $fragment : $nothing, "a policy of the database, \"$replication\"") or diag $got->{stderr};
	$got = $srv->client([ 'psql', '-XAtqc', $replication =~ /=(?!off)/ ? 'IDENTIFY_SYSTEM' : 'select 1',
			'-d', "$to user=alice $fragment $replication" ]);
	like($got->{stderr}, $in ? qr/^$/ : qr/certificate policy rejects login/, 'and that is what the server does');
}
$srv->sql('security label for pg_cert_policy on database postgres is null');

# What the server does not enforce refuses nobody.
$srv->sql(q{security label for pg_cert_policy on role alice is 'key_type=EC'});
foreach my $case ([ 'log', qr/only records/ ], [ 'off', qr/^(?!.*polic)/s ], [ 'on', qr/policy refuses it: key_type/ ])
{
	my ($enforce, $words) = @$case;
	my @only = ('--names-from', $admin, '--bundle', "$kinds/with-rsa.crt", '--bundle', "$kinds/with-rsa.key");
	my $fragment = "sslcert='$kinds/with-rsa.crt' sslkey='$kinds/with-rsa.key'";
	my $in = $enforce ne 'on';

	$srv->conf("pg_cert_policy.enforce = $enforce\n");
	$srv->reload;
	is(logs_in($fragment)->{status}, $in ? 0 : 2, "enforce=$enforce: what the server does");
	$got = $srv->client([ $pgcertsel, 'select', "$to user=alice", @only ]);
	is($got->{stdout}, $in ? $fragment : $nothing, "enforce=$enforce: what is chosen");
	$got = $srv->client([ $pgcertsel, 'check', "$to user=alice", @only ]);
	like($got->{stdout}, $words, "enforce=$enforce: what check says");
}

# one that cannot be read rejects everybody, or nobody
foreach my $case ([ 'on', 1, qr/has a policy for the role that is not valid/ ], [ 'log', 0, qr/^(?!.*not valid)/s ])
{
	my ($enforce, $status, $words) = @$case;

	$srv->sql(q{update pg_shseclabel set label = 'nonsense' where provider = 'pg_cert_policy'});
	$srv->conf("pg_cert_policy.enforce = $enforce\n");
	$srv->reload;
	$got = $srv->client([ $pgcertsel, 'select', "$to user=alice", '--bundle', $kinds, '--names-from', $admin ]);
	is($got->{status}, $status, "enforce=$enforce, a policy that cannot be read: status $status");
	like($got->{stderr}, $words, "enforce=$enforce: its words");
	is($got->{stdout} eq $nothing, $status != 0, "enforce=$enforce: what is sent");
}
$srv->conf("pg_cert_policy.enforce = on\n");
$srv->reload;
$srv->sql('security label for pg_cert_policy on role alice is null');

# --- who may ask ----------------------------------------------------------------------

$srv->sql(<<'SQL');
security label for pg_cert_policy on role alice is 'key_type=EC';
create role reader login;
SQL
my $with = "$to sslcert=$kinds/of-twin1.crt sslkey=$kinds/of-twin1.key";
is_chosen(choose($kinds, '--strict', '--names-from', "$with user=alice"), $kinds, $leaves[0], 'asked by alice herself');
is_chosen(choose($kinds, '--strict', '--names-from', "$with user=reader"), $kinds, $leaves[0], 'asked by somebody else');

$srv->stop;
done_testing();
