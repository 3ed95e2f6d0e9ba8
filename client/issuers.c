/*
 * issuers.c
 *		The issuers of many certificates, each kept once.
 *
 * Ten thousand certificates have some hundred issuers, and a process that
 * chooses one lives for a moment only: its memory is new, and each page of
 * it costs more than a certificate.
 */
#include <stdlib.h>
#include <string.h>

#include "issuers.h"

/* FNV-1a. */
uint64_t
pgcs_bytes_hash(PgcsBytes bytes)
{
	uint64_t	hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < bytes.len; i++)
		hash = (hash ^ bytes.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static unsigned long
hash_issuer(const void *issuer)
{
	return (unsigned long) pgcs_bytes_hash(((const PgcsIssuer *) issuer)->name);
}

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
	PgcsIssuer *issuer;
	unsigned char *bytes;

	if (issuers->by_name == NULL)
		issuers->by_name = OPENSSL_LH_new(hash_issuer, compare_issuers);
	if (issuers->by_name == NULL)
		return NULL;
	issuer = OPENSSL_LH_retrieve(issuers->by_name, &key);
	if (issuer != NULL)
		return issuer;
	issuer = malloc(sizeof(*issuer) + name.len);
	if (issuer == NULL)
		return NULL;
	bytes = (unsigned char *) (issuer + 1);
	memcpy(bytes, name.data, name.len);
	*issuer = (PgcsIssuer) {0};
	issuer->name = (PgcsBytes) {bytes, name.len};
	(void) OPENSSL_LH_insert(issuers->by_name, issuer);
	if (OPENSSL_LH_error(issuers->by_name) == 0)
		return issuer;
	free(issuer);
	return NULL;
}

void
pgcs_issuers_free(PgcsIssuers *issuers)
{
	if (issuers->by_name != NULL)
		OPENSSL_LH_doall(issuers->by_name, free);
	OPENSSL_LH_free(issuers->by_name);
	issuers->by_name = NULL;
}
