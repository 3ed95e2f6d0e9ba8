/*
 * bundle.c
 *		Reads the sources of a selector into a bundle.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "bundle.h"
#include "choice.h"
#include "engine_key.h"
#include "source_scan.h"
#include "unpack.h"

pgcs_bundle *
pgcs_bundle_ref(pgcs_bundle *bundle)
{
	atomic_fetch_add(&bundle->holders, 1);
	return bundle;
}

void
pgcs_bundle_free(pgcs_bundle *bundle)
{
	if (bundle == NULL || atomic_fetch_sub(&bundle->holders, 1) > 1)
		return;
	for (size_t i = 0; i < bundle->n_identities; i++)
		pgcs_identity_free(bundle->identities[i]);
	free(bundle->identities);
	for (size_t i = 0; i < bundle->n_cas; i++)
	{
		X509_free(bundle->cas[i].cert);
		free(bundle->cas[i].path);
	}
	free(bundle->cas);
	pgcs_reasons_free(&bundle->problems);
	X509_STORE_free(bundle->roots);
	free(bundle);
}

bool
pgcs_bundle_add_identity(pgcs_bundle *bundle, pgcs_identity *identity)
{
	pgcs_identity **identities;

	identities = realloc(bundle->identities,
						 (bundle->n_identities + 1) * sizeof(*identities));
	if (identities == NULL)
	{
		pgcs_identity_free(identity);
		return false;
	}
	bundle->identities = identities;
	identities[bundle->n_identities++] = identity;
	return true;
}

bool
pgcs_bundle_keep_ca(pgcs_bundle *bundle, X509 *cert, const char *path)
{
	PgcsLocalCa *cas;
	char	   *copy;

	if (X509_check_ca(cert) <= 0)
	{
		ERR_clear_error();
		return true;
	}
	for (size_t i = 0; i < bundle->n_cas; i++)
		if (X509_cmp(bundle->cas[i].cert, cert) == 0)
			return true;
	cas = realloc(bundle->cas, (bundle->n_cas + 1) * sizeof(*cas));
	copy = strdup(path);
	if (cas != NULL)
		bundle->cas = cas;
	if (cas == NULL || copy == NULL)
	{
		free(copy);
		return false;
	}
	X509_up_ref(cert);
	cas[bundle->n_cas++] = (PgcsLocalCa) {cert, copy};
	return true;
}

static bool
keep_cas(pgcs_bundle *bundle, const PgcsFile *file)
{
	if (file->leaf != NULL && !pgcs_bundle_keep_ca(bundle, file->leaf, file->path))
		return false;
	for (int i = 0; i < sk_X509_num(file->extra); i++)
		if (!pgcs_bundle_keep_ca(bundle, sk_X509_value(file->extra, i), file->path))
			return false;
	return true;
}

/* ---------- sources ---------- */

static bool
pool_add(const pgcs_selector *sel, PgcsPool *pool, pgcs_bundle *bundle,
		 const char *path, bool explicit_source, const char *password)
{
	PgcsFile   *file;

	if (pool->n == pool->size)
	{
		size_t		size = pool->size == 0 ? 64 : pool->size * 2;
		PgcsFile  **files = realloc(pool->files, size * sizeof(*files));

		if (files == NULL)
			return false;
		pool->files = files;
		pool->size = size;
	}
	file = pgcs_file_read(path, explicit_source);
	if (file == NULL)
		return false;
	file->password = password != NULL ? password : pgcs_selector_password(sel, path);
	pool->files[pool->n++] = file;
	if (file->is_pkcs12 && !pgcs_unpack(sel, bundle, file))
		return false;
	if (file->key_state == PGCS_KEY_NONE)
		pgcs_file_forget(file);
	return !file->reasons.failed && keep_cas(bundle, file);
}

static bool
pool_add_directory(const pgcs_selector *sel, PgcsPool *pool, pgcs_bundle *bundle,
				   const char *directory)
{
	char	  **paths;
	size_t		n;
	bool		ok = true;

	if (!pgcs_scan_directory(directory, &paths, &n, &bundle->problems))
		return !bundle->problems.failed;
	for (size_t i = 0; i < n; i++)
	{
		ok = ok && pool_add(sel, pool, bundle, paths[i], false, NULL);
		free(paths[i]);
	}
	free(paths);
	return ok;
}

/*
 * A certificate without a named key joins the pool, and with it the file
 * "x.key" beside it, where its key most often is.
 */
static bool
pool_add_certificate(const pgcs_selector *sel, PgcsPool *pool,
					 pgcs_bundle *bundle, const PgcsSource *source)
{
	const char *path = source->path;
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(path, '.');
	size_t		len = dot != NULL && dot > slash + 1 ? (size_t) (dot - path)
		: strlen(path);
	char	   *key = malloc(len + sizeof(".key"));
	struct stat st;
	bool		ok;

	if (key == NULL)
		return false;
	memcpy(key, path, len);
	memcpy(key + len, ".key", sizeof(".key"));
	ok = pool_add(sel, pool, bundle, path, true, source->password);
	if (ok && strcmp(key, path) != 0 && stat(key, &st) == 0)
		ok = pool_add(sel, pool, bundle, key, true, source->password);
	free(key);
	return ok;
}

