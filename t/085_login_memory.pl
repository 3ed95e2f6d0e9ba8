# OpenSSL's memory runs out at login: each allocation that the check makes fails,
# alone and with all after it.  A login that is rejected otherwise stays rejected,
# one that is accepted may be rejected, with a reason in the log; the server goes on.
# What needs no server is in common/test/test_memory.c.  See t/lib/short_memory.c.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(run slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

plan skip_all => 'LD_PRELOAD is of Linux' unless $^O eq 'linux';

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $int = $pki->intermediate('int', issuer => $ca);
my $alice = $pki->leaf('alice', issuer => $int, eku => 'clientAuth', san => 'DNS:alice.example');
my $trusted = $pki->dir . '/trusted.crt';
write_file($trusted, slurp($int->{cert}) . slurp($ca->{cert}));

my $library = $pki->dir . '/short_memory.so';
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $include = `$pg_config --includedir-server`);
my $got = run(split(/ /, $ENV{CC} || 'cc'), qw(-Wall -Werror -shared -fPIC -isystem), $include,
	'-o', $library, "$FindBin::RealBin/lib/short_memory.c", '-lcrypto');
die "could not build short_memory.c: $got->{stderr}" unless $got->{ok};

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $trusted,
	server_cert => $pki->server($ca),
	preload => 0,
	conf => "shared_preload_libraries = 'pg_cert_policy, $library'\n",
	start => 0);
{
	local $ENV{LD_PRELOAD} = $library;
	$srv->start;
}

$srv->sql('create extension pg_cert_policy');
my $digest = run(qw(openssl x509 -noout -fingerprint -sha256 -in), $alice->{cert})->{stdout};
my ($hash) = map { lc s/://gr } $digest =~ /=([0-9A-F:]+)/;
my %accepts = (
	names => 'cn=alice issuer="CN=int" ca="CN=int" san=DNS:alice.example eku=clientAuth serial!=1',
	hashes => "cert_sha256=$hash");
my %rejects = (
	cn => 'cn!=alice',
	ca => 'ca!="CN=int"',
	root => 'ca!="CN=ca"',
	issuer => 'issuer!="CN=int"',
	san => 'san!=DNS:alice.example',
	eku => 'eku!=clientAuth',
	hash => "cert_sha256!=$hash");

foreach my $name (sort keys %accepts, sort keys %rejects)
{
	$srv->sql("create role $name login");
	$srv->sql("security label for pg_cert_policy on role $name is '" . ($accepts{$name} // $rejects{$name}) . "'");
}

sub login
{
	my ($name, $what) = @_;

	return $srv->login(user => $name, cert => $alice, conninfo => "application_name='$what'");
}

foreach my $name (sort keys %accepts, sort keys %rejects)
{
	my $got = login($name, 'fail 0');
	my ($count) = $got->{log} =~ /short memory: (\d+) allocations/;

	is($got->{status} == 0, exists $accepts{$name}, "$name: with memory") or diag $got->{log};
	cmp_ok($count // 0, '>', 10, "$name: so many allocations");
	foreach my $on ('', ' on')
	{
		my $rejected = 0;
		my (@accepted, @without_reason);

		foreach my $n (1 .. $count)
		{
			$got = login($name, "fail $n$on");
			if ($got->{status} == 0)
			{
				push @accepted, $n;
			}
			else
			{
				$rejected++;
				push @without_reason, "$n: $got->{log}$got->{stderr}"
				  unless $got->{log} =~ /FATAL:  (?:certificate policy rejects login|out of memory)/;
			}
		}
		is("@without_reason", '', "$name, fail N$on: who is rejected, for a reason that is told");
		cmp_ok($rejected, '>', 0, "$name, fail N$on: some are") if $accepts{$name};
		is("@accepted", '', "$name, fail N$on: nobody is accepted") if $rejects{$name};
	}
}
is($srv->login(user => 'names', cert => $alice)->{status}, 0, 'the server is well');
is($srv->sessions_become(0), 0, '... and none of those sessions is left');
$srv->stop;
unlike(slurp($srv->node->logfile), qr/terminated by signal|PANIC/, 'and no process of it crashed');
done_testing();
