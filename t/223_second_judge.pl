# Does common/ judge as the policy language says?  Random certificates, policies
# and connections, judged by the code and by a second judge, written for this from
# the documentation's table alone: CertPolicy::SlowPolicy reads the text,
# CertPolicy::SlowJudge decides.  The certificates are real, and the second judge
# knows of them what was put in (common/test/random_triples.c).  Not pg_regress: it
# needs no server.
#
#	TRIPLES=100000 prove -v t/223_second_judge.pl		more of them
#	TRIPLES_SEED=7 ...									others
#	TRIPLES_FIRST=42 TRIPLES=1 TRIPLES_SEED=7 ...		one of them, told at length
#	TRIPLES_BUILD=/folder ...							with what was built there
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::SlowJudge;
use CertPolicy::SlowPolicy;
use File::Temp ();
use Test::More;

my $seed = $ENV{TRIPLES_SEED} || 1;
my $first = $ENV{TRIPLES_FIRST} || 1;
my $triples = $ENV{TRIPLES} || 5000;

# OpenSSL's security bits.  Of SHA-1, releases say 63 or 80: the policies ask for
# nothing in between.
my %key_bits = (
	'EC-P256' => 128, 'EC-P384' => 192, 'RSA-1024' => 80, 'RSA-2048' => 112,
	'RSA-PSS-2048' => 112, 'Ed25519' => 128, 'Ed448' => 224, 'X25519' => 128);
my %signature_bits = (SHA1 => 63, SHA256 => 128, SHA384 => 192, Ed25519 => 128, Ed448 => 224);

# --- the program -------------------------------------------------------------

