# Everybody is locked out, the superuser too, by policies on role, group and
# database and by default; each way back in is tried against all of them.  And
# a server that starts with misspelt settings is stricter for it, not laxer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use POSIX qw(strftime);
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $x = $pki->leaf('x', issuer => $ca, eku => 'clientAuth');

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);
my $node = $srv->node;

$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role staff;
grant staff to postgres, alice;
SQL
my $version = $srv->sql('show server_version_num');

sub set
{
	my ($name, $value) = @_;

	$srv->conf("pg_cert_policy.$name = '$value'\n");
	return $srv->reload;
}

sub lock_out
{
	$srv->sql(<<'SQL');
security label for pg_cert_policy on database postgres is 'local=reject cn=nobody';
security label for pg_cert_policy on role staff is 'local=reject cn=nobody';
security label for pg_cert_policy on role postgres is 'local=reject cn=nobody';
SQL
	return;
}

sub locked_out
{
	my ($what) = @_;
	my @no_tls = map { "Policy of $_: no TLS." } 'role "postgres"', 'group "staff"', 'database "postgres"';

	foreach my $login ([ tls => 0 ], [ conninfo => 'sslmode=disable' ])
	{
		my $got = $srv->login(@$login);
		is($got->{status}, 2, "$what: locked out (@$login)");
		like($got->{log}, qr/ 28000 .*\n.*DETAIL:  \Q$no_tls[0]\E\n\t\Q$no_tls[1]\E\n\t\Q$no_tls[2]\E\n/,
			"$what: by all three");
	}
	return;
}

sub let_in
{
	my ($what, %opt) = @_;
	my $got = $srv->login(user => 'postgres', tls => 0, %opt);

	is($got->{status}, 0, "$what: let in") or diag $got->{stderr};
	unlike($got->{log}, qr/certificate policy rejects/, "$what: not rejected");
	return $got;
}

# Up to 14 the server ignores shared_preload_libraries in single-user mode.
sub single
{
	my ($db, $sql) = @_;
	my $load = $version < 150000 ? "load 'pg_cert_policy'\n" : '';

	return $srv->client([ 'postgres', '--single', '-F', '-D', $node->data_dir, $db ],
		stdin => $load . $sql);
}

my $all = join '; ', map { "security label for pg_cert_policy on $_ is null" }
  'role postgres', 'role staff', 'database postgres';

subtest 'exempt_roles' => sub {
	lock_out();
	locked_out('before');
	set(exempt_roles => 'postgres');
	let_in('a superuser in the list');
	my $got = $srv->login(user => 'alice', tls => 0);
	like($got->{log}, qr/Policy of group "staff": no TLS\./, 'the others are still bound');
	set(exempt_roles => '');
	locked_out('again');
};

subtest 'enforce' => sub {
	set(enforce => 'log');
	like(let_in('enforce=log')->{log}, qr/LOG:  certificate policy would reject login as role "postgres"/, 'and recorded');
	set(enforce => 'off');
	unlike(let_in('enforce=off')->{log}, qr/certificate policy/, 'and not');
	set(enforce => 'on');
	locked_out('again');
	# what is said on the command line wins over a file that cannot be reached
	$srv->stop;
	IPC::Run::run([ 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile,
			'-o', '-c pg_cert_policy.enforce=off', 'start' ], '>', '/dev/null')
	  or die 'could not start';
	let_in('enforce=off on the command line');
	IPC::Run::run([ 'pg_ctl', '-w', '-D', $node->data_dir, 'stop' ], '>', '/dev/null');
	$srv->start;
	locked_out('again');
};

subtest 'a Unix socket with peer' => sub {
	$srv->hba('local all all peer map=me', 'host all all 127.0.0.1/32 trust');
	$srv->reload;
	locked_out('local=reject is stricter than the server');
	# the strictest counts, so all three have to give way
	$srv->stop;
	my $got = single('template1', join('', map { "security label for pg_cert_policy on $_ is 'cn=nobody'\n" }
			  'role postgres', 'role staff', 'database postgres'));
	unlike($got->{stderr}, qr/ERROR|FATAL|PANIC/, 'labels can be set in single-user mode');
	$srv->start;
	let_in('policies that do not say otherwise');
	$got = $srv->login(conninfo => 'sslmode=disable');
	is($got->{status}, 2, 'a TCP connection is none');
	$srv->hba('local all all trust', 'host all all 127.0.0.1/32 trust');
	$srv->reload;
	locked_out('and trust is not peer');
};

