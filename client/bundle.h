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
#include "name_index.h"
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
	bool		unpaired;		/* its key was not found yet; never in a
								 * bundle that is ready */
	PgcsStamp	cert_stamp;
	PgcsStamp	key_stamp;
	atomic_bool loads;			/* with these stamps, as libpq loads it */

	X509	   *leaf;
	STACK_OF(X509) *extra;		/* the rest of the file */
	STACK_OF(X509) *sent;		/* what libpq will send, leaf first */
	STACK_OF(X509) *reached;	/* those of them that issuer names lead to;
								 * borrowed */
	PgcertFacts *facts;			/* of the leaf alone */
	int			security_bits;	/* of its key */
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
	size_t		number;			/* in the order of meeting */
} PgcsLocalCa;

struct pgcs_bundle
{
	atomic_size_t holders;
	pgcs_identity **identities;
	size_t		n_identities;
	PgcsNameIndex by_issuer;	/* identities, by every issuer of a chain */
	PgcsLocalCa *cas;			/* each once, in the order of their paths */
	size_t		n_cas;
	PgcsNameIndex cas_by_subject;
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
	bool		trusts_shown;	/* keys need not be opened that show their
								 * public key */
	bool		keep_unpaired;	/* a certificate without a key becomes an
								 * identity all the same */
} PgcsPool;

/* pool.c: all are false when memory is out. */

/*
 * Reads a file into the pool, and keeps the CAs that are met; PKCS#12 files
 * become identities at once.  password is that of its key, or NULL for the
 * selector's.
 */
extern bool pgcs_pool_add(const pgcs_selector *sel, PgcsPool *pool,
						  pgcs_bundle *bundle, const char *path,
						  bool explicit_source, const char *password);
extern bool pgcs_pool_add_directory(const pgcs_selector *sel, PgcsPool *pool,
									pgcs_bundle *bundle, const char *directory);
extern bool pgcs_pool_add_certificate(const pgcs_selector *sel, PgcsPool *pool,
									  pgcs_bundle *bundle,
									  const PgcsSource *source);
extern void pgcs_pool_free(PgcsPool *pool);

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
 * Would libpq's OpenSSL take the certificate and its chain, and libpq's
 * buffers the paths?  ssl is only a tool.
 */
extern void pgcs_identity_check(pgcs_identity *identity, SSL *ssl);

/* pairing.c */

/*
 * Finds each certificate its key by public key: the same stem first, the
 * others only if that fails.  False when memory is out.
 */
extern bool pgcs_pair_pool(pgcs_selector *sel, pgcs_bundle *bundle, PgcsPool *pool);

/* "dir/client1" of "dir/client1.crt"; and have two paths the same? */
extern size_t pgcs_stem_len(const char *path);
extern bool pgcs_same_stem(const char *a, const char *b);

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

/* The bundle takes the identity; on failure it is freed. */
extern bool pgcs_bundle_add_identity(pgcs_bundle *bundle, pgcs_identity *identity);

/* Keeps a certificate if it is a CA's; those of a file, wherever it was met. */
extern bool pgcs_bundle_keep_ca(pgcs_bundle *bundle, X509 *cert, const char *path);
extern bool pgcs_bundle_keep_cas(pgcs_bundle *bundle, const PgcsFile *file);

/*
 * To be called once all are kept: of one that was met in several files, the
 * first stays.
 */
extern bool pgcs_bundle_sort_cas(pgcs_bundle *bundle);

/* The CAs held locally that have this name: as pgcs_name_index_next(). */
extern const PgcsLocalCa *pgcs_bundle_next_ca(const pgcs_bundle *bundle,
											  const X509_NAME *name,
											  unsigned long hash,
											  size_t *position);

#endif							/* PGCS_BUNDLE_H */
