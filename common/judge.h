/*
 * judge.h
 *		A policy held against facts: the verdict, and the words for it.
 *
 * Pure: no I/O, no environment, and the time is passed in.
 */
#ifndef PGCERT_JUDGE_H
#define PGCERT_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts.h"
#include "policy.h"

/*
 * The server treats UNKNOWN as FALSE; the client, which cannot see the
 * server's CAs, rules a candidate out only on FALSE.
 */
typedef enum PgcertTruth
{
	PGCERT_FALSE,
	PGCERT_TRUE,
	PGCERT_UNKNOWN,
} PgcertTruth;

/*
 * One row: one clause of one alternative.  Where no certificate came, and for
 * 'any', there is a single row named "certificate".
 */
typedef struct PgcertRow
{
	size_t		alternative;	/* from 1; 0 for "certificate" */
	const char *clause;			/* clause name, or "certificate" */
	const PgcertClause *asked;	/* NULL for "certificate" */
	PgcertTruth truth;
} PgcertRow;

typedef struct PgcertVerdict
{
	PgcertTruth truth;			/* TRUE if some alternative holds */
	PgcertRow  *rows;
	size_t		n_rows;

	/* what was judged, borrowed, for those who want it in words */
	const PgcertFacts *facts;
	const char *role;
	int64_t		now;
} PgcertVerdict;

/*
 * Judges every clause.  role is the name that %role stands for, NULL if it is
 * not known; now is in seconds since 1970.  An 'exempt' policy is TRUE without
 * rows.  NULL when memory is out, which callers take as a refusal.  Policy,
 * facts and role must outlive the verdict.
 */
extern PgcertVerdict *pgcert_judge(const PgcertPolicy *policy,
								   const PgcertFacts *facts,
								   const char *role, int64_t now);
extern void pgcert_verdict_free(PgcertVerdict *verdict);

/*
 * A row in words: what the policy asks, %role put in; and the fact, escaped,
 * or "no TLS", "GSS encryption", "no certificate", "absent", "malformed",
 * "ambiguous", "not known".  The caller frees them; NULL only when memory is
 * out.  Most logins are accepted, and need no words.
 */
extern char *pgcert_row_required(const PgcertVerdict *verdict, size_t row);
extern char *pgcert_row_found(const PgcertVerdict *verdict, size_t row);

/*
 * Why not, in one line: for each alternative the first clause that does not
 * hold, as
 *	  alternative 1: ca: required "CN=a", found "CN=b"; alternative 2: ...
 * (just "ca: required ..., found ..." where there is one alternative), or
 * "no TLS", "GSS encryption", "no certificate".  The caller frees it; NULL
 * only when memory is out.
 */
extern char *pgcert_verdict_reason(const PgcertVerdict *verdict);

#endif							/* PGCERT_JUDGE_H */
