/*
 * der.h
 *		A look into a certificate or key without decoding it.
 *
 * OpenSSL takes a hundred microseconds to decode a certificate, and most
 * certificates of a large directory are of an issuer that nobody asked for.
 * What is seen here decides what is worth decoding, never what is chosen:
 * whatever looks unusual is left to OpenSSL.
 */
#ifndef PGCS_DER_H
#define PGCS_DER_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes within what was looked at; nobody's to free. */
typedef struct PgcsBytes
{
	const unsigned char *data;
	size_t		len;
} PgcsBytes;

/*
 * The issuer's name, as DER, and whether X509_check_ca() may take it for a
 * CA's certificate.  False if it cannot be told, which does not mean that
 * OpenSSL cannot decode it.
 */
extern bool pgcs_der_certificate(const unsigned char *der, size_t len,
								 PgcsBytes *issuer, bool *may_be_ca);

/*
 * What identifies the public key of an RSA or EC key, from the key itself
 * (PKCS#8, PKCS#1 or SEC1), and from the BIT STRING of a certificate's
 * SubjectPublicKeyInfo.  False if it is not there to be seen.
 */
extern bool pgcs_der_private_key(const unsigned char *der, size_t len,
								 PgcsBytes *public);
extern bool pgcs_der_public_key(const unsigned char *bits, size_t len,
								PgcsBytes *public);

/*
 * The SubjectPublicKeyInfo of an RSA or EC key in PKCS#8, as far as the key
 * shows it; spki has room for PGCS_SPKI_SIZE(len) bytes.
 */
#define PGCS_SPKI_SIZE(len) ((len) + 32)
extern bool pgcs_der_spki(const unsigned char *der, size_t len,
						  unsigned char *spki, size_t *spki_len);

#endif							/* PGCS_DER_H */
