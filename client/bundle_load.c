/*
 * bundle_load.c
 *		Reads the sources of a selector into a bundle.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "bundle.h"
#include "choice.h"
#include "engine_key.h"
#include "narrow.h"
#include "unpack.h"

/* ---------- sources ---------- */

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

	if (cert == NULL || cert->reasons.failed || !pgcs_bundle_keep_cas(bundle, cert))
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
static void
check_completed(pgcs_identity *identity, SSL *ssl)
{
	for (int i = 1; i < sk_X509_num(identity->sent); i++)
	{
		char		words[128];

		if (SSL_add1_chain_cert(ssl, sk_X509_value(identity->sent, i)) == 1)
			continue;
		pgcs_openssl_words(words, sizeof(words), &identity->reasons.failed);
		pgcs_reasons_add(&identity->reasons, PGCS_FATAL, "libpq-refuses",
						 identity->cert_path,
						 "OpenSSL refuses to send a certificate of the root file, with which libpq completes the chain: %s",
						 words);
		break;
	}
	ERR_clear_error();
}

static bool
check_identities(pgcs_selector *sel, pgcs_bundle *bundle)
{
	SSL		   *ssl = pgcs_selector_ssl(sel);
	bool		ok = ssl != NULL;

	if (ok)
		bundle->security_level = SSL_get_security_level(ssl);
	for (size_t i = 0; ok && i < bundle->n_identities; i++)
	{
		pgcs_identity *identity = bundle->identities[i];

		identity->sent = pgcs_sent_chain(bundle, identity);
		identity->reached = identity->sent != NULL
			? pgcs_reachable(identity->sent) : NULL;
		if (identity->reached == NULL)
			ok = false;
		else
		{
			pgcs_identity_check(identity, ssl);
			if (sk_X509_num(identity->extra) == 0 && bundle->roots != NULL)
				check_completed(identity, ssl);
			ok = !identity->reasons.failed;
		}
	}
	SSL_free(ssl);
	return ok;
}

static bool
index_identities(pgcs_bundle *bundle)
{
	bool		ok = true;

	for (size_t i = 0; i < bundle->n_identities; i++)
	{
		STACK_OF(X509) *reached = bundle->identities[i]->reached;

		for (int j = 0; ok && j < sk_X509_num(reached); j++)
			ok = pgcs_name_index_add(&bundle->by_issuer,
									 X509_get_issuer_name(sk_X509_value(reached, j)), i);
	}
	pgcs_name_index_sort(&bundle->by_issuer);
	return ok;
}

/* Reads what was named, and from directories what matters for the narrow. */
static bool
read_sources(pgcs_selector *sel, pgcs_bundle *bundle, PgcsPool *pool,
			 PgcsNarrow *narrow)
{
	bool		ok = true;

	for (size_t i = 0; ok && i < sel->n_sources; i++)
	{
		const PgcsSource *source = &sel->sources[i];

		switch (source->kind)
		{
			case PGCS_SOURCE_DIRECTORY:
				ok = narrow != NULL
					? pgcs_narrow_add_directory(narrow, source->path, &bundle->problems)
					: pgcs_pool_add_directory(sel, pool, bundle, source->path);
				break;
			case PGCS_SOURCE_FILE:
				ok = pgcs_pool_add(sel, pool, bundle, source->path, true, NULL);
				break;
			case PGCS_SOURCE_PAIR:
				if (source->key != NULL)
					ok = add_pair(sel, bundle, source);
				else
					ok = pgcs_pool_add_certificate(sel, pool, bundle, source);
				break;
		}
	}
	return ok && load_roots(sel, bundle) &&
		(narrow == NULL || pgcs_narrow_take(narrow, pool, bundle));
}

/*
 * NULL when memory is out.  closed: with a narrow, read also the keys that
 * only opening them tells whose they are; otherwise certificates that may
 * have such a key are in the bundle as unpaired.
 */
