/*
 * random_triples.c
 *		Random certificates, connections and policies, and what common/judge.c
 *		says of them, for another judge to disagree with.
 *
 *	random_triples SEED N
 *
 * N lines, each with these fields, "-" for what is not there:
 *
 *	verdict		true, false, or invalid (the policy's text is none)
 *	link		plain, gss or tls
 *	tls			1.0 to 1.3
 *	now			in seconds since 1970
 *	role		in hex
 *	policy		in hex
 *	chain		certificates in hex, the leaf first, with commas between; a "+"
 *				before one that is itself in ssl_ca_file
 *
 * The certificates are real, made by libcrypto, of few keys; their extensions
 * are written by hand, as no tool would write most of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "judge.h"
#include "make_cert.h"

#define NOW INT64_C(1780272000)
#define DAY INT64_C(86400)
#define MAX_CHAIN 4
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_state;

static unsigned
pick(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned) (random_state >> 33) % n;
}

#define PICK(array) ((array)[pick(COUNT(array))])

static void
must(int ok)
{
	if (ok)
		return;
	ERR_print_errors_fp(stderr);
	fprintf(stderr, "random_triples: libcrypto failed\n");
	exit(2);
}

/* ---------- DER by hand ---------- */

typedef struct Bytes
{
	unsigned char data[2048];
	size_t		len;
} Bytes;

static void
add(Bytes *to, const void *bytes, size_t len)
{
	must(to->len + len <= sizeof(to->data));
	memcpy(to->data + to->len, bytes, len);
	to->len += len;
}

static void
add_tagged(Bytes *to, unsigned char tag, const void *bytes, size_t len)
{
	unsigned char head[4] = {tag, 0x82, (unsigned char) (len >> 8), (unsigned char) len};

	if (len < 128)
		head[1] = (unsigned char) len;
	add(to, head, len < 128 ? 2 : 4);
	add(to, bytes, len);
}

static void
add_oid(Bytes *to, const char *dotted)
{
	ASN1_OBJECT *object = OBJ_txt2obj(dotted, 1);

	must(object != NULL);
	add_tagged(to, 0x06, OBJ_get0_data(object), OBJ_length(object));
	ASN1_OBJECT_free(object);
}

/* ---------- certificates ---------- */

static const char *const cns[] = {
	"alice", "bob", "Alice", "al", "a*b", "%role", "a\\b", "svc-alice.x", "ren\303\251", "a b", "-",
};
static const char *const hosts[] = {
	"alice.example.com", "Alice.Example.COM", "bob.example.com", "example.com", "*.example.com", "a",
};
static const char *const mails[] = {"alice@example.com", "ALICE@example.com", "bob@x"};
static const char *const uris[] = {"spiffe://example.com/alice", "https://a/", "alice.example.com"};
static const char *const purposes[] = {
	"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.3", "2.5.29.37.0", "1.3.6.1.4.1.99999.7",
};
static const char *const oids[] = {
	"1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "2.5.29.32.0", "2.23.140.1.2.2",
};
static const char *const ca_names[] = {"one", "two", "ONE", "on e", "three"};

static EVP_PKEY *leaf_keys[7];
static EVP_PKEY *ca_keys[4];

static EVP_PKEY *
make_key(const char *type, int bits, int curve)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(OBJ_sn2nid(type), NULL);
	EVP_PKEY   *key = NULL;

	must(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1);
	if (bits > 0)
		must(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1);
	if (curve > 0)
		must(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, curve) == 1);
	must(EVP_PKEY_keygen(ctx, &key) == 1);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void
