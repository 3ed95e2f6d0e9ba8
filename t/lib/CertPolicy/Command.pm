# Runs programs, and psql's work without psql.
#
# Tests start thousands of programs, and to start one costs more than what it
# does: so this is fork and exec with files for the output, where IPC::Run's
# pipes and pumping take twice as long, and logins are made by one process
# (psql_like.c) for all of a test.
package CertPolicy::Command;

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use Fcntl qw(LOCK_EX SEEK_SET);
use File::Basename qw(dirname);
use File::Temp ();
use IO::Select;
use IPC::Open2 qw(open2);
use POSIX ();

our @EXPORT_OK = qw(psql_like run_program);

my $here = dirname(__FILE__);

# Runs a command to its end; { ok, status, stdout, stderr }, the status negative
# for a signal, the texts without their last newline.
#
#	env		the whole environment, default what is here
#	stdin	what it can read, default nothing
#	timeout	in seconds; dies when it is over
sub run_program
{
	my ($opt, @command) = @_;
	my $seconds = $opt->{timeout} // 180;
	my ($in, $out, $err) = map { _file($_) } $opt->{stdin} // '', '', '';
	my $ended;

	my $pid = fork // croak "could not fork: $!";
	if ($pid == 0)
	{
		%ENV = %{ $opt->{env} } if $opt->{env};

		POSIX::dup2(fileno($in), 0);
		POSIX::dup2(fileno($out), 1);
		POSIX::dup2(fileno($err), 2);
		no warnings qw(exec);
		exec { $command[0] } @command;
		syswrite STDERR, "could not run $command[0]: $!\n";
		POSIX::_exit(127);
	}
	{
		local $SIG{ALRM} = sub { die "alarm\n" };
		$ended = eval {
			alarm $seconds;
			_await($pid);
			alarm 0;
			1;
		};
	}
	my $status = $?;
	if (!$ended)
	{
		kill KILL => $pid;
		waitpid $pid, 0;
		croak "\"@command\" did not end within $seconds s: " . _content($err);
	}
	my %got = (
		ok => $status == 0 ? 1 : 0,
		status => $status & 127 ? -($status & 127) : $status >> 8,
		stdout => _content($out),
		stderr => _content($err));
	chomp @got{qw(stdout stderr)};
	return \%got;
}

# Whatever else ends meanwhile may interrupt it.
sub _await
{
	my ($pid) = @_;

	1 while waitpid($pid, 0) == -1 && $!{EINTR};
	return;
}

# A file without a name that has these bytes.
sub _file
{
	my ($bytes) = @_;

	open my $file, '+>:raw', undef or croak "could not make a file: $!";
	if ($bytes ne '')
	{
		print $file $bytes;
		$file->flush;
		sysseek $file, 0, SEEK_SET;
	}
	return $file;
}

sub _content
{
	my ($file) = @_;

	local $/ = undef;
	seek $file, 0, SEEK_SET;
	return <$file> // '';
}

# ---------------------------------------------------------------------------
# Logins
# ---------------------------------------------------------------------------

my %worker;		# the process of psql_like.c, and whose child it is

# What run_program() would return for "psql -XAtqw -d CONNINFO -c SQL", for SQL
# that has no commands of psql's.
sub psql_like
{
	my ($conninfo, $sql, $seconds) = @_;
	my $worker = _worker();
	my @answer;

	print { $worker->{in} } map { pack('N/a*', $_) } $conninfo, $sql;
	$worker->{in}->flush;
	local $SIG{ALRM} = sub { die "alarm\n" };
	my $ended = eval {
		alarm $seconds;
		@answer = map { _read($worker->{out}) } 1 .. 3;
		alarm 0;
		1;
	};
	if (!$ended)
	{
		my $why = $@;

		alarm 0;
		_dismiss($worker);
		croak $why eq "alarm\n" ? "the login did not end within $seconds s" : $why;
	}
	my %got = (
		status => unpack('c', $answer[0]),
		stdout => $answer[1],
		stderr => $answer[2]);
	croak "psql_like: $got{stderr}" if $got{status} == 3;
	$got{ok} = $got{status} == 0 ? 1 : 0;
	chomp @got{qw(stdout stderr)};
	return \%got;
}

# One for each environment, and for each process: a test that forks has another
# in its child.
sub _worker
{
	my $environment = join "\0", map { ($_, $ENV{$_}) } sort keys %ENV;

	if (($worker{owner} // 0) == $$)
	{
		return \%worker if $worker{environment} eq $environment;
		_end($worker{in}, $worker{pid});
	}
	my $program = _program();
	my $pid = open2(my $out, my $in, $program);

	binmode $_ foreach $in, $out;
	%worker = (owner => $$, environment => $environment, pid => $pid, in => $in, out => $out);
	return \%worker;
}

# It ends when its input does.
sub _end
{
	my ($in, $pid) = @_;
	local $? = 0;

	close $in;
	waitpid $pid, 0;
	return;
}

sub _dismiss
{
	my ($worker) = @_;

	kill KILL => $worker->{pid};
	waitpid $worker->{pid}, 0;
	%$worker = ();
	return;
}

sub _read
{
	my ($file) = @_;

	return _bytes($file, unpack 'N', _bytes($file, 4));
}

sub _bytes
{
	my ($file, $n) = @_;
	my $bytes = '';

	while (length $bytes < $n)
	{
		my $got = sysread($file, $bytes, $n - length $bytes, length $bytes);

		die "psql_like ended\n" unless $got || (!defined $got && $!{EINTR});
	}
	return $bytes;
}

END
{
	_end(@worker{qw(in pid)}) if ($worker{owner} // 0) == $$;
}

# Compiled once for each run of the tests, by whoever comes first.
sub _program
{
	my $folder = ($ENV{TESTDIR} // '.') . '/tmp_check';
	my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
	my $program = "$folder/psql_like";

	mkdir $folder unless -d $folder;
	open my $lock, '>', "$program.lock" or croak "could not write $program.lock: $!";
	flock $lock, LOCK_EX or croak "could not lock $program.lock: $!";
	if (!-x $program || -M _ > -M "$here/../psql_like.c")
	{
		my ($include, $lib) =
		  map { chomp(my $out = `$pg_config --$_`); $out } qw(includedir libdir);
		my $got = run_program({}, split(/ /, $ENV{CC} || 'cc'), '-O1', '-Wall', '-Wextra', '-Werror',
			'-o', "$program.new", "$here/../psql_like.c", "-I$include", "-L$lib", "-Wl,-rpath,$lib", '-lpq');

		croak "could not compile psql_like.c: $got->{stderr}" unless $got->{ok};
		rename "$program.new", $program or croak "could not rename $program.new: $!";
	}
	close $lock;
	return $program;
}

1;
