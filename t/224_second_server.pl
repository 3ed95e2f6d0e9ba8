# Which policies does a login meet, and what comes of it?  Random roles, groups,
# databases, labels (broken ones too) and settings (misspelt ones too); real logins
# into them, and the dry run of every role into every database with every
# certificate.  A second opinion, CertPolicy::SlowServer, was written from the
# documentation's words alone; they must agree on who is let in, and on whose
# policies object.
#
#	WORLDS=200 prove -v t/224_second_server.pl		more of them
#	WORLDS_SEED=7 ...								others
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::SlowServer;
use Test::More;

my $seed = $ENV{WORLDS_SEED} || 1;
my $worlds = $ENV{WORLDS} || 20;
my $logins_each = 6;

# The same numbers everywhere, which rand() does not promise.
my $state = $seed;

sub pick
{
	my ($n) = @_;

	$state = ($state * 1103515245 + 12345) % 2**31;
	return int($state / 2**31 * $n);
}

sub one_of
{
	return $_[ pick(scalar @_) ];
}

# --- certificates, and what is in them ------------------------------------------------

my $pki = CertPolicy::PKI->new;
my %ca = map { $_ => $pki->root($_) } qw(one two);
my %cert = (
	alice => { ca => 'one', cn => 'alice', eku => ['1.3.6.1.5.5.7.3.2'], dns => ['alice.example'] },
	bob => { ca => 'two', cn => 'bob', eku => [ '1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1' ], key => 'rsa' },
	star => { ca => 'one', cn => 'a*b', dns => ['bob.example'] },
	g1 => { ca => 'two', cn => 'g1', eku => ['1.3.6.1.5.5.7.3.2'] });

foreach my $name (keys %cert)
{
	my $made = $cert{$name};

	$made->{file} = $pki->leaf($name,
		issuer => $ca{ $made->{ca} },
		subject => "/CN=$made->{cn}",
		key => $made->{key} // 'ec',
		($made->{eku} ? (eku => join ',', @{ $made->{eku} }) : ()),
		($made->{dns} ? (san => join ',', map { "DNS:$_" } @{ $made->{dns} }) : ()));
	$made->{leaf} = {
		subject => [ [ [ '2.5.4.3', 12, $made->{cn} ] ] ],
		issuer => [ [ [ '2.5.4.3', 12, $made->{ca} ] ] ],
		key_type => $made->{key} ? 'RSA' : 'EC',
		key_bits => $made->{key} ? 112 : 128,
		signature_bits => 128,
		san => $made->{dns} ? [ [ map { [ 'DNS', $_ ] } @{ $made->{dns} } ] ] : [],
		eku => $made->{eku} ? [ $made->{eku} ] : [],
		policies => [] };
	$made->{cas} = [
		{ subject => $made->{leaf}{issuer}, key_sha256 => $pki->key_sha256($ca{ $made->{ca} }),
			key_bits => 128, signature_bits => 128, trusted => 1 } ];
}

sub facts
{
	my ($cert, $tls) = @_;

	return { link => 'plain', now => time } if !defined $tls;
	return { link => 'tls', tls => $tls, now => time, cas => [] } if !defined $cert;
	return { link => 'tls', tls => $tls, now => time, leaf => $cert{$cert}{leaf}, cas => $cert{$cert}{cas} };
}

# --- the server ------------------------------------------------------------------------

# The superuser who sets all this up is exempt.
my @roles = ('alice', 'bob', 'a*b', '%role', 'Al "x"', 'boss', 'g1', 'g2', 'g3', 'g4');
my @databases = ('postgres', 'db1', 'Db "2"');
my $srv = CertPolicy::Server->new('main',
	pki => $pki,
	ca_file => $pki->concat('cas', map { $_->{cert} } values %ca),
	server_cert => $pki->server($ca{one}),
	conf => "log_connections = on\n");
my $version = $srv->sql('show server_version_num');

sub ident
{
	my ($name) = @_;

	return '"' . $name =~ s/"/""/gr . '"';
}

sub literal
{
	my ($text) = @_;

	return "'" . $text =~ s/'/''/gr . "'";
}

