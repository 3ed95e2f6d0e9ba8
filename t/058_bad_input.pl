# Bad input to every SQL function: NULL, empty, of a wrong encoding, a megabyte
# of garbage, a thousand certificates, certificates with a byte changed or cut
# off.  Each is an error with its SQLSTATE or a verdict; no backend crashes,
# none waits, and none grows.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use CertPolicy::Session;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca');
my $int = $pki->intermediate('int', issuer => $ca);
my $alice = $pki->leaf('alice', issuer => $int, eku => 'clientAuth', san => 'DNS:a.example,URI:urn:x,IP:10.0.0.1');
my $encrypted = $pki->leaf('encrypted', issuer => $ca, password => 'secret');
my $crl = $pki->crl($ca);

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	conf => "statement_timeout = 60s\n",
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);
my $mark = $srv->log_mark;

sub slurp
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "could not read $path: $!";
	local $/ = undef;
	return scalar <$file>;
}

my %pem = (leaf => slurp($alice->{chain}), key => slurp($encrypted->{key}), crl => slurp($crl));
(my $proc_type = slurp($alice->{cert})) =~
  s/^(-----BEGIN.*?\n)/$1Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n/;
(my $trusted = slurp($alice->{cert})) =~ s/CERTIFICATE/TRUSTED CERTIFICATE/g;
my $der = unpack 'H*', $pki->der($alice);

# try() gives the SQLSTATE and message of a statement, or what it returned.
$srv->sql(<<"SQL");
create extension pg_cert_policy;
create role alice login;
security label for pg_cert_policy on role alice is 'cn=%role san=URI:urn:* eku=clientAuth ca="CN=ca" min_security_bits=100';
create table t (name text primary key, pem text);
insert into t values ('leaf', '$pem{leaf}'), ('key', '$pem{key}'), ('crl', '$pem{crl}'),
	('proc_type', '$proc_type'), ('trusted', '$trusted'),
	('noise', (select string_agg(md5(i::text), '') from generate_series(1, 32768) i));
create function pem(name text) returns text language sql stable as 'select pem from t where t.name = \$1';
create function label(policy text) returns text language plpgsql as \$\$
begin execute format('security label for pg_cert_policy on role alice is %L', policy); return 'set'; end \$\$;
create function try(statement text) returns text language plpgsql as \$\$
declare result text;
begin
  execute statement into result;
  return 'ok: ' || coalesce(result, 'null');
exception when others then
  return sqlstate || ': ' || sqlerrm;
end \$\$;
SQL

sub try
{
	my ($statement, %opt) = @_;

	return $srv->sql('select try($try$' . $statement . '$try$)', %opt);
}

sub verdict
{
	my ($arguments) = @_;

	return try("select holds || ' ' || coalesce(found, '') from pg_cert_policy_check($arguments) where kind = 'verdict'");
}

my $unreadable = qr/\A22P03: certificate 1 cannot be read: /;

