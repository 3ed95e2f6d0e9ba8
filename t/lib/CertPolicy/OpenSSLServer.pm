# A TLS server that is not PostgreSQL: openssl's own, behind a few bytes of Perl
# that take PostgreSQL's request for TLS.  For what no PostgreSQL server does:
# to ask for a certificate without naming a CA (as poolers do), or to insist on
# one during the handshake.
#
#	my $other = CertPolicy::OpenSSLServer->new($pki->server($ca), '-verify', 1);
#	$other->port;
#	$other->stop;
package CertPolicy::OpenSSLServer;

use strict;
use warnings;

use Carp qw(croak);
use CertPolicy::Liar qw(pass_on take_request);
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(usleep);

my %running;

# $cert is a server's certificate; @args go to openssl s_server.
sub new
{
	my ($class, $cert, @args) = @_;

	# Between the choice of a port and its use somebody else may take it.
	for (1 .. 5)
	{
		my ($openssl, $inner) = _start_openssl($cert, @args) or next;
		my $listen = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1')
		  or croak "could not listen: $!";
		my $relay = fork() // croak "could not fork: $!";

		if ($relay == 0)
		{
			while (my $client = $listen->accept)
			{
				take_request($client);
				syswrite $client, 'S';
				pass_on($client, $inner);
			}
			POSIX::_exit(0);
		}
		my $self = bless {
			port => $listen->sockport,
			pids => [ $openssl, $relay ],
			owner => $$,
		}, $class;

		$running{$self} = $self->{pids};
		return $self;
	}
	croak 'could not start openssl s_server';
}

sub _start_openssl
{
	my ($cert, @args) = @_;
	my $reserve = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
	  or croak "could not listen: $!";
	my $port = $reserve->sockport;

	close $reserve;
	my $pid = fork() // croak "could not fork: $!";
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		exec 'openssl', 's_server', '-accept', "127.0.0.1:$port", '-quiet',
		  '-naccept', 1000, '-cert', $cert->{chain}, '-key', $cert->{key}, @args
		  or POSIX::_exit(1);
	}
	for (1 .. 1000)
	{
		return if waitpid($pid, WNOHANG) == $pid;
		return ($pid, $port)
		  if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
		usleep(10_000);
	}
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return;
}

sub port
{
	my ($self) = @_;

	return $self->{port};
}

sub stop
{
	my ($self) = @_;

	_stop(delete $running{$self} // []);
	return;
}

sub _stop
{
	my ($pids) = @_;

	foreach my $pid (@$pids)
	{
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	return;
}

my $owner = $$;

END
{
	if ($$ == $owner)
	{
		my $status = $?;

		_stop($_) foreach values %running;
		$? = $status;
	}
}

1;
