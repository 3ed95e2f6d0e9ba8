# Servers that lie before TLS, and servers that lie in SQL.  Each answer has its
# exit status, its words, and a limit of time; no certificate is ever chosen.
# Those that say nothing or stop half-way are in 133_client_servers.pl, those that
# lie within TLS in 161_lying_tls.pl.  Not pg_regress: no PostgreSQL server lies.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(compile folder run run_with);
use CertPolicy::Liar qw(take_request take_message message columns row rows ready welcome);
use CertPolicy::PKI;
use Test::More;
use Time::HiRes qw(time);

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca1');
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');
my $bundle = folder($pki->dir . '/bundle', $alice);
my $libpq = run(compile("$FindBin::RealBin/lib/readback.c", $pki->dir . '/readback'), 'version')->{stdout};

# libpq 13 believes an error in plain text, and asks once more in the protocol's version 2.
my $told = $libpq < 140000 ? qr/could not ask 127/ : qr/could not ask .*(?:answered the request for TLS with an error|error response)/;

# Asks a liar; dies if there is no end after a minute.
sub ask
{
	my ($liar, $mode, @args) = @_;
	my $start = time;
	my $got = run_with({}, $pgcertsel, 'select',
		'host=127.0.0.1 port=' . $liar->port . " sslmode=$mode user=alice", '--bundle', $bundle, @args);

	$got->{took} = time - $start;
	return $got;
}

sub refused
{
	my ($got, $what, $status, $words, $limit) = @_;

	is($got->{status}, $status, "$what: status $status") or diag $got->{stderr};
	like($got->{stderr}, $words, 'its words');
	is(scalar(() = $got->{stderr} =~ /^/mg), 1, 'in one line') if $status == 3;
	unlike($got->{stderr}, qr/[^\x20-\x7e\n]/, 'with nothing unprintable');
	is($got->{stdout}, "sslcert='/dev/null/none'", 'and sends nothing');
	cmp_ok($got->{took}, '<', $limit, "within $limit s");
	return;
}

# --- before TLS ------------------------------------------------------------------------

