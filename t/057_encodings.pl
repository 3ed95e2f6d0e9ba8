# A policy and what is shown of certificates mean the same in a UTF-8, a LATIN1
# and an SQL_ASCII database: set in one, read in another, enforced at a login
# into any, dumped from any.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Command qw(run_program);
use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use Encode qw(decode encode);
use Test::More;

my $pki = CertPolicy::PKI->new;
my $acute = "Ren\xc3\xa9";							# beyond ASCII, in LATIN1
my $euro = "\xe2\x82\xac";							# not in LATIN1
my $ca = $pki->root('ca');
my $utf8 = $pki->root('utf8', subject => "/O=Soci\xc3\xa9t\xc3\xa9 $euro/CN=utf8");
my $bmp = $pki->root('bmp', subject => "/O=Soci\xc3\xa9t\xc3\xa9/CN=bmp", string_mask => 'MASK:0x800');
my $t61 = $pki->root('t61', subject => "/O=Soci\xc3\xa9t\xc3\xa9/CN=t61", string_mask => 'MASK:0x4');
my $control = $pki->root('control', subject => '/O=aXbXcXd/CN=control',
	patch => sub { my ($tbs) = @_; $tbs =~ s/aXbXcXd/a\x1bb\nc\x7fd/g; $tbs });
# PostgreSQL itself turns away from a LATIN1 database whoever has an issuer that
# cannot be shown there, so those who log in are of a CA that can.
my $rene = $pki->leaf('rene', issuer => $bmp, subject => "/CN=$acute", eku => 'clientAuth', san => "URI:urn:x");
my $other = $pki->leaf('other', issuer => $bmp, subject => "/CN=Ren\xc3\xa8", eku => 'clientAuth');
my @databases = qw(postgres latin1 ascii);

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $pki->concat('all.crt', map { $_->{cert} } $ca, $utf8, $bmp, $t61, $control),
	server_cert => $pki->server($ca),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);

$srv->sql(<<'SQL');
create role alice login;
create database latin1 template template0 encoding 'LATIN1' locale 'C';
create database ascii template template0 encoding 'SQL_ASCII' locale 'C';
SQL
$srv->sql('create extension pg_cert_policy', db => $_) foreach @databases;

