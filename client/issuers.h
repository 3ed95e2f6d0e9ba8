/*
 * issuers.h
 *		The issuers of many certificates, each kept once.
 */
#ifndef PGCS_ISSUERS_H
#define PGCS_ISSUERS_H

#include <stdbool.h>

#include "der.h"

typedef struct PgcsIssuer
{
	PgcsBytes	name;			/* as DER, its bytes behind this struct */
	bool		asked;			/* for whoever asks which are wanted */
	bool		wanted;
	struct PgcsIssuer *next;
} PgcsIssuer;

typedef struct PgcsIssuers
{
	void	   *by_name;		/* a tree of tsearch() */
	PgcsIssuer *first;			/* all of them, in a list that owns them */
} PgcsIssuers;

/* The one of this name, made if there was none.  NULL: no memory. */
extern PgcsIssuer *pgcs_issuers_find(PgcsIssuers *issuers, PgcsBytes name);
extern void pgcs_issuers_free(PgcsIssuers *issuers);

#endif							/* PGCS_ISSUERS_H */
