# The documentation tells the truth: every command in it is run, and every
# output that it shows is compared with what comes out.  How blocks are marked
# is said in lib/CertPolicy/Docs.pm.
#
# Each set-up is a folder with certificates and servers of its own.  In the
# pages the folder is /home/me, the server's data directory /var/lib/postgresql/data,
# its sockets' /var/run/postgresql, its port 5432 and its log postgresql.log; the
# name db.example.com is its own.
#
#	prove t/200_docs.pl :: client security		only these pages
#	DOCS_FILL=1 prove t/200_docs.pl				replaces outputs that are "?" in
#												the page by what comes out
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Docs;
use CertPolicy::PKI;
use CertPolicy::Server;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp ();
use IPC::Run ();
use POSIX ();
use Test::More;

my $root = dirname($FindBin::RealBin);
my @pages = (
	(grep { -e && slurp($_) =~ /<!-- test: / } map { "$root/$_.md" } qw(README CONTRIBUTING)),
	sort glob("$root/docs/*.md"));
my %count;
my $world;			# the set-up: { folder, servers, on, env }
my $n_worlds = 0;
my $page;			# the name of the page
my $local = 'local all all peer map=me';	# whoever runs the test is postgres
my $ido = '/C=CA/ST=BC/L=VAN/O=IDO/OU=DEV';

@pages = grep { my $p = $_; grep { basename($p) eq "$_.md" } @ARGV } @pages
  if @ARGV;
ok(@pages > 0, 'there are pages');
foreach my $path (@pages)
{
	my $text = slurp($path);

	$page = basename($path);
	foreach my $block (CertPolicy::Docs::blocks($text))
	{
		my $lacks = $block->{kind} eq 'needs' && lacks($block->{body});

		run_block($path, $block) unless $block->{kind} eq 'needs';
		next unless $lacks;
	  SKIP: { skip "$page: $lacks", 1 }
		last;
	}
	end_world();
}
diag(join ', ', map { "$count{$_} $_" } sort keys %count);
done_testing();

# ---------------------------------------------------------------------------
# Blocks
# ---------------------------------------------------------------------------

# What "needs PostgreSQL 15" misses here, or nothing.
sub lacks
{
	my ($program, $least) = split ' ', shift;
	my %ask = (OpenSSL => 'openssl version', PostgreSQL => 'psql --version',
		psycopg2 => "python3 -c 'import psycopg2; print(psycopg2.__version__)' 2>/dev/null");
	my $version = `$ask{$program}`;

	return $version =~ /(\d+)/ && $1 >= $least ? '' : "needs $program $least";
}

sub run_block
{
	my ($path, $block) = @_;
	my $kind = $block->{kind};
	my $name = "$page:$block->{line} $kind";
	my %do = (
		setup => sub { end_world(); setup($block->{body}) },
		on => sub { $world->{on} = $block->{body} },
		replay => \&replay,
		file => sub { spit(here($block->{argument}), here("$block->{body}\n")) },
		conf => sub { conf($block) },
		hba => sub { server()->hba($local, split /\n/, $block->{body}); server()->reload },
		policy => sub {
			server()->sql("select from pg_cert_policy_check('alice', null::text,"
				  . " policy => \$\$$block->{body}\$\$)");
		},
		skip => sub { note("$name: $block->{argument}") });

	$count{ $block->{hidden} ? "unseen $kind" : $kind }++;
	if ($kind eq 'sql')
	{
		run_sql($path, $block, $name);
	}
	elsif ($kind eq 'console' || $kind eq 'sh')
	{
		run_console($path, $block, $name);
	}
	elsif ($do{$kind} && ($world || $kind =~ /^(setup|skip)$/))
	{
		ok(eval { $do{$kind}->(); 1 }, $name) || diag($@);
	}
	else
	{
		fail("$name: this block has no mark");
	}
	return;
}

sub run_sql
{
	my ($path, $block, $name) = @_;
	my $wants = $block->{wants};
	my ($status, $got) = command(
		[ 'psql', '-XqU', 'postgres', '-d', 'postgres',
			'-P', 'footer=off', '-P', 'pager=off',
			defined $wants && !$block->{fails} ? () : ('-v', 'ON_ERROR_STOP=1') ],
		here($block->{body}),
		PGHOST => server()->node->host, PGHOSTADDR => undef,
		PGPORT => server()->port);

	verdict($path, $block, $name, $wants, $status, $got);
	return;
}