make_keys(void)
{
	leaf_keys[0] = make_key("id-ecPublicKey", 0, NID_X9_62_prime256v1);
	leaf_keys[1] = make_key("id-ecPublicKey", 0, NID_secp384r1);
	leaf_keys[2] = make_key("rsaEncryption", 1024, 0);
	leaf_keys[3] = make_key("rsaEncryption", 2048, 0);
	leaf_keys[4] = make_key("RSASSA-PSS", 2048, 0);
	leaf_keys[5] = make_key("ED25519", 0, 0);
	leaf_keys[6] = make_key("ED448", 0, 0);
	ca_keys[0] = make_key("id-ecPublicKey", 0, NID_X9_62_prime256v1);
	ca_keys[1] = make_key("id-ecPublicKey", 0, NID_secp384r1);
	ca_keys[2] = make_key("id-ecPublicKey", 0, NID_X9_62_prime256v1);
	ca_keys[3] = make_key("rsaEncryption", 1024, 0);
}

/* set: 0 a new RDN, -1 one with the last */
static void
add_entry(X509_NAME *name, int nid, int type, const char *bytes, size_t len, int set)
{
	must(X509_NAME_add_entry_by_NID(name, nid, type, (const unsigned char *) bytes,
									(int) len, -1, set));
}

static void
add_cn(X509_NAME *name, int set)
{
	const char *cn = PICK(cns);
	char		wide[128];
	size_t		len = strlen(cn);

	switch (pick(12))
	{
		case 0:					/* an embedded NUL */
			add_entry(name, NID_commonName, V_ASN1_UTF8STRING, "alice\0.x", 8, set);
			break;
		case 1:
			add_entry(name, NID_commonName, V_ASN1_NUMERICSTRING, "123", 3, set);
			break;
		case 2:
			add_entry(name, NID_commonName, V_ASN1_BMPSTRING, "\0a\0l\0i\0c\0e", 10, set);
			break;
		case 3:
			add_entry(name, NID_commonName, V_ASN1_UNIVERSALSTRING,
					  "\0\0\0a\0\0\0l\0\0\0i\0\0\0c\0\0\0e", 20, set);
			break;
		case 4:
			add_entry(name, NID_commonName, V_ASN1_T61STRING, "ren\351", 4, set);
			break;
		case 5:
			add_entry(name, NID_commonName, V_ASN1_IA5STRING, "alice", 5, set);
			break;
		case 6:
			memset(wide, 'a', 100);
			add_entry(name, NID_commonName, V_ASN1_UTF8STRING, wide, 100, set);
			break;
		default:
			add_entry(name, NID_commonName, V_ASN1_UTF8STRING, cn, len, set);
	}
}

static X509_NAME *
random_subject(void)
{
	X509_NAME  *name = X509_NAME_new();
	static const char *const organisations[] = {"Example", "EXAMPLE", " Example  Inc ", "x,y=z"};

	must(name != NULL);
	if (pick(3) == 0)
	{
		const char *o = PICK(organisations);

		add_entry(name, NID_organizationName,
				  pick(2) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING, o, strlen(o), 0);
	}
	if (pick(10) != 0)
		add_cn(name, 0);
	if (pick(8) == 0)
		add_cn(name, pick(2) ? 0 : -1);
	if (pick(6) == 0)
		add_entry(name, NID_organizationalUnitName, V_ASN1_UTF8STRING, "dev", 3, pick(2) ? 0 : -1);
	return name;
}

static void
add_extension(X509 *cert, int nid, const Bytes *bytes)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	must(value != NULL && ASN1_OCTET_STRING_set(value, bytes->data, (int) bytes->len));
	extension = X509_EXTENSION_create_by_NID(NULL, nid, pick(2) ? 0 : 1, value);
	must(extension != NULL && X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
}

