# The examples, built and run as their first lines say, against two servers that
# trust different CAs and demand a certificate of each role.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(run run_with write_file slurp folder);
use CertPolicy::PKI;
use CertPolicy::Server;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use Test::More;

my $pgcertsel = abs_path($ENV{PGCERTSEL} || CertPolicy::Client::program('pgcertsel'));
my $examples = abs_path("$FindBin::RealBin/../examples");
my $stage = $ENV{PG_CERT_POLICY_STAGE};
my $pki = CertPolicy::PKI->new;
my %ca = map { $_ => $pki->root("ca_$_") } qw(one two);
my %leaf = (
	(map { $_ => $pki->leaf($_, issuer => $ca{one}, eku => 'clientAuth') } qw(admin alice)),
	(map { $_ => $pki->leaf($_, issuer => $ca{two}, eku => 'clientAuth') } qw(report replica)));
my $bundle = folder($pki->dir . '/bundle', values %leaf);
my $locked = folder($pki->dir . '/locked',
	$pki->leaf('bob', issuer => $ca{one}, eku => 'clientAuth', password => 'sesame'));
my %srv = map {
	$_ => CertPolicy::Server->new($_,
		pki => $pki, preload => 0,
		ca_file => $ca{$_}{cert}, server_cert => $pki->server($ca{$_}),
		conf => "wal_level = logical\nmax_wal_senders = 5\n",
		hba => ['hostssl all all 127.0.0.1/32 cert'])
} qw(one two);

$srv{one}->sql('CREATE ROLE admin SUPERUSER LOGIN; CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE analyst LOGIN');
$srv{two}->sql(<<'SQL');
CREATE ROLE report LOGIN;
CREATE ROLE replica LOGIN REPLICATION;
CREATE TABLE prices (item text, price numeric);
INSERT INTO prices VALUES ('tea', 3), ('milk', 1);
GRANT SELECT ON prices TO report, replica;
SQL

# Names are looked up in the files of this machine: localhost may be ::1 first.
my $host = 'hostaddr=127.0.0.1 host=localhost';

sub conninfo
{
	my ($name, $user) = @_;

	return "$host port=" . $srv{$name}->port . " dbname=postgres user=$user sslmode=verify-full sslrootcert=$ca{$name}{cert}";
}

# Runs an example with pgcertsel in PATH.
sub example
{
	my ($command, @args) = @_;

	return run_with({ env => { PATH => dirname($pgcertsel) . ":$ENV{PATH}",
				LD_LIBRARY_PATH => defined $stage ? "$stage/usr/local/lib" : '' } },
		ref $command ? @$command : "$examples/$command", @args);
}

# --- the shell ------------------------------------------------------------------------

my $got = example('session.sh', conninfo('one', 'alice'), $bundle);
is($got->{status}, 0, 'session.sh ends well') or diag $got->{stderr};
like($got->{stdout}, qr/^CN=ca_one\n(?:.*\n)*good .*alice\.crt\n(?:.*\n)*\* doubtful +\S+alice\.crt\n/m, 'it shows names, bundle and verdicts');
like($got->{stdout}, qr/^psql is in as alice\nexec is in as alice$/m, 'and logs in both ways');
$got = example('session.sh', conninfo('one', 'alice'), $locked);
is($got->{status}, 2, 'it ends where no certificate fits');
unlike($got->{stdout}, qr/is in as/, 'without a login');

# --- C, and C++ -----------------------------------------------------------------------

# A staged pgcertsel.pc names folders that are not there yet.
my %pkg_config;
if (defined $stage)
{
	my $pc = $pki->dir . '/pkgconfig';

	mkdir $pc or die $!;
	write_file("$pc/pgcertsel.pc", slurp("$stage/usr/local/lib/pkgconfig/pgcertsel.pc") =~ s{=/usr/local}{=$stage/usr/local}gr);
	%pkg_config = (PKG_CONFIG_PATH => $pc);
}
my $flags = run_with({ env => \%pkg_config }, 'pkg-config', '--cflags', '--libs', 'pgcertsel', 'libpq');
like($flags->{stdout}, qr/-lpgcertsel/, 'pkg-config knows the library') or diag $flags->{stderr};
cmp_ok(() = slurp("$examples/connect.c") =~ /\n/g, '<', 60, 'connect.c is short');

