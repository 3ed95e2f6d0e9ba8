# What a page of the documentation claims, and whether it is so.
#
# A page is Markdown.  These fenced blocks are run, in their order:
#
#	```sql			by psql, as superuser
#	```console		lines "$ command" by bash, which a line that begins with "> "
#					continues, or one behind a line that ends in \; what the
#					command prints stands below it
#	```text			right behind a sql block: what that prints
#
# An HTML comment before a block says what else is to be done with it:
#
#	<!-- test: file NAME -->	write it to that file
#	<!-- test: conf -->			add it to postgresql.conf and reload; with
#								"conf restart", restart; with "conf wrong", it
#								has to be an error
#	<!-- test: hba -->			make it pg_hba.conf and reload
#	<!-- test: policy -->		the server must accept it as a policy
#	<!-- test: fails -->		run it; it must fail
#	<!-- test: skip WHY -->		do not run it
#
# A block that is none of these fails the test.  And these stand by themselves:
#
#	<!-- test: setup NAME -->	begin with a new set-up; see 200_docs.pl
#	<!-- test: needs PostgreSQL 15 -->	skip the rest of the page below that version;
#								or OpenSSL, psycopg2
#	<!-- test: on NAME -->		sql and conf now mean that server of the set-up
#	<!-- test: replay -->		wait until the standby has replayed all, and so on
#	<!-- test: sh ... -->		run these lines unseen; likewise "sql ..."
#
# Where output is shown, it is compared: "..." stands for anything within a
# line, a line of nothing else for any lines, and blanks and dashes count once
# however many there are.  Where none is shown, the command must succeed.
package CertPolicy::Docs;

use strict;
use warnings;

# The blocks of a page: { kind, argument, body, line, wants }.
sub blocks
{
	my ($text) = @_;
	my @lines = split /\n/, $text, -1;
	my @blocks;
	my $mark;

	for (my $i = 0; $i < @lines; $i++)
	{
		if ($lines[$i] =~ /^\s*<!-- test: (\w+)\s*(.*)$/)
		{
			my ($kind, $body, $line) = ($1, $2, $i + 1);

			$body .= "\n" . $lines[ ++$i ]
			  until $body =~ s/\s*-->\s*$// || $i >= $#lines;
			if ($kind =~ /^(setup|needs|on|replay|sh|sql)$/)
			{
				push @blocks,
				  { kind => $kind, hidden => 1, body => $body, line => $line };
			}
			else
			{
				$mark = { kind => $kind, argument => $body };
			}
		}
		elsif ($lines[$i] =~ /^(\s*)```(\w*)\s*$/)
		{
			my ($indent, $language, $line) = ($1, $2, $i + 1);
			my @body;

			push @body, $lines[$i] =~ s/^$indent//r
			  until $lines[ ++$i ] =~ /^\s*```\s*$/ || $i >= $#lines;
			_add(\@blocks, $mark, $language,
				{ line => $line, body => join("\n", @body) });
			undef $mark;
		}
		elsif ($lines[$i] =~ /\S/)
		{
			push @blocks, { kind => 'prose' }
			  unless @blocks && $blocks[-1]{kind} eq 'prose';
		}
	}
	return grep { $_->{kind} ne 'prose' } @blocks;
}

sub _add
{
	my ($blocks, $mark, $language, $block) = @_;
	my $before = @$blocks ? $blocks->[-1] : undef;

	$block->{kind} = $language =~ /^(sql|console)$/ ? $language : 'unmarked';
	if ($mark && $mark->{kind} eq 'fails')
	{
		$block->{fails} = 1;
	}
	elsif ($mark)
	{
		@$block{qw(kind argument)} = @$mark{qw(kind argument)};
	}
	elsif ($language eq 'text' && $before && $before->{kind} eq 'sql'
		&& !$before->{hidden} && !defined $before->{wants})
	{
		$before->{wants} = $block->{body};
		$before->{wants_line} = $block->{line};
		return;
	}
	push @$blocks, $block;
	return;
}

# What a page has the reader write to the file of that name.
sub file_of
{
	my ($page, $name) = @_;

	foreach my $block (blocks($page))
	{
		return "$block->{body}\n"
		  if $block->{kind} eq 'file' && $block->{argument} eq $name;
	}
	die "the page has no file \"$name\"\n";
}

# The commands of a console block: { command, wants }, wants undef if no output
# is shown.
sub commands
{
	my ($body) = @_;
	my @commands;
	my $goes_on = 0;

	foreach my $line (split /\n/, $body)
	{
		if ($goes_on)
		{
			$commands[-1]{command} .= "\n$line";
		}
		elsif ($line =~ /^> (.*)$/ && @commands && !defined $commands[-1]{wants})
		{
			$commands[-1]{command} .= "\n$1";
		}
		elsif ($line =~ /^\$ (.*)$/)
		{
			push @commands, { command => $1 };
		}
		elsif (@commands)
		{
			$commands[-1]{wants} =
			  join("\n", $commands[-1]{wants} // (), $line);
			next;
		}
		$goes_on = $line =~ /\\$/;
	}
	return @commands;
}

# Does the output tell what the page says?
sub agrees
{
	my ($wants, $got) = @_;
	my @wants = map { _plain($_) } split /\n/, $wants;
	my @got = map { _plain($_) } split /\n/, $got;

	pop @wants while @wants && $wants[-1] eq '';
	pop @got while @got && $got[-1] eq '';
	my $regexp = join '', map {
		$_ eq '...'
		  ? '(?:[^\n]*\n)*?'
		  : join('[^\n]*?', map { quotemeta } split(/\.\.\./, $_, -1)) . "\n"
	} @wants;
	return join('', map { "$_\n" } @got) =~ /\A$regexp\z/;
}

sub _plain
{
	my ($line) = @_;

	$line =~ s/\s+/ /g;
	$line =~ s/-{3,}/---/g;
	$line =~ s/^ | $//g;
	return $line;
}

1;