/* One GeneralName, mostly a good one. */
static void
add_general_name(Bytes *to)
{
	Bytes		upn = {.len = 0};
	Bytes		value = {.len = 0};
	const char *text;

	switch (pick(14))
	{
		case 0:
		case 1:
		case 2:
			text = PICK(hosts);
			add_tagged(to, 0x82, text, strlen(text));
			break;
		case 3:
			text = PICK(mails);
			add_tagged(to, 0x81, text, strlen(text));
			break;
		case 4:
		case 5:
			text = PICK(uris);
			add_tagged(to, 0x86, text, strlen(text));
			break;
		case 6:
			add_tagged(to, 0x87, pick(2) ? "\12\1\2\3" : "\12\1\2\4", 4);
			break;
		case 7:
			add_tagged(to, 0x87, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16);
			break;
		case 8:					/* neither 4 nor 16: with a mask, or short */
			if (pick(4) == 0)
				add_tagged(to, 0x87, "\12\1\2\3\xff\xff\xff\0", pick(2) ? 8 : 5);
			break;
		case 9:					/* an embedded NUL */
			if (pick(4) == 0)
				add_tagged(to, PICK("\x81\x82\x86") | 0x80, "alice\0x", 7);
			break;
		case 10:				/* a directory name, a registered id */
			if (pick(2))
				add_tagged(to, 0xa4, "\x30\0", 2);
			else
				add_tagged(to, 0x88, "\x2a\3", 2);
			break;
		case 11:				/* an IA5String with what is no ASCII */
			if (pick(4) == 0)
				add_tagged(to, 0x82, pick(2) ? "ren\303\251" : "ren\351", pick(2) ? 5 : 4);
			break;
		default:
			text = pick(3) ? "alice@EXAMPLE" : "ren\303\251@x";
			add_tagged(&value, pick(8) ? 0x0c : 0x16, text, strlen(text));
			add_oid(&upn, pick(4) ? "1.3.6.1.4.1.311.20.2.3" : "1.3.6.1.4.1.99999.3");
			add_tagged(&upn, 0xa0, value.data, value.len);
			add_tagged(to, 0xa0, upn.data, upn.len);
	}
}

static void
add_san(X509 *cert)
{
	Bytes		list = {.len = 0};
	Bytes		all = {.len = 0};

	for (unsigned n = pick(5); n > 0; n--)
		add_general_name(&list);
	add_tagged(&all, 0x30, list.data, list.len);
	if (pick(20) == 0)
		all.data[1] ^= 1 + pick(3); /* a wrong length */
	else if (pick(30) == 0)
		add(&all, "\0", 1);		/* and something behind */
	add_extension(cert, NID_subject_alt_name, &all);
}

static void
add_purposes(X509 *cert)
{
	Bytes		list = {.len = 0};
	Bytes		all = {.len = 0};

	for (unsigned n = pick(4); n > 0; n--)
		add_oid(&list, PICK(purposes));
	if (pick(20) == 0)
		add_tagged(&list, 0x02, "\1", 1);	/* no purpose */
	add_tagged(&all, 0x30, list.data, list.len);
	if (pick(30) == 0)
		add(&all, "\0", 1);
	add_extension(cert, NID_ext_key_usage, &all);
}

static void
add_policies(X509 *cert)
{
	Bytes		list = {.len = 0};
	Bytes		all = {.len = 0};

	for (unsigned n = pick(4); n > 0; n--)
	{
		Bytes		one = {.len = 0};

		add_oid(&one, PICK(oids));
		add_tagged(&list, 0x30, one.data, one.len);
	}
	if (pick(20) == 0)
		add_oid(&list, PICK(oids)); /* without its sequence */
	add_tagged(&all, 0x30, list.data, list.len);
	add_extension(cert, NID_certificate_policies, &all);
}

/* Seconds from now that are worth a look. */
static int64_t
random_offset(void)
{
	static const int64_t offsets[] = {0, 1, 3599, 3600, 3601, DAY - 1, DAY, DAY + 1, 30 * DAY, 90 * DAY, 400 * DAY};

	return PICK(offsets);
}

