# SQL: the trusted CAs, from ten to ten thousand; and judging every session
# again.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Bench;

use Time::HiRes qw(time);

my $pki = pki();
my $server = server('server', with => ['pg_cert_policy']);
my $names = 'SELECT count(name_der) FROM pg_trusted_ca_names()';
my $certificates = 'SELECT count(certificate) FROM pg_trusted_cas';

$server->sql('CREATE EXTENSION pg_cert_policy');
$server->sql("SECURITY LABEL FOR pg_cert_policy ON ROLE member IS '" . policy()
	  . "'");

under_way('The trusted CAs in SQL');
foreach my $size (10, 150, 1_000)
{
	my $file = trust($size);
	my @of_tls = ($size, 60, conninfo($server, 'alice'));

	measure('query', '9-names', 'pg_trusted_ca_names(), TLS', @of_tls, $names,
		'--file', $file);
	measure('query', '9-cas', 'pg_trusted_cas, TLS', @of_tls, $certificates,
		'--file', $file);
}
{
	# more than TLS can carry: over the Unix socket
	my $file = trust(10_000);
	my $local = $server->conninfo(tls => 0, user => 'postgres');

	measure('query', '9-names-file', 'pg_trusted_ca_names(), file', 10_000, 11,
		$local, $names, '--file', $file);
	measure('query', '9-cas', 'pg_trusted_cas, file', 10_000, 11, $local,
		$certificates, '--file', $file);
}
trust(1);

sessions(500);
$server->stop;

# A CA file of so many certificates, ours first.
sub trust
{
	my ($size) = @_;
	my $path = $pki->{made}->dir . "/cas_$size.pem";

	IPC::Run::run([ "$FindBin::RealBin/make_cas", $size, $pki->{ca}{cert} ],
		'>', $path)
	  or die 'make_cas failed';
	$server->conf("ssl_ca_file = '$path'\n");
	$server->reload;
	return $path;
}

# Judging all live sessions again, beside as many single checks; and whether
# another session waits meanwhile.
sub sessions
{
	my ($n) = @_;
	my $local = $server->conninfo(tls => 0, user => 'postgres');
	my $held = IPC::Run::start(
		[ "$FindBin::RealBin/hold", $n, conninfo($server, 'member') ],
		'<', \my $in, '>', \my $out, IPC::Run::timeout(300));

	under_way("Judging $n sessions again");
	$held->pump until $out =~ /held/;
	my $recheck = "SELECT count(*) + $n FROM pg_cert_policy_recheck()";
	my $check = <<"SQL";
SELECT count(*) FROM generate_series(1, $n) AS i,
	LATERAL (SELECT holds FROM pg_cert_policy_check('member',
				pg_read_file('$pki->{member}{cert}') || repeat(' ', i))
			 WHERE kind = 'verdict') AS verdict
WHERE holds
SQL
	measure('query', '10', 'judging sessions again', $n, 11, $local, $recheck,
		'--query', $check);
	measure('waits', '10-waits', 'longest wait of another session', $n, 11,
		$local, $recheck, conninfo($server, 'alice'));
	$held->kill_kill;
	return;
}