/* A PKCS#12 file brings its key along. */
static bool
add_pkcs12(const pgcs_selector *sel, pgcs_bundle *bundle, const PgcsFile *file,
		   const char *key)
{
	if (strcmp(key, file->path) == 0)
		return pgcs_unpack(sel, bundle, file);
	pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "pkcs12", file->path,
					 "PKCS#12 file, whose key is in it, but sslkey names another file");
	pgcs_reasons_hint(&bundle->problems, "name the file in sslkey, too, or leave that out");
	return !bundle->problems.failed;
}

/* Sources given as a pair belong together, whatever is wrong with them. */
static bool
add_pair(pgcs_selector *sel, pgcs_bundle *bundle, const PgcsSource *source)
{
	PgcsFile   *cert = pgcs_file_read(source->path, true);
	PgcsFile   *key = NULL;
	pgcs_identity *identity = NULL;
	const char *password = source->password;
	bool		ok = false;

	if (cert == NULL || cert->reasons.failed || !keep_cas(bundle, cert))
		goto out;
	if (password == NULL)
		password = pgcs_selector_password(sel, source->key);
	if (cert->is_pkcs12)
	{
		cert->password = password;
		ok = add_pkcs12(sel, bundle, cert, source->key);
		goto out;
	}
	if (cert->leaf == NULL)
	{
		if (cert->reasons.n == 0)
			pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "no-certificate",
							 cert->path,
							 "holds a key, but no certificate");
		pgcs_reasons_move(&bundle->problems, &cert->reasons);
		ok = true;
		goto out;
	}
	identity = pgcs_identity_new(cert, source->key);
	if (identity == NULL)
		goto out;
	if (pgcs_is_engine_key(source->key))
		pgcs_identity_set_engine_key(identity);
	else
	{
		key = pgcs_file_read(source->key, true);
		if (key == NULL || key->reasons.failed)
			goto out;
		if (key->key_state == PGCS_KEY_UNREAD)
			pgcs_file_open_key(key, password);
		pgcs_identity_set_key(identity, key, password, sel->prompt_allowed);
	}
	ok = pgcs_bundle_add_identity(bundle, identity);
	identity = NULL;
out:
	pgcs_identity_free(identity);
	pgcs_file_free(cert);
	pgcs_file_free(key);
	return ok;
}

/* ---------- libpq's root file ---------- */

/* What libpq completes a lone certificate from. */
static bool
load_roots(pgcs_selector *sel, pgcs_bundle *bundle)
{
	PgcsReasons reasons = {0};
	PgcsStamp	stamp;
	unsigned char *data = NULL;
	size_t		len = 0;
	STACK_OF(X509_INFO) *infos = NULL;
	BIO		   *bio = NULL;
	bool		ok = false;

	if (sel->root_file == NULL)
		return true;
	bundle->roots = X509_STORE_new();
	if (bundle->roots == NULL)
		goto out;
	if (strcmp(sel->root_file, "system") == 0)
	{
		ok = X509_STORE_set_default_paths(bundle->roots) == 1;
		goto out;
	}
	if (!pgcs_read_bytes(sel->root_file, PGCS_MAX_CA_FILE_SIZE, PGCS_NOTE,
						 &data, &len, &stamp, &reasons))
	{
		/* libpq goes without a file that is missing, and so do we */
		ok = !reasons.failed;
		if (!pgcs_reasons_have(&reasons, "file-missing"))
			pgcs_reasons_move(&bundle->problems, &reasons);
		goto out;
	}
	bio = BIO_new_mem_buf(data, (int) len);
	if (bio == NULL)
		goto out;
	infos = PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
	for (int i = 0; i < sk_X509_INFO_num(infos); i++)
	{
		X509	   *cert = sk_X509_INFO_value(infos, i)->x509;

		if (cert == NULL)
			continue;
		X509_STORE_add_cert(bundle->roots, cert);
		if (!pgcs_bundle_keep_ca(bundle, cert, sel->root_file))
			goto out;
	}
	ok = true;
out:
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	BIO_free(bio);
	free(data);
	pgcs_reasons_free(&reasons);
	ERR_clear_error();
	return ok;
}

/* ---------- the bundle ---------- */

static int
compare_identities(const void *a, const void *b)
{
	const pgcs_identity *x = *(pgcs_identity *const *) a;
	const pgcs_identity *y = *(pgcs_identity *const *) b;
	int			order = strcmp(x->cert_path, y->cert_path);

	return order != 0 ? order : strcmp(x->key_path, y->key_path);
}

