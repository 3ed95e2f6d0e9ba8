/*
 * rank.c
 *		Which candidate comes first.
 *
 * The order is total, so that the same bundle and the same server give the
 * same choice every time; and it knows which of its steps merely break a tie.
 */
#include <stdlib.h>
#include <string.h>

#include "choice.h"

/* Negative if the larger value comes first and a has it. */
static int
larger_first(int64_t a, int64_t b)
{
	return (a < b) - (a > b);
}

/* What makes one candidate fit better than another. */
static int
compare_fit(const pgcs_candidate *a, const pgcs_candidate *b)
{
	int			order;

	if ((order = larger_first(a->verdict != PGCS_VERDICT_UNUSABLE,
							  b->verdict != PGCS_VERDICT_UNUSABLE)) != 0 ||
		(order = larger_first(a->presumed, b->presumed)) != 0 ||
		(order = larger_first(a->cn_is_role, b->cn_is_role)) != 0 ||
		(order = larger_first(b->doubt, a->doubt)) != 0 ||
		(order = larger_first(a->top_announced, b->top_announced)) != 0)
		return order;
	return larger_first(a->complete, b->complete);
}

int
pgcs_compare_candidates(const pgcs_candidate *a, const pgcs_candidate *b)
{
	const PgcertFacts *fa = a->identity->facts;
	const PgcertFacts *fb = b->identity->facts;
	int			order = compare_fit(a, b);

	if (order != 0 ||
		(order = larger_first(fa->not_before, fb->not_before)) != 0 ||
		(order = larger_first(fa->not_after, fb->not_after)) != 0 ||
		(order = larger_first(a->identity->security_bits, b->identity->security_bits)) != 0 ||
		(order = larger_first(b->identity->pkcs12_path != NULL,
							  a->identity->pkcs12_path != NULL)) != 0 ||
		(order = larger_first(b->identity->completed, a->identity->completed)) != 0 ||
		(order = strcmp(a->identity->cert_path, b->identity->cert_path)) != 0)
		return order;
	return strcmp(a->identity->key_path, b->identity->key_path);
}

static int
compare_pointers(const void *a, const void *b)
{
	return pgcs_compare_candidates(*(pgcs_candidate *const *) a,
								   *(pgcs_candidate *const *) b);
}

void
pgcs_rank(pgcs_candidate **candidates, size_t n)
{
	if (n > 1)
		qsort(candidates, n, sizeof(*candidates), compare_pointers);
}

/* The same subject and the same alternative names: a renewal, not a rival. */
static bool
same_identity(const pgcs_candidate *a, const pgcs_candidate *b)
{
	const PgcertFacts *fa = a->identity->facts;
	const PgcertFacts *fb = b->identity->facts;

	if (X509_NAME_cmp(X509_get_subject_name(a->identity->leaf),
					  X509_get_subject_name(b->identity->leaf)) != 0 ||
		fa->n_sans != fb->n_sans)
		return false;
	for (size_t i = 0; i < fa->n_sans; i++)
		if (fa->sans[i].type != fb->sans[i].type ||
			fa->sans[i].len != fb->sans[i].len ||
			memcmp(fa->sans[i].value, fb->sans[i].value, fa->sans[i].len) != 0)
			return false;
	return true;
}

bool
pgcs_is_rival(const pgcs_candidate *a, const pgcs_candidate *b)
{
	return compare_fit(a, b) == 0 && !same_identity(a, b);
}
