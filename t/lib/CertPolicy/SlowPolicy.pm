# The policy language once more, for tests: read as the table and the fine print
# of the documentation say, and never by looking at how common/ does it.  Slow,
# short, and without any cleverness.
#
#	my $policy = CertPolicy::SlowPolicy::parse($text);		undef if it is none
#
#	{ exempt => 1 }
#	{ mode, local, on_expiry,			'' where nothing is said
#	  any => 1, or
#	  alternatives => [ [ { name, negated, values => [ ... ] }, ... ], ... ] }
#
# A value is what its clause needs: a pattern { type, pieces } with pieces of
# [ 'bytes', ... ], [ 'star' ] and [ 'role' ]; an address; a name as the text that
# canonical_name() gives for equal names; hex digits; a dotted OID; a word; a number.
package CertPolicy::SlowPolicy;

use strict;
use warnings;

use Encode ();
use Socket qw(inet_pton AF_INET AF_INET6);

my %read = (
	cn => \&pattern,
	dn => \&name,
	san => \&san,
	ca => \&name,
	ca_key_sha256 => \&sha256,
	issuer => \&name,
	key_sha256 => \&sha256,
	cert_sha256 => \&sha256,
	serial => \&serial,
	eku => \&eku,
	policy_oid => \&oid,
	key_type => \&key_type,
	min_security_bits => \&bits,
	max_lifetime => \&duration,
	min_remaining => \&duration,
	tls => \&tls);

my %must_be_quoted = map { $_ => 1 } qw(dn issuer ca);
my %takes_one_value = map { $_ => 1 } qw(min_security_bits max_lifetime min_remaining tls);
my %setting = (
	mode => qr/enforce|log/,
	local => qr/peer|allow|reject/,
	on_expiry => qr/keep|disconnect/);

# RFC 5280 and 4.2.1.12's neighbours, from the page on the language
my %purpose = (
	serverAuth => '1.3.6.1.5.5.7.3.1',
	clientAuth => '1.3.6.1.5.5.7.3.2',
	codeSigning => '1.3.6.1.5.5.7.3.3',
	emailProtection => '1.3.6.1.5.5.7.3.4',
	ipsecEndSystem => '1.3.6.1.5.5.7.3.5',
	ipsecTunnel => '1.3.6.1.5.5.7.3.6',
	ipsecUser => '1.3.6.1.5.5.7.3.7',
	timeStamping => '1.3.6.1.5.5.7.3.8',
	OCSPSigning => '1.3.6.1.5.5.7.3.9',
	DVCS => '1.3.6.1.5.5.7.3.10',
	ipsecIKE => '1.3.6.1.5.5.7.3.17',
	secureShellClient => '1.3.6.1.5.5.7.3.21',
	secureShellServer => '1.3.6.1.5.5.7.3.22',
	anyExtendedKeyUsage => '2.5.29.37.0',
	pkInitClientAuth => '1.3.6.1.5.2.3.4',
	pkInitKDC => '1.3.6.1.5.2.3.5',
	msSmartcardLogin => '1.3.6.1.4.1.311.20.2.2',
	msEFS => '1.3.6.1.4.1.311.10.3.4');

# RFC 4514's table, and OpenSSL's short names
my %attribute = (
	cn => '2.5.4.3', sn => '2.5.4.4', serialnumber => '2.5.4.5', c => '2.5.4.6',
	l => '2.5.4.7', st => '2.5.4.8', street => '2.5.4.9', o => '2.5.4.10',
	ou => '2.5.4.11', title => '2.5.4.12', gn => '2.5.4.42',
	dc => '0.9.2342.19200300.100.1.25', uid => '0.9.2342.19200300.100.1.1',
	emailaddress => '1.2.840.113549.1.9.1');

sub parse
{
	my ($text) = @_;
	my $policy = eval { policy(\$text) };

	die $@ if !defined $policy && $@ !~ /^no policy: /;
	return $policy;
}

sub no_policy
{
	die "no policy: $_[0]\n";
}

# ---------------------------------------------------------------------------
# The grammar
# ---------------------------------------------------------------------------

sub policy
{
	my ($text) = @_;
	my %policy = (mode => '', local => '', on_expiry => '', alternatives => []);
	my $settings = 0;

	no_policy('too long') if length $$text > 1500;
	no_policy('a character') if $$text =~ /[^\x20-\x7e\t\n]/;
	$$text =~ /\G[ \t\n]*/gc;
	if ($$text =~ /\Gexempt[ \t\n]*\z/gc)
	{
		return { %policy, exempt => 1 };
	}
	while ($$text =~ /\G(mode|local|on_expiry)[ \t\n]*=[ \t\n]*/gc)
	{
		my $name = $1;

		$$text =~ /\G($setting{$name})(?:[ \t\n]+|\z)/gc or no_policy("setting $name");
		no_policy("$name twice") if $policy{$name} ne '';
		$policy{$name} = $1;
	}
	if ($$text =~ /\Gany[ \t\n]*\z/gc)
	{
		return { %policy, any => 1 };
	}
	do
	{
		push @{ $policy{alternatives} }, alternative($text);
	} while ($$text =~ /\Gor(?:[ \t\n]+|\z)/gc);
	$$text =~ /\G\z/ or no_policy('something behind');
	return \%policy;
}

