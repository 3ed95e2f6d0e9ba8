/*
 * judge_case.h
 *		One candidate before one host: what the parts of judging share.
 */
#ifndef PGCS_JUDGE_CASE_H
#define PGCS_JUDGE_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "choice.h"

typedef struct PgcsCase
{
	const PgcsJudging *judging;
	const PgcsHost *host;
	pgcs_candidate *candidate;
	STACK_OF(X509) *sent;
	STACK_OF(X509) *reached;
	const char *prefix;			/* "host:port: " where there are several */
	bool		failed;			/* no memory */
} PgcsCase;

#define REASONS(c) (&(c)->candidate->reasons)

/* judge_error.c */

/* "2026-11-21" */
extern void pgcs_format_date(int64_t seconds, char *text, size_t size);

/* A certificate's subject, for a message; the caller frees it. */
extern char *pgcs_case_subject(PgcsCase *c, X509 *cert);

/*
 * Says an error of X509_verify_cert() in words.  The code is for an error
 * that has none of its own.
 */
extern void pgcs_case_chain_error(PgcsCase *c, const PgcsVerification *v,
								  pgcs_severity severity, const char *code,
								  const char *introduction);

/* judge_lead.c */

/* Is it valid at the time of judging? */
extern bool pgcs_case_is_in_time(const PgcsCase *c, X509 *cert);

/*
 * Says what one more certificate, or several, would mend: at the end of the
 * chain, or in the place of what the file has.
 */
extern void pgcs_case_look_for_intermediate(PgcsCase *c);

/* judge_chain.c */

/*
 * Does the server name an issuer of the chain, and would its OpenSSL accept
 * it?  The verification is the caller's to free.
 */
extern void pgcs_case_judge_chain(PgcsCase *c, PgcsVerification *v);

#endif							/* PGCS_JUDGE_CASE_H */
