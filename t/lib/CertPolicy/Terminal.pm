# A program on a terminal of its own, and what appears there.
#
#	my $shell = CertPolicy::Terminal->new('sh', '-i');
#	$shell->send("echo hello\n");
#	$shell->expect(qr/hello/, 'the shell answers');		# a test
#	$shell->close;
#
# Needs IO::Pty: "require" it in an eval, and skip where it is not there.
package CertPolicy::Terminal;

use strict;
use warnings;

use IO::Pty;
use POSIX ();
use Test::More;

sub new
{
	my ($class, @command) = @_;
	my $pty = IO::Pty->new;
	my $pid = fork // die "could not fork: $!";

	if ($pid == 0)
	{
		$pty->make_slave_controlling_terminal;
		my $slave = $pty->slave;

		close $pty;
		open STDIN, '<&', $slave;
		open STDOUT, '>&', $slave;
		open STDERR, '>&', $slave;
		delete @ENV{ grep { /^PG/ && !/^PG_/ } keys %ENV };
		@ENV{qw(LC_ALL TERM PAGER ENV)} = qw(C dumb cat /dev/null);
		exec @command or POSIX::_exit(127);
	}
	$pty->close_slave;
	return bless { pty => $pty, pid => $pid, seen => '' }, $class;
}

sub send
{
	my ($self, $text) = @_;

	syswrite $self->{pty}, $text;
	return;
}

# A test: does this appear within ten seconds, after what was seen before?
sub expect
{
	my ($self, $pattern, $what) = @_;
	my $end = time + 10;

	for (;;)
	{
		my $read = '';

		if ($self->{seen} =~ /$pattern/)
		{
			$self->{seen} = substr $self->{seen}, $+[0];
			pass($what);
			return;
		}
		vec($read, fileno $self->{pty}, 1) = 1;
		last
		  if time >= $end
		  || !select($read, undef, undef, $end - time)
		  || !sysread($self->{pty}, $self->{seen}, 4096, length $self->{seen});
	}
	fail($what);
	diag($self->{seen});
	return;
}

sub close
{
	my ($self) = @_;

	$self->send("exit\n");
	close $self->{pty};
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
	return;
}

1;