my $dir = $ENV{TRIPLES_BUILD} || File::Temp::tempdir('triples_XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $program = "$dir/run_random_triples";
{
	delete local @ENV{qw(MAKEFLAGS MAKEOVERRIDES MAKELEVEL MFLAGS)};
	my $said = qx(make -s -C '$FindBin::RealBin/../common/test' BUILD='$dir' '$program' 2>&1);

	is($?, 0, 'the program is built') or BAIL_OUT($said);
}

# --- what it prints, as facts ---------------------------------------------------

sub bytes
{
	return pack 'H*', $_[0];
}

# OID:TAG:HEX, with "+" within an RDN and "," between two
sub name
{
	my ($text) = @_;

	return [ map { [ map { attribute($_) } split /\+/ ] } split /,/, $text ];
}

sub attribute
{
	my ($oid, $tag, $hex) = split /:/, $_[0], -1;

	return [ $oid, $tag, bytes($hex) ];
}

sub san
{
	my ($type, @rest) = split /:/, $_[0], -1;

	return [ 'other', $rest[0], $rest[1], bytes($rest[2]) ] if $type eq 'other';
	return [ $type, map { bytes($_) } @rest ];
}

# What is put into a certificate, by the first word of its line.
my %of_certificate = (
	subject => \&name,
	issuer => \&name,
	serial => sub { return $_[0] },
	key_sha256 => sub { return $_[0] },
	cert_sha256 => sub { return $_[0] },
	not_before => sub { return $_[0] eq 'malformed' ? undef : $_[0] },
	not_after => sub { return $_[0] eq 'malformed' ? undef : $_[0] });

sub read_certificate_line
{
	my ($cert, $word, $value) = @_;

	if ($of_certificate{$word})
	{
		$cert->{$word} = $of_certificate{$word}->($value);
	}
	elsif ($word eq 'key')
	{
		# there is no word for keys that cannot sign
		$cert->{key_type} = $value =~ s/-(?:P?\d+)$//r if $value ne 'X25519';
		$cert->{key_bits} = $key_bits{$value} // die "key $value";
	}
	elsif ($word eq 'signature')
	{
		$cert->{signature_bits} = $signature_bits{$value} // die "signature $value";
	}
	elsif ($word =~ /^(?:san|eku|policies)$/)
	{
		my ($state, @entries) = split / /, $value;

		@entries = map { san($_) } @entries if $word eq 'san';
		push @{ $cert->{$word} }, $state eq 'good' ? \@entries : undef;
	}
	else
	{
		die "what is \"$word $value\"?";
	}
	return;
}

# The lines of one triple: the facts, the policy's text, what the code said.
sub read_triple
{
	my ($handle) = @_;
	my (%facts, $number, $policy, $cert, $chain_is_known, @lines);
	my %code = (rows => []);

	while (my $line = <$handle>)
	{
		chomp $line;
		my ($word, $value) = split / /, $line, 2;

		push @lines, $line;
		if ($word eq 'end')
		{
			delete $facts{cas} unless $chain_is_known;
			return ($number, \%facts, $policy, \%code, \@lines);
		}
		elsif ($word eq 'triple') { $number = $value }
		elsif ($word eq 'link' || $word eq 'now') { $facts{$word} = $value }
		elsif ($word eq 'tls') { $facts{tls} = $value unless $value eq 'unknown' }
		elsif ($word eq 'role') { $facts{role} = bytes($value) unless $value eq 'unknown' }
		elsif ($word eq 'chain') { $chain_is_known = $value eq 'known' }
		elsif ($word eq 'policy') { $policy = bytes($value) }
		elsif ($word eq 'parsed' || $word eq 'verdict') { $code{$word} = $value }
		elsif ($word eq 'row') { push @{ $code{rows} }, $value }
		elsif ($word eq 'reason') { $code{reason} = bytes($value) }
		elsif ($word eq 'certificate')
		{
			$cert = { san => [], eku => [], policies => [], trusted => $value eq 'trusted' };
			if ($value eq 'leaf') { @facts{ 'leaf', 'cas' } = ($cert, []) }
			else { push @{ $facts{cas} }, $cert }
		}
		else { read_certificate_line($cert, $word, $value) }
	}
	return;
}

# --- the second opinion ----------------------------------------------------------

# As the code says it: "parsed", rows, and the verdict.
sub opinion
{
	my ($text, $facts) = @_;
	my $policy = CertPolicy::SlowPolicy::parse($text) // return { parsed => 'invalid', rows => [] };
	my ($truth, @rows) = CertPolicy::SlowJudge::judge($policy, $facts);

	return {
		parsed => join(' ', map { $_ eq '' ? '-' : $_ } @{$policy}{qw(mode local on_expiry)}),
		rows => [ map { "@$_" } @rows ],
		verdict => $truth };
}

# For each alternative the first clause that does not hold.
sub reason_fits
{
	my ($reason, $facts, $rows) = @_;
	my (@told, %seen);
	my @failed = grep { $_->[2] ne 'true' && !$seen{ $_->[0] }++ } map { [ split / / ] } @$rows;
	my ($last) = map { (split / /)[0] } @{$rows}[-1];

	if ($facts->{link} ne 'tls' || !$facts->{leaf})
	{
		return $reason eq { plain => 'no TLS', gss => 'GSS encryption', tls => 'no certificate' }
		  ->{ $facts->{link} };
	}
	foreach my $row (@failed)
	{
		push @told, ($last > 1 ? "alternative $row->[0]: " : '') . "$row->[1]: required .+, found .+";
	}
	my $pattern = join '; ', @told;
	return $reason =~ /^$pattern$/s;
}

sub differs
{
	my ($facts, $mine, $code) = @_;

	foreach my $what (qw(parsed verdict))
	{
		return $what if ($mine->{$what} // '') ne ($code->{$what} // '');
	}
	return 'rows' if "@{ $mine->{rows} }" ne "@{ $code->{rows} }";
	return 'reason' if defined $code->{reason} && !reason_fits($code->{reason}, $facts, $mine->{rows});
	return '';
}

sub tell_all
{
	my ($number, $what, $mine, $text, $lines) = @_;

	diag("triple $number of seed $seed: they differ in \"$what\"");
	diag("policy: $text");
	diag("second judge: $mine->{parsed}, rows ", join('; ', @{ $mine->{rows} }), ', verdict ', $mine->{verdict} // 'none');
	diag("  $_") foreach @$lines;
	diag("alone: TRIPLES_SEED=$seed TRIPLES_FIRST=$number TRIPLES=1 prove -v t/223_second_judge.pl");
	return;
}

# --- all of them -----------------------------------------------------------------

my %count = (triples => 0, invalid => 0, true => 0, false => 0, unknown => 0);
my (%said, %settings, @errors);

open my $out, '-|', $program, $seed, $first, $triples or die "could not run $program: $!";
while (my ($number, $facts, $text, $code, $lines) = read_triple($out))
{
	my $mine = opinion($text, $facts);
	my $what = differs($facts, $mine, $code);

	if ($what ne '' || $triples == 1)
	{
		push @errors, $number if $what ne '';
		tell_all($number, $what, $mine, $text, $lines) if @errors <= 10;
	}
	last if @errors == 10;
	$count{triples}++;
	$count{ $mine->{verdict} // 'invalid' }++;
	next unless defined $mine->{verdict};
	$settings{$_}++ foreach split / /, $mine->{parsed};
	# which answers each clause has been seen to give
	my $policy = CertPolicy::SlowPolicy::parse($text);
	my @clauses = map { @$_ } @{ $policy->{alternatives} };
	next unless @clauses == @{ $mine->{rows} };
	$said{"$clauses[$_]{name} " . ($clauses[$_]{negated} ? '!=' : '=')}{ (split / /, $mine->{rows}[$_])[2] }++
	  foreach 0 .. $#clauses;
}
is("@errors", '', 'the two judges agree on every one');
close $out;
is($?, 0, 'and the program ended well');
is($count{triples}, $triples, 'after all triples');

# --- were they worth it? ------------------------------------------------------------

note(join ', ', map { "$_: $count{$_}" } qw(triples invalid true false unknown));
foreach my $clause (sort keys %said)
{
	note(sprintf '%-22s true %5d, false %5d, unknown %5d', $clause,
		map { $said{$clause}{$_} // 0 } qw(true false unknown));
}
if ($triples >= 3000)
{
	my @names = qw(cn dn san ca ca_key_sha256 issuer key_sha256 cert_sha256 serial eku policy_oid key_type);
	my @single = qw(min_security_bits max_lifetime min_remaining tls);
	my @rare;

	foreach my $clause ((map { ("$_ =", "$_ !=") } @names), map { "$_ =" } @single)
	{
		push @rare, "$clause is $_: " . ($said{$clause}{$_} // 0)
		  foreach grep { ($said{$clause}{$_} // 0) < 5 } qw(true false);
	}
	is("@rare", '', 'every clause was seen to hold, and not to');
	cmp_ok($count{$_}, '>', $triples / 100, "verdicts that are $_") foreach qw(true false invalid);
	cmp_ok($count{unknown}, '>', $triples / 500, 'verdicts that are unknown');
	cmp_ok($settings{$_} // 0, '>', 10, "policies with $_")
	  foreach qw(enforce log peer allow reject keep disconnect);
}
done_testing();
