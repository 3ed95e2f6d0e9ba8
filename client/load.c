/*
 * load.c
 *		Opens the choice exactly as libpq will.
 *
 * The calls are those of pgtls_open_client() and initialize_SSL(), in their
 * order.  What differs: nobody is ever asked for a password, and the
 * certificate goes to an SSL, not to an SSL_CTX of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "choice.h"
#include "selector.h"
#include "unpack.h"

/*
 * A file system's clock ticks every few milliseconds, or seconds; two changes
 * within one tick look alike.
 */
#define LONGEST_TICK 3			/* seconds */

/* As libpq's callback, but without a prompt behind it. */
static int
password_callback(char *buf, int size, int rwflag, void *arg)
{
	const char *password = arg;
	size_t		len;

	(void) rwflag;
	if (password == NULL || size <= 0)
		return -1;
	len = strlen(password);
	if (len > (size_t) size - 1)
		len = (size_t) size - 1;
	memcpy(buf, password, len);
	buf[len] = '\0';
	return (int) len;
}

static PgcsLoad
refuse(pgcs_candidate *candidate, const char *code, const char *path,
	   const char *what)
{
	char		words[128];

	pgcs_openssl_words(words, sizeof(words), &candidate->reasons.failed);
	pgcs_reasons_add(&candidate->reasons, PGCS_FATAL, code, path, "%s: %s",
					 what, words);
	return PGCS_LOAD_REFUSED;
}

static PgcsLoad
load_key(pgcs_candidate *candidate, SSL *ssl)
{
	const pgcs_identity *identity = candidate->identity;
	struct stat st;
	PgcsStamp	stamp;

	if (stat(identity->key_path, &st) != 0)
	{
		pgcs_file_errno(&candidate->reasons, PGCS_FATAL, identity->key_path, errno);
		return PGCS_LOAD_REFUSED;
	}
	if (!S_ISREG(st.st_mode))
	{
		pgcs_reasons_add(&candidate->reasons, PGCS_FATAL, "file-special",
						 identity->key_path, "is not a regular file any more");
		return PGCS_LOAD_REFUSED;
	}
	pgcs_stamp_set(&stamp, &st);
	if (identity->pkcs12_path == NULL &&
		!pgcs_stamp_equal(&stamp, &identity->key_stamp))
		return PGCS_LOAD_CHANGED;
	if (!pgcs_check_key_mode(&candidate->reasons, identity->key_path,
							 st.st_mode, st.st_uid))
		return PGCS_LOAD_REFUSED;

	/* its password will be asked for, but not by us */
	if (identity->key_encrypted && identity->password == NULL)
		return PGCS_LOAD_DONE;

	if (SSL_use_PrivateKey_file(ssl, identity->key_path, SSL_FILETYPE_PEM) != 1)
	{
		char		words[128];

		pgcs_openssl_words(words, sizeof(words), &candidate->reasons.failed);
		if (SSL_use_PrivateKey_file(ssl, identity->key_path, SSL_FILETYPE_ASN1) != 1)
		{
			ERR_clear_error();
			pgcs_reasons_add(&candidate->reasons, PGCS_FATAL, "key-unusable",
							 identity->key_path, "libpq cannot load the key: %s",
							 words);
			return PGCS_LOAD_REFUSED;
		}
	}
	pgcs_openssl_forget(&candidate->reasons.failed);
	if (SSL_check_private_key(ssl) != 1)
		return refuse(candidate, "key-mismatch", identity->key_path,
					  "key does not belong to the certificate");
	return PGCS_LOAD_DONE;
}

static bool
read_stamp(const char *path, PgcsStamp *stamp)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	pgcs_stamp_set(stamp, &st);
	return true;
}

/* Is it there, but not the one that was judged? */
static bool
was_replaced(const char *path, const PgcsStamp *judged)
{
	PgcsStamp	stamp;

	return read_stamp(path, &stamp) && S_ISREG(stamp.mode) &&
		!pgcs_stamp_equal(&stamp, judged);
}

/*
 * What does not go together may have been replaced between one look and the
 * next, certificate first, key later.
 */
bool
pgcs_files_changed(const pgcs_identity *identity)
{
	if (identity->pkcs12_path != NULL)
		return was_replaced(identity->pkcs12_path, &identity->pkcs12_stamp);
	return (!identity->completed &&
			was_replaced(identity->cert_path, &identity->cert_stamp)) ||
		(!identity->key_by_engine &&
		 was_replaced(identity->key_path, &identity->key_stamp));
}

static bool
has_stamp(const char *path, const PgcsStamp *judged)
{
	PgcsStamp	stamp;

	return read_stamp(path, &stamp) && pgcs_stamp_equal(&stamp, judged);
}

