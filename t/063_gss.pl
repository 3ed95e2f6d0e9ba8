# GSSAPI encryption carries no certificate: over it a policy turns its role away
# for that reason, and leaves all others alone.  With a real KDC, of our own, on
# the loopback address.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use Cwd qw(abs_path);
use IO::Socket::INET;
use IPC::Run ();
use Test::More;
use Time::HiRes qw(usleep);

$ENV{PATH} .= ':/usr/sbin:/usr/local/sbin:/usr/lib/mit/sbin';
foreach my $program (qw(krb5kdc kdb5_util kadmin.local))
{
	plan skip_all => "$program is not there, without which there is no KDC to ask (Debian: krb5-kdc, krb5-admin-server)"
	  unless grep { -x "$_/$program" } split /:/, $ENV{PATH};
}
chomp(my $configure = qx($ENV{PG_CONFIG} --configure)) if $ENV{PG_CONFIG};
$configure //= qx(pg_config --configure);
plan skip_all => 'this PostgreSQL is built without GSSAPI'
  unless $configure =~ /--with-gssapi/;

my $realm = 'CERT-POLICY.TEST';
my $dir = abs_path(PostgreSQL::Test::Utils::tempdir());
my $kdc = start_kdc();

END
{
	$kdc->kill_kill if $kdc;
}

sub put
{
	my ($name, $text) = @_;

	open my $file, '>', "$dir/$name" or die "could not write $dir/$name: $!";
	print $file $text;
	close $file or die "could not write $dir/$name: $!";
	return "$dir/$name";
}

sub run
{
	my ($command) = @_;
	my $out = '';

	IPC::Run::run($command, '<', \'', '>', \$out, '2>&1',
		IPC::Run::timeout(60, name => $command->[0]))
	  or die "\"@$command\" failed: $out";
	return;
}

# A realm with the server's principal and those of two users; each has its keys
# in a file of its own, from which GSSAPI gets its tickets by itself.
sub start_kdc
{
	my $port = PostgreSQL::Test::Cluster::get_free_port();

	$ENV{KRB5_CONFIG} = put('krb5.conf', <<"CONF");
[libdefaults]
default_realm = $realm
dns_lookup_realm = false
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
[realms]
$realm = {
	kdc = 127.0.0.1:$port
}
[domain_realm]
localhost = $realm
CONF
	$ENV{KRB5_KDC_PROFILE} = put('kdc.conf', <<"CONF");
[kdcdefaults]
kdc_listen = 127.0.0.1:$port
kdc_tcp_listen = 127.0.0.1:$port
[realms]
$realm = {
	database_name = $dir/principal
	key_stash_file = $dir/stash
	acl_file = $dir/acl
	admin_keytab = FILE:$dir/admin.keytab
}
[logging]
kdc = FILE:$dir/kdc.log
CONF
	# neither tickets nor a cache of them are to outlive the test
	$ENV{KRB5RCACHENAME} = 'none:';
	$ENV{KRB5RCACHETYPE} = 'none';

	run([ 'kdb5_util', 'create', '-s', '-P', 'no secret' ]);
	foreach my $principal ('postgres/localhost', 'alice', 'bob')
	{
		my $keys = "$dir/" . $principal =~ s!/.*!!r . '.keytab';

		run([ 'kadmin.local', '-q', "addprinc -randkey $principal" ]);
		run([ 'kadmin.local', '-q', "ktadd -k $keys $principal" ]);
	}

	my $process = IPC::Run::start([ 'krb5kdc', '-n', '-P', "$dir/kdc.pid" ],
		'<', \'', '>', "$dir/kdc.out", '2>&1');
	for (1 .. 100 * 60)
	{
		return $process
		  if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		die 'the KDC has ended' unless $process->pumpable;
		usleep(10_000);
	}
	$process->kill_kill;
	die 'the KDC does not answer after 60 s';
}

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my %cert = map { $_ => $pki->leaf($_, issuer => $ca, eku => 'clientAuth') } qw(alice bob);

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	conf => "krb_server_keyfile = 'FILE:$dir/postgres.keytab'\n",
	hba => [
		'local all all trust',
		'hostgssenc all all 127.0.0.1/32 gss include_realm=0',
		'hostssl all all 127.0.0.1/32 trust' ]);

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role bob login;
security label for pg_cert_policy on role alice is 'cn=%role';
SQL

