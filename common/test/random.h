/*
 * random.h
 *		Random certificates, and random policies that could fit them.
 *
 * What is told of a certificate is what was put into it, not what anybody read
 * out of it: the description comes first and the certificate is made from it.
 */
#ifndef PGCERT_TEST_RANDOM_H
#define PGCERT_TEST_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#define RANDOM_NOW INT64_C(1780272000)
#define MAX_CHAIN 4
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PICK(array) ((array)[pick(COUNT(array))])

/* 0 to n-1, the same for the same seed everywhere. */
extern void seed_random(uint64_t seed);
extern unsigned pick(unsigned n);

/* Ends the program if libcrypto failed. */
extern void must(int ok);

/* Text or bytes that grow at the end; never more than fits. */
typedef struct Bytes
{
	unsigned char data[4096];
	size_t		len;
} Bytes;

extern void add(Bytes *to, const void *bytes, size_t len);
extern void add_text(Bytes *to, const char *format,...) __attribute__((format(printf, 2, 3)));
extern void add_hex(Bytes *to, const void *bytes, size_t len);

typedef struct Attribute
{
	const char *oid;
	int			tag;			/* V_ASN1_UTF8STRING ... */
	unsigned char bytes[128];
	size_t		len;
	bool		joined;			/* of the same RDN as the one before */
} Attribute;

typedef struct Name
{
	Attribute	attributes[6];
	size_t		n;
} Name;

typedef struct Key
{
	const char *name;			/* of its kind and strength: "EC-P256" */
	EVP_PKEY   *key;
	const char *digest;			/* NULL for those that bring their own */
} Key;

/* A subjectAltName of the kinds that a clause can ask for. */
typedef struct San
{
	const char *type;
	unsigned char bytes[128];
	size_t		len;
} San;

/* What was put into a certificate, and the certificate. */
typedef struct Made
{
	Name		subject;
	Name		issuer;
	const char *serial;			/* hex, "-" in front if negative */
	int64_t		not_before;
	int64_t		not_after;
	bool		not_before_is_time;
	bool		not_after_is_time;
	const Key  *key;
	const Key  *signer;
	const char *digest;			/* of the signature, or the signer's kind */
	Bytes		extensions;		/* as lines to print */
	bool		trusted;		/* itself in ssl_ca_file */
	X509	   *cert;

	/* what a policy could ask for */
	San			sans[8];
	size_t		n_sans;
	const char *ekus[8];
	size_t		n_ekus;
	const char *oids[8];
	size_t		n_oids;
} Made;

typedef struct Chain
{
	Made		certs[MAX_CHAIN];	/* the leaf first */
	int			n;
} Chain;

extern void make_keys(void);
extern void free_keys(void);

extern void make_chain(Chain *chain);
extern void free_chain(Chain *chain);
extern void print_chain(const Chain *chain, bool chain_is_known);

/* One extension each, told and kept in what was made. */
extern void add_sans(Made *made);
extern void add_ekus(Made *made);
extern void add_policies(Made *made);

/* The characters of an attribute in UTF-8. */
extern void attribute_text(const Attribute *attribute, Bytes *text);
extern void key_sha256(const Made *made, unsigned char hash[32]);
extern void cert_sha256(const Made *made, unsigned char hash[32]);

/* The text ends with a NUL that len does not count. */
extern void make_policy(const Chain *chain, const char *role, Bytes *text);

#endif							/* PGCERT_TEST_RANDOM_H */