static void
set_dates(X509 *cert)
{
	int64_t		before = NOW - random_offset();
	int64_t		after = pick(10) ? NOW + random_offset() : before + random_offset();

	must(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t) before) != NULL &&
		 ASN1_TIME_set(X509_getm_notAfter(cert), (time_t) after) != NULL);
	if (pick(30) == 0)
		must(ASN1_STRING_set(X509_getm_notAfter(cert), "9913312359590Z", 13));
	else if (pick(30) == 0)
		must(ASN1_STRING_set(X509_getm_notBefore(cert), "260631000000Z", 13));
}

static void
set_serial(X509 *cert)
{
	BIGNUM	   *number = BN_new();
	static const char *const serials[] = {"1", "0A0B0C", "FF", "00", "80", "-7", "123456789ABCDEF0123456789ABCDEF012345678"};

	must(number != NULL && BN_hex2bn(&number, PICK(serials)) > 0 &&
		 BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL);
	BN_free(number);
}

/* Signs, and reads the result back: certificates that matter are bytes. */
static X509 *
finish(X509 *cert, EVP_PKEY *issuer_key)
{
	const EVP_MD *digests[] = {EVP_sha256(), EVP_sha256(), EVP_sha256(), EVP_sha384(), EVP_sha1()};
	unsigned char *der = NULL;
	const unsigned char *p;
	int			len;
	X509	   *again;

	must(X509_sign(cert, issuer_key, PICK(digests)) > 0);
	len = i2d_X509(cert, &der);
	p = der;
	must(len > 0);
	again = d2i_X509(NULL, &p, len);
	must(again != NULL);
	X509_free(cert);
	OPENSSL_free(der);
	return again;
}

static X509 *
random_cert(X509_NAME *subject, EVP_PKEY *key, const X509_NAME *issuer, EVP_PKEY *issuer_key, bool ca)
{
	X509	   *cert = X509_new();

	must(cert != NULL && X509_set_version(cert, 2) && X509_set_subject_name(cert, subject) &&
		 X509_set_issuer_name(cert, issuer != NULL ? (X509_NAME *) issuer : subject) &&
		 X509_set_pubkey(cert, key));
	set_dates(cert);
	set_serial(cert);
	if (!ca)
	{
		if (pick(3) != 0)
			add_san(cert);
		if (pick(30) == 0)
			add_san(cert);
		if (pick(3) != 0)
			add_purposes(cert);
		if (pick(30) == 0)
			add_purposes(cert);
		if (pick(3) == 0)
			add_policies(cert);
		if (pick(30) == 0)
			add_policies(cert);
	}
	return finish(cert, issuer_key);
}

typedef struct Chain
{
	STACK_OF(X509) *certs;		/* the leaf first */
	bool		trusted[MAX_CHAIN];
} Chain;

static Chain
random_chain(void)
{
	Chain		chain = {sk_X509_new_null(), {false}};
	int			n = 1 + (int) pick(MAX_CHAIN - 1);
	X509	   *certs[MAX_CHAIN];
	X509_NAME  *issuer = NULL;
	EVP_PKEY   *issuer_key = NULL;

	for (int i = n; i >= 0; i--)
	{
		X509_NAME  *name = i > 0 ? X509_NAME_new() : random_subject();
		EVP_PKEY   *key = i > 0 ? PICK(ca_keys) : PICK(leaf_keys);
		const char *cn = PICK(ca_names);

		if (i > 0)
			add_entry(name, NID_commonName, pick(2) ? V_ASN1_UTF8STRING : V_ASN1_PRINTABLESTRING,
					  cn, strlen(cn), 0);
		certs[i] = random_cert(name, key, issuer, issuer_key != NULL ? issuer_key : key, i > 0);
		chain.trusted[i] = i == n ? pick(10) != 0 : pick(4) == 0;
		X509_NAME_free(name);
		issuer = X509_get_subject_name(certs[i]);
		issuer_key = key;
	}
	for (int i = 0; i <= n; i++)
		must(sk_X509_push(chain.certs, certs[i]) > 0);
	return chain;
}

