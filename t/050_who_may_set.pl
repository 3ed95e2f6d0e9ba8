# Who may set a policy: superusers, and each change is logged.  And what others
# achieve around it, with CREATEROLE, as the owner of a database, or with
# settings of their own: what they can is as much a promise as what they cannot.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my %cert = map { $_ => $pki->leaf($_, issuer => $ca, eku => 'clientAuth') }
  qw(alice mallory carol);

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);
my $version = $srv->sql('show server_version_num');
# From 16 on CREATEROLE is worth nothing without ADMIN OPTION on the role.
my $needs_admin = $version >= 160000;

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role hr login createrole;
create role owner login createdb;
create role monitor login;
grant pg_monitor, pg_write_server_files, pg_signal_backend to monitor;
create role alice login;
create role mallory login;
create role staff;
grant staff to alice;
create database db owner owner;
security label for pg_cert_policy on role alice is 'cn=%role';
security label for pg_cert_policy on role staff is 'eku=clientAuth';
security label for pg_cert_policy on database db is 'key_type=EC';
SQL

# All that is set, as one line.
sub labels
{
	return $srv->sql(q{select string_agg(concat_ws(' ', kind, name, policy), '; ' order by kind, name) from pg_cert_policies});
}

# Refused with this SQLSTATE and these words, and nothing is changed.
sub refused
{
	my ($what, $user, $sql, $sqlstate, $words, %opt) = @_;
	my $before = labels();
	my $got = $srv->try_sql($sql, user => $user, %opt);

	isnt($got->{status}, 0, "$what: refused");
	like($got->{log}, qr/ $sqlstate .*ERROR:  $words/, "$what: for its reason") or diag $got->{log};
	is(labels(), $before, "$what: and nothing changed");
	return;
}

sub done_by
{
	my ($what, $user, $sql, %opt) = @_;
	my $got = $srv->try_sql($sql, user => $user, %opt);

	is($got->{status}, 0, $what) or diag $got->{stderr};
	return $got;
}

sub accepted
{
	my ($what, %opt) = @_;
	my $got = $srv->login(%opt);

	is($got->{status}, 0, "$what: let in") or diag $got->{stderr};
	unlike($got->{log}, qr/certificate policy/, "$what: without a word");
	return;
}

sub rejected
{
	my ($what, $reason, %opt) = @_;
	my $got = $srv->login(%opt);

	is($got->{status}, 2, "$what: rejected");
	like($got->{log}, qr/ 28000 .*FATAL:  certificate policy rejects login.*\n.*DETAIL:  \Q$reason\E\n/,
		"$what: for its reason") or diag $got->{log};
	return;
}

my $label = 'security label for pg_cert_policy on';
my $denied = 'permission denied to set a certificate policy';

subtest 'superusers only' => sub {
	# a role that hr made, so that on every version PostgreSQL itself agrees
	done_by('hr makes a role', 'hr', 'create role made login');
	refused("hr, $_", 'hr', "$label role made is $_", '42501', $denied) foreach "'any'", 'null';
	# another's: ours up to 15, PostgreSQL's own from 16 on
	refused("hr on alice, $_", 'hr', "$label role alice is $_", '42501',
		$needs_admin ? '' : $denied) foreach "'exempt'", 'null';
	refused('hr on itself', 'hr', "$label role hr is 'exempt'", '42501', '');
	refused('a role on itself', 'mallory', "$label role mallory is 'any'", '42501', '');
	refused("the owner of a database, $_", 'owner', "$label database db is $_", '42501', $denied)
	  foreach "'any'", 'null';
	refused('pg_monitor and others', 'monitor', "$label role alice is null", '42501', '');
	refused('in the catalog itself', 'hr', 'delete from pg_shseclabel', '42501',
		'permission denied for table pg_shseclabel');
	refused('not even they exempt a database', 'postgres', "$label database db is 'exempt'", '42602',
		'invalid certificate policy of database "db": "exempt" cannot be the policy of a database');
	refused('a policy that cannot be read is not even looked at', 'hr',
		"$label role made is 'nonsense'", '42501', $denied);
	$srv->sql('drop role made');
};

subtest 'superusers by another way' => sub {
	my $log = $srv->try_sql("set role hr; $label role alice is null")->{log};
	like($log, qr/ 42501 .*ERROR:/, 'a superuser who has put it down cannot');
	$srv->sql(<<"SQL");
create function relabel() returns void language plpgsql security definer
as \$\$ begin $label role mallory is 'any'; end \$\$;
SQL
	$log = done_by('a function of a superuser can', 'mallory', 'select relabel()')->{log};
	like($log, qr/mallory\@postgres LOG:  certificate policy of role "mallory" set by role "postgres"\n.*DETAIL:  Old policy: none\. New policy: "any"\.\n/,
		'and the log has both, the session\'s role and the one that counted');
	$srv->sql("drop function relabel(); $label role mallory is null");
};

