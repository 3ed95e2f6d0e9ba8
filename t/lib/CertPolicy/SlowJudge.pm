# A second judge for tests: is this certificate, over this connection, what the
# policy asks for?  It decides from the table of the documentation and from what
# was put into the certificate, and has nothing in common with common/judge.c,
# which reads certificates itself.  It is slow and does not care.
#
#	my ($truth, @rows) = CertPolicy::SlowJudge::judge($policy, $facts);
#
# policy: what CertPolicy::SlowPolicy::parse() gives.  facts: a hash of
#
#	link			plain, gss or tls
#	tls				1.0 to 1.3; undef: not known
#	role			the role's name; undef: not known
#	now				in seconds since 1970
#	leaf			undef where no certificate came, otherwise a hash of
#		subject, issuer		lists of RDNs, each a list of [ OID, tag, bytes ]
#		serial				hex, with a minus where it is negative
#		not_before, not_after	in seconds since 1970; undef: no time
#		key_type			RSA, RSA-PSS, EC, Ed25519, Ed448
#		key_sha256, cert_sha256	in hex
#		key_bits, signature_bits	how strong key and signature are
#		san, eku, policies	lists, one for each time that the extension is there, of
#							undef where it does not decode, or of its entries:
#							[ type, bytes ] for san, [ 'other', OID, tag, bytes ]
#							for its otherName, OIDs for the others
#	cas				undef: not known; else the CAs of the verified chain, hashes of
#					subject, key_sha256, key_bits, signature_bits, trusted
#
# A truth is "true", "false" or "unknown".  A row is [ alternative, clause, truth ].
package CertPolicy::SlowJudge;

use strict;
use warnings;

use CertPolicy::SlowPolicy;
use Encode ();
use List::Util qw(min);

