# Makes a report, and plots, of the raw numbers.
#
#	report.pl FOLDER	reads FOLDER/raw.txt (and raw-*.txt, of other servers),
#						writes FOLDER/report.txt and *.svg
#
# A ratio is the median of the ratios of pairs that were measured one after the
# other; the interval behind it holds the true median in 95 of 100 such runs,
# whatever the distribution (it is read off the sorted ratios).
use strict;
use warnings;

my $folder = shift // die "usage: report.pl FOLDER\n";
my %pairs;		# figure -> size -> [ [ours, other], ... ]
my %name;

# figure, at which size (all: the worst of them), goal, in words
my @goals = (
	[ '1', 'all', '<=', 1.02, 'a login with 8 clauses, beside one without the extension' ],
	[ '1-inside', 'all', '<=', 2, 'the check inside, beside the bare look-ups' ],
	[ '2-labels', 100_000, '<=', 1.05, 'the check among 100,000 labelled roles, beside few' ],
	[ '2-counted', 'all', '<=', 1.05, 'the check of the last of 1,000 roles counted, beside the first' ],
	[ '2-groups', 50, '<=', 5, 'the check of 50 policies, beside one' ],
	[ '3', 'all', '<', 0.1, 'the check inside, beside what a login event trigger adds' ],
	[ '4', 'all', '>=', 0.98, 'logins a second by 64 clients, beside none of ours' ],
	[ '5', 10_000, '<=', 1 / 6, 'choosing from 10,000 pairs, beside OpenSSL reading the certificates' ],
	[ '5-encrypted', 10_000, '<=', 1 / 6, 'the same, for a role whose key is one of the encrypted' ],
	[ '6', 'all', '<20us', undef, 'choosing again from a loaded bundle' ],
	[ '7-first', 'all', '<=', 1.7, 'pgcs_connect, first, beside PQconnectdb' ],
	[ '7-again', 'all', '<=', 1.03, 'pgcs_connect, request cached, beside PQconnectdb' ],
	[ '8', 'all', '<=', 1.7, 'pgcertsel exec psql, beside psql' ],
	[ '9-names', 'all', '<=', 0.5, 'pg_trusted_ca_names() in TLS, beside SSL_load_client_CA_file' ],
	[ '9-cas', 'all', '<=', 1.5, 'pg_trusted_cas, beside SSL_load_client_CA_file' ],
	[ '10', 'all', '<=', 1.2, 'judging 500 sessions again, beside 500 single checks' ],
	[ '10-waits', 'all', '<=', 1.5, 'longest answer of another session meanwhile, beside none' ],
	[ '11', 'all', '<=', 0.1, 'judging 8 clauses, beside one RSA-2048 signature check' ],
);

read_raw($_) foreach glob("$folder/raw*.txt");
event_trigger();
report();
plots();

sub read_raw
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!\n";
	while (my $line = <$file>)
	{
		chomp $line;
		my ($figure, $name, $size, $ours, $other) = split /\|/, $line;
		die "$path:$.: not a result: $line\n"
		  unless defined $other && $other > 0;
		push @{ $pairs{$figure}{$size} }, [ $ours, $other ];
		$name{$figure} //= $name;
	}
	close $file;
	return;
}

# What the trigger adds is a difference of medians; the check beside it was
# timed inside.
sub event_trigger
{
	my $trigger = $pairs{'3-trigger'}{3} or return;
	my $inside = $pairs{'3-inside'}{3} or return;
	my $added = median(map { $_->[0] - $_->[1] } @$trigger);

	$pairs{3}{3} = [ map { [ $_->[0], $added ] } @$inside ];
	return;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $n = @sorted;

	return ($sorted[ ($n - 1) / 2 ] + $sorted[ $n / 2 ]) / 2;
}

# The ratio of a list of pairs: median, and the interval of 95 %.
sub ratio
{
	my @ratios = sort { $a <=> $b } map { $_->[0] / $_->[1] } @_;
	my $n = @ratios;
	my $reach = 1.96 * sqrt($n) / 2;
	my $low = int($n / 2 - $reach);
	my $high = int($n / 2 + $reach);

	$low = 0 if $low < 0;
	$high = $n - 1 if $high > $n - 1;
	return (median(@ratios), $ratios[$low], $ratios[$high]);
}

sub report
{
	my @lines = map { line(@$_) } @goals;

	open my $file, '>', "$folder/report.txt"
	  or die "could not write $folder/report.txt: $!\n";
	print $file @lines;
	close $file or die "could not write $folder/report.txt: $!\n";
	print @lines;
	return;
}

