# Keys that libpq loads, but that no signature of TLS can be made with: then
# OpenSSL sends an empty list in the certificate's place, which a server that
# demands none accepts.  So neither the names, nor the CA file, nor a handshake
# that went well, proves anything of such a certificate.  Not pg_regress: keys
# and logins over TLS.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder run);
use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $nothing = "sslcert='/dev/null/none'";
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $srv = CertPolicy::Server->new('main', pki => $pki, preload => 0,
	ca_file => $ca->{cert}, server_cert => $pki->server($ca));
my $to = 'host=localhost hostaddr=127.0.0.1 port=' . $srv->port
  . ' user=alice dbname=postgres sslmode=require';

$srv->sql('CREATE ROLE alice LOGIN');

# A folder with a certificate for a key of that kind; undef if there is none.
sub held
{
	my ($name, $md, @options) = @_;
	my $key = $pki->dir . "/$name.pem";

	run('openssl', 'genpkey', @options, '-out', $key)->{status} == 0 or return;
	return folder($pki->dir . "/of-$name", $pki->leaf($name, issuer => $ca, subject => '/CN=alice',
			eku => 'clientAuth', key_of => { key => $key }, csr_md => $md));
}

sub pss
{
	my ($md, $salt) = @_;

	return held("pss-$md-$salt", $md, '-algorithm', 'rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048',
		'-pkeyopt', "rsa_pss_keygen_md:$md", '-pkeyopt', "rsa_pss_keygen_mgf1_md:$md",
		'-pkeyopt', "rsa_pss_keygen_saltlen:$salt");
}

sub dsa
{
	my $parameters = $pki->dir . '/dsa-parameters';

	run('openssl', 'genpkey', '-genparam', '-algorithm', 'DSA', '-out', $parameters)->{status} == 0
	  or return;
	return held('dsa', 'sha256', '-paramfile', $parameters);
}

sub logs_in
{
	my ($dir, $name, $tls) = @_;

	return $srv->client([ 'psql', '-XAtqc', 'select 1', '-d',
			"$to ssl_max_protocol_version=$tls sslcert=$dir/$name.crt sslkey=$dir/$name.key" ])->{status} == 0;
}

foreach my $case (
	[ 'pss-sha256-32', 'an RSA-PSS key that is bound to SHA-256', pss('sha256', 32) ],
	[ 'pss-sha512-20', 'one that is bound to SHA-512', pss('sha512', 20) ],
	[ 'pss-sha224-20', 'one that is bound to SHA-224, which TLS has not', pss('sha224', 20) ],
	[ 'pss-sha1-20', 'one that is bound to SHA-1', pss('sha1', 20) ],
	[ 'pss-sha256-64', 'one with a longer salt than TLS uses', pss('sha256', 64) ],
	[ 'dsa', 'a DSA key', dsa() ])
{
	my ($name, $what, $dir) = @$case;

	SKIP: foreach my $tls ('TLSv1.2', 'TLSv1.3')
	{
		skip "$what cannot be made here", 1 unless defined $dir;
		my $good = logs_in($dir, $name, $tls);
		my @select = ('select', "$to ssl_max_protocol_version=$tls", '--bundle', $dir);

		note("$what, $tls: ", $good ? "let in" : "not let in");
		foreach my $more ([], [ '--ca-file', $ca->{cert} ], ['--confirm'],
			[ '--ca-file', $ca->{cert}, '--confirm' ])
		{
			my $got = $srv->client([ $pgcertsel, @select, @$more ]);

			is($got->{stdout}, $good ? "sslcert='$dir/$name.crt' sslkey='$dir/$name.key'" : $nothing,
				"$what, $tls, @$more: " . ($good ? 'is chosen' : 'is not chosen'))
			  or diag $got->{stderr};
			like($got->{stderr}, qr/signature/, 'with the reason') if !$good;
		}
	}
}

$srv->stop;
done_testing();
