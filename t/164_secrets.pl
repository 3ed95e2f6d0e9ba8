# Passwords and keys stay where they belong: while everything is done with them
# that pgcertsel can do, another process looks at the arguments and the
# environment of every process there is, and at the end of what was printed, at
# the server's log with everything in it that it can say, and at every file that
# was left behind.  Not pg_regress: processes, files and their modes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder run slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use File::Find ();
use File::Temp ();
use MIME::Base64 qw(decode_base64);
use Test::More;
use Time::HiRes qw(usleep);

plan skip_all => 'no /proc here' unless -r '/proc/self/environ';

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $int = $pki->intermediate('int', issuer => $ca);
my @usual = (issuer => $ca, eku => 'clientAuth');
# that no other test has, which may run at the same time
my ($key_password, $role_password, $p12_password) = map { "$_-$$-" . int(1e9 + rand 9e9) } qw(kw rw pw);
my $locked = $pki->leaf('locked', @usual, password => $key_password);
my $open = $pki->leaf('open', issuer => $int, eku => 'clientAuth');
my $packed = $pki->leaf('packed', @usual);
my $bare = $pki->leaf('bare', @usual);

# The places where programs leave files are folders of this test's own.
my $places = File::Temp::tempdir('places_XXXXXX', TMPDIR => 1, CLEANUP => 1);
mkdir "$places/$_" or die $! foreach qw(tmp home run);
my %env = (TMPDIR => "$places/tmp", HOME => "$places/home", XDG_RUNTIME_DIR => "$places/run");

my $srv = CertPolicy::Server->new('main',
	pki => $pki,
	ca_file => $ca->{cert}, server_cert => $pki->server($ca),
	hba => [ 'hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca' ],
	conf => <<'CONF');
log_min_messages = debug5
log_min_error_statement = debug5
log_error_verbosity = verbose
log_statement = all
log_duration = on
debug_print_parse = on
debug_print_plan = on
CONF
my $name = $srv->sql(<<"SQL");
set log_statement = none; set log_min_messages = panic; set debug_print_parse = off; set debug_print_plan = off;
set log_min_error_statement = panic; set log_duration = off;
set password_encryption = 'scram-sha-256';
create role app login password '$role_password';
SQL
$srv->sql(q{create extension pg_cert_policy; security label for pg_cert_policy on role app is 'ca="CN=ca" cn=locked,open,packed,bare'; grant pg_monitor to app});
my $mark = $srv->log_mark;

my %bundle = map { $_->{name} => folder($pki->dir . "/b_$_->{name}", $_) } $locked;
# its chain has to be completed from what lies beside it
$bundle{open} = $pki->dir . '/b_open';
mkdir $bundle{open} or die $!;
write_file("$bundle{open}/open.crt", slurp($open->{cert}));
write_file("$bundle{open}/open.key", slurp($open->{key}));
write_file("$bundle{open}/int.pem", slurp($int->{cert}));
foreach my $case ([ $packed, $p12_password ], [ $bare, '' ])
{
	my ($leaf, $password) = @$case;
	my $dir = $bundle{ $leaf->{name} } = $pki->dir . "/b_$leaf->{name}";

	mkdir $dir or die $!;
	run('openssl', 'pkcs12', '-export', '-in', $leaf->{cert}, '-inkey', $leaf->{key}, '-out', "$dir/$leaf->{name}.p12",
		'-passout', 'file:' . write_file($pki->dir . '/p12_password', "$password\n"))->{ok} or die 'openssl pkcs12';
	chmod 0600, "$dir/$leaf->{name}.p12";
}
my $passwords = write_file($pki->dir . '/passwords',
	"$bundle{locked}/locked.key:$key_password\n$bundle{packed}/packed.p12:$p12_password\n");
write_file("$places/home/.pgpass", "*:*:*:app:$role_password\n");
$env{PGPASSFILE} = "$places/home/.pgpass";

