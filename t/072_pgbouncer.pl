# A pooler in front of the server, set up as docs/operations.md says: the role's
# own certificate direct, the pooler's through pgbouncer, and a stranger's neither
# way, each with its reason in a log.  How pgcertsel asks pgbouncer is in
# 133_client_servers.pl.  Not pg_regress: a pooler, TLS, and two logs.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder slurp write_file);
use CertPolicy::Docs;
use CertPolicy::PKI;
use CertPolicy::Pooler;
use CertPolicy::Server;
use File::Copy qw(copy);
use Test::More;

plan skip_all => 'pgbouncer is not there (Debian: pgbouncer)' unless CertPolicy::Pooler::there();

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $page = slurp("$FindBin::RealBin/../docs/operations.md");
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca', subject => '/O=Example/CN=Clients 2027');
my $partner = $pki->root('partner', subject => '/O=Partner/CN=Partner CA');
my $unknown = $pki->root('unknown');
my $servers = $pki->root('servers');
my $server_cert = $pki->server($servers);
my %leaf = map { $_ => $pki->leaf($_, issuer => $ca, eku => 'clientAuth') } qw(shop pooler bob);
my $twin = $pki->leaf('twin', issuer => $ca, subject => '/CN=pooler', eku => 'clientAuth');
my $partners = $pki->leaf('partners', issuer => $partner, subject => '/CN=shop', eku => 'clientAuth');
my $forger = $pki->leaf('forger', issuer => $unknown, subject => '/CN=shop', eku => 'clientAuth');

# --- the server, and pgbouncer, as the page says --------------------------------

my $srv = CertPolicy::Server->new('main', pki => $pki,
	ca_file => $pki->concat('trusted.crt', $ca->{cert}, $partner->{cert}), server_cert => $server_cert,
	hba => [ 'local all all peer map=me', split /\n/, CertPolicy::Docs::file_of($page, 'pg_hba.conf') ],
	ident => [ split /\n/, CertPolicy::Docs::file_of($page, 'pg_ident.conf') ]);
my ($policy) = $page =~ /^SELECT '(cn=%role [^']* or cn=pooler key_sha256=)' \|\| :'key' AS policy/m
  or die 'the page has no policy for a pooler';

$srv->sql('create extension pg_cert_policy; create role shop login; create role bob login');
$srv->sql("security label for pg_cert_policy on role shop is '$policy" . $pki->key_sha256($leaf{pooler}) . "'");

sub pooler
{
	my ($name, $cert) = @_;
	my $folder = $pki->dir . "/$name";
	my $ini = CertPolicy::Docs::file_of($page, 'pgbouncer.ini');
	my %files = ('clients.crt' => $ca->{cert}, 'servers.crt' => $servers->{cert},
		'server.crt' => $server_cert->{chain}, 'server.key' => $server_cert->{key},
		'pooler.crt' => $cert->{chain}, 'pooler.key' => $cert->{key});

	mkdir $folder or die $!;
	copy($files{$_}, "$folder/$_") or die $! foreach keys %files;
	chmod 0600, "$folder/server.key", "$folder/pooler.key";
	write_file("$folder/users.txt", qq("shop" ""\n));
	$ini =~ s!/etc/pgbouncer\b!$folder!g or die;
	# by address: of a name's it may try, without end, one on which nobody listens
	$ini =~ s!host=db1\.example\.com port=5432!"host=127.0.0.1 port=" . $srv->port!e or die;
	$ini =~ s!^listen_\w+ = .*\n!!mg;
	# errors of the server are told after seconds, not after 15 s and 120 s
	return CertPolicy::Pooler->new($folder, "${ini}server_login_retry = 1\nquery_wait_timeout = 4\n");
}

my $pooler = pooler('good', $leaf{pooler});
my $query = q{select current_user || ' ' || client_dn from pg_stat_ssl where pid = pg_backend_pid()};

# Through the pooler: { status, stdout, stderr, said } where said is its log.  The
# server's log is not waited for, since the pooler keeps its connection.
sub through
{
	my ($to, $cert) = @_;
	my $before = length $to->log;
	my $mark = $srv->log_mark;
	my $got = CertPolicy::Client::run_with({ env => { PGCONNECT_TIMEOUT => 30 } }, 'psql', '-XAtqw', '-d',
		"host=localhost hostaddr=127.0.0.1 port=@{[$to->port]} user=shop dbname=postgres sslmode=verify-full"
		  . " sslrootcert=$servers->{cert} "
		  . ($cert ? "sslcert=$cert->{chain} sslkey=$cert->{key}" : 'sslcert=/dev/null/none'), '-c', $query);

	return { %$got, said => substr($to->log, $before), log => $srv->log_since($mark) };
}

sub refused_direct
{
	my ($cert, $reason, $what) = @_;
	my $got = $srv->login(user => 'shop', cert => $cert, sql => $query);

	is($got->{status}, 2, "$what: refused");
	like($got->{log}, $reason, 'with its reason in the log');
	return;
}

# --- let in ------------------------------------------------------------------------

