# Which policies a login meets: the role's own or the default, those of its
# groups at any depth, that of the database; exempt; what each one's own
# settings change; and connections for replication.
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

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	init => { allows_streaming => 'logical' },
	conf => "wal_level = logical\n",
	hba => [
		'local all all trust',
		'local replication all trust',
		'host all all 127.0.0.1/32 trust',
		'host replication all 127.0.0.1/32 trust',
	]);
my $version = $srv->sql('show server_version_num');

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role boss superuser login;
create role a; create role b; create role c; create role d;
create database db;
-- the test's own sessions
security label for pg_cert_policy on role postgres is 'exempt';
SQL

sub label
{
	my ($object, $policy) = @_;

	$srv->sql("security label for pg_cert_policy on $object is "
		  . (defined $policy ? "'$policy'" : 'null'));
	return;
}

sub accepted
{
	my ($what, %opt) = @_;
	my $got = $srv->login(user => 'alice', cert => $x, %opt);

	is($got->{status}, 0, "$what: let in") or diag $got->{stderr};
	unlike($got->{log}, qr/certificate policy/, "$what: without a word");
	return;
}

# Rejected for exactly these lines, in this order.
sub rejected
{
	my ($what, $lines, %opt) = @_;
	my $got = $srv->login(user => 'alice', cert => $x, %opt);
	my $detail = join("\n\t", @$lines);

	is($got->{status}, 2, "$what: rejected");
	like($got->{log}, qr/FATAL:  certificate policy rejects login.*\n.*DETAIL:  \Q$detail\E\n(?!\t)/,
		"$what: for its reasons");
	return;
}

sub name_fails
{
	my ($whose) = @_;

	return qq{Policy of $whose: cn: required "no", found "x".};
}

subtest 'groups at any depth' => sub {
	label('role d', 'cn=no');
	accepted('no member');
	$srv->sql('grant d to c; grant c to b; grant b to a');
	accepted('no member yet');
	$srv->sql('grant a to alice');
	rejected('four steps away', [ name_fails('group "d"') ]);
	is($srv->sql(q{select kind, name, through, mode from pg_cert_policy_for('alice')}),
		'group|d|{a,b,c}|enforce', 'and the view says through what');
	is($srv->sql(q{select covers from pg_cert_policies where name = 'd'}), '1',
		'and whom it covers');

	# a diamond, and a superuser in the middle of nothing
	$srv->sql('grant c to alice; grant d to a');
	rejected('a diamond', [ name_fails('group "d"') ]);
	accepted('a superuser is no implicit member', user => 'boss');
	$srv->sql('grant a to boss');
	rejected('a superuser who was made one', [ name_fails('group "d"') ], user => 'boss');
	$srv->sql('revoke a from boss');

	label('role d', 'cn=x');
	label('role b', 'cn=no');
	label('role a', 'exempt');
	rejected('a group\'s "exempt" is not its members\'', [ name_fails('group "b"') ]);
	label('role d', 'cn=no');
	rejected('all must accept, and all are named', [ name_fails('group "b"'), name_fails('group "d"') ]);
	label('role alice', 'exempt');
	accepted('exempt on the role itself lifts all');
	is($srv->sql(q{select covers from pg_cert_policies where name = 'd'}), '0',
		'and the view counts so');
	label('role alice', 'cn=x');
	rejected('its own label does not lift the groups\'', [ name_fails('group "b"'), name_fails('group "d"') ]);
	label("role $_") foreach qw(alice a b d);
	accepted('all gone');
};

# GRANT refuses loops; a hand in the catalog does not.
subtest 'a loop' => sub {
	label('role d', 'cn=no');
	my ($grantor, $options) =
	  $version >= 160000
	  ? (', grantor, admin_option, inherit_option, set_option',
		'10, false, true, true')
	  : (', grantor, admin_option', '10, false');
	my $columns = $version >= 160000 ? 'oid, ' : '';
	my $oid = $version >= 160000 ? '99999, ' : '';
	$srv->sql(<<"SQL");
set allow_system_table_mods = on;
insert into pg_auth_members ($columns roleid, member $grantor)
select $oid 'a'::regrole, 'd'::regrole, $options;
SQL
	rejected('ends', [ name_fails('group "d"') ]);
	is($srv->sql(q{select count(*) from pg_cert_policy_for('alice')}), '1', 'in the view too');
	$srv->sql(q{delete from pg_auth_members where roleid = 'a'::regrole and member = 'd'::regrole});
	label('role d');
};

subtest 'a membership before INHERIT and SET' => sub {
	label('role d', 'cn=no');
	$srv->sql('create role e login noinherit; grant d to e');
	rejected('counts', [ name_fails('group "d"') ], user => 'e');
	label('role d');
} if $version < 160000;