foreach my $compiler ([ split / /, $ENV{CC} || 'cc' ], [ 'c++', '-x', 'c++' ])
{
	my $program = $pki->dir . '/connect_' . scalar(@$compiler);

	SKIP:
	{
		skip "there is no $compiler->[0]", 4 unless CertPolicy::Client::program($compiler->[0]);
		$got = run(@$compiler, '-Wall', '-Wextra', '-Werror', '-o', $program, "$examples/connect.c", split / /, $flags->{stdout});
		is($got->{status}, 0, "$compiler->[0] compiles connect.c") or diag $got->{stderr};
		$got = example([$program], conninfo('one', 'alice'), $bundle);
		is($got->{stdout}, 'alice sent /CN=alice', 'it sends one server the certificate of its CA') or diag $got->{stderr};
		$got = example([$program], conninfo('two', 'report'), $bundle);
		is($got->{stdout}, 'report sent /CN=report', 'and the other that of its own') or diag $got->{stderr};
		$got = example([$program], conninfo('two', 'nobody'), $bundle);
		like($got->{stderr}, qr/certificate authentication failed for user "nobody"/, 'or says why not');
	}
}

# --- Python ---------------------------------------------------------------------------

SKIP:
{
	my ($python) = grep { run($_, '-c', 'import psycopg2')->{ok} } 'python3', grep { -x } '/usr/bin/python3';

	skip 'there is no Python with psycopg2 (python3-psycopg2)', 6 unless $python;
	$got = example([ $python, "$examples/select.py" ], conninfo('one', 'alice'), $bundle);
	is($got->{stdout}, 'alice sent /CN=alice', 'select.py sends one server the certificate of its CA') or diag $got->{stderr};
	$got = example([ $python, "$examples/select.py" ], conninfo('two', 'report'), $bundle);
	is($got->{stdout}, 'report sent /CN=report', 'and the other that of its own') or diag $got->{stderr};
	$got = example([ $python, "$examples/select.py" ], conninfo('one', 'bob') . ' sslpassword=sesame', $locked);
	is($got->{stdout}, 'bob sent /CN=bob', 'also where the key has a password') or diag $got->{stderr};
	$got = example([ $python, "$examples/select.py" ], conninfo('two', 'report'), $locked);
	like($got->{stderr}, qr/no suitable certificate is found.*connection requires a valid client certificate/s,
		'or says why not, and sends nothing');

	# JSON has such a path as null: leaving sslcert out would send what is at home
	my $home = $pki->dir . '/home';
	mkdir $_ or die $! foreach $home, "$home/.postgresql";
	copy($leaf{alice}{$_->[0]}, "$home/.postgresql/postgresql.$_->[1]") or die $! foreach [ 'cert', 'crt' ], [ 'key', 'key' ];
	chmod 0600, "$home/.postgresql/postgresql.key" or die $!;
	local $ENV{HOME} = $home;
	$got = example([ $python, "$examples/select.py" ], conninfo('one', 'alice'), folder($pki->dir . "/latin\xe9", $leaf{alice}));
	is($got->{stdout}, '', 'a path that is not UTF-8: it does not connect with what is at home instead');
	like($got->{stderr}, qr/^the path of the certificate or its key is not UTF-8$/m, 'and says why');
}

# --- postgres_fdw ---------------------------------------------------------------------

