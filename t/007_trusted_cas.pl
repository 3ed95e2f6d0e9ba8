# pg_trusted_cas, with each of its problems, and pg_tls_expiry: what the server
# trusts and when it runs out, in a TLS session and by the files.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder run run_with slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use Test::More;

my $pgcertsel = $ENV{PGCERTSEL} || 'pgcertsel';
my $pki = CertPolicy::PKI->new;
my $ca = $pki->root('ca', subject => '/O=IDO/CN=ca', serial => '0a0b0c');
my $other = $pki->root('other', key => 'rsa:2048');
my $rekeyed = $pki->root('rekeyed', subject => $ca->{subject});
my $expired = $pki->root('expired', not_before => '20200101000000Z', days => 30);
my $early = $pki->root('early', not_before => '20990101000000Z', days => 30);
my $leaf = $pki->leaf('leaf', issuer => $ca);
my $rooted = $pki->intermediate('rooted', issuer => $ca);
my $far = $pki->root('far');
my $orphan = $pki->intermediate('orphan', issuer => $far);
my $weak_key = $pki->root('weak_key', key => 'rsa:1024');
my $weak_signature = $pki->intermediate('weak_signature', issuer => $other, md => 'sha1');
my $servers_only = $pki->root('servers_only', eku => 'serverAuth');
my $no_sign = $pki->root('no_sign', ku => 'critical,digitalSignature');
my $fake = $pki->intermediate('fake', issuer => $far, subject => $far->{subject});
my $ed = $pki->root('ed', key => 'ed25519');
my $accent = $pki->root('accent', subject => "/CN=Soci\xc3\xa9t\xc3\xa9");
my $alice = $pki->leaf('alice', issuer => $ca, eku => 'clientAuth');

my $srv = CertPolicy::Server->new(
	'main',
	pki => $pki,
	ca_file => $ca->{cert},
	server_cert => $pki->server($ca),
	conf => "ssl_ciphers = 'HIGH:!aNULL:\@SECLEVEL=2'\n",
	hba => [ 'local all all trust', 'host all all 127.0.0.1/32 trust' ]);

$srv->sql('create extension pg_cert_policy; create role alice login; create role monitor login in role pg_monitor');

sub trust
{
	my ($name, @certs) = @_;
	my $file = $pki->concat($name, map { $_->{cert} } @certs);

	$srv->conf("ssl_ca_file = '$file'\n");
	return $srv->reload;
}

sub in_session
{
	my ($sql, %opt) = @_;
	my $got = $srv->login(user => 'alice', sql => $sql, %opt);

	is($got->{status}, 0, 'a TLS session') or diag $got->{stderr};
	return $got->{stdout};
}

my $problems = q{select position, can_anchor, array_to_string(problems, '; ') from pg_trusted_cas order by position};

