#!/usr/bin/env perl
#
# tally.pl FILE... - counts tests in what they printed.
#
# Reads TAP (of prove, C programs, and pg_regress from 16 on) and pg_regress'
# older "test x ... ok".  A subtest's own line repeats what its tests said, so
# only the tests in it count.  A stream whose plan does not fit what was run
# has failed, also if each of its tests passed; so has a test file of which
# prove says that it ended badly.
#
# Prints a line for each failed and each skipped test, and at the end:
#	PASSED FAILED SKIPPED
use strict;
use warnings;

my ($passed, $failed, $skipped) = (0, 0, 0);
my %failed_in;		# by file name
my %ended_badly;	# the same, in the words of prove

count($_) foreach @ARGV;
foreach my $name (sort keys %ended_badly)
{
	failed($name, $ended_badly{$name}) unless $failed_in{$name};
}
print "$passed $failed $skipped\n";

sub count
{
	my ($path) = @_;
	my $name = $path =~ s!.*/!!r;
	my %seen;	# by depth: tests since the last one further out, failed ones
	my ($planned, $plans, $run) = (0, 0, 0);

	open my $file, '<', $path or die "tally: could not read $path: $!\n";
	while (my $line = <$file>)
	{
		chomp $line;
		if ($line =~ /^1\.\.(\d+)(?:\s*# *SKIP\b\s*(.*))?/i)
		{
			$planned += $1;
			$plans++;
			skipped($name, $2) if defined $2;
		}
		elsif ($line =~ /^\s*Bail out!/)
		{
			failed($name, $line);
		}
		elsif ($line =~ /^(\s*)(not )?ok\s+\d+\b\s*(?:[-+] )?\s*(.*)$/)
		{
			my ($depth, $not, $what) = (length $1, $2, $3);
			my ($inner, $inner_failed) = (0, 0);

			foreach my $deeper (grep { $_ > $depth } keys %seen)
			{
				$inner += $seen{$deeper}{run};
				$inner_failed += $seen{$deeper}{failed};
				delete $seen{$deeper};
			}
			$run++ if $depth == 0;
			$seen{$depth}{run}++;
			$seen{$depth}{failed} += $not ? 1 : 0;

			if ($what =~ /^(.*?)\s*# *((?:skip|todo)\b.*)/i)
			{
				skipped($name, $1 eq '' ? $2 : "$1 ($2)");
			}
			elsif ($inner == 0)
			{
				$not ? failed($name, $what) : $passed++;
			}
			elsif ($not && $inner_failed == 0)
			{
				failed($name, "$what (its plan)");
			}
		}
		elsif ($line =~ /^(?:test)?\s+(\S+)\s+\.\.\. (ok|FAILED|failed)\b/)
		{
			$2 eq 'ok' ? $passed++ : failed($name, $1);
		}
		elsif ($line =~ m!^(?:\S*/)?(\S+)\s+\(Wstat: (\d+).*Tests: \d+ Failed: \d+\)!)
		{
			$ended_badly{$1} = sprintf("ended with status %d, signal %d", $2 >> 8, $2 & 127);
		}
	}
	close $file;

	return if $failed_in{$name};
	failed($name, "no plan, so it ended early") if $run && !$plans;
	failed($name, "planned $planned tests but ran $run")
	  if $plans && $planned != $run;
	return;
}

sub failed
{
	my ($name, $what) = @_;

	$failed++;
	$failed_in{$name} = 1;
	print "failed: $name: $what\n";
	return;
}

sub skipped
{
	my ($name, $what) = @_;

	$skipped++;
	print "skipped: $name: $what\n";
	return;
}