/* Are its files those that were judged, and not about to be made anew? */
static bool
is_untouched(const pgcs_identity *identity)
{
	return identity->pkcs12_path == NULL && !identity->completed &&
		has_stamp(identity->cert_path, &identity->cert_stamp) &&
		(identity->key_by_engine ||
		 has_stamp(identity->key_path, &identity->key_stamp));
}

/*
 * Remembers that it could be loaded, if it will be seen should that change:
 * its files are as they were judged, and have been for longer than a tick.
 */
static void
remember_loading(const pgcs_identity *identity, time_t began)
{
	if (is_untouched(identity) &&
		identity->cert_stamp.ctime.tv_sec + LONGEST_TICK < began &&
		(identity->key_by_engine ||
		 identity->key_stamp.ctime.tv_sec + LONGEST_TICK < began))
		atomic_store(&((pgcs_identity *) identity)->loads, true);
}

PgcsLoad
pgcs_load_candidate(pgcs_selector *sel, pgcs_candidate *candidate)
{
	const pgcs_identity *identity = candidate->identity;
	time_t		began = time(NULL);
	SSL		   *ssl;
	struct stat st;
	PgcsLoad	result = PGCS_LOAD_NO_MEMORY;

	if (atomic_load(&identity->loads) && is_untouched(identity))
		return PGCS_LOAD_DONE;
	ERR_clear_error();
	ssl = pgcs_selector_ssl(sel);
	if (ssl == NULL)
		goto out;
	SSL_set_default_passwd_cb(ssl, password_callback);
	SSL_set_default_passwd_cb_userdata(ssl, identity->password);

	if (identity->pkcs12_path != NULL)
	{
		result = pgcs_write_unpacked(identity, &candidate->reasons);
		if (result != PGCS_LOAD_DONE)
			goto out;
		result = PGCS_LOAD_NO_MEMORY;
	}
	if (identity->completed &&
		!pgcs_write_chain(identity, &candidate->reasons))
	{
		result = PGCS_LOAD_REFUSED;
		goto out;
	}
	if (stat(identity->cert_path, &st) != 0)
	{
		pgcs_file_errno(&candidate->reasons, PGCS_FATAL, identity->cert_path, errno);
		result = PGCS_LOAD_REFUSED;
		goto out;
	}
	if (!S_ISREG(st.st_mode))
	{
		pgcs_reasons_add(&candidate->reasons, PGCS_FATAL, "file-special",
						 identity->cert_path, "is not a regular file any more");
		result = PGCS_LOAD_REFUSED;
		goto out;
	}
	if (SSL_use_certificate_chain_file(ssl, identity->cert_path) != 1)
	{
		result = refuse(candidate, "libpq-refuses", identity->cert_path,
						"libpq cannot load the certificate");
		goto out;
	}
	if (X509_cmp(SSL_get_certificate(ssl), identity->leaf) != 0)
	{
		result = PGCS_LOAD_CHANGED;
		goto out;
	}
	result = identity->key_by_engine ? PGCS_LOAD_DONE : load_key(candidate, ssl);
out:
	if (result == PGCS_LOAD_REFUSED && pgcs_files_changed(identity))
		result = PGCS_LOAD_CHANGED;
	if (result == PGCS_LOAD_DONE)
		remember_loading(identity, began);
	SSL_free(ssl);
	ERR_clear_error();
	return result;
}

int
pgcs_choice_load(pgcs_selector *sel, pgcs_choice *choice)
{
	pgcs_clear_error(sel);
	while (choice->status == PGCS_FOUND)
	{
		pgcs_candidate *candidate = choice->winner;

		PgcsLoad	load = pgcs_load_candidate(sel, candidate);

		if (candidate->reasons.failed)
			return pgcs_fail_memory(sel);
		switch (load)
		{
			case PGCS_LOAD_DONE:
				return PGCS_OK;
			case PGCS_LOAD_NO_MEMORY:
				return pgcs_fail_memory(sel);
			case PGCS_LOAD_CHANGED:
				pgcs_reasons_add(&candidate->reasons, PGCS_FATAL, "changed",
								 candidate->identity->cert_path,
								 "certificate or key changed while it was being chosen");
				pgcs_candidate_conclude(candidate);
				if (!pgcs_choice_decide(sel, choice))
					return pgcs_fail_memory(sel);
				return pgcs_fail(sel, PGCS_CHANGED,
								 "certificate or key changed while it was being chosen");
			case PGCS_LOAD_REFUSED:
				pgcs_candidate_conclude(candidate);
				if (!pgcs_choice_decide(sel, choice))
					return pgcs_fail_memory(sel);
				break;
		}
	}
	return PGCS_OK;
}
