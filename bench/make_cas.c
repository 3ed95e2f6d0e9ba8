/*
 * make_cas.c
 *		Many self-signed CA certificates with short names, quickly: all with
 *		one key, which nothing that is measured here looks at.
 *
 *	make_cas NUMBER [FIRST.pem]		PEM to stdout, FIRST.pem at the head
 */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "measure.h"

static EVP_PKEY *
make_key(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY   *key = NULL;

	if (context == NULL || EVP_PKEY_keygen_init(context) != 1 ||
		EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) != 1 ||
		EVP_PKEY_keygen(context, &key) != 1)
		measure_fail("could not make a key");
	EVP_PKEY_CTX_free(context);
	return key;
}

static void
print_ca(EVP_PKEY *key, long number)
{
	X509	   *ca = X509_new();
	X509_NAME  *name = X509_NAME_new();
	X509_EXTENSION *constraints;
	char		cn[40];

	constraints = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
									  "critical,CA:TRUE");
	snprintf(cn, sizeof(cn), "Benchmark CA %ld", number);
	if (ca == NULL || name == NULL || constraints == NULL ||
		!X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
									(const unsigned char *) "IDO", -1, -1, 0) ||
		!X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
									(const unsigned char *) cn, -1, -1, 0) ||
		!X509_set_version(ca, 2) ||
		!ASN1_INTEGER_set(X509_get_serialNumber(ca), number + 1) ||
		!X509_set_subject_name(ca, name) || !X509_set_issuer_name(ca, name) ||
		!X509_gmtime_adj(X509_getm_notBefore(ca), -3600) ||
		!X509_gmtime_adj(X509_getm_notAfter(ca), 10 * 365 * 86400L) ||
		!X509_set_pubkey(ca, key) || !X509_add_ext(ca, constraints, -1) ||
		!X509_sign(ca, key, EVP_sha256()) || !PEM_write_X509(stdout, ca))
		measure_fail("could not make CA %ld", number);
	X509_EXTENSION_free(constraints);
	X509_NAME_free(name);
	X509_free(ca);
}

int
main(int argc, char **argv)
{
	long		n = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
	EVP_PKEY   *key;

	if (argc < 2 || argc > 3 || n < 1)
		measure_fail("usage: make_cas NUMBER [FIRST.pem]");
	if (argc == 3)
	{
		FILE	   *first = fopen(argv[2], "r");
		int			byte;

		if (first == NULL)
			measure_fail("could not open \"%s\"", argv[2]);
		while ((byte = getc(first)) != EOF)
			putchar(byte);
		fclose(first);
		n--;
	}
	key = make_key();
	for (long i = 0; i < n; i++)
		print_ca(key, i);
	EVP_PKEY_free(key);
	return 0;
}
