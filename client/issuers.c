/*
 * issuers.c
 *		The issuers of many certificates, each kept once.
 *
 * Ten thousand certificates have some hundred issuers, and a process that
 * chooses one lives for a moment only: its memory is new, and each page of
 * it costs more than a certificate.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "issuers.h"

static int
compare_issuers(const void *a, const void *b)
{
	const PgcsBytes *x = &((const PgcsIssuer *) a)->name;
	const PgcsBytes *y = &((const PgcsIssuer *) b)->name;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->data, y->data, x->len);
}

PgcsIssuer *
pgcs_issuers_find(PgcsIssuers *issuers, PgcsBytes name)
{
	PgcsIssuer	key = {.name = name};
	PgcsIssuer *const *found = tfind(&key, &issuers->by_name, compare_issuers);
	PgcsIssuer *issuer;
	unsigned char *bytes;

	if (found != NULL)
		return *found;
	issuer = malloc(sizeof(*issuer) + name.len);
	if (issuer == NULL)
		return NULL;
	bytes = (unsigned char *) (issuer + 1);
	memcpy(bytes, name.data, name.len);
	*issuer = (PgcsIssuer) {0};
	issuer->name = (PgcsBytes) {bytes, name.len};
	if (tsearch(issuer, &issuers->by_name, compare_issuers) == NULL)
	{
		free(issuer);
		return NULL;
	}
	issuer->next = issuers->first;
	issuers->first = issuer;
	return issuer;
}

void
pgcs_issuers_free(PgcsIssuers *issuers)
{
	PgcsIssuer *next;

	for (PgcsIssuer *issuer = issuers->first; issuer != NULL; issuer = next)
	{
		next = issuer->next;
		(void) tdelete(issuer, &issuers->by_name, compare_issuers);
		free(issuer);
	}
	issuers->first = NULL;
}