sub run_console
{
	my ($path, $block, $name) = @_;
	my @commands = $block->{hidden}
	  ? { command => "set -e\n$block->{body}" }
	  : CertPolicy::Docs::commands($block->{body});

	fail("$name: there is no command in it") unless @commands;
	foreach my $one (@commands)
	{
		my ($status, $got);

		# what another process writes to a log may take a moment
		for my $try (1 .. $one->{command} =~ /^(tail|grep) / ? 50 : 1)
		{
			select undef, undef, undef, 0.1 if $try > 1;
			($status, $got) = shell($one->{command});
			last if !defined $one->{wants}
			  || CertPolicy::Docs::agrees($one->{wants}, $got);
		}
		verdict($path, $block, "$name: $one->{command}", $one->{wants},
			$status, $got);
	}
	return;
}

sub verdict
{
	my ($path, $block, $name, $wants, $status, $got) = @_;

	if ($ENV{DOCS_FILL} && defined $wants && $wants eq '?')
	{
		my $text = slurp($path);

		$got = $1 if $got =~ /\A\n*(.*?)\s*\z/s;
		$got =~ s/[ \t]+$//mg;
		$text =~ s/^(\h*)\?$/join "\n", map { "$1$_" } split m!\n!, $got/me;
		spit($path, $text);
		return;
	}
	$name =~ s/\n.*/.../s;
	if ($block->{fails})
	{
		isnt($status, 0, "$name fails") || diag($got);
	}
	elsif (!defined $wants)
	{
		is($status, 0, $name) || diag($got);
	}
	if (defined $wants)
	{
		ok(CertPolicy::Docs::agrees($wants, $got), "$name: as shown")
		  || diag("shown:\n$wants\nfound:\n$got");
	}
	return;
}

# ---------------------------------------------------------------------------
# Running things
# ---------------------------------------------------------------------------

# What is in the page, for this set-up; and back.
sub here
{
	my ($text) = @_;
	my $data = abs_path(server()->node->data_dir);
	my $sockets = server()->node->host;

	$text =~ s!/var/lib/postgresql/data!$data!g;
	$text =~ s!/var/run/postgresql!$sockets!g;
	$text =~ s!/home/me\b!$world->{folder}!g;
	return $text;
}

sub there
{
	my ($text) = @_;

	foreach my $srv (values %{ $world->{servers} })
	{
		my ($data, $port) = (abs_path($srv->node->data_dir), $srv->port);

		$text =~ s!\Q$data\E!/var/lib/postgresql/data!g;
		$text =~ s!\b$port\b!5432!g;
	}
	$text =~ s!\Q$world->{folder}\E!/home/me!g;
	return $text;
}

# In bash; folder, umask and exported variables are kept for the next command.
sub shell
{
	my ($command) = @_;
	my $state = "$world->{folder}/.state";

	return command(
		[ 'bash', '-c', "[ -e $state ] && . $state\n" . here($command)
			  . "\nstatus=\$?\n{ export -p; printf 'cd %q; umask %s\\n' \"\$PWD\" \$(umask); } >$state; exit \$status" ],
		'');
}

sub command
{
	my ($command, $stdin, %env) = @_;
	my $out = '';

	local %ENV = %ENV;
	delete @ENV{ grep { /^PG/ && !/^PG_/ && $_ ne 'PGCERTSEL' } keys %ENV };
	%ENV = (%ENV, %{ $world->{env} }, %env);
	delete @ENV{ grep { !defined $env{$_} } keys %env };
	my $folder = $world->{folder};
	my $harness = IPC::Run::start($command, '<', \$stdin, '>&', \$out,
		init => sub { chdir $folder },
		IPC::Run::timeout(120, name => 'command'));
	$harness->finish;
	return ($harness->full_result(0), there($out));
}

sub server
{
	return $world->{servers}{ $world->{on} };
}

