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
	| ^pg_cert_policy\ (?:login|session|sessions|statistics|rejections|watchdog)$
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
	'could not match 3 sslpassword to 2 sslkey values',
	'Server requests a client certificate but no suitable certificate is found from sslcert list provided')
{
	ok(is_in($text =~ s/\.\.\./%s/gr, $page), "the page has: $text");
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
