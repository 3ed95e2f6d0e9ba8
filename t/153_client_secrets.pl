# Where passwords and keys must not be: in memory after they were used, in what
# others see of a process, in files that others can read.  What is printed, and
# the server's log, are in 130 and 132.  Not pg_regress: memory and processes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder run run_with slurp test_program write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $tool = test_program('secret_tool');

plan skip_all => 'secret_tool is not built (make -C client)' unless $tool;

my $password = 'correct-horse-battery-9';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');

sub masked
{
	my ($bytes) = @_;

	return unpack 'H*', $bytes ^ ("\x5a" x length $bytes);
}

# --- in memory ----------------------------------------------------------------

# The key itself is not looked for: OpenSSL alone, asked to open a key and to free
# it again, as libpq does, leaves its number there, and stdio's buffer its file.
foreach my $kind ('ec:prime256v1', 'rsa:2048')
{
	my $name = $kind =~ s/:.*//r;
	my $plain = $pki->leaf("plain_$name", issuer => $ca, eku => 'clientAuth', key => $kind);
	my $locked = $pki->leaf("locked_$name", issuer => $ca, eku => 'clientAuth', key => $kind, password => $password);

	foreach my $leaf ($plain, $locked)
	{
		my $got = run($tool, $leaf->{cert}, $leaf->{key}, $ca->{cert}, masked($password));
		my ($before, $after) = $got->{stdout} =~ /^before (\d+) after (\d+)$/m;

		like($got->{stdout}, qr/^found/, "$leaf->{name}: chosen") or diag $got->{stderr};
		cmp_ok($before, '>', 0, "$leaf->{name}: while it is used the password is in memory, so that looking finds it");
		is($after, 0, "$leaf->{name}: afterwards it is not");
	}
}

# --- what others see ------------------------------------------------------------

my $locked = $pki->leaf('locked', issuer => $ca, eku => 'clientAuth', password => $password);
my $bundle = folder($pki->dir . '/bundle', $locked);
my $passwords = write_file($pki->dir . '/passwords', "$bundle/locked.key:$password\n");
my $look = <<'SHELL';
for p in $$ $PPID; do cat /proc/$p/cmdline /proc/$p/environ; done | tr '\0' '\n'
find /tmp "${TMPDIR:-/tmp}" /dev/shm -user "$(id -u)" -newer "$1" -perm /044 -type f 2>/dev/null |
	sed 's/^/readable: /'
SHELL
my $start = write_file($pki->dir . '/start', '');
my $got = run($pgcertsel, 'exec', 'host=127.0.0.1 port=1', '--bundle', $bundle, '--password-file', $passwords,
	'--ca-file', $ca->{cert}, '--', 'sh', '-c', $look, 'sh', $start);

is($got->{status}, 0, 'exec with a password in memory') or diag $got->{stderr};
like($got->{stdout}, qr/^PGSERVICEFILE=/m, 'hands over a service file');
unlike($got->{stdout} . $got->{stderr}, qr/\Q$password\E/, 'and no argument and no variable, of either process, shows the password');
my @readable = grep { -f && slurp($_) =~ /\Q$password\E/ } $got->{stdout} =~ /^readable: (.*)$/mg;
is("@readable", '', 'nor does a file that others can read');

# nobody else may read what the service file is in
my ($service) = $got->{stdout} =~ /^PGSERVICEFILE=(.*)$/m;
$got = run($pgcertsel, 'exec', 'host=127.0.0.1 port=1', '--bundle', $bundle, '--password-file', $passwords,
	'--ca-file', $ca->{cert}, '--', 'sh', '-c', 'stat -L -c "%a %u" "$PGSERVICEFILE"; grep -c "$0" "$PGSERVICEFILE"', $password);
like($got->{stdout}, qr/^[0-7]?[0-6]00 $>\n1$/, 'which only its owner can read, and which has it') or diag $got->{stdout};

foreach my $command ([ '--help' ], [ '--version' ], map { [ $_, '--help' ] } qw(select exec check list names))
{
	$got = run_with({ env => { PGPASSWORD => $password, PGSSLKEY => "$bundle/locked.key" } }, $pgcertsel, @$command);
	is($got->{status}, 0, "@$command");
	unlike("$got->{stdout}$got->{stderr}", qr/\Q$password\E/, 'says nothing of it');
}

done_testing();
