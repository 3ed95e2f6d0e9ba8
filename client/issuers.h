/*
 * issuers.h
 *		The issuers of many certificates, each kept once.
 */
#ifndef PGCS_ISSUERS_H
#define PGCS_ISSUERS_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/lhash.h>

#include "der.h"

typedef struct PgcsIssuer
{
	PgcsBytes	name;			/* as DER, its bytes behind this struct */
	bool		asked;			/* for whoever asks which are wanted */
	bool		wanted;
} PgcsIssuer;

typedef struct PgcsIssuers
{
	OPENSSL_LHASH *by_name;		/* owns them */
} PgcsIssuers;

/* The one of this name, made if there was none.  NULL: no memory. */
extern PgcsIssuer *pgcs_issuers_find(PgcsIssuers *issuers, PgcsBytes name);
extern void pgcs_issuers_free(PgcsIssuers *issuers);

/* Equal bytes have the same; that of others differs, but for bad luck. */
extern uint64_t pgcs_bytes_hash(PgcsBytes bytes);

#endif							/* PGCS_ISSUERS_H */
