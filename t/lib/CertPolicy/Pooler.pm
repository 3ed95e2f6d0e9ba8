# A pgbouncer in front of a server.
#
#	my $pooler = CertPolicy::Pooler->new($folder, $ini);
#	... $pooler->port, $pooler->log ...
#	$pooler->stop;
#
# The folder is new; the text is pgbouncer.ini but for "listen_addr",
# "listen_port" and "logfile", which are added.  Files that the text names are up to the caller.
package CertPolicy::Pooler;

use strict;
use warnings;

use Carp qw(croak);
use CertPolicy::Client qw(program slurp write_file);
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(usleep);

# The program, or undef.
sub there
{
	return program('pgbouncer');
}

sub new
{
	my ($class, $folder, $ini) = @_;
	my $self = bless { folder => $folder }, $class;

	mkdir $folder unless -d $folder;
	# another process may be given the port in between
	for (1 .. 5)
	{
		my $reserve = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or croak "$!";
		my $port = $reserve->sockport;

		close $reserve;
		write_file("$folder/ini", "$ini\nlisten_addr = 127.0.0.1\nlisten_port = $port\n"
			  . "unix_socket_dir =\nlogfile = $folder/log\n");
		@$self{qw(pid port)} = (fork() // croak("could not fork: $!"), $port);
		if ($self->{pid} == 0)
		{
			open STDERR, '>', '/dev/null';
			exec there(), '-q', "$folder/ini" or POSIX::_exit(1);
		}
		for (1 .. 1000)
		{
			last if waitpid($self->{pid}, WNOHANG) == $self->{pid};
			return $self if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
			usleep(10_000);
		}
		$self->stop;
	}
	croak 'could not start pgbouncer: ' . $self->log;
}

sub port
{
	my ($self) = @_;

	return $self->{port};
}

# What it has written to its log.
sub log
{
	my ($self) = @_;

	return -e "$self->{folder}/log" ? slurp("$self->{folder}/log") : '';
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

sub DESTROY
{
	my ($self) = @_;

	local $?;
	$self->stop;
	return;
}

1;