my $got = $srv->login(user => 'shop', cert => $leaf{shop}, sql => $query);
is($got->{stdout}, 'shop /CN=shop', "the role's own certificate, direct") or diag $got->{log};
$got = through($pooler, $leaf{shop});
is($got->{stdout}, 'shop /CN=pooler', "the pooler's, through pgbouncer") or diag $got->{stderr}, $got->{said}, $got->{log};
is($srv->sql(q{select role, subject, accepted_now from pg_cert_sessions where role = 'shop'}), 'shop|CN=pooler|t',
	'and is among the sessions');
is($srv->sql(q{select accepted, rejected from pg_stat_cert_policy where role = 'shop'}), '2|0', 'both are counted');

# pgcertsel, which pgbouncer tells no names, goes by the role
my $bundle = folder($pki->dir . '/bundle', @leaf{qw(shop bob)});
$got = CertPolicy::Client::run($pgcertsel, 'exec', "host=localhost hostaddr=127.0.0.1 port=@{[$pooler->port]} user=shop"
	  . " dbname=postgres sslmode=verify-full sslrootcert=$servers->{cert}", '--bundle', $bundle, '--', 'psql', '-XAtqwc', $query);
is($got->{stdout}, 'shop /CN=pooler', 'pgcertsel exec finds the certificate for it') or diag $got->{stderr};

# --- strangers, direct ---------------------------------------------------------------

my ($rejects, $detail) = ('FATAL:  certificate policy rejects login as role "shop"\n.*DETAIL:  Policy of role "shop": ');
my $hash = $pki->key_sha256($leaf{pooler});
refused_direct($twin,
	qr/$rejects\Qalternative 1: cn: required "shop", found "pooler"; alternative 2: key_sha256: required "$hash", found \E/,
	"another certificate with the pooler's name");
refused_direct($partners,
	qr/$rejects\Qalternative 1: ca: required "CN=Clients 2027,O=Example", found "CN=Partner CA,O=Partner"; alternative 2: cn: required "pooler", found "shop"\E/,
	"another CA's certificate with the role's name");
refused_direct($leaf{bob}, qr/LOG:  no match in usermap "shop" for user "shop" authenticated as "bob"/,
	'a third certificate, which pg_ident.conf does not map');
refused_direct($forger, qr/could not accept SSL connection: .*certificate verify failed/, 'one of a CA that nobody trusts');
refused_direct(undef, qr/FATAL:  connection requires a valid client certificate/, 'none');

# --- strangers, through the pooler ----------------------------------------------------

foreach my $case (
	[ $leaf{bob}, qr/TLS certificate name mismatch|certificate authentication failed/, qr/certificate authentication failed/, "another's certificate" ],
	[ $partners, qr/TLS handshake (?:error|failed)/, qr/alert|certificate/, 'one that the server trusts, but the pooler does not' ],
	[ undef, qr/TLS handshake (?:error|failed)/, qr/alert|certificate/, 'none' ])
{
	my ($cert, $said, $told, $what) = @$case;

	$got = through($pooler, $cert);
	is($got->{status}, 2, "through pgbouncer, $what: refused");
	like($got->{said}, $said, "pgbouncer's log says why");
	like($got->{stderr}, $told, 'the client is told');
	unlike($got->{log}, qr/rejects/, 'and the server never hears of it');
}
$pooler->stop;

# a pooler of somebody else, with a certificate of the right CA and name
my $other = pooler('other', $twin);
$got = through($other, $leaf{shop});
is($got->{status}, 2, "somebody else's pooler: refused");
like($got->{stderr}, qr/certificate policy rejects login as role "shop"/, 'the client is told, by the pooler');
like($got->{log}, qr/${rejects}\Qalternative 1: cn: required "shop", found "pooler"; alternative 2: key_sha256: required "$hash", found \E/,
	"the server's log has the reason");
is($srv->sql(q{select clause from pg_cert_policy_rejections limit 1}), 'key_sha256', 'as has SQL');
$other->stop;

# the pooler goes on after its connections were ended by a recheck
$pooler = pooler('third', $leaf{pooler});
through($pooler, $leaf{shop});
$srv->sql(q{security label for pg_cert_policy on role shop is 'cn=%role'});
is($srv->sql('select role, reason from pg_cert_policy_recheck()'), 'shop|Policy of role "shop": cn: required "shop", found "pooler".',
	'a policy that does not admit it any more ends its connection');
my $mark = $srv->log_mark;
$got = through($pooler, $leaf{shop});
like($got->{stderr}, qr/query_wait_timeout|certificate policy rejects login as role "shop"/, 'its clients wait in vain');
like($srv->log_since($mark), qr/${rejects}cn: required "shop", found "pooler"\.\n/, 'since it is kept out');
$srv->sql(qq{security label for pg_cert_policy on role shop is 'cn=%role or cn=pooler key_sha256=$hash'});
my $end = time + 60;
do
{
	$got = through($pooler, $leaf{shop});
	select undef, undef, undef, 0.1;
} while ($got->{status} != 0 && time < $end);
is($got->{stdout}, 'shop /CN=pooler', 'until one does');
$pooler->stop;

$srv->stop;
done_testing();
