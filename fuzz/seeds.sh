#!/usr/bin/env bash
#
# seeds.sh - where each fuzz target starts from: real policies, names,
# certificates and files, made by openssl and a few lines of shell.
#
#	seeds.sh FOLDER		writes FOLDER/TARGET/..., anew
set -euo pipefail
export LC_ALL=C.UTF-8

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$1
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# put TARGET < FILE: a seed.  Never behind a pipe: it counts.
count=0
put()
{
	count=$((count + 1))
	mkdir -p "$out/$1"
	cat >"$out/$1/$(printf '%04d' "$count")"
}

# seeds CODE ARGUMENT...: many at once, by perl, which has what shell lacks
seeds()
{
	work=$work out=$out perl -e '
		our ($work, $out, $n) = ($ENV{work}, $ENV{out}, 0);
		sub slurp { join "", map { local $/; open my $f, "<:raw", $_ or die "$_: $!"; <$f> } @_ }
		sub seed {
			my ($target, @bytes) = @_;
			mkdir "$out/$target";
			open my $f, ">:raw", "$out/$target/$$-" . ++$n or die "$target: $!";
			print $f @bytes;
		}
		# behind its length in two or four bytes
		sub sized { pack "$_[0]/a*", $_[1] }
		# the words of PostgreSQL
		sub message { $_[0] . pack("N", 4 + length $_[1]) . $_[1] }
		sub columns {
			message("T", pack("n", scalar @_) . join "", map {
				"$_\0" . pack("N n N n N n", 0, 0, 17, -1 & 0xffff, -1 & 0xffffffff, 1) } @_)
		}
		sub row { message("D", pack("n", scalar @_) . join "", map { sized("N", $_) } @_) }
		sub rows {
			my ($columns, @rows) = @_;
			message("1", "") . message("2", "") . columns(@$columns) .
			  join("", map { row(@$_) } @rows) . message("C", "SELECT 1\0") . ready();
		}
		sub ready { message("Z", "I") }
		sub welcome { message("R", pack "N", 0) . message("S", "server_version\00015.0\0") . ready() }
		'"$1" "${@:2}"
}

# ---------------------------------------------------------------------------
# Certificates
# ---------------------------------------------------------------------------

# key NAME ALGORITHM-OPTIONS...
key()
{
	local name=$1

	shift
	openssl genpkey -quiet "$@" -out "$work/$name.key" 2>/dev/null ||
		openssl genpkey "$@" -out "$work/$name.key" 2>/dev/null
}

# cert NAME KEY ISSUER SUBJECT EXTENSION...: ISSUER - is the certificate itself
cert()
{
	local name=$1 key=$2 issuer=$3 subject=$4

	shift 4
	printf '%s\n' '[v3]' "$@" '[upn]' 'otherName=1.3.6.1.4.1.311.20.2.3;UTF8:alice@EXAMPLE' \
		>"$work/ext"
	openssl req -new -key "$work/$key.key" -subj "$subject" -utf8 -out "$work/csr"
	if [ "$issuer" = - ]; then
		openssl x509 -req -in "$work/csr" -signkey "$work/$key.key" -days 3650 \
			-extfile "$work/ext" -extensions v3 -out "$work/$name.crt" 2>/dev/null
	else
		openssl x509 -req -in "$work/csr" -CA "$work/$issuer.crt" \
			-CAkey "$work/$issuer.key" -set_serial "0x$RANDOM" -days 30 \
			-extfile "$work/ext" -extensions v3 -out "$work/$name.crt" 2>/dev/null
	fi
	openssl x509 -in "$work/$name.crt" -outform DER -out "$work/$name.der"
	printf '%s\n' "$name" >>"$work/names"
}

key ca -algorithm EC -pkeyopt ec_paramgen_curve:P-256
key mid -algorithm EC -pkeyopt ec_paramgen_curve:P-256
key ec -algorithm EC -pkeyopt ec_paramgen_curve:P-256
key rsa -algorithm RSA -pkeyopt rsa_keygen_bits:1024
key pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024
key ed -algorithm ED25519
ca_words='basicConstraints=critical,CA:TRUE'
cert ca ca - /CN=one "$ca_words"
cert mid mid ca "/O=Example/CN=mid" "$ca_words"
cert alice ec ca /CN=alice extendedKeyUsage=clientAuth \
	'subjectAltName=DNS:alice.example.com,email:alice@example.com,URI:spiffe://example.com/alice,IP:10.1.2.3,IP:2001:db8::7,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:alice@EXAMPLE' \
	certificatePolicies=1.3.6.1.4.1.99999.1
