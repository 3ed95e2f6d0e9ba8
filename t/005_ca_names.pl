# pg_trusted_ca_names(): in a TLS session exactly the names that this handshake
# gave, which openssl s_client sees as well; elsewhere those of the file.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pki = CertPolicy::PKI->new;
my $ca1 = $pki->root('ca1', subject => '/C=CA/O=IDO/CN=ca1');
my $ca2 = $pki->root('ca2', subject => '/C=CA/O=IDO/CN=ca2');
my $rekeyed = $pki->root('rekeyed', subject => $ca1->{subject});
my $int = $pki->intermediate('int', issuer => $ca1, subject => '/CN=int');
my $leaf = $pki->leaf('leaf', issuer => $ca1, subject => '/CN=leaf');
my $utf8 = $pki->root('utf8', subject => "/CN=Soci\xc3\xa9t\xc3\xa9 \xe2\x82\xac");
my $bmp = $pki->root('bmp', subject => '/CN=bmp', string_mask => 'MASK:0x800');
my $control = $pki->root('control', subject => '/CN=aXbXc',
	patch => sub { my ($tbs) = @_; $tbs =~ s/aXbXc/a\x1bb\nc/g; $tbs });
my $alice = $pki->leaf('alice', issuer => $ca1, eku => 'clientAuth');

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca1->{cert},
	server_cert => $pki->server($ca1),
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);

$srv->sql('create extension pg_cert_policy; create role alice login');

my $names = 'select position, name, source from pg_trusted_ca_names() order by position';

sub trust
{
	my ($name, @paths) = @_;
	my $file = $pki->concat($name, @paths);

	$srv->conf("ssl_ca_file = '$file'\n");
	return $srv->reload;
}

