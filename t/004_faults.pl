# Labels that cannot be read, a server without its cache files, without the
# library, in single-user mode and in pg_upgrade's: a broken policy turns away
# whom it covers and touches nobody else, and there is always a way back in.
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

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role bob login;
create role staff;
create database db owner bob;
SQL
my $version = $srv->sql('show server_version_num');

# Puts a label into the catalog by hand, past the provider.
sub force_label
{
	my ($class, $object, $label) = @_;

	$srv->sql(<<"SQL");
set allow_system_table_mods = on;
delete from pg_shseclabel where provider = 'pg_cert_policy';
insert into pg_shseclabel (objoid, classoid, provider, label)
values ($object, '$class'::regclass, 'pg_cert_policy', $label);
SQL
	return;
}

sub clear_labels
{
	$srv->sql(q{set allow_system_table_mods = on;
		delete from pg_shseclabel where provider = 'pg_cert_policy'});
	return;
}

sub rejected
{
	my ($what, $reason, %opt) = @_;
	my $user = $opt{user} //= 'alice';
	my $got = $srv->login(cert => $alice, %opt);

	is($got->{stderr} =~ s/.*FATAL/FATAL/r,
		qq{FATAL:  certificate policy rejects login as role "$user"},
		"$what: turned away, with the sentence");
	like($got->{log}, qr/ 28000 .*DETAIL:  $reason\n/, "$what: the log has the reason")
	  or diag $got->{log};
	return;
}

sub accepted
{
	my ($what, %opt) = @_;
	my $user = $opt{user} // 'postgres';
	my $got = $srv->login(cert => $alice, %opt);

	is($got->{status}, 0, "$what: let in") or diag $got->{stderr};
	unlike($got->{log}, qr/certificate policy/, "$what: without a word");
	like($got->{log}, qr/LOG:  connection authorized: user=$user /, "$what: and the log says so");
	return;
}

# 4000 characters that do not compress go out of line, and would end the
# process with "cannot read pg_class without having selected a database".
my $long = q{(select string_agg(md5(i::text), '') from generate_series(1, 125) i)};
my @broken = (
	[ 'an unknown clause', q{'cn=alice quantum=safe'},
		qr/cannot be read: clause "quantum" is not recognized \(clause "quantum", position 10\)\./ ],
	[ 'a setting of a later version', q{'retry=3 any'},
		qr/cannot be read: clause "retry" is not recognized \(clause "retry", position 1\)\./ ],
	[ 'an operator of a later version', q{'cn~=alice'},
		qr/cannot be read: .* \(.*position \d+\)\./ ],
	[ 'an empty label', q{''}, qr/cannot be read: policy is empty \(position 1\)\./ ],
	[ 'other bytes than ASCII', q{U&'cn=alic\00e9'},
		qr/cannot be read: policy holds a byte that is not printable ASCII: 0xc3 \(position 8\)\./ ],
	[ 'control bytes', q{E'cn=alice\x1b[2Jx'},
		qr/cannot be read: policy holds a byte that is not printable ASCII: 0x1b \(position 9\)\./ ],
	[ 'one byte too many', q{'cn=' || repeat('x', 1498)},
		qr/cannot be read: policy is too long: 1501 bytes, at most 1500 are allowed\b.*/ ],
	[ 'a long one that compresses', q{'cn=' || repeat('x', 100000)},
		qr/cannot be read: policy is too long: 100003 bytes, at most 1500 are allowed\b.*/ ],
	[ 'one out of line', "'cn=' || $long",
		qr/cannot be read: it is stored out of line, being far longer than 1500 bytes\./ ]);

