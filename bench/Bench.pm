# What the benchmarks share: servers, certificates, and the file of results.
#
# A result is a line "figure|case|size|ours|other", one for each pair of
# measurements, in nanoseconds unless the figure says otherwise; report.pl
# makes ratios of them.
package Bench;

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use FindBin;
use lib "$FindBin::RealBin/../t/lib";

# PostgreSQL's test framework sends what is printed to a log; who waits wants to
# see what is under way, and why it ended.
my $terminal;
BEGIN
{
	open $terminal, '>&', \*STDERR or die "could not copy stderr: $!";
	$terminal->autoflush(1);
}
$SIG{__DIE__} = sub { print $terminal @_ unless $^S };

use CertPolicy::PKI;
use CertPolicy::Server;

our @EXPORT = qw(conninfo inside measure pki policy result server under_way);

# Eight clauses, all of which hold.
my $clauses = 'cn=%%role eku=clientAuth ca="%s" key_type=EC'
  . ' min_security_bits=112 max_lifetime=400d min_remaining=1h tls=1.2';

my $out = $ENV{BENCH_OUT} // croak 'BENCH_OUT names no file of results';
my $pki;

sub under_way
{
	my ($words) = @_;

	print $terminal "$words ...\n";
	return;
}

# One PKI for all: a CA, and certificates of the roles "alice" and "member".
sub pki
{
	return $pki if $pki;
	$pki = { made => CertPolicy::PKI->new };
	$pki->{ca} = $pki->{made}->root('benchCA', subject => '/O=IDO/CN=benchCA');
	$pki->{$_} = $pki->{made}
	  ->leaf($_, issuer => $pki->{ca}, eku => 'clientAuth')
	  foreach qw(alice member);
	return $pki;
}

sub policy
{
	return sprintf $clauses, 'CN=benchCA,O=IDO';
}

# A server with TLS that trusts the CA; with => what is preloaded, as
# 'pg_cert_policy' and 'inside'.
sub server
{
	my ($name, %opt) = @_;
	my $pki = pki();
	my @preload = map { $_ eq 'inside' ? "$FindBin::RealBin/inside" : $_ }
	  @{ $opt{with} // [] };
	my $server = CertPolicy::Server->new(
		$name,
		pki => $pki->{made},
		ca_file => $opt{ca_file} // $pki->{ca}{cert},
		server_cert => $pki->{made}->server($pki->{ca}),
		preload => 0,
		conf => join("\n",
			"shared_preload_libraries = '" . join(', ', @preload) . "'",
			'autovacuum = off',
			'log_connections = off',
			'log_disconnections = off',
			'max_connections = 700',
			@{ $opt{conf} // [] },
			''));

	$server->sql('CREATE ROLE alice LOGIN; CREATE ROLE member LOGIN');
	$server->sql("SECURITY LABEL FOR pg_cert_policy ON ROLE alice IS '"
		  . policy() . "'")
	  if grep { $_ eq 'pg_cert_policy' } @preload;
	return $server;
}

# Who has no certificate of its own comes with alice's.
sub conninfo
{
	my ($server, $role, $more) = @_;

	return $server->conninfo(
		user => $role,
		cert => pki()->{$role} // pki()->{alice},
		conninfo => "sslmode=verify-full sslrootcert='"
		  . pki()->{ca}{cert} . "' " . ($more // ''));
}

sub result
{
	my (@fields) = @_;

	_append(join('|', @fields) . "\n");
	return;
}

sub _append
{
	my ($text) = @_;

	open my $file, '>>', $out or croak "could not write $out: $!";
	print $file $text;
	close $file or croak "could not write $out: $!";
	return;
}

# Runs one of the programs, and keeps what it measured.
sub measure
{
	my ($program, @arguments) = @_;

	_append(_run($program, @arguments));
	return;
}

sub _run
{
	my ($program, @arguments) = @_;
	my ($text, $error) = ('', '');

	IPC::Run::run([ "$FindBin::RealBin/$program", @arguments ],
		'<', \'', '>', \$text, '2>', \$error, IPC::Run::timeout(300))
	  or croak "$program failed: $error";
	return $text;
}

# Pairs of logins, timed inside the servers: each side is a server, a role, and
# what is timed there, by a name that the other side does not use in the same log.
sub inside
{
	my ($figure, $case, $size, $pairs, $ours, $other) = @_;
	my @mark = map { -s $_->{server}->node->logfile // 0 } $ours, $other;

	_run('logins', $figure, $case, $size, $pairs,
		map { conninfo($_->{server}, $_->{role} // 'alice',
				"application_name=$_->{what}") } $ours, $other);

	# the first of each side was not to count
	my @times = map {
		my ($side, $mark) = ($_->[0], $_->[1]);
		my $log = $side->{server}->log_since($mark);
		my @ns = $log =~ /bench \Q$side->{what}\E (\d+)/g;
		shift @ns;
		\@ns;
	} ([ $ours, $mark[0] ], [ $other, $mark[1] ]);
	croak "$pairs pairs of logins, but @{[map { scalar @$_ } @times]} times"
	  if grep { @$_ != $pairs } @times;
	result($figure, $case, $size, $times[0][$_], $times[1][$_])
	  foreach 0 .. $pairs - 1;
	return;
}

1;
