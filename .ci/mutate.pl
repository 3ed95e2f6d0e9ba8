# Applies each mutant of t/mutants/ in turn, builds, and runs the tests that are
# to notice: called by mutate.sh, in a sandbox, with the sources built.
#
#	perl .ci/mutate.pl JOBS FOLDER [PATTERN]
#
# FOLDER is for the copies to work in, one for each of the JOBS.  PATTERN, a
# regular expression, picks mutants by file and name.  One line for each mutant,
# and the last one is "mutants: N, noticed: N (100 %)".  A mutant that cannot be
# applied or compiled is an error, and has not been noticed.
use strict;
use warnings;

use Cwd qw(getcwd);
use FindBin;
use lib "$FindBin::RealBin/../t/lib";

use CertPolicy::Mutants;
use File::Path qw(make_path remove_tree);
use POSIX qw(_exit);

my ($jobs, $folder, $pattern) = @ARGV;
my $source = getcwd();
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my ($major) = `$pg_config --version` =~ /(\d+)/ or die "could not run $pg_config\n";
my @quiet = ('make', '-s', '--no-print-directory', 'with_llvm=no', 'with_client=no');

# Sessions that are to end, and do not, are waited for by the tests.
$ENV{PG_TEST_TIMEOUT_DEFAULT} //= 60;

$| = 1;
exit(main() ? 0 : 1);

sub main
{
	my @all = grep { !defined $pattern || "$_->{file}: $_->{name}" =~ /$pattern/ }
	  CertPolicy::Mutants::all($source);
	my @mutants = grep { $_->{since} <= $major } @all;
	my %noticed = (yes => 0, no => 0, error => 0);

	foreach my $mutant (@mutants)
	{
		$mutant->{tests} = [ 'common', 't/223_second_judge.pl' ] if "@{ $mutant->{tests} }" eq 'common';
	}
	die "no mutant matches\n" if !@mutants;
	foreach my $slot (1 .. $jobs)
	{
		make_path($folder);
		system('cp', '-a', $source, "$folder/$slot") == 0 or die "could not copy the sources\n";
	}
	check_unchanged(@mutants) or return 0;
	in_parallel(sub { try_mutant($_[0], $_[1]) }, sub {
		my ($mutant, $result) = @_;
		my ($what, $words) = @$result;

		$noticed{$what}++;
		printf "%-8s %s: %s  (%s)\n",
		  { yes => 'noticed', no => 'SURVIVED', error => 'ERROR' }->{$what},
		  $mutant->{file}, $mutant->{name}, $words;
	}, @mutants);
	printf "left out, as they need a newer server: %d\n", @all - @mutants if @all != @mutants;
	printf "mutants: %d, noticed: %d (%s %%)\n", scalar @mutants, $noticed{yes},
	  $noticed{yes} == @mutants ? '100' : sprintf '%.1f', 100 * $noticed{yes} / @mutants;
	return $noticed{yes} == @mutants;
}

# Without any change every test must pass, or all mutants would look noticed.
sub check_unchanged
{
	my %tests = map { $_ => 1 } map { @{ $_->{tests} } } @_;
	my $good = 1;

	in_parallel(sub {
		my ($test, $slot) = @_;
		my $said = build($slot, $test) // fails($slot, $test);

		return defined $said ? [ 'no', $said ] : [ 'yes', '' ];
	}, sub {
		my ($test, $result) = @_;

		return if $result->[0] eq 'yes';
		print "ERROR    $test fails without any mutant  ($result->[1])\n";
		$good = 0;
	}, sort keys %tests);
	return $good;
}

sub try_mutant
{
	my ($mutant, $slot) = @_;
	my $path = "$folder/$slot/$mutant->{file}";
	my $changed = eval { CertPolicy::Mutants::applied("$folder/$slot", $mutant) }
	  // return [ 'error', $@ =~ s/\n//r ];
	my $original = CertPolicy::Mutants::content($path);
	my $start = time;
	my $result = [ 'no', join ' ', @{ $mutant->{tests} } ];

	write_file($path, $changed);
	foreach my $test (@{ $mutant->{tests} })
	{
		my $error = build($slot, $test);
		my $said = defined $error ? undef : fails($slot, $test);

		if (defined $error || defined $said)
		{
			$result = defined $error ? [ 'error', $error ]
			  : [ 'yes', "$test: $said, " . (time - $start) . ' s' ];
			last;
		}
	}
	write_file($path, $original);
	return $result;
}