subtest 'what a row says' => sub {
	trust('good.crt', $ca, $other, $rooted, $ed, $accent);
	my $facts = q{select position, subject, issuer, key_type, security_bits, self_signed, announced, can_anchor, problems from pg_trusted_cas order by position};
	my $want = join "\n",
		'1|CN=ca,O=IDO|CN=ca,O=IDO|EC|128|t|t|t|',
		'2|CN=other|CN=other|RSA|112|t|t|t|',
		'3|CN=rooted|CN=ca,O=IDO|EC|128|f|t|f|',
		'4|CN=ed|CN=ed|Ed25519|128|t|t|t|',
		"5|CN=Soci\xc3\xa9t\xc3\xa9|CN=Soci\xc3\xa9t\xc3\xa9|EC|128|t|t|t|";

	is(in_session($facts), $want, 'in the session');
	is($srv->sql($facts), $want, 'by the file');

	my $one = 'select %s from pg_trusted_cas where position = 1';
	is($srv->sql(sprintf $one, 'cert_sha256'), $pki->cert_sha256($ca), 'the certificate\'s hash');
	is($srv->sql(sprintf $one, 'key_sha256'), $pki->key_sha256($ca), 'the key\'s');
	is($srv->sql(sprintf $one, q{encode(certificate, 'hex')}), unpack('H*', $pki->der($ca)),
		'the certificate');
	is($srv->sql(sprintf $one, 'serial'), '0a0b0c', 'the serial number');
	is($srv->sql('select c.subject_der = n.name_der from pg_trusted_cas c join pg_trusted_ca_names() n using (position) where position = 5'),
		't', 'the name in DER');
	my $text = '';
	IPC::Run::run([ 'openssl', 'x509', '-in', $ca->{cert}, '-noout', '-startdate', '-enddate', '-ext', 'subjectKeyIdentifier' ], '>', \$text, '2>&1');
	my ($from) = $text =~ /notBefore=(.*)/;
	my ($to) = $text =~ /notAfter=(.*)/;
	is($srv->sql(sprintf $one, "not_before = '$from' and not_after = '$to'"), 't', 'the dates');
	my ($key_id) = $text =~ /^ +([0-9A-F:]+)$/m;
	is($srv->sql(sprintf $one, 'key_id'), lc($key_id =~ s/://gr), 'the key\'s identifier');
	is($srv->sql(q{set client_encoding = 'UTF8'; select subject from pg_trusted_cas where position = 5}),
		"CN=Soci\xc3\xa9t\xc3\xa9", 'a name beyond ASCII');
};

# OpenSSL takes it for a root, by its names alone, and verifies no root's signature.
subtest 'a CA of its issuer\'s name, without key identifiers' => sub {
	my $unmarked = $pki->intermediate('unmarked', issuer => $far, subject => $far->{subject}, ski => 0, aki => 0);
	my $bob = $pki->leaf('bob', issuer => $unmarked, aki => 0);
	my $anchors = q{select self_signed, can_anchor, problems from pg_trusted_cas where position = 2};

	trust('unmarked.crt', $ca, $unmarked);
	is($srv->login(user => 'alice', cert => $bob)->{status}, 0, 'it lets in whom it signed');
	is(in_session($anchors), 't|t|', 'and the session says so');
	is($srv->sql($anchors), 't|t|', 'by the file, too');
};

subtest 'each problem' => sub {
	my $same = 'another CA here has the same name and another key: only ca_key_sha256 tells them apart';
	my $no_root = 'its root is missing: no chain can end here';
	my @cases = (
		[ $ca, 't', $same ],
		[ $rekeyed, 't', $same ],
		[ $expired, 'f', 'expired' ],
		[ $early, 'f', 'not valid yet' ],
		[ $leaf, 'f', 'not a CA but an end-entity certificate: it lets in nobody, unless it is trusted for itself' ],
		[ $orphan, 'f', $no_root ],
		[ $fake, 'f', $no_root ],
		[ $weak_key, 'f', 'weak key: 80 bits of security' ],
		[ $other, 't', '' ],
		[ $weak_signature, 'f', qr/^weak signature: (63|64|80) bits of security$/ ],
		[ $servers_only, 'f', 'not a CA for client certificates, by its key usage or extended key usage' ],
		[ $no_sign, 'f', qr/^not a CA/ ],
		[ $rooted, 'f', '' ],
		[ $other, 't', 'the same certificate as at position 9' ]);

	trust('problems.crt', map { $_->[0] } @cases);
	foreach my $where (\&in_session, sub { $srv->sql($_[0]) })
	{
		my @rows = split /\n/, $where->($problems);

		foreach my $i (0 .. $#cases)
		{
			my ($cert, $anchor, $want) = @{ $cases[$i] };
			my ($position, $can_anchor, $words) = split /\|/, $rows[$i] // '', 3;
			my $what = "$cert->{name} at " . ($i + 1);

			is($position, $i + 1, "$what: position");
			is($can_anchor, $anchor, "$what: can it anchor");
			ref $want ? like($words, $want, "$what: problems") : is($words, $want, "$what: problems");
		}
		is(scalar @rows, scalar @cases, 'as many rows');
	}
};

# can_anchor claims what a login does.
subtest 'an anchor lets in, others do not' => sub {
	my %anchor = (ca => $ca, rekeyed => $rekeyed, expired => $expired, orphan => $orphan, weak_key => $weak_key,
		servers_only => $servers_only, no_sign => $no_sign, other => $other, ed => $ed);

	trust('anchors.crt', map { $anchor{$_} } sort keys %anchor);
	foreach my $name (sort keys %anchor)
	{
		my $cert = $pki->leaf("of_$name", issuer => $anchor{$name}, subject => '/CN=alice', eku => 'clientAuth');
		my $hash = $pki->cert_sha256($anchor{$name});
		my $says = $srv->sql("select can_anchor from pg_trusted_cas where cert_sha256 = '$hash'");
		my $got = $srv->login(user => 'alice', cert => { chain => $cert->{cert}, key => $cert->{key} });

		is($got->{ok} ? 't' : 'f', $says, "$name: $says");
	}
};

# As many a guide makes it: without -extfile there is no section to take, so the
# extensions of a CA are not there.  Up to OpenSSL 3.1 that is a certificate of
# version 1, which counts as a CA where it is the root; later ones write version 3,
# which does not.
subtest 'a root without the extensions of a CA' => sub {
	my $base = $pki->dir . '/plain';
	my $subject = '/C=CA/O=IDO/CN=plain';
	my $config = write_file("$base.cnf", "[req]\ndistinguished_name = none\n[none]\n[v3_ca]\nbasicConstraints = CA:TRUE\n");
	my %root = (name => 'plain', subject => $subject, cert => "$base.crt", key => "$base.key");

	foreach my $command (
		"req -new -nodes -newkey rsa:2048 -subj $subject -keyout $base.key -out $base.csr",
		"x509 -req -in $base.csr -extensions v3_ca -signkey $base.key -days 3650 -out $base.crt")
	{
		my $got = run_with({ env => { OPENSSL_CONF => $config } }, 'openssl', split / /, $command);

		is($got->{status}, 0, "openssl $command") or diag $got->{stderr};
	}
	my $text = run('openssl', 'x509', '-in', $root{cert}, '-noout', '-text')->{stdout};
	my ($version) = $text =~ /Version: (\d)/;
	my $is_ca = $version == 1;

	note("version $version");
	unlike($text, qr/Basic Constraints/, 'it does not say that it is a CA');
	my $of_plain = $pki->leaf('of_plain', issuer => \%root, subject => '/CN=alice', eku => 'clientAuth', aki => 0);
	my $bundle = folder($pki->dir . '/plain_bundle', $alice, $of_plain);
	my $want = $is_ca ? "1|t|\n2|t|"
	  : "1|t|\n2|f|not a CA but an end-entity certificate: it lets in nobody, unless it is trusted for itself";

	trust('plain_too.crt', $ca, \%root);
	is($srv->sql($problems), $want, 'pg_trusted_cas, by the file');
	is(in_session($problems), $want, 'in the session');

	my $got = $srv->login(user => 'alice', cert => $of_plain);
	my $select = [ $pgcertsel, 'select', '--bundle', $bundle, '--confirm', 'user=alice dbname=postgres sslmode=require host=127.0.0.1 port=' . $srv->port ];

	is($got->{ok} ? 1 : 0, $is_ca ? 1 : 0, 'a login with a leaf of it: as can_anchor says');
	like($got->{log}, qr/could not accept SSL connection: certificate verify failed/, 'and the log why not') unless $is_ca;

	trust('plain.crt', \%root);
	$got = $srv->client($select);
	is($got->{stdout}, $is_ca ? "sslcert='$bundle/of_plain.crt' sslkey='$bundle/of_plain.key'" : "sslcert='/dev/null/none'", 'pgcertsel select --confirm');
	is($got->{status}, $is_ca ? 0 : 2, 'its status') or diag $got->{stderr};
	like($got->{stderr}, qr/of_plain\.crt: .* refused it: /, 'its words') unless $is_ca;
	foreach my $more ([], [ '--ca-file', $root{cert} ])
	{
		my $what = @$more ? 'with the CA certificate' : 'by the name';

		$got = $srv->client([ grep({ $_ ne '--confirm' } @$select), @$more ]);
		is($got->{stdout}, $is_ca || !@$more ? "sslcert='$bundle/of_plain.crt' sslkey='$bundle/of_plain.key'" : "sslcert='/dev/null/none'", $what);
		$got = $srv->client([ $pgcertsel, 'check', @$select[ 2, 3, 5 ], @$more ]);
		like($got->{stdout}, @$more && $is_ca ? qr/^\* certain .*of_plain/m : @$more ? qr/unusable .*of_plain/ : qr/^\* doubtful .*of_plain/m, "$what: the verdict");
	}
};

subtest 'the session and the file differ' => sub {
	trust('before.crt', $ca, $other);
	my $broken = $pki->concat('broken.crl', $ca->{key});
	$srv->conf("ssl_crl_file = '$broken'\n");
	like(trust('after.crt', $ed, $ca), qr/SSL configuration was not reloaded/, 'a reload that failed');
	is(in_session('select position, subject, announced, can_anchor, problems from pg_trusted_cas order by position'),
		"1|CN=ed|f|f|{\"on disk but not in this session\"}\n2|CN=ca,O=IDO|t|t|\n3|CN=other|t|t|{\"in this session but no longer on disk\"}",
		'the session');
	is($srv->sql('select subject, problems from pg_trusted_cas order by position'),
		"CN=ed|\nCN=ca,O=IDO|", 'the file');
	$srv->conf("ssl_crl_file = ''\n");
	$srv->reload;
};

# What the session has loaded is not decoded once more, and nobody sees that.
subtest 'the file has changed, the session has not' => sub {
	my $row = q{select coalesce(position || ' ' || subject, 'no certificate') || coalesce(': ' || array_to_string(problems, '; '), '') from pg_trusted_cas};
	my $new = 'on disk but not in this session';
	my $gone = 'in this session but no longer on disk';
	my @loaded = ('- CN=ca,O=IDO', '- CN=ed', '- CN=other');
	my ($one, $two, $three, $four) = map { slurp($_->{cert}) } $ca, $other, $ed, $far;
	my $trusted = $pki->dir . '/trusted.pem';

	IPC::Run::run([ 'openssl', 'x509', '-in', $other->{cert}, '-trustout', '-addtrust', 'clientAuth', '-out', $trusted ])
	  or die 'no trusted certificate';
	trust('known.crt', $ca, $other, $ed);
	my $path = $pki->dir . '/known.crt';
	my @all = ('1 CN=ca,O=IDO', '2 CN=other', '3 CN=ed');
	foreach my $case (
		[ 'nothing', "$one$two$three", @all ],
		[ 'the order', "$three$one$two", '1 CN=ed', '2 CN=ca,O=IDO', '3 CN=other' ],
		[ 'the ends of lines', "$one$two$three" =~ s/\n/\r\n/gr, @all ],
		[ 'what is between', "one\n$one\ntwo\n$two\n$three# end", @all ],
		[ 'one is twice there', "$one$one$two$three", '1 CN=ca,O=IDO',
			'2 CN=ca,O=IDO: the same certificate as at position 1', '3 CN=other', '4 CN=ed' ],
		[ 'one is gone', "$one$three", '1 CN=ca,O=IDO', '2 CN=ed', "- CN=other: $gone" ],
		[ 'one is new', "$one$four$two$three", '1 CN=ca,O=IDO', "2 CN=far: $new", '3 CN=other', '4 CN=ed' ],
		[ 'all are', $four, "1 CN=far: $new", map { "$_: $gone" } @loaded ],
		[ 'a revocation list', $one . slurp($pki->crl($ca)) . "$two$three", @all ],
		[ 'a key', "$one$two$three" . slurp($ca->{key}), @all ],
		[ 'a trusted certificate', $one . slurp($trusted) . $three, @all ],
		[ 'a block that does not decode', "$one$two$three-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", @loaded ],
		[ 'half a block', "$one$two" . substr($three, 0, 100), @loaded ],
		[ 'no certificate is left', "none\n", @loaded ])
	{
		my ($what, $content, @want) = @$case;

		# those of the session have no order that anybody could rely on
		write_file($path, $content);
		my @got = split /\n/, in_session("$row order by position");
		my $of_session = $want[0] =~ /^1 / ? qr/no longer on disk/ : qr//;
		s/^\d+ (?=.*$of_session)/- / foreach @got;
		is(join("\n", sort @got), join("\n", sort @want), $what);
	}
	write_file($path, "$one$two$three-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
	like(in_session("$row order by position nulls first", user => 'monitor'),
		qr/\Ano certificate: could not read the file of "ssl_ca_file": File "\Q$path\E": .*\n(?:\d CN=.*\n?){3}\z/,
		'and a monitor reads why');
};

subtest 'a file that cannot be read is a row' => sub {
	trust('readable.crt', $ca);
	my $path = $pki->dir . '/readable.crt';
	my $all = 'select count(*), count(position), string_agg(array_to_string(problems, \'; \'), \' / \') from pg_trusted_cas';
	rename $path, "$path.gone" or die;
	is($srv->sql($all), qq{1|0|could not read the file of "ssl_ca_file": File "$path": No such file or directory.},
		'with the reason');
	is($srv->sql("set role alice; $all"), '1|0|could not read the file of "ssl_ca_file"',
		'without it for anybody');
	is(in_session($all), '1|1|', 'the session has what it had');
	is(in_session($all, user => 'monitor'),
		qq{2|1|could not read the file of "ssl_ca_file": File "$path": No such file or directory.},
		'and shows the reason to a monitor');
	foreach my $case (
		[ 'empty', '', qr/holds no certificate and no revocation list in PEM/ ],
		[ 'text', "nothing\n" x 1000, qr/holds no certificate and no revocation list in PEM/ ],
		[ 'broken', "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", qr/File ".*": .+\./ ],
		[ 'half', "-----BEGIN CERTIFICATE-----\nMIIB\n", qr/File ".*": .+\./ ])
	{
		my ($what, $content, $reason) = @$case;

		open my $file, '>', $path or die;
		print $file $content;
		close $file;
		like($srv->sql($all), qr/\A1\|0\|could not read the file of "ssl_ca_file": .*$reason/, $what);
	}
	rename "$path.gone", $path or die;
	is($srv->sql($all), '1|1|', 'mended');
	$srv->conf("ssl_ca_file = ''\n");
	$srv->reload;
	is($srv->sql($all), '0|0|', 'no file');
	is(in_session($all), '0|0|', 'nor in a session');
};

subtest 'a list too long for TLS' => sub {
	my $long = sub { join('', map { sprintf '/OU=%02d%s', $_, 'x' x 62 } 1 .. 14) . "/CN=$_[0]" };
	my @many = map { $pki->root("long$_", subject => $long->($_), key_of => $ca) } 1 .. 62;
	my $words = q{select distinct array_to_string(problems, '; ') from pg_trusted_cas};

	trust('long.crt', @many[ 0 .. 59 ]);
	is($srv->sql($words), '', 'not yet');
	is($srv->login(user => 'alice', cert => undef)->{status}, 0, 'and TLS works');
	trust('longer.crt', @many);
	my $bytes = $srv->sql('select sum(octet_length(name_der) + 2) from pg_trusted_ca_names()');
	cmp_ok($bytes, '>', 65535, 'longer');
	is($srv->sql($words), "list too long for TLS ($bytes of 65535 bytes)", 'too long');
	is($srv->login(user => 'alice', cert => undef)->{status}, 2, 'and TLS does not work');
};

subtest 'pg_tls_expiry' => sub {
	my $query = q{select setting, subject, remaining > '0', abs(extract(epoch from remaining) - remaining_seconds) <= 1 from pg_tls_expiry order by 1, 2};
	my $crl_dir = $pki->dir . '/crls';
	my $crl = $pki->crl($ca);
	my $hash = '';
	mkdir $crl_dir or die;
	IPC::Run::run([ 'openssl', 'crl', '-in', $crl, '-noout', '-hash' ], '>', \$hash, '2>&1');
	chomp $hash;
	IPC::Run::run([ 'cp', $crl, "$crl_dir/$hash.r0" ]);
	IPC::Run::run([ 'cp', $crl, "$crl_dir/README" ]);

	trust('expiry.crt', $ca, $expired);
	# the setting came with 14
	my $has_dir = $srv->sql('show server_version_num') >= 140000;
	$srv->conf("ssl_crl_file = '$crl'\n" . ($has_dir ? "ssl_crl_dir = '$crl_dir'\n" : ''));
	$srv->reload;
	is($srv->sql($query), join("\n",
			'ssl_ca_file|CN=ca,O=IDO|t|t',
			'ssl_ca_file|CN=expired|f|t',
			'ssl_cert_file|CN=localhost|t|t',
			$has_dir ? 'ssl_crl_dir|CN=ca,O=IDO|t|t' : (),
			'ssl_crl_file|CN=ca,O=IDO|t|t'), 'every file');
	my $text = '';
	IPC::Run::run([ 'openssl', 'crl', '-in', $crl, '-noout', '-nextupdate' ], '>', \$text, '2>&1');
	my ($next) = $text =~ /nextUpdate=(.*)/;
	is($srv->sql("select not_after = '$next' from pg_tls_expiry where setting = 'ssl_crl_file'"), 't',
		'of a revocation list the next update');
	like($srv->try_sql('set role alice; select * from pg_tls_expiry')->{stderr},
		qr/permission denied for view pg_tls_expiry/, 'not for anybody');
	is($srv->try_sql('set role monitor; select count(*) from pg_tls_expiry')->{stdout}, $has_dir ? '5' : '4',
		'but for a monitor');
	unlink $crl or die;
	my $got = $srv->try_sql($query);
	like($got->{stderr}, qr/WARNING:  could not read the file of "ssl_crl_file"\nDETAIL:  File "\Q$crl\E": No such file/,
		'a file that is missing');
	like($got->{stdout}, qr/^ssl_crl_file\|\|\|$/m, 'is a row');
	like($got->{stdout}, qr/^ssl_ca_file\|CN=ca/m, 'beside the others');
};

done_testing();
