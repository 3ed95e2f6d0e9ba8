/*
 * facts.c
 *		What is true of a connection and of the certificate it came with.
 *
 * The extensions are read in facts_ext.c.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "facts.h"
#include "facts_ext.h"

PgcertFacts *
pgcert_facts_new(PgcertLink link, int tls_version)
{
	PgcertFacts *facts = calloc(1, sizeof(*facts));

	if (facts == NULL)
		return NULL;
	facts->link = link;
	facts->tls_version = tls_version;
	return facts;
}

void
pgcert_facts_free(PgcertFacts *facts)
{
	if (facts == NULL)
		return;
	X509_free(facts->certificate);
	free(facts->cn);
	for (size_t i = 0; i < facts->n_sans; i++)
		free(facts->sans[i].value);
	free(facts->sans);
	for (size_t i = 0; i < facts->n_ekus; i++)
		free(facts->ekus[i]);
	free(facts->ekus);
	for (size_t i = 0; i < facts->n_policy_oids; i++)
		free(facts->policy_oids[i]);
	free(facts->policy_oids);
	free(facts->serial);
	for (size_t i = 0; i < facts->n_cas; i++)
		X509_free(facts->cas[i].certificate);
	free(facts->cas);
	free(facts);
}

bool
pgcert_key_sha256(X509 *cert, unsigned char digest[PGCERT_SHA256_LEN])
{
	unsigned char *der = NULL;
	unsigned int digest_len;
	int			der_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	bool		ok;

	ok = der_len > 0 &&
		EVP_Digest(der, (size_t) der_len, digest, &digest_len, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	return ok;
}

bool
pgcert_cert_sha256(X509 *cert, unsigned char digest[PGCERT_SHA256_LEN])
{
	unsigned int digest_len = 0;

	/* without memory OpenSSL 3.0 takes SHA-256 for SHA-1, and reports success */
	return X509_digest(cert, EVP_sha256(), digest, &digest_len) == 1 &&
		digest_len == PGCERT_SHA256_LEN;
}

bool
pgcert_time_seconds(const ASN1_TIME *time, int64_t *seconds)
{
	static const struct tm epoch = {.tm_year = 70, .tm_mday = 1};
	struct tm	tm;
	int			days;
	int			secs;

	/* of NULL, OpenSSL would tell the present time */
	if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1 ||
		OPENSSL_gmtime_diff(&days, &secs, &epoch, &tm) != 1)
		return false;
	*seconds = (int64_t) days * 86400 + secs;
	return true;
}

const char *
pgcert_key_type(X509 *cert)
{
	EVP_PKEY   *key = X509_get0_pubkey(cert);

	if (key == NULL)
		return NULL;
	switch (EVP_PKEY_base_id(key))
	{
		case EVP_PKEY_RSA:
			return "RSA";
		case EVP_PKEY_RSA_PSS:
			return "RSA-PSS";
		case EVP_PKEY_EC:
			return "EC";
		case EVP_PKEY_ED25519:
			return "Ed25519";
		case EVP_PKEY_ED448:
			return "Ed448";
		default:
			return NULL;
	}
}

int
pgcert_key_security_bits(X509 *cert)
{
	EVP_PKEY   *key = X509_get0_pubkey(cert);
	int			bits = key ? EVP_PKEY_security_bits(key) : 0;

	return bits > 0 ? bits : 0;
}

int
pgcert_signature_security_bits(X509 *cert)
{
	int			bits;

	if (X509_get_signature_info(cert, NULL, NULL, &bits, NULL) != 1 || bits < 0)
		return 0;
	return bits;
}

/* Is one of its characters a NUL?  Of bits and numbers there are none. */
static bool
has_nul(const ASN1_STRING *value)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(value);
	int			len = ASN1_STRING_length(value);
	int			width = 1;

	switch (ASN1_STRING_type(value))
	{
		case V_ASN1_UNIVERSALSTRING:
			width = 4;
			break;
		case V_ASN1_BMPSTRING:
			width = 2;
			break;
		case V_ASN1_UTF8STRING:
		case V_ASN1_PRINTABLESTRING:
		case V_ASN1_T61STRING:
		case V_ASN1_IA5STRING:
		case V_ASN1_VISIBLESTRING:
		case V_ASN1_NUMERICSTRING:
			break;
		default:
			return false;
	}
	for (int i = 0; i + width <= len; i += width)
	{
		if (memcmp(bytes + i, "\0\0\0", (size_t) width) == 0)
			return true;
	}
	return false;
}

/*
 * A name without any attribute names nobody (RFC 5280, 4.1.2.6), and one with
 * an embedded NUL is not what it looks like.
 */