subtest 'single-user mode' => sub {
	$srv->stop;
	my $got = single('postgres', ($all =~ s/; /\n/gr) . "\nselect count(*) from pg_cert_policies\n");
	unlike($got->{stderr}, qr/ERROR|FATAL|PANIC/, 'no error');
	like($got->{stdout}, qr/count = "0"/, 'role, group and database are free');
	like($got->{stderr}, qr/LOG:  certificate policy of role "postgres" set by role "postgres"\n.*DETAIL:  Old policy: "cn=nobody"\. New policy: none\./,
		'and that is logged');
	$srv->start;
	let_in('afterwards');

	# a default that nobody can meet, from where ALTER SYSTEM wrote it
	$srv->sql(q{alter system set pg_cert_policy.default_policy = 'local=reject cn=nobody'});
	$srv->reload;
	like($srv->login(tls => 0)->{log}, qr/Policy of default_policy: no TLS\./, 'locked out by default');
	$srv->stop;
	$got = single('postgres', "alter system reset pg_cert_policy.default_policy\n");
	unlike($got->{stderr}, qr/ERROR|FATAL|PANIC/, 'reset');
	$srv->start;
	let_in('afterwards');
};

# However it got there: labels that nobody's login can read can be taken away.
subtest 'broken labels can be removed' => sub {
	my $hand = sub {
		$srv->sql(<<"SQL");
set allow_system_table_mods = on;
insert into pg_shseclabel (objoid, classoid, provider, label)
values ('alice'::regrole, 'pg_authid'::regclass, 'pg_cert_policy', $_[0]);
SQL
	};
	my $gone = sub {
		is($srv->sql('select count(*) from pg_cert_policies'), '0', "$_[0]: gone");
		let_in("$_[0]: afterwards", user => 'alice');
	};
	my %broken = (
		'out of line' => q{(select string_agg(md5(i::text), '') from generate_series(1, 125) i)},
		'of another version' => q{'quantum=safe'},
		'with control bytes' => q{E'cn=a\x1b[2Jb\nc'});

	foreach my $what (sort keys %broken)
	{
		$hand->($broken{$what});
		isnt($srv->login(user => 'alice', tls => 0)->{status}, 0, "$what: turned away");
		my $log = $srv->try_sql('security label for pg_cert_policy on role alice is null')->{log};
		like($log, qr/Old policy: "/, "$what: the old text is logged");
		unlike($log, qr/[\x00-\x08\x0b-\x1f]/, "$what: without control bytes");
		$gone->($what);

		$hand->($broken{$what});
		$srv->stop;
		my $got = single('postgres', "security label for pg_cert_policy on role alice is null\n");
		unlike($got->{stderr}, qr/ERROR|FATAL|PANIC/, "$what: in single-user mode");
		$srv->start;
		$gone->($what);
	}
};

subtest 'TLS turned off under the policies' => sub {
	$srv->sql(q{security label for pg_cert_policy on role alice is 'any'});
	is($srv->login(user => 'alice', cert => $x)->{status}, 0, 'before');
	$srv->conf("ssl = off\n");
	$srv->reload;
	my $got = $srv->login(user => 'alice', cert => $x, conninfo => 'sslmode=prefer');
	is($got->{status}, 2, 'nobody gets in without');
	like($got->{log}, qr/DETAIL:  Policy of role "alice": no TLS\.\n/, 'and the log says why');
	$srv->conf("ssl = on\nssl_ca_file = ''\n");
	$srv->reload;
	$got = $srv->login(user => 'alice', cert => $x);
	is($got->{status}, 2, 'nor where no certificate is asked for');
	like($got->{log}, qr/DETAIL:  Policy of role "alice": no certificate\.\n/, 'the log says why');
	$srv->conf("ssl_ca_file = '$ca->{cert}'\n");
	$srv->reload;
};

# PostgreSQL's own answer to a bad value at start is the default.
subtest 'misspelt at start' => sub {
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=nobody'});
	$srv->sql(q{create role free login});
	my $start = sub {
		my ($lines) = @_;
		my $mark = $srv->log_mark;
		$srv->conf($lines);
		$srv->restart;
		return $srv->log_since($mark);
	};
	my $warned = sub {
		my ($log, $name, $value, $counts_as) = @_;
		like($log, qr/WARNING:  invalid value for parameter "pg_cert_policy.$name": "\Q$value\E"\n.*DETAIL:  $counts_as/,
			"$name = $value: the log says what it counts as");
	};

	my $log = $start->("pg_cert_policy.enforce = 'offf'\n");
	$warned->($log, 'enforce', 'offf', 'It counts as "on"');
	like($srv->login(user => 'alice', cert => $x)->{log}, qr/FATAL:  certificate policy rejects/, 'enforce is on');

	$srv->hba('local all all peer map=me', 'host all all 127.0.0.1/32 trust');
	$srv->ident('me ' . getpwuid($>) . ' alice');
	$log = $start->("pg_cert_policy.enforce = 'on'\npg_cert_policy.local_connections = 'alow'\n");
	$warned->($log, 'local_connections', 'alow', 'It counts as "reject"');
	like($srv->login(user => 'alice', tls => 0)->{log}, qr/Policy of role "alice": no TLS\./, 'not even peer is let in');

	$log = $start->("pg_cert_policy.local_connections = 'peer'\npg_cert_policy.exempt_roles = 'postgres,'\n"
		  . "pg_cert_policy.default_policy = 'cn='\n");
	$warned->($log, 'exempt_roles', 'postgres,', 'No role is exempt');
	$warned->($log, 'default_policy', 'cn=', 'The policy cannot be read: .* Every login that it covers is rejected');
	like($srv->login(user => 'postgres', conninfo => 'sslmode=disable')->{log},
		qr/Policy of default_policy cannot be read: /, 'nobody is exempt, and the default rejects');
	is($srv->login(user => 'alice', tls => 0)->{status}, 0, 'peer is let in');

	$log = $start->("pg_cert_policy.exempt_roles = ''\npg_cert_policy.default_policy = ''\n"
		  . "pg_cert_policy.disconnect_expired = 'offf'\npg_cert_policy.expiry_grace = '10 sheep'\n"
		  . "pg_cert_policy.recheck_interval = '1 sheep'\npg_cert_policy.enforse = 'off'\n");
	$warned->($log, 'disconnect_expired', 'offf', 'It counts as "on"');
	$warned->($log, 'recheck_interval', '1 sheep', 'It counts as 10s');
	$warned->($log, 'expiry_grace', '10 sheep', 'It counts as 0');
	like($log, qr/WARNING:  .*"pg_cert_policy.enforse"/, 'a name that does not exist is told of');
	my $mark = $srv->log_mark;
	# it has to be there before the certificate expires, on a busy machine too
	my $before = time;
	$srv->login(user => 'free', cert => $x) foreach 1 .. 4;
	my $cert = $pki->leaf('short', issuer => $ca,
		not_after => strftime('%Y%m%d%H%M%SZ', gmtime(time + 6 + time - $before)));
	my $session = CertPolicy::Session->new($srv, user => 'free', cert => $cert);
	like($session->wait_for_end, qr/terminating connection/, 'sessions end with their certificates');
	like($srv->log_since($mark),
		qr/ending session of role "free" .* as its certificate has expired\n.*the grace period is 0 s/,
		'at once, without grace');
	my $other = CertPolicy::Session->new($srv, user => 'free', cert => $x);
	# judged again every ten seconds
	my $superuser = CertPolicy::Session->new($srv, user => 'postgres', conninfo => 'sslmode=disable');
	$superuser->query(q{security label for pg_cert_policy on role free is 'cn=nobody'});
	like($other->wait_for_end, qr/terminating connection/, 'and are judged again every 10 s');
	$superuser->close;
};

done_testing();
