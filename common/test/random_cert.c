/*
 * random_cert.c
 *		Random certificates, most of them good, some with everything that can
 *		be wrong with one.
 *
 * They are real, made by libcrypto, of a few keys.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "random.h"

#define DAY INT64_C(86400)

/* ---------- keys ---------- */

static Key	leaf_keys[] = {
	{"EC-P256", NULL, NULL}, {"EC-P384", NULL, NULL}, {"RSA-1024", NULL, NULL},
	{"RSA-2048", NULL, NULL}, {"RSA-PSS-2048", NULL, NULL}, {"Ed25519", NULL, NULL},
	{"Ed448", NULL, NULL}, {"X25519", NULL, NULL},
};
static Key	ca_keys[] = {
	{"EC-P256", NULL, "SHA256"}, {"EC-P256", NULL, "SHA256"}, {"EC-P384", NULL, "SHA384"},
	{"EC-P384", NULL, "SHA1"}, {"RSA-1024", NULL, "SHA256"}, {"Ed448", NULL, NULL},
	{"Ed25519", NULL, NULL},
};

static void
make_key(Key *key)
{
	bool		ec = strncmp(key->name, "EC-", 3) == 0;
	bool		rsa = strncmp(key->name, "RSA", 3) == 0;
	int			type = ec ? EVP_PKEY_EC :
		strncmp(key->name, "RSA-PSS", 7) == 0 ? EVP_PKEY_RSA_PSS :
		rsa ? EVP_PKEY_RSA :
		strcmp(key->name, "X25519") == 0 ? EVP_PKEY_X25519 :
		strcmp(key->name, "Ed448") == 0 ? EVP_PKEY_ED448 : EVP_PKEY_ED25519;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(type, NULL);

	must(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1);
	if (ec)
		must(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx,
													strcmp(key->name, "EC-P384") == 0 ? NID_secp384r1 : NID_X9_62_prime256v1) == 1);
	if (rsa)
		must(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, atoi(strrchr(key->name, '-') + 1)) == 1);
	must(EVP_PKEY_keygen(ctx, &key->key) == 1);
	EVP_PKEY_CTX_free(ctx);
}

void
make_keys(void)
{
	for (size_t i = 0; i < COUNT(leaf_keys); i++)
		make_key(&leaf_keys[i]);
	for (size_t i = 0; i < COUNT(ca_keys); i++)
		make_key(&ca_keys[i]);
}

void
free_keys(void)
{
	for (size_t i = 0; i < COUNT(leaf_keys); i++)
		EVP_PKEY_free(leaf_keys[i].key);
	for (size_t i = 0; i < COUNT(ca_keys); i++)
		EVP_PKEY_free(ca_keys[i].key);
}

/* Of the key itself, not of what stands in the certificate. */
void
key_sha256(const Made *made, unsigned char hash[32])
{
	unsigned char *der = NULL;
	int			len = i2d_PUBKEY(made->key->key, &der);

	must(len > 0 && EVP_Digest(der, (size_t) len, hash, NULL, EVP_sha256(), NULL));
	OPENSSL_free(der);
}

void
cert_sha256(const Made *made, unsigned char hash[32])
{
	unsigned char *der = NULL;
	int			len = i2d_X509(made->cert, &der);

	must(len > 0 && EVP_Digest(der, (size_t) len, hash, NULL, EVP_sha256(), NULL));
	OPENSSL_free(der);
}

/* ---------- names ---------- */

#define OID_CN "2.5.4.3"
#define OID_O "2.5.4.10"
#define OID_OU "2.5.4.11"

static void
add_attribute(Name *name, const char *oid, int tag, const char *bytes, size_t len, bool joined)
{
	Attribute  *attribute = &name->attributes[name->n];

	must(name->n < COUNT(name->attributes) && len <= sizeof(attribute->bytes));
	attribute->oid = oid;
	attribute->tag = tag;
	memcpy(attribute->bytes, bytes, len);
	attribute->len = len;
	attribute->joined = joined && name->n > 0;
	name->n++;
}

static void
add_cn(Name *name, bool joined)
{
	static const char *const cns[] = {
		"alice", "alice", "alice", "bob", "Alice", "al", "a*b", "%role", "a\\b",
		"svc-alice.x", "ren\303\251", "a b", "-", "a\"b", "alice.bob", "aaab",
	};
	const char *cn = PICK(cns);
	char		wide[100];

	switch (pick(16))
	{
		case 0:					/* an embedded NUL */
			add_attribute(name, OID_CN, V_ASN1_UTF8STRING, "alice\0.x", 8, joined);
			break;
		case 1:
			add_attribute(name, OID_CN, V_ASN1_NUMERICSTRING, "123", 3, joined);
			break;
		case 2:
			add_attribute(name, OID_CN, V_ASN1_BMPSTRING, "\0a\0l\0i\0c\0e", 10, joined);
			break;
		case 3:
			add_attribute(name, OID_CN, V_ASN1_UNIVERSALSTRING,
						  "\0\0\0a\0\0\0l\0\0\0i\0\0\0c\0\0\0e", 20, joined);
			break;
		case 4:
			add_attribute(name, OID_CN, V_ASN1_T61STRING, "ren\351", 4, joined);
			break;
		case 5:
			add_attribute(name, OID_CN, V_ASN1_IA5STRING, "alice", 5, joined);
			break;
		case 6:
			memset(wide, 'a', sizeof(wide));
			add_attribute(name, OID_CN, V_ASN1_UTF8STRING, wide, sizeof(wide), joined);
			break;
		default:
			add_attribute(name, OID_CN, V_ASN1_UTF8STRING, cn, strlen(cn), joined);
	}
}

