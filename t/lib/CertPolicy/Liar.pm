# Servers that lie: each answers every client with a piece of Perl, in a process
# of its own.
#
#	my $liar = CertPolicy::Liar->new(sub { my ($client) = @_; ... });
#	$liar->port;
#	$liar->clients;		how many it has had
#	$liar->stop;
#
# Who lies now and then only, passes the others on to an honest server.  And the
# words of PostgreSQL's protocol, for those who lie in SQL.
package CertPolicy::Liar;

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use File::Temp ();
use IO::Socket::INET;

our @EXPORT_OK = qw(pass_on take_request take_message message columns row rows ready welcome);

my %running;

sub new
{
	my ($class, $answer) = @_;
	my $listen = IO::Socket::INET->new(Listen => 20, LocalAddr => '127.0.0.1')
	  or croak "could not listen: $!";
	my $count = File::Temp->new;
	my $pid = fork() // croak "could not fork: $!";

	if ($pid == 0)
	{
		setpgrp 0, 0;
		$SIG{CHLD} = 'IGNORE';
		while (my $client = $listen->accept)
		{
			# one byte more for each client
			syswrite $count, 'x';
			my $child = fork() // next;
			next if $child;
			$SIG{PIPE} = 'IGNORE';
			# nobody is lied to for longer
			alarm 60;
			eval { $answer->($client); };
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	# the child does the same; whoever is first
	setpgrp $pid, $pid;
	my $self = bless { port => $listen->sockport, pid => $pid, count => $count }, $class;

	$running{$self} = $pid;
	return $self;
}

sub port
{
	my ($self) = @_;

	return $self->{port};
}

sub clients
{
	my ($self) = @_;

	return -s $self->{count}->filename;
}

sub stop
{
	my ($self) = @_;

	_stop(delete $running{$self});
	return;
}

sub _stop
{
	my ($pid) = @_;

	return unless $pid;
	kill 'KILL', -$pid, $pid;
	waitpid $pid, 0;
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

# To the server at that port, which is told first what was taken from the client
# already.  Both directions, each to its own end.
sub pass_on
{
	my ($client, $port, $taken) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or return;
	my %open = (
		fileno $client => [ $client, $server ],
		fileno $server => [ $server, $client ]);

	syswrite $server, $taken if defined $taken;
	while (%open)
	{
		my $read = '';

		vec($read, $_, 1) = 1 foreach keys %open;
		select $read, undef, undef, 10 or return;
		foreach my $fd (keys %open)
		{
			next unless vec($read, $fd, 1);
			my ($from, $to) = @{ $open{$fd} };

			if (sysread $from, my $bytes, 65536)
			{
				syswrite $to, $bytes;
			}
			else
			{
				shutdown $to, 1;
				delete $open{$fd};
			}
		}
	}
	return;
}

# --- PostgreSQL's protocol -------------------------------------------------------

# The request for TLS, or the startup packet.
sub take_request
{
	my ($client) = @_;

	_read($client, 4) // return;
	my $len = unpack 'N', $_;
	return _read($client, $len - 4);
}

# A message's letter, its body in $_; undef when the client is gone.
sub take_message
{
	my ($client) = @_;

	_read($client, 5) // return;
	my ($letter, $len) = unpack 'a N', $_;
	_read($client, $len - 4) // return;
	return $letter;
}

# So many bytes, which are in $_ as well.
sub _read
{
	my ($client, $len) = @_;

	$_ = '';
	while (length $_ < $len)
	{
		sysread($client, $_, $len - length $_, length $_) or return;
	}
	return $_;
}

sub message
{
	my ($letter, $body) = @_;

	return $letter . pack('N', 4 + length $body) . $body;
}

sub columns
{
	my (@names) = @_;

	return message('T', pack('n', scalar @names) . join '',
		map { "$_\0" . pack 'N n N n N n', 0, 0, 17, 0xffff, 0xffffffff, 1 } @names);
}

# undef is NULL.
sub row
{
	my (@values) = @_;

	return message('D', pack('n', scalar @values) . join '',
		map { defined $_ ? pack 'N/a*', $_ : pack 'N', 0xffffffff } @values);
}

# The whole answer to a query: the names of its columns, then rows.
sub rows
{
	my ($columns, @rows) = @_;

	return message('1', '') . message('2', '') . columns(@$columns) .
	  join('', map { row(@$_) } @rows) . message('C', "SELECT 1\0") . ready();
}

sub ready
{
	return message 'Z', 'I';
}

# A server that lets everybody in.
sub welcome
{
	return message('R', pack 'N', 0) . message('S', "server_version\00015.0\0") . ready();
}

1;
