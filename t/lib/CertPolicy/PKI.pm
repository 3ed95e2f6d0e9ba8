# Certificates for tests, made by the openssl command and nothing else.
#
# A PKI is a folder.  Each call makes a key and a certificate in it and returns
# a hash that says where they are:
#
#	name, subject	what it was called
#	cert, key		the certificate alone, and its key (mode 0600)
#	chain			the certificate and the intermediates above it, no root
#	issuer			the hash of the issuer; undef for a root
#	password		of the key, or undef
#
#	my $pki  = CertPolicy::PKI->new;
#	my $ca   = $pki->root('rootCA1', subject => '/O=IDO/CN=rootCA1');
#	my $int  = $pki->intermediate('int', issuer => $ca);
#	my $leaf = $pki->leaf('alice', issuer => $int, eku => 'clientAuth');
#
# Options of root, intermediate and leaf:
#
#	issuer			who signs (not for a root)
#	subject			as openssl's -subj, default /CN=<name>; '/' is the empty name
#	key				'ec' (P-256), 'ec:<curve>', 'rsa', 'rsa:<bits>', 'rsa-pss',
#					'rsa-pss:<bits>', 'ed25519', 'ed448'
#	key_of			another hash, whose key this certificate is for as well
#					(with_key_of and key_pair_of mean the same)
#	password		the key file is encrypted with it
#	days			lifetime from not_before on (3650 for CAs, 365 for leaves)
#	not_before		'YYYYMMDDHHMMSSZ', default an hour ago
#	not_after		'YYYYMMDDHHMMSSZ', instead of days
#	serial			in hex
#	md				digest of the signature, as 'sha1'
#	csr_md			digest of the request's, for a key that is bound to one
#	eku, ku, san	values of extendedKeyUsage, keyUsage, subjectAltName
#	bc				value of basicConstraints, undef for none
#	ski, aki		0 leaves the key identifier out
#	ext				further lines of the extension section, as an array
#	string_mask		how openssl encodes the subject: 'utf8only' (default), 'default',
#					'nombstr', or 'MASK:0x800' for BMPString
#	patch			sub that gets the DER of the TBSCertificate and returns other
#					bytes of the same length, which are signed again: for what
#					openssl refuses to write, such as a name with a NUL
package CertPolicy::PKI;

use strict;
use warnings;

use Carp qw(croak);
use CertPolicy::Command qw(run_program);
use Digest::SHA qw(sha256_hex);
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX qw(strftime);
use Time::Local qw(timegm);

sub new
{
	my ($class, $dir) = @_;

	$dir = File::Temp::tempdir('pki_XXXXXX', TMPDIR => 1, CLEANUP => 1)
	  unless defined $dir;
	mkdir $dir unless -d $dir;
	my $self = bless { dir => $dir, runs => 0, servers => {} }, $class;
	# The machine's own openssl.cnf must not decide what a test sees.
	$self->_write('openssl.cnf', "# empty on purpose\n");
	return $self;
}

sub dir
{
	my ($self) = @_;

	return $self->{dir};
}

# A self-signed CA.
sub root
{
	my ($self, $name, %opt) = @_;

	return $self->_issue(
		$name,
		days => 3650,
		bc => 'critical,CA:TRUE',
		ku => 'critical,keyCertSign,cRLSign',
		aki => 0,
		%opt,
		issuer => undef);
}

# A CA that another one signed.
sub intermediate
{
	my ($self, $name, %opt) = @_;

	croak "intermediate \"$name\" needs an issuer" unless $opt{issuer};
	return $self->_issue(
		$name,
		days => 3650,
		bc => 'critical,CA:TRUE',
		ku => 'critical,keyCertSign,cRLSign',
		%opt);
}

# An end-entity certificate.
sub leaf
{
	my ($self, $name, %opt) = @_;

	croak "leaf \"$name\" needs an issuer" unless $opt{issuer};
	return $self->_issue($name, days => 365, bc => 'CA:FALSE', %opt);
}

# A certificate for a server on this machine.  Made once for each issuer.
sub server
{
	my ($self, $ca, %opt) = @_;

	return $self->leaf($opt{name} // "server-$ca->{name}",
		$self->_server_defaults($ca), %opt)
	  if %opt;
	return $self->{servers}{ $ca->{cert} } //=
	  $self->leaf("server-$ca->{name}", $self->_server_defaults($ca));
}

