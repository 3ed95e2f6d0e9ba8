# Every message that the project can print is in docs/troubleshooting.md: the texts
# are taken from the sources, so a new one fails this test until the page says what
# it means.  So are those of libpq, PostgreSQL and OpenSSL that users have asked
# about.  No server is needed; it is a check of texts against a text.
use strict;
use warnings;

use FindBin;
use File::Basename qw(basename);
use Test::More;

my $root = "$FindBin::RealBin/..";
my $page = slurp("$root/docs/troubleshooting.md");

# In a table a stroke is written "\|".
$page =~ s/\\\|/|/g;
$page =~ s/\s+/ /g;

# What is no message, though it has words: SQL, help texts and layouts of pgcertsel
# (which the client guide shows), names of locks and processes.
my $no_message = qr/
	^(?:SELECT|SECURITY\ LABEL|ALTER\ SYSTEM|LOAD|--)\b
	| ^pg_cert_policy\ (?:login|session|sessions|statistics(?:\ by\ use)?|rejections|watchdog)$
	| ^the\ longest\ policy\ does\ not\ fit	# asserted at compile time
	| \\n.*[A-Za-z].*\\n	# several lines
	| ^\[CONNINFO\] | ^\ --\ PROGRAM | ^pgcertsel\ %s\ \(libpq
	| ^(?:print|run|show)\ .*(?:certificate|announces|bundle|reasons)
	| ^\ \ \ \ \ \ VERDICT | ^STATE\ \ | ^(?:subject|issuer|names|valid|sha256)\ \ +%s | ^Usage:
	| (?:export|unset)\ (?:PG|%s)
	| ^PRIVATE\ KEY$ | ^-----BEGIN[ ]
	| ^[^A-Za-z]*\{?\\"	# JSON
	| ^(?:null)?,\ \\"
/x;

sub slurp
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!\n";
	local $/ = undef;
	return <$file>;
}

# The string literals of a C source: [ line, text ].  Neighbours are one.
sub literals
{
	my ($source) = @_;
	my @found;
	my $open = 0;

	# descriptions of settings are documentation themselves
	$source =~ s/^\t+DefineCustom\w+\(.*?\);$/"\n" x ($& =~ tr!\n!!)/gmse;
	while ($source =~ /\G(?:(\/\*.*?\*\/|\s+)|"((?:[^"\\]|\\.)*)"|'(?:[^'\\]|\\.)+'|(#\s*include[^\n]*)|(.))/gs)
	{
		my ($blank, $text) = ($1, $2);

		if (defined $text)
		{
			push @found, [ 1 + (substr($source, 0, $-[0]) =~ tr/\n//), '' ] unless $open;
			$found[-1][1] .= $text;
			$open = 1;
		}
		elsif (!defined $blank)
		{
			$open = 0;
		}
	}
	return @found;
}

# Those that have at least two words.
sub messages
{
	my ($source) = @_;

	return grep {
		my $text = $_->[1];

		$text !~ $no_message && $text =~ s/%[-#0*.\d]*(?:z|l|ll)?[a-zA-Z]/ /gr =~ /[A-Za-z]{2,}['",;:)]*\s.*[A-Za-z]{2,}|[A-Za-z]\s+[A-Za-z]{2,}/
	} literals($source);
}

# The page has the text, with whatever in the place of "%s".
sub is_in
{
	my ($text, $in) = @_;

	$text =~ s/^\s+|(?:\\n)+$|\s+$//g;
	$text =~ s/^(?:\\n)+//;
	$text =~ s/\\([\\"])/$1/g;
	my $pattern = join '.{0,120}?',
	  map { join '\s+', map { quotemeta } split /\s+/, s/\0/%/gr, -1 }
	  split /%[-#0*.\d]*(?:z|ll|l)?[a-zA-Z]/, $text =~ s/%%/\0/gr, -1;

	return $in =~ /$pattern/;
}

# --- the project's own ----------------------------------------------------------

my $n = 0;
foreach my $path (map { glob "$root/$_/*.c" } qw(common extension client client/cli))
{
	my @missing = grep { $n++; !is_in($_->[1], $page) } messages(slurp($path));
	my $name = $path =~ s/^\Q$root\E\///r;

	is(join('', map { "line $_->[0]: $_->[1]\n" } @missing), '', "$name: every message is in docs/troubleshooting.md");
}
cmp_ok($n, '>', 300, "there are $n of them");

# --- libpq's and PostgreSQL's ------------------------------------------------------

# Those that are in the programs here, if they are about TLS or certificates.
# Not so are descriptions of settings, what is said at DEBUG2 or in a trace,
# addresses in pg_hba.conf, LDAP's and OAuth's TLS, and keys that are logged.
my $about_tls = qr/
	\b(?:SSL | TLS(?:v[\d.]+)? | certificates? | private\ key | channel\ binding | clientcert | clientname
		| usermap | ssl\w+ | ciphers? | passphrase | pg_hba\.conf | DH | ECDH)\b/x;
my $not_wrong = qr/
	^(?:Sets|Shows|Location|Controls|Command|Enables|Name)\b | ^Also\ use\ ssl_passphrase | ^-l\b
	| ^SSL:\ (?:accept|connect|read|write)\b | ^SSL\ (?:connection\ from|enabled|renegotiation)\b
	| ^direct\ SSL\ connection\ (?:accepted|rejected)$ | ^Waiting\ for\ SSL
	| ^-----(?:BEGIN|END) | ^DH\ load\ buffer | ^Backend\ SSL\ Status | ^Connections\ and\ Authentication
	| ^An\ empty\ string\ means | \bissuer"?\ and\ "?scope\b | \baddress\ resolution\b
	| \bLDAP\b | \bOAuth\b | \bSSL\ key\ logging\b | ^could\ not\ open\ usermap
/x;

sub printed_by
{
	my ($path) = @_;
	my %found;
	my $bytes = slurp($path);

	while ($bytes =~ /([\t\n\x20-\x7e]{12,})\0/g)
	{
		foreach my $text (map { s/^\s+|\s+$//gr } split /\n/, $1)
		{
			$found{$text} = 1
			  if $text =~ $about_tls && $text !~ $not_wrong && $text =~ /\w+"? ["%(]?\w+["%)]* ["%(]?\w+/;
		}
	}
	return sort keys %found;
}

chomp(my ($bindir, $libdir) = map { `${\($ENV{PG_CONFIG} || 'pg_config')} $_` } '--bindir', '--libdir');
foreach my $path ("$bindir/postgres", "$libdir/libpq.so.5")
{
  SKIP: {
		skip "there is no $path", 1 unless -r $path;
		my @texts = printed_by($path);

		cmp_ok(scalar(@texts), '>', 25, "$path has messages");
		is(join('', map { "$_\n" } grep { !is_in($_, $page) } @texts), '', 'and each is in docs/troubleshooting.md');
	}
}

# --- and others' -------------------------------------------------------------------

foreach my $text (
	'ca md too weak', 'ee key too small', 'no start line', 'key values mismatch', 'bad decrypt',
	'private key file "..." has group or world access; file must have permissions u=rw (0600) or less',
	'must be owned by the current user or root', 'certificate present, but not private key file',
	'certificate authentication failed for user', 'connection requires a valid client certificate',
	'no pg_hba.conf entry for host', 'no encryption', 'do not match',
	'clientcert only accepts "verify-full" when using "cert" authentication',
	'clientcert can only be set to "verify-full" when using "cert" authentication', 'pg_hba.conf was not reloaded',
	'alert unknown ca', 'tlsv1 alert unknown ca', 'alert unsupported certificate', 'alert certificate expired', 'alert bad certificate',
	'alert certificate revoked', 'certificate verify failed', 'does not match host name', 'root certificate file "..." does not exist',
	'could not accept SSL connection', 'could not load root certificate file', 'SSL configuration was not reloaded',
	'client certificates can only be checked if a root certificate store is available',
	'security label provider "pg_cert_policy" is not loaded', 'terminating connection due to administrator command',
	'alert certificate unknown', 'alert decrypt error', 'alert handshake failure', 'alert protocol version', 'alert internal error',
	'alert certificate required', 'no certificate or crl found', 'bad base64 decode', 'ca key too small', 'unsupported protocol',
	'wrong version number', 'no shared cipher', 'excessive message size', 'pg_hba.conf rejects connection', 'command "..." failed',
	'server closed the connection unexpectedly', 'SSL SYSCALL error: Connection reset by peer',
	'could not match 3 sslpassword to 2 sslkey values',
	'Server requests a client certificate but no suitable certificate is found from sslcert list provided')
{
	ok(is_in($text =~ s/\.\.\./%s/gr, $page), "the page has: $text");
}

# What X509_verify_cert() can say of a client's chain, as PostgreSQL has it look.
foreach my $text (
	'unable to get issuer certificate', 'unable to get local issuer certificate', 'unable to verify the first certificate',
	'self-signed certificate', 'self-signed certificate in certificate chain', 'certificate chain too long',
	'certificate has expired', 'certificate is not yet valid', 'format error in certificate\'s notAfter field',
	'certificate signature failure', 'unable to decode issuer public key', 'unable to decrypt certificate\'s signature',
	'unable to get certificate CRL', 'unable to get CRL issuer certificate', 'CRL has expired', 'CRL is not yet valid',
	'CRL signature failure', 'different CRL scope', 'unhandled critical CRL extension', 'key usage does not include CRL signing',
	'certificate revoked', 'unsuitable certificate purpose', 'unsupported certificate purpose', 'invalid CA certificate',
	'invalid non-CA certificate (has CA markings)', 'path length constraint exceeded', 'unhandled critical extension',
	'permitted subtree violation', 'excluded subtree violation', 'unsupported name constraint type',
	'EE certificate key too weak', 'CA certificate key too weak', 'CA signature digest algorithm too weak',
	'Certificate public key has explicit ECC parameters', 'invalid or inconsistent certificate extension',
	'proxy certificates not allowed', 'key usage does not include certificate signing', 'certificate rejected', 'certificate not trusted')
{
	ok(is_in($text, $page), "the page has OpenSSL's: $text");
}

# --- and this test can fail -----------------------------------------------------------

my @found = messages(<<'C');
#include "some file.h"
/* "not this one" */
static const char c = '"';
ereport(ERROR, (errmsg("could not frob %s: "
					   "\"%d%%\" left", x, y), errhint("Try again.")));
C
is(join('|', map { "$_->[0]: $_->[1]" } @found), '4: could not frob %s: \"%d%%\" left|5: Try again.', 'messages are found in a source');
ok(!is_in($found[0][1], 'could not grob it: "7%" left'), 'and missed in a page without them');
ok(is_in($found[0][1], 'so "could not frob ...: "..." left" it says: could not frob it: "7%" left'), 'but not in one that has them');

done_testing();
