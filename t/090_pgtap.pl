# Runs the pgTAP files, t/*.sql, on a server of their own, so that one prove
# counts everything.  Each is a subtest; psql runs it as superuser over the
# Unix socket, with the extensions pg_cert_policy and pgtap in "public".
#
# What a file finds, as psql variables and in the environment alike (psql's \!
# and `...` see the latter):
#
#	PGHOST PGPORT PGUSER PGDATABASE	the superuser over the Unix socket
#	TLS_CONNINFO	host, hostaddr, port, dbname and sslmode=verify-full with
#					sslrootcert, for a login over TLS; no user, no certificate
#	CA_FILE			what the server trusts: rootCA1 alone
#	BUNDLE			a folder of certificates with their keys:
#						alice.crt	CN=alice, clientAuth, of rootCA1
#						alice2.crt	CN=alice, clientAuth, of rootCA2
#						bob.crt		CN=bob, clientAuth, of rootCA2; the key's
#									password is "secret"
#						carol.crt	CN=carol, clientAuth, of an intermediate of
#									rootCA1, which is in the file
#	TWINS			a folder of two certificates with their keys:
#						alice.crt	that of BUNDLE
#						newer.crt	CN=alice, clientAuth, of another CA that is
#									called rootCA1, and lasts longer
#	OTHER_CA		the certificate of rootCA2
#	PGCERTSEL		the command, if there is one
#
# Roles alice, bob and carol may log in over TLS with any verified certificate.
# HOME is an empty folder, and LC_ALL is C.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ido = '/C=CA/ST=BC/L=VAN/O=IDO/OU=DEV';
my $ca1 = $pki->root('rootCA1', subject => "$ido/CN=rootCA1");
my $ca2 = $pki->root('rootCA2', subject => "$ido/CN=rootCA2");
my $int = $pki->intermediate('int', issuer => $ca1, subject => '/O=IDO/CN=int');
my $twin = $pki->root('twin', subject => "$ido/CN=rootCA1");
my $alice = $pki->leaf('alice', issuer => $ca1, eku => 'clientAuth');
my $bundle = folder(
	'bundle',
	$alice,
	$pki->leaf('alice2', issuer => $ca2, subject => '/CN=alice', eku => 'clientAuth'),
	$pki->leaf('bob', issuer => $ca2, eku => 'clientAuth', password => 'secret'),
	$pki->leaf('carol', issuer => $int, eku => 'clientAuth'));
my $twins = folder('twins', $alice,
	$pki->leaf('newer', issuer => $twin, subject => '/CN=alice', eku => 'clientAuth', days => 4000));

# Each with its chain as NAME.crt and its key as NAME.key.
sub folder
{
	my ($name, @leaves) = @_;
	my $dir = $pki->dir . "/$name";

	mkdir $dir or die "could not create $dir: $!";
	foreach my $leaf (@leaves)
	{
		copy($leaf->{chain}, "$dir/$leaf->{name}.crt") or die "could not copy: $!";
		copy($leaf->{key}, "$dir/$leaf->{name}.key") or die "could not copy: $!";
		chmod 0600, "$dir/$leaf->{name}.key";
	}
	return $dir;
}

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca1->{cert},
	server_cert => $pki->server($ca1));

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create extension pgtap;
create role alice login;
create role bob login;
create role carol login;
SQL

my $port = $srv->port;
my %env = (
	PGHOST => $srv->node->host,
	PGPORT => $port,
	PGUSER => 'postgres',
	PGDATABASE => 'postgres',
	TLS_CONNINFO => "host=localhost hostaddr=127.0.0.1 port=$port dbname=postgres"
	  . " sslmode=verify-full sslrootcert=$ca1->{cert}",
	CA_FILE => $ca1->{cert},
	OTHER_CA => $ca2->{cert},
	BUNDLE => $bundle,
	TWINS => $twins,
	PGCERTSEL => $ENV{PGCERTSEL} // 'pgcertsel');

my @files = @ARGV ? @ARGV : sort glob("$FindBin::RealBin/*.sql");
foreach my $file (@files)
{
	my $name = $file =~ s!.*/!!r;

	subtest $name => sub { run_pgtap($file) };
}

sub run_pgtap
{
	my ($file) = @_;
	my @variables = map { ('-v', "$_=$env{$_}") } sort keys %env;
	my $got = $srv->client([ 'psql', '-XAtq', '-P', 'pager=off', @variables,
			'-f', $file ], env => \%env, timeout => 300);
	my ($ran, $planned) = (0, undef);

	foreach my $line (split /\n/, $got->{stdout})
	{
		if ($line =~ /^(not )?ok \d+(?: - (.*))?$/)
		{
			$ran++;
			ok(!defined $1, $2);
		}
		elsif ($line =~ /^1\.\.(\d+)/)
		{
			$planned = $1;
		}
		elsif ($line =~ /^#/)
		{
			diag($line);
		}
	}
	is($got->{status}, 0, 'psql ran it to the end') or diag $got->{stderr};
	is($ran, $planned, 'as many tests as planned');
	return;
}

done_testing();