/* ---------- policies ---------- */

typedef struct Text
{
	char		data[4096];
} Text;

__attribute__((format(printf, 2, 3)))
static void
put(Text *text, const char *format,...)
{
	size_t		len = strlen(text->data);
	va_list		args;

	va_start(args, format);
	vsnprintf(text->data + len, sizeof(text->data) - len, format, args);
	va_end(args);
}

static void
put_sha256(Text *text, const unsigned char *bytes, size_t len)
{
	unsigned char hash[32];

	must(EVP_Digest(bytes, len, hash, NULL, EVP_sha256(), NULL));
	if (pick(4) == 0)
		hash[pick(32)] ^= 1;
	for (int i = 0; i < (pick(40) ? 32 : 31); i++)
		put(text, pick(10) ? "%02x" : "%02X", hash[i]);
}

static void
put_hash(Text *text, const Chain *chain, bool of_key, int i)
{
	X509	   *cert = sk_X509_value(chain->certs, i);
	unsigned char *der = NULL;
	int			len = of_key ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der)
		: i2d_X509(cert, &der);

	must(len > 0);
	put_sha256(text, der, (size_t) len);
	OPENSSL_free(der);
}

static void
put_pattern(Text *text)
{
	static const char *const patterns[] = {
		"alice", "bob", "a*", "*e", "*", "%role", "svc-%role.*", "*li*", "al", "a\\2Ab", "\\25role",
		"ren\\C3\\A9", "a\\5Cb", "**", "a*e*", "Alice", "a b", "ren\\C3*", "%roles", "50%", "a\\00", "\\zz", "*aaa", "123",
	};

	put(text, "\"%s\"", patterns[pick(20) ? pick(17) : pick(COUNT(patterns))]);
}

static void
put_san(Text *text)
{
	static const char *const sans[] = {
		"DNS:alice.example.com", "DNS:%role.example.com", "DNS:*.example.com", "DNS:*", "DNS:ALICE.*", "DNS:\\2A.example.com",
		"email:alice@example.com", "email:*", "URI:spiffe://example.com/%role", "URI:*", "URI:alice.example.com",
		"IP:10.1.2.3", "IP:2001:db8::7", "IP:2001:0DB8:0:0::7", "UPN:alice@EXAMPLE", "UPN:*", "UPN:%role@*", "DNS:a", "UPN:ren\\C3\\A9@x",
		"IP:10.1.2.0/24", "IP:%role", "dns:a", "DNS:", "alice", "IP:10.1.2",
	};

	put(text, "\"%s\"", sans[pick(20) ? pick(19) : pick(COUNT(sans))]);
}

static void
put_name(Text *text)
{
	static const char *const names[] = {
		"CN=one", "CN=two", "cn=ONE", "CN=on e", "CN=on  e", "CN=three", "CN=alice", "O=Example,CN=alice", "CN=alice,O=Example",
		"CN=bob,O=\\20Example\\20\\20Inc\\20", "CN=alice, O=example inc", "OU=dev+CN=alice", "OU=dev,CN=alice", "CN=alice+OU=DEV",
		"CN=ren\\C3\\A9", "CN=#0c05616c696365", "2.5.4.3=alice", "CN=a\\5Cb", "CN=\\25role", "CN=Ren\\C3\\89", "O=x\\,y\\=z", "CN=alice,CN=alice",
		"CN=#1203313233", "CN=123", "CN=%role", "CN=", "alice", "", "CX=a", "CN=a,", "CN=\\zz",
	};

	put(text, pick(60) ? "\"%s\"" : "%s", names[pick(20) ? pick(24) : pick(COUNT(names))]);
}

static void
put_duration(Text *text)
{
	static const char *const durations[] = {
		"1s", "3600s", "60m", "1h", "24h", "1d", "86401s", "2d", "30d", "31d", "90d", "36525d", "1000d",
		"0s", "36526d", "1", "d", "1.5h", "-1d", "1w",
	};

	put(text, "%s", durations[pick(20) ? pick(13) : pick(COUNT(durations))]);
}

