# The settings that are times: what they are shown as, and what a misspelt one
# counts as, at a reload that follows a good value and at start.  PostgreSQL's
# own answers, the value from before and the default, would be laxer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use POSIX qw(strftime);
use Test::More;

my $day = 86400;
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca));

$srv->sql('create extension pg_cert_policy; create role alice login');

sub valid
{
	my ($name, $lived, $left) = @_;
	my ($from, $until) = map { strftime('%Y%m%d%H%M%SZ', gmtime(time + $_)) } -$lived, $left;

	return $pki->leaf($name, issuer => $ca, not_before => $from, not_after => $until);
}

# In its last tenth of a thousand days, but more than a week before the end.
my $old = valid('old', 950 * $day, 50 * $day);

sub warned
{
	my ($log, $name, $value, $counts_as) = @_;
	like($log, qr/WARNING:  invalid value for parameter "pg_cert_policy.$name": "\Q$value\E"\n[^\n]*DETAIL:  It counts as $counts_as until it is corrected\.\n[^\n]*HINT:  It is a time /,
		"$name = $value: the log says what it counts as");
	return;
}

sub show
{
	my ($name) = @_;
	return $srv->sql("show pg_cert_policy.$name");
}

subtest 'what is shown' => sub {
	is(show('expiry_warning'), '7d', 'the default');
	$srv->conf("pg_cert_policy.expiry_grace = '90 min'\npg_cert_policy.expiry_warning = 1209600\n");
	unlike($srv->reload, qr/WARNING/, 'times with a unit and without are taken');
	is(show('expiry_grace'), '90 min', 'as it was written');
	is(show('expiry_warning'), '1209600', 'in seconds');
	unlike($srv->login(user => 'alice', cert => $old)->{log}, qr/expires soon/, 'fourteen days');
};

subtest 'misspelt at a reload' => sub {
	my $short = valid('short', 3600, 6);
	my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $short);

	$srv->conf("pg_cert_policy.disconnect_expired = on\n");
	$srv->reload;
	sleep 8;
	is($session->query('select 1'), '1', 'a grace period of 90 min spares the session');

	my $mark = $srv->log_mark;
	$srv->conf("pg_cert_policy.expiry_grace = '90 sheep'\npg_cert_policy.expiry_warning = '-1'\n"
		  . "pg_cert_policy.recheck_interval = '9s'\n");
	my $log = $srv->reload;
	warned($log, 'expiry_grace', '90 sheep', '0');
	warned($log, 'expiry_warning', '-1', '365d');
	warned($log, 'recheck_interval', '9s', '10s');
	is(show('expiry_grace'), '90 sheep', 'the value can be seen');
	like($session->wait_for_end, qr/terminating connection/, 'without grace it ends');
	like($srv->log_since($mark), qr/expired\n.*the grace period is 0 s\./, 'and the log says so');
	like($srv->login(user => 'alice', cert => $old)->{log}, qr/certificate of role "alice" expires soon/,
		'and is warned of as early as can be');
};

subtest 'misspelt at start' => sub {
	my $mark = $srv->log_mark;

	$srv->conf("pg_cert_policy.expiry_grace = '366d'\npg_cert_policy.expiry_warning = 'soon'\n"
		  . "pg_cert_policy.recheck_interval = ''\n"
		  . "pg_cert_policy.max_tracked = 'many'\npg_cert_policy.session_bytes = '16 sheep'\n");
	$srv->restart;
	my $log = $srv->log_since($mark);
	warned($log, 'expiry_grace', '366d', '0');
	warned($log, 'expiry_warning', 'soon', '365d');
	warned($log, 'recheck_interval', '', '10s');
	# sizes let nobody in: PostgreSQL's own answer will do
	like($log, qr/WARNING:  .*"pg_cert_policy.$_"/, "$_: the log says so") foreach qw(max_tracked session_bytes);
	is(show('max_tracked') . ' ' . show('session_bytes'), '1000 16kB', 'a size is what it is by default');
	like($srv->login(user => 'alice', cert => $old)->{log}, qr/certificate of role "alice" expires soon/,
		'is warned of as early as can be');

	my $short = valid('short2', 3600, 6);
	my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $short);
	like($session->wait_for_end, qr/terminating connection/, 'there is no grace');
	$log = $srv->log_since($mark);
	like($log, qr/expired\n.*the grace period is 0 s\./, 'and the log says so');
};

subtest 'ALTER SYSTEM' => sub {
	foreach my $case (
		[ 'expiry_grace', '366d', 'of at most 365d' ],
		[ 'expiry_warning', 'soon', 'of at most 365d' ],
		[ 'recheck_interval', '9', 'from 10s to 7d' ])
	{
		my ($name, $value, $hint) = @$case;
		like($srv->try_sql("alter system set pg_cert_policy.$name = '$value'")->{stderr},
			qr/ERROR:  invalid value for parameter "pg_cert_policy.$name": "$value"\nHINT:  It is a time $hint/,
			"$name = $value");
	}
	is($srv->try_sql(q{alter system set pg_cert_policy.expiry_grace = '1h'})->{status}, 0, 'a good one is taken');
	is($srv->sql(q{select string_agg(name, ' ' order by name) from pg_file_settings
			where name like 'pg_cert_policy.%' and error is not null}),
		join(' ', map { "pg_cert_policy.$_" } qw(expiry_warning max_tracked recheck_interval session_bytes)),
		'pg_file_settings has those of the file');
};

done_testing();