# One clause or more, each with the blanks behind it, up to "or" or the end.
sub alternative
{
	my ($text) = @_;
	my @clauses;

	do
	{
		push @clauses, clause($text);
	} until ($$text =~ /\G\z/ || $$text =~ /\Gor(?![ \t\n]*!?=)(?=[ \t\n]|\z)/);
	return \@clauses;
}

sub clause
{
	my ($text) = @_;

	$$text =~ /\G([a-z_0-9]+)[ \t\n]*(!?=)[ \t\n]*/gc or no_policy('a clause is missing');
	my %clause = (name => $1, negated => $2 eq '!=' ? 1 : 0, values => []);

	no_policy("clause $clause{name}") unless $read{ $clause{name} };
	no_policy('=') if $clause{negated} && $takes_one_value{ $clause{name} };
	for (;;)
	{
		push @{ $clause{values} }, value($text, $clause{name});
		last unless $$text =~ /\G[ \t\n]*,[ \t\n]*/gc;
		no_policy('one value') if $takes_one_value{ $clause{name} };
	}
	$$text =~ /\G(?:[ \t\n]+|\z)/gc or no_policy('a blank is missing');
	return \%clause;
}

sub value
{
	my ($text, $name) = @_;
	my $value;

	if ($$text =~ /\G"((?:[^"]|"")*)"/gc)
	{
		$value = $1 =~ s/""/"/gr;
	}
	elsif ($$text =~ m{\G([A-Za-z0-9._:/@*%+-]+)}gc)
	{
		$value = $1;
		no_policy('not quoted') if $must_be_quoted{$name};
	}
	else
	{
		no_policy('a value is missing');
	}
	no_policy('empty') if $value eq '';
	return $read{$name}->($value);
}

# ---------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------

