/*
 * bundle.c
 *		What a bundle holds.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "bundle.h"

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
	pgcs_name_index_free(&bundle->by_issuer);
	pgcs_name_index_free(&bundle->cas_by_subject);
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
	cas[bundle->n_cas] = (PgcsLocalCa) {cert, copy, bundle->n_cas};
	bundle->n_cas++;
	return true;
}

bool
pgcs_bundle_keep_cas(pgcs_bundle *bundle, const PgcsFile *file)
{
	if (file->leaf != NULL && !pgcs_bundle_keep_ca(bundle, file->leaf, file->path))
		return false;
	for (int i = 0; i < sk_X509_num(file->extra); i++)
		if (!pgcs_bundle_keep_ca(bundle, sk_X509_value(file->extra, i),
								 file->path))
			return false;
	return true;
}

/* Not as they were met: that depends on what is read first for a request. */
static int
compare_ca_paths(const void *a, const void *b)
{
	const PgcsLocalCa *x = a;
	const PgcsLocalCa *y = b;
	int			order = strcmp(x->path, y->path);

	return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static int
compare_cas(const void *a, const void *b)
{
	const PgcsLocalCa *x = *(const PgcsLocalCa *const *) a;
	const PgcsLocalCa *y = *(const PgcsLocalCa *const *) b;
	int			order = X509_cmp(x->cert, y->cert);

	return order != 0 ? order : (x > y) - (x < y);
}

bool
pgcs_bundle_sort_cas(pgcs_bundle *bundle)
{
	const PgcsLocalCa **sorted = calloc(bundle->n_cas + 1, sizeof(*sorted));
	bool	   *again = calloc(bundle->n_cas + 1, sizeof(*again));
	size_t		n = bundle->n_cas;
	bool		ok = sorted != NULL && again != NULL;

	if (n > 1)
		qsort(bundle->cas, n, sizeof(*bundle->cas), compare_ca_paths);
	for (size_t i = 0; ok && i < n; i++)
		sorted[i] = &bundle->cas[i];
	if (ok && n > 1)
		qsort(sorted, n, sizeof(*sorted), compare_cas);
	for (size_t i = 1; ok && i < n; i++)
		if (X509_cmp(sorted[i - 1]->cert, sorted[i]->cert) == 0)
			again[sorted[i] - bundle->cas] = true;
	bundle->n_cas = ok ? 0 : n;
	for (size_t i = 0; ok && i < n; i++)
	{
		if (!again[i])
			bundle->cas[bundle->n_cas++] = bundle->cas[i];
		else
		{
			X509_free(bundle->cas[i].cert);
			free(bundle->cas[i].path);
		}
	}
	for (size_t i = 0; ok && i < bundle->n_cas; i++)
		ok = pgcs_name_index_add(&bundle->cas_by_subject,
								 X509_get_subject_name(bundle->cas[i].cert), i);
	pgcs_name_index_sort(&bundle->cas_by_subject);
	free(sorted);
	free(again);
	return ok;
}

const PgcsLocalCa *
pgcs_bundle_next_ca(const pgcs_bundle *bundle, const X509_NAME *name,
					unsigned long hash, size_t *position)
{
	size_t		i;

	return pgcs_name_index_next(&bundle->cas_by_subject, name, hash, position, &i)
		? &bundle->cas[i] : NULL;
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
