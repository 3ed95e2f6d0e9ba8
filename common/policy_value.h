/*
 * policy_value.h
 *		The clauses of the policy language: their names, and what their
 *		values may be.
 */
#ifndef PGCERT_POLICY_VALUE_H
#define PGCERT_POLICY_VALUE_H

#include "policy.h"

typedef struct PgcertClauseSpec
{
	const char *name;
	PgcertClauseKind kind;
	bool		single;			/* takes '=' and one value only */
	bool		quoted;			/* a name, cut at its commas if not quoted */

	/*
	 * Decodes value->text (len bytes, no NUL).  On failure fills in *error,
	 * its position counted from 1 within the value.
	 */
	bool		(*read) (PgcertValue *value, size_t len, PgcertError *error);
} PgcertClauseSpec;

/* NULL if there is no such clause. */
extern const PgcertClauseSpec *pgcert_clause_spec(const char *name);

extern void pgcert_value_free(PgcertValue *value);

#endif							/* PGCERT_POLICY_VALUE_H */