# What the test needs is built; undef, or what went wrong.
sub build
{
	my ($slot, $test) = @_;
	my @command = $test =~ m{^(?:common|t/223_.*)$}
	  ? ('make', '-s', '-C', 'common/test', 'CFLAGS=-g -O0', 'all')
	  : (@quiet, 'all', 'install', "DESTDIR=$folder/$slot.stage");
	my ($status, @said) = run($slot, undef, @command);

	return if $status == 0;
	return 'does not build: ' . ((grep { /error/ } @said)[0] // $said[-1] // "status $status");
}

# undef if the test passes, otherwise how it failed.
sub fails
{
	my ($slot, $test) = @_;
	my $stop = qr/^\s*not ok (?!.*# TODO)/;

	my ($status, @said) = run($slot, $stop, test_command($slot, $test));
	my ($failed) = grep { /$stop/ } @said;

	remove_tree(glob "$folder/$slot/tmp_check/t_*");
	return $failed =~ s/^\s*not ok \d+ - //r if defined $failed;
	return 'it took too long' if $status == 124;
	return $status == 0 ? undef : "status $status";
}

# "common" are the tests of common/ themselves; the second judge takes what was
# built for them.  A test with servers is told alone to end, and stops them.
sub test_command
{
	my ($slot, $test) = @_;

	return ('timeout', '-k', '60', 900, 'make', '-s', '-C', 'common/test', 'CFLAGS=-g -O0', 'check')
	  if $test eq 'common';
	return ('env', 'TRIPLES=2500', "TRIPLES_BUILD=$folder/$slot/common/test",
		'timeout', '--foreground', '-k', '60', 900, 'perl', '-It/lib', $test);
}

# Runs a command in the copy.  Where a line matches "stop", nobody waits for the
# rest.  Gives the status and the lines.
sub run
{
	my ($slot, $stop, @command) = @_;
	my @lines;
	my $pid = open my $out, '-|' // die "could not fork: $!\n";

	if ($pid == 0)
	{
		chdir "$folder/$slot" or _exit(126);
		open STDERR, '>&', \*STDOUT;
		$ENV{PG_CERT_POLICY_STAGE} = "$folder/$slot.stage";
		{ exec @command };
		_exit(127);
	}
	while (my $line = <$out>)
	{
		chomp $line;
		push @lines, $line;

		# the test stops its servers before it ends
		kill 'TERM', $pid if defined $stop && $line =~ /$stop/;
	}
	close $out;
	return ($? >> 8 || $? & 127, @lines);
}

# Does the work for each item, so many at a time, each in a slot of its own, and
# hands what it returned, a pair of words, to the second function.
sub in_parallel
{
	my ($work, $done, @items) = @_;
	my @slots = (1 .. $jobs);
	my %running;

	while (@items || %running)
	{
		while (@items && @slots)
		{
			my ($item, $slot) = (shift @items, shift @slots);
			my $result = "$folder/$slot.result";
			my $pid = fork() // die "could not fork: $!\n";

			if ($pid == 0)
			{
				my $words = eval { $work->($item, $slot) } // [ 'error', $@ =~ s/\n/ /gr ];

				write_file($result, join "\t", map { s/[\t\n]/ /gr } @$words);
				_exit(0);
			}
			$running{$pid} = [ $item, $slot ];
		}
		my $pid = waitpid -1, 0;
		my ($item, $slot) = @{ delete $running{$pid} // next };

		$done->($item, [ split /\t/, CertPolicy::Mutants::content("$folder/$slot.result"), 2 ]);
		push @slots, $slot;
	}
	return;
}

sub write_file
{
	my ($path, $text) = @_;

	open my $file, '>', $path or die "could not write $path: $!\n";
	print $file $text;
	close $file or die "could not write $path: $!\n";
	return;
}
