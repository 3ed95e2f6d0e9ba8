# Runs pgcertsel, and whatever else, where no server of ours is asked; and the
# small things that tests of a command line need.
#
#	my $got = run($pgcertsel, 'list', '--bundle', $dir);
#	is($got->{status}, 0);
#
# The environment is that of CertPolicy::Server: without a trace of libpq's
# variables, and with a home directory that is empty.
package CertPolicy::Client;

use strict;
use warnings;

use Carp qw(croak);
use CertPolicy::Command qw(run_program);
use CertPolicy::Server;
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use FindBin;
use Test::More;

our @EXPORT_OK = qw(run run_with write_file slurp folder program compile test_program);

# { ok, status, stdout, stderr } of a command; a signal is a negative status.
sub run
{
	my (@command) = @_;

	return run_with({}, @command);
}

# The same, with options:
#
#	env		more of the environment
#	stdin	what it can read, default nothing
#	timeout	in seconds; the test dies when it is over
sub run_with
{
	my ($opt, @command) = @_;

	local %ENV = %ENV;
	delete @ENV{ grep { /^PG/ && !/^PG_/ && $_ ne 'PGCERTSEL' } keys %ENV };
	$ENV{LC_ALL} = 'C';
	return run_program({
			env => { %ENV, %{ $opt->{env} // {} } },
			stdin => $opt->{stdin},
			timeout => $opt->{timeout} // $ENV{PG_TEST_TIMEOUT_DEFAULT}
		}, @command);
}

# Writes bytes, by default so that only the owner can read them; the path.
sub write_file
{
	my ($path, $bytes, $mode) = @_;

	open my $file, '>:raw', $path or croak "could not write $path: $!";
	print $file $bytes;
	close $file or croak "could not write $path: $!";
	chmod $mode // 0600, $path or croak "could not change $path: $!";
	return $path;
}

sub slurp
{
	my ($path) = @_;

	open my $file, '<:raw', $path or croak "could not read $path: $!";
	local $/ = undef;
	my $bytes = <$file>;
	return $bytes;
}

# A folder with each certificate's chain as NAME.crt and its key as NAME.key.
sub folder
{
	my ($dir, @leaves) = @_;

	mkdir $dir or croak "could not create $dir: $!";
	foreach my $leaf (@leaves)
	{
		copy($leaf->{chain}, "$dir/$leaf->{name}.crt") or croak "$!";
		copy($leaf->{key}, "$dir/$leaf->{name}.key") or croak "$!";
		chmod 0600, "$dir/$leaf->{name}.key" or croak "$!";
	}
	return $dir;
}

# The path of a program, or undef.  Where administrators keep theirs counts.
sub program
{
	my ($name) = @_;

	foreach my $dir (split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin')
	{
		return "$dir/$name" if -x "$dir/$name" && !-d "$dir/$name";
	}
	return;
}

# The path of a program of client/test, or undef if it is not built.  They may
# have been built elsewhere, with other options: in PGCERTSEL_TEST_PROGRAMS.
sub test_program
{
	my ($name) = @_;
	my ($path) = grep { -x $_ }
	  defined $ENV{PGCERTSEL_TEST_PROGRAMS} ? "$ENV{PGCERTSEL_TEST_PROGRAMS}/$name"
	  : (dirname($ENV{PGCERTSEL} // '.') . "/build/test/$name",
		"$FindBin::RealBin/../client/build/test/$name");

	return $path;
}

# Compiles a C source with libpq; the program's path.
sub compile
{
	my ($source, $to, @more) = @_;
	my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
	my ($include, $lib) =
	  map { chomp(my $out = `$pg_config --$_`); $out } qw(includedir libdir);
	my $got = run(split(/ /, $ENV{CC} || 'cc'), '-Wall', '-Wextra', '-Werror', '-o', $to,
		$source, "-I$include", @more, "-L$lib", '-lpq');

	croak "could not compile $source: $got->{stderr}" unless $got->{ok};
	return $to;
}

1;
