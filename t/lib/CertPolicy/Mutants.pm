# Changes to the sources that a test has to notice, read from t/mutants/*.txt:
#
#	mutant A CA that the client sent counts as trusted
#	in common/judge.c
#	by t/001_login.pl t/040_cases.pl
#	since 16
#	 			/* an intermediate that the client sent can have any name */
#	-			if (!ca->trusted)
#	-				continue;
#	+			(void) 0;
#
# Whole lines, as a patch has them: lines to find, lines to find and take away,
# lines to put in.  They must be found in the file exactly once, so that a mutant
# that no longer means anything is an error.  "by" names the tests that are to
# notice, the quickest first; without it, they are the tests of common/.  "since"
# is the first major version of the server that has what the mutant is about.  A
# blank line ends a mutant; "#" begins a comment outside of one.
package CertPolicy::Mutants;

use strict;
use warnings;

# All mutants of a source tree, as hashes of name, file, tests, since, old, new,
# and where they stand.
sub all
{
	my ($tree) = @_;

	return map { from_file($tree, $_) } sort glob "$tree/t/mutants/*.txt";
}

sub from_file
{
	my ($tree, $path) = @_;
	my (@mutants, $mutant);

	open my $file, '<', $path or die "could not read $path: $!\n";
	while (my $line = <$file>)
	{
		if ($line eq "\n")
		{
			undef $mutant;
		}
		elsif (!$mutant)
		{
			next if $line =~ /^#/;
			$line =~ /^mutant (.+)$/ or die "$path:$.: no mutant begins here\n";
			$mutant = { name => $1, where => "$path:$.", tests => ['common'],
				since => 0, old => '', new => '' };
			push @mutants, $mutant;
		}
		elsif ($line =~ /^in (\S+)$/) { $mutant->{file} = $1 }
		elsif ($line =~ /^by (.+)$/) { $mutant->{tests} = [ split / /, $1 ] }
		elsif ($line =~ /^since (\d+)$/) { $mutant->{since} = $1 }
		elsif ($line =~ /^([ +-])(.*)$/s)
		{
			$mutant->{old} .= $2 if $1 ne '+';
			$mutant->{new} .= $2 if $1 ne '-';
		}
		else { die "$path:$.: what is this?\n" }
	}
	return @mutants;
}

# The file as the mutant would have it; dies if it does not apply.
sub applied
{
	my ($tree, $mutant) = @_;
	my $before = "\n" . content("$tree/$mutant->{file}");
	my @parts = split /(?<=\n)\Q$mutant->{old}\E/, $before, -1;

	die "$mutant->{where}: changes nothing\n" if $mutant->{old} eq $mutant->{new};
	die "$mutant->{where}: its lines are found " . (@parts - 1) . " times in $mutant->{file}\n"
	  if $mutant->{old} eq '' || @parts != 2;
	return substr join($mutant->{new}, @parts), 1;
}

sub content
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!\n";
	local $/ = undef;
	return scalar <$file>;
}

1;
