# Judging alone, apart from parsing and from any server.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Bench;

my $pki = pki();
my $ca = $pki->{made}->root('rsaCA', subject => '/O=IDO/CN=benchCA', key => 'rsa:2048');
my $leaf = $pki->{made}->leaf('judged',
	issuer => $ca, subject => '/CN=alice', eku => 'clientAuth');

under_way('Judging');
measure('judge', $leaf->{cert}, $ca->{cert}, policy(), 'alice');