cert bob rsa mid '/C=CA/ST=BC/L=VAN/O=IDO/OU=DEV/CN=bob' \
	extendedKeyUsage=anyExtendedKeyUsage,1.3.6.1.4.1.99999.7
cert two ed ca /CN=alice/CN=mallory certificatePolicies=2.5.29.32.0
cert utf8 pss ca '/CN=René/O=Exämple' 'subjectAltName=DNS:a,DNS:b'
cert bare ed - /O=Example subjectKeyIdentifier=hash
cert nul ec ca /CN=alice \
	subjectAltName=DER:30:11:82:0A:6F:6B:2E:65:78:61:6D:70:6C:65:82:03:61:00:62
cert eku ec ca /CN=alice extendedKeyUsage=DER:30:03:02:01:01
mapfile -t names <"$work/names"

pem()
{
	local name

	for name in "$@"; do
		cat "$work/$name"
	done
}

# ---------------------------------------------------------------------------
# Policies, names
# ---------------------------------------------------------------------------

# the table of the tests, and the texts of its siblings
sed -n 's/^[a-z_]* | \([^|]*\) | .*/\1/p' "$here/../common/test/cases.txt" |
	sort -u >"$work/policies"
grep -ohE '^	"[^\n]*",$' "$here/../common/test/test_policy.c" |
	sed 's/^	"//; s/",$//; s/\\"/"/g; s/\\\\/\\/g' >>"$work/policies"
# shellcheck disable=SC2016
seeds '
	foreach my $policy (split /\n/, slurp("$work/policies"))
	{
		seed("policy", $policy);
		seed("verdict", "\100$policy\0" . slurp("$work/$_.der", "$work/ca.der")) foreach qw(alice two);
	}
	foreach my $name (@ARGV)
	{
		seed("verdict", chr($_) . "cn=%role eku!=serverAuth min_security_bits=112\0" .
			slurp("$work/$name.der", "$work/mid.der", "$work/ca.der")) foreach 0, 4, 48, 64, 128;
	}' "${names[@]}"
for name in "${names[@]}"; do
	put name < <(openssl x509 -in "$work/$name.crt" -noout -subject \
		-nameopt RFC2253 | sed 's/^subject=//' | tr -d '\n')
	# the subject as it is, the fourth sequence of the certificate's body
	openssl asn1parse -in "$work/$name.crt" -strparse "$(openssl asn1parse \
		-in "$work/$name.crt" | awk -F: '/d=2/ && /SEQUENCE/ { n++; if (n == 4) { print $1 + 0; exit } }')" \
		-noout -out "$work/$name.name" 2>/dev/null
	put name <"$work/$name.name"
done
for text in 'CN=a+O=b,C=CA' 'cn=#0c0161' '2.5.4.3=x' 'CN=a\,b\\\"\+\<\>\;' 'CN=\20a\20' \
	'CN=Ren\C3\A9' 'UID=u,DC=example,DC=com' 'O="a, b"' 'CN= a ,O= b' 'emailAddress=a@b'; do
	put name < <(printf '%s' "$text")
done

# ---------------------------------------------------------------------------
# What a server says: rows, CA lists, the protocol
# ---------------------------------------------------------------------------

