# pgcertsel exec with a program that becomes somebody else: what goes through the
# environment goes with it; what is held in memory for the caller alone does not,
# and then the login fails instead of sending something else.  Not pg_regress:
# users and processes.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder run write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';

# A user namespace without a map: for all others this is another user.
my @other_user = ('unshare', '-U');

plan skip_all => 'no namespace to be another user in' unless run(@other_user, 'true')->{ok};

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $plain = $pki->leaf('plain', issuer => $ca, eku => 'clientAuth');
my $locked = $pki->leaf('locked', issuer => $ca, eku => 'clientAuth', password => 'sesame');
my $passwords = write_file($pki->dir . '/passwords', $pki->dir . "/locked/locked.key:sesame\n");
my $srv = CertPolicy::Server->new('main', pki => $pki, preload => 0, ca_file => $ca->{cert}, server_cert => $pki->server($ca),
	hba => ['hostssl all all 127.0.0.1/32 trust']);
my $conninfo = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port . ' user=postgres dbname=postgres sslmode=require';
my @psql = (@other_user, 'psql', '-XAtqc', q{select coalesce(client_dn, 'nothing') from pg_stat_ssl where pid = pg_backend_pid()});
my $got = $srv->client([ $pgcertsel, 'exec', $conninfo, '--bundle', folder($pki->dir . '/plain', $plain), '--', @psql ]);

# who the program has become cannot read a private key of its caller's, or can as
# here, where the kernel still knows him
is($got->{stdout}, '/CN=plain', 'what the environment holds goes with the program') or diag $got->{stderr};
$got = $srv->client([ $pgcertsel, 'exec', $conninfo, '--bundle', folder($pki->dir . '/locked', $locked),
		'--password-file', $passwords, '--', @psql ]);
isnt($got->{status}, 0, 'what is held in memory for the caller alone does not');
like($got->{stderr}, qr/service/, 'libpq says that it is the service file which it cannot read');
unlike($got->{stdout} . $got->{stderr} . $got->{log}, qr/sesame/, 'nothing of it is shown');
unlike($got->{log}, qr/connection authorized/, 'and nothing else was sent in its place');

$srv->stop;
done_testing();
