#!/usr/bin/env perl
#
# indent.pl [--check] [FILE...] - formats the C sources as PostgreSQL's are.
#
# pg_bsd_indent does it, with the options of PostgreSQL's pgindent and with our
# typedefs.list, which must have the name of each type, also of others' that
# are used here.  With --check nothing is written: the files that would change
# are listed, one a line, and if there are any the exit status is 1.  Without
# FILE, all the C sources that git knows, or would know.
#
# pg_bsd_indent knows less C than we write.  Before it runs, these take a shape
# of the same length that it can read, and take their own again afterwards:
#
#	STACK_OF(X509) *x			a macro as a type
#	.name = value				a designator behind others on its line
#	(Type) {...}				a compound literal; but not an array's
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp qw(tempdir);

my @options = qw(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1
  -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4);
my $check = @ARGV && $ARGV[0] eq '--check' ? shift @ARGV : '';
my $dir = tempdir(CLEANUP => 1);

# A comment, a string or a character, in none of which anything is changed.
my $opaque = qr{/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'}s;

unless (@ARGV)
{
	chdir dirname($0) . '/..' or die "indent: $!\n";
	@ARGV = split /\n/,
	  `git ls-files --cached --others --exclude-standard -- '*.c' '*.h'`;
	die "indent: git names no C sources\n" unless @ARGV;
}

my %typedefs = ('server' => typedefs('text'), 'other' => typedefs());
my @changed = grep { format_file($_) } @ARGV;

print map { "$_\n" } @changed;
exit($check && @changed ? 1 : 0);

# typedefs.list, more types, and those that only pg_bsd_indent gets to see.
sub typedefs
{
	my (@more) = @_;
	my $path = "$dir/typedefs@more";
	my $list = slurp(dirname($0) . '/../typedefs.list');
	my %masked;

	foreach my $file (@ARGV)
	{
		$masked{$_} = 1 foreach scalar(mask(slurp($file))) =~ /\bSTACK_OF_\w+_\b/g;
	}
	spew($path, $list . join('', map { "$_\n" } @more, sort keys %masked));
	return $path;
}

# Says whether the file was, or would be, changed.
sub format_file
{
	my ($path) = @_;
	my $old = slurp($path);
	# "text" is a type of the server's, and elsewhere a variable
	my $types = $typedefs{ $path =~ m{\bextension/} ? 'server' : 'other' };
	my ($masked, @braces) = mask($old);

	spew("$dir/in.c", $masked);
	unlink "$dir/out.c";
	system("pg_bsd_indent @options -U$types $dir/in.c $dir/out.c 2>$dir/errors") == 0
	  or die "indent: pg_bsd_indent failed on $path: " . slurp("$dir/errors");
	my $new = unmask(slurp("$dir/out.c"), @braces);

	die "indent: pg_bsd_indent does not understand $path\n"
	  if $new =~ /\*INDENT\*\* (?:Error|Warning)/ || squeeze($new) ne squeeze($old);
	return 0 if $new eq $old;
	spew($path, $new) unless $check;
	return 1;
}

# The text with masks, and the numbers of those parentheses that were braces.
sub mask
{
	my ($text) = @_;
	my ($out, $n, @open, @braces) = ('', 0);

	# what is in it is not indented for it
	$text =~ s{^extern "C"\n\{\n}{/* extern C begins */\n}gm;
	$text =~ s{^(#ifdef __cplusplus\n)\}\n}{$1/* extern C ends */\n}gm;
	while ($text =~ /\G(?:($opaque)|(.))/gs)
	{
		my ($token, $char) = ($1, $2);

		if (defined $token)
		{
			$out .= $token;
			next;
		}
		if ($char eq '{')
		{
			my $literal = $out =~ /(?:[=(,?:&]|return)\s*\([\w ]+[\w *]*(?:\[\w*\])?\) $/;

			push @open, $literal;
			push @braces, $n if $literal;
			$char = '(' if $literal;
		}
		elsif ($char eq '}' && pop @open)
		{
			push @braces, $n;
			$char = ')';
		}
		elsif ($char eq '.' && $out =~ /[{,(]\s*$|\*\/\s*$/ && $text =~ /\G[a-z_]\w*/)
		{
			$char = '$';
		}
		elsif ($char eq '(' && $out =~ /\bSTACK_OF$/ && $text =~ /\G(\w+)\)/gc)
		{
			$out .= "_$1_";
			next;
		}
		$n++ if $char =~ /[()]/;
		$out .= $char;
	}
	return wantarray ? ($out, @braces) : $out;
}

sub unmask
{
	my ($text, @braces) = @_;
	my ($out, $n) = ('', 0);
	my @indents;		# of the lines that began the literals we are in

	while ($text =~ /\G(?:($opaque)|(\n[ \t]*(?=[^#\s]))|(.))/gs)
	{
		my ($token, $line, $char) = ($1, $2, $3);

		if (defined $line)
		{
			my $ends = @braces && $braces[0] == $n && $text =~ /\G\)/;

			$out .= !@indents ? $line : $ends ? "\n$indents[-1]" : "\n$indents[-1]\t";
			next;
		}
		if (!defined $token && $char =~ /[()]/)
		{
			if (@braces && $braces[0] == $n)
			{
				shift @braces;
				if ($char eq '(')
				{
					push @indents, $out =~ /^([ \t]*)[^\n]*\z/m ? $1 : '';
					$char = '{';
				}
				else
				{
					pop @indents;
					$char = '}';
				}
			}
			$n++;
		}
		elsif (!defined $token && $char eq '$')
		{
			$char = '.';
		}
		$out .= $token // $char;
	}
	$out =~ s/\bSTACK_OF_(\w+)_\b/STACK_OF($1)/g;
	$out =~ s{/\* extern C begins \*/\n}{extern "C"\n\{\n}g;
	$out =~ s{/\* extern C ends \*/\n}{\}\n}g;

	$out =~ s/(\+\+|--)\* (?=\w)/$1*/g;
	$out =~ s/,(\[\w+\] = )/, $1/g;
	# before version 2.1.2, what continues an initializer does not stand out
	$out =~ s/^(\t+)(\w+[\w\s*]*[\s*]\w+ =(?:[^\n;{}]*[^\n;{},])?\n)((?:\1[^\n;{}]*\n)*?\1[^\n;{}]*;)/$1 . $2 . continued($1, $3)/gme;
	# as pgindent does: a prototype is one line with its type
	$out =~ s/^(\w[^(\n;{}#\/]*)\n(\w+\((?:[^;{}()]|\([^()]*\))*\)[^;{}]*;)/$1 . ($1 =~ m{\*$} ? '' : ' ') . $2/gme;
	# and the type of a function is no declaration
	$out =~ s/^(\w[\w ]*?)[ \t]+(\*+)\n(?=\w+\()/$1 $2\n/gm;
	return $out;
}

sub continued
{
	my ($indent, $lines) = @_;

	$lines =~ s/^/\t/gm if $lines =~ /^$indent\S/;
	return $lines;
}

# Formatting changes nothing but blanks (and where a comment's lines end).
sub squeeze
{
	my ($text) = @_;

	$text =~ s/[\s*]+//g;
	return $text;
}

sub slurp
{
	my ($path) = @_;

	open my $file, '<:raw', $path or die "indent: could not read $path: $!\n";
	local $/ = undef;
	return <$file> // '';
}

sub spew
{
	my ($path, $text) = @_;

	open my $file, '>:raw', $path or die "indent: could not write $path: $!\n";
	print $file $text;
	close $file or die "indent: could not write $path: $!\n";
	return;
}