$srv->sql('create extension pg_cert_policy');
$srv->sql(join ';', map { 'create role ' . ident($_) . ' login' . ($_ eq 'boss' ? ' superuser' : '') } @roles);
$srv->sql('create database ' . ident($_)) foreach @databases[ 1 .. $#databases ];
{
	my $me = getpwuid($>);

	$srv->ident(map { "me $me " . ident($_) } @roles);
}

# --- random worlds --------------------------------------------------------------------

my @clauses = (
	'cn=%role', 'cn=alice', 'cn=*o*', 'cn!=bob', 'eku=clientAuth', 'eku!=serverAuth', 'key_type=EC', 'key_type!=EC',
	'tls=1.3', 'tls=1.2', 'ca="CN=one"', 'ca!="CN=one"', 'san=DNS:%role.example', 'san!=DNS:x',
	'min_security_bits=128', 'dn="CN=A\2AB"', 'issuer="CN=two"', "ca_key_sha256=" . $pki->key_sha256($ca{two}));

sub random_policy
{
	my @settings;
	my @alternatives = map { join ' ', map { one_of(@clauses) } 0 .. pick(2) } 0 .. pick(2);

	push @settings, 'mode=' . one_of('log', 'enforce') if pick(5) == 0;
	push @settings, 'local=' . one_of('peer', 'allow', 'reject') if pick(3) == 0;
	return 'exempt' if pick(8) == 0;
	return one_of('', 'cn=%who', 'cn=x quantum=safe', 'mode=log local=allow any cn=x', 'exempt any', 'any ' x 400)
	  if pick(8) == 0;
	return join ' ', @settings, pick(5) == 0 ? 'any' : join ' or ', @alternatives;
}

sub random_world
{
	my %world = (
		roles => { map { $_ => { superuser => $_ eq 'boss' } } @roles },
		members => [], grants => [], role_labels => {}, database_labels => {},
		enforce => one_of('on', 'on', 'On', 'log', 'log', 'off', 'offf'),
		default_policy => one_of('', '', random_policy()),
		exempt_roles => one_of('', '', 'alice, Boss', '"boss",g1', '"Boss"', 'boss,'),
		local_connections => one_of('peer', 'peer', 'allow', 'reject', 'alow', 'Allow'),
		by_peer => pick(2));

	# upwards only: PostgreSQL allows no loops
	foreach my $i (0 .. $#roles)
	{
		foreach my $j (grep { $_ > $i } 6 .. $#roles)
		{
			next if pick(4) != 0;
			my $options = one_of('', '', ' with inherit false', ' with set false', ' with admin true, inherit false, set false');

			# drawn for all versions, so that their worlds are the same
			$options = '' if $version < 160000;
			push @{ $world{members} }, [ @roles[ $i, $j ] ] if $options !~ /inherit false, set false/;
			push @{ $world{grants} }, [ @roles[ $i, $j ], $options ];
		}
	}
	foreach my $role (@roles)
	{
		$world{role_labels}{$role} = random_policy() if pick(2) == 0;
	}
	foreach my $database (@databases)
	{
		$world{database_labels}{$database} = random_policy() if pick(3) == 0;
	}
	return \%world;
}

# By hand, so that labels can be what the provider would refuse.
sub make_world
{
	my ($world) = @_;
	my @sql = ('set allow_system_table_mods = on', q{delete from pg_shseclabel where provider = 'pg_cert_policy'},
		'delete from pg_auth_members where roleid >= 16384');
	my %labels = ((map { ("pg_authid where rolname = " . literal($_) => $world->{role_labels}{$_}) } keys %{ $world->{role_labels} }),
		(map { ("pg_database where datname = " . literal($_) => $world->{database_labels}{$_}) } keys %{ $world->{database_labels} }),
		"pg_authid where rolname = 'postgres'" => 'exempt');

	push @sql, map { 'grant ' . ident($_->[1]) . ' to ' . ident($_->[0]) . $_->[2] } @{ $world->{grants} };
	push @sql, map { "insert into pg_shseclabel (objoid, classoid, provider, label) select oid, tableoid, 'pg_cert_policy', "
		  . literal($labels{$_}) . " from $_" } sort keys %labels;
	$srv->conf(join '', map { "pg_cert_policy.$_ = " . literal($world->{$_}) . "\n" }
		qw(enforce default_policy exempt_roles local_connections));
	$srv->hba('local all all ' . ($world->{by_peer} ? 'peer map=me' : 'trust'), 'host all all 127.0.0.1/32 trust');
	$srv->sql(join ";\n", @sql);
	$srv->reload;
	return;
}

# --- one login -------------------------------------------------------------------------

sub random_login
{
	my %login = (role => one_of(@roles), database => one_of(@databases), socket => pick(3) == 0);
	my $tls = $login{socket} || pick(10) == 0 ? undef : one_of('1.2', '1.3');
	my $cert = !defined $tls || pick(8) == 0 ? undef : one_of(sort keys %cert);

	return { %login, tls => $tls, cert => $cert, facts => facts($cert, $tls) };
}

# { rejected, recorded }, from the log
sub real_outcome
{
	my ($login) = @_;
	my $got = $srv->login(
		user => $login->{role}, db => $login->{database}, tls => !$login->{socket},
		cert => defined $login->{cert} ? $cert{ $login->{cert} }{file} : undef,
		conninfo => $login->{socket} ? undef : defined $login->{tls}
		? "ssl_max_protocol_version=TLSv$login->{tls}" : 'sslmode=disable');
	my %outcome = (rejected => [], recorded => [], let_in => $got->{ok});
	my %word = (rejects => 'rejected', 'would reject' => 'recorded');

	foreach my $line (split /\n/, $got->{log})
	{
		our $list;

		$list = $outcome{ $word{$1} } if $line =~ /(?:FATAL|LOG):  certificate policy (rejects|would reject) login/;
		push @$list, $1 if $line =~ /(?:DETAIL:  |^\t)Policy of (default_policy|(?:role|group|database) ".*?")(?: cannot be read)?: /;
	}
	@{ $outcome{$_} } = sort @{ $outcome{$_} } foreach qw(rejected recorded);
	return (\%outcome, $got);
}

sub describe
{
	my ($outcome) = @_;

	return join '; ', map { "$_ by " . (join(', ', @{ $outcome->{$_} }) || 'none') } qw(rejected recorded);
}

sub tell_world
{
	my ($number, $world) = @_;

	diag("world $number of seed $seed:");
	diag("  $_ = $world->{$_}") foreach qw(enforce default_policy exempt_roles local_connections by_peer);
	diag("  role $_: $world->{role_labels}{$_}") foreach sort keys %{ $world->{role_labels} };
	diag("  database $_: $world->{database_labels}{$_}") foreach sort keys %{ $world->{database_labels} };
	diag("  $_->[0] belongs to $_->[1]") foreach @{ $world->{members} };
	return;
}

# --- the dry run of everybody, everywhere, with everything -------------------------------

sub file_text
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!";
	local $/ = undef;
	return scalar <$file>;
}

$srv->sql('create table certs (cert text, pem text)');
$srv->sql("insert into certs values " . join ', ',
	q{('', null)}, map { "('$_', " . literal(file_text($cert{$_}{file}{chain})) . ')' } sort keys %cert);

sub dry_runs
{
	my ($world) = @_;
	my @differ;
	my $rows = $srv->sql(<<"SQL");
select rolname, datname, cert, tls, (select holds from
	pg_cert_policy_check(rolname, pem, datname, tls) where kind = 'verdict')
from pg_roles, pg_database, certs, unnest(array['1.2', '1.3', 'none']) tls
where pg_roles.oid >= 16384 and datname not like 'template%' and (tls <> 'none' or cert = '')
SQL
	my @rows = map { [ split /\|/, $_ ] } split /\n/, $rows;

	foreach my $row (@rows)
	{
		my ($role, $database, $cert, $tls, $holds) = @$row;
		my $facts = facts($cert eq '' ? undef : $cert, $tls eq 'none' ? undef : $tls);
		my $mine = CertPolicy::SlowServer::all_accept($world,
			{ role => $role, database => $database, facts => $facts });

		push @differ, "@$row" if $mine != ($holds eq 't');
	}
	return (scalar @rows, @differ);
}

# --- all of them ----------------------------------------------------------------------------

my %count = (rejected => 0, recorded => 0, let_in => 0, dry_runs => 0);

foreach my $number (1 .. $worlds)
{
	my $world = random_world();
	my $told = 0;
	my @wrong;

	make_world($world);
	foreach my $login (map { random_login() } 1 .. $logins_each)
	{
		my $mine = CertPolicy::SlowServer::login($world, $login);
		my ($real, $got) = real_outcome($login);
		my $what = join ' ', "role $login->{role}, database $login->{database},",
		  $login->{socket} ? 'socket' : 'TLS ' . ($login->{tls} // 'off'), 'certificate', $login->{cert} // 'none';

		$count{ @{ $mine->{rejected} } ? 'rejected' : @{ $mine->{recorded} } ? 'recorded' : 'let_in' }++;
		next if describe($mine) eq describe($real) && $real->{let_in} == !@{ $mine->{rejected} };
		push @wrong, $what;
		tell_world($number, $world) if !$told++;
		diag("$what:\n  second opinion: " . describe($mine) . "\n  the server: " . describe($real) . "\n$got->{log}");
	}
	my ($n, @differ) = dry_runs($world);

	$count{dry_runs} += $n;
	tell_world($number, $world)
	  if @differ && !$told++;
	splice @differ, 10;
	is(join("\n", @wrong, @differ), '', "world $number: $logins_each logins, $n dry runs");
}
note(join ', ', map { "$_: $count{$_}" } sort keys %count);
if ($worlds >= 20)
{
	cmp_ok($count{$_}, '>', $worlds * $logins_each / 40, "logins that are $_") foreach qw(rejected recorded let_in);
}
done_testing();