my %fact = (
	cn => \&common_name,
	dn => sub { return whole_name($_[0]{leaf}{subject}) },
	issuer => sub { return whole_name($_[0]{leaf}{issuer}) },
	san => \&sans,
	ca => \&trusted_cas,
	ca_key_sha256 => \&ca_keys,
	key_sha256 => sub { return [ $_[0]{leaf}{key_sha256} ] },
	cert_sha256 => sub { return [ $_[0]{leaf}{cert_sha256} ] },
	serial => \&serial,
	eku => sub { return oids($_[0]{leaf}{eku}) },
	policy_oid => sub { return oids($_[0]{leaf}{policies}) },
	key_type => sub { return [ $_[0]{leaf}{key_type} // () ] },
	min_security_bits => \&weakest,
	max_lifetime => \&lifetime,
	min_remaining => \&remaining,
	tls => sub { return defined $_[0]{tls} ? [ $_[0]{tls} ] : 'unknown' });

my %wildcard = (eku => '2.5.29.37.0', policy_oid => '2.5.29.32.0');

sub judge
{
	my ($policy, $facts) = @_;
	my ($truth, @rows) = ('false');

	return 'true' if $policy->{exempt};
	if ($facts->{link} ne 'tls' || !$facts->{leaf})
	{
		return ('false', [ 0, 'certificate', 'false' ]);
	}
	if ($policy->{any})
	{
		return ('true', [ 0, 'certificate', 'true' ]);
	}
	foreach my $number (1 .. @{ $policy->{alternatives} })
	{
		my $all = 'true';

		foreach my $clause (@{ $policy->{alternatives}[ $number - 1 ] })
		{
			my $one = judge_clause($clause, $facts);

			push @rows, [ $number, $clause->{name}, $one ];
			$all = 'false' if $one eq 'false';
			$all = 'unknown' if $one eq 'unknown' && $all eq 'true';
		}
		$truth = 'true' if $all eq 'true';
		$truth = 'unknown' if $all eq 'unknown' && $truth eq 'false';
	}
	return ($truth, @rows);
}

# "=": some value is the fact, or one of the list.  "!=": the fact is there, or
# the list is not empty, and it is none of the values.
sub judge_clause
{
	my ($clause, $facts) = @_;
	my %said = (yes => 0, no => 0, nothing => 0, unknown => 0);

	foreach my $value (@{ $clause->{values} })
	{
		$said{ ask($clause, $value, $facts) }++;
	}
	if ($clause->{negated})
	{
		return 'false' if $said{yes} || $said{nothing};
		return $said{unknown} ? 'unknown' : 'true';
	}
	return 'true' if $said{yes};
	return $said{unknown} ? 'unknown' : 'false';
}

# Is the fact that value?  yes, no, nothing (there is no such fact), unknown.
sub ask
{
	my ($clause, $value, $facts) = @_;
	my $name = $clause->{name};
	my $list = $fact{$name}->($facts, $value);
	my $answer = 'nothing';

	return 'unknown' if $list eq 'unknown';
	foreach my $entry (@$list)
	{
		my $same = same($name, $value, $entry, $facts->{role});

		# nothing can be said not to be in a list with "any" in it
		$same = 'yes' if $clause->{negated} && $wildcard{$name} && $entry eq $wildcard{$name};
		return $same if $same eq 'yes' || $same eq 'unknown';
		$answer = 'no';
	}
	return $answer;
}

sub same
{
	my ($name, $value, $entry, $role) = @_;

	return matches($value, $entry, $role, '') if $name eq 'cn';
	return $value->{address} eq $entry ? 'yes' : 'no' if $name eq 'san' && $value->{type} eq 'IP';
	return matches($value, $entry, $role, $value->{type} eq 'DNS' ? 'i' : '') if $name eq 'san';
	return $entry <= $value ? 'yes' : 'no' if $name eq 'max_lifetime';
	return $entry >= $value ? 'yes' : 'no' if $name eq 'min_remaining' || $name eq 'tls';
	if ($name eq 'min_security_bits')
	{
		# the leaf may be too weak; that all are strong enough takes all of them
		return 'no' if $entry->{bits} < $value;
		return $entry->{all} ? 'yes' : 'unknown';
	}
	return $entry eq $value ? 'yes' : 'no';
}

# The pattern as a regular expression; the role's name is put in as it is.
sub matches
{
	my ($pattern, $bytes, $role, $case) = @_;
	my $regexp = '';

	foreach my $piece (@{ $pattern->{pieces} })
	{
		my ($kind, $literal) = @$piece;

		return 'unknown' if $kind eq 'role' && !defined $role;
		$regexp .= $kind eq 'star' ? '.*' : quotemeta($kind eq 'role' ? $role : $literal);
	}
	# bytes: of the letters, ASCII's alone have two cases
	return $bytes =~ /\A(?a$case:$regexp)\z/s ? 'yes' : 'no';
}

# ---------------------------------------------------------------------------
# Facts: what is there, as a list; empty where it is absent, malformed, or two
# ---------------------------------------------------------------------------

# In UTF-8; undef where the value has a NUL or is no characters.
sub utf8_of
{
	my ($attribute) = @_;
	my $text = CertPolicy::SlowPolicy::characters($attribute->[1], $attribute->[2]);

	return if !defined $text || $text eq '' || $text =~ /\0/;
	return Encode::encode('UTF-8', $text);
}

sub common_name
{
	my ($facts) = @_;
	my @cns = grep { $_->[0] eq '2.5.4.3' } map { @$_ } @{ $facts->{leaf}{subject} };

	return [] if @cns != 1;
	return [ grep { defined } utf8_of($cns[0]) ];
}

# An embedded NUL spoils a name as it does a common name.
sub whole_name
{
	my ($name) = @_;

	foreach my $attribute (map { @$_ } @$name)
	{
		my $text = CertPolicy::SlowPolicy::characters($attribute->[1], $attribute->[2]);

		return [] if defined $text && $text =~ /\0/;
	}
	return @$name ? [ CertPolicy::SlowPolicy::canonical_name(@$name) ] : [];
}

sub serial
{
	my ($facts) = @_;
	my $serial = $facts->{leaf}{serial};

	return $serial =~ /^-/ ? [] : [ lc $serial =~ s/^0+//r ];
}

# Of the value's type; one that is malformed spoils all.
sub sans
{
	my ($facts, $value) = @_;
	my @times = @{ $facts->{leaf}{san} };
	my @found;

	return [] if @times != 1 || !$times[0];
	foreach my $san (@{ $times[0] })
	{
		my ($type, @rest) = @$san;

		if ($type eq 'other' && $rest[0] eq '1.3.6.1.4.1.311.20.2.3')
		{
			return [] if $rest[1] != 12 || !defined utf8_of(\@rest);
			push @found, $rest[2] if $value->{type} eq 'UPN';
		}
		elsif ($type =~ /^(?:DNS|email|URI)$/)
		{
			return [] if $rest[0] !~ /^[\x01-\x7f]+\z/;
			push @found, $rest[0] if $value->{type} eq $type;
		}
		elsif ($type eq 'IP')
		{
			return [] if length $rest[0] != 4 && length $rest[0] != 16;
			push @found, $rest[0] if $value->{type} eq $type;
		}
	}
	return \@found;
}

sub oids
{
	my ($times) = @_;

	return @$times == 1 && $times->[0] ? $times->[0] : [];
}

# An intermediate that the client sent can have any name.
sub trusted_cas
{
	my ($facts) = @_;

	return 'unknown' if !$facts->{cas};
	return [ map { CertPolicy::SlowPolicy::canonical_name(@{ $_->{subject} }) }
		grep { $_->{trusted} } @{ $facts->{cas} } ];
}

sub ca_keys
{
	my ($facts) = @_;

	return 'unknown' if !$facts->{cas};
	return [ map { $_->{key_sha256} } @{ $facts->{cas} } ];
}

# Keys and signatures of the chain, but not the anchor's own signature.  Who does
# not know the chain sees what the leaf shows.
sub weakest
{
	my ($facts) = @_;
	my @chain = ($facts->{leaf}, @{ $facts->{cas} // [] });
	my @bits = map { ($_->{key_bits}, $_->{signature_bits}) } @chain;

	pop @bits if $facts->{cas};
	return [ { bits => min(@bits), all => $facts->{cas} ? 1 : 0 } ];
}

# The two times make one fact, and nothing lives for less than no time.
sub lifetime
{
	my ($facts) = @_;
	my ($before, $after) = @{ $facts->{leaf} }{qw(not_before not_after)};

	return defined $before && defined $after && $after >= $before ? [ $after - $before ] : [];
}

sub remaining
{
	my ($facts) = @_;
	my ($before, $after) = @{ $facts->{leaf} }{qw(not_before not_after)};

	return defined $before && defined $after ? [ $after - $facts->{now} ] : [];
}

1;