subtest 'each change is logged' => sub {
	my $log = $srv->try_sql("$label database db is 'tls=1.2'")->{log};
	like($log, qr/LOG:  certificate policy of database "db" set by role "postgres"\n.*DETAIL:  Old policy: "key_type=EC"\. New policy: "tls=1.2"\.\n/,
		'of a database');
	$log = $srv->try_sql("begin; $label database db is null; rollback")->{log};
	like($log, qr/DETAIL:  Old policy: "tls=1.2"\. New policy: none\.\n/, 'also in a transaction that is rolled back');
	$log = $srv->try_sql("$label role alice is 'no=such'", user => 'hr')->{log};
	unlike($log, qr/set by role/, 'not one that is refused');
	$srv->sql("$label database db is 'key_type=EC'");
	my $got = $srv->try_sql("set client_min_messages = log; $label role mallory is 'any'");
	like($got->{log}, qr/New policy: "any"/, 'whatever the client asks to be told');
	unlike($got->{stderr}, qr/set by role/, '... it is not told');
	$srv->sql("$label role mallory is null");
};

subtest 'CREATEROLE by GRANT' => sub {
	if ($needs_admin)
	{
		refused('into a group', 'hr', 'grant staff to mallory', '42501', '');
		$srv->sql('grant staff to mallory');
	}
	else
	{
		done_by('into a group', 'hr', 'grant staff to mallory');
	}
	rejected('a group only adds', 'Policy of group "staff": no TLS.', user => 'mallory', tls => 0);
	# what is "exempt" is not lent
	$srv->sql("$label role staff is 'exempt'; create role pass; $label role pass is 'exempt'");
	done_by('a pass for all', $needs_admin ? 'postgres' : 'hr', 'grant pass to alice');
	rejected('is none', 'Policy of role "alice": cn: required "alice", found "mallory".',
		user => 'alice', cert => $cert{mallory});
	$srv->sql("$label role staff is 'eku=clientAuth'; drop role pass");
	# who is made a member of alice has to fulfil her policy as well
	$srv->sql("grant alice to mallory");
	rejected('to be let in as alice', 'Policy of group "alice": no TLS.' . "\n\tPolicy of group \"staff\": no TLS.",
		user => 'mallory', tls => 0);
	$srv->sql('revoke alice, staff from mallory');
};

subtest 'CREATEROLE by REVOKE' => sub {
	rejected('bound by a group', 'Policy of group "staff": no TLS.', user => 'alice', tls => 0)
	  if $srv->sql("$label role alice is null") eq '';
	if ($needs_admin)
	{
		refused('out of it', 'hr', 'revoke staff from alice', '42501', '');
		rejected('still bound', 'Policy of group "staff": no TLS.', user => 'alice', tls => 0);
		$srv->sql('grant staff to hr with admin true, inherit false, set false');
		# a grant belongs to its grantor: ADMIN OPTION alone undoes only its own
		my $got = $srv->try_sql('revoke staff from alice', user => 'hr');
		like($got->{stderr}, qr/has not been granted membership in role "staff" by role "hr"/,
			'not what another has granted');
		rejected('still bound', 'Policy of group "staff": no TLS.', user => 'alice', tls => 0);
		$srv->sql('revoke staff from hr');
	}
	else
	{
		done_by('out of it', 'hr', 'revoke staff from alice');
		accepted('the policy of a group is lost', user => 'alice', tls => 0);
		$srv->sql('grant staff to alice');
	}
	$srv->sql("$label role alice is 'cn=%role'");
};

# %role is the name in the catalog.  Who may rename roles decides whose
# certificate opens them; a key or a literal name is not moved so.
subtest 'CREATEROLE by RENAME' => sub {
	my $rename = 'alter role mallory rename to nobody; alter role alice rename to mallory';
	my $oid = $srv->sql(q{select 'alice'::regrole::oid});

	if ($needs_admin)
	{
		refused('two names exchanged', 'hr', $rename, '42501', '');
		$srv->sql('grant alice, mallory to hr with admin true, inherit false, set false');
	}
	done_by('two names exchanged', 'hr', $rename);
	accepted('%role follows', user => 'mallory', cert => $cert{mallory});
	is($srv->login(user => 'mallory', cert => $cert{mallory},
			sql => 'select oid from pg_roles where rolname = current_user')->{stdout},
		$oid, 'and it is the role that had been alice');
	$srv->sql("$label role mallory is 'cn=alice'");
	rejected('a literal name does not', 'Policy of role "mallory": cn: required "alice", found "mallory".',
		user => 'mallory', cert => $cert{mallory});
	accepted('it stays with the person', user => 'mallory', cert => $cert{alice});
	my $key = $pki->key_sha256($cert{alice});
	$srv->sql("$label role mallory is 'key_sha256=$key'");
	rejected('nor does a key', "Policy of role \"mallory\": key_sha256: required \"$key\", found " . $pki->key_sha256($cert{mallory}) . '.',
		user => 'mallory', cert => $cert{mallory});
	$srv->sql("alter role mallory rename to alice; alter role nobody rename to mallory; $label role alice is 'cn=%role'");
	refused('a superuser is out of reach', 'hr', 'alter role postgres rename to somebody', '42501', '');
	$srv->sql('revoke alice, mallory from hr') if $needs_admin;
};