# Every way in which a secret may be written down.
my %secret = ($key_password => 'the password of a key', $role_password => 'the password of the role', $p12_password => 'the password of a PKCS#12 file');
foreach my $leaf ($locked, $open, $packed, $bare)
{
	my $pem = run('openssl', 'pkcs8', '-topk8', '-nocrypt', '-in', $leaf->{key},
		defined $leaf->{password} ? ('-passin', 'file:' . write_file($pki->dir . '/in', $leaf->{password})) : ())->{stdout};
	my $der = decode_base64($pem =~ s/-----.*//gr);
	# of P-256: 32 bytes behind an OCTET STRING's head
	my ($scalar) = $der =~ /\x02\x01\x01\x04\x20(.{32})/s or die "no key in $leaf->{name}";
	my @lines = grep { length == 64 } split /\n/, $pem;

	$secret{$_} = "the key of $leaf->{name} in PEM" foreach @lines[ 1 .. $#lines ];
	$secret{$scalar} = "the key of $leaf->{name}";
	$secret{reverse $scalar} = "the key of $leaf->{name}, backwards";
	$secret{unpack 'H*', $scalar} = "the key of $leaf->{name} in hex";
	$secret{uc unpack 'H*', $scalar} = "the key of $leaf->{name} in hex";
}
my $any = join '|', map { quotemeta } sort keys %secret;

sub found
{
	my ($text) = @_;

	return join ', ', sort map { $secret{$_} } $text =~ /($any)/g;
}

# --- whoever looks -----------------------------------------------------------------

# Looks at all processes of this user again and again, until it is ended; what it saw is in a file.
my $seen = $pki->dir . '/seen';
my $watcher = fork() // die "could not fork: $!";
if ($watcher == 0)
{
	my %told;
	my $stop = 0;

	local $SIG{TERM} = sub { $stop = 1 };
	open my $log, '>', $seen or POSIX::_exit(1);
	while (!$stop)
	{
		foreach my $pid (map { m!/proc/(\d+)! } grep { -o } glob '/proc/[0-9]*')
		{
			my $command;
			foreach my $what (qw(cmdline environ))
			{
				open my $file, '<:raw', "/proc/$pid/$what" or next;
				local $/ = undef;
				my $text = <$file> // '';

				$command //= $text =~ s/\0/ /gr;
				if (length $command && $text =~ /$any/)
				{
					my $line = "$what of " . (split ' ', $command)[0] . ': ' . found($text);
					print $log "$line\n" unless $told{$line}++;
				}
				my ($program) = $command =~ m!^\S*?([^/ ]+)(?: |$)!;
				print $log "there was $program\n" if defined $program && !$told{$program}++;
			}
		}
		$log->flush;
		usleep(500);
	}
	POSIX::_exit(0);
}

END
{
	my $status = $?;

	kill 'TERM', $watcher if $watcher;
	$? = $status;
}

# --- everything that can be done ---------------------------------------------------

my $to = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port . ' user=app dbname=postgres sslmode=require';
my $query = 'select client_dn, pg_sleep(0.2) from pg_stat_ssl where pid = pg_backend_pid()';
my $names_from = "$to sslcert=$bundle{locked}/locked.crt sslkey=$bundle{locked}/locked.key";
my $said = '';
my $n = 0;

foreach my $case ([ 'locked' ], [ 'open', '--complete-chain', "$places/chains" ], [ 'packed', '--unpack', "$places/unpacked" ], [ 'bare', '--unpack', "$places/unpacked" ])
{
	my ($which, @more) = @$case;

	foreach my $command ([ 'list', '--bundle', $bundle{$which}, '--password-file', $passwords ],
		(map { [ @$_, $to, '--bundle', $bundle{$which}, '--password-file', $passwords, @more ] } [ 'select' ], [ 'select', '--confirm' ],
			[ 'select', '--full' ], (map { [ 'select', '--format', $_ ] } qw(uri env service json)),
			[ 'check' ], [ 'check', '--confirm' ], [ 'check', '--format', 'json' ]),
		[ 'exec', $to, '--bundle', $bundle{$which}, '--password-file', $passwords, @more, '--', 'psql', '-XAtqc', $query ],
		[ 'exec', $to, '--bundle', $bundle{$which}, '--password-file', $passwords, @more, '--', 'sh', '-c', 'env; psql -XAtqc "$1" & wait', 'sh', $query ])
	{
		my $got = $srv->client([ $pgcertsel, @$command ], env => \%env);

		# what has a password cannot be a service, or anything else that is printed
		is($got->{status}, 0, "$which: @$command[0 .. 1]") or diag $got->{stderr};
		like($got->{stdout}, qr!^/CN=$which\|!m, "$which: and logs in with it") if $command->[0] eq 'exec';
		$said .= "$got->{stdout}\n$got->{stderr}\n";
		$n++;
	}
}

# and where it fails: a wrong password, in the file and as the server's
my $wrong = write_file($pki->dir . '/wrong', "$bundle{locked}/locked.key:${key_password}x\n$bundle{packed}/packed.p12:x$p12_password\n");
foreach my $which (qw(locked packed))
{
	foreach my $command ([ 'list' ], [ 'select', $to ], [ 'check', $to ], [ 'exec', '--strict', $to ])
	{
		my $got = $srv->client([ $pgcertsel, @$command, '--bundle', $bundle{$which}, '--password-file', $wrong,
				$command->[0] eq 'exec' ? ('--', 'true') : () ], env => \%env);
		$said .= "$got->{stdout}\n$got->{stderr}\n";
		like($got->{stdout} . $got->{stderr}, qr/password given does not open it|no suitable certificate|which libpq cannot read/, "$which: a wrong password: $command->[0]");
	}
}
write_file("$places/home/.pgpass", "*:*:*:app:${role_password}x\n");
my $got = $srv->client([ $pgcertsel, 'exec', $to, '--bundle', $bundle{locked}, '--password-file', $passwords, '--', 'psql', '-XAtqc', $query ], env => \%env);
like($got->{stderr}, qr/password authentication failed for user "app"/, 'a wrong password of the role');
$said .= "$got->{stdout}\n$got->{stderr}\n";

# --- what was seen -------------------------------------------------------------------

# (a process that shows one, so that whoever looks is known to see)
is(slurp($seen) =~ s/^there was .*\n//mgr, '', 'no secret in the arguments or the environment of any process');
like(slurp($seen), qr/^there was \Q$_\E$/m, "though $_ was looked at") foreach qw(pgcertsel psql sh);
run('sh', '-c', 'sleep 3; true', 'sh', $key_password);
like(slurp($seen), qr/^cmdline of \S*sh: the password of a key$/m, 'one that shows it is noticed');
kill 'TERM', $watcher;
waitpid $watcher, 0;
undef $watcher;

is(found($said), '', "no secret in what $n commands printed");
my $log = $srv->log_since($mark);
like($log, qr/ DEBUG:  /, 'the server has told everything');
like($log, qr/connection authorized: user=app/, 'of all the logins');
is(found($log), '', 'and no secret');

# What is left: a chain, which has no key in it, what was unpacked with the password
# that it had, and the one that had none.
my %left;
File::Find::find({ no_chdir => 1, wanted => sub { $left{$_} = found(slurp($_)) if -f $_ && -r _ } }, $places);
delete $left{"$places/home/.pgpass"};
is(join(' ', map { m!/((?:chains|unpacked)/\w+)-[^/]*$! ? $1 : $_ } sort keys %left), 'chains/open unpacked/bare unpacked/packed', 'what is left');
like($left{$_}, m!/unpacked/bare! ? qr/^the key of bare in PEM/ : qr/^$/, "the secrets in $_") foreach sort keys %left;
foreach my $path (sort keys %left)
{
	is(sprintf('%04o', (stat $path)[2] & 07777), '0600', "$path is private");
	is(sprintf('%04o', (stat $path =~ s!/[^/]+$!!r)[2] & 07777), '0700', 'and so is its folder');
}
is(join(' ', grep { $_ ne '' } map { found(slurp($_)) } grep { -f && -r && -o && -M _ <= 0 } glob '/dev/shm/* /tmp/pgcertsel*'), '', 'nothing lies elsewhere');

# --- a connection in memory ------------------------------------------------------------

# While a program runs under exec, its password is in a file that only this user can
# open, and not in the arguments or variables of either.
write_file("$places/home/.pgpass", "*:*:*:app:$role_password\n");
$got = $srv->client([ $pgcertsel, 'exec', $to, '--bundle', $bundle{locked}, '--password-file', $passwords, '--', 'sh', '-c',
		'stat -Lc "%a %u" "$PGSERVICEFILE"; stat -c %u /proc/$PPID/fd; cat "$PGSERVICEFILE"' ], env => \%env);
like($got->{stdout}, qr/^400 $>\n\Q$>\E\n/, 'the file in memory is private');
like($got->{stdout}, qr/^sslpassword=\Q$key_password\E$/m, 'and has the password');
$got = $srv->client([ $pgcertsel, 'exec', $to, '--bundle', $bundle{locked}, '--password-file', $passwords, '--', 'sh', '-c',
		'exec 9>>"$PGSERVICEFILE" && echo x >&9' ], env => \%env);
isnt($got->{status}, 0, 'nobody can change it');

$srv->stop;
done_testing();