# shellcheck disable=SC2016
seeds '
	my @names = map { slurp("$work/$_.name") } @ARGV;
	foreach my $columns (1, 2, 3, 7, 9, 11, 15)
	{
		seed("result", chr($columns), map { sized("n", $_) } @names[0 .. 3]);
		seed("ca_list", chr($columns), map { sized("n", $_) } @names[0 .. 5]);
	}
	foreach my $name (@names)
	{
		seed("result", chr(3), sized("n", $name));
		seed("ca_list", chr(0), sized("n", $name), sized("n", ""));
	}
	my @first = qw(schema cas policies);
	my @second = qw(position name name_der source);
	my @row = (pack("N", 1), "CN=one", $names[0], "session");
	seed("server", welcome(), rows(\@first, [ "public", "\1", "\1" ]), rows(\@second, [@row]),
		rows(["certificate"], [ slurp("$work/ca.der") ]), rows(["policy"], ["cn=%role"], ["any"]));
	seed("server", welcome(), rows(\@first, [ "public", "\0", "\0" ]), rows(\@second, [@row], [@row]));
	seed("server", welcome(), rows(\@first, [ "public", "\0", "\1" ]), rows(\@second), rows(["policy"], ["cn="]));
	seed("server", welcome(), rows(["schema"], ["public"]));
	seed("server", welcome(), rows([]));
	seed("server", welcome(), message("1", "") . message("H", pack "C n", 0, 0));
	seed("server", message("E", "SERROR\0C28000\0Mno\0\0"));
	seed("server", message("R", pack("N", 5) . "salt"), message("R", pack "N", 3));
	foreach my $kind (0 .. 4)
	{
		seed("format", chr($kind), "\5$_\0\7$_\0\21x")
		  foreach "plain", "it\x27s", "back\\slash", "per%cent&a=b?", " blank ", "new\nline", "\$HOME`id`", "";
	}' "${names[@]}"

# ---------------------------------------------------------------------------
# What is held locally, and how it is named
# ---------------------------------------------------------------------------

openssl ec -in "$work/ec.key" -aes128 -passout pass:swordfish -out "$work/old.key" 2>/dev/null
openssl pkcs8 -topk8 -in "$work/ec.key" -passout pass:swordfish -iter 1 -out "$work/new.key"
openssl pkey -in "$work/rsa.key" -outform DER -out "$work/rsa.bin"
openssl pkcs12 -export -in "$work/alice.crt" -inkey "$work/ec.key" -iter 1 \
	-passout pass:swordfish -out "$work/alice.p12"
openssl x509 -in "$work/alice.crt" -trustout -addtrust clientAuth -out "$work/aux.crt"
printf '' >"$work/none"

# files FLAGS CERT KEY OTHER CA
files()
{
	local flags=$1

	shift
	# shellcheck disable=SC2059
	printf "$flags"
	while [ "$#" -gt 0 ]; do
		cat "$work/$1"
		printf '=\n'
		shift
	done
}
pem alice.crt ca.crt >"$work/chain.crt"
pem bob.crt mid.crt rsa.key >"$work/all.pem"
put bundle < <(files '\1' alice.crt ec.key all.pem ca.crt)
put bundle < <(files '\0' alice.crt ec.key all.pem ca.crt)
put bundle < <(files '\170' chain.crt new.key utf8.crt ca.crt)
put bundle < <(files '\14' alice.crt old.key none ca.crt)
put bundle < <(files '\12' two.crt rsa.bin ed.key ca.crt)
put bundle < <(files '\20' bob.crt rsa.key mid.crt mid.crt)
put bundle < <(files '\1' alice.der alice.p12 aux.crt none)
put bundle < <(files '\141' aux.crt ec.key pss.key ca.crt)
for name in "${names[@]}"; do
	put bundle < <(files '\1' "$name.crt" ec.key ed.key ca.crt)
done

for text in 'sslcert=a.crt,b.crt sslkey=a.key,b.key sslpassword=,swordfish' \
	'sslcert=a sslkey=b sslpassword=x,y' "sslcert='a b,c\\'d' user=alice" \
	'postgresql://u:p@h1:5432,h2/db?sslcert=a%2Cb&sslkey=c,d' 'host=a,b port=1,2 hostaddr=::1' \
	'sslkey=engine:id sslcert=x' 'host=/tmp ssl_max_protocol_version=TLSv1.2 connect_timeout=5' \
	'sslcert=,a' 'service=none' 'sslmode=verify-full sslrootcert=system'; do
	put lists < <(printf '%s\0swordfish' "$text")
done
for text in 'key:swordfish' $'# comment\n/a\\:b/c\\\\d:pass\\:word\r\n' $'a:b:c\n\n:x\n' 'no colon' $'\\'; do
	put passwords < <(printf '%s' "$text")
done
