/*
 * pkcs12.h
 *		What is in a PKCS#12 file (RFC 7292).
 */
#ifndef PGCS_PKCS12_H
#define PGCS_PKCS12_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

typedef struct PgcsPkcs12
{
	STACK_OF(X509) *certs;		/* in the order of the file */
	EVP_PKEY  **keys;
	size_t		n_keys;
	bool		by_password;	/* the password was needed: what is made of
								 * the key must keep it */
} PgcsPkcs12;

typedef enum PgcsPkcs12State
{
	PGCS_PKCS12_OPENED,
	PGCS_PKCS12_WRONG_PASSWORD,
	PGCS_PKCS12_UNSUPPORTED,	/* by this OpenSSL; words: which algorithm */
	PGCS_PKCS12_TOO_SLOW,		/* it asks for too many iterations */
	PGCS_PKCS12_BROKEN,			/* words: what OpenSSL says */
	PGCS_PKCS12_NO_MEMORY,
} PgcsPkcs12State;

/* Do the bytes look like one?  Sets *no_memory if that cannot be told. */
extern bool pgcs_is_pkcs12(const unsigned char *data, size_t len, bool *no_memory);

/*
 * Opens one.  password may be NULL; where it does not fit, the empty one is
 * tried.  A file without a MAC is taken as a PEM file is.  After OPENED the
 * caller calls pgcs_pkcs12_free().
 */
extern PgcsPkcs12State pgcs_pkcs12_open(PgcsPkcs12 *contents,
										const unsigned char *data, size_t len,
										const char *password,
										char *words, size_t words_size);
extern void pgcs_pkcs12_free(PgcsPkcs12 *contents);

#endif							/* PGCS_PKCS12_H */