# A login with a ticket; the certificate is at hand, should anybody want it.
sub login
{
	my ($user, $conninfo, %opt) = @_;

	local $ENV{KRB5_CLIENT_KTNAME} = "FILE:$dir/$user.keytab";
	local $ENV{KRB5CCNAME} = "FILE:$dir/$user.cache";
	return $srv->login(
		user => $user,
		cert => $cert{$user},
		conninfo => $conninfo // 'gssencmode=require',
		sql => 'select g.encrypted, s.ssl from pg_stat_gssapi g join pg_stat_ssl s using (pid) where pid = pg_backend_pid()',
		%opt);
}

my $reason = 'Policy of role "alice": GSS encryption.';

subtest 'a role without a policy' => sub {
	my $got = login('bob');

	is($got->{stdout}, 't|f', 'is let in, encrypted by GSSAPI') or diag $got->{stderr}, $got->{log};
	unlike($got->{log}, qr/certificate policy/, 'without a word');
};

subtest 'a role with a policy' => sub {
	my $got = login('alice');

	is($got->{status}, 2, 'is turned away');
	like($got->{stderr}, qr/FATAL:  certificate policy rejects login as role "alice"$/, 'with the usual sentence');
	unlike($got->{stderr}, qr/GSS encryption/, 'and nothing more');
	like($got->{log}, qr/ 28000 .*FATAL:  certificate policy rejects login as role "alice"\n.*DETAIL:  \Q$reason\E\n/,
		'the log has the reason');
	is($srv->sql(q{select clause, required, found, enforced, cert_sha256 is null
			from pg_cert_policy_rejections limit 1}),
		'certificate|a verified certificate|GSS encryption|t|t', 'so has the view');
	is($srv->sql(q{select found from pg_cert_policy_check('alice', null::text, tls => 'gss') where kind = 'verdict'}),
		$reason, 'the dry run says the same');
};

# libpq's default: it takes GSSAPI where there is a ticket, and if that is
# refused tries once more without.
subtest 'gssencmode=prefer' => sub {
	my $got = login('alice', 'gssencmode=prefer');

	is($got->{stdout}, 'f|t', 'gets in over TLS in the end') or diag $got->{stderr};
	like($got->{log}, qr/DETAIL:  \Q$reason\E\n.*connection authorized: user=alice [^\n]*SSL enabled/s,
		'after it was turned away for GSSAPI');
};

subtest 'other policies' => sub {
	my $label = sub { $srv->sql("security label for pg_cert_policy on $_[0]") };

	$label->(q{role alice is 'mode=log any'});
	my $got = login('alice');
	is($got->{stdout}, 't|f', 'mode=log lets in');
	like($got->{log}, qr/LOG:  certificate policy would reject login as role "alice"\n.*DETAIL:  \Q$reason\E\n/,
		'and records');
	$label->(q{role alice is 'cn!=bob or tls=1.2'});
	like(login('alice')->{log}, qr/DETAIL:  \Q$reason\E\n/, 'a clause of what is not there does not hold');
	$label->(q{role alice is 'exempt'});
	is(login('alice')->{stdout}, 't|f', 'exempt');
	$label->(q{role alice is 'cn=%role'});

	$srv->sql('create database other');
	$label->(q{database other is 'any'});
	like(login('bob', undef, db => 'other')->{log}, qr/DETAIL:  Policy of database "other": GSS encryption\.\n/,
		'that of a database');
};

subtest 'a session that is there' => sub {
	local $ENV{KRB5_CLIENT_KTNAME} = "FILE:$dir/bob.keytab";
	local $ENV{KRB5CCNAME} = "FILE:$dir/bob.cache";
	my $session = CertPolicy::Session->new($srv, user => 'bob', conninfo => 'gssencmode=require');
	my $pid = $session->pid;

	$srv->sql(q{security label for pg_cert_policy on role bob is 'any'});
	is($srv->sql("select accepted_now, reason, not_after from pg_cert_sessions where pid = $pid"),
		'f|Policy of role "bob": GSS encryption.|', 'is shown as one that would be turned away now');
	is($srv->sql('select pid, reason from pg_cert_policy_recheck()'),
		"$pid|Policy of role \"bob\": GSS encryption.", 'and is ended when it is judged again');
	$session->wait_for_end;
};

done_testing();