sub line
{
	my ($figure, $at, $how, $goal, $words) = @_;
	my $sizes = $pairs{$figure};
	my ($worst, $size);

	return sprintf("%-11s %-70s not measured\n", $figure, $words)
	  unless $sizes && ($at eq 'all' || $sizes->{$at});
	foreach my $one ($at eq 'all' ? sort { $a <=> $b } keys %$sizes : $at)
	{
		my @got = $how eq '<20us'
		  ? (median(map { $_->[0] / 1000 } @{ $sizes->{$one} })) x 3
		  : ratio(@{ $sizes->{$one} });

		($worst, $size) = (\@got, $one)
		  if !$worst
		  || ($how eq '>=' ? $got[0] < $worst->[0] : $got[0] > $worst->[0]);
	}
	my $met =
		$how eq '<='    ? $worst->[0] <= $goal
	  : $how eq '<'     ? $worst->[0] < $goal
	  : $how eq '>='    ? $worst->[0] >= $goal
	  :                   $worst->[0] < 20;
	my $n = @{ $sizes->{$size} };
	my $figures = $how eq '<20us'
	  ? sprintf('%.1f us (size %d, %d runs), goal: under 20 us', $worst->[0],
		$size, $n)
	  : sprintf('%.3f [%.3f, %.3f] (size %d, %d pairs), goal: %s %.3g',
		@$worst, $size, $n,
		$how eq '>=' ? 'at least' : $how eq '<' ? 'below' : 'at most', $goal);
	return sprintf("%-11s %-70s %s: %s\n", $figure, $words, $figures,
		$met ? 'met' : 'missed');
}

# ---------------------------------------------------------------------------
# Plots: cost against size, the alternative in the same picture.
# ---------------------------------------------------------------------------

sub plots
{
	my @plots = (
		[ 'labels', 'The check at login', 'labelled roles',
			[ '2-labels', 'ours', 'the check' ],
			[ '2-labels', 'other', 'the check among 100' ] ],
		[ 'groups', 'The check at login', 'policies that apply',
			[ '2-groups', 'ours', 'all policies' ],
			[ '2-groups', 'other', 'one policy' ] ],
		[ 'choose', 'Choosing from a directory', 'pairs',
			[ '5', 'ours', 'pgcertsel' ],
			[ '5', 'other', 'OpenSSL reading each certificate' ] ],
		[ 'again', 'Choosing again', 'pairs',
			[ '6', 'ours', 'pgcs\\_select' ],
			[ '6', 'other', 'X509\\_NAME\\_cmp with each' ] ],
		[ 'cas', 'The trusted CAs in SQL', 'CAs',
			[ '9-names', 'ours', 'pg\\_trusted\\_ca\\_names()' ],
			[ '9-cas', 'ours', 'pg\\_trusted\\_cas' ],
			[ '9-cas', 'other', 'SSL\\_load\\_client\\_CA\\_file' ] ],
	);

	if (system('gnuplot --version >/dev/null 2>&1') != 0)
	{
		print "no plots: gnuplot is not installed\n";
		return;
	}
	foreach my $plot (@plots)
	{
		my ($file, $title, $size, @curves) = @$plot;

		draw($file, $title, $size, grep { $pairs{ $_->[0] } } @curves);
	}
	return;
}

sub draw
{
	my ($file, $title, $size, @curves) = @_;
	my $n = 0;

	return unless @curves;
	open my $gnuplot, '|-', 'gnuplot' or die "could not run gnuplot: $!\n";
	print $gnuplot <<"HEAD";
set terminal svg size 640,400 font 'sans-serif,13' background rgb 'white'
set output '$folder/$file.svg'
set title '$title'
set xlabel '$size'
set ylabel 'milliseconds'
set logscale xy
set format x '%.0f'
set format y '%g'
set grid
set key top left
HEAD
	foreach my $curve (@curves)
	{
		my ($figure, $side, $words) = @$curve;

		printf $gnuplot "\$data%d << EOD\n", $n++;
		foreach my $at (sort { $a <=> $b } keys %{ $pairs{$figure} })
		{
			my @ms = sort { $a <=> $b }
			  map { $_->[ $side eq 'ours' ? 0 : 1 ] / 1e6 }
			  @{ $pairs{$figure}{$at} };

			printf $gnuplot "%d %g %g %g\n", $at, median(@ms),
			  $ms[ @ms / 4 ], $ms[ 3 * @ms / 4 ];
		}
		print $gnuplot "EOD\n";
	}
	print $gnuplot 'plot ',
	  join(', ',
		map { "\$data$_ with yerrorlines lw 2 title '$curves[$_][2]'" }
		  0 .. $#curves), "\n";
	close $gnuplot or die "gnuplot failed\n";
	return;
}