static PgcertState
name_state(const X509_NAME *name)
{
	int			n = X509_NAME_entry_count(name);

	for (int i = 0; i < n; i++)
	{
		if (has_nul(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i))))
			return PGCERT_MALFORMED;
	}
	return n == 0 ? PGCERT_ABSENT : PGCERT_PRESENT;
}

/* The subject's only common name, in UTF-8. */
static bool
read_cn(PgcertFacts *facts, X509 *leaf)
{
	X509_NAME  *subject = X509_get_subject_name(leaf);
	int			index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *utf8 = NULL;
	int			len;

	if (index < 0)
	{
		facts->cn_state = PGCERT_ABSENT;
		return true;
	}
	if (X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0)
	{
		facts->cn_state = PGCERT_AMBIGUOUS;
		return true;
	}
	len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
	if (len <= 0 || memchr(utf8, '\0', (size_t) len) != NULL)
		facts->cn_state = PGCERT_MALFORMED;
	else
	{
		facts->cn = malloc((size_t) len + 1);
		if (facts->cn != NULL)
		{
			memcpy(facts->cn, utf8, (size_t) len);
			facts->cn[len] = '\0';
			facts->cn_len = (size_t) len;
			facts->cn_state = PGCERT_PRESENT;
		}
	}
	OPENSSL_free(utf8);
	return facts->cn_state != PGCERT_UNKNOWN_FACT;
}

/* RFC 5280, 4.1.2.2: a positive integer. */
static bool
read_serial(PgcertFacts *facts, X509 *leaf)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	const unsigned char *bytes = ASN1_STRING_get0_data(serial);
	int			len = ASN1_STRING_length(serial);

	if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || len <= 0)
	{
		facts->serial_state = PGCERT_MALFORMED;
		return true;
	}
	while (len > 0 && *bytes == 0)
	{
		bytes++;
		len--;
	}
	facts->serial = malloc((size_t) len + 1);
	if (facts->serial == NULL)
		return false;
	memcpy(facts->serial, bytes, (size_t) len);
	facts->serial_len = (size_t) len;
	facts->serial_state = PGCERT_PRESENT;
	return true;
}

static void
read_validity(PgcertFacts *facts, X509 *leaf)
{
	if (pgcert_time_seconds(X509_get0_notBefore(leaf), &facts->not_before) &&
		pgcert_time_seconds(X509_get0_notAfter(leaf), &facts->not_after))
		facts->validity_state = PGCERT_PRESENT;
	else
		facts->validity_state = PGCERT_MALFORMED;
}

/*
 * The weakest link of leaf and chain.  The anchor is trusted for being in
 * ssl_ca_file, so how it signed itself does not matter.
 */
static int
weakest_bits(X509 *leaf, STACK_OF(X509) *chain)
{
	int			n = chain ? sk_X509_num(chain) : 1;
	int			weakest = pgcert_key_security_bits(leaf);

	for (int i = 0; i < n; i++)
	{
		X509	   *cert = chain ? sk_X509_value(chain, i) : leaf;
		int			bits = pgcert_key_security_bits(cert);

		if (bits < weakest)
			weakest = bits;
		if (chain == NULL || i < n - 1)
		{
			bits = pgcert_signature_security_bits(cert);
			if (bits < weakest)
				weakest = bits;
		}
	}
	return weakest;
}

static bool
read_chain(PgcertFacts *facts, STACK_OF(X509) *chain, const bool *trusted)
{
	int			n = sk_X509_num(chain);

	facts->chain_state = PGCERT_PRESENT;
	if (n <= 1)
		return true;
	facts->cas = calloc((size_t) n - 1, sizeof(PgcertCa));
	if (facts->cas == NULL)
		return false;
	for (int i = 1; i < n; i++)
	{
		PgcertCa   *ca = &facts->cas[facts->n_cas++];

		ca->certificate = sk_X509_value(chain, i);
		X509_up_ref(ca->certificate);
		ca->trusted = trusted[i];
	}
	return true;
}

bool
pgcert_facts_set_certificate(PgcertFacts *facts, X509 *leaf,
							 STACK_OF(X509) *chain, const bool *trusted)
{
	X509_up_ref(leaf);
	facts->certificate = leaf;
	facts->subject_state = name_state(X509_get_subject_name(leaf));
	facts->issuer_state = name_state(X509_get_issuer_name(leaf));
	if (!read_cn(facts, leaf) ||
		!read_serial(facts, leaf) ||
		!pgcert_facts_read_sans(facts, leaf) ||
		!pgcert_facts_read_ekus(facts, leaf) ||
		!pgcert_facts_read_policy_oids(facts, leaf))
		return false;
	read_validity(facts, leaf);
	facts->key_type = pgcert_key_type(leaf);
	facts->security_bits = weakest_bits(leaf, chain);
	if (chain != NULL && !read_chain(facts, chain, trusted))
		return false;
	facts->has_certificate = true;
	return true;
}