# The first character of a text as a byte, and how much of the text that was.
sub character
{
	my ($text) = @_;

	return (chr hex $1, 3) if $text =~ /^\\([0-9A-Fa-f]{2})/;
	return ($1, 2) if $text =~ /^\\([ "#+,;<=>\\])/;
	no_policy('backslash') if $text =~ /^\\/;
	return (substr($text, 0, 1), 1);
}

sub must_be_utf8
{
	my ($bytes) = @_;

	eval { Encode::decode('UTF-8', "$bytes", Encode::FB_CROAK); 1 } or no_policy('not UTF-8');
	no_policy('NUL') if $bytes =~ /\0/;
	return $bytes;
}

sub pattern
{
	my ($text) = @_;
	my @pieces;

	while ($text ne '')
	{
		my ($byte, $used) = character($text);

		if ($text =~ /^\*/)
		{
			push @pieces, ['star'];
		}
		elsif ($text =~ /^%/)
		{
			$text =~ /^%role(?![A-Za-z0-9_])/ or no_policy('%');
			push @pieces, ['role'];
			$used = 5;
		}
		else
		{
			push @pieces, [ 'bytes', '' ] unless @pieces && $pieces[-1][0] eq 'bytes';
			$pieces[-1][1] .= $byte;
		}
		$text = substr $text, $used;
	}
	must_be_utf8($_->[1]) foreach grep { $_->[0] eq 'bytes' } @pieces;
	no_policy('empty pattern') unless @pieces;
	return { pieces => \@pieces };
}

sub san
{
	my ($text) = @_;

	$text =~ s/^(DNS|email|URI|IP|UPN)://s or no_policy('type');
	my $type = $1;
	return { %{ pattern($text) }, type => $type } if $type ne 'IP';
	no_policy('address') if $text =~ /[^0-9A-Fa-f.:]/;
	return { type => $type, address => inet_pton(AF_INET, $text) // inet_pton(AF_INET6, $text)
		  // no_policy('address') };
}

sub hex_digits
{
	my ($text) = @_;

	$text =~ /^[0-9A-Fa-f](?:[0-9A-Fa-f:]*[0-9A-Fa-f])?\z/ or no_policy('hex');
	return lc($text =~ s/://gr);
}

sub sha256
{
	my $digits = hex_digits(@_);

	# a zero in front does not matter, but 32 bytes they are
	no_policy('hash') unless length $digits == 64 || length $digits == 63;
	return substr "0$digits", -64;
}

sub serial
{
	return hex_digits(@_) =~ s/^0+//r;
}

sub oid
{
	my ($text) = @_;
	my $number = qr/0|[1-9][0-9]*/;

	$text =~ /^(?:[01]\.(?:[0-9]|[1-3][0-9])|2\.$number)(?:\.$number)*\z/ or no_policy('OID');
	return $text;
}

sub eku
{
	my ($text) = @_;

	return $purpose{$text} // oid($text);
}

sub key_type
{
	my ($text) = @_;

	$text =~ /^(?:RSA|RSA-PSS|EC|Ed25519|Ed448)\z/ or no_policy('key type');
	return $text;
}

sub bits
{
	my ($text) = @_;

	$text =~ /^[0-9]+\z/ && $text >= 1 && $text <= 512 or no_policy('bits');
	return $text + 0;
}

sub duration
{
	my ($text) = @_;
	my %seconds = (s => 1, m => 60, h => 3600, d => 86400);

	$text =~ /^([0-9]+)([smhd])\z/ or no_policy('duration');
	my $duration = $1 * $seconds{$2};
	no_policy('duration') if $duration < 1 || $duration > 36525 * 86400;
	return $duration;
}

sub tls
{
	my ($text) = @_;

	$text =~ /^1\.[23]\z/ or no_policy('version');
	return $text;
}

# ---------------------------------------------------------------------------
# Names
# ---------------------------------------------------------------------------

# RFC 4514 writes the last RDN first.
sub name
{
	my ($text) = @_;
	my @rdns = ([]);

	no_policy('%') if $text =~ /%/;
	for (;;)
	{
		$text =~ s/^[ \t\n]*([A-Za-z0-9.-]+)[ \t\n]*=[ \t\n]*// or no_policy('attribute type');
		my $oid = $attribute{ lc $1 } // oid($1);

		push @{ $rdns[0] }, [ $oid, attribute_value(\$text) ];
		last if $text !~ s/^([,+])//;
		unshift @rdns, [] if $1 eq ',';
	}
	no_policy('something behind the name') if $text ne '';
	return canonical_name(@rdns);
}

# Takes a value off the text: the type of its string (a tag of ASN.1) and its bytes.
# Blanks at its ends are the text's own unless they are escaped.
sub attribute_value
{
	my ($text) = @_;
	my ($bytes, $length) = ('', 0);

	if ($$text =~ s/^#//)
	{
		$$text =~ s/^((?:[0-9A-Fa-f]{2})+)[ \t\n]*// or no_policy('#');
		my ($tag, $size, @value) = map { hex } $1 =~ /../g;

		# long forms are not written by those who make the tests
		no_policy('DER') if !defined $size || $size > 127 || $size != @value;

		# what X.520 lets stand in a name
		my $bytes = pack 'C*', @value;
		no_policy('no string') if $tag == 26 || !defined characters($tag, $bytes);
		return ($tag, $bytes);
	}
	while ($$text =~ /^[^,+";<>]/)
	{
		my ($byte, $used) = character($$text);

		$bytes .= $byte;
		$length = length $bytes if $used > 1 || $byte !~ /[ \t\n]/;
		$$text = substr $$text, $used;
	}
	$bytes = substr $bytes, 0, $length;
	no_policy('empty') if $bytes eq '';
	return (12, must_be_utf8($bytes));
}

# X509_NAME_cmp()'s rules: characters are compared and not the type of string,
# ASCII letters in any case, blanks as one and at the ends not at all; what is no
# string of characters is compared as it is.  The order within an RDN is none.
sub canonical_name
{
	my (@rdns) = @_;

	return join ',', map {
		join '+', sort map { "$_->[0]=" . canonical_value($_->[1], $_->[2]) } @$_
	} @rdns;
}

sub canonical_value
{
	my ($tag, $bytes) = @_;
	my $text = characters($tag, $bytes);

	return "$tag:" . unpack('H*', $bytes) if !defined $text || $tag == 18;
	$text =~ s/^[ \t\n\x0b\f\r]+|[ \t\n\x0b\f\r]+\z//g;
	$text =~ s/[ \t\n\x0b\f\r]+/ /g;
	$text =~ tr/A-Z/a-z/;
	return unpack 'H*', Encode::encode('UTF-8', $text);
}

# The characters of an ASN.1 string, undef if it has none.
sub characters
{
	my ($tag, $bytes) = @_;
	my %charset = (12 => 'UTF-8', 18 => 'ISO-8859-1', 19 => 'ISO-8859-1', 20 => 'ISO-8859-1',
		22 => 'ISO-8859-1', 26 => 'ISO-8859-1', 28 => 'UTF-32BE', 30 => 'UTF-16BE');

	return unless $charset{$tag};
	return eval { Encode::decode($charset{$tag}, "$bytes", Encode::FB_CROAK) };
}

1;
