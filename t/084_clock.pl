# The server's clock jumps by a day, forwards and back.  Sessions that are watched
# stay watched, and a certificate is judged by the time that it is now.  A library
# between the server and the system sets the clock; see t/lib/clock.c.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(run);
use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use POSIX qw(strftime);
use Test::More;

plan skip_all => 'LD_PRELOAD and /proc are of Linux' unless $^O eq 'linux';

my $hour = 3600;
my $day = 24 * $hour;
my $pki = CertPolicy::PKI->new;
my $dates = sub {
	my ($from, $to) = @_;
	return (not_before => strftime('%Y%m%d%H%M%SZ', gmtime(time + $from)), not_after => strftime('%Y%m%d%H%M%SZ', gmtime(time + $to)));
};
my $ca = $pki->root('ca', $dates->(-10 * $day, 1000 * $day));
my $shift = $pki->dir . '/shift';
my $library = $pki->dir . '/clock.so';
my $got = run(split(/ /, $ENV{CC} || 'cc'), qw(-Wall -Wextra -Werror -shared -fPIC -o), $library, "$FindBin::RealBin/lib/clock.c");
die "could not build clock.c: $got->{stderr}" unless $got->{ok};

# What all processes see from now on.
sub set_clock
{
	my ($seconds) = @_;

	open my $file, -e $shift ? '+<:raw' : '>:raw', $shift or die "could not write $shift: $!";
	syswrite $file, pack 'q', $seconds;
	close $file or die "could not write $shift: $!";
	return;
}

set_clock(0);
my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ],
	conf => "pg_cert_policy.disconnect_expired = on\n",
	start => 0);
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{CLOCK_SHIFT} = $shift;
	$srv->start;
}
$srv->sql(<<'SQL');
create extension pg_cert_policy;
create role alice login;
create role keeper login;
create role fresh login;
create role watched login;
security label for pg_cert_policy on role keeper is 'on_expiry=keep any';
security label for pg_cert_policy on role fresh is 'min_remaining=99d';
security label for pg_cert_policy on role watched is 'key_type=EC';
SQL

my $short = $pki->leaf('short', issuer => $ca, eku => 'clientAuth', $dates->(-$hour, 12 * $hour));
my $long = $pki->leaf('long', issuer => $ca, eku => 'clientAuth', $dates->(-10 * $day, 99 * $day + 12 * $hour));
my $young = $pki->leaf('young', issuer => $ca, eku => 'clientAuth', $dates->(-12 * $hour, 99 * $day));
my $mark;

sub server_time
{
	return $srv->sql('select round(extract(epoch from clock_timestamp()))') - time;
}

subtest 'as it is' => sub {
	cmp_ok(abs(server_time()), '<', 60, 'the clock is right');
	is($srv->login(user => 'fresh', cert => $long)->{status}, 0, 'enough is left of a certificate');
	is($srv->login(user => 'alice', cert => $young)->{status}, 0, 'another is twelve hours old');
};

my %session = (
	ends => CertPolicy::Session->new($srv, user => 'alice', cert => $short),
	kept => CertPolicy::Session->new($srv, user => 'keeper', cert => $short),
	lives => CertPolicy::Session->new($srv, user => 'alice', cert => $long),
	plain => CertPolicy::Session->new($srv, user => 'alice'));

subtest 'a day forwards' => sub {
	$mark = $srv->log_mark;
	set_clock($day);
	cmp_ok(abs(server_time() - $day), '<', 60, 'the server has it');

	my $got = $srv->login(user => 'alice', cert => $short);
	isnt($got->{status}, 0, 'a certificate that has expired by that is refused');
	like($got->{log}, qr/could not accept SSL connection: certificate verify failed/, 'by TLS');
	like($got->{stderr}, qr/certificate (?:has )?expired/, 'with its reason');
	$got = $srv->login(user => 'fresh', cert => $long);
	like($got->{log}, qr/DETAIL:  Policy of role "fresh": min_remaining: required at least 99d, found \S/, 'what is left is counted from now');
	is($srv->sql('select accepted_now, remaining < interval \'99 days\' from pg_cert_sessions where pid = ' . $session{lives}->pid), 't|t', 'the view, too');

	# nobody has told the watchdog; it looks by itself
	like($session{ends}->wait_for_end, qr/terminating connection/, 'a session ends with its certificate, by itself');
	like($srv->log_since($mark), qr/ending session of role "alice" with PID @{[$session{ends}->pid]}, as its certificate has expired\n.*DETAIL:  The certificate was valid until /,
		'and the log says why');
	is($session{$_}->query('select 1'), 1, "another goes on: $_") foreach qw(kept lives plain);
};

# Whatever was planned for a time is planned anew.
subtest 'two days back' => sub {
	$srv->conf("pg_cert_policy.recheck_interval = 10s\n");
	$srv->reload;
	$session{watched} = CertPolicy::Session->new($srv, user => 'watched', cert => $long);
	# the watchdog has read the setting when it has used it
	$srv->sql(q{security label for pg_cert_policy on role keeper is 'on_expiry=keep mode=log key_type=RSA'});
	$srv->wait_for_log(qr/would end session of role "keeper" with PID @{[$session{kept}->pid]}, as its login would be rejected now/, $mark);

	$mark = $srv->log_mark;
	set_clock(-$day);
	cmp_ok(abs(server_time() + $day), '<', 60, 'the server has it');
	my $got = $srv->login(user => 'alice', cert => $young);
	isnt($got->{status}, 0, 'a certificate that is not yet valid is refused');
	like($got->{log}, qr/could not accept SSL connection: certificate verify failed/, 'by TLS');
	is($srv->login(user => 'fresh', cert => $long)->{status}, 0, 'enough is left again');
	is($srv->login(user => 'alice', cert => $long)->{status}, 0, 'another logs in');

	$srv->sql(q{security label for pg_cert_policy on role watched is 'key_type=RSA'});
	like($session{watched}->wait_for_end, qr/terminating connection/, 'sessions are judged again, and not only in two days');
	like($srv->log_since($mark), qr/ending session of role "watched" with PID @{[$session{watched}->pid]}, as its login would be rejected now\n.*DETAIL:  Policy of role "watched": key_type: required "RSA", found EC\./,
		'and the log says why');
	is($session{$_}->query('select 1'), 1, "another goes on: $_") foreach qw(kept lives plain);
};

subtest 'and right again' => sub {
	set_clock(0);
	is($srv->login(user => 'alice', cert => $_)->{status}, 0, "$_->{name} logs in") foreach $short, $long, $young;
	is($session{$_}->query('select 1'), 1, "another goes on: $_") foreach qw(kept lives plain);
	unlike($srv->log_since(0), qr/PANIC|terminated by signal/, 'nothing crashed');
};

$session{$_}->close foreach qw(kept lives plain);
$srv->stop;
done_testing();
