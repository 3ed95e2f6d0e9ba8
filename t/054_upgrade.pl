# pg_upgrade: the labels of roles and databases arrive, whatever they ask of
# the superuser who upgrades; and a new cluster that does not preload the
# library cannot take them, and says so.
#
# Between two majors where the binaries of another one are beside those under
# test; otherwise from a cluster to one of the same major, which pg_upgrade
# does in the same way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use Cwd qw(abs_path getcwd);
use File::Basename qw(basename dirname);
use File::Find ();
use File::Temp ();
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');
my $bob = $pki->leaf('bob', issuer => $ca, eku => 'clientAuth');
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $bindir = `$pg_config --bindir`);
chomp(my $version = `$bindir/postgres --version`);
# pg_upgrade has the server load "$libdir/pg_cert_policy", and LOAD takes that
# from 18 on as it stands, also where dynamic_library_path names the stage.
my $out_of_sight =
  $version =~ /\) (\d+)/ && $1 >= 18 && ($ENV{PG_CERT_POLICY_STAGE} // '') ne ''
  ? 'pg_upgrade of 18 sees only libraries that are installed in place' : undef;
my $labels = <<'SQL';
select concat_ws(' ', p.kind, p.name, p.policy) from pg_cert_policies p where kind <> 'default' order by 1
SQL

sub cluster
{
	my ($name, %opt) = @_;

	return CertPolicy::Server->new(
		$name,
		pki => $pki,
		ca_file => $ca->{cert},
		server_cert => $pki->server($ca),
		hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ],
		%opt);
}

# The policies that are to arrive.  The superuser who upgrades could not even
# log in: where an upgrade is under way, nobody is asked.
my $objects = <<'SQL';
create role alice login;
create role "o""dd ro'le" login;
create role staff;
create database db;
grant staff to alice;
SQL
my @policies = (
	[ 'role alice', 'cn=%role eku=clientAuth' ],
	[ 'role "o""dd ro\'le"', qq{cn="a\\C3\\A9"\n or cn=x} ],
	[ 'role staff', 'tls=1.2' ],
	[ 'database db', 'cn=alice' ],
	[ 'database postgres', 'mode=log any' ],
	[ 'database template1', 'any' ],
	[ 'role postgres', 'local=reject cn=nobody' ]);
my $expected = join("\n", sort map {
		my ($kind, $name) = $_->[0] =~ /^(\w+) (.*)$/;
		$name =~ s/^"(.*)"$/$1/ && $name =~ s/""/"/g;
		"$kind $name $_->[1]" } @policies);

# Runs pg_upgrade in a folder of its own; returns its status, what it said,
# and what it left in its logs.
sub upgrade
{
	my ($old_bindir, $old_data, $old_port, $new, @options) = @_;
	my $folder = File::Temp::tempdir('upgrade_XXXXXX', TMPDIR => 1, CLEANUP => 1);
	my $before = getcwd();
	my $new_data = abs_path($new->node->data_dir);
	my ($said, $logs) = ('', '');

	chdir $folder or die "could not change to $folder: $!";
	my $ok = IPC::Run::run([ 'pg_upgrade', '-U', 'postgres', '-b', $old_bindir, '-B', $bindir,
			'-d', $old_data, '-D', $new_data,
			'-p', $old_port, '-P', $new->port, '-s', $new->node->host, @options ],
		'<', \undef, '>&', \$said);
	chdir $before or die "could not change to $before: $!";
	File::Find::find(sub {
			return unless /\.log$|\.txt$/ && -f $_;
			open my $file, '<', $_ or return;
			local $/ = undef;
			$logs .= <$file> // '';
		}, $folder, grep { -d } "$new_data/pg_upgrade_output.d");
	return { ok => $ok, said => $said, logs => $logs };
}

sub arrived
{
	my ($new) = @_;

	$new->start;
	my $got = $new->login(tls => 0);
	like($got->{log}, qr/Policy of role "postgres": no TLS\./, 'the superuser is under his policy');
	$new->conf("pg_cert_policy.exempt_roles = 'postgres'\n");
	$new->reload;
	$new->sql('create extension if not exists pg_cert_policy');
	is($new->sql($labels), $expected, 'every policy is there, to the letter');
	is($new->login(user => 'alice', cert => $alice, db => 'db')->{status}, 0, 'the right certificate');
	like($new->login(user => 'alice', cert => $bob, db => 'db')->{log},
		qr/DETAIL:  Policy of role "alice": cn: required "alice", found "bob"\.\n\tPolicy of database "db": cn: required "alice", found "bob"\.\n/,
		'the wrong one');
	like($new->login(user => 'alice', tls => 0)->{log}, qr/Policy of group "staff": no TLS\./, 'memberships too');
	$new->stop;
	return;
}