subtest 'a membership with neither INHERIT nor SET' => sub {
	label('role d', 'cn=no');
	$srv->sql('create role e login; grant d to e with admin true, inherit false, set false');
	accepted('does not count', user => 'e');
	foreach my $option ('set true', 'inherit true')
	{
		$srv->sql("grant d to e with set false, inherit false");
		$srv->sql("grant d to e with $option");
		rejected($option, [ name_fails('group "d"') ], user => 'e');
	}
	label('role d');
} if $version >= 160000;

subtest 'the database' => sub {
	label('database db', 'cn=no');
	rejected('into it', [ name_fails('database "db"') ], db => 'db');
	accepted('into another');
	is($srv->sql(q{select covers from pg_cert_policies where kind = 'database'}),
		$srv->sql(q{select count(*) from pg_roles where rolcanlogin and rolname <> 'postgres'}),
		'it covers all that can log in but who is exempt');
	label('role alice', 'key_type=RSA');
	rejected('role and database',
		[ 'Policy of role "alice": key_type: required "RSA", found EC.', name_fails('database "db"') ],
		db => 'db');
	$srv->sql('alter database db rename to db2');
	rejected('it follows a rename',
		[ 'Policy of role "alice": key_type: required "RSA", found EC.', name_fails('database "db2"') ],
		db => 'db2');
	$srv->sql('alter database db2 rename to db');
	label('role alice');
	my $got = $srv->login(user => 'alice', cert => $x, db => 'nowhere');
	like($got->{stderr}, qr/FATAL:  database "nowhere" does not exist/,
		'one that does not exist is refused as ever');
	my $long = 'd' x 70;
	my $cut = substr($long, 0, 63);
	$srv->sql("create database $cut");
	label("database $cut", 'cn=no');
	rejected('a name that is cut off', [ name_fails(qq{database "$cut"}) ], db => $long);
	label("database $_") foreach 'db', $cut;
};

subtest 'the default is for those without a label' => sub {
	$srv->conf("pg_cert_policy.default_policy = 'cn=no'\n");
	$srv->reload;
	label('role c', 'cn=no');
	rejected('default and group', [ name_fails('default_policy'), name_fails('group "c"') ]);
	label('role alice', 'cn=x');
	rejected('own label and group', [ name_fails('group "c"') ]);
	label("role $_") foreach qw(alice c);
	$srv->conf("pg_cert_policy.default_policy = ''\n");
	$srv->reload;
};

subtest 'mode=log concerns its own policy alone' => sub {
	label('role alice', 'mode=log cn=no');
	my $got = $srv->login(user => 'alice', cert => $x);
	is($got->{status}, 0, 'let in');
	like($got->{log}, qr/LOG:  certificate policy would reject login as role "alice"\n.*DETAIL:  \Q@{[name_fails('role "alice"')]}\E/,
		'and recorded');
	label('database postgres', 'key_type=RSA');
	$got = $srv->login(user => 'alice', cert => $x);
	like($got->{log}, qr/LOG:  certificate policy would reject.*\n.*DETAIL:  \Q@{[name_fails('role "alice"')]}\E\n.*FATAL:  certificate policy rejects login.*\n.*DETAIL:  Policy of database "postgres": key_type: required "RSA", found EC\.\n/,
		'the other is enforced');
	label($_) foreach 'database postgres', 'role alice';
};

subtest 'of several settings for Unix sockets the strictest wins' => sub {
	my $plain = sub { qq{Policy of $_[0]: no TLS.} };
	label('role alice', 'local=allow cn=x');
	accepted('allow', tls => 0);
	label('role c', 'local=reject cn=x');
	rejected('allow and reject', [ $plain->('group "c"') ], tls => 0);
	label('role c', 'cn=x');
	rejected('allow and the server\'s own', [ $plain->('group "c"') ], tls => 0);
	label('role c', 'local=allow cn=x');
	accepted('allow twice', tls => 0);
	label("role $_") foreach qw(alice c);
};

subtest 'replication' => sub {
	$srv->sql('create role walker login replication');
	label('role walker', 'cn=no');
	label('database postgres', 'key_type=RSA');
	my %physical = (user => 'walker', conninfo => 'replication=true', sql => 'IDENTIFY_SYSTEM');
	my %logical = (user => 'walker', conninfo => 'replication=database', sql => 'IDENTIFY_SYSTEM');
	my $database = 'Policy of database "postgres": key_type: required "RSA", found EC.';
	rejected('physical', [ name_fails('role "walker"') ], %physical);
	rejected('logical', [ name_fails('role "walker"'), $database ], %logical);
	label('role walker', 'cn=x');
	accepted('physical: it has no database', %physical);
	rejected('logical: it has one', [ $database ], %logical);
	label('database postgres');
	accepted('logical', %logical);
};

done_testing();
