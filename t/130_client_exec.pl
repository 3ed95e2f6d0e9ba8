# pgcertsel exec with programs as they are: they fork children that close all
# descriptors, have services of their own, end by signals, and are stopped and
# continued from a terminal.  Twice each: where the environment can carry the
# connection, and where a password makes a service file in memory necessary.
# Not pg_regress: processes, signals and terminals.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder program slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use Config;
use File::Basename qw(dirname);
use Test::More;

# What runs in the background of a script, or under nohup, ignores these.
$SIG{$_} = 'DEFAULT' foreach qw(HUP INT QUIT);

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $query = 'select client_dn from pg_stat_ssl where pid = pg_backend_pid()';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $plain = $pki->leaf('plain', issuer => $ca, eku => 'clientAuth');
my $locked = $pki->leaf('locked', issuer => $ca, eku => 'clientAuth', password => 'sesame');
my $passwords = $pki->dir . '/passwords';
my $srv = CertPolicy::Server->new('main',
	pki => $pki, preload => 0,
	ca_file => $ca->{cert}, server_cert => $pki->server($ca));
my $conninfo = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port
  . ' user=postgres dbname=postgres sslmode=require';

# What a program is run with: "plain" in the environment, "locked" through memory.
my %way = (
	plain => [ '--bundle', folder($pki->dir . '/plain', $plain) ],
	locked => [
		'--bundle', folder($pki->dir . '/locked', $locked),
		'--password-file', $passwords ]);
write_file($passwords, $pki->dir . "/locked/locked.key:sesame\n");