# Runs SQL as superuser, in the client encoding of the same name as bytes.
sub ask
{
	my ($db, $sql, $encoding) = @_;
	my $got = $srv->login(tls => 0, db => $db, sql => $sql,
		conninfo => 'client_encoding=' . ($encoding // ($db eq 'ascii' ? 'SQL_ASCII' : 'UTF8')));

	is($got->{status}, 0, "$db: a query") or diag $got->{stderr};
	return $got->{stdout};
}

my %escaped = (
	utf8 => 'CN=utf8,O=Soci\C3\A9t\C3\A9 \E2\82\AC',
	bmp => 'CN=bmp,O=Soci\C3\A9t\C3\A9',
	t61 => 'CN=t61,O=Soci\C3\A9t\C3\A9',
	control => 'CN=control,O=a\1Bb\0Ac\7Fd');
my $names = q{select name from pg_trusted_ca_names() where name <> 'CN=ca' order by position};

subtest 'names of CAs' => sub {
	my $ascii = join("\n", map { $escaped{$_} } qw(utf8 bmp t61 control));
	my $real = $ascii =~ s/\\(C3|A9|E2|82|AC)/chr hex $1/ger;

	is(ask('postgres', $names), $real, 'as they are');
	is(ask('postgres', $names =~ s/ \\\\/ /r, 'UTF8'), $real, 'to any client that can');
	is(ask($_, $names), $ascii, "$_: escaped") foreach qw(latin1 ascii);
	is(ask('latin1', $names, 'LATIN1'), $ascii, 'whatever the client speaks');
	# a client that cannot show a name gets an error, as for any text
	my $got = $srv->login(tls => 0, sql => $names, conninfo => 'client_encoding=LATIN1');
	like($got->{log}, qr/ 22P05 .*ERROR:  character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1"/,
		'a LATIN1 client of a UTF-8 database cannot be shown the euro');
	is(ask($_, q{select count(distinct name_der) from pg_trusted_ca_names()}), '5', "$_: the DER is there")
	  foreach @databases;
};

# What is shown is what a policy may say.
subtest 'shown, copied into a policy, and met' => sub {
	foreach my $from (@databases)
	{
		foreach my $name (qw(utf8 bmp t61 control))
		{
			my $n = { utf8 => 2, bmp => 3, t61 => 4, control => 5 }->{$name};
			my $shown = ask($from, "select name from pg_trusted_ca_names() where position = $n");
			(my $text = $shown) =~ s/([\x80-\xff])/sprintf '\\%02X', ord $1/ge;
			is($text, $escaped{$name}, "$from, $name: the same once escaped");
			ask($from, "security label for pg_cert_policy on role alice is 'ca=\"$text\"'");
			is(join(' ', map { ask($_, q{select policy || valid from pg_cert_policies}) } @databases),
				join(' ', (qq{ca="$text"true}) x 3), '... reads the same everywhere');
		}
	}
};

subtest 'labels are ASCII, whatever the database' => sub {
	foreach my $case (
		[ 'postgres', 'UTF8', $acute, '0xc3' ],
		[ 'latin1', 'UTF8', $acute, '0xe9' ],
		[ 'latin1', 'LATIN1', encode('latin1', decode('UTF-8', $acute)), '0xe9' ],
		[ 'ascii', 'SQL_ASCII', $acute, '0xc3' ],
		[ 'ascii', 'SQL_ASCII', "Ren\xff", '0xff' ])
	{
		my ($db, $encoding, $name, $byte) = @$case;
		my $got = $srv->login(tls => 0, db => $db, conninfo => "client_encoding=$encoding",
			sql => "security label for pg_cert_policy on role alice is 'cn=\"$name\"'");
		like($got->{log}, qr/ 42602 .*ERROR:  invalid certificate policy of role "alice": policy holds a byte that is not printable ASCII: $byte/,
			"$db, client $encoding: refused");
		like($got->{stderr}, qr/HINT: /, 'and told how to write it');
	}
};

subtest 'enforced alike' => sub {
	foreach my $from (@databases)
	{
		ask($from, q{security label for pg_cert_policy on role alice is 'cn="Ren\C3\A9" ca="} . $escaped{bmp} . q{"'});
		foreach my $to (@databases)
		{
			my $got = $srv->login(user => 'alice', cert => $rene, db => $to);
			is($got->{status}, 0, "set in $from, into $to: the right one") or diag $got->{stderr}, $got->{log};
			$got = $srv->login(user => 'alice', cert => $other, db => $to);
			is($got->{status}, 2, "set in $from, into $to: the wrong one");
			like($got->{log}, qr/DETAIL:  Policy of role "alice": cn: required "Ren\\C3\\A9", found "Ren\xc3\xa8"\.\n/,
				'... the log has UTF-8, which is before any database');
		}
	}
};

# Everything that shows what a certificate says.
subtest 'what is seen of a session and a rejection' => sub {
	my %shown = (postgres => "CN=$acute", latin1 => 'CN=Ren\C3\A9', ascii => 'CN=Ren\C3\A9');
	my $session = CertPolicy::Session->new($srv, user => 'alice', cert => $rene, db => 'latin1');
	my $pid = $session->pid;

	open my $file, '<', $other->{cert} or die $!;
	my $pem = do { local $/ = undef; <$file> };
	foreach my $db (@databases)
	{
		my $wrong = $db eq 'postgres' ? "Ren\xc3\xa8" : 'Ren\C3\A8';
		is(ask($db, "select subject from pg_cert_sessions where pid = $pid"), $shown{$db}, "$db: the session");
		is(ask($db, q{select required || ' ' || found from pg_cert_policy_rejections where clause = 'cn' limit 1}),
			qq{"Ren\\C3\\A9" "$wrong"}, "$db: the rejection");
		like(ask($db, q{select last_reason from pg_stat_cert_policy where role = 'alice' and last_reason is not null limit 1}),
			qr/required "Ren\\C3\\A9", found "\Q$wrong\E"/, "$db: the counts");
		is(ask($db, "select required || ' ' || found from pg_cert_policy_check('alice', '$pem'::text) where clause = 'cn'"),
			qq{"Ren\\C3\\A9" "$wrong"}, "$db: the dry run");
		is(ask($db, q{select policy from pg_cert_policy_for('alice')}),
			q{cn="Ren\C3\A9" ca="} . $escaped{bmp} . '"', "$db: the policy");
	}
	is(ask('latin1', "select subject from pg_trusted_cas where announced order by position limit 1 offset 1"), $escaped{utf8},
		'latin1: the CA');
	$session->close;
};

subtest 'dumped alike' => sub {
	my $policy = 'cn="Ren\C3\A9" ca="' . $escaped{bmp} . '"';
	(my $quoted = $policy) =~ s/\\/\\\\/g;

	foreach my $encoding ('UTF8', 'LATIN1', 'SQL_ASCII')
	{
		my $got = $srv->client([ 'pg_dumpall', '--globals-only', '-E', $encoding,
				'-h', $srv->node->host, '-p', $srv->port, '-U', 'postgres' ]);
		my ($dumped) = $got->{stdout} =~ /^SECURITY LABEL FOR pg_cert_policy ON ROLE alice IS (.*);$/m;
		ok($dumped eq "'$policy'" || $dumped eq "E'$quoted'", "as $encoding") or diag $dumped;
	}
};

# A role's name is in the encoding of the database it was made in, and nobody
# knows which that was: %role is compared by bytes.
subtest 'the name of a role' => sub {
	ask('postgres', qq{create role "$acute" login});
	ask('postgres', qq{security label for pg_cert_policy on role "$acute" is 'cn=%role'});
	is($srv->login(user => $acute, cert => $rene, db => $_)->{status}, 0, "a role of a UTF-8 database, into $_")
	  foreach @databases;
	like($srv->login(user => $acute, cert => $other)->{log}, qr/cn: required "$acute", found "Ren\xc3\xa8"/, 'the wrong one');
	ask('postgres', qq{drop role "$acute"});

	my $latin1 = encode('latin1', decode('UTF-8', $acute));
	$srv->login(tls => 0, db => 'latin1', conninfo => 'client_encoding=LATIN1',
		sql => qq{create role "$latin1" login; security label for pg_cert_policy on role "$latin1" is 'cn=%role'});
	my $got = $srv->login(user => $latin1, cert => $rene, db => 'latin1', conninfo => 'client_encoding=LATIN1');
	is($got->{status}, 2, 'a role of a LATIN1 database is not that of the certificate');
	like($got->{log}, qr/DETAIL:  Policy of role "Ren.*": cn: required "Ren.*", found "$acute"\.\n/, 'and is told so');
	foreach my $db (@databases)
	{
		my $seen = $srv->login(tls => 0, db => $db, sql => 'select count(*), sum(accepted + rejected) > 0 from pg_cert_policies, pg_stat_cert_policy',
			conninfo => 'client_encoding=SQL_ASCII');
		is($seen->{status}, 0, "$db: the views bear it") or diag $seen->{stderr};
	}
};

# There "I" is not the capital of "i", but the types of attributes are ASCII.
subtest 'in a Turkish locale' => sub {
	my $locales = PostgreSQL::Test::Utils::tempdir();
	my $made = run_program({}, qw(localedef -i tr_TR -f UTF-8), "$locales/tr_TR.UTF-8");

	plan skip_all => "localedef makes no Turkish locale (Debian: locales): $made->{stderr}"
	  unless -d "$locales/tr_TR.UTF-8";
	delete local $ENV{LC_ALL};
	local @ENV{qw(LOCPATH LC_CTYPE)} = ($locales, 'tr_TR.UTF-8');
	$srv->restart;
	ask('postgres', q{create database turkish template template0 lc_collate 'C' lc_ctype 'tr_TR.UTF-8'});
	is(ask('turkish', q{select lower('I')}), "\xc4\xb1", 'it is one');

	my $ii = $pki->leaf('ii', issuer => $bmp, subject => '/UID=ii/CN=ii', eku => 'clientAuth');
	ask('postgres', 'create role ii login');
	foreach my $type (qw(uid UID uId))
	{
		ask('turkish', qq{security label for pg_cert_policy on role ii is 'dn="CN=ii,$type=II"'});
		is($srv->login(user => 'ii', cert => $ii, db => 'turkish')->{status}, 0, "$type at a login");
	}
	like($srv->login(user => 'ii', cert => $rene, db => 'turkish')->{log}, qr/dn: required "CN=ii,uId=II"/,
		'another\'s certificate');
};

done_testing();
