/*
 * make_cert.h
 *		Real certificates for the C tests, made by libcrypto.
 */
#ifndef PGCERT_TEST_MAKE_CERT_H
#define PGCERT_TEST_MAKE_CERT_H

#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

/* One extension as openssl.cnf writes it; a DER one is "DER:..." */
typedef struct TestExtension
{
	int			nid;
	const char *value;
} TestExtension;

typedef struct TestCert
{
	const char *subject;		/* RFC 4514 */
	TestExtension extensions[6];
	int64_t		not_before;		/* seconds since 1970 */
	int64_t		not_after;
	const char *serial;			/* hex, NULL for 01 */
	const char *digest;			/* NULL for SHA256 */
} TestCert;

extern EVP_PKEY *test_ec_key(void);
extern EVP_PKEY *test_rsa_key(int bits);

/*
 * Makes the certificate, signed by the issuer's key, self-signed if issuer is
 * NULL.  Exits the test if OpenSSL refuses.
 */
extern X509 *test_make_cert(const TestCert *wanted, EVP_PKEY *key,
							X509 *issuer, EVP_PKEY *issuer_key);

#endif							/* PGCERT_TEST_MAKE_CERT_H */
