# Each diagram of the documentation is drawn from the text that is there now, and
# shown by a page.  It compares no drawings, which vary with Graphviz's version, and
# so does not need Graphviz; docs/diagrams/draw.sh notes what it has drawn from.
use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use File::Basename qw(basename dirname);
use FindBin;
use Test::More;

my $docs = "$FindBin::RealBin/../docs";
my $pages = join '', map { slurp($_) } glob("$docs/*.md"), "$docs/../README.md";
my %drawing = map { basename($_, '.svg') => slurp($_) } glob "$docs/*.svg";
my %source = map { basename($_, '.dot') => slurp($_) } glob "$docs/diagrams/*.dot";

sub slurp
{
	my ($path) = @_;

	open my $file, '<:raw', $path or die "could not read $path: $!\n";
	local $/ = undef;
	return <$file>;
}

is(join(' ', sort keys %drawing), join(' ', sort keys %source), 'each drawing has its text, and each text its drawing');
foreach my $name (sort keys %source)
{
	my ($from) = ($drawing{$name} // '') =~ /^<!-- drawn by diagrams\/draw\.sh from \Q$name\E\.dot, SHA-256 (\w+) -->/;

	is($from, sha256_hex($source{$name}), "docs/$name.svg is up to date (otherwise run docs/diagrams/draw.sh)");
	like($drawing{$name}, qr/<svg .*<\/svg>\s*\z/s, 'and whole');
	like($pages, qr/!\[[^\]]{20,}\]\((?:docs\/)?\Q$name\E\.svg\)/, 'and a page shows it, with words for those who cannot see it');
}
done_testing();