subtest 'the certificate of the dry run' => sub {
	my $noise = q{decode(pem('noise'), 'hex')};
	foreach my $case (
		# what, argument, outcome
		[ 'NULL', 'null::bytea', qr/\Aok: false Policy of role "alice": no certificate/ ],
		[ 'NULL text', 'null::text', qr/\Aok: false Policy of role "alice": no certificate/ ],
		[ 'empty', q{''::bytea}, $unreadable ],
		[ 'empty text', q{''::text}, $unreadable ],
		[ 'empty hex', q{'\\x'::text}, $unreadable ],
		[ 'hex of an odd length', q{'\\x303'::text}, qr/\A22023: invalid hexadecimal data: odd number of digits/ ],
		[ 'hex that is none', q{'\\xzz'::text}, qr/\A22023: invalid hexadecimal digit/ ],
		[ 'a leaf', q{pem('leaf')}, qr/\Aok: true accepted/ ],
		[ 'the leaf alone', "decode('$der', 'hex')", qr/\Aok: false TLS: unable to get local issuer certificate/ ],
		[ 'a megabyte of noise', $noise . ' || ' . $noise, $unreadable ],
		[ 'a megabyte of noise as text', q{pem('noise')}, $unreadable ],
		[ 'noise behind a leaf', "decode('$der', 'hex') || $noise", qr/\A22P03: certificate 2 cannot be read: / ],
		[ 'noise behind a leaf in PEM', q{pem('leaf') || pem('noise')}, qr/\Aok: true/ ],
		[ 'noise before a leaf in PEM', q{pem('noise') || E'\n' || pem('leaf')}, qr/\Aok: true/ ],
		[ 'noise in PEM', q{E'-----BEGIN CERTIFICATE-----\n' || regexp_replace(pem('noise'), '(.{64})', E'\\\\1\n', 'g') || E'\n-----END CERTIFICATE-----\n'}, $unreadable ],
		[ 'PEM without an end', q{left(pem('leaf'), 200)}, $unreadable ],
		[ 'a header alone', q{E'-----BEGIN CERTIFICATE-----'}, $unreadable ],
		[ 'a hundred thousand headers', q{repeat(E'-----BEGIN CERTIFICATE-----\n', 100000)}, $unreadable ],
		[ 'a length of 4 GB', q{'\\x3084ffffffff'::bytea || '\\x00'::bytea}, $unreadable ],
		[ 'a length of 126 bytes', q{('\\x30fe' || repeat('ff', 300))::bytea}, $unreadable ],
		[ 'an indefinite length', q{('\\x30' || repeat('80', 1000))::bytea}, $unreadable ],
		[ 'a megabyte of nested sequences', q{('\\x' || repeat('3080', 524288))::bytea}, $unreadable ],
		[ 'a private key', q{pem('key')}, $unreadable ],
		[ 'a revocation list', q{pem('crl')}, $unreadable ],
		[ 'an encrypted certificate', q{pem('proc_type')}, $unreadable ],
		[ 'a trusted certificate', q{pem('trusted')}, qr/\A(?:22P03: certificate 1 cannot be read: |ok: false TLS: unable to get local issuer)/ ],
		[ 'a NUL inside', q{convert_to(left(pem('leaf'), 100), 'UTF8') || '\\x00'::bytea || convert_to(substr(pem('leaf'), 101), 'UTF8')}, $unreadable ],
		[ 'a thousand certificates', q{repeat(pem('leaf'), 500)}, qr/\Aok: false TLS: certificates of more than \d+ bytes, too long for the server's TLS/ ],
		[ 'a thousand in DER', "decode(repeat('$der', 1000), 'hex')", qr/\Aok: false TLS: certificates of more than \d+ bytes, too long/ ],
		[ 'and one more', q{repeat(pem('leaf'), 501)}, qr/\A54000: more than 1000 certificates/ ],
		[ 'ten megabytes of them', q{repeat(pem('leaf'), 8000)}, qr/\A54000: more than 1000 certificates/ ])
	{
		my ($what, $argument, $outcome) = @$case;
		like(verdict("'alice', $argument"), $outcome, $what);
	}
};

subtest 'the other arguments' => sub {
	my $long = 'x' x 100;
	foreach my $case (
		[ q{null, pem('leaf')}, qr/\A22004: the role must not be null/ ],
		[ q{'', pem('leaf')}, qr/\A42704: role "" does not exist/ ],
		[ qq{'$long', pem('leaf')}, qr/\A42704: role "x{63}" does not exist/ ],
		[ q{'alice', pem('leaf'), ''}, qr/\Aok: true/ ],
		[ q{'alice', pem('leaf'), null}, qr/\Aok: true/ ],
		[ qq{'alice', pem('leaf'), '$long'}, qr/\A3D000: database "x{63}" does not exist/ ],
		[ q{'alice', pem('leaf'), null, ''}, qr/\A22023: invalid TLS version: ""/ ],
		[ q{'alice', pem('leaf'), null, '1.4'}, qr/\A22023: invalid TLS version: "1.4"/ ],
		[ q{'alice', pem('leaf'), null, pem('noise')}, qr/\A22023: invalid TLS version: "/ ],
		[ q{'alice', pem('leaf'), null, null, 'infinity'}, qr/\A22023: the time must be finite/ ],
		[ q{'alice', pem('leaf'), null, null, '-infinity'}, qr/\A22023: the time must be finite/ ],
		[ q{'alice', pem('leaf'), null, null, '4713-01-01 BC'}, qr/\A22008: the time must lie in a year from 1 to 9999/ ],
		[ q{'alice', pem('leaf'), null, null, '294276-12-31'}, qr/\A22008: the time must lie in a year from 1 to 9999/ ],
		[ q{'alice', pem('leaf'), null, null, '10000-01-01 00:00:00+00'}, qr/\A22008: the time must lie in a year from 1 to 9999/ ],
		[ q{'alice', pem('leaf'), null, null, '9999-12-31 23:59:59+00'}, qr/\Aok: false TLS: certificate has expired/ ],
		[ q{'alice', pem('leaf'), null, null, '0001-01-01 00:00:00+00'}, qr/\Aok: false TLS: certificate is not yet valid/ ],
		[ q{'alice', pem('leaf'), null, null, null, ''}, qr/\A42602: invalid certificate policy of role "alice": policy is empty/ ],
		[ q{'alice', pem('leaf'), null, null, null, pem('noise')}, qr/\A42602: .*policy is too long: 1048576 bytes/ ],
		[ q{'alice', pem('leaf'), null, null, null, repeat('any ', 375)}, qr/\A42602: / ],
		[ q{'alice', pem('leaf'), null, null, null, 'cn=' || repeat('*a', 700)}, qr/\Aok: false/ ],
		[ q{'alice', pem('leaf'), null, null, null, E'cn="ren\u00e9"'}, qr/\A42602: .*not printable ASCII: 0xc3/ ])
	{
		my ($arguments, $outcome) = @$case;
		like(verdict($arguments), $outcome, substr($arguments, 0, 70));
	}
	like(try(q{select count(*)::text from pg_cert_policy_for(null)}), qr/\Aok: 0/, 'pg_cert_policy_for(null)');
	like(try(q{select count(*)::text from pg_cert_policy_for('')}), qr/\A42704: role "" does not exist/, q{pg_cert_policy_for('')});
	like(try(q{select count(*)::text from pg_cert_policy_for('alice', null)}), qr/\Aok: 0/, 'no database');
	like(try(q{select count(*)::text from pg_cert_policy_for('alice', 'nowhere')}), qr/\A3D000: /, 'a database that is not there');
	# bytes that are no text never reach a function
	like($srv->try_sql(q{select * from pg_cert_policy_check('alice', E'\xff\xfe'::text)})->{log},
		qr/ 22021 .*ERROR:  invalid byte sequence for encoding "UTF8"/, 'bytes that are not UTF-8');
	$srv->sql(q{create database ascii template template0 encoding 'SQL_ASCII' locale 'C'});
	$srv->sql('create extension pg_cert_policy', db => 'ascii');
	my $got = $srv->try_sql(q{select found from pg_cert_policy_check('alice', E'\xff\xfe\x01'::text)}, db => 'ascii',
		conninfo => 'client_encoding=SQL_ASCII');
	like($got->{log}, qr/ 22P03 .*ERROR:  certificate 1 cannot be read/, 'nor are they a certificate where any byte is text');
};

subtest 'labels' => sub {
	foreach my $case (
		[ 'empty', q{''}, qr/\A42602: / ],
		[ 'a megabyte', q{pem('noise')}, qr/\A42602: .*policy is too long: 1048576 bytes, at most 1500/ ],
		[ 'deep', q{repeat('cn=a or ', 187)}, qr/\A42602: / ],
		[ 'all quotes', q{'cn=' || repeat('"', 1497)}, qr/\A42602: / ],
		[ 'a thousand stars', q{'cn=' || repeat('*', 1400)}, qr/\Aok: / ],
		[ 'seven hundred values', q{'cn=a' || repeat(',a', 740)}, qr/\Aok: / ],
		[ 'a name of many parts', q{'ca="CN=a' || repeat(',CN=a', 280) || '"'}, qr/\Aok: / ])
	{
		my ($what, $label, $outcome) = @$case;
		like(try("select label($label)"),
			$outcome, $what);
		my $got = $srv->login(user => 'alice', cert => $alice);
		ok($got->{ok} || $got->{log} =~ /certificate policy rejects/, "$what: and a login");
	}
	$srv->sql(q{security label for pg_cert_policy on role alice is 'cn=%role san=URI:urn:* eku=clientAuth ca="CN=ca" min_security_bits=100'});
};

# Every byte of a certificate changed, in three ways, and every prefix of it.
subtest 'certificates with an error in them' => sub {
	my $sql = <<"SQL";
select string_agg(distinct left(outcome, 5), ' ' order by left(outcome, 5)), count(*)
from (select try(format('select holds::text from pg_cert_policy_check(''alice'', %L::bytea) where kind = ''verdict''', bytes)) as outcome
      from (select %s as bytes from generate_series(0, length(decode('$der', 'hex')) - 1) i, (values (1), (128), (255)) v(x)) b) o
SQL
	my $n = length($der) / 2 * 3;
	is($srv->sql(sprintf $sql =~ s/%L/%%L/r, "set_byte(decode('$der', 'hex'), i, get_byte(decode('$der', 'hex'), i) # x)"),
		"22P03 ok: f|$n", 'a byte changed: unreadable or refused');
	is($srv->sql(sprintf $sql =~ s/%L/%%L/r, "substr(decode('$der', 'hex'), 1, i)"), "22P03|$n", 'cut off: unreadable');
};

# What OpenSSL and malloc hold is given back, after errors as well.
subtest 'nothing is left behind' => sub {
	my $session = CertPolicy::Session->new($srv, tls => 0);
	my $size = sub {
		my ($kb) = slurp('/proc/' . $session->pid . '/status') =~ /^VmRSS:\s+(\d+)/m;
		return $kb;
	};
  SKIP:
	{
		skip 'no /proc here', 1 unless -r '/proc/self/status';
		skip 'ASan keeps what is freed', 1 if slurp('/proc/' . $session->pid . '/maps') =~ /libasan/;
		my $round = sub {
			my ($times) = @_;
			$session->query("select count(try(statement)) from generate_series(1, $times), (values "
				  . join(', ', map { "(\$s\$$_\$s\$)" }
					  q{select count(*)::text from pg_cert_policy_check('alice', pem('leaf'))},
					  q{select count(*)::text from pg_cert_policy_check('alice', repeat(pem('leaf'), 20) || left(pem('leaf'), 200))},
					  q{select count(*)::text from pg_cert_policy_check('alice', pem('leaf'), null, null, null, 'cn="')},
					  q{select count(*)::text from pg_trusted_cas}, q{select count(*)::text from pg_trusted_ca_names()},
					  q{select count(*)::text from pg_tls_expiry}, q{select count(*)::text from pg_cert_sessions},
					  q{select pg_cert_policy_export()}, q{select count(*)::text from pg_cert_policies})
				  . ') v(statement)');
		};
		$round->(100);
		my $before = $size->();
		$round->(100) for 1 .. 5;
		cmp_ok($size->() - $before, '<', 4000, 'five hundred rounds take less than 4 MB');
	}
	$session->close;
};

unlike($srv->log_since($mark), qr/was terminated by signal|PANIC|starting up/, 'no backend crashed');
done_testing();