static void
random_subject(Name *name)
{
	static const char *const organisations[] = {
		"Example", "EXAMPLE", " Example  Inc ", "x,y=z", "#1", "A+B;<C>",
	};

	if (pick(3) == 0)
	{
		const char *o = PICK(organisations);

		add_attribute(name, OID_O, pick(2) ? V_ASN1_PRINTABLESTRING : V_ASN1_UTF8STRING,
					  o, strlen(o), false);
	}
	if (pick(12) != 0)
		add_cn(name, false);
	if (pick(10) == 0)
		add_cn(name, pick(2));
	if (pick(6) == 0)
		add_attribute(name, OID_OU, V_ASN1_UTF8STRING, "dev", 3, pick(2));
	if (pick(20) == 0)
		add_attribute(name, "0.9.2342.19200300.100.1.25", V_ASN1_IA5STRING, "Example", 7, false);
	if (pick(60) == 0)
		add_attribute(name, OID_OU, V_ASN1_UTF8STRING, "de\0v", 4, false);
}

static void
random_ca_name(Name *name)
{
	static const char *const names[] = {"one", "two", "ONE", "on e", "three"};
	const char *cn = PICK(names);

	if (pick(4) == 0)
		add_attribute(name, OID_O, V_ASN1_UTF8STRING, "CAs", 3, false);
	add_attribute(name, OID_CN, pick(2) ? V_ASN1_UTF8STRING : V_ASN1_PRINTABLESTRING,
				  cn, strlen(cn), pick(8) == 0);
}

static X509_NAME *
name_of(const Name *name)
{
	X509_NAME  *made = X509_NAME_new();

	must(made != NULL);
	for (size_t i = 0; i < name->n; i++)
	{
		const Attribute *attribute = &name->attributes[i];
		ASN1_OBJECT *oid = OBJ_txt2obj(attribute->oid, 1);

		must(oid != NULL &&
			 X509_NAME_add_entry_by_OBJ(made, oid, attribute->tag, attribute->bytes,
										(int) attribute->len, -1, attribute->joined ? -1 : 0));
		ASN1_OBJECT_free(oid);
	}
	return made;
}

/* Latin-1 and the wide strings of which only Latin-1 was put in. */
void
attribute_text(const Attribute *attribute, Bytes *text)
{
	size_t		width = attribute->tag == V_ASN1_BMPSTRING ? 2 :
		attribute->tag == V_ASN1_UNIVERSALSTRING ? 4 : 1;

	for (size_t i = width - 1; i < attribute->len; i += width)
	{
		unsigned char c = attribute->bytes[i];
		unsigned char two[2] = {(unsigned char) (0xC0 | c >> 6), (unsigned char) (0x80 | (c & 0x3F))};

		if (c < 0x80 || attribute->tag == V_ASN1_UTF8STRING)
			add(text, &c, 1);
		else
			add(text, two, 2);
	}
}

/* ---------- the rest of a certificate ---------- */

/* Seconds from now that are worth a look. */
static int64_t
random_offset(void)
{
	static const int64_t offsets[] = {
		0, 1, 3599, 3600, 3601, DAY - 1, DAY, DAY + 1, 30 * DAY, 90 * DAY, 400 * DAY,
	};

	return PICK(offsets);
}

static void
set_dates(Made *made)
{
	made->not_before = RANDOM_NOW - random_offset();
	made->not_after = pick(10) ? RANDOM_NOW + random_offset() : made->not_before - DAY + random_offset();
	made->not_before_is_time = pick(40) != 0;
	made->not_after_is_time = pick(40) != 0;
	must(ASN1_TIME_set(X509_getm_notBefore(made->cert), (time_t) made->not_before) != NULL &&
		 ASN1_TIME_set(X509_getm_notAfter(made->cert), (time_t) made->not_after) != NULL);
	if (!made->not_before_is_time)
		must(ASN1_STRING_set(X509_getm_notBefore(made->cert), "260631000000Z", 13));
	if (!made->not_after_is_time)
		must(ASN1_STRING_set(X509_getm_notAfter(made->cert), "9913312359590Z", 13));
}

static void
set_serial(Made *made)
{
	static const char *const serials[] = {
		"1", "0A0B0C", "FF", "00", "80", "-7", "-0A0B0C",
		"123456789ABCDEF0123456789ABCDEF012345678",
	};
	BIGNUM	   *number = NULL;

	made->serial = PICK(serials);
	must(BN_hex2bn(&number, made->serial) > 0 &&
		 BN_to_ASN1_INTEGER(number, X509_get_serialNumber(made->cert)) != NULL);
	BN_free(number);
}

