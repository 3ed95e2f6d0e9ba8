# Logins: what a policy of eight clauses adds, and what it costs inside; with
# many labelled roles, many groups, many counted; beside an event trigger that does as
# much; with 64 clients at once.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Bench;

use Time::HiRes qw(time);

my $bare = server('bare');
my $ours = server('ours', with => ['pg_cert_policy']);
my $timed = server('timed', with => [ 'pg_cert_policy', 'inside' ]);

sub side
{
	my ($server, $what, $role) = @_;

	return { server => $server, what => $what, role => $role };
}

under_way('Logins with a policy of 8 clauses');
measure('logins', '1', 'TLS login, 8 clauses', 8, 1200,
	conninfo($ours, 'alice'), conninfo($bare, 'alice'));
inside('1-inside', 'the check, beside its bare look-ups', 8, 300,
	side($timed, 'check'), side($timed, 'lookups'));

throughput();

# --- many groups -------------------------------------------------------------
under_way('Logins with nested groups');
my $groups = 0;
$timed->sql("SECURITY LABEL FOR pg_cert_policy ON ROLE member IS '" . policy()
	  . "'");
foreach my $size (1, 5, 10, 25, 50)
{
	# the role's own policy counts as the first
	while ($groups < $size - 1)
	{
		my $outer = 'group_' . ++$groups;
		my $inner = $groups == 1 ? 'member' : 'group_' . ($groups - 1);

		$timed->sql("CREATE ROLE $outer; GRANT $outer TO $inner;"
			  . " SECURITY LABEL FOR pg_cert_policy ON ROLE $outer IS '"
			  . policy() . "'");
	}
	inside('2-groups', 'policies of nested groups', $size, 150,
		side($timed, 'check', 'member'), side($timed, 'check_alone', 'alice'));
}

# --- many counted ------------------------------------------------------------
under_way('Logins with many counted roles');
count_roles($timed, 1_000);
inside('2-counted', 'roles counted', 1_000, 200,
	side($timed, 'check_last', 'counted_1000'),
	side($timed, 'check_first', 'counted_1'));

event_trigger() if $ours->node->pg_version >= 17;

# --- many labelled roles -----------------------------------------------------
under_way('Logins with many labelled roles');
# beside another of the same kind, so that nothing differs but their number
my ($few, $many) = map {
	server($_, with => [ 'pg_cert_policy', 'inside' ], conf => ['synchronous_commit = off'])
} qw(few many);
label_roles($few, 1, 100);
my $roles = 0;
foreach my $size (100, 1_000, 10_000, 100_000)
{
	label_roles($many, $roles + 1, $size);
	$roles = $size;
	inside('2-labels', 'labelled roles', $size, 200,
		side($many, 'check'), side($few, 'check'));
}

foreach my $server ($bare, $ours, $timed, $few, $many)
{
	$server->stop;
}

# Roles with a policy each, from one number to another.
sub label_roles
{
	my ($server, $from, $to) = @_;
	my $policy = policy();

	$server->sql(<<"SQL");
DO \$do\$
BEGIN
	FOR i IN $from .. $to LOOP
		EXECUTE format('CREATE ROLE many_%s LOGIN', i);
		EXECUTE format('SECURITY LABEL FOR pg_cert_policy ON ROLE many_%s IS %L',
			i, '$policy');
		-- each holds a lock to the end of its transaction
		IF i % 1000 = 0 THEN COMMIT; END IF;
	END LOOP;
END
\$do\$;
VACUUM ANALYZE pg_authid, pg_shseclabel;
CHECKPOINT
SQL
	return;
}

# Logins of so many roles, each of which is counted.
sub count_roles
{
	my ($server, $number) = @_;

	$server->sql(<<"SQL");
DO \$do\$
BEGIN
	FOR i IN 1 .. $number LOOP
		EXECUTE format('CREATE ROLE counted_%s LOGIN', i);
		EXECUTE format('SECURITY LABEL FOR pg_cert_policy ON ROLE counted_%s IS %L',
			i, 'any');
	END LOOP;
END
\$do\$
SQL
	foreach my $i (1 .. $number)
	{
		my $login = $server->login(user => "counted_$i", cert => pki()->{alice});

		die "login failed: $login->{stderr}" unless $login->{ok};
	}
	return;
}

# What people write without us, from 17 on: the trigger checks common name,
# issuer and extended key usage with sslinfo.  What it adds to a login is the
# difference to a login without it; ours is timed inside.
sub event_trigger
{
	my $triggered = server('triggered');

	under_way('Logins with an event trigger');
	$triggered->sql(<<'SQL');
CREATE EXTENSION sslinfo;
CREATE FUNCTION check_certificate() RETURNS event_trigger
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
	IF session_user <> 'alice' THEN
		RETURN;
	END IF;
	IF NOT ssl_client_cert_present()
		OR ssl_client_dn_field('CN') IS DISTINCT FROM session_user
		OR ssl_issuer_field('CN') IS DISTINCT FROM 'benchCA'
		OR NOT EXISTS (SELECT FROM ssl_extension_info()
					   WHERE name = 'extendedKeyUsage'
					   AND value = 'TLS Web Client Authentication')
	THEN
		RAISE EXCEPTION 'certificate refused';
	END IF;
END $$;
CREATE EVENT TRIGGER check_certificate ON login
	EXECUTE FUNCTION check_certificate();
ALTER EVENT TRIGGER check_certificate ENABLE ALWAYS
SQL
	measure('logins', '3-trigger', 'login with an event trigger', 3, 600,
		conninfo($triggered, 'alice'), conninfo($bare, 'alice'));
	$timed->sql("SECURITY LABEL FOR pg_cert_policy ON ROLE alice IS "
		  . q('cn=%role ca="CN=benchCA,O=IDO" eku=clientAuth'));
	inside('3-inside', 'the check of as many clauses', 3, 600,
		side($timed, 'check'), side($timed, 'lookups'));
	$triggered->stop;
	return;
}

# Logins a second.
sub throughput
{
	my %servers = (ours => $ours, bare => $bare);

	under_way('Logins by 64 clients at once');
	$ours->conf("pg_cert_policy.disconnect_expired = on\n");
	$ours->reload;
	foreach my $pair (0 .. 15)
	{
		my %rate;

		foreach my $name ($pair % 2 ? qw(ours bare) : qw(bare ours))
		{
			$rate{$name} = logins_a_second($servers{$name});
		}
		# the first pair is for warming up
		result('4', '64 clients, logins a second', 64, @rate{qw(ours bare)})
		  if $pair > 0;
	}
	return;
}

sub logins_a_second
{
	my ($server) = @_;
	my ($text, $error) = ('', '');
	my $script = pki()->{made}->dir . '/select.sql';

	open my $file, '>', $script or die "could not write $script: $!";
	print $file "SELECT 1;\n";
	close $file or die "could not write $script: $!";
	IPC::Run::run(
		[ 'pgbench', '-n', '-C', '-c', '64', '-j', '2', '-T', '4', '-f',
			$script, conninfo($server, 'alice') ],
		'<', \'', '>', \$text, '2>', \$error, IPC::Run::timeout(120))
	  or die "pgbench failed: $error";
	my ($rate) = $text =~ /^tps = ([0-9.]+) /m
	  or die "pgbench gave no rate: $text";
	die "pgbench had failures: $text" if $text =~ /failed transactions: [1-9]/;
	return $rate;
}
