/*
 * complete.c
 *		The missing link: chains completed with what else is held.
 *
 * libpq sends what is in the file and nothing else, so an intermediate that
 * lies in another file might as well not be there.  The completed chain is a
 * file of its own, in a directory that is nobody else's: reused while it is
 * right, replaced as a whole when it is not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "bundle.h"
#include "choice.h"
#include "name.h"
#include "private_file.h"

/* No chain that makes sense is longer. */
#define MAX_ADDED 10

/* ---------- what to add ---------- */

/* Adds the issuers of one certificate; every one, where several fit. */
static bool
add_issuers(const pgcs_bundle *bundle, pgcs_identity *identity, X509 *cert,
			int *n_added, PgcertBuf *words)
{
	const X509_NAME *issuer = X509_get_issuer_name(cert);
	unsigned long hash = pgcs_name_hash(issuer);
	size_t		position = 0;
	const PgcsLocalCa *ca;

	while (*n_added < MAX_ADDED &&
		   (ca = pgcs_bundle_next_ca(bundle, issuer, hash, &position)) != NULL)
	{
		char	   *name;
		bool		fits;

		fits = !pgcs_is_self_issued(ca->cert) &&
			X509_cmp(ca->cert, identity->leaf) != 0 &&
			!pgcs_is_among(ca->cert, identity->extra) &&
			X509_check_issued(ca->cert, cert) == X509_V_OK &&
			X509_verify(cert, X509_get0_pubkey(ca->cert)) == 1;
		ERR_clear_error();
		if (!fits)
			continue;
		if (!sk_X509_push(identity->extra, ca->cert))
			return false;
		X509_up_ref(ca->cert);
		name = pgcert_name_text(X509_get_subject_name(ca->cert));
		if (name == NULL)
			return false;
		pgcert_buf_printf(words, "%s\"%s\" from ", (*n_added)++ > 0 ? ", " : "", name);
		pgcert_buf_escaped(words, ca->path, strlen(ca->path));
		free(name);
	}
	return !words->failed;
}

/* The completed identity, or NULL if there is nothing to add. */
static bool
complete(const pgcs_bundle *bundle, const pgcs_identity *identity,
		 const char *directory, pgcs_identity **result)
{
	PgcertBuf	words = PGCERT_BUF_INIT;
	char	   *path = pgcs_private_path(directory, identity->cert_path, 0, ".crt");
	char	   *text = NULL;
	pgcs_identity *copy = NULL;
	int			n_added = 0;
	bool		ok;

	*result = NULL;
	ok = path != NULL && (copy = pgcs_identity_copy(identity, path)) != NULL &&
		add_issuers(bundle, copy, copy->leaf, &n_added, &words);
	for (int i = 0; ok && i < sk_X509_num(copy->extra); i++)
		ok = add_issuers(bundle, copy, sk_X509_value(copy->extra, i), &n_added, &words);
	if (ok && n_added > 0)
	{
		text = pgcert_buf_take(&words);
		ok = text != NULL;
		if (ok)
		{
			copy->completed = true;
			pgcs_reasons_add(&copy->reasons, PGCS_NOTE, "chain-completed",
							 identity->cert_path, "its chain is completed with %s", text);
			*result = copy;
			copy = NULL;
		}
	}
	pgcs_identity_free(copy);
	pgcert_buf_free(&words);
	free(text);
	free(path);
	return ok;
}

bool
pgcs_complete_chains(pgcs_bundle *bundle, const char *directory)
{
	size_t		n = bundle->n_identities;

	for (size_t i = 0; i < n; i++)
	{
		pgcs_identity *completed;

		if (pgcs_reasons_have_fatal(&bundle->identities[i]->reasons))
			continue;
		if (!complete(bundle, bundle->identities[i], directory, &completed))
			return false;
		if (completed != NULL && !pgcs_bundle_add_identity(bundle, completed))
			return false;
	}
	return true;
}

/* ---------- writing it ---------- */

static void
refuse(PgcsReasons *reasons, const char *path, const char *what)
{
	pgcs_reasons_add(reasons, PGCS_FATAL, "chain-not-written", path,
					 "could not write the completed chain: %s", what);
}

static char *
chain_pem(const pgcs_identity *identity, size_t *len)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *data;
	char	   *copy = NULL;
	bool		ok = bio != NULL && PEM_write_bio_X509(bio, identity->leaf) == 1;

	for (int i = 0; ok && i < sk_X509_num(identity->extra); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(identity->extra, i)) == 1;
	if (ok)
	{
		*len = (size_t) BIO_get_mem_data(bio, &data);
		copy = malloc(*len + 1);
		if (copy != NULL)
			memcpy(copy, data, *len);
	}
	BIO_free(bio);
	ERR_clear_error();
	return copy;
}

/* Is this very content there, in a private file? */
static bool
is_written(int directory, const char *path, const char *content, size_t len)
{
	size_t		found_len = 0;
	char	   *found = pgcs_private_read(directory, path, len, &found_len);
	bool		same = found != NULL && found_len == len &&
		memcmp(found, content, len) == 0;

	pgcs_private_free(found, found_len);
	return same;
}

bool
pgcs_write_chain(const pgcs_identity *identity, PgcsReasons *reasons)
{
	const char *path = identity->cert_path;
	const char *why;
	size_t		len = 0;
	char	   *content = chain_pem(identity, &len);
	int			directory = -1;
	bool		ok = false;

	if (content == NULL)
		reasons->failed = true;
	else if ((directory = pgcs_private_directory(path, &why)) >= 0)
	{
		ok = is_written(directory, path, content, len) ||
			pgcs_private_replace(directory, path, content, len);
		if (!ok)
			refuse(reasons, path, strerror(errno));
		close(directory);
	}
	else if (why == NULL)
		reasons->failed = true;
	else
		refuse(reasons, path, why);
	free(content);
	return ok;
}
