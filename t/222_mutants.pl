# The mutants that "make mutate" lets loose must stay what they are meant to be:
# each applies to the sources in exactly one place, and the tests that are to
# notice it exist.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Mutants;
use File::Basename qw(dirname);
use Test::More;

my $tree = dirname($FindBin::RealBin);
my @mutants = CertPolicy::Mutants::all($tree);
my (%names, %count);

foreach my $mutant (@mutants)
{
	my $name = "$mutant->{file}: $mutant->{name}";
	my @missing = grep { $_ ne 'common' && !-e "$tree/$_" } @{ $mutant->{tests} };

	ok(defined eval { CertPolicy::Mutants::applied($tree, $mutant) } && !@missing && !$names{$name}++, $name)
	  or diag($@ || "$mutant->{where}: its name is taken, or there is no @missing");
	$count{ dirname($mutant->{file}) }++;
}
cmp_ok($count{common}, '>=', 150, 'mutants of common/');
cmp_ok($count{extension}, '>=', 30, 'mutants of extension/');
done_testing();
