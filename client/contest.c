/*
 * contest.c
 *		Who has to be judged before the best is known.
 *
 * Judging costs much more than ranking, and what ranks first among all is
 * mostly clear at once: a certificate that is as good as any can be, for this
 * request, cannot be beaten by what stands behind it even at its best.  So
 * each identity is lined up as what it could be at best, in the order of
 * rank, and judging stops as soon as nobody left can change the outcome.
 * The outcome is the same as if all had been judged.
 */
#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "selector.h"

/* ---------- who can fit at all ---------- */

/* A host that names its CAs: who fits all hosts fits this one. */
static const PgcsHost *
naming_host(const pgcs_request *request)
{
	for (size_t i = 0; i < request->n_hosts; i++)
		if (request->hosts[i].answer == PGCS_ANSWER_NAMED)
			return &request->hosts[i];
	return NULL;
}

static bool
any_host_wants(const pgcs_request *request)
{
	for (size_t i = 0; i < request->n_hosts; i++)
		if (pgcs_host_wants(&request->hosts[i]))
			return true;
	return false;
}

static int
compare_numbers(const void *a, const void *b)
{
	size_t		x = *(const size_t *) a;
	size_t		y = *(const size_t *) b;

	return (x > y) - (x < y);
}

/* The identities whose chain has an issuer that the host names, each once. */
static bool
find_named(const pgcs_bundle *bundle, const PgcsHost *host, size_t **found, size_t *n)
{
	size_t		size = 0;
	size_t		kept = 0;

	*found = NULL;
	*n = 0;
	for (size_t i = 0; i < host->n_names; i++)
	{
		size_t		position = 0;
		size_t		identity;

		while (pgcs_name_index_next(&bundle->by_issuer, host->names[i].name,
									host->names[i].hash, &position, &identity))
		{
			if (*n == size)
			{
				size_t	   *larger;

				size = size == 0 ? 64 : size * 2;
				larger = realloc(*found, size * sizeof(*larger));
				if (larger == NULL)
					return false;
				*found = larger;
			}
			(*found)[(*n)++] = identity;
		}
	}
	if (*n > 1)
		qsort(*found, *n, sizeof(**found), compare_numbers);
	for (size_t i = 0; i < *n; i++)
		if (kept == 0 || (*found)[i] != (*found)[kept - 1])
			(*found)[kept++] = (*found)[i];
	*n = kept;
	return true;
}

/* ---------- what they could be at best ---------- */

/* Nobody is surer than the request allows. */
static PgcsDoubt
least_doubt(const pgcs_request *request)
{
	for (size_t i = 0; i < request->n_hosts; i++)
		if (pgcs_host_wants(&request->hosts[i]) && request->hosts[i].anchors == NULL)
			return PGCS_DOUBT_NAME_ONLY;
	return PGCS_DOUBT_NONE;
}

/* Is a chain to be had that ends in a CA whose certificate is known? */
static bool
can_be_complete(const pgcs_bundle *bundle, const pgcs_request *request)
{
	for (size_t i = 0; i < request->n_hosts; i++)
	{
		const PgcsHost *host = &request->hosts[i];

		if (host->anchors != NULL)
			return true;
		for (size_t j = 0; j < host->n_names; j++)
		{
			size_t		position = 0;

			if (pgcs_bundle_next_ca(bundle, host->names[j].name,
									host->names[j].hash, &position) != NULL)
				return true;
		}
	}
	return false;
}

bool
pgcs_line_up(pgcs_choice *choice, bool all)
{
	const pgcs_bundle *bundle = choice->bundle;
	const PgcsHost *host = all ? NULL : naming_host(choice->request);
	PgcsDoubt	doubt = least_doubt(choice->request);
	bool		complete = can_be_complete(bundle, choice->request);
	size_t	   *named = NULL;
	size_t		n = bundle->n_identities;
	bool		ok = true;

	if (!all && !any_host_wants(choice->request))
		n = 0;
	else if (host != NULL)
		ok = find_named(bundle, host, &named, &n);
	if (ok && n > 0)
	{
		choice->bounds = calloc(n, sizeof(*choice->bounds));
		choice->waiting = calloc(n, sizeof(*choice->waiting));
		choice->candidates = calloc(n, sizeof(*choice->candidates));
		ok = choice->bounds != NULL && choice->waiting != NULL &&
			choice->candidates != NULL;
	}
	for (size_t i = 0; ok && i < n; i++)
	{
		pgcs_candidate *bound = &choice->bounds[i];

		bound->identity = bundle->identities[named != NULL ? named[i] : i];
		pgcs_candidate_conclude(bound);
		if (bound->doubt < doubt)
			bound->doubt = doubt;
		bound->cn_is_role = pgcs_cn_is_role(bound->identity, choice->user);
		bound->top_announced = true;
		bound->complete = complete;
		choice->waiting[choice->n_waiting++] = bound;
	}
	pgcs_rank(choice->waiting, choice->n_waiting);
	free(named);
	return ok;
}

/* ---------- judging ---------- */

static bool
judge(pgcs_selector *sel, pgcs_choice *choice, size_t which)
{
	PgcsJudging judging = {sel, choice->bundle, choice->request, choice->user,
	choice->now};
	pgcs_candidate *candidate = pgcs_judge_candidate(&judging,
													 choice->waiting[which]->identity);

	if (candidate == NULL)
		return false;
	choice->candidates[choice->n_candidates++] = candidate;
	choice->n_waiting--;
	memmove(choice->waiting + which, choice->waiting + which + 1,
			(choice->n_waiting - which) * sizeof(*choice->waiting));
	return true;
}

/* Whoever could change the outcome; n_waiting if nobody could. */
static size_t
find_challenger(const pgcs_choice *choice)
{
	const pgcs_candidate *best = choice->n_candidates > 0 ? choice->candidates[0] : NULL;

	if (choice->n_waiting == 0)
		return 0;
	if (best == NULL || pgcs_compare_candidates(choice->waiting[0], best) < 0)
		return 0;
	if (best->verdict == PGCS_VERDICT_UNUSABLE)
		return choice->n_waiting;
	for (size_t i = 1; i < choice->n_candidates; i++)
		if (pgcs_is_rival(best, choice->candidates[i]))
			return choice->n_waiting;
	for (size_t i = 0; i < choice->n_waiting; i++)
		if (pgcs_is_rival(best, choice->waiting[i]))
			return i;
	return choice->n_waiting;
}

bool
pgcs_find_best(pgcs_selector *sel, pgcs_choice *choice)
{
	size_t		challenger;

	pgcs_rank(choice->candidates, choice->n_candidates);
	while ((challenger = find_challenger(choice)) < choice->n_waiting)
	{
		if (!judge(sel, choice, challenger))
			return false;
		pgcs_rank(choice->candidates, choice->n_candidates);
	}
	return true;
}

bool
pgcs_judge_waiting(pgcs_selector *sel, pgcs_choice *choice)
{
	while (choice->n_waiting > 0)
		if (!judge(sel, choice, choice->n_waiting - 1))
			return false;
	return true;
}