/* Sorted, and what two sources gave is there once. */
static void
sort_identities(pgcs_bundle *bundle)
{
	size_t		kept = 0;

	if (bundle->n_identities == 0)
		return;
	qsort(bundle->identities, bundle->n_identities,
		  sizeof(*bundle->identities), compare_identities);
	for (size_t i = 0; i < bundle->n_identities; i++)
	{
		pgcs_identity *identity = bundle->identities[i];
		pgcs_identity *last = kept > 0 ? bundle->identities[kept - 1] : NULL;

		if (last == NULL || compare_identities(&last, &identity) != 0)
			bundle->identities[kept++] = identity;
		else if (pgcs_reasons_have_fatal(&last->reasons) &&
				 !pgcs_reasons_have_fatal(&identity->reasons))
		{
			/* the same files with a password that fits */
			pgcs_identity_free(last);
			bundle->identities[kept - 1] = identity;
		}
		else
			pgcs_identity_free(identity);
	}
	bundle->n_identities = kept;
}

/* What libpq completes a lone certificate with must be fit to send, too. */
static bool
check_completed(pgcs_bundle *bundle, pgcs_identity *identity, SSL_CTX *ctx)
{
	STACK_OF(X509) *sent = pgcs_sent_chain(bundle, identity);

	for (int i = 1; i < sk_X509_num(sent); i++)
	{
		char		words[128];

		if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(sent, i)) == 1)
			continue;
		pgcs_openssl_words(words, sizeof(words), &identity->reasons.failed);
		pgcs_reasons_add(&identity->reasons, PGCS_FATAL, "libpq-refuses",
						 identity->cert_path,
						 "OpenSSL refuses to send a certificate of the root file, with which libpq completes the chain: %s",
						 words);
		break;
	}
	ERR_clear_error();
	sk_X509_pop_free(sent, X509_free);
	return sent != NULL;
}

/* libpq's SSL_CTX, as far as taking certificates is concerned. */
static bool
check_identities(pgcs_bundle *bundle)
{
	SSL_CTX    *ctx = SSL_CTX_new(TLS_client_method());
	bool		ok = ctx != NULL;

	if (ok)
		bundle->security_level = SSL_CTX_get_security_level(ctx);
	for (size_t i = 0; ok && i < bundle->n_identities; i++)
	{
		pgcs_identity *identity = bundle->identities[i];

		pgcs_identity_check(identity, ctx);
		if (sk_X509_num(identity->extra) == 0 && bundle->roots != NULL)
			ok = check_completed(bundle, identity, ctx);
		ok = ok && !identity->reasons.failed;
	}
	SSL_CTX_free(ctx);
	return ok;
}

pgcs_bundle *
pgcs_bundle_load(pgcs_selector *sel)
{
	pgcs_bundle *bundle = calloc(1, sizeof(*bundle));
	PgcsPool	pool = {NULL, 0, 0};
	bool		ok = bundle != NULL;

	pgcs_clear_error(sel);
	if (ok)
		atomic_init(&bundle->holders, 1);
	for (size_t i = 0; ok && i < sel->n_sources; i++)
	{
		const PgcsSource *source = &sel->sources[i];

		switch (source->kind)
		{
			case PGCS_SOURCE_DIRECTORY:
				ok = pool_add_directory(sel, &pool, bundle, source->path);
				break;
			case PGCS_SOURCE_FILE:
				ok = pool_add(sel, &pool, bundle, source->path, true, NULL);
				break;
			case PGCS_SOURCE_PAIR:
				if (source->key != NULL)
					ok = add_pair(sel, bundle, source);
				else
					ok = pool_add_certificate(sel, &pool, bundle, source);
				break;
		}
	}
	ok = ok && pgcs_pair_pool(sel, bundle, &pool) && load_roots(sel, bundle);
	if (ok && sel->chain_directory != NULL)
		ok = pgcs_complete_chains(bundle, sel->chain_directory);
	if (ok)
	{
		sort_identities(bundle);
		ok = check_identities(bundle) && !bundle->problems.failed;
	}
	for (size_t i = 0; i < pool.n; i++)
		pgcs_file_free(pool.files[i]);
	free(pool.files);
	if (!ok)
	{
		pgcs_bundle_free(bundle);
		pgcs_fail_memory(sel);
		return NULL;
	}
	return bundle;
}

size_t
pgcs_bundle_n_identities(const pgcs_bundle *bundle)
{
	return bundle->n_identities;
}

const pgcs_identity *
pgcs_bundle_identity(const pgcs_bundle *bundle, size_t i)
{
	return i < bundle->n_identities ? bundle->identities[i] : NULL;
}

size_t
pgcs_bundle_n_problems(const pgcs_bundle *bundle)
{
	return bundle->problems.n;
}

const pgcs_reason *
pgcs_bundle_problem(const pgcs_bundle *bundle, size_t i)
{
	return i < bundle->problems.n ? bundle->problems.items[i] : NULL;
}