foreach my $case (@broken)
{
	my ($what, $label, $reason) = @$case;

	subtest $what => sub {
		force_label('pg_authid', q{'alice'::regrole}, $label);
		rejected('the role', qr/Policy of role "alice" $reason/);
		accepted('another role', user => 'bob');
		is($srv->sql(q{select kind, name, valid, problem is null, covers from pg_cert_policies}),
			'role|alice|f|f|1', 'the view says so');
		is($srv->sql(q{select valid from pg_cert_policy_for('alice')}), 'f', 'and the other');
		is($srv->sql(q{select holds from pg_cert_policy_check('alice', null::text) where kind = 'verdict'}),
			'f', 'and the dry run');

		force_label('pg_database', q{(select oid from pg_database where datname = 'db')}, $label);
		rejected('into the database', qr/Policy of database "db" $reason/, db => 'db');
		accepted('into another database', user => 'bob');

		$srv->sql('grant staff to alice');
		force_label('pg_authid', q{'staff'::regrole}, $label);
		rejected('a member of the group', qr/Policy of group "staff" $reason/);
		accepted('no member', user => 'bob');
		$srv->sql('revoke staff from alice');
		clear_labels();
	};
}

subtest '"exempt" on a database' => sub {
	force_label('pg_database', q{(select oid from pg_database where datname = 'db')}, q{'exempt'});
	rejected('into it', qr/Policy of database "db" cannot be read: "exempt" cannot be the policy of a database \(position 1\)\./, db => 'db');
	accepted('into another database');
	clear_labels();
};

# One label of each provider can be on an object.
subtest 'a label of another provider' => sub {
	$srv->sql(<<'SQL');
set allow_system_table_mods = on;
insert into pg_shseclabel (objoid, classoid, provider, label)
values ('alice'::regrole, 'pg_authid'::regclass, 'another', 'cn=nobody');
SQL
	accepted('is no policy', user => 'alice');
	is($srv->sql('select count(*) from pg_cert_policies'), '0', 'nor does the view show it');
	$srv->sql(q{set allow_system_table_mods = on; delete from pg_shseclabel where provider = 'another'});
};

subtest 'under enforce=log a broken policy is recorded' => sub {
	force_label('pg_authid', q{'alice'::regrole}, q{'mode=log quantum=safe'});
	rejected('mode=log inside does not count', qr/Policy of role "alice" cannot be read: .*/);
	$srv->conf("pg_cert_policy.enforce = 'log'\n");
	$srv->reload;
	my $got = $srv->login(user => 'alice', cert => $alice);
	is($got->{status}, 0, 'let in');
	like($got->{log}, qr/LOG:  certificate policy would reject.*\n.*DETAIL:  Policy of role "alice" cannot be read: clause "quantum"/,
		'and recorded');
	$srv->conf("pg_cert_policy.enforce = 'on'\n");
	$srv->reload;
	clear_labels();
};

# Until this file exists no index of a shared catalog can be used.
subtest 'the first logins without global/pg_internal.init' => sub {
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=%role'});
	$srv->sql(q{security label for pg_cert_policy on database db is 'eku=clientAuth'});
	$srv->sql('grant staff to alice');
	my $path = $srv->node->data_dir . '/global/pg_internal.init';
	foreach my $case (
		[ 'accepted', sub { accepted('the first login', user => 'alice', db => 'db') } ],
		[ 'rejected', sub { rejected('the first login', qr/Policy of database "db": no certificate\./,
					user => 'bob', db => 'db', cert => undef) } ])
	{
		$srv->stop;
		ok(unlink($path), "the file was there ($case->[0])");
		$srv->start;
		$case->[1]->();
		accepted('the second', user => 'alice', db => 'db');
		ok(-e $path, 'the file is there again');
	}
	$srv->sql('revoke staff from alice');
};

# is_member_of_role() during authentication would leave a wrong answer behind.
subtest 'the session knows its memberships' => sub {
	$srv->sql(q{security label for pg_cert_policy on role bob is 'cn=alice'});
	$srv->sql('grant staff to bob');
	my $got = $srv->login(user => 'bob', db => 'db', cert => $alice,
		sql => q{select pg_has_role('staff', 'member')});
	is($got->{stdout}, 't', 'of a group that binds it');
	$srv->sql('revoke staff from bob');

	# the wrong answer would be about this role, which is in 14 and later
	if ($version >= 140000)
	{
		$got = $srv->login(user => 'bob', db => 'db', cert => $alice,
			sql => q{select pg_has_role('pg_database_owner', 'member')});
		is($got->{stdout}, 't', 'the owner is in pg_database_owner');
	}
	clear_labels();
};