subtest 'CREATEROLE by DROP and CREATE' => sub {
	$srv->sql('create role temp login');
	$srv->sql("$label role temp is 'cn=nobody'");
	if ($needs_admin)
	{
		refused('another\'s role', 'hr', 'drop role temp; create role temp login', '42501', '');
		$srv->sql('grant temp to hr with admin true, inherit false, set false');
	}
	done_by('dropped and made again', 'hr', 'drop role temp; create role temp login');
	accepted('the policy is gone with it', user => 'temp', tls => 0);
	$srv->conf("pg_cert_policy.default_policy = 'cn=%role'\n");
	$srv->reload;
	rejected('default_policy has it', 'Policy of default_policy: no TLS.', user => 'temp', tls => 0);
	$srv->conf("pg_cert_policy.default_policy = ''\n");
	$srv->reload;
	done_by('away', 'hr', 'drop role temp');
};

# From 16 on who creates a role becomes a member that can only administrate.
subtest 'the creator of a role' => sub {
	done_by('made', 'hr', 'create role made login');
	$srv->sql("$label role made is 'cn=made'");
	is($srv->sql(q{select count(*) from pg_auth_members where roleid = 'made'::regrole and member = 'hr'::regrole}),
		$needs_admin ? '1' : '0', 'membership of the creator');
	accepted('is not under its policy', user => 'hr', tls => 0);
	if ($needs_admin)
	{
		$srv->sql('create role lead login createrole; alter role lead set createrole_self_grant = \'set\'');
		done_by('made by one who grants it to himself', 'lead', 'create role made2 login');
		$srv->sql("$label role made2 is 'cn=made2'");
		rejected('is under its policy', 'Policy of group "made2": no TLS.', user => 'lead', tls => 0);
		done_by('hr can take the right to use it', 'hr', 'grant made to hr with set true');
		rejected('and with it the policy', 'Policy of group "made": no TLS.', user => 'hr', tls => 0);
		$srv->sql('drop role made2; drop role lead');
	}
	else
	{
		done_by('hr becomes a member', 'hr', 'grant made to hr');
		rejected('and comes under its policy', 'Policy of group "made": no TLS.', user => 'hr', tls => 0);
	}
	$srv->sql('drop role made');
	is($srv->sql(q{select count(*) from pg_shseclabel where label like '%made%'}), '0',
		'DROP ROLE takes the label along');
};

subtest 'the owner of a database' => sub {
	rejected('bound', 'Policy of database "db": no TLS.', user => 'mallory', tls => 0, db => 'db');
	done_by('renames it', 'owner', 'alter database db rename to db2');
	rejected('still bound', 'Policy of database "db2": no TLS.', user => 'mallory', tls => 0, db => 'db2');
	# a copy is a database of its own
	done_by('copies it', 'owner', 'create database db template db2');
	accepted('the copy has no policy', user => 'mallory', tls => 0, db => 'db');
	done_by('drops it', 'owner', 'drop database db2');
	is($srv->sql(q{select count(*) from pg_cert_policies where kind = 'database'}), '0', 'and the policy with it');
};

# Nobody sets for his own session what is the server's.
subtest 'settings' => sub {
	$srv->sql("$label role alice is 'cn=%role'");
	my %wrong = (user => 'alice', cert => $cert{mallory});
	rejected('options of the connection come too late',
		'Policy of role "alice": cn: required "alice", found "mallory".',
		%wrong, conninfo => q{options='-c pg_cert_policy.enforce=off'});
	my $got = $srv->login(user => 'alice', cert => $cert{alice}, conninfo => q{options='-c pg_cert_policy.enforce=off'});
	like($got->{log}, qr/ 55P02 .*FATAL:  parameter "pg_cert_policy.enforce" cannot be changed now/, 'and are refused');
	foreach my $name (qw(enforce default_policy exempt_roles local_connections disconnect_expired recheck_interval))
	{
		my $value = $name eq 'recheck_interval' ? '0' : 'off';
		refused("SET $name", 'postgres', "set pg_cert_policy.$name = '$value'", '55P02',
			qq{parameter "pg_cert_policy.$name" cannot be changed now});
	}
	refused('for a role', 'hr', q{alter role hr set pg_cert_policy.enforce = 'off'}, '55P02',
		'parameter "pg_cert_policy.enforce" cannot be changed now');
	refused('ALTER SYSTEM', 'hr', q{alter system set pg_cert_policy.enforce = 'off'}, '42501', '');
	done_by('all may see them', 'mallory', 'show pg_cert_policy.enforce');
};

done_testing();
