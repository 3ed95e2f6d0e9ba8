/*
 * source_file.h
 *		One file of a bundle: its bytes read with care, and what OpenSSL finds
 *		in them.
 */
#ifndef PGCS_SOURCE_FILE_H
#define PGCS_SOURCE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <sys/stat.h>
#include <sys/types.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "facts.h"
#include "reason.h"

/* No certificate or key is larger; a directory may hold anything. */
#define PGCS_MAX_FILE_SIZE (1024 * 1024)

/* A server's CA file may hold every CA of the world. */
#define PGCS_MAX_CA_FILE_SIZE (16 * 1024 * 1024)

/* libpq copies paths into buffers of MAXPGPATH bytes, cutting silently. */
#define PGCS_MAX_PATH_LEN 1023

/* Tells whether a file is still the one that was read. */
typedef struct PgcsStamp
{
	dev_t		dev;
	ino_t		ino;
	off_t		size;
	struct timespec mtime;
	struct timespec ctime;
	mode_t		mode;
	uid_t		uid;
} PgcsStamp;

typedef enum PgcsKeyState
{
	PGCS_KEY_NONE,				/* the file has none */
	PGCS_KEY_UNREAD,			/* it has one, not opened yet */
	PGCS_KEY_OPENED,			/* public_sha256 is set */
	PGCS_KEY_NO_PASSWORD,		/* encrypted, password not known */
	PGCS_KEY_WRONG_PASSWORD,
	PGCS_KEY_BROKEN,
} PgcsKeyState;

typedef struct PgcsFile
{
	char	   *path;
	PgcsStamp	stamp;
	bool		explicit_source;	/* named by the caller, not met in a
									 * directory */
	const char *password;		/* of its key, or NULL; the selector's */

	/* certificates, as SSL_CTX_use_certificate_chain_file() reads them */
	X509	   *leaf;			/* NULL if there is none */
	STACK_OF(X509) *extra;

	bool		is_pkcs12;		/* it has to be unpacked */

	/* the key; data is kept, wiped later, until pairing is over */
	PgcsKeyState key_state;
	bool		key_encrypted;
	unsigned char *data;
	size_t		data_len;
	unsigned char public_sha256[PGCERT_SHA256_LEN];
	bool		key_shown;		/* public_sha256 is set, unless it turns out
								 * otherwise once the key is opened */
	bool		key_used;		/* some certificate has it */

	PgcsReasons reasons;		/* why it cannot be used; moved on later */
} PgcsFile;

/*
 * Reads a file.  Never NULL unless memory is out; what is wrong with the file
 * is in its reasons.  Only regular files are opened.
 */
extern PgcsFile *pgcs_file_read(const char *path, bool explicit_source);
extern void pgcs_file_free(PgcsFile *file);

/* Wipes the bytes: no key is opened after this. */
extern void pgcs_file_forget(PgcsFile *file);

/*
 * Opens the key as libpq does, PEM first, then DER, and keeps the hash of its
 * public key.  Again with another password if it was not opened before.
 */
extern void pgcs_file_open_key(PgcsFile *file, const char *password);

/*
 * The hash that the above makes, of a certificate's public key; and that of
 * the public key as the certificate has it, which costs a hundredth of it and
 * is nearly always the same.
 */
extern bool pgcs_public_sha256(X509 *cert, unsigned char digest[PGCERT_SHA256_LEN]);
extern bool pgcs_shown_sha256(X509 *cert, unsigned char digest[PGCERT_SHA256_LEN]);

/* Is either of them this one? */
extern bool pgcs_has_public_key(X509 *cert, const unsigned char digest[PGCERT_SHA256_LEN]);

/* libpq's rule for the mode of a key file; adds key-mode if it fails. */
extern bool pgcs_check_key_mode(PgcsReasons *reasons, const char *path,
								mode_t mode, uid_t uid);

/* Adds the reason that a path cannot be opened, by errno. */
extern void pgcs_file_errno(PgcsReasons *reasons, pgcs_severity severity,
							const char *path, int error);

/*
 * Reads a regular file of at most max bytes, never blocking.  The caller
 * frees *data, which is NUL-terminated.  False with a reason added.
 */
extern bool pgcs_read_bytes(const char *path, size_t max,
							pgcs_severity severity, unsigned char **data,
							size_t *len, PgcsStamp *stamp,
							PgcsReasons *reasons);

extern bool pgcs_stamp_equal(const PgcsStamp *a, const PgcsStamp *b);
extern void pgcs_stamp_set(PgcsStamp *stamp, const struct stat *st);

/*
 * Clears OpenSSL's errors; if one of them was that memory is out, sets
 * *no_memory, so that a lack of memory is not taken for a broken file.
 */
extern void pgcs_openssl_forget(bool *no_memory);

/* The words of OpenSSL's last error; then clears them like the above. */
extern void pgcs_openssl_words(char *words, size_t size, bool *no_memory);

#endif							/* PGCS_SOURCE_FILE_H */
