/*
 * pairing.c
 *		Which key belongs to which certificate.
 *
 * The public key decides, never the name: a file of the same stem is merely
 * opened first, since opening a key costs more than all the rest.  Keys that
 * nobody asked for stay closed.  Where it is about one choice, what keys show
 * of themselves is trusted: the winner's is opened before it is used.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "bundle.h"

size_t
pgcs_stem_len(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(path, '.');

	return dot != NULL && (slash == NULL || dot > slash + 1)
		? (size_t) (dot - path) : strlen(path);
}

bool
pgcs_same_stem(const char *a, const char *b)
{
	size_t		len = pgcs_stem_len(a);

	return len == pgcs_stem_len(b) && memcmp(a, b, len) == 0;
}

typedef struct Digest
{
	unsigned char bytes[PGCERT_SHA256_LEN];
} Digest;

/* The public keys of a pool. */
typedef struct KeyIndex
{
	bool		made;			/* when first needed: */
	PgcsFile  **keys;			/* every key, opened and sorted */
	size_t		n;
	Digest	   *certs;			/* those of the certificates, if what keys
								 * show is trusted */
	size_t		n_certs;
} KeyIndex;

static int
compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(Digest));
}

static bool
find_certs(const PgcsPool *pool, KeyIndex *index)
{
	index->certs = calloc(pool->n, sizeof(*index->certs));
	if (index->certs == NULL)
		return false;
	for (size_t i = 0; i < pool->n; i++)
		if (pool->files[i]->leaf != NULL &&
			pgcs_shown_sha256(pool->files[i]->leaf, index->certs[index->n_certs].bytes))
			index->n_certs++;
	if (index->n_certs > 0)
		qsort(index->certs, index->n_certs, sizeof(*index->certs), compare_digests);
	return true;
}

/*
 * Which certificate's a key is can mostly be seen without opening it, in a
 * hundredth of the time.
 */
static void
open_key(const KeyIndex *index, PgcsFile *file)
{
	if (file->key_state != PGCS_KEY_UNREAD)
		return;
	if (file->key_shown && index->n_certs > 0 &&
		bsearch(file->public_sha256, index->certs, index->n_certs,
				sizeof(*index->certs), compare_digests) != NULL)
		file->key_state = PGCS_KEY_OPENED;
	else
		pgcs_file_open_key(file, file->password);
}

static bool
is_key_of(const PgcsFile *key, const unsigned char *digest)
{
	return key->key_state == PGCS_KEY_OPENED &&
		memcmp(key->public_sha256, digest, PGCERT_SHA256_LEN) == 0;
}

/* Would libpq take it, as far as its path and mode go? */
static bool
libpq_opens(const PgcsFile *key)
{
	PgcsReasons reasons = {0};
	bool		opens;

	opens = strchr(key->path, ':') == NULL &&
		strlen(key->path) <= PGCS_MAX_PATH_LEN &&
		pgcs_check_key_mode(&reasons, key->path, key->stamp.mode, key->stamp.uid);
	pgcs_reasons_free(&reasons);
	return opens;
}

/* Orders the opened keys by their public key, then by path. */
static int
compare_keys(const void *a, const void *b)
{
	const PgcsFile *x = *(PgcsFile *const *) a;
	const PgcsFile *y = *(PgcsFile *const *) b;
	int			order = memcmp(x->public_sha256, y->public_sha256,
							   PGCERT_SHA256_LEN);

	return order != 0 ? order : strcmp(x->path, y->path);
}

static int
compare_files(const void *a, const void *b)
{
	return strcmp((*(PgcsFile *const *) a)->path, (*(PgcsFile *const *) b)->path);
}

static bool
make_index(const PgcsPool *pool, KeyIndex *index)
{
	index->made = true;
	index->keys = calloc(pool->n, sizeof(*index->keys));
	if (index->keys == NULL)
		return false;
	for (size_t i = 0; i < pool->n; i++)
	{
		open_key(index, pool->files[i]);
		if (pool->files[i]->key_state == PGCS_KEY_OPENED)
			index->keys[index->n++] = pool->files[i];
	}
	if (index->n > 0)
		qsort(index->keys, index->n, sizeof(*index->keys), compare_keys);
	return true;
}

/* The key, in a file that libpq opens if there is one, best without a password. */
static PgcsFile *
index_find(const KeyIndex *index, const unsigned char *digest)
{
	PgcsFile   *found;
	size_t		low = 0;
	size_t		high = index->n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (memcmp(index->keys[middle]->public_sha256, digest,
				   PGCERT_SHA256_LEN) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == index->n || !is_key_of(index->keys[low], digest))
		return NULL;
	found = index->keys[low];
	for (; low < index->n && is_key_of(index->keys[low], digest); low++)
	{
		if (!libpq_opens(index->keys[low]))
			continue;
		if (!index->keys[low]->key_encrypted)
			return index->keys[low];
		if (!libpq_opens(found))
			found = index->keys[low];
	}
	return found;
}

