# Certificates that are replaced between our look at them and libpq's: the server
# is reached through a relay that swaps files when the client asks for TLS, which
# is right before libpq opens them.  --confirm must not take what libpq sent for
# what was judged.  t/152 has what pgcs_connect does about it.  Not pg_regress:
# files that change, and a relay.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder);
use CertPolicy::Liar qw(pass_on take_request);
use CertPolicy::PKI;
use CertPolicy::Server;
use File::Copy qw(copy);
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');
my $bob = $pki->leaf('bob', issuer => $ca, eku => 'clientAuth');
my $srv = CertPolicy::Server->new('main', pki => $pki, preload => 0, ca_file => $ca->{cert},
	server_cert => $pki->server($ca), hba => ['hostssl all all all trust']);
my $bundle;

# The answer to "pgcertsel select --confirm" when $swap comes right before libpq
# opens the files for it, that is with the second connection.
sub confirm
{
	my ($name, $swap) = @_;
	my $seen = $pki->dir . "/seen-$name";

	$bundle = folder($pki->dir . "/$name", $alice);
	my $relay = CertPolicy::Liar->new(sub {
		my ($client) = @_;
		my $request = take_request($client);

		$swap->() if -e $seen;
		open my $file, '>', $seen;
		pass_on($client, $srv->port, pack('N', 4 + length $request) . $request);
	});
	my $got = $srv->client([ $pgcertsel, 'select', 'host=localhost hostaddr=127.0.0.1 sslmode=require user=postgres port=' . $relay->port,
			'--bundle', $bundle, '--confirm' ]);

	is($relay->clients, 2, "$name: asked once, and confirmed once");
	$relay->stop;
	return $got;
}

my $got = confirm('as it was', sub { });
is($got->{stdout}, "sslcert='$bundle/alice.crt' sslkey='$bundle/alice.key'", 'confirmed through the relay');

foreach my $case (
	[ 'without it', sub { unlink "$bundle/alice.crt" } ],
	[ 'another key', sub { copy($bob->{key}, "$bundle/alice.key") } ],
	[ 'another pair', sub {
		copy($bob->{cert}, "$bundle/alice.crt");
		copy($bob->{key}, "$bundle/alice.key");
	} ])
{
	my ($name, $swap) = @$case;

	$got = confirm($name, $swap);
	is($got->{status}, 1, "$name: that is no confirmation");
	is($got->{stderr}, 'pgcertsel: certificate or key changed while it was being confirmed', 'in words');
	is($got->{stdout}, "sslcert='/dev/null/none'", 'and nothing is sent');
}

done_testing();
