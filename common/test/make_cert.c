/*
 * make_cert.c
 *		Real certificates for the C tests, made by libcrypto.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "make_cert.h"
#include "name.h"

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	printf("Bail out! %s\n", what);
	ERR_print_errors_fp(stdout);
	exit(2);
}

static EVP_PKEY *
make_key(int type, int bits)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(type, NULL);
	EVP_PKEY   *key = NULL;

	must(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1, "key generation");
	if (type == EVP_PKEY_EC)
		must(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) == 1, "curve");
	else
		must(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1, "RSA bits");
	must(EVP_PKEY_keygen(ctx, &key) == 1, "key generation");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

EVP_PKEY *
test_ec_key(void)
{
	return make_key(EVP_PKEY_EC, 0);
}

EVP_PKEY *
test_rsa_key(int bits)
{
	return make_key(EVP_PKEY_RSA, bits);
}

X509 *
test_make_cert(const TestCert *wanted, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509	   *cert = X509_new();
	BIGNUM	   *serial = NULL;
	PgcertError error;
	X509_NAME  *subject = NULL;
	X509V3_CTX	ctx;

	must(cert != NULL && X509_set_version(cert, 2), "X509_new");
	must(BN_hex2bn(&serial, wanted->serial ? wanted->serial : "01") > 0, "serial");
	must(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL, "serial");
	BN_free(serial);
	if (wanted->subject[0] == '\0')
		subject = X509_NAME_new();
	else
		subject = pgcert_name_parse(wanted->subject, strlen(wanted->subject), &error);
	must(subject != NULL && X509_set_subject_name(cert, subject), wanted->subject);
	X509_NAME_free(subject);
	must(X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert)), "issuer");
	must(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t) wanted->not_before) != NULL &&
		 ASN1_TIME_set(X509_getm_notAfter(cert), (time_t) wanted->not_after) != NULL, "dates");
	must(X509_set_pubkey(cert, key), "public key");
	X509V3_set_ctx(&ctx, issuer ? issuer : cert, cert, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	for (size_t i = 0; i < 6 && wanted->extensions[i].value != NULL; i++)
	{
		const TestExtension *wanted_ext = &wanted->extensions[i];
		X509_EXTENSION *ext = NULL;

		if (strncmp(wanted_ext->value, "DER:", 4) == 0)
		{
			ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
			long		len;
			unsigned char *der = OPENSSL_hexstr2buf(wanted_ext->value + 4, &len);

			must(bytes != NULL && der != NULL &&
				 ASN1_OCTET_STRING_set(bytes, der, (int) len), "extension bytes");
			ext = X509_EXTENSION_create_by_NID(NULL, wanted_ext->nid, 0, bytes);
			ASN1_OCTET_STRING_free(bytes);
			OPENSSL_free(der);
		}
		else
			ext = X509V3_EXT_conf_nid(NULL, &ctx, wanted_ext->nid, wanted_ext->value);
		must(ext != NULL && X509_add_ext(cert, ext, -1), wanted_ext->value);
		X509_EXTENSION_free(ext);
	}
	must(X509_sign(cert, issuer_key ? issuer_key : key,
				   wanted->digest ? EVP_get_digestbyname(wanted->digest) : EVP_sha256()) > 0,
		 "signature");

	/* read it back, as every certificate that matters comes from bytes */
	{
		unsigned char *der = NULL;
		int			len = i2d_X509(cert, &der);
		const unsigned char *p = der;

		X509_free(cert);
		must(len > 0, "encoding");
		cert = d2i_X509(NULL, &p, len);
		must(cert != NULL, "decoding");
		OPENSSL_free(der);
	}
	return cert;
}
