# A PostgreSQL server with TLS for one test, and logins to it.
#
#	my $srv = CertPolicy::Server->new('main', pki => $pki,
#		ca_file => $ca->{cert}, server_cert => $pki->server($ca));
#	my $got = $srv->login(user => 'alice', cert => $leaf);
#	ok(!$got->{ok});
#	like($got->{log}, qr/.../);
#
# A refusal is only understood by its reason, and the reason is in the server's
# log.  So login() returns the lines that the login caused, all of them: it
# waits until the backends that served it have ended.
#
# With PG_CERT_POLICY_STAGE set (the DESTDIR of a "make install") the extension
# is taken from there; otherwise it must be installed in the system.
package CertPolicy::Server;

use strict;
use warnings;

use Carp qw(croak);
use CertPolicy::Command qw(psql_like run_program);
use Cwd ();
use Fcntl qw(LOCK_EX);
use File::Basename qw(dirname);
use File::Temp ();
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(usleep);

my $pg_config;
my $home;

# How long what must happen may take, in seconds; a busy machine is slow.
my $patience = $ENV{PG_TEST_TIMEOUT_DEFAULT} || 180;

# PostgreSQL::Test::Cluster reads its environment while it is compiled, and
# needs programs that are not in PATH on Debian: both are settled here, so that
# a test runs under "make installcheck" and under bare prove alike.
BEGIN
{
	$pg_config = $ENV{PG_CONFIG} || 'pg_config';

	die "these tests start servers, which PostgreSQL refuses to do as root:"
	  . " use \"make test\", or another user\n"
	  if $> == 0;

	delete @ENV{
		grep { /^PG/ && !/^PG_/ && $_ ne 'PGCERTSEL' && $_ ne 'PGPORT' }
		  keys %ENV };
	delete @ENV{qw(OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR SSLKEYLOGFILE)};

	# libpq looks for certificates and passwords at home.
	$home = File::Temp::tempdir('home_XXXXXX', TMPDIR => 1, CLEANUP => 1);
	$ENV{HOME} = $home;

	chomp(my $pgxs = `$pg_config --pgxs` // '');
	die "could not run $pg_config: is PostgreSQL's server-dev package there?\n"
	  if $pgxs eq '';
	my $src = dirname(dirname($pgxs));
	push @INC, "$src/test/perl" if -d "$src/test/perl";
	$ENV{PG_REGRESS} = "$src/test/regress/pg_regress"
	  unless $ENV{PG_REGRESS} && -x $ENV{PG_REGRESS};

	chomp(my $bindir = `$pg_config --bindir`);
	$ENV{PATH} = "$bindir:$ENV{PATH}"
	  unless grep { $_ eq $bindir } split /:/, $ENV{PATH};

	$ENV{TESTDIR} =
	  File::Temp::tempdir('test_XXXXXX', TMPDIR => 1, CLEANUP => 1)
	  unless $ENV{TESTDIR} || -w '.';
}

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{PGUSER} = 'postgres';

my @all;

# Perl ends at a signal without its END blocks, in which servers are stopped.
# A child that a test forked has nothing to stop.
my $test = $$;
foreach my $signal (qw(HUP INT TERM))
{
	$SIG{$signal} = sub { $$ == $test ? exit 1 : POSIX::_exit(1) };
}

sub new
{
	my ($class, $name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $self = bless {
		node => $node,
		pki => $opt{pki},
		mark => 0,
	}, $class;

	_init($node, %{ $opt{init} // {} });
	$node->append_conf('postgresql.conf', <<'CONF');
listen_addresses = '127.0.0.1'
log_connections = on
log_disconnections = on
log_statement = none
log_line_prefix = '%m [%p] %e %q%u@%d '
CONF
	$node->append_conf('postgresql.conf', _stage_conf());
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'pg_cert_policy'\n")
	  if $opt{preload} // 1;

	if ($opt{server_cert})
	{
		$node->append_conf('postgresql.conf', <<"CONF");
ssl = on
ssl_cert_file = '$opt{server_cert}{chain}'
ssl_key_file = '$opt{server_cert}{key}'
CONF
		$node->append_conf('postgresql.conf',
			"ssl_ca_file = '$opt{ca_file}'\n")
		  if defined $opt{ca_file};
	}
	$node->append_conf('postgresql.conf', $opt{conf})
	  if defined $opt{conf};

	$self->hba(@{
			  $opt{hba}
			? $opt{hba}
			: ['hostssl all all 127.0.0.1/32 trust clientcert=verify-ca'] });
	$self->ident(@{ $opt{ident} // [] });
	$self->start if $opt{start} // 1;
	return $self;
}

# A physical standby of this server, which streams from it as the role "user"
# with the certificate "cert".
#
#	my $standby = $srv->standby('standby', user => 'standby', cert => $leaf,
#		ca_file => $other->{cert});
#
# Its files and its port are its own; everything else it has from the server.
sub standby
{
	my ($self, $name, %opt) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $standby = bless { %$self, node => $node, mark => 0 }, ref $self;

	$self->{node}->backup("for_$name");
	$node->init_from_backup($self->{node}, "for_$name", has_streaming => 1);
	$standby->conf("wal_retrieve_retry_interval = 100ms\nhot_standby = on\n");
	$standby->stream_from($self, user => $opt{user}, cert => $opt{cert});
	$standby->conf("ssl_cert_file = '$opt{server_cert}{chain}'\n"
		  . "ssl_key_file = '$opt{server_cert}{key}'\n")
	  if $opt{server_cert};
	$standby->conf("ssl_ca_file = '$opt{ca_file}'\n") if defined $opt{ca_file};
	$standby->conf($opt{conf}) if defined $opt{conf};
	$standby->start if $opt{start} // 1;
	return $standby;
}

# Lets a standby stream from that server; the options are those of login().  It
# takes a reload.
sub stream_from
{
	my ($self, $from, %opt) = @_;
	my $conninfo = $from->conninfo(%opt,
		conninfo => 'application_name=' . $self->{node}->name);

	$self->conf("primary_conninfo = " . _literal($conninfo) . "\n");
	return;
}

# Waits until what this server has now is on the standby as well.
sub wait_for_replay
{
	my ($self, $standby) = @_;

	$self->{node}->wait_for_catchup($standby->node);
	return;
}

# initdb takes longer than many a test, so it runs once for all the servers of
# a run, and they get copies: what PostgreSQL's own framework does from 17 on,
# but only for servers with the default options.
sub _init
{
	my ($node, %opt) = @_;
	my @extra = ('-U', 'postgres', '--locale=C', '-E', 'UTF8');
	my $system = \&PostgreSQL::Test::Utils::system_or_bail;
	my $copy = sub {
		my ($command) = @_;

		return $system->(@_) if $command ne 'initdb';
		return $system->('cp', '-RPp', _template($system, @extra), $node->data_dir);
	};

	# TestLib is what 13 calls it.
	no warnings qw(once redefine);
	local *PostgreSQL::Test::Utils::system_or_bail = $opt{extra} ? $system : $copy;
	local *TestLib::system_or_bail = $opt{extra} ? $system : $copy;
	$node->init(extra => \@extra, %opt);
	return;
}

# A folder made by initdb.  Whoever comes first makes it, for this version of
# the server and this run of the tests.
sub _template
{
	my ($system, @extra) = @_;
	my $run = $ENV{TESTDIR} // '.';
	chomp(my $version = `initdb --version`);
	my $path = "$run/tmp_check/template-" . $version =~ s/[^\w.]+/-/gr;

	mkdir "$run/tmp_check" unless -d "$run/tmp_check";
	open my $lock, '>', "$path.lock" or croak "could not write $path.lock: $!";
	flock $lock, LOCK_EX or croak "could not lock $path.lock: $!";
	if (!-d $path)
	{
		$system->('initdb', '-D', "$path.new", '-A', 'trust', '-N', @extra);
		rename "$path.new", $path or croak "could not rename $path.new: $!";
	}
	close $lock;
	return $path;
}

# Where a staged extension is found.
sub _stage_conf
{
	my $stage = $ENV{PG_CERT_POLICY_STAGE};
	my ($version, $sharedir, $libdir) =
	  map { chomp(my $out = `$pg_config --$_`); $out }
	  qw(version sharedir pkglibdir);
	my ($major) = $version =~ /(\d+)/;

	return '' unless defined $stage && $stage ne '';
	$stage = Cwd::abs_path($stage) // croak "no folder \"$stage\"";
	# extension_destdir is a patch of Debian's; it does not look for what is
	# preloaded.
	my $setting =
		$major >= 18
	  ? "extension_control_path = '$stage$sharedir:\$system'"
	  : "extension_destdir = '$stage'";
	return "$setting\ndynamic_library_path = '$stage$libdir:\$libdir'\n";
}

sub node
{
	my ($self) = @_;

	return $self->{node};
}

sub port
{
	my ($self) = @_;

	return $self->{node}->port;
}

# Replaces pg_hba.conf.  Where no line speaks of Unix sockets, the superuser
# keeps his.
sub hba
{
	my ($self, @lines) = @_;

	unshift @lines, 'local all all trust', 'local replication all trust'
	  unless grep { /^\s*local\s/ } @lines;
	$self->_replace('pg_hba.conf', @lines);
	return;
}

# Replaces pg_ident.conf; the map "me" lets the user who runs the test be
# postgres, for "peer map=me".
sub ident
{
	my ($self, @lines) = @_;

	$self->_replace('pg_ident.conf',
		'me ' . getpwuid($>) . ' postgres', @lines);
	return;
}

# Adds lines to postgresql.conf; the last one of a setting wins.
sub conf
{
	my ($self, $lines) = @_;

	$self->{node}->append_conf('postgresql.conf', $lines);
	return;
}

sub _replace
{
	my ($self, $name, @lines) = @_;
	my $path = $self->{node}->data_dir . "/$name";

	open my $file, '>', $path or croak "could not write $path: $!";
	print $file "$_\n" foreach @lines;
	close $file or croak "could not write $path: $!";
	return;
}

# Runs SQL as superuser over the Unix socket; dies if it fails.
sub sql
{
	my ($self, $sql, %opt) = @_;

	# of several statements each is a transaction of its own
	return $self->{node}->safe_psql($opt{db} // 'postgres', $sql)
	  if $sql =~ /;\s*[^\s;]/ || !_plain($sql);
	my $got = _in_home(sub {
		psql_like($self->conninfo(tls => 0, db => $opt{db}), $sql, $patience) });

	croak "\"$sql\" failed: $got->{stderr}" unless $got->{ok};
	return $got->{stdout};
}

# Is it without what only psql can do?
sub _plain
{
	my ($sql) = @_;

	return $sql !~ /^\s*\\/m && $sql !~ /\bcopy\b/i;
}

# The same, but a failure is a result: { ok, status, stdout, stderr, log }.
sub try_sql
{
	my ($self, $sql, %opt) = @_;

	return $self->login(
		user => 'postgres',
		tls => 0,
		sql => $sql,
		%opt);
}

# The connection string for a login, with login()'s options.
sub conninfo
{
	my ($self, %opt) = @_;
	my $node = $self->{node};
	my $tls = $opt{tls} // 1;
	my $cert = $opt{cert};
	my %info = (
		host => $tls ? 'localhost' : $node->host,
		port => $node->port,
		user => $opt{user} // 'postgres',
		dbname => $opt{db} // 'postgres',
		connect_timeout => 30,
		sslcert => '/dev/null/none',
	);

	%info = (%info, hostaddr => '127.0.0.1', sslmode => 'require',
		gssencmode => 'disable')
	  if $tls;
	if ($cert)
	{
		$info{sslcert} = $opt{chain} // 1 ? $cert->{chain} : $cert->{cert};
		$info{sslkey} = $opt{key} // $cert->{key};
		$info{sslpassword} = $cert->{password} if defined $cert->{password};
	}
	return join(' ',
		(map { "$_=" . _quote($info{$_}) } sort keys %info),
		$opt{conninfo} // ());
}

# Logs in as psql does, over TCP and TLS unless tls => 0 (Unix socket).
#
#	user, db		the role and database
#	cert			a hash of CertPolicy::PKI; none sends no certificate
#	chain			0 sends the certificate without its intermediates
#	key, password	another key file; the password of role or key is told apart:
#					password is the role's, the key's is in cert
#	conninfo		more of it, which wins over all of these
#	env				more of the environment
#	sql				default 'select 1'
#	timeout			in seconds
sub login
{
	my ($self, %opt) = @_;
	my $conninfo = $self->conninfo(%opt);
	my $sql = $opt{sql} // 'select 1';
	my %env = %{ $opt{env} // {} };
	$env{PGPASSWORD} = $opt{password} if defined $opt{password};

	return $self->_with_log(sub {
			_in_home(sub { psql_like($conninfo, $sql, $opt{timeout} // $patience) }) })
	  if !%env && _plain($sql);
	return $self->client(
		[ 'psql', '-XAtqw', '-v', 'ON_ERROR_STOP=1', '-d', $conninfo, '-c', $sql ],
		env => \%env,
		timeout => $opt{timeout});
}

# Runs any program in an environment without a trace of libpq's variables, and
# returns { ok, status, stdout, stderr, log }.
sub client
{
	my ($self, $command, %opt) = @_;

	return $self->_with_log(sub {
		_in_home(sub {
			run_program({
					env => { %ENV, %{ $opt{env} // {} } },
					stdin => $opt{stdin},
					timeout => $opt{timeout} // $patience
				}, @$command) }) });
}

# Without libpq's variables, and where its files are not.
sub _in_home
{
	my ($run) = @_;

	local %ENV = %ENV;
	delete @ENV{ grep { /^PG/ && !/^PG_/ && $_ ne 'PGCERTSEL' } keys %ENV };
	$ENV{HOME} = $home;
	$ENV{LC_ALL} = 'C';
	return $run->();
}

# What a client got, and what the server's log says to it.
sub _with_log
{
	my ($self, $run) = @_;
	my $mark = $self->_log_end;
	my $got = $run->();

	$got->{log} = $self->_log_of_clients($mark);
	return $got;
}

# The log since the mark, once every backend that it tells of has ended: what
# a backend says about a failed handshake may come after the client has gone.
# So may the farewell of a client before it, which is not this one's.
sub _log_of_clients
{
	my ($self, $mark) = @_;
	my (%mine, %alive);

	for (my $i = 0; $i < $patience * 100; $i++)
	{
		my $log = $self->log_since($mark);

		$mine{$_} = 1 foreach $log =~ /\[(\d+)\] .*connection received:/g;
		%alive = map { $_ => 1 } grep { kill(0, $_) } keys %mine;
		return join '', grep { !/\[(\d+)\] .*LOG:  disconnection:/ || $mine{$1} }
		  split /^/, $self->log_since($mark)
		  unless %alive;
		usleep(10_000);
	}
	croak "backends @{[sort keys %alive]} of \"" . $self->{node}->name
	  . "\" are still there after $patience s";
}

# Where the log ends now; log_since() gives what came after that, or after the
# last log_mark().
sub log_mark
{
	my ($self) = @_;

	$self->{mark} = $self->_log_end;
	return $self->{mark};
}

sub _log_end
{
	my ($self) = @_;

	return -s $self->{node}->logfile // 0;
}

sub log_since
{
	my ($self, $mark) = @_;
	my $path = $self->{node}->logfile;

	open my $file, '<:raw', $path or croak "could not read $path: $!";
	seek $file, $mark // $self->{mark}, 0;
	local $/ = undef;
	my $text = <$file> // '';
	close $file;
	return $text;
}

# Waits until the log since the mark matches, and returns it.
sub wait_for_log
{
	my ($self, $regexp, $mark) = @_;

	for (my $i = 0; $i < $patience * 100; $i++)
	{
		my $log = $self->log_since($mark);

		return $log if $log =~ $regexp;
		usleep(10_000);
	}
	croak "the log of \"" . $self->{node}->name . "\" has no $regexp";
}

# How many sessions pg_cert_sessions has that meet a condition, or without one, all
# but the superuser's.  A client knows of its end a moment before the process behind it
# is gone, so that is asked until they are as many as wanted, or time is over.
sub sessions_become
{
	my ($self, $want, $where) = @_;
	my $sql = 'select count(*) from pg_cert_sessions where ' . ($where // q{role <> 'postgres'});
	my $found;

	for (my $i = 0; $i < $patience * 20; $i++)
	{
		$found = $self->sql($sql);
		last if $found == $want;
		usleep(50_000);
	}
	return $found;
}

# Has the configuration read again, and returns what the server said to it.
# When this returns, new sessions use the new one.
sub reload
{
	my ($self) = @_;
	my $mark = $self->_log_end;

	$self->{node}->reload;
	$self->wait_for_log(qr/received SIGHUP, reloading configuration files/,
		$mark);
	$self->_knock;
	return $self->log_since($mark);
}

# Asks for TLS on the Unix socket and hangs up.  The postmaster answers only
# after it has finished what it was doing.
sub _knock
{
	my ($self) = @_;
	my $node = $self->{node};
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $socket = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path)
	  or croak "could not connect to $path: $!";
	my $answer;

	$socket->syswrite(pack('NN', 8, 80877103));
	$socket->sysread($answer, 1)
	  or croak "no answer from $path";
	$socket->close;
	return;
}

sub start
{
	my ($self, %opt) = @_;

	return $self->{node}->start(%opt);
}

sub stop
{
	my ($self, $mode) = @_;

	$self->{node}->stop($mode);
	return;
}

sub restart
{
	my ($self) = @_;

	$self->{node}->restart;
	return;
}

# The major version of the libpq that pgcertsel runs with.
sub libpq_version
{
	my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
	my ($major) = `$pgcertsel --version` =~ /\(libpq (\d+)\./
	  or croak "$pgcertsel does not say which libpq it has";

	return $major;
}

# The environment in which libpq finds the certificate in .postgresql under this
# folder.  From 15 on libpq looks at HOME first; before, at the password
# database alone, which a test cannot change: there variables name the files.
sub at_home
{
	my ($home) = @_;
	my %env = (HOME => $home);

	@env{qw(PGSSLCERT PGSSLKEY)} = map { "$home/.postgresql/postgresql.$_" } qw(crt key)
	  if libpq_version() < 15;
	return %env;
}

# A value in postgresql.conf, or in SQL.
sub _literal
{
	my ($value) = @_;

	$value =~ s/'/''/g;
	return "'$value'";
}

# A value in a connection string.
sub _quote
{
	my ($value) = @_;

	$value =~ s/(['\\])/\\$1/g;
	return "'$value'";
}

1;