my $old = cluster('old');
$old->sql("create extension pg_cert_policy; $objects");
$old->sql('create extension pg_cert_policy', db => 'db');
$old->sql("security label for pg_cert_policy on $_->[0] is '" . $_->[1] =~ s/'/''/gr . "'") foreach @policies;
$old->stop;
my @old = ($bindir, abs_path($old->node->data_dir), $old->port);

# The steps to take are those of the message: preload the library, and again.
subtest 'a new cluster that does not preload the library' => sub {
	plan skip_all => $out_of_sight if $out_of_sight;
	my $new = cluster('unloaded', preload => 0, start => 0);

	ok(upgrade(@old, $new, '--check')->{ok}, 'pg_upgrade --check does not look for it');
	my $got = upgrade(@old, $new);
	ok(!$got->{ok}, 'fails');
	like($got->{logs}, qr/ERROR:  security label provider "pg_cert_policy" is not loaded/, 'and its log says why')
	  or diag $got->{said};
};

subtest 'one that does' => sub {
	plan skip_all => $out_of_sight if $out_of_sight;
	# even if its own settings would let nobody in
	my $new = cluster('loaded', start => 0,
		conf => "pg_cert_policy.default_policy = 'local=reject cn=nobody'\npg_cert_policy.local_connections = reject\n");
	my $got = upgrade(@old, $new);

	ok($got->{ok}, 'works') or diag $got->{said}, $got->{logs};
	arrived($new);
};

subtest 'an old cluster that has lost the library' => sub {
	$old->conf("shared_preload_libraries = ''\n");
	plan skip_all => $out_of_sight if $out_of_sight;
	my $new = cluster('found', start => 0);
	my $got = upgrade(@old, $new);

	ok($got->{ok}, 'works, as the labels are in the catalog') or diag $got->{said}, $got->{logs};
	arrived($new);
};

subtest 'without the library, once the labels are gone' => sub {
	my $new = cluster('without', preload => 0, start => 0);
	$old->start;
	# documented: a label whose provider is gone can only be deleted by hand
	$old->sql('drop extension pg_cert_policy', db => $_) foreach qw(db postgres);
	$old->sql(q{delete from pg_shseclabel where provider = 'pg_cert_policy'});
	$old->stop;
	my $got = upgrade(@old, $new);
	ok($got->{ok}, 'works') or diag $got->{said}, $got->{logs};
	$new->start;
	is($new->sql('select count(*) from pg_shseclabel'), '0', 'and nothing arrives');
	$new->stop;
};

# The library of another major need not be there: what it would have stored is
# put into the catalog, where this one has to find it.
subtest 'from another major' => sub {
	my ($major) = `$bindir/postgres --version` =~ /\) (\d+)/;
	my @others = grep { -x "$_/initdb" && -x "$_/postgres" && -x "$_/pg_ctl" && basename(dirname($_)) < $major }
	  glob(dirname(dirname($bindir)) . '/[0-9]*/bin');
	plan skip_all => "no other PostgreSQL is installed beside $bindir" unless @others;

	foreach my $other (@others)
	{
		my $from = basename(dirname($other));
		my $data = File::Temp::tempdir("pg$from" . '_XXXXXX', TMPDIR => 1, CLEANUP => 1);
		my $new = cluster("from$from", start => 0,
			init => { $major >= 18 ? (extra => [ '-U', 'postgres', '--locale=C', '-E', 'UTF8', '--no-data-checksums' ]) : () });
		my $port = PostgreSQL::Test::Cluster::get_free_port();
		my $run = sub { IPC::Run::run([@_], '>', '/dev/null', '2>', '/dev/null') or die "@_ failed" };
		my @psql = ('psql', '-Xqw', '-v', 'ON_ERROR_STOP=1', '-h', $new->node->host, '-p', $port, '-U', 'postgres', '-d', 'postgres');

		$run->("$other/initdb", '-D', $data, '-U', 'postgres', '-A', 'trust', '--locale=C', '-E', 'UTF8', '-N');
		$run->("$other/pg_ctl", '-w', '-D', $data, '-l', "$data/log", '-o',
			"-F -p $port -c listen_addresses='' -c unix_socket_directories=" . $new->node->host, 'start');
		my $sql = $objects . join('', map {
				my ($kind, $name) = $_->[0] =~ /^(\w+) (.*)$/;
				$name =~ s/^"(.*)"$/$1/ && $name =~ s/""/"/g;
				my ($table, $column) = $kind eq 'role' ? ('pg_authid', 'rolname') : ('pg_database', 'datname');
				"insert into pg_shseclabel select oid, '$table'::regclass, 'pg_cert_policy', \$p\$$_->[1]\$p\$ from $table where $column = \$n\$$name\$n\$;\n"
			} @policies);
		my $ok = IPC::Run::run([ @psql, '-c', 'set allow_system_table_mods = on', '-f', '-' ], '<', \$sql, '>&', \my $said);
		$run->("$other/pg_ctl", '-w', '-D', $data, 'stop');
		ok($ok, "PostgreSQL $from with labels") or diag $said;

		my $got = upgrade($other, $data, $port, $new);
		ok($got->{ok}, "to PostgreSQL $major") or diag $got->{said}, $got->{logs};
		arrived($new);
	}
};

done_testing();
