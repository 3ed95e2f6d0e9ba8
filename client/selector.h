/*
 * selector.h
 *		What a selector holds: sources, settings, and the last error.
 */
#ifndef PGCS_SELECTOR_H
#define PGCS_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "buf.h"
#include "pgcertsel.h"
#include "policy.h"

/* A server may take this long unless somebody says otherwise. */
#define PGCS_DEFAULT_TIMEOUT_MS 10000

typedef enum PgcsSourceKind
{
	PGCS_SOURCE_DIRECTORY,
	PGCS_SOURCE_FILE,
	PGCS_SOURCE_PAIR,
} PgcsSourceKind;

/* Paths are absolute, except that an engine key is kept as it was given. */
typedef struct PgcsSource
{
	PgcsSourceKind kind;
	char	   *path;			/* directory, file, or certificate */
	char	   *key;			/* of a pair; NULL: to be found */
	char	   *password;		/* of a pair; or NULL */
} PgcsSource;

typedef struct PgcsKeyPassword
{
	char	   *key;			/* absolute path; NULL for every other key */
	char	   *password;
} PgcsKeyPassword;

struct pgcs_selector
{
	PgcsSource *sources;
	size_t		n_sources;
	PgcsKeyPassword *passwords;
	size_t		n_passwords;
	char	   *user;
	PgcertPolicy **policies;
	size_t		n_policies;
	char	   *root_file;		/* absolute path, "system", or NULL */
	char	   *chain_directory;	/* absolute path, or NULL */
	char	   *unpack_directory;	/* the same */
	int			max_tls_version;	/* 0: whatever there is */
	bool		strict;
	bool		prompt_allowed;
	int			timeout_ms;		/* 0 if not set */
	SSL_CTX    *context;		/* NULL until it is needed */

	int			error_code;
	char	   *error;			/* NULL: none, or no memory for it */
};

/* Sets the error; returns code, so that callers can return it on. */
extern int	pgcs_fail(pgcs_selector *sel, int code, const char *format,...) PGCERT_PRINTF(3, 4);
extern int	pgcs_fail_memory(pgcs_selector *sel);
extern void pgcs_clear_error(pgcs_selector *sel);

/*
 * A new SSL to try certificates and keys in, as libpq makes one of its own for
 * them.  The context behind it is kept: to make one takes longer than all the
 * rest.  The caller frees it; NULL if memory is out.
 */
extern SSL *pgcs_selector_ssl(pgcs_selector *sel);

/* The password for a key file, or NULL. */
extern const char *pgcs_selector_password(const pgcs_selector *sel, const char *key);

/* Adds a pair whose paths are absolute already. */
extern int	pgcs_add_source(pgcs_selector *sel, PgcsSourceKind kind,
							const char *path, const char *key,
							const char *password);

/* Wipes, then frees. */
extern void pgcs_secret_free(char *secret);

/*
 * The path made absolute, links left alone; "" becomes an error.  The caller
 * frees it; NULL with the error set.
 */
extern char *pgcs_absolute_path(pgcs_selector *sel, const char *path);

/* A stranger's bytes, escaped for a message; the caller frees it. */
extern char *pgcs_printable(const char *bytes);

#endif							/* PGCS_SELECTOR_H */