# Runs a program with one of the two; %opt as for client().
sub run_exec
{
	my ($way, $program, %opt) = @_;

	return $srv->client(
		[ $pgcertsel, 'exec', $opt{conninfo} // $conninfo, @{ $way{$way} }, '--', @$program ], %opt);
}

my $python = program('python3');

foreach my $way (qw(plain locked))
{
	my $dn = "/CN=$way";
	my $got;

	# --- children -------------------------------------------------------

	$got = run_exec($way, [ 'psql', '-XAtqc', $query ]);
	is($got->{stdout}, $dn, "$way: psql") or diag $got->{stderr};
	$got = run_exec($way, [ 'sh', '-c', 'psql -XAtqc "$1"; exit 5', 'sh', $query ]);
	is($got->{stdout}, $dn, "$way: a child of sh -c");
	is($got->{status}, 5, "$way: whose status is kept");
	$got = run_exec($way,
		[ 'sh', '-c', 'exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; (setsid psql -XAtqc "$1")', 'sh', $query ]);
	is($got->{stdout}, $dn, "$way: a grandchild with closed descriptors, in a session of its own");
	SKIP:
	{
		skip 'python3 is not there', 2 unless $python;
		$got = run_exec($way, [ $python, '-c', <<'PYTHON', 'psql', '-XAtqc', $query ]);
import subprocess, sys
done = subprocess.run(sys.argv[1:], close_fds=True, stdin=subprocess.DEVNULL)
sys.exit(done.returncode + 3)
PYTHON
		is($got->{stdout}, $dn, "$way: a child of Python, which closes all descriptors")
		  or diag $got->{stderr};
		is($got->{status}, 3, "$way: and the status of Python");
	}
	$srv->sql("create table t_$way$_ as select g from generate_series(1, 100) g") foreach 1 .. 4;
	my $dump = $pki->dir . "/dump_$way";
	$got = run_exec($way, [ 'pg_dump', '-j', 2, '-Fd', '-f', $dump ]);
	is($got->{status}, 0, "$way: pg_dump -j 2") or diag $got->{stderr};
	cmp_ok(scalar(() = $got->{log} =~ /connection authorized/g), '>=', 3,
		"$way: three connections of which log in");
	ok(-s "$dump/toc.dat", "$way: and the dump is there");

	# the first may run long after the choice, and connect again and again
	$got = run_exec($way, [ 'sh', '-c', 'for i in 1 2 3; do psql -XAtqc "$1"; done', 'sh', $query ]);
	is($got->{stdout}, "$dn\n$dn\n$dn", "$way: more than one connection");

	# --- how it ends ------------------------------------------------------

	foreach my $status (0, 1, 2, 126, 127, 255)
	{
		$got = run_exec($way, [ 'sh', '-c', "exit $status" ]);
		is($got->{status}, $status, "$way: exit status $status is kept");
	}
	foreach my $signal (qw(HUP INT QUIT KILL USR1 SEGV ALRM TERM))
	{
		$got = run_exec($way, [ 'sh', '-c', "ulimit -c 0; kill -$signal \$\$" ]);
		is($got->{status}, -number_of($signal), "$way: death by SIG$signal is kept");
	}
	$got = run_exec($way, ['/does/not/exist']);
	is($got->{status}, 127, "$way: a program that is not there: 127");
	$got = run_exec($way, [ $pki->dir ]);
	is($got->{status}, 126, "$way: a folder is no program: 126");

	# what a supervisor sends to us reaches the program
	foreach my $signal (qw(HUP INT QUIT USR1 USR2 TERM))
	{
		is(send_to($way, $signal), "caught $signal\n3", "$way: SIG$signal is passed on");
	}

	# --- what it can see ----------------------------------------------------

	$got = run_exec($way, [ 'sh', '-c', 'tr "\0" "\n" < /proc/$$/cmdline; tr "\0" "\n" < /proc/$PPID/cmdline; env' ]);
	unlike($got->{stdout} . $got->{stderr}, qr/sesame/, "$way: no password in any argument or variable");
	$got = run_exec($way, [ 'cat' ], stdin => "a line\nand more");
	is($got->{stdout}, "a line\nand more", "$way: standard input is the program's");
	$got = run_exec($way, [ 'sh', '-c', 'ls -l /proc/$$/fd | grep -c pgcertsel' ]);
	is($got->{stdout}, 0, "$way: no descriptor of ours is left to the program");
	unlike($got->{log}, qr/sesame/, "$way: nor is the password in the log");
}

sub number_of
{
	my ($name) = @_;
	my ($number) = grep { (split ' ', $Config::Config{sig_name})[$_] eq $name }
	  0 .. 64;

	return $number;
}

# What a shell sees of a program that traps a signal which only we were sent.
sub send_to
{
	my ($way, $signal) = @_;

	return $srv->client([ 'perl', '-e', <<'PERL', $signal, $pgcertsel, 'exec', $conninfo, @{ $way{$way} },
use strict;
my ($signal, @command) = @ARGV;
pipe my $out, my $in or die;
my $pid = fork // die;
if ($pid == 0) { open STDOUT, '>&', $in; close $in; exec @command; }
close $in;
my $ready = <$out>;
kill $signal, $pid;
my $said = <$out>;
waitpid $pid, 0;
print $said, $? >> 8;
PERL
			'--', 'perl', '-e', <<'PERL', $signal ])->{stdout};
$| = 1;
$SIG{$ARGV[0]} = sub { print "caught $ARGV[0]\n"; exit 3 };
print "ready\n";
sleep 20;
PERL
}

# --- services of the program's own ------------------------------------------

my $own = write_file($pki->dir . '/own_service', <<"SERVICE");
# a comment, and a section whose last line has no newline
[own]
host=localhost
hostaddr=127.0.0.1
port=${\($srv->port)}
user=postgres
dbname=template1
sslmode=require

[other]
host=/nowhere
application_name=x
[last]
host=localhost
hostaddr=127.0.0.1
port=${\($srv->port)}
user=postgres
dbname=postgres
SERVICE
my $which = "select current_database() || ' ' || client_dn from pg_stat_ssl where pid = pg_backend_pid()";

foreach my $way (qw(plain locked))
{
	my $got = run_exec($way, [ 'psql', '-XAtqc', $which, 'service=own' ],
		env => { PGSERVICEFILE => $own });

	is($got->{stdout}, "template1 /CN=$way", "$way: a service that the program names")
	  or diag $got->{stderr};
	$got = run_exec($way, [ 'sh', '-c', 'PGSERVICE=last psql -XAtqc "$1"', 'sh', $which ],
		env => { PGSERVICEFILE => $own });
	is($got->{stdout}, "postgres /CN=$way", "$way: a PGSERVICE that it sets itself, the last of the file")
	  or diag $got->{stderr};
	$got = run_exec($way, [ 'psql', '-XAtqc', $which ],
		conninfo => 'service=own', env => { PGSERVICEFILE => $own });
	is($got->{stdout}, "template1 /CN=$way", "$way: a service of the connection is resolved")
	  or diag $got->{stderr};
	$got = run_exec($way, [ 'psql', '-XAtqc', $which, 'dbname=postgres' ],
		conninfo => '', env => { PGSERVICEFILE => $own, PGSERVICE => 'own' });
	is($got->{stdout}, "postgres /CN=$way", "$way: so is PGSERVICE, and the program's dbname wins")
	  or diag $got->{stderr};
	$got = run_exec($way, [ 'psql', '-XAtqc', $which, 'service=missing' ],
		env => { PGSERVICEFILE => $own });
	is($got->{status}, 2, "$way: a service that is not there");
	like($got->{stderr}, qr/definition of service "missing" not found/, "$way: fails in libpq's words");
}

# ~/.pg_service.conf is hidden by PGSERVICEFILE, so what is in it is handed over, too
my $home = $pki->dir . '/home';
mkdir $home or die $!;
write_file("$home/.pg_service.conf", "[athome]\ndbname=template1\nhost=localhost\nhostaddr=127.0.0.1\nport="
		. $srv->port . "\nuser=postgres\nsslmode=require\n");
foreach my $way (qw(plain locked))
{
	my $got = run_exec($way, [ 'psql', '-XAtqc', $which, 'service=athome' ], env => { HOME => $home });

	# before 15 libpq, and so pgcertsel, does not look at HOME
	if (CertPolicy::Server::libpq_version() < 15)
	{
		like($got->{stderr}, qr/definition of service "athome" not found/, "$way: no service of HOME");
		next;
	}
	is($got->{stdout}, "template1 /CN=$way", "$way: a service of ~/.pg_service.conf") or diag $got->{stderr};
}

# --- the manual ------------------------------------------------------------------

# What it shows is run as it stands there, with the server and the bundle in the
# places that it tells of.
my @shown = grep { /pgcertsel/ } slurp("$FindBin::RealBin/../client/man/pgcertsel.1") =~ /^ {4}(.*)$/mg;
s/\\-/-/g foreach @shown;
folder("$home/certs", $plain);
$srv->sql('CREATE DATABASE x');
cmp_ok(scalar(@shown), '>=', 2, 'the manual shows commands');
foreach my $command (@shown)
{
	my $got = $srv->client([ 'sh', '-c', $command ],
		stdin => "$query;\n",
		env => { HOME => $home, PATH => dirname($pgcertsel) . ":$ENV{PATH}",
			PGHOSTADDR => '127.0.0.1', PGPORT => $srv->port, PGUSER => 'postgres',
			PGSSLMODE => 'require' });

	like($got->{stdout}, qr{/CN=plain$}m, "the manual's $command") or diag $got->{stderr};
}

# --- a terminal ----------------------------------------------------------------

SKIP:
{
	skip 'IO::Pty is not there', 20 unless eval { require CertPolicy::Terminal; 1 };

	foreach my $way (qw(plain locked))
	{
		my $shell = CertPolicy::Terminal->new('sh', '-i');
		my $command = join ' ', map { "'$_'" } $pgcertsel, 'exec', $conninfo, @{ $way{$way} }, '--';

		$shell->send("set -m; PS1='prompt''> '\n");
		$shell->expect(qr/prompt> /, "$way: a shell with job control");
		$shell->send("$command perl -e '\$|=1; print \"run\"; print \"ning\\n\"; sleep 30'\n");
		$shell->expect(qr/running\r?\n/, "$way: runs a program");
		$shell->send("\cZ");
		$shell->expect(qr/Stopped|suspended/i, "$way: control-Z stops it");
		$shell->send("fg\n");
		$shell->expect(qr/fg\r?\n.*perl/s, "$way: fg continues it");
		$shell->send("\cC");
		$shell->expect(qr/prompt> /, "$way: control-C ends it");
		$shell->send("echo status=\$?\n");
		$shell->expect(qr/status=130/, "$way: and the shell sees the signal");
		$shell->send("$command psql -XAt\n");
		$shell->expect(qr/postgres=[#>] /, "$way: psql has the terminal");
		$shell->send("\\echo in''side\n");
		$shell->expect(qr/\ninside\r?\npostgres=[#>] /, "$way: reads from it");
		$shell->send("\cC");
		$shell->expect(qr/postgres=[#>] /, "$way: control-C is psql's own");
		$shell->send("\\q\n");
		$shell->expect(qr/prompt> /, "$way: which ends, and the shell is back");
		$shell->close;
	}
}

$srv->stop;
done_testing();
