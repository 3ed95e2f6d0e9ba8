/*
 * random_cert.c
 *		Names in all their shapes, and certificates made as planned.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "random_pki.h"
#include "tap.h"

/* ---------- names ---------- */

/* set: 0 a new RDN, -1 the last one gets one more value */
static void
add_entry(X509_NAME *name, int nid, int type, const char *value, int set)
{
	ASN1_STRING *string = NULL;

	/* from Latin-1, which is what the values are, to that type only */
	if (ASN1_mbstring_copy(&string, (const unsigned char *) value, -1, MBSTRING_ASC,
						   ASN1_tag2bit(type)) <= 0 ||
		X509_NAME_add_entry_by_NID(name, nid, type, string->data, string->length,
								   -1, set) != 1)
		die("name \"%s\" cannot be made", value);
	ASN1_STRING_free(string);
}

static int
random_type(Random *random)
{
	static const int types[] = {V_ASN1_UTF8STRING, V_ASN1_UTF8STRING,
	V_ASN1_PRINTABLESTRING, V_ASN1_T61STRING};

	return types[random_below(random, 4)];
}

X509_NAME *
random_name(Random *random, const char *cn, bool ca)
{
	X509_NAME  *name = X509_NAME_new();
	int			shape = random_below(random, 100);

	if (shape < 50)
	{
		/* as in most examples */
		if (chance(random, 50))
			add_entry(name, NID_countryName, V_ASN1_PRINTABLESTRING, "CA", 0);
		if (chance(random, 60))
			add_entry(name, NID_organizationName, random_type(random), "IDO", 0);
		add_entry(name, NID_commonName, random_type(random), cn, 0);
	}
	else if (shape < 80)
		add_entry(name, NID_commonName, V_ASN1_UTF8STRING, cn, 0);
	else if (shape < 88)
	{
		add_entry(name, NID_organizationName, V_ASN1_UTF8STRING, "Many  Words,  Inc. + \"Co\"", 0);
		add_entry(name, NID_commonName, V_ASN1_UTF8STRING, cn, 0);
		add_entry(name, NID_userId, V_ASN1_UTF8STRING, "1001", -1);
	}
	else if (shape < 92)
	{
		add_entry(name, NID_domainComponent, V_ASN1_IA5STRING, "example", 0);
		add_entry(name, NID_organizationalUnitName, V_ASN1_UTF8STRING, "a", 0);
		add_entry(name, NID_organizationalUnitName, V_ASN1_UTF8STRING, "b", 0);
		add_entry(name, NID_commonName, V_ASN1_UTF8STRING, cn, 0);
	}
	else if (shape < 96)
	{
		add_entry(name, NID_organizationName, V_ASN1_BMPSTRING, "Zweibyte", 0);
		add_entry(name, NID_commonName,
				  chance(random, 60) ? V_ASN1_BMPSTRING : V_ASN1_UTF8STRING, cn, 0);
	}
	else if (shape < 98)
	{
		add_entry(name, NID_commonName, V_ASN1_UTF8STRING, cn, 0);
		add_entry(name, NID_commonName, V_ASN1_UTF8STRING, "another", 0);
	}
	else if (ca || shape < 99)
	{
		add_entry(name, NID_organizationName, V_ASN1_UTF8STRING, cn, 0);
		add_entry(name, NID_pkcs9_emailAddress, V_ASN1_IA5STRING, "dba@example.com", 0);
	}
	return name;
}

/* Upper case for lower, blanks for a blank, another type of string. */
X509_NAME *
respelled_name(Random *random, const X509_NAME *name)
{
	X509_NAME  *copy = X509_NAME_new();
	int			last = -1;

	for (int i = 0; i < X509_NAME_entry_count(name); i++)
	{
		X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		int			nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
		int			set = X509_NAME_ENTRY_set(entry);
		unsigned char *text = NULL;
		char		value[200];
		size_t		len = 0;
		bool		ia5 = nid == NID_domainComponent || nid == NID_pkcs9_emailAddress;

		if (ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry)) < 0)
			die("name cannot be read");
		if (chance(random, 20))
			value[len++] = ' ';
		for (const unsigned char *p = text; *p != '\0' && len < sizeof(value) - 4; p++)
		{
			value[len++] = chance(random, 30) ? (char) toupper(*p)
				: chance(random, 30) ? (char) tolower(*p) : (char) *p;
			if (*p == ' ' && chance(random, 30))
				value[len++] = ' ';
		}
		if (chance(random, 20))
			value[len++] = ' ';
		value[len] = '\0';
		OPENSSL_free(text);
		if (nid == NID_countryName)
			add_entry(copy, nid, V_ASN1_PRINTABLESTRING, "ca", 0);
		else
			add_entry(copy, nid, ia5 ? V_ASN1_IA5STRING
					  : strpbrk(value, "\"_*@") != NULL ? V_ASN1_UTF8STRING
					  : random_type(random), value, set == last ? -1 : 0);
		last = set;
	}
	return copy;
}