static pgcs_bundle *
load_bundle(pgcs_selector *sel, PgcsNarrow *narrow, bool closed)
{
	pgcs_bundle *bundle = calloc(1, sizeof(*bundle));
	PgcsPool	pool = {0};
	bool		ok = bundle != NULL;

	if (ok)
		atomic_init(&bundle->holders, 1);
	ok = ok && read_sources(sel, bundle, &pool, narrow);
	if (ok && closed)
		ok = pgcs_narrow_take_closed(narrow, &pool, bundle);
	pool.trusts_shown = narrow != NULL;
	if (ok && narrow != NULL && !closed)
		ok = pgcs_narrow_has_closed(narrow, &pool.keep_unpaired);
	ok = ok && pgcs_pair_pool(sel, bundle, &pool) && pgcs_bundle_sort_cas(bundle);
	if (ok && sel->chain_directory != NULL)
		ok = pgcs_complete_chains(bundle, sel->chain_directory);
	if (ok)
	{
		sort_identities(bundle);
		ok = check_identities(sel, bundle) && index_identities(bundle) &&
			!bundle->problems.failed;
	}
	pgcs_pool_free(&pool);
	if (!ok)
	{
		pgcs_bundle_free(bundle);
		bundle = NULL;
		pgcs_fail_memory(sel);
	}
	return bundle;
}

pgcs_bundle *
pgcs_bundle_load(pgcs_selector *sel)
{
	pgcs_clear_error(sel);
	return load_bundle(sel, NULL, false);
}

/* ---------- for one request ---------- */

/* Would finding their keys change the choice, or whether it has a rival? */
static bool
needs_unpaired(pgcs_selector *sel, pgcs_bundle *bundle,
			   const pgcs_request *request, int64_t now, bool *needs)
{
	pgcs_choice *choice = pgcs_select(sel, bundle, request, now);

	if (choice == NULL)
		return false;
	*needs = choice->n_candidates > 0 &&
		(choice->candidates[0]->identity->unpaired ||
		 (choice->rival != NULL && choice->rival->identity->unpaired));
	pgcs_choice_free(choice);
	return true;
}

static bool
drop_unpaired(pgcs_bundle *bundle)
{
	size_t		kept = 0;

	for (size_t i = 0; i < bundle->n_identities; i++)
	{
		if (bundle->identities[i]->unpaired)
			pgcs_identity_free(bundle->identities[i]);
		else
			bundle->identities[kept++] = bundle->identities[i];
	}
	bundle->n_identities = kept;
	pgcs_name_index_free(&bundle->by_issuer);
	return index_identities(bundle);
}

/* Does a host want a certificate without naming a CA? */
static bool
is_unnamed(const pgcs_request *request)
{
	for (size_t i = 0; i < request->n_hosts; i++)
		if (request->hosts[i].answer == PGCS_ANSWER_UNNAMED)
			return true;
	return false;
}

pgcs_bundle *
pgcs_bundle_load_for(pgcs_selector *sel, const pgcs_request *request, int64_t now)
{
	PgcsNarrow	narrow = {.sel = sel, .request = request};
	pgcs_bundle *bundle;
	bool		needs = false;
	bool		ok;

	pgcs_clear_error(sel);
	if (is_unnamed(request))
		return load_bundle(sel, NULL, false);
	bundle = load_bundle(sel, &narrow, false);
	ok = bundle != NULL && needs_unpaired(sel, bundle, request, now, &needs);
	if (ok && !needs)
		ok = drop_unpaired(bundle);
	if (!ok || needs)
	{
		pgcs_bundle_free(bundle);
		bundle = NULL;
	}
	pgcs_narrow_free(&narrow);
	if (!ok)
		pgcs_fail_memory(sel);
	else if (needs)
	{
		/* from the start: what is read now may have changed since */
		narrow = (PgcsNarrow) {.sel = sel, .request = request};
		bundle = load_bundle(sel, &narrow, true);
		pgcs_narrow_free(&narrow);
	}
	return bundle;
}
