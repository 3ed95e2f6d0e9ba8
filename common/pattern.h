/*
 * pattern.h
 *		The patterns of cn and san, matched.
 */
#ifndef PGCERT_PATTERN_H
#define PGCERT_PATTERN_H

#include "policy.h"

typedef enum PgcertMatch
{
	PGCERT_MATCH_NO,
	PGCERT_MATCH_YES,
	PGCERT_MATCH_NOT_THERE,		/* absent, malformed, ambiguous */
	PGCERT_MATCH_UNKNOWN,		/* nobody could look */
	PGCERT_MATCH_FAILED,		/* out of memory */
} PgcertMatch;

/*
 * Matches bytes against the value's pieces: "*" is any run of bytes, "%role"
 * the bytes of role, in which nothing is special.  UNKNOWN if the pattern
 * asks for the role and role is NULL.
 */
extern PgcertMatch pgcert_pattern_match(const PgcertValue *value, const char *role,
										const void *bytes, size_t len,
										bool ignore_case);

#endif							/* PGCERT_PATTERN_H */
