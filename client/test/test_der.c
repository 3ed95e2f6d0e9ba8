/*
 * test_der.c
 *		The look into DER: it sees what OpenSSL decodes, in certificates and
 *		keys that are whole, and goes astray in none that are not.
 *
 * Broken DER is given in a block of exactly its size, so that under a
 * sanitizer a step too far is seen.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "der.h"
#include "name.h"
#include "pki.h"
#include "tap.h"

typedef struct Der
{
	unsigned char *data;
	int			len;
} Der;

static Der
der_of_cert(X509 *cert)
{
	Der			der = {NULL, 0};

	der.len = i2d_X509(cert, &der.data);
	if (der.len <= 0)
		die("a certificate cannot be encoded");
	return der;
}

/* ---------- what is whole ---------- */

static void
check_certificate(const char *what, Wish wish)
{
	Cert		cert = make_cert(wish);
	Der			der = der_of_cert(cert.x509);
	const unsigned char *p = der.data;
	X509	   *read = d2i_X509(NULL, &p, der.len);
	PgcsBytes	issuer = {NULL, 0};
	bool		may_be_ca = false;
	X509_NAME  *name;

	ok(pgcs_der_certificate(der.data, (size_t) der.len, &issuer, &may_be_ca),
	   "%s: can be looked into", what);
	name = pgcert_name_from_der(issuer.data, issuer.len);
	ok(pgcert_name_equal(name, X509_get_issuer_name(read)), "%s: the issuer", what);
	ok(may_be_ca == (X509_check_ca(read) > 0), "%s: a CA, or not: %d", what, may_be_ca);
	X509_NAME_free(name);
	X509_free(read);
	OPENSSL_free(der.data);
	free_cert(&cert);
}

