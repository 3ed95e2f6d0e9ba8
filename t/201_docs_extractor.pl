# The test of the documentation would be worth nothing if it could not fail:
# which blocks it sees in a page, and which outputs it takes for the same.  And
# the links between the pages lead somewhere.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Docs;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use Test::More;

my $page = <<'PAGE';
# A page

<!-- test: setup server -->
<!-- test: sh
echo unseen
-->

```sql
SELECT 1;
```

```text
 1
```

* in a list

  <!-- test: conf restart -->

  ```ini
  a = 1
  ```

Words between.

```text
nobody printed this
```

<!-- test: fails -->

```sql
SELECT 1/0;
```

```console
$ echo a \
    b
a b
$ echo "c
> d"
c
d
$ true
```

```python
print(1)
```
PAGE
my @blocks = CertPolicy::Docs::blocks($page);

is(join(' ', map { $_->{kind} } @blocks),
	'setup sh sql conf unmarked sql console unmarked', 'every block is seen');
is($blocks[1]{body}, "\necho unseen", 'a comment of several lines');
is($blocks[2]{wants}, ' 1', 'output behind a block of sql is its output');
is($blocks[2]{line}, 8, 'with its line');
is_deeply([ @{ $blocks[3] }{qw(argument body)} ], [ 'restart', 'a = 1' ], 'a block in a list');
ok($blocks[5]{fails}, 'one that must fail');
is_deeply(
	[ CertPolicy::Docs::commands($blocks[6]{body}) ],
	[
		{ command => "echo a \\\n    b", wants => 'a b' },
		{ command => "echo \"c\nd\"", wants => "c\nd" },
		{ command => 'true' }
	],
	'commands of several lines, and their output');

is(CertPolicy::Docs::file_of("<!-- test: file a -->\n\n```ini\nx\n```\n<!-- test: file b -->\n```ini\ny\n```\n", 'b'), "y\n",
	'what a page has the reader write to a file');
ok(!eval { CertPolicy::Docs::file_of($page, 'b'); 1 }, 'or it dies');

foreach my $case (
	[ "a\nb", "a\nb", 1, 'the same' ],
	[ "a\nb", "a\nb\n\n", 1, 'empty lines at the end' ],
	[ "a", "a\nb", 0, 'a line more' ],
	[ "a\nb", "a", 0, 'a line less' ],
	[ "a", "b", 0, 'another' ],
	[ "a", "A", 0, 'another case' ],
	[ "a", "", 0, 'nothing' ],
	[ "", "a", 0, 'something where nothing is shown' ],
	[ " x | y\n---+----\n 1 | 22", "  x   | y  \n------+----\n  1   | 22 ", 1, 'another width' ],
	[ "x | 1", "x | 10", 0, 'a number that begins so' ],
	[ "x - y", "x -- y", 0, 'dashes of words' ],
	[ "a ... c", "a b c", 1, 'anything within a line' ],
	[ "a ... c", "a b\nb c", 0, '... but not beyond it' ],
	[ "...c", "a b c", 1, 'at the beginning' ],
	[ "a...", "a b c", 1, 'at the end' ],
	[ "a...", "b", 0, 'and yet another' ],
	[ "a\n...\nd", "a\nb\nc\nd", 1, 'any lines' ],
	[ "a\n...\nd", "a\nd", 1, 'no line' ],
	[ "a\n...\nd", "a\nb\nc", 0, 'lines, but not the last' ],
	[ "f(x)", "f(x)", 1, 'what means something in a regular expression' ],
	[ "f.x", "f(x", 0, '... means itself' ])
{
	my ($wants, $got, $agree, $what) = @$case;

	is(CertPolicy::Docs::agrees($wants, $got) ? 1 : 0, $agree, $what);
}

# Links to files and headings.
my $root = dirname($FindBin::RealBin);
my %anchors;
my @links;
foreach my $path (grep { -e } map { "$root/$_" } 'README.md', 'CONTRIBUTING.md',
	map { 'docs/' . basename($_) } glob("$root/docs/*.md"))
{
	my $fenced = 0;

	open my $file, '<', $path or die "could not read $path: $!\n";
	while (my $line = <$file>)
	{
		$fenced = !$fenced if $line =~ /^\s*```/;
		next if $fenced;
		$anchors{$path}{ slug($1) } = 1 if $line =~ /^#+ +(.*?)\s*$/;
		push @links, [ $path, $. , $1, $2 ]
		  while $line =~ /\]\(([^)#:]*)(?:#([^)]*))?\)/g;
	}
	close $file;
}
foreach my $link (@links)
{
	my ($path, $line, $target, $anchor) = @$link;
	my $to = $target eq '' ? $path : abs_path(dirname($path) . "/$target") // '';

	ok(-e $to && (!defined $anchor || $anchors{$to}{$anchor}),
		basename($path) . ":$line leads to $target" . (defined $anchor ? "#$anchor" : ''));
}
done_testing();

# A heading's anchor, as GitHub makes it.
sub slug
{
	my ($heading) = @_;

	$heading = lc $heading;
	$heading =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
	$heading =~ s/[^\w -]//g;
	$heading =~ tr/ /-/;
	return $heading;
}
