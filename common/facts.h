/*
 * facts.h
 *		What is true of a connection and of the certificate it came with.
 *
 * Bytes become facts here, once; everything behind this point decides from
 * plain values.  A fact is present or it is not: what is malformed or
 * ambiguous is its own state, so that no clause can mistake it for either.
 */
#ifndef PGCERT_FACTS_H
#define PGCERT_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#define PGCERT_SHA256_LEN 32

/* How the connection is protected, and whether a certificate came along. */
typedef enum PgcertLink
{
	PGCERT_LINK_PLAIN,			/* neither TLS nor GSS */
	PGCERT_LINK_GSS,			/* GSSAPI encryption carries no certificate */
	PGCERT_LINK_TLS,
} PgcertLink;

typedef enum PgcertState
{
	PGCERT_UNKNOWN_FACT,		/* nobody could look (a client without CAs) */
	PGCERT_ABSENT,
	PGCERT_PRESENT,
	PGCERT_MALFORMED,			/* does not decode, or has an embedded NUL */
	PGCERT_AMBIGUOUS,			/* two of what must be one */
} PgcertState;

typedef enum PgcertSanType
{
	PGCERT_SAN_DNS,
	PGCERT_SAN_EMAIL,
	PGCERT_SAN_URI,
	PGCERT_SAN_IP,				/* 4 or 16 bytes */
	PGCERT_SAN_UPN,				/* Microsoft's otherName, UTF-8 */
	PGCERT_SAN_OTHER,			/* any other kind: kept for display only */
} PgcertSanType;

typedef struct PgcertSan
{
	PgcertSanType type;
	unsigned char *value;		/* UTF-8 or an address; NUL-terminated too */
	size_t		len;
} PgcertSan;

/* One CA of the verified chain, the leaf's issuer first, the anchor last. */
typedef struct PgcertCa
{
	X509	   *certificate;
	bool		trusted;		/* itself in ssl_ca_file, byte for byte */
} PgcertCa;

typedef struct PgcertFacts
{
	/* the connection */
	PgcertLink	link;
	int			tls_version;	/* TLS1_2_VERSION ...; 0 if not known */

	/* the leaf; nothing below counts unless has_certificate */
	bool		has_certificate;
	X509	   *certificate;	/* for its names and hashes, which few ask for */
	PgcertState subject_state;	/* empty: absent */
	PgcertState issuer_state;
	PgcertState cn_state;
	char	   *cn;				/* UTF-8 */
	size_t		cn_len;
	PgcertState san_state;		/* of the whole extension */
	PgcertSan  *sans;
	size_t		n_sans;
	PgcertState eku_state;
	char	  **ekus;			/* dotted OIDs */
	size_t		n_ekus;
	PgcertState policy_state;
	char	  **policy_oids;	/* dotted OIDs */
	size_t		n_policy_oids;
	PgcertState serial_state;	/* negative or empty: malformed */
	unsigned char *serial;		/* big-endian, no leading zero bytes */
	size_t		serial_len;
	const char *key_type;		/* "RSA", "RSA-PSS", "EC", "Ed25519", "Ed448",
								 * or NULL for any other */
	PgcertState validity_state;
	int64_t		not_before;		/* seconds since 1970, UTC */
	int64_t		not_after;

	/* the chain */
	PgcertState chain_state;	/* UNKNOWN_FACT or PRESENT */
	PgcertCa   *cas;
	size_t		n_cas;
	int			security_bits;	/* weakest key or signature of the leaf and
								 * the chain, the anchor's own signature
								 * apart; 0 if it cannot be told */
} PgcertFacts;

/*
 * Facts of a connection that brought no certificate.  NULL only when memory
 * is out.  Free with pgcert_facts_free(), which takes NULL.
 */
extern PgcertFacts *pgcert_facts_new(PgcertLink link, int tls_version);

/*
 * Adds the certificate, once.  chain is the verified chain as OpenSSL gives
 * it, leaf first, with trusted[i] telling whether chain element i is itself
 * in ssl_ca_file (trusted[0] is ignored); both are NULL where the chain is
 * not known.  The certificates are kept, with a reference each, and must not
 * be changed any more.  False on an OpenSSL error or when memory is out: the
 * facts must then not be used.
 */
extern bool pgcert_facts_set_certificate(PgcertFacts *facts, X509 *leaf,
										 STACK_OF(X509) *chain,
										 const bool *trusted);

extern void pgcert_facts_free(PgcertFacts *facts);

/* Parts of the above that others need of a single certificate. */

/*
 * SHA-256 of the DER SubjectPublicKeyInfo, as RFC 7469 computes a pin, and of
 * the whole certificate.  False when memory is out.
 */
typedef bool PgcertHash (X509 *cert, unsigned char digest[PGCERT_SHA256_LEN]);
extern PgcertHash pgcert_key_sha256;
extern PgcertHash pgcert_cert_sha256;

/* Seconds since 1970; false if the time is malformed. */
extern bool pgcert_time_seconds(const ASN1_TIME *time, int64_t *seconds);

/* "RSA", "RSA-PSS", "EC", "Ed25519", "Ed448", or NULL. */
extern const char *pgcert_key_type(X509 *cert);

/* OpenSSL's security bits of the key, of the signature; 0 if not known. */
extern int	pgcert_key_security_bits(X509 *cert);
extern int	pgcert_signature_security_bits(X509 *cert);

/* "DNS", "email", "URI", "IP", "UPN", "other". */
extern const char *pgcert_san_type_name(PgcertSanType type);

/* "DNS:a.example", "IP:10.0.0.1" ..., escaped; the caller frees it. */
extern char *pgcert_san_text(const PgcertSan *san);

#endif							/* PGCERT_FACTS_H */