sub _server_defaults
{
	my ($self, $ca) = @_;

	return (
		issuer => $ca,
		subject => '/CN=localhost',
		san => 'DNS:localhost,IP:127.0.0.1',
		eku => 'serverAuth');
}

# One PEM file made of several; relative names are put into the PKI's folder.
sub concat
{
	my ($self, $name, @paths) = @_;

	return $self->_write($name, join('', map { _slurp($_) } @paths));
}

# A CRL of $ca that lists exactly the certificates in revoked.  It is valid for
# days (default 30); last_update and next_update need OpenSSL 3.
sub crl
{
	my ($self, $ca, %opt) = @_;
	my $db = $self->_database("crl-$ca->{name}", undef);
	my $path = "$self->{dir}/$ca->{name}." . ++$self->{runs} . ".crl";
	my @ca = (
		'ca', '-config', $self->_ca_config($db, undef, $opt{md}),
		'-cert', $ca->{cert}, '-keyfile', $ca->{key}, _passin($ca));
	my @dates = ('-crldays', $opt{days} // 30);

	@dates = (
		'-crl_lastupdate', $opt{last_update} // _time(-3600),
		'-crl_nextupdate', $opt{next_update} // _time(30 * 86400))
	  if $opt{last_update} || $opt{next_update};

	$self->_openssl(@ca, '-revoke', $_->{cert})
	  foreach @{ $opt{revoked} // [] };
	$self->_openssl(@ca, '-gencrl', @dates, '-out', $path);
	return $path;
}

# The certificate's DER, the SHA-256 of it and of its SubjectPublicKeyInfo (in
# lower-case hex), and its serial number (upper-case hex, as openssl prints it).
sub der
{
	my ($self, $cert) = @_;

	return _pem_to_der(_slurp($cert->{cert}));
}

sub cert_sha256
{
	my ($self, $cert) = @_;

	return sha256_hex($self->der($cert));
}

sub key_sha256
{
	my ($self, $cert) = @_;

	return sha256_hex(
		_pem_to_der(
			$self->_openssl(
				'x509', '-in', $cert->{cert}, '-noout', '-pubkey')));
}

sub serial
{
	my ($self, $cert) = @_;
	my $out = $self->_openssl('x509', '-in', $cert->{cert}, '-noout', '-serial');

	return $out =~ /^serial=([0-9A-F]+)/m ? $1 : croak "no serial in \"$out\"";
}

# ---------------------------------------------------------------------------
# Below here: how it is done.
# ---------------------------------------------------------------------------

# Every certificate, also a self-signed one, is issued by "openssl ca": the
# only command that takes both dates in every version since 1.1.1.
sub _issue
{
	my ($self, $name, %opt) = @_;
	my $issuer = $opt{issuer};
	my $key_of = $opt{key_of} // $opt{with_key_of} // $opt{key_pair_of};
	my $subject = $opt{subject} // "/CN=$name";
	my $base = "$self->{dir}/$name";
	my $start = $opt{not_before} // _time(-3600);
	my $end = $opt{not_after} // _later($start, $opt{days});

	croak "\"$name\" already exists in $self->{dir}" if -e "$base.crt";

	my $plain = "$base.plain.key";
	my @key = ('-newkey', _key_options($opt{key} // 'ec'), '-nodes', '-keyout', $plain);

	if ($key_of)
	{
		$self->_openssl('pkey', '-in', $key_of->{key}, _passin($key_of),
			'-out', $plain);
		chmod 0600, $plain;
		@key = ('-key', $plain);
	}
	$self->_openssl(
		'req', '-new', '-utf8', $opt{csr_md} ? "-$opt{csr_md}" : (), '-config',
		$self->_write("$name.req.cnf", <<"CONFIG"), @key, '-subj', $subject, '-out', "$base.csr");
[req]
distinguished_name = none
prompt = no
string_mask = ${\($opt{string_mask} // 'utf8only')}
[none]
CONFIG
	chmod 0600, $plain;

	my $db = $self->_database($name, $opt{serial});
	my $config = $self->_ca_config($db, _extensions(%opt), $opt{md});
	$self->_openssl(
		'ca', '-batch', '-notext', '-preserveDN', '-config', $config,
		'-startdate', $start, '-enddate', $end, '-in', "$base.csr",
		$issuer
		? ('-cert', $issuer->{cert}, '-keyfile', $issuer->{key},
			_passin($issuer))
		: ('-selfsign', '-keyfile', $plain),
		'-out', "$base.crt");

	my $made = {
		name => $name,
		subject => $subject,
		cert => "$base.crt",
		key => "$base.key",
		chain => "$base.chain.crt",
		issuer => $issuer,
		password => $opt{password},
	};
	if (defined $opt{password})
	{
		local $ENV{PKI_PASSWORD} = $opt{password};
		$self->_openssl('pkey', '-in', $plain, '-aes256', '-passout',
			'env:PKI_PASSWORD', '-out', $made->{key});
		unlink $plain;
	}
	else
	{
		rename $plain, $made->{key} or croak "could not rename $plain: $!";
	}
	chmod 0600, $made->{key};
	$self->_patch($made, $opt{patch}) if $opt{patch};

	my @above;
	for (my $ca = $issuer; $ca && $ca->{issuer}; $ca = $ca->{issuer})
	{
		push @above, $ca->{cert};
	}
	$self->concat("$name.chain.crt", $made->{cert}, @above);
	return $made;
}

# The value of -newkey, and the options behind it.
sub _key_options
{
	my ($kind) = @_;

	if ($kind =~ /^ec(?::(.+))?$/)
	{
		return ('ec', '-pkeyopt', 'ec_paramgen_curve:' . ($1 // 'P-256'),
			'-pkeyopt', 'ec_param_enc:named_curve');
	}
	if ($kind =~ /^(rsa|rsa-pss)(?::(\d+))?$/)
	{
		return ($1, '-pkeyopt', 'rsa_keygen_bits:' . ($2 // 2048));
	}
	return ($kind) if $kind =~ /^ed(25519|448)$/;
	croak "unknown kind of key \"$kind\"";
}

# The lines of the extension section.
sub _extensions
{
	my (%opt) = @_;
	my @lines;

	push @lines, "basicConstraints = $opt{bc}" if defined $opt{bc};
	push @lines, "keyUsage = $opt{ku}" if defined $opt{ku};
	push @lines, "extendedKeyUsage = $opt{eku}" if defined $opt{eku};
	push @lines, "subjectAltName = $opt{san}" if defined $opt{san};
	push @lines, "subjectKeyIdentifier = " . (($opt{ski} // 1) ? 'hash' : 'none')
	  if ($opt{ski} // 1) || _adds_identifiers();
	push @lines, "authorityKeyIdentifier = " . (($opt{aki} // 1) ? 'keyid' : 'none')
	  if ($opt{aki} // 1) || _adds_identifiers();
	push @lines, @{ $opt{ext} // [] };
	return join("\n", @lines);
}

# OpenSSL 3 adds them unasked, and earlier ones do not know "none".
my $adds_identifiers;

sub _adds_identifiers
{
	$adds_identifiers //=
	  run_program({}, 'openssl', 'version')->{stdout} =~ /^OpenSSL [01]\./ ? 0 : 1;
	return $adds_identifiers;
}

# The folder where "openssl ca" keeps its books: a new one for each use.
sub _database
{
	my ($self, $name, $serial) = @_;
	my $db = "$name.ca" . ++$self->{runs};

	mkdir "$self->{dir}/$db" or croak "could not make $self->{dir}/$db: $!";
	$serial = sprintf('%02X%08X%04X', 0x10, time, $self->{runs})
	  unless defined $serial;
	$serial = "0$serial" if length($serial) % 2;
	$self->_write("$db/index.txt", '');
	$self->_write("$db/index.txt.attr", "unique_subject = no\n");
	$self->_write("$db/serial", "$serial\n");
	$self->_write("$db/crlnumber", "01\n");
	return "$self->{dir}/$db";
}

sub _ca_config
{
	my ($self, $db, $extensions, $md) = @_;
	my ($name) = $db =~ m!([^/]+)$!;
	my $with = '';

	$md //= 'default';
	$with = "x509_extensions = with" if $extensions;
	$extensions //= '';
	return $self->_write("$name/ca.cnf", <<"CONFIG");
[ca]
default_ca = here
[here]
database = $db/index.txt
serial = $db/serial
crlnumber = $db/crlnumber
new_certs_dir = $db
default_md = $md
default_crl_days = 30
default_days = 30
policy = any
unique_subject = no
email_in_dn = yes
$with
[any]
commonName = optional
[with]
$extensions
CONFIG
}

# Lets the caller change the signed part and signs it again.
sub _patch
{
	my ($self, $made, $patch) = @_;
	my ($issuer_key) = $made->{issuer} // $made;
	my $whole = $self->der($made);
	my ($body, undef) = _tlv($whole);
	my ($tbs_len) = (_tlv_len($body));
	my $tbs = substr($body, 0, $tbs_len);
	my $algorithm = substr($body, $tbs_len);
	my $new = $patch->($tbs);

	croak "a patch must keep the length" if length($new) != length($tbs);
	croak "the patch of \"$made->{name}\" changed nothing" if $new eq $tbs;

	$algorithm = substr($algorithm, 0, _tlv_len($algorithm));
	my $in = $self->_write("$made->{name}.tbs", $new);
	my $out = "$self->{dir}/$made->{name}.sig";
	$self->_openssl('dgst', '-sha256', '-sign', $issuer_key->{key},
		_passin($issuer_key), '-out', $out, $in);
	my $signature = "\0" . _slurp($out);
	my $cert = _der(0x30, $new . $algorithm . _der(0x03, $signature));
	$self->_write("$made->{name}.crt",
			"-----BEGIN CERTIFICATE-----\n"
		  . encode_base64($cert)
		  . "-----END CERTIFICATE-----\n");
	$self->_openssl('x509', '-in', $made->{cert}, '-noout');
	return;
}

# The content of the first DER element, and the length of the whole element.
sub _tlv
{
	my ($der) = @_;
	my $first = ord(substr($der, 1, 1));
	my $head = $first < 0x80 ? 2 : 2 + ($first & 0x7f);
	my $len = $first;

	if ($first >= 0x80)
	{
		$len = 0;
		$len = $len * 256 + $_ foreach unpack('C*', substr($der, 2, $head - 2));
	}
	return (substr($der, $head, $len), $head + $len);
}

sub _tlv_len
{
	my ($der) = @_;
	my (undef, $len) = _tlv($der);

	return $len;
}

sub _der
{
	my ($tag, $content) = @_;
	my $len = length $content;
	my $octets = pack('N', $len);

	return pack('CC', $tag, $len) . $content if $len < 0x80;
	$octets =~ s/^\0+//;
	return pack('CC', $tag, 0x80 | length $octets) . $octets . $content;
}

sub _passin
{
	my ($cert) = @_;

	return defined $cert->{password} ? ('-passin', "pass:$cert->{password}") : ();
}

sub _time
{
	my ($offset) = @_;

	return strftime('%Y%m%d%H%M%SZ', gmtime(time + $offset));
}

sub _later
{
	my ($start, $days) = @_;
	my @t = $start =~ /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
	  or croak "\"$start\" is not of the form YYYYMMDDHHMMSSZ";

	return strftime(
		'%Y%m%d%H%M%SZ',
		gmtime(
			timegm(@t[ 5, 4, 3, 2 ], $t[1] - 1, $t[0]) + $days * 86400));
}

sub _pem_to_der
{
	my ($pem) = @_;
	my ($base64) = $pem =~ /-----BEGIN [^-]+-----\s(.*?)-----END/s
	  or croak "not PEM: $pem";

	return decode_base64($base64);
}

# Runs openssl; dies with what it said, or returns its output.
sub _openssl
{
	my ($self, @args) = @_;

	local $ENV{OPENSSL_CONF} = "$self->{dir}/openssl.cnf";
	my $got = run_program({}, 'openssl', @args);
	croak "openssl @args failed: $got->{stderr}" unless $got->{ok};
	return "$got->{stdout}\n";
}

sub _write
{
	my ($self, $name, $bytes) = @_;
	my $path = $name =~ m!^/! ? $name : "$self->{dir}/$name";

	open my $file, '>:raw', $path or croak "could not write $path: $!";
	print $file $bytes;
	close $file or croak "could not write $path: $!";
	return $path;
}

sub _slurp
{
	my ($path) = @_;

	open my $file, '<:raw', $path or croak "could not read $path: $!";
	local $/ = undef;
	my $bytes = <$file>;
	close $file;
	return $bytes;
}

1;