static void
put_value(Text *text, const char *clause, const Chain *chain)
{
	static const char *const serials[] = {"1", "01", "0a:0B:0c", "a0b0c", "ff", "00FF", "0", "80", "123456789abcdef0123456789abcdef012345678", "7"};
	static const char *const ekus[] = {
		"clientAuth", "serverAuth", "codeSigning", "anyExtendedKeyUsage", "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.99999.7", "clientauth", "1.3.06",
	};
	static const char *const types[] = {"RSA", "RSA-PSS", "EC", "Ed25519", "Ed448", "DSA"};
	static const char *const bits[] = {"1", "81", "112", "113", "128", "129", "192", "193", "256", "512", "0", "513", "x"};
	static const char *const versions[] = {"1.2", "1.3", "1.1"};
	int			last = sk_X509_num(chain->certs) - 1;

	if (strcmp(clause, "cn") == 0)
		put_pattern(text);
	else if (strcmp(clause, "san") == 0)
		put_san(text);
	else if (strcmp(clause, "dn") == 0 || strcmp(clause, "ca") == 0 || strcmp(clause, "issuer") == 0)
		put_name(text);
	else if (strcmp(clause, "ca_key_sha256") == 0)
		put_hash(text, chain, true, (int) pick((unsigned) last + 1));
	else if (strcmp(clause, "key_sha256") == 0)
		put_hash(text, chain, true, pick(4) ? 0 : 1);
	else if (strcmp(clause, "cert_sha256") == 0)
		put_hash(text, chain, false, pick(4) ? 0 : 1);
	else if (strcmp(clause, "serial") == 0)
		put(text, "%s", PICK(serials));
	else if (strcmp(clause, "eku") == 0)
		put(text, "%s", ekus[pick(20) ? pick(6) : pick(8)]);
	else if (strcmp(clause, "policy_oid") == 0)
		put(text, "%s", pick(40) ? PICK(oids) : "1.x");
	else if (strcmp(clause, "key_type") == 0)
		put(text, "%s", types[pick(20) ? pick(5) : pick(6)]);
	else if (strcmp(clause, "min_security_bits") == 0)
		put(text, "%s", bits[pick(20) ? pick(10) : pick(13)]);
	else if (strcmp(clause, "tls") == 0)
		put(text, "%s", versions[pick(20) ? pick(2) : pick(3)]);
	else
		put_duration(text);
}

static void
put_clause(Text *text, const Chain *chain)
{
	static const char *const clauses[] = {
		"cn", "dn", "san", "ca", "ca_key_sha256", "issuer", "key_sha256", "cert_sha256", "serial", "eku", "policy_oid", "key_type",
		"min_security_bits", "max_lifetime", "min_remaining", "tls", "colour",
	};
	unsigned	which = pick(100) ? pick(16) : pick(17);
	const char *clause = clauses[which];
	bool		single = which >= 12;
	static const char *const blanks[] = {"", "", "", " ", "\t", "\n "};

	put(text, "%s%s%s%s", clause, PICK(blanks), pick(single ? 50 : 3) ? "=" : "!=", PICK(blanks));
	put_value(text, clause, chain);
	while (pick(single ? 50 : 3) == 0)
	{
		put(text, "%s,%s", PICK(blanks), PICK(blanks));
		put_value(text, clause, chain);
	}
}

