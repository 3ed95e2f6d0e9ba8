/*
 * words.h
 *		What a clause asks and what a certificate has, for people to read.
 *
 * Every function returns a text that the caller frees, NULL only when memory
 * is out.  What comes from a certificate is escaped, and cut with "..." past
 * a length that suits a log line.
 */
#ifndef PGCERT_WORDS_H
#define PGCERT_WORDS_H

#include "facts.h"
#include "policy.h"

/* role may be NULL: "%role" is then left as it is. */
extern char *pgcert_words_required(const PgcertClause *clause, const char *role);
extern char *pgcert_words_found(PgcertClauseKind kind, const PgcertFacts *facts,
								int64_t now);

/* "no TLS", "GSS encryption", "no certificate", or "a certificate". */
extern const char *pgcert_words_certificate(const PgcertFacts *facts);

/* "TLSv1.3", or "0x...." */
extern char *pgcert_words_tls(int version);

#endif							/* PGCERT_WORDS_H */