/* A copy of a key that is in use is in use as well. */
static void
mark_copies(const KeyIndex *index)
{
	for (size_t i = 1; i < index->n; i++)
		if (index->keys[i - 1]->key_used &&
			is_key_of(index->keys[i], index->keys[i - 1]->public_sha256))
			index->keys[i]->key_used = true;
	for (size_t i = index->n; i > 1; i--)
		if (index->keys[i - 1]->key_used &&
			is_key_of(index->keys[i - 2], index->keys[i - 1]->public_sha256))
			index->keys[i - 2]->key_used = true;
}

/*
 * The files of the same stem lie side by side in a sorted pool, give or take
 * names such as "a-1.crt" between "a.crt" and "a.key"; a binary search for
 * the stem and a walk over those that begin with it finds them all.
 */
static PgcsFile *
find_by_stem(const PgcsPool *pool, const KeyIndex *index, PgcsFile *cert,
			 const unsigned char *digest, PgcsFile **closed)
{
	PgcsFile   *found = NULL;
	size_t		len = pgcs_stem_len(cert->path);
	size_t		low = 0;
	size_t		high = pool->n;

	/* in the certificate's own file, libpq has the least to mix up */
	open_key(index, cert);
	if (is_key_of(cert, digest))
	{
		if (libpq_opens(cert))
			return cert;
		found = cert;
	}
	if (cert->key_state == PGCS_KEY_NO_PASSWORD ||
		cert->key_state == PGCS_KEY_WRONG_PASSWORD)
		*closed = cert;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (strncmp(pool->files[middle]->path, cert->path, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < pool->n &&
		 strncmp(pool->files[low]->path, cert->path, len) == 0; low++)
	{
		PgcsFile   *file = pool->files[low];

		if (file == cert || file->key_state == PGCS_KEY_NONE ||
			!pgcs_same_stem(file->path, cert->path))
			continue;
		open_key(index, file);
		if (is_key_of(file, digest))
		{
			if (libpq_opens(file))
				return file;
			if (found == NULL)
				found = file;
		}
		if (file->key_state == PGCS_KEY_NO_PASSWORD ||
			file->key_state == PGCS_KEY_WRONG_PASSWORD)
			*closed = file;
	}
	return found;
}

/*
 * By the public key as the certificate has it, and, if that finds none, as
 * OpenSSL would write it.  False: no memory.
 */
static bool
find_key(const PgcsPool *pool, KeyIndex *index, PgcsFile *cert, PgcsFile **key,
		 PgcsFile **closed)
{
	bool		(*const digests[]) (X509 *, unsigned char *) = {
		pgcs_shown_sha256, pgcs_public_sha256,
	};

	for (int i = 0; i < 2 && *key == NULL; i++)
	{
		unsigned char digest[PGCERT_SHA256_LEN];
		PgcsFile   *other;

		if (!digests[i] (cert->leaf, digest))
			continue;
		*key = find_by_stem(pool, index, cert, digest, closed);
		if (*key != NULL && libpq_opens(*key))
			continue;
		if (!index->made && !make_index(pool, index))
			return false;
		other = index_find(index, digest);
		if (*key == NULL || (other != NULL && libpq_opens(other)))
			*key = other;
	}
	return true;
}

static bool
add_identity(pgcs_selector *sel, pgcs_bundle *bundle, PgcsFile *cert, PgcsFile *key)
{
	pgcs_identity *identity = pgcs_identity_new(cert, key->path);

	if (identity == NULL)
		return false;
	key->key_used = true;
	pgcs_identity_set_key(identity, key, key->password, sel->prompt_allowed);
	return pgcs_bundle_add_identity(bundle, identity);
}

/* One whose key may be among those that nobody has opened yet. */
static bool
add_unpaired(pgcs_bundle *bundle, PgcsFile *cert)
{
	pgcs_identity *identity = pgcs_identity_new(cert, "");

	if (identity == NULL)
		return false;
	identity->unpaired = true;
	return pgcs_bundle_add_identity(bundle, identity);
}

/*
 * A CA's certificate needs no key here, unless somebody's stands behind it; but
 * 3 is a self-signed one of version 1, which may be anybody's.
 */
static bool
needs_key(const PgcsFile *cert)
{
	int			kind = X509_check_ca(cert->leaf);

	for (int i = 0; i < sk_X509_num(cert->extra) && kind > 0 && kind != 3; i++)
		kind = X509_check_ca(sk_X509_value(cert->extra, i));
	return kind <= 0 || kind == 3;
}

/* Says of a certificate that no key was found for it. */
static void
report_no_key(pgcs_bundle *bundle, const PgcsPool *pool, const KeyIndex *index,
			  PgcsFile *cert)
{
	unsigned char digest[PGCERT_SHA256_LEN];

	for (int i = 0; i < sk_X509_num(cert->extra); i++)
	{
		PgcsFile   *key;

		if (!pgcs_public_sha256(sk_X509_value(cert->extra, i), digest))
			continue;
		key = index_find(index, digest);
		if (key == NULL)
			continue;
		key->key_used = true;
		pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "leaf-not-first",
						 cert->path,
						 "the certificate that has a key is number %d of the file, but libpq sends the first",
						 i + 2);
		pgcs_reasons_hint(&bundle->problems,
						  "write the file anew, own certificate first, then its issuers");
		return;
	}

	if (!needs_key(cert))
		return;

	/* a key of the same name that does not fit is worth a word of its own */
	for (size_t i = 0; i < pool->n; i++)
	{
		PgcsFile   *key = pool->files[i];

		if (key->key_state == PGCS_KEY_OPENED && pgcs_same_stem(key->path, cert->path))
		{
			char	   *name = pgcs_printable(key->path);

			if (name == NULL)
				bundle->problems.failed = true;
			else
				pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "key-mismatch",
								 cert->path,
								 "the key in %s belongs to another certificate, and no other key fits",
								 name);
			free(name);
			return;
		}
	}
	pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "no-key", cert->path,
					 "no key was found for this certificate");
}