/* ---------- certificates ---------- */

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX	ctx;
	X509_EXTENSION *extension;

	if (value == NULL)
		return;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (extension == NULL || X509_add_ext(cert, extension, -1) != 1)
		die("extension \"%s\" cannot be made", value);
	X509_EXTENSION_free(extension);
}

static ASN1_OCTET_STRING *
key_identifier(const X509 *cert)
{
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len;

	if (id == NULL || X509_pubkey_digest(cert, EVP_sha1(), digest, &len) != 1 ||
		ASN1_OCTET_STRING_set(id, digest, (int) len) != 1)
		die("no key identifier");
	return id;
}

static void
add_key_identifiers(X509 *cert, const Plan *plan)
{
	AUTHORITY_KEYID *aki;

	if (plan->ski)
	{
		ASN1_OCTET_STRING *id = key_identifier(cert);

		X509_add1_ext_i2d(cert, NID_subject_key_identifier, id, 0, X509V3_ADD_DEFAULT);
		ASN1_OCTET_STRING_free(id);
	}
	if (plan->aki == AKI_NONE || plan->issuer == NULL)
		return;
	aki = AUTHORITY_KEYID_new();
	aki->keyid = key_identifier(plan->issuer);
	if (plan->aki == AKI_WRONG)
		aki->keyid->data[0] ^= 1;
	if (plan->aki == AKI_KEY_AND_SERIAL)
	{
		GENERAL_NAME *name = GENERAL_NAME_new();

		name->type = GEN_DIRNAME;
		name->d.directoryName = X509_NAME_dup(X509_get_issuer_name(plan->issuer));
		aki->issuer = sk_GENERAL_NAME_new_null();
		sk_GENERAL_NAME_push(aki->issuer, name);
		aki->serial = ASN1_INTEGER_dup(X509_get0_serialNumber(plan->issuer));
	}
	X509_add1_ext_i2d(cert, NID_authority_key_identifier, aki, 0, X509V3_ADD_DEFAULT);
	AUTHORITY_KEYID_free(aki);
}

static void
sign(X509 *cert, const Plan *plan)
{
	const EVP_MD *md = plan->sha1 ? EVP_sha1() : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *key_ctx = NULL;
	int			type = EVP_PKEY_base_id(plan->signer);

	if (type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448)
		md = NULL;
	if (EVP_DigestSignInit(ctx, &key_ctx, md, NULL, plan->signer) != 1 ||
		(plan->pss_signature && type == EVP_PKEY_RSA &&
		 EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) != 1) ||
		X509_sign_ctx(cert, ctx) <= 0)
		die("could not sign: %s", ERR_reason_error_string(ERR_get_error()));
	EVP_MD_CTX_free(ctx);
}

X509 *
make_random_cert(const Plan *plan)
{
	static long serial = 1000;
	X509	   *cert = X509_new();
	time_t		now = time(NULL);

	X509_set_version(cert, plan->version1 ? 0 : 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	ASN1_TIME_set(X509_getm_notBefore(cert), now + (time_t) plan->not_before);
	ASN1_TIME_set(X509_getm_notAfter(cert), now + (time_t) plan->not_after);
	X509_set_pubkey(cert, plan->key);
	X509_set_subject_name(cert, plan->subject);
	X509_set_issuer_name(cert, plan->issuer_name);
	if (!plan->version1)
	{
		add_extension(cert, NID_basic_constraints, plan->constraints);
		add_extension(cert, NID_key_usage, plan->ku);
		add_extension(cert, NID_ext_key_usage, plan->eku);
		add_extension(cert, NID_netscape_cert_type, plan->ns_type);
		add_extension(cert, NID_name_constraints, plan->name_constraints);
		add_extension(cert, NID_subject_alt_name, plan->san);
		add_key_identifiers(cert, plan);
		if (plan->unknown_critical)
		{
			ASN1_OBJECT *object = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
			ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
			X509_EXTENSION *extension;

			ASN1_OCTET_STRING_set(value, (const unsigned char *) "\005\000", 2);
			extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value);
			X509_add_ext(cert, extension, -1);
			X509_EXTENSION_free(extension);
			ASN1_OCTET_STRING_free(value);
			ASN1_OBJECT_free(object);
		}
	}
	sign(cert, plan);

	/* parsed anew, as whoever reads it will see it */
	{
		unsigned char *der = NULL;
		const unsigned char *p;
		int			len = i2d_X509(cert, &der);

		X509_free(cert);
		p = der;
		cert = len > 0 ? d2i_X509(NULL, &p, len) : NULL;
		OPENSSL_free(der);
		if (cert == NULL)
			die("a certificate cannot be read back");
	}
	return cert;
}
