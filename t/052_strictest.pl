# Several policies at once: groups far away and by many ways, and of several
# settings "on_expiry" and "local" the strictest.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $x = $pki->leaf('x', issuer => $ca, eku => 'clientAuth');

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
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

sub setting
{
	my ($name, $value) = @_;

	$srv->conf("pg_cert_policy.$name = '$value'\n");
	$srv->reload;
	return;
}

sub rejected
{
	my ($what, $details, %opt) = @_;
	my $got = $srv->login(user => 'alice', cert => $x, %opt);
	my $detail = join("\n\t", @$details);

	is($got->{status}, 2, "$what: rejected");
	like($got->{log}, qr/FATAL:  certificate policy rejects login.*\n.*DETAIL:  \Q$detail\E\n(?!\t)/,
		"$what: for its reasons");
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

subtest 'PostgreSQL refuses loops' => sub {
	$srv->sql('create role a; create role b; create role c; grant a to b; grant b to c');
	my $got = $srv->try_sql('grant c to a');
	like($got->{log}, qr/ 0LP01 .*ERROR:  role "c" is a member of role "a"/, 'a long one');
	like($srv->try_sql('grant a to a')->{log}, qr/ 0LP01 /, 'a short one');
	$srv->sql('drop role a, b, c');
};

subtest 'two hundred steps away' => sub {
	$srv->sql(<<'SQL');
do $$ begin
  for i in 1..200 loop execute format('create role d%s', i); end loop;
  for i in 2..200 loop execute format('grant d%s to d%s', i, i - 1); end loop;
end $$;
grant d1 to alice;
SQL
	label('role d200', 'cn=no');
	rejected('the last', [ 'Policy of group "d200": cn: required "no", found "x".' ]);
	is($srv->sql(q{select cardinality(through), through[1], through[199] from pg_cert_policy_for('alice')}),
		'199|d1|d199', 'the view knows the way');
	label('role d100', 'key_type=RSA');
	rejected('two of them, the nearest first', [
			'Policy of group "d100": key_type: required "RSA", found EC.',
			'Policy of group "d200": cn: required "no", found "x".' ]);
	$srv->sql('revoke d51 from d50');
	accepted('the way is cut in the middle');
	$srv->sql(q{do $$ begin for i in 1..200 loop execute format('drop role d%s', i); end loop; end $$});
};

# Fifteen layers of two, each a member of both of the next: 32,768 ways to the
# top.  Whoever walks them all one by one is not back before the login timeout.
subtest 'diamonds upon diamonds' => sub {
	$srv->sql(<<'SQL');
do $$ begin
  for i in 1..16 loop execute format('create role l%s; create role r%s', i, i); end loop;
  for i in 1..15 loop execute format('grant l%s, r%s to l%s, r%s', i + 1, i + 1, i, i); end loop;
end $$;
grant l1, r1 to alice;
SQL
	label('role r16', 'cn=no');
	my $begun = time;
	rejected('the top', [ 'Policy of group "r16": cn: required "no", found "x".' ]);
	cmp_ok(time - $begun, '<', 10, 'soon');
	is($srv->sql(q{select count(*), min(cardinality(through)) from pg_cert_policy_for('alice')}), '1|15',
		'it is named once, by a shortest way');
	is($srv->sql(q{select covers from pg_cert_policies where name = 'r16'}), '1', 'and covers one login role');
	$srv->sql(q{do $$ begin for i in 1..16 loop execute format('drop role l%s; drop role r%s', i, i); end loop; end $$});
};

subtest 'local' => sub {
	my $no_tls = sub { map { "Policy of $_: no TLS." } @_ };

	$srv->sql('create role staff; grant staff to alice');
	setting(local_connections => 'allow');
	label('role alice', 'local=peer any');
	rejected('of the role, against the server\'s allow', [ $no_tls->('role "alice"') ], tls => 0);
	label('role alice', 'local=allow any');
	label('database postgres', 'local=reject any');
	rejected('of the database, against the role\'s allow', [ $no_tls->('database "postgres"') ], tls => 0);
	accepted('another database', tls => 0, db => 'db');
	label('role staff', 'local=reject any');
	rejected('of group and database', [ $no_tls->('group "staff"', 'database "postgres"') ], tls => 0);
	label('database postgres');
	label('role staff');
	label('role alice');
	setting(local_connections => 'reject');
	setting(default_policy => 'local=allow any');
	accepted('of default_policy', tls => 0);
	label('role staff', 'any');
	rejected('a group without its own has the server\'s', [ $no_tls->('group "staff"') ], tls => 0);
	label('role staff');
	setting(default_policy => 'local=alow any');
	setting(local_connections => 'allow');
	accepted('one that cannot be read has the server\'s', tls => 0);
	setting(local_connections => 'peer');
	rejected('whatever it is', [ 'Policy of default_policy cannot be read: value of setting "local" is not recognized (clause "local", position 7).' ], tls => 0);
	setting(default_policy => '');
};

# One certificate for all; each role differs in what its policies say.
subtest 'on_expiry' => sub {
	my @roles = (
		# own, group, database, ends with the server's setting off, on
		[ 'disconnect', 'keep', 'keep', 1, 1 ],
		[ 'keep', 'disconnect', 'keep', 1, 1 ],
		[ 'keep', 'keep', 'disconnect', 1, 1 ],
		[ 'keep', 'keep', 'keep', 0, 0 ],
		[ 'keep', '', '', 0, 1 ],
		[ '', 'keep', '', 0, 1 ],
		[ 'keep', undef, undef, 0, 0 ],
		[ undef, undef, undef, 0, 1 ],
		[ 'broken', undef, undef, 0, 1 ]);
	my $policy = sub {
		my ($word) = @_;
		return !defined $word ? undef : $word eq '' || $word eq 'broken' ? 'any' : "on_expiry=$word any";
	};

	foreach my $i (0 .. $#roles)
	{
		$srv->sql("create role p$i login; create role g$i; grant g$i to p$i; create database db$i");
	}
	foreach my $server ('off', 'on')
	{
		my $column = $server eq 'on' ? 4 : 3;
		my $mark = $srv->log_mark;
		my @sessions;

		setting(disconnect_expired => $server);
		foreach my $i (0 .. $#roles)
		{
			my ($own, $group, $database) = @{ $roles[$i] };
			label("role p$i", $policy->($own));
			label("role g$i", $policy->($group));
			label("database db$i", $policy->($database));
		}

		# all of them have to be there before it expires, on a busy machine too
		my $start = time;
		$srv->sql('select 1') foreach @roles;
		my $cert = $pki->leaf("short$server", issuer => $ca,
			not_after => strftime('%Y%m%d%H%M%SZ', gmtime(time + 15 + 4 * (time - $start))));
		foreach my $i (0 .. $#roles)
		{
			my ($own) = @{ $roles[$i] };
			push @sessions, CertPolicy::Session->new($srv, user => "p$i", db => "db$i", cert => $cert);
			# what nobody could log in with
			$srv->sql(qq{set allow_system_table_mods = on; update pg_shseclabel
				set label = 'on_expiry=keep nonsense' where objoid = 'p$i'::regrole})
			  if ($own // '') eq 'broken';
		}
		my $ended = join ',', map { $sessions[$_]->pid } grep { $roles[$_][$column] } 0 .. $#roles;
		$srv->node->poll_query_until('postgres',
			"select count(*) = 0 from pg_cert_sessions where pid in ($ended)")
		  or die 'sessions were not ended';
		my $log = $srv->log_since($mark);
		foreach my $i (0 .. $#roles)
		{
			my $name = join '/', map { $_ // 'none' } @{ $roles[$i] }[ 0 .. 2 ];
			my $said = $log =~ /ending session of role "p$i" with PID @{[$sessions[$i]->pid]}, as its certificate has expired/ ? 1 : 0;
			is($said, $roles[$i][$column], "server $server, $name: " . ($said ? 'ended' : 'kept'));
			next if $said;
			is($sessions[$i]->query('select 1'), '1', "... and is there");
			$sessions[$i]->close;
		}
	}
};

done_testing();