/* Says of a key that no certificate has it. */
static void
report_unused_key(pgcs_bundle *bundle, PgcsFile *key)
{
	switch (key->key_state)
	{
		case PGCS_KEY_NO_PASSWORD:
			pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "key-encrypted",
							 key->path,
							 "key is encrypted, and no password is known for it");
			break;
		case PGCS_KEY_WRONG_PASSWORD:
			pgcs_reasons_add(&bundle->problems, PGCS_FATAL,
							 "key-password-wrong", key->path,
							 "key is encrypted, and the password given does not open it");
			break;
		case PGCS_KEY_BROKEN:
			pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "key-unusable",
							 key->path, "key cannot be decoded");
			break;
		default:
			pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "no-certificate",
							 key->path,
							 "no certificate was found for this key");
			break;
	}
}

bool
pgcs_pair_pool(pgcs_selector *sel, pgcs_bundle *bundle, PgcsPool *pool)
{
	KeyIndex	index = {0};
	PgcsFile  **unmatched = NULL;
	size_t		n_unmatched = 0;
	bool		ok = false;

	if (pool->n == 0)
		return true;
	qsort(pool->files, pool->n, sizeof(*pool->files), compare_files);
	unmatched = calloc(pool->n, sizeof(*unmatched));
	if (unmatched == NULL || (pool->trusts_shown && !find_certs(pool, &index)))
		goto out;

	for (size_t i = 0; i < pool->n; i++)
	{
		PgcsFile   *cert = pool->files[i];
		PgcsFile   *key = NULL;
		PgcsFile   *closed = NULL;

		if (cert->leaf == NULL)
			continue;
		if (!find_key(pool, &index, cert, &key, &closed))
			goto out;

		/* one of those that nobody opened yet may do better */
		if (pool->keep_unpaired && (key == NULL || !libpq_opens(key)))
		{
			if (!add_unpaired(bundle, cert))
				goto out;
			continue;
		}

		/* an encrypted key of the same name is the best guess that is left */
		if (key == NULL)
			key = closed;
		if (key == NULL)
			unmatched[n_unmatched++] = cert;
		else if (!add_identity(sel, bundle, cert, key))
			goto out;
	}

	/* What is left over needs words, and for these every key is opened. */
	if (!index.made && !make_index(pool, &index))
		goto out;
	for (size_t i = 0; i < n_unmatched; i++)
	{
		report_no_key(bundle, pool, &index, unmatched[i]);
		pgcs_reasons_move(&bundle->problems, &unmatched[i]->reasons);
	}
	mark_copies(&index);
	for (size_t i = 0; i < pool->n; i++)
	{
		PgcsFile   *file = pool->files[i];

		if (file->key_state != PGCS_KEY_NONE && !file->key_used &&
			file->leaf == NULL)
			report_unused_key(bundle, file);
		if (file->leaf == NULL)
			pgcs_reasons_move(&bundle->problems, &file->reasons);
	}
	ok = !bundle->problems.failed;
out:
	free(index.keys);
	free(index.certs);
	free(unmatched);
	return ok;
}