static Text
random_policy(const Chain *chain)
{
	Text		text = {""};
	static const char *const settings[] = {
		"mode=log ", "mode=enforce ", "local=peer ", "local=reject ", "on_expiry=keep ", "on_expiry = disconnect\n", "local=maybe ",
	};

	while (pick(6) == 0)
		put(&text, "%s", settings[pick(20) ? pick(6) : pick(7)]);
	if (pick(30) == 0)
		put(&text, "%s", pick(2) ? "any" : "exempt");
	if (text.data[0] == '\0' || pick(20) != 0)
	{
		do
		{
			for (unsigned n = 1 + pick(pick(2) ? 1 : 3); n > 0; n--)
			{
				put_clause(&text, chain);
				put(&text, "%s", pick(60) ? " " : "");
			}
		} while (pick(3) == 0 && (put(&text, "or "), pick(60) != 0));
	}
	return text;
}

/* ---------- triples ---------- */

static void
print_hex(const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", ((const unsigned char *) bytes)[i]);
	if (len == 0)
		printf("-");
}

static void
print_chain(const Chain *chain)
{
	for (int i = 0; i < sk_X509_num(chain->certs); i++)
	{
		unsigned char *der = NULL;
		int			len = i2d_X509(sk_X509_value(chain->certs, i), &der);

		printf("%s%s", i > 0 ? "," : "", chain->trusted[i] ? "+" : "");
		print_hex(der, (size_t) len);
		OPENSSL_free(der);
	}
}

static void
one_triple(void)
{
	static const char *const roles[] = {"alice", "bob", "*", "a*b", "%role", "svc", "ren\303\251", "x", "Alice"};
	static const struct
	{
		int			version;
		const char *name;
	}			versions[] =

	{
		{TLS1_3_VERSION, "1.3"}, {TLS1_2_VERSION, "1.2"}, {TLS1_1_VERSION, "1.1"}, {TLS1_VERSION, "1.0"},
	};
	static const char *const links[] = {"plain", "gss", "tls"};
	PgcertLink	link = pick(20) ? PGCERT_LINK_TLS : (PgcertLink) pick(2);
	unsigned	version = pick(10) ? pick(2) : pick(4);
	bool		has_certificate = link == PGCERT_LINK_TLS && pick(30) != 0;
	const char *role = pick(2) ? "alice" : PICK(roles);
	Chain		chain = random_chain();
	Text		text = random_policy(&chain);
	PgcertError error = {0};
	PgcertPolicy *policy = pgcert_policy_parse(text.data, &error);
	PgcertFacts *facts = pgcert_facts_new(link, versions[version].version);
	PgcertVerdict *verdict = NULL;

	must(facts != NULL);
	if (has_certificate)
		must(pgcert_facts_set_certificate(facts, sk_X509_value(chain.certs, 0), chain.certs, chain.trusted));
	if (policy != NULL)
	{
		verdict = pgcert_judge(policy, facts, role, NOW);
		must(verdict != NULL);
	}

	/* the server takes what is not known for false */
	printf("%s %s %s %lld ", policy == NULL ? "invalid" : verdict->truth == PGCERT_TRUE ? "true" : "false",
		   links[link], versions[version].name, (long long) NOW);
	print_hex(role, strlen(role));
	printf(" ");
	print_hex(text.data, strlen(text.data));
	printf(" ");
	if (has_certificate)
		print_chain(&chain);
	else
		printf("-");
	printf("\n");

	pgcert_verdict_free(verdict);
	pgcert_facts_free(facts);
	pgcert_policy_free(policy);
	sk_X509_pop_free(chain.certs, X509_free);
	ERR_clear_error();
}

int
main(int argc, char **argv)
{
	long		n;

	if (argc != 3)
		return 2;
	random_state = strtoull(argv[1], NULL, 10) * UINT64_C(0x9E3779B97F4A7C15) + 1;
	n = strtol(argv[2], NULL, 10);
	make_keys();
	while (n-- > 0)
		one_triple();
	for (size_t i = 0; i < COUNT(leaf_keys); i++)
		EVP_PKEY_free(leaf_keys[i]);
	for (size_t i = 0; i < COUNT(ca_keys); i++)
		EVP_PKEY_free(ca_keys[i]);
	return 0;
}
