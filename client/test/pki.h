/*
 * pki.h
 *		Certificates and keys for table tests, made by OpenSSL on the spot.
 */
#ifndef TEST_PKI_H
#define TEST_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/* The time that the tests call now: 2026-06-01, unless it is changed. */
#define NOW INT64_C(1780272000)
extern int64_t test_now;
#define DAY INT64_C(86400)

typedef struct Cert
{
	X509	   *x509;
	EVP_PKEY   *key;
} Cert;

/* What a certificate shall be; zero means the usual. */
typedef struct Wish
{
	const char *cn;				/* required */
	const char *o;				/* organisation, none if NULL */
	const Cert *issuer;			/* NULL: self-signed */
	const Cert *key_of;			/* the same key again */
	bool		ca;
	const char *eku;			/* for a leaf NULL means clientAuth */
	const char *ku;
	const char *san;
	const char *constraints;	/* basicConstraints in other words */
	int64_t		not_before;		/* 10 days ago */
	int64_t		not_after;		/* in 100 days */
	const char *key;			/* "ec:CURVE" (P-256), "rsa:BITS",
								 * "rsa-pss:BITS", "ed25519" */
	bool		sha1;			/* signed with it */
	const char *name_constraints;	/* dir_sect is O=constrained */
	int			string_type;	/* of the CN, MBSTRING_UTF8 ... */
	bool		no_key_ids;		/* neither SKI nor AKI */
} Wish;

extern Cert make_cert(Wish wish);
extern void free_cert(Cert *cert);

/* A fresh directory, and files in it; all of it is gone at the end. */
extern const char *test_dir(void);

/* An existing directory instead, which stays. */
extern void test_use_dir(const char *path);
extern char *test_path(const char *name);
extern void test_make_dir(const char *name);
extern char *write_text(const char *name, const char *text, int mode);

/* NULL-terminated certificates, then the key if key is not NULL. */
extern char *write_pem(const char *name, const Cert *key, const char *password,...);
extern char *write_key(const char *name, const Cert *cert, const char *password);
extern char *write_cert(const char *name, const Cert *cert);

#endif							/* TEST_PKI_H */
