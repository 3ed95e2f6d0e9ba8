# Memory that runs out while a real server is asked: each allocation fails once,
# in the probe, the questions in SQL, --confirm's handshake and pgcs_connect().
# What needs no server is in client/test/test_memory.c.  Not pg_regress: the
# allocator is the test's.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder test_program);
use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $program = test_program('memory_server');

plan skip_all => 'memory_server is not built (make -C client)' unless $program;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $int = $pki->intermediate('int', issuer => $ca);
my $postgres = $pki->leaf('postgres', issuer => $int, eku => 'clientAuth');
my $bundle = folder($pki->dir . '/bundle', $postgres);
my $srv = CertPolicy::Server->new('main', pki => $pki,
	ca_file => $ca->{cert}, server_cert => $pki->server($ca), conf => "log_connections = off\nlog_disconnections = off\n");
my $conninfo = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port
  . ' user=postgres dbname=postgres sslmode=verify-full sslrootcert=' . $ca->{cert};
my $leaf = "$bundle/postgres";

$srv->sql('create extension pg_cert_policy');
$srv->sql(qq{security label for pg_cert_policy on role postgres is 'cn=%role ca="CN=ca"'});

my $got = $srv->client([ $program, $bundle, "$conninfo sslcert=$leaf.crt sslkey=$leaf.key" ], timeout => 1200);
my @lines = split /\n/, $got->{stdout};

is($got->{status}, 0, 'the program ends well') or diag $got->{stderr};
unlike($got->{stderr}, qr/Sanitizer|LeakSanitizer/, 'without a word of a sanitizer, if there is one');
is(scalar(grep { /^ok \d+ - / } @lines), 24, 'own allocations and those of OpenSSL, one and all from one on, in each of six calls');
like($got->{stdout}, qr/^ok \d+ - \Q$_\E: one of OpenSSL's allocations fails \([1-9]\d\d/m, "of $_, hundreds")
  foreach 'probe', 'request from the server', 'confirm', 'connect', 'connect with a cached answer', 'connect without a bundle';
fail($_) foreach grep { /^not ok/ } @lines;
diag $got->{stdout} if grep { /^not ok/ } @lines;
is($srv->login(cert => $postgres)->{status}, 0, 'the server is well');

$srv->stop;
done_testing();
