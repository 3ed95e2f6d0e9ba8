/*
 * bundle.h
 *		What is held locally, once read: identities, CA certificates, and the
 *		files that are neither.
 *
 * Nothing in a bundle changes after pgcs_bundle_load(), so threads may share
 * it; only the count of its holders does.
 */
#ifndef PGCS_BUNDLE_H
#define PGCS_BUNDLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "facts.h"
#include "pgcertsel.h"
#include "reason.h"
#include "selector.h"
#include "source_file.h"

/* A certificate file with its key: what sslcert and sslkey could name. */
struct pgcs_identity
{
	char	   *cert_path;
	char	   *key_path;
	char	   *key_shown;		/* without the PIN of an engine's key, if that
								 * has one; else NULL */
	char	   *password;		/* NULL if none is needed or known */
	bool		key_encrypted;
	bool		key_verified;	/* opened, and belongs to the certificate */
	bool		key_by_engine;
	bool		completed;		/* cert_path is still to be written */
	char	   *pkcs12_path;	/* of what key_path is to be made; or NULL */
	PgcsStamp	pkcs12_stamp;
	PgcsStamp	cert_stamp;
	PgcsStamp	key_stamp;

	X509	   *leaf;
	STACK_OF(X509) *extra;		/* the rest of the file */
	PgcertFacts *facts;			/* of the leaf alone */
	char	   *subject;
	char	   *issuer;
	char	   *sans;
	char		fingerprint[2 * PGCERT_SHA256_LEN + 1];
	PgcsReasons reasons;
};

/* A CA's certificate met somewhere: it may be the one that is missing. */
typedef struct PgcsLocalCa
{
	X509	   *cert;
	char	   *path;
} PgcsLocalCa;

struct pgcs_bundle
{
	atomic_size_t holders;
	pgcs_identity **identities;
	size_t		n_identities;
	PgcsLocalCa *cas;
	size_t		n_cas;
	PgcsReasons problems;
	X509_STORE *roots;			/* libpq's root file, or NULL */
	int			security_level; /* of the OpenSSL here, as libpq will use it */
};

/* Files that are waiting to be paired. */
typedef struct PgcsPool
{
	PgcsFile  **files;
	size_t		n;
	size_t		size;
} PgcsPool;

/* identity.c */

/*
 * Makes an identity of a certificate file and a key.  Certificates are taken
 * from the file, which keeps nothing of them.  NULL when memory is out.
 */
extern pgcs_identity *pgcs_identity_new(PgcsFile *cert, const char *key_path);
extern void pgcs_identity_free(pgcs_identity *identity);

/* Another holder of the same certificates, under another path. */
extern pgcs_identity *pgcs_identity_copy(const pgcs_identity *identity,
										 const char *cert_path);

/* The key's file was read: is it this certificate's, and may libpq read it? */
extern void pgcs_identity_set_key(pgcs_identity *identity, const PgcsFile *key,
								  const char *password, bool prompt_allowed);

/* The key is "engine:id": only libpq can tell. */
extern void pgcs_identity_set_engine_key(pgcs_identity *identity);

/*
 * Would libpq's SSL_CTX take the certificate and its chain, and libpq's
 * buffers the paths?  ctx is only a tool.
 */
extern void pgcs_identity_check(pgcs_identity *identity, SSL_CTX *ctx);

/* pairing.c */

/*
 * Finds each certificate its key by public key: the same stem first, the
 * others only if that fails.  False when memory is out.
 */
extern bool pgcs_pair_pool(pgcs_selector *sel, pgcs_bundle *bundle, PgcsPool *pool);

/* complete.c */

/*
 * Adds to the bundle, for each identity whose chain can be completed with
 * what else is held, one with the completed chain.  False: no memory.
 */
extern bool pgcs_complete_chains(pgcs_bundle *bundle, const char *directory);

/*
 * Writes the completed chain, unless it is there already.  False with a
 * reason added.
 */
extern bool pgcs_write_chain(const pgcs_identity *identity, PgcsReasons *reasons);

/* bundle.c */

/* Keeps a certificate if it is a CA's, wherever it was met.  False: no memory. */
extern bool pgcs_bundle_keep_ca(pgcs_bundle *bundle, X509 *cert, const char *path);

/* The bundle takes the identity; on failure it is freed. */
extern bool pgcs_bundle_add_identity(pgcs_bundle *bundle, pgcs_identity *identity);

#endif							/* PGCS_BUNDLE_H */