static void
test_certificates(void)
{
	check_certificate("a leaf", (Wish) {.cn = "a"});
	check_certificate("a root", (Wish) {.cn = "a", .ca = true});
	check_certificate("CA:FALSE", (Wish) {.cn = "a", .constraints = "critical,CA:FALSE"});
	check_certificate("CA:TRUE with a length", (Wish) {.cn = "a", .constraints = "CA:TRUE,pathlen:3"});
	check_certificate("keyUsage digitalSignature", (Wish) {.cn = "a", .ku = "digitalSignature"});
	check_certificate("keyUsage keyCertSign alone", (Wish) {.cn = "a", .ku = "keyCertSign"});
	check_certificate("a CA that may not sign", (Wish) {.cn = "a", .ca = true, .ku = "cRLSign"});
	check_certificate("CA:FALSE that may sign",
					  (Wish) {.cn = "a", .constraints = "CA:FALSE", .ku = "critical,keyCertSign"});
	check_certificate("a long name", (Wish) {.cn = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		.o = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"});
	check_certificate("an RSA key", (Wish) {.cn = "a", .key = "rsa:2048"});
}

/* Is the key seen in its certificate's public key, in all forms? */
static void
check_key(const char *kind, bool wanted)
{
	Cert		cert = make_cert((Wish) {.cn = "a", .key = kind});
	const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(cert.x509);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(cert.key);
	Der			forms[2] = {{NULL, 0}, {NULL, 0}};
	PgcsBytes	of_cert;

	ok(pgcs_der_public_key(ASN1_STRING_get0_data(bits), (size_t) ASN1_STRING_length(bits), &of_cert),
	   "%s: in a certificate", kind);
	forms[0].len = i2d_PKCS8_PRIV_KEY_INFO(info, &forms[0].data);
	forms[1].len = i2d_PrivateKey(cert.key, &forms[1].data);
	for (int i = 0; i < 2; i++)
	{
		PgcsBytes	of_key;
		bool		seen = pgcs_der_private_key(forms[i].data, (size_t) forms[i].len, &of_key);

		ok(seen == wanted, "%s: its key shows it, or not: %d", kind, seen);
		if (seen)
			ok(of_key.len == of_cert.len &&
			   memcmp(of_key.data, of_cert.data, of_key.len) == 0, "%s: the same", kind);
		OPENSSL_free(forms[i].data);
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	free_cert(&cert);
}

static void
test_keys(void)
{
	check_key("ec:prime256v1", true);
	check_key("ec:secp521r1", true);
	check_key("rsa:2048", true);
	check_key("rsa-pss:2048", true);
	check_key("ed25519", false);
}

/* ---------- what is broken ---------- */

/* 1 if OpenSSL decodes it too, and both see the same issuer. */
static int
look_at_broken(const unsigned char *data, size_t len, int *n_accepted, int *n_decoded)
{
	unsigned char *exact = malloc(len > 0 ? len : 1);
	const unsigned char *p = exact;
	PgcsBytes	issuer = {NULL, 0};
	PgcsBytes	public;
	bool		may_be_ca = false;
	bool		looked;
	X509	   *cert;
	int			same = 1;

	if (exact == NULL)
		die("out of memory");
	memcpy(exact, data, len);
	looked = pgcs_der_certificate(exact, len, &issuer, &may_be_ca);
	(void) pgcs_der_private_key(exact, len, &public);
	(void) pgcs_der_public_key(exact, len, &public);
	cert = d2i_X509(NULL, &p, (long) len);
	*n_accepted += looked;
	*n_decoded += cert != NULL;
	if (looked && (issuer.data < exact || issuer.data + issuer.len > exact + len))
		same = 0;
	if (looked && cert != NULL)
	{
		X509_NAME  *name = pgcert_name_from_der(issuer.data, issuer.len);

		if (!pgcert_name_equal(name, X509_get_issuer_name(cert)))
			same = 0;

		/* what is left out must be none of OpenSSL's CAs */
		if (!may_be_ca && X509_check_ca(cert) > 0)
			same = 0;
		X509_NAME_free(name);
	}
	X509_free(cert);
	ERR_clear_error();
	free(exact);
	return same;
}

static void
test_broken(void)
{
	Cert		ca = make_cert((Wish) {.cn = "ca", .ca = true});
	Cert		leaf = make_cert((Wish) {.cn = "leaf", .issuer = &ca, .ku = "critical,keyCertSign"});
	Der			ders[] = {der_of_cert(ca.x509), der_of_cert(leaf.x509), {NULL, 0}};
	int			n_accepted = 0;
	int			n_decoded = 0;
	int			n_bad = 0;

	ders[2].len = i2d_PrivateKey(leaf.key, &ders[2].data);
	for (int d = 0; d < 3; d++)
	{
		unsigned char *copy = malloc((size_t) ders[d].len);

		/* cut off everywhere; each byte with values that headers are made of */
		for (int i = 0; i < ders[d].len; i++)
			n_bad += !look_at_broken(ders[d].data, (size_t) i, &n_accepted, &n_decoded);
		for (int i = 0; i < ders[d].len; i++)
		{
			static const unsigned char values[] = {
				0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31, 0x7f, 0x80,
			0x81, 0x82, 0x84, 0x88, 0x9f, 0xa0, 0xa3, 0xbf, 0xff};

			memcpy(copy, ders[d].data, (size_t) ders[d].len);
			for (size_t v = 0; v < sizeof(values); v++)
			{
				copy[i] = values[v];
				n_bad += !look_at_broken(copy, (size_t) ders[d].len, &n_accepted, &n_decoded);
			}
			copy[i] = ders[d].data[i] ^ 1;
			n_bad += !look_at_broken(copy, (size_t) ders[d].len, &n_accepted, &n_decoded);
		}
		free(copy);
		OPENSSL_free(ders[d].data);
	}
	is_int(n_bad, 0, "broken DER: whatever both accept has the same issuer in both");
	ok(n_accepted > 1000 && n_decoded > 1000, "of which there were %d looked into, %d decoded",
	   n_accepted, n_decoded);
	free_cert(&ca);
	free_cert(&leaf);
}

int
main(void)
{
	test_certificates();
	test_keys();
	test_broken();
	return done_testing();
}
