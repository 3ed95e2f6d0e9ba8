# A session that stays: psql in the background.
#
#	my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $leaf);
#	my $answer = $session->query('select 1');
#	$session->send('select pg_sleep(100)');
#	$session->wait_for_end;			# ended by the server
#	$session->close;				# or by us
package CertPolicy::Session;

use strict;
use warnings;

use Carp qw(croak);
use IPC::Run ();

my $seconds = $ENV{PG_TEST_TIMEOUT_DEFAULT} || 180;

# The options are those of CertPolicy::Server's login().
sub new
{
	my ($class, $srv, %opt) = @_;
	my $self = bless { in => '', out => '', err => '' }, $class;

	$self->{timer} = IPC::Run::timeout($seconds, name => 'session');
	$self->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $srv->conninfo(%opt) ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err},
		$self->{timer});
	$self->{pid} = $self->query('select pg_backend_pid()');
	return $self;
}

# The pid of the server's process.
sub pid
{
	my ($self) = @_;

	return $self->{pid};
}

sub send
{
	my ($self, $sql) = @_;

	$self->{timer}->start($seconds);
	$self->{in} .= "$sql;\n";
	$self->{run}->pump_nb;
	return;
}

# Runs SQL and returns what it printed.
sub query
{
	my ($self, $sql) = @_;

	$self->{out} = '';
	$self->{timer}->start($seconds);
	$self->{in} .= "$sql;\n\\echo :done:\n";
	$self->{run}->pump until $self->{out} =~ /:done:/ || !$self->{run}->pumpable;
	croak "session ended: $self->{err}" unless $self->{out} =~ s/\s*:done:\s*//;
	return $self->{out};
}

# Waits until the server has ended the session, and returns what psql said.
sub wait_for_end
{
	my ($self) = @_;

	my $until = time + $seconds;
	local $SIG{PIPE} = 'IGNORE';

	while (kill 0, $self->{pid})
	{
		croak "session $self->{pid} is still there after $seconds s" if time > $until;
		select undef, undef, undef, 0.05;
	}
	$self->{timer}->start($seconds);
	# a psql that waits for an answer says so now, an idle one at its next
	# statement
	for (1 .. 10)
	{
		last if $self->{err} =~ /terminating/ || !eval { $self->{run}->pump_nb; 1 };
		select undef, undef, undef, 0.05;
	}
	$self->{in} .= "select 1;\n\\q\n" unless $self->{err} =~ /terminating/;
	eval { $self->{run}->finish };
	return $self->{err};
}

sub close
{
	my ($self) = @_;

	$self->{timer}->start($seconds);
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish };
	return;
}

1;
