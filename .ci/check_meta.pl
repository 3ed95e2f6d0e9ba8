#!/usr/bin/env perl
#
# check_meta.pl FOLDER - is FOLDER/META.json what PGXN takes?
#
# Checks it by the rules of the PGXN Meta Spec 1.0.0, and against what the
# folder holds: the files that it names, and the versions that are written
# elsewhere.  Prints NAME-VERSION if all is well; otherwise says everything that
# is not, and ends with status 1.
use strict;
use warnings;

use JSON::PP ();

my $top = shift // die "usage: check_meta.pl FOLDER\n";
my @problems;

# A version is a Semantic Version 1.0.0; a file is in the archive.
my $number = qr/(?:0|[1-9][0-9]*)/;
my $version = qr/$number\.$number\.$number(?:[A-Za-z][0-9A-Za-z-]*)?/;
my $range = qr/(?:==|!=|<=|>=|<|>)?\s*(?:$version|0)/;
my %kinds = (
	text => [ 'some text', sub { length $_[0] } ],
	term => [ 'a term: two characters or more, no blanks, no slashes', sub { $_[0] =~ m!\A[^\s[:cntrl:]/\\]{2,}\z! } ],
	tag => [ 'a tag: 1 to 256 characters, no slashes', sub { $_[0] =~ m!\A[^[:cntrl:]/\\]{1,256}\z! } ],
	version => [ 'a semantic version such as 1.0.0', sub { $_[0] =~ /\A$version\z/ } ],
	spec => [ 'version 1.0.0 of the specification', sub { $_[0] =~ /\A1\.0\.[0-9]+\z/ } ],
	range => [ 'a version range such as ">= 1.0.0, != 1.2.0"', sub { $_[0] =~ /\A$range(?:\s*,\s*$range)*\z/ } ],
	url => [ 'a URL', sub { $_[0] =~ m!\A[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]+\S*\z! } ],
	email => [ 'an e-mail address', sub { $_[0] =~ /\A[^@\s]+@[^@\s]+\z/ } ],
	lower => [ 'a word in lower case', sub { $_[0] =~ /\A[a-z0-9_.-]+\z/ } ],
	status => [ '"stable", "testing" or "unstable"', sub { $_[0] =~ /\A(?:stable|testing|unstable)\z/ } ],
	file => [ 'a file of the archive', sub { $_[0] !~ m!\A/|(?:\A|/)\.\.(?:/|\z)! && -f "$top/$_[0]" } ],
	license => [ 'a licence of the specification\'s list', \&is_license ]);

my %provided = (file => 'file!', version => 'version!', abstract => 'text', docfile => 'file');
my %specification = (
	name => 'term!',
	abstract => 'text!',
	version => 'version!',
	maintainer => ['text!'],
	license => ['license!'],
	provides => { '*term' => \%provided, '!' => 1 },
	'meta-spec' => { version => 'spec!', url => 'url', '!' => 1 },
	description => 'text',
	generated_by => 'text',
	release_status => 'status',
	tags => ['tag'],
	no_index => { file => ['text'], directory => ['text'] },
	prereqs => {
		map { $_ => { map { $_ => { '*term' => 'range' } } qw(requires recommends suggests conflicts) } }
		  qw(configure build test runtime develop) },
	resources => {
		homepage => 'url',
		license => ['url'],
		bugtracker => { web => 'url', mailto => 'email' },
		repository => { web => 'url', url => 'url', type => 'lower' } });

sub is_license
{
	my %known = map { $_ => 1 } qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2 gfdl_1_3
	  gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun zlib
	  open_source restricted unrestricted unknown);

	return $known{ $_[0] };
}

sub problem
{
	push @problems, "META.json: $_[0]";
	return;
}

# A rule is the kind of a value, with a "!" if it must be there; [KIND] where
# there may be several; or a map of rules, where "*KIND" stands for any name of
# that kind.
sub check
{
	my ($where, $rule, $value) = @_;

	if (ref $rule eq 'HASH')
	{
		return check_map($where, $rule, $value) if ref $value eq 'HASH';
		return problem("$where must be a map");
	}
	if (ref $rule eq 'ARRAY')
	{
		# licences may also be a map of names to addresses
		if (ref $value eq 'HASH' && $where eq 'license')
		{
			check("$where $_", 'url', $value->{$_}) foreach sort keys %$value;
			return;
		}
		return check($where, $rule->[0], $value) if ref $value ne 'ARRAY';
		problem("$where is empty") unless @$value;
		check("$where $_", $rule->[0], $value->[$_]) foreach 0 .. $#$value;
		return;
	}
	my ($words, $test) = @{ $kinds{ $rule =~ tr/!//dr } };
	problem("$where must be $words") if !defined $value || ref $value || !$test->($value);
	return;
}

sub check_map
{
	my ($where, $rules, $map) = @_;
	my $path = $where eq '' ? '' : "$where.";
	my ($any) = map { /^\*(.*)/ ? $1 : () } keys %$rules;

	foreach my $name (sort keys %$rules)
	{
		my $rule = $rules->{$name};
		my $must = ref $rule eq 'HASH' ? $rule->{'!'} : (ref $rule ? $rule->[0] : $rule) =~ /!/;
		next if $name =~ /^[*!]/ || !$must || defined $map->{$name};
		problem("$path$name is missing");
	}
	problem("$where is empty") if $any && $rules->{'!'} && !%$map;
	foreach my $name (sort keys %$map)
	{
		next if $name =~ /^x_/i;		# anybody's own
		if ($any)
		{
			check("the name $path$name", $any, $name);
			check("$path$name", $rules->{"*$any"}, $map->{$name});
		}
		elsif ($rules->{$name} && $name ne '!')
		{
			check("$path$name", $rules->{$name}, $map->{$name});
		}
		else
		{
			problem("$path$name is not in the specification");
		}
	}
	return;
}

sub text_of
{
	my ($name) = @_;

	open my $file, '<:raw', "$top/$name" or return '';
	local $/ = undef;
	return <$file> // '';
}

# What PGXN's index would show, and what is installed.
sub check_versions
{
	my ($meta) = @_;

	foreach my $name (sort keys %{ $meta->{provides} })
	{
		my ($is) = text_of("$name.control") =~ /^default_version = '(.*)'/m;
		my ($provided, $file) = @{ $meta->{provides}{$name} }{qw(version file)};

		if (!defined $is)
		{
			problem("provides.$name: there is no $name.control");
			next;
		}
		problem("provides.$name.version is $provided, $name.control says $is") unless $provided =~ /\A\Q$is\E(?:\.0)*\z/;
		problem("provides.$name.file is $file, not the script of version $is") unless $file =~ m!\b\Q$name--$is.sql\E\z!;
	}
	my ($debian) = text_of('debian/changelog') =~ /\A\S+ \(([^)-]+)/;
	problem("version is $meta->{version}, debian/changelog says $debian") if defined $debian && $debian ne $meta->{version};
	return;
}

my $meta = eval { JSON::PP->new->utf8->decode(text_of('META.json')) };
if (ref $meta eq 'HASH')
{
	check('', \%specification, $meta);
	check_versions($meta) unless @problems;
}
else
{
	problem('is not JSON: ' . ($@ =~ s/ at \S+ line.*//sr || 'it is not a map'));
}
if (@problems)
{
	print STDERR "$_\n" foreach @problems;
	exit 1;
}
print "$meta->{name}-$meta->{version}\n";