sub names_in_session
{
	my ($sql, %opt) = @_;
	my $got = $srv->login(user => 'alice', sql => $sql // $names, %opt);

	is($got->{status}, 0, 'a TLS session') or diag $got->{stderr};
	return $got->{stdout};
}

# What a client sees in the handshake, by another program than libpq.
sub names_in_handshake
{
	my ($version) = @_;
	my $out = '';

	IPC::Run::run([ 'openssl', 's_client', '-starttls', 'postgres', "-$version",
			'-connect', '127.0.0.1:' . $srv->port, '-nameopt', 'RFC2253' ],
		'<', \'', '>', \$out, '2>', '/dev/null');
	my ($list) = $out =~ /^Acceptable client certificate CA names\n(.*?)^(?:Client Certificate Types|Requested Signature Algorithms|Peer signing|---)/ms;
	return $list // '';
}

# The message that asked for a certificate, in hex: TLS 1.2 sends it in clear,
# and s_client shows what it decrypted of TLS 1.3's.
sub certificate_request
{
	my ($version) = @_;
	my $out = '';

	IPC::Run::run([ 'openssl', 's_client', '-starttls', 'postgres', "-$version", '-msg',
			'-connect', '127.0.0.1:' . $srv->port ],
		'<', \'', '>', \$out, '2>', '/dev/null');
	my ($bytes) = $out =~ /<<< [^\n]*Handshake[^\n]*CertificateRequest\n((?:    [0-9a-f ]+\n)+)/
	  or die "no CertificateRequest in \"$out\"";
	return $bytes =~ s/\s//gr;
}

# Is the list, to the byte, the one of the message, and all of it?  Both begin
# with its length.
sub is_that_of_the_message
{
	my ($what) = @_;
	my $list = names_in_session(q{select coalesce(string_agg(lpad(to_hex(octet_length(name_der)), 4, '0')
		|| encode(name_der, 'hex'), '' order by position), '') from pg_trusted_ca_names()});
	my $wanted = sprintf('%04x', length($list) / 2) . $list;

	foreach my $version (qw(tls1_2 tls1_3))
	{
		ok(index(certificate_request($version), $wanted) >= 0, "$what: to the byte ($version)");
	}
	return;
}

subtest 'the list is that of the handshake' => sub {
	trust('several.crt', map { $_->{cert} } $ca1, $ca2, $ca1, $rekeyed, $int, $leaf, $bmp);
	my @want = ('CN=ca1,O=IDO,C=CA', 'CN=ca2,O=IDO,C=CA', 'CN=int', 'CN=leaf', 'CN=bmp');

	is(names_in_handshake($_), join('', map { "$_\n" } @want), "the handshake ($_)")
	  foreach qw(tls1_2 tls1_3);
	is_that_of_the_message('duplicates, another key, an intermediate without its root, a leaf, BMPString');
	my $rows = join("\n", map { ($_ + 1) . "|$want[$_]" } 0 .. $#want);
	is(names_in_session(), $rows =~ s/$/|session/mgr, 'the session');
	is($srv->sql($names), $rows =~ s/$/|file/mgr, 'the file');
	is(names_in_session($names, conninfo => 'sslmode=disable'), $rows =~ s/$/|file/mgr,
		'a TCP session without TLS');
};

subtest 'the DER is that of the certificate' => sub {
	my $query = 'select encode(name_der, \'hex\') from pg_trusted_ca_names() order by position';
	my @der = split /\n/, names_in_session($query);
	my @certs = ($ca1, $ca2, $int, $leaf, $bmp);

	foreach my $i (0 .. $#certs)
	{
		like(unpack('H*', $pki->der($certs[$i])), qr/$der[$i]/, $certs[$i]{name});
	}
	is($srv->sql($query), join("\n", @der), 'the same from the file');
};

subtest 'names in any encoding' => sub {
	trust('odd.crt', map { $_->{cert} } $ca1, $utf8, $control);
	my $ascii = 'CN=Soci\C3\A9t\C3\A9 \E2\82\AC';
	$srv->sql(q{create database latin1 template template0 encoding 'LATIN1' locale 'C'});
	$srv->sql(q{create database ascii template template0 encoding 'SQL_ASCII' locale 'C'});
	$srv->sql('create extension pg_cert_policy', db => $_) foreach qw(latin1 ascii);

	is_that_of_the_message('UTF-8 and control bytes');
	my $one = 'select name from pg_trusted_ca_names() where position = 2';
	is(names_in_session($one, conninfo => 'client_encoding=UTF8'),
		"CN=Soci\xc3\xa9t\xc3\xa9 \xe2\x82\xac", 'UTF8');
	is(names_in_session($one, db => $_), $ascii, $_) foreach qw(latin1 ascii);
	is(names_in_session('select name from pg_trusted_ca_names() where position = 3'),
		'CN=a\1Bb\0Ac', 'control bytes are escaped');
	# what is shown can be used
	foreach my $db (qw(latin1 ascii))
	{
		$srv->sql(qq{do \$\$ begin execute format('security label for pg_cert_policy on role alice is %L',
			'ca="' || (select name from pg_trusted_ca_names() where position = 2) || '"'); end \$\$}, db => $db);
		is($srv->sql('select valid from pg_cert_policies', db => 'postgres'), 't',
			"as a label, from $db");
	}
	my $utf8_alice = $pki->leaf('utf8_alice', issuer => $utf8, subject => '/CN=alice', eku => 'clientAuth');
	is($srv->login(user => 'alice', cert => $utf8_alice)->{status}, 0, 'which lets in');
	like($srv->login(user => 'alice', cert => $alice)->{log},
		qr/DETAIL:  Policy of role "alice": ca: required "CN=Soci.*", found "CN=ca1,O=IDO,C=CA"\./,
		'and turns away');
	$srv->sql('security label for pg_cert_policy on role alice is null');
};

subtest 'after a reload that failed' => sub {
	trust('before.crt', $ca1->{cert});
	my $broken = $pki->concat('broken.crl', $ca1->{key});
	$srv->conf("ssl_crl_file = '$broken'\n");
	like(trust('after.crt', $ca1->{cert}, $ca2->{cert}), qr/SSL configuration was not reloaded/,
		'the server keeps the old list');
	is(names_in_session(), '1|CN=ca1,O=IDO,C=CA|session', 'and a session shows it');
	is_that_of_the_message('one CA, after a reload that failed');
	is($srv->sql($names), "1|CN=ca1,O=IDO,C=CA|file\n2|CN=ca2,O=IDO,C=CA|file",
		'while the file has another');
	$srv->conf("ssl_crl_file = ''\n");
	$srv->reload;
	like(names_in_session(), qr/ca2.*session/, 'mended');
};

# Every certificate with one key: a thousand are made in a few seconds.
sub many_cas
{
	my ($name, $n, $subject) = @_;
	my $path = $pki->dir . "/$name";
	my $pem;
	my $config = $pki->dir . '/many.cnf';

	open my $conf, '>', $config or die "could not write $config: $!";
	print $conf "[req]\ndistinguished_name = none\n[none]\n";
	close $conf or die "could not write $config: $!";
	# one shell starts them faster than we would
	IPC::Run::run([ 'sh', '-c', <<'SH', 'sh', $ca1->{key}, $config, map { $subject->($_) } 1 .. $n ],
key=$1 config=$2
shift 2
for subject in "$@"; do
	openssl req -x509 -new -key "$key" -config "$config" -days 3650 -subj "$subject" || exit 1
done
SH
		'>', \$pem, '2>', '/dev/null')
	  or die "openssl failed for certificates of $name";
	open my $file, '>', $path or die "could not write $path: $!";
	print $file $pem;
	close $file;
	return $path;
}

subtest 'a thousand CAs' => sub {
	my $path = many_cas('thousand.crt', 1000, sub { "/CN=ca number $_[0]" });
	my @pem = _slurp($path) =~ /(-----BEGIN.*?-----END CERTIFICATE-----\n)/gs;

	open my $file, '>', "$path.150" or die "could not write $path.150: $!";
	print $file @pem[0 .. 148];
	close $file;
	trust('hundred_and_fifty.crt', $ca1->{cert}, "$path.150");
	is(names_in_session('select count(*) from pg_trusted_ca_names()'), '150', 'a hundred and fifty');
	is_that_of_the_message('150 CAs');
	is($srv->login(user => 'alice', cert => $alice)->{status}, 0, 'a login');

	trust('thousand_and_one.crt', $ca1->{cert}, $path);
	my $got = names_in_session("select string_agg(name, E'\\n' order by position) from pg_trusted_ca_names()");
	is(scalar(split /\n/, $got), 1001, 'as many names');
	is("$got\n", names_in_handshake('tls1_3'), 'those of the handshake');
	is_that_of_the_message('1001 CAs');
	is($srv->login(user => 'alice', cert => $alice)->{status}, 0, 'a login');
};

# TLS has 16 bits for the length of the list.  The server starts without a word,
# and every handshake fails; only this function can still be asked.
subtest 'more than 65,535 bytes of names' => sub {
	my $long = sub { join('', map { sprintf '/OU=%02d%s', $_, 'x' x 62 } 1 .. 14) . "/CN=$_[0]" };
	my $path = many_cas('long.crt', 66, $long);
	my $bytes = 'select count(*), sum(octet_length(name_der) + 2) > 65535 from pg_trusted_ca_names()';

	trust('too_long.crt', $ca1->{cert}, $path);
	my $got = $srv->login(user => 'alice', cert => $alice);
	is($got->{status}, 2, 'no TLS login works');
	like($got->{log}, qr/could not accept SSL connection/, 'and the log says that much');
	is($srv->sql($bytes), '67|t', 'the names, from the file');
	is(names_in_session($bytes, conninfo => 'sslmode=disable'), '67|t', 'without TLS');
};

subtest 'a file that cannot be read' => sub {
	my $dir = $pki->dir;
	my $fifo = "$dir/fifo";
	my $huge = "$dir/huge";
	require POSIX;
	POSIX::mkfifo($fifo, 0600) or die "could not make $fifo: $!";
	open my $file, '>', $huge or die "could not write $huge: $!";
	truncate $file, 17 * 1024 * 1024;
	close $file;
	my $empty = $pki->concat('empty.crt');

	# with TLS on, the server itself would wait for the FIFO at a reload
	$srv->conf("ssl = off\n");
	$srv->sql('create role monitor in role pg_monitor');
	foreach my $case (
		[ "$dir/missing", '58P01', qr/DETAIL:  File "\Q$dir\E\/missing": No such file or directory\./ ],
		[ $dir, '42809', qr/DETAIL:  "\Q$dir\E" is not a regular file\./ ],
		[ $fifo, '42809', qr/DETAIL:  "\Q$fifo\E" is not a regular file\./ ],
		[ $huge, '54000', qr/DETAIL:  File "\Q$huge\E" has more than 16777216 bytes\./ ],
		[ $empty, 'F0000', qr/DETAIL:  File "\Q$empty\E": .+\./ ])
	{
		my ($path, $code, $detail) = @$case;
		my $what = $path =~ s!.*/!!r;

		$srv->conf("ssl_ca_file = '$path'\n");
		$srv->reload;
		foreach my $sql ('select pg_trusted_ca_names()',
			"select pg_cert_policy_check('alice', '" . _slurp($alice->{cert}) . "')")
		{
			my $got = $srv->client([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-h', $srv->node->host,
					'-p', $srv->port, '-U', 'postgres', '-d', 'postgres', '-c', $sql ]);
			like($got->{stderr}, qr/ERROR:  $code: could not read the file of "ssl_ca_file"\n$detail/,
				"$what: " . ($sql =~ /check/ ? 'the dry run' : 'the names'));
		}
		my $got = $srv->try_sql('set role alice; select pg_trusted_ca_names()');
		is($got->{stderr}, 'ERROR:  could not read the file of "ssl_ca_file"',
			"$what: without the reason for anybody");
		$got = $srv->try_sql('set role monitor; select pg_trusted_ca_names()');
		like($got->{stderr}, $detail, "$what: with it for a monitor");
	}
	$srv->conf("ssl = on\n");
};

sub _slurp
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!";
	local $/ = undef;
	return scalar <$file>;
}

subtest 'no file' => sub {
	$srv->conf("ssl_ca_file = ''\n");
	$srv->reload;
	is(names_in_session(), '', 'nothing is asked for in a session');
	is($srv->sql($names), '', 'nor would it be');
	is(names_in_handshake('tls1_3'), '', 'nor in the handshake');
	$srv->sql(q{security label for pg_cert_policy on role alice is 'any'});
	like($srv->login(user => 'alice', cert => $alice)->{log},
		qr/DETAIL:  Policy of role "alice": no certificate\./, 'a policy fails then');
};

done_testing();