subtest 'single-user mode' => sub {
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=nobody'});
	$srv->stop;
	my @single = ('postgres', '--single', '-F', '-D', $srv->node->data_dir, 'postgres');
	my $mend = "security label for pg_cert_policy on role alice is null\n";

	# up to 14, shared_preload_libraries means nothing here
	if ($version < 150000)
	{
		my $got = $srv->client(\@single, stdin => $mend);
		like($got->{stderr}, qr/ERROR:  security label provider "pg_cert_policy" is not loaded/,
			'the library must be loaded first');
		$mend = "load 'pg_cert_policy'\n$mend";
	}
	my $got = $srv->client(\@single,
		stdin => $mend . "select count(*) from pg_cert_policies\n");
	unlike($got->{stderr}, qr/ERROR|FATAL/, 'no error');
	like($got->{stdout}, qr/count = "0"/, 'the label is gone');
	$srv->start;
	accepted('afterwards', user => 'alice', cert => undef);
};

# pg_upgrade starts its servers like this; its logins bring no certificate, and
# it restores labels.
subtest 'in binary upgrade mode' => sub {
	$srv->sql(q{security label for pg_cert_policy on role postgres is 'local=reject any'});
	my $got = $srv->login(tls => 0);
	like($got->{log}, qr/Policy of role "postgres": no TLS\./, 'locked out');
	$srv->stop;
	my $node = $srv->node;
	IPC::Run::run([ 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-b', 'start' ],
		'>', '/dev/null')
	  or die 'could not start in binary upgrade mode';
	$got = $srv->login(tls => 0,
		sql => q{security label for pg_cert_policy on role bob is 'cn=bob'; security label for pg_cert_policy on role postgres is null});
	is($got->{status}, 0, 'let in, and labels can be set') or diag $got->{stderr};
	IPC::Run::run([ 'pg_ctl', '-w', '-D', $node->data_dir, 'stop' ], '>', '/dev/null');
	$srv->start;
	rejected('afterwards', qr/Policy of role "bob": cn: required "bob", found "alice"\./, user => 'bob');
	clear_labels();
};

subtest 'without shared_preload_libraries' => sub {
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=nobody'});
	$srv->sql('drop extension pg_cert_policy');
	$srv->conf("shared_preload_libraries = ''\n");
	$srv->restart;
	accepted('nothing is enforced', user => 'alice');

	my $label = q{security label for pg_cert_policy on role bob is};
	my $got = $srv->try_sql("$label 'any'");
	like($got->{stderr}, qr/ERROR:  security label provider "pg_cert_policy" is not loaded/,
		'a session that has not loaded it knows no labels');
	$got = $srv->try_sql('create extension pg_cert_policy');
	is($got->{status}, 0, 'the extension can be created');
	like($got->{stderr}, qr/\AWARNING:  no certificate policy is enforced\nDETAIL:  The library "pg_cert_policy" is not in "shared_preload_libraries"\.\nHINT:  Add it there and restart the server\.\z/,
		'with a warning');
	$got = $srv->try_sql("load 'pg_cert_policy'; $label 'any'");
	is($got->{status}, 0, 'and labels can be set');
	like($got->{stderr}, qr/\AWARNING:  the certificate policy of role "bob" is stored, but nothing is enforced\nDETAIL:/,
		'with a warning');
	like($srv->try_sql("load 'pg_cert_policy'; $label 'nonsense'")->{stderr},
		qr/ERROR:  invalid certificate policy of role "bob"/, 'if they are right');
	is($srv->sql(q{select name, valid from pg_cert_policies order by 1}), "alice|t\nbob|t",
		'the view works');
	is($srv->sql(q{select mode from pg_cert_policy_for('alice')}), 'off', 'and says it is off');
	is($srv->login(user => 'alice', cert => $alice, sql => 'select name, source from pg_trusted_ca_names()')->{stdout},
		'CN=ca|session', 'so do the names');

	$srv->conf("shared_preload_libraries = 'pg_cert_policy'\n");
	$srv->restart;
	rejected('preloaded again', qr/Policy of role "alice": cn: required "nobody", found "alice"\./);
};

done_testing();