sub conf
{
	my ($block) = @_;

	server()->conf(here("$block->{body}\n"));
	$block->{argument} eq 'restart' ? server()->restart : server()->reload;
	my $wrong = server()->sql(
		"select name, error from pg_file_settings where error is not null");
	die "wrong: $wrong\n" if ($wrong ne '') != ($block->{argument} eq 'wrong');
	return;
}

# ---------------------------------------------------------------------------
# Set-ups
# ---------------------------------------------------------------------------

sub setup
{
	my ($name) = @_;
	my %setups = (server => \&setup_server, empty => \&setup_empty,
		troubles => \&setup_troubles, fleet => \&setup_fleet);

	die "there is no set-up \"$name\"\n" unless $setups{$name};
	my $folder = abs_path(
		File::Temp::tempdir('docs_XXXXXX', TMPDIR => 1, CLEANUP => 1));
	my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
	my $stage = $ENV{PG_CERT_POLICY_STAGE} // '';

	mkdir "$folder/.bin";
	symlink $pgcertsel, "$folder/.bin/pgcertsel" if $pgcertsel =~ m!/!;
	$world = {
		folder => $folder,
		env => {
			HOME => $folder,
			PATH => "$folder/.bin:$ENV{PATH}",
			LC_ALL => 'C.UTF-8',
			TZ => 'UTC',
			SOURCES => $root,
			PGCONNECT_TIMEOUT => 30,
			PGHOSTADDR => '127.0.0.1',
			PKG_CONFIG_PATH => "$stage/usr/local/lib/pkgconfig",
			PKG_CONFIG_SYSROOT_DIR => $stage,
			LD_LIBRARY_PATH => "$stage/usr/local/lib",
		},
	};
	$setups{$name}->();
	$world->{env}{PGPORT} = server()->port;
	symlink abs_path(server()->node->logfile), "$folder/postgresql.log";
	return;
}