my $error = message('E', "SFATAL\0C28000\0Mthis is \e[31mred\e[0m\n and a second line\0\0");
foreach my $case (
	[ 'closes at once', sub { }, 3, qr/could not ask 127\.0\.0\.1:\d+: .*(?:closed the connection|reset by peer|EOF)/ ],
	[ 'closes after the request', sub { take_request($_[0]) }, 3, qr/could not ask .*closed the connection|SSL/ ],
	[ 'declines', sub { take_request($_[0]); syswrite $_[0], 'N'; sleep 60 }, 5, qr/no TLS, .*the server does not support TLS/ ],
	[ 'declines and goes on', sub { take_request($_[0]); syswrite $_[0], 'N' . welcome(); sleep 60 },
		5, qr/no TLS, .*the server does not support TLS/ ],
	[ 'answers with an error', sub { take_request($_[0]); syswrite $_[0], $error; sleep 60 },
		3, $told ],
	[ 'answers with an error of a gigabyte', sub { take_request($_[0]); syswrite $_[0], 'E' . pack('N', 1 << 30); 1 while syswrite $_[0], 'x' x 65536 },
		3, $told ],
	[ 'answers with a wrong letter', sub { take_request($_[0]); syswrite $_[0], 'X'; sleep 60 },
		3, qr/could not ask .*invalid response to SSL negotiation: X/ ],
	[ 'answers with a letter that no terminal shall see', sub { take_request($_[0]); syswrite $_[0], "\e"; sleep 60 },
		3, qr/could not ask .*invalid response to SSL negotiation: \\1B/ ],
	[ 'answers with a letter that is half a character', sub { take_request($_[0]); syswrite $_[0], "\xc3"; sleep 60 },
		3, qr/could not ask .*invalid response to SSL negotiation: \\C3/ ],
	[ 'speaks HTTP', sub { syswrite $_[0], "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"; sleep 60 },
		3, qr/could not ask .*invalid response to SSL negotiation: H/ ],
	[ 'says yes, then speaks plainly', sub { take_request($_[0]); syswrite $_[0], 'S'; sysread $_[0], my $hello, 65536; syswrite $_[0], welcome(); sleep 60 },
		3, qr/could not ask .*(?:wrong version number|packet length|unsupported|record)/i ],
	[ 'says yes, then an alert', sub { take_request($_[0]); syswrite $_[0], 'S'; sysread $_[0], my $hello, 65536; syswrite $_[0], "\x15\x03\x03\x00\x02\x02\x28"; sleep 60 },
		3, qr/could not ask .*alert handshake failure/ ],
	[ 'says yes, then the same again', sub { take_request($_[0]); syswrite $_[0], 'S'; while (sysread $_[0], my $hello, 65536) { syswrite $_[0], $hello } },
		3, qr/could not ask .*(?:unexpected message|unexpected|alert|error)/i ],
	[ 'says yes, then alerts without end', sub { take_request($_[0]); syswrite $_[0], 'S'; sysread $_[0], my $hello, 65536; 1 while syswrite $_[0], "\x15\x03\x03\x00\x02\x01\x5a" x 100 },
		3, qr/could not ask .*(?:too many warn alerts|unexpected|alert|version)/i ],
	[ 'says one byte a second', sub { take_request($_[0]); foreach (split //, "S\x16\x03\x03\x00\x40" . "\x02" x 60) { syswrite $_[0], $_ or last; sleep 1 } },
		3, qr/could not ask .*timeout expired/ ])
{
	my ($what, $answer, $status, $words) = @$case;
	my $liar = CertPolicy::Liar->new($answer);

	# (the limit leaves room for a machine that is busy with other tests)
	refused(ask($liar, 'require', '--timeout', 2), "a server that $what", $status, $words, 12);
	like($liar->clients, $words eq $told && $libpq < 140000 ? qr/^[12]$/ : qr/^1$/, 'which is asked once');
	$liar->stop;
}

# --- in SQL: --names-from ---------------------------------------------------------------

# Answers each query with the next of these, and then waits.
sub in_sql
{
	my (@answers) = @_;

	return sub {
		my ($client) = @_;

		take_request($client);
		syswrite $client, shift @answers;
		while (@answers)
		{
			# a query ends with a Sync
			while ((my $letter = take_message($client) // return) ne 'S') { }
			my $answer = shift @answers;
			ref $answer ? $answer->($client) : syswrite $client, $answer;
		}
		sleep 60;
	};
}

my $ca_der = `openssl x509 -in $ca->{cert} -outform DER`;
my $name_der = "0\x0e1\x0c0\x0a\x06\x03U\x04\x03\x0c\x03ca1";
my @first = (welcome(), rows([qw(schema cas policies)], [ 'public', "\0", "\0" ]));
my @names = qw(position name name_der source);
my $named = rows(\@names, [ pack('N', 1), 'CN=ca1', $name_der, 'session' ]);
my $what_else = qr/could not ask for the names: the server's answer is not what was asked for/;
my $notice = message('N', "SNOTICE\0C00000\0Mlook here\0\0");

foreach my $case (
	[ 'closes after the welcome', [ welcome(), sub { close $_[0]; POSIX::_exit(0) } ], 3, qr/could not ask for the names: .*(?:closed|reset|terminat|invalid socket)/ ],
	[ 'refuses', [$error], 3, qr/could not ask for the names: .*this is \\1B\[31mred/ ],
	[ 'asks for a password', [ message('R', pack 'N', 3) ], 3, qr/could not ask for the names: .*no password supplied/ ],
	[ 'asks for what does not exist', [ message('R', pack 'N', 99) ], 3, qr/could not ask for the names: .*authentication method 99 not supported/ ],
	[ 'has no extension', [ welcome(), rows([qw(schema cas policies)]) ], 3, qr/extension pg_cert_policy is not installed/ ],
	[ 'answers with too few columns', [ welcome(), rows(['schema'], ['public']) ], 3, $what_else ],
	[ 'answers without a column', [ welcome(), rows([], []) ], 3, qr/extension pg_cert_policy is not installed/ ],
	[ 'answers with NULL', [ welcome(), rows([qw(schema cas policies)], [ undef, undef, undef ]), message('E', "SERROR\0C42601\0Mno schema\0\0") . ready() ],
		3, qr/could not ask for the names: .*no schema/ ],
	[ 'answers with nothing', [ welcome(), message('I', '') . ready() ], 3, qr/could not ask for the names: / ],
	[ 'begins a COPY to us', [ welcome(), message('1', '') . message('2', '') . message('H', pack 'C n', 0, 0) ], 3, $what_else ],
	[ 'begins a COPY from us', [ welcome(), message('1', '') . message('2', '') . message('G', pack 'C n', 0, 0) ], 3, $what_else ],
	[ 'never ends a result', [ welcome(), message('1', '') . message('2', '') . columns(@names) . message('C', "SELECT 0\0") ],
		3, qr/could not ask for the names: timeout expired/ ],
	[ 'goes silent', [welcome()], 3, qr/could not ask for the names: timeout expired/ ],
	[ 'names nobody', [ @first, rows(\@names) ], 6, qr/does not ask for a client certificate/ ],
	[ 'lacks the columns', [ @first, rows([qw(a b)], [ 'x', 'y' ]) ], 1, qr/the result has neither column name_der nor name/ ],
	[ 'names NULL', [ @first, rows(\@names, [ undef, undef, undef, undef ]) ], 1, qr/row 1 of the result holds no CA name/ ],
	[ 'names what is no name', [ @first, rows(\@names, [ pack('N', 1), 'CN=ca1', substr($name_der, 0, -1), 'session' ]) ],
		1, qr/row 1 of the result holds no CA name/ ],
	[ 'names something behind a name', [ @first, rows(\@names, [ pack('N', 1), 'CN=ca1', "$name_der\0", 'session' ]) ],
		1, qr/row 1 of the result holds no CA name/ ],
	[ 'names nobody that is ours', [ @first, rows(\@names, [ pack('N', 1), 'CN=ca1', $name_der =~ s/ca1/ca2/r, 'session' ]) ],
		2, qr/no suitable certificate/ ],
	[ 'names more than anybody trusts', [ @first, rows(\@names, ([ '', 'CN=ca1', $name_der, '' ]) x 100_002) ],
		3, qr/the server sends more than any list of CAs/ ],
	[ 'sends rows without end', [ @first, sub { my ($client) = @_;
				syswrite $client, message('1', '') . message('2', '') . columns(@names);
				my $more = row('', 'CN=ca1', $name_der x 100, '') x 100;
				1 while syswrite $client, $more } ], 3, qr/the server sends more than any list of CAs/ ],
	[ 'sends parameters without end', [ sub { } ], 3, qr/could not ask for the names: (?:timeout expired|the server sends more)/ ],
	[ 'has certificates that are none', [ welcome(), rows([qw(schema cas policies)], [ 'public', "\1", "\0" ]), $named, rows(['certificate'], [ substr $ca_der, 0, -1 ]) ],
		1, qr/row 1 of pg_trusted_cas holds no certificate/ ],
	[ 'has no column of them', [ welcome(), rows([qw(schema cas policies)], [ 'public', "\1", "\0" ]), $named, rows(['x'], ['y']) ],
		1, qr/pg_trusted_cas has no usable column certificate/ ],
	[ 'has a policy that is none', [ welcome(), rows([qw(schema cas policies)], [ 'public', "\0", "\1" ]), $named, rows([qw(policy mode)], [ "cn=\e", 'enforce' ]) ],
		1, qr/has a policy for the role that is not valid: .*0x1b/ ],
	[ 'does not say what a policy comes to', [ welcome(), rows([qw(schema cas policies)], [ 'public', "\0", "\1" ]), $named, rows(['policy'], ['any']) ],
		1, qr/pg_cert_policy_for\(\) has no usable columns policy and mode/ ])
{
	my ($what, $answers, $status, $words) = @$case;
	my $answer = $what eq 'sends parameters without end'
	  ? sub { take_request($_[0]); syswrite $_[0], message('R', pack 'N', 0); 1 while syswrite $_[0], message('S', "a\0b\0") x 1000 }
	  : in_sql(@$answers);
	my $liar = CertPolicy::Liar->new($answer);

	refused(ask($liar, 'require', '--names-from', 'host=127.0.0.1 port=' . $liar->port . ' sslmode=disable user=x dbname=x',
			'--timeout', 5), "a server that $what", $status, $words, 20);
	$liar->stop;
}

# Nobody is asked where libpq cannot read what to connect with.
my $none = run_with({}, $pgcertsel, 'select', '--bundle', $bundle, '--names-from', 'nosuch=1');
is($none->{status}, 1, '--names-from with what is no connection: status 1, not 3');
is($none->{stdout}, "sslcert='/dev/null/none'", 'and nothing is sent');

# What it would like to have printed is not; and a server that tells the truth is
# believed, or none of this would prove anything.
my $honest = CertPolicy::Liar->new(in_sql(@first, $notice . $named));
my $got = ask($honest, 'require', '--names-from', 'host=127.0.0.1 port=' . $honest->port . ' sslmode=disable user=x dbname=x');
is($got->{status}, 0, 'an honest server: status 0') or diag $got->{stderr};
is($got->{stdout}, "sslcert='$bundle/alice.crt' sslkey='$bundle/alice.key'", 'and the choice');
unlike($got->{stderr}, qr/look here/, 'but its notice is not printed');
$honest->stop;

done_testing();