/* Signs, and reads the result back: certificates that matter are bytes. */
static void
finish(Made *made)
{
	static const char *const digests[] = {"SHA1", "SHA256", "SHA384"};
	const EVP_MD *md = NULL;
	unsigned char *der = NULL;
	const unsigned char *p;
	int			len;

	made->digest = made->signer->digest ? made->signer->digest : made->signer->name;
	if (made->signer->digest != NULL)
	{
		/* a CA need not sign all with the same */
		if (pick(4) == 0)
			made->digest = PICK(digests);
		md = EVP_get_digestbyname(made->digest);
	}
	must(X509_sign(made->cert, made->signer->key, md) > 0);
	len = i2d_X509(made->cert, &der);
	p = der;
	must(len > 0);
	X509_free(made->cert);
	made->cert = d2i_X509(NULL, &p, len);
	must(made->cert != NULL);
	OPENSSL_free(der);
}

/* issuer: NULL for one that signs itself */
static void
make_cert(Made *made, const Made *issuer, bool ca)
{
	X509_NAME  *subject;
	X509_NAME  *issuer_name;

	made->key = ca || issuer == NULL ? &PICK(ca_keys) : &PICK(leaf_keys);
	made->signer = issuer ? issuer->key : made->key;
	if (ca)
		random_ca_name(&made->subject);
	else
		random_subject(&made->subject);
	made->issuer = issuer ? issuer->subject : made->subject;
	if (!ca && pick(40) == 0)
		add_attribute(&made->issuer, OID_OU, V_ASN1_BMPSTRING, "\0d\0\0\0v", 6, false);
	made->cert = X509_new();
	subject = name_of(&made->subject);
	issuer_name = name_of(&made->issuer);
	must(made->cert != NULL && X509_set_version(made->cert, 2) &&
		 X509_set_subject_name(made->cert, subject) &&
		 X509_set_issuer_name(made->cert, issuer_name) &&
		 X509_set_pubkey(made->cert, made->key->key));
	X509_NAME_free(subject);
	X509_NAME_free(issuer_name);
	set_dates(made);
	set_serial(made);
	if (!ca)
	{
		/* mostly once, if at all */
		for (unsigned n = pick(30) ? pick(4) != 0 : 2; n > 0; n--)
			add_sans(made);
		for (unsigned n = pick(30) ? pick(4) != 0 : 2; n > 0; n--)
			add_ekus(made);
		for (unsigned n = pick(30) ? pick(3) != 0 : 2; n > 0; n--)
			add_policies(made);
	}
	finish(made);
}

void
make_chain(Chain *chain)
{
	memset(chain, 0, sizeof(*chain));
	chain->n = pick(25) ? 2 + (int) pick(MAX_CHAIN - 1) : 1;
	for (int i = chain->n - 1; i >= 0; i--)
	{
		make_cert(&chain->certs[i], i + 1 < chain->n ? &chain->certs[i + 1] : NULL, i > 0);
		chain->certs[i].trusted = i == chain->n - 1 ? pick(12) != 0 : pick(4) == 0;
	}
}

void
free_chain(Chain *chain)
{
	for (int i = 0; i < chain->n; i++)
		X509_free(chain->certs[i].cert);
}

/* ---------- printed ---------- */

static void
print_bytes(const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", ((const unsigned char *) bytes)[i]);
}

/* OID:TAG:HEX, with "+" within an RDN and "," between two. */
static void
print_name(const char *word, const Name *name)
{
	printf("%s ", word);
	for (size_t i = 0; i < name->n; i++)
	{
		const Attribute *attribute = &name->attributes[i];

		printf("%s%s:%d:", i == 0 ? "" : attribute->joined ? "+" : ",", attribute->oid, attribute->tag);
		print_bytes(attribute->bytes, attribute->len);
	}
	printf("\n");
}

static void
print_time(const char *word, int64_t time, bool is_time)
{
	if (is_time)
		printf("%s %lld\n", word, (long long) time);
	else
		printf("%s malformed\n", word);
}

void
print_chain(const Chain *chain, bool chain_is_known)
{
	for (int i = 0; i < (chain_is_known ? chain->n : 1); i++)
	{
		const Made *made = &chain->certs[i];
		unsigned char hash[32];

		printf("certificate %s\n", i == 0 ? "leaf" : made->trusted ? "trusted" : "sent");
		print_name("subject", &made->subject);
		printf("key %s\nsignature %s\nkey_sha256 ", made->key->name, made->digest);
		key_sha256(made, hash);
		print_bytes(hash, sizeof(hash));
		printf("\n");
		if (i > 0)
			continue;
		print_name("issuer", &made->issuer);
		printf("serial %s\ncert_sha256 ", made->serial);
		cert_sha256(made, hash);
		print_bytes(hash, sizeof(hash));
		printf("\n");
		print_time("not_before", made->not_before, made->not_before_is_time);
		print_time("not_after", made->not_after, made->not_after_is_time);
		printf("%s", made->extensions.len > 0 ? (const char *) made->extensions.data : "");
	}
}