# The server's host must be found by its name, as the example has no hostaddr.
SKIP:
{
	skip 'postgres_fdw is not installed', 6
	  unless $srv{one}->sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'");
	my @args = (conninfo('one', 'admin'), 'localhost', $srv{two}->port, $ca{two}{cert});

	$got = example('postgres_fdw.sh', @args, $locked);
	isnt($got->{status}, 0, 'postgres_fdw.sh sets nothing up where no certificate fits');
	is($srv{one}->sql('SELECT count(*) FROM pg_foreign_server'), '0', 'nothing at all');
	$got = example('postgres_fdw.sh', @args, $bundle);
	is($got->{status}, 0, 'otherwise it ends well') or diag $got->{stderr};
	is($srv{one}->sql(q{SELECT array_to_string(umoptions, ' ') FROM pg_user_mappings WHERE usename = 'admin'}),
		"user=report sslcert=$bundle/report.crt sslkey=$bundle/report.key", 'the mapping has the certificate that the other server takes');
	is($srv{one}->sql(q{SET ROLE admin; SELECT sum(price) FROM prices}), '4', 'the superuser reads the rows');
	is($srv{one}->sql(q{SET ROLE analyst; SELECT sum(price) FROM prices}), '4', 'and so does a role that is none');

	# the rules that the example tells
	$srv{one}->sql(q{ALTER USER MAPPING FOR analyst SERVER two OPTIONS (DROP password_required)});
	my $try = $srv{one}->try_sql(q{SET ROLE analyst; SELECT sum(price) FROM prices});
	like($try->{stderr}, qr/password (?:or GSSAPI delegated credentials )?(?:is )?required/, 'which must have a password otherwise');
	$srv{one}->sql(q{GRANT USAGE ON FOREIGN SERVER two TO alice});
	$try = $srv{one}->try_sql(q{SET ROLE alice; CREATE USER MAPPING FOR alice SERVER two OPTIONS (sslcert '/x', sslkey '/y')});
	like($try->{stderr}, qr/sslcert and sslkey are superuser-only/, 'and may not name a certificate');
}

# --- a subscription -------------------------------------------------------------------

$srv{two}->sql('CREATE PUBLICATION prices FOR TABLE prices');
$srv{one}->sql('DROP FOREIGN TABLE IF EXISTS prices; CREATE TABLE prices (item text, price numeric)');
$got = example('subscription.sh', conninfo('one', 'admin'), conninfo('two', 'replica'), $locked);
isnt($got->{status}, 0, 'subscription.sh creates nothing where no certificate fits');
is($srv{one}->sql('SELECT count(*) FROM pg_subscription'), '0', 'nothing at all');
$got = example('subscription.sh', conninfo('one', 'admin'), conninfo('two', 'replica'), $bundle);
is($got->{status}, 0, 'otherwise it ends well') or diag $got->{stderr};
like($srv{one}->sql('SELECT subconninfo FROM pg_subscription'), qr{sslcert='\Q$bundle\E/replica\.crt' sslkey='\Q$bundle\E/replica\.key'}, 'the subscription has the certificate that the publisher takes');
ok($srv{one}->node->poll_query_until('postgres', 'SELECT sum(price) = 4 FROM prices'), 'the rows come over');
$srv{two}->sql(q{INSERT INTO prices VALUES ('salt', 2)});
ok($srv{one}->node->poll_query_until('postgres', 'SELECT sum(price) = 6 FROM prices'), 'and those that follow');
is($srv{two}->sql(q{SELECT client_dn FROM pg_stat_ssl JOIN pg_stat_replication USING (pid)}), '/CN=replica', 'by that certificate');
$srv{one}->sql('DROP SUBSCRIPTION prices');

# --- all of them ----------------------------------------------------------------------

my $readme = slurp("$examples/README.md");
opendir my $dir, $examples or die $!;
foreach my $file (grep { -f "$examples/$_" && $_ ne 'README.md' } sort readdir $dir)
{
	like($readme, qr/\(\Q$file\E\)/, "README.md tells of $file");
}

$_->stop foreach values %srv;
done_testing();