# The options that all servers have.
sub new_server
{
	my ($name, %opt) = @_;

	$n_worlds++;
	$world->{servers}{$name} = CertPolicy::Server->new(
		"docs$n_worlds",
		%opt,
		conf => "log_connections = off\nlog_disconnections = off\n"
		  . "log_line_prefix = ''\ntimezone = 'UTC'\n" . ($opt{conf} // ''));
	$world->{on} //= $name;
	return $world->{servers}{$name};
}

# A server that knows nothing of certificates.
sub setup_empty
{
	new_server('db', preload => 0, hba => [$local]);
	return;
}

# A server that trusts rootCA1 and rootCA2, and certificates of both in certs/:
# alice and bob of rootCA1, other_alice of rootCA2, forged_alice of an
# intermediate that rootCA2 named "rootCA1".  Of alice's 90 days 88 days, 23 hours
# and a half are left, so that "88d 23h" is true of a fast machine and of a slow one.
sub setup_server
{
	my $ca = "$world->{folder}/ca";
	my $pki = CertPolicy::PKI->new("$world->{folder}/.pki");
	my $one = $pki->root('rootCA1', subject => "$ido/CN=rootCA1");
	my $two = $pki->root('rootCA2', subject => "$ido/CN=rootCA2");
	my $int = $pki->intermediate('clients', issuer => $one,
		subject => '/O=IDO/CN=Client CA');
	my $fake = $pki->intermediate('fake', issuer => $two, subject => "$ido/CN=rootCA1");
	my %leaf = (
		alice => { issuer => $int, days => 90, not_before => gmt(-86400 - 1800),
			san => 'DNS:laptop.example.com,email:alice@example.com,URI:spiffe://example.com/people/alice,IP:192.0.2.7',
			serial => '1A2B3C', ext => ['certificatePolicies = 1.3.6.1.4.1.99999.1'] },
		bob => { issuer => $one },
		alice_2 => { issuer => $two, subject => '/CN=alice' },
		alice_fake => { issuer => $fake, subject => '/CN=alice' });
	my $server = $pki->server($one, name => 'server', subject => '/CN=db.example.com',
		san => 'DNS:db.example.com,DNS:localhost,IP:127.0.0.1');

	mkdir "$world->{folder}/certs";
	mkdir $ca;
	@$world{qw(pki one two clients)} = ($pki, $one, $two, $int);
	make_leaf($_, %{ $leaf{$_} }) foreach sort keys %leaf;
	spit("$ca/rootCA1.crt", slurp($one->{cert}));
	spit("$ca/rootCA2.crt", slurp($two->{cert}));
	spit("$ca/both.crt", slurp($one->{cert}) . slurp($two->{cert}));
	new_server(
		'db',
		pki => $pki,
		ca_file => "$ca/both.crt",
		server_cert => $server,
		hba => [
			$local,
			'hostssl all all 127.0.0.1/32 trust clientcert=verify-ca' ]);
	server()->sql('create extension pg_cert_policy');
	server()->sql("create role $_ login") foreach qw(alice bob);
	return;
}

# A client's certificate: certs/NAME.crt, with its intermediates, and .key.
sub make_leaf
{
	my ($name, %opt) = @_;
	my $made = $world->{pki}->leaf($name, eku => 'clientAuth',
		ku => 'digitalSignature', %opt);

	spit("certs/$name.crt", slurp($made->{chain}));
	spit("certs/$name.key", slurp($made->{key}));
	chmod 0600, "$world->{folder}/certs/$name.key";
	return $made;
}

# The same, and certificates with something wrong; a revoked one, and the CRLs.
sub setup_troubles
{
	setup_server();
	my ($pki, $one, $two) = @$world{qw(pki one two)};
	my $other = $pki->root('other', subject => '/O=Other/CN=Other CA');
	my %alice = (issuer => $one, subject => '/CN=alice');

	make_leaf('stranger', %alice, issuer => $other);
	make_leaf('expired', %alice, not_before => gmt(-86400 * 10), not_after => gmt(-86400));
	make_leaf('future', %alice, not_before => gmt(86400));
	make_leaf('for_servers', %alice, eku => 'serverAuth');
	make_leaf('without_eku', %alice, eku => undef);
	make_leaf('sha1', %alice, issuer => $pki->intermediate('weak', issuer => $one, md => 'sha1'));
	make_leaf('small', %alice, key => 'rsa:1024');
	make_leaf('ending', %alice, days => 100, not_before => gmt(-86400 * 95 - 1800));
	make_leaf('encrypted', %alice, password => 'secret');
	my $revoked = make_leaf('revoked', %alice);
	spit('ca/crls.pem', join '', map { slurp($_) }
		  $pki->crl($one, revoked => [$revoked]), $pki->crl($two),
		$pki->crl($world->{clients}));
	spit('ca/old_crl.pem', lacks('OpenSSL 3') ? '' : slurp($pki->crl($one, last_update => gmt(-86400 * 9),
			next_update => gmt(-86400 * 2))));
	return;
}

# A fleet: db1, its standby db2, and db3, which subscribes to the publication
# "orders" of db1.  All trust the CA "Clients 2026"; "Clients 2027" is there to follow it.
# certs/NAME.pem are certificates and keys of the first, new/NAME.pem of the
# second.  db1 to db3 are services too.
sub setup_fleet
{
	my $pki = CertPolicy::PKI->new("$world->{folder}/.pki");
	my $servers = $pki->root('servers', subject => '/O=Example/CN=Servers');
	my %ca = map { $_ => $pki->root($_, subject => "/O=Example/CN=Clients $_") } 2026, 2027;
	my (%conninfo, $services);

	$world->{pki} = $pki;
	delete $world->{env}{PGHOSTADDR};
	mkdir "$world->{folder}/$_" foreach qw(ca certs new db1 db2 db3);
	foreach my $year (sort keys %ca)
	{
		spit("ca/$year.$_", slurp($ca{$year}{ $_ eq 'crt' ? 'cert' : $_ })) foreach qw(crt key);
	}
	spit('ca/servers.crt', slurp($servers->{cert}));
	foreach my $name (qw(monitor shop standby subscriber pooler))
	{
		make_pem("certs/$name", make_leaf("$name-2026", issuer => $ca{2026}, subject => "/CN=$name"));
		make_pem("new/$name", make_leaf("$name-2027", issuer => $ca{2027}, subject => "/CN=$name"));
	}
	rename "$world->{folder}/new/pooler.pem", "$world->{folder}/certs/pooler.pem";
	unlink grep { !/shop-2026/ } glob "$world->{folder}/certs/*.{crt,key}";

	my @hba = ($local, 'local replication all peer map=me', 'hostssl all,replication all 127.0.0.1/32 trust clientcert=verify-ca');
	my $server_cert = sub {
		return $pki->server($servers, name => $_[0], subject => "/CN=$_[0].example.com", san => "DNS:$_[0].example.com,DNS:localhost");
	};
	foreach my $name (qw(db1 db3))
	{
		spit("$name/clients.crt", slurp($ca{2026}{cert}));
		new_server($name, pki => $pki, ca_file => "$world->{folder}/$name/clients.crt",
			server_cert => $server_cert->($name), hba => \@hba, init => { allows_streaming => 'logical' },
			conf => "wal_retrieve_retry_interval = 100ms\n");
	}
	my ($primary, $subscriber) = @{ $world->{servers} }{qw(db1 db3)};
	foreach my $srv ($primary, $subscriber)
	{
		$srv->sql($_) foreach 'create extension pg_cert_policy', 'create role shop login',
		  'create role monitor login in role pg_monitor', 'create table orders (id int primary key)',
		  'grant execute on function pg_reload_conf(), pg_stat_cert_policy_reset() to monitor';
	}
	$primary->sql($_) foreach 'create role standby login replication', 'create role subscriber login replication',
	  'grant select on orders to subscriber', 'create publication orders for table orders';
	foreach my $name (qw(standby subscriber))
	{
		$conninfo{$name} = { user => $name, cert => { map { $_ => "$world->{folder}/certs/$name.pem" } qw(chain key) } };
	}
	spit('db2/clients.crt', slurp($ca{2026}{cert}));
	$world->{servers}{db2} = $primary->standby("docs${n_worlds}_standby", %{ $conninfo{standby} },
		server_cert => $server_cert->('db2'), ca_file => "$world->{folder}/db2/clients.crt");
	my $to_primary = $primary->conninfo(%{ $conninfo{subscriber} });
	$subscriber->sql("create subscription orders connection \$\$$to_primary\$\$ publication orders");

	$services .= "[$_]\nhost=$_.example.com\nhostaddr=127.0.0.1\nport=" . $world->{servers}{$_}->port
	  . "\ndbname=postgres\nuser=monitor\nsslmode=verify-full\nsslrootcert=ca/servers.crt\n"
	  . "sslcert=certs/monitor.pem\nsslkey=certs/monitor.pem\n\n" foreach qw(db1 db2 db3);
	spit('.pg_service.conf', $services);
	# libpq 13 does not look for home in HOME
	$world->{env}{PGSERVICEFILE} = "$world->{folder}/.pg_service.conf";
	replay();
	return;
}

# A certificate and its key in one file.
sub make_pem
{
	my ($name, $made) = @_;

	spit("$name.pem", slurp($made->{chain}) . slurp($made->{key}));
	chmod 0600, "$world->{folder}/$name.pem";
	return;
}

# Waits until the standby has what its primary has, and the subscriber is there.
sub replay
{
	my ($primary, $standby) = @{ $world->{servers} }{qw(db1 db2)};

	$primary->wait_for_replay($standby);
	$primary->node->wait_for_catchup('orders');
	return;
}

sub gmt
{
	my ($offset) = @_;

	return POSIX::strftime('%Y%m%d%H%M%SZ', gmtime(time + $offset));
}

sub end_world
{
	if ($world)
	{
		$_->stop foreach map { $world->{servers}{$_} } sort { $b cmp $a } keys %{ $world->{servers} };
	}
	undef $world;
	return;
}

sub slurp
{
	my ($path) = @_;

	open my $file, '<:raw', $path or die "could not read $path: $!\n";
	local $/ = undef;
	return <$file> // '';
}

sub spit
{
	my ($path, $bytes) = @_;

	$path = "$world->{folder}/$path" if $path !~ m!^/!;
	open my $file, '>:raw', $path or die "could not write $path: $!\n";
	print $file $bytes;
	close $file or die "could not write $path: $!\n";
	return;
}
