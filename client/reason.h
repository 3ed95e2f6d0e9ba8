/*
 * reason.h
 *		Why something is so: a code for programs, words for people.
 *
 * Reasons are collected in lists that only grow.  A list that ran out of
 * memory says so, and whoever owns it then fails as a whole: a verdict that
 * lost a reason must not be used.
 */
#ifndef PGCS_REASON_H
#define PGCS_REASON_H

#include <stdbool.h>

#include "buf.h"
#include "pgcertsel.h"

struct pgcs_reason
{
	pgcs_severity severity;
	const char *code;			/* a string constant */
	char	   *file;			/* or NULL */
	char	   *text;
	char	   *hint;			/* "" if none */
	bool		presumed;		/* holds for most servers: see below */
};

typedef struct PgcsReasons
{
	pgcs_reason **items;
	size_t		n;
	bool		failed;			/* out of memory */
} PgcsReasons;

/* file may be NULL; the words must already be escaped. */
extern void pgcs_reasons_add(PgcsReasons *reasons, pgcs_severity severity,
							 const char *code, const char *file,
							 const char *format,...) PGCERT_PRINTF(5, 6);

/* Gives the reason added last its advice. */
extern void pgcs_reasons_hint(PgcsReasons *reasons, const char *format,...) PGCERT_PRINTF(2, 3);

/*
 * What was added last, and is fatal, holds for most servers but not for all:
 * nobody chooses by it, but a handshake may prove it wrong.
 */
extern void pgcs_reasons_presume(PgcsReasons *reasons);

extern bool pgcs_reasons_have(const PgcsReasons *reasons, const char *code);
extern bool pgcs_reasons_have_fatal(const PgcsReasons *reasons);
extern void pgcs_reasons_remove(PgcsReasons *reasons, const char *code);
extern void pgcs_reasons_free(PgcsReasons *reasons);

/* Puts a list at the end of another and empties it. */
extern void pgcs_reasons_move(PgcsReasons *to, PgcsReasons *from);

#endif							/* PGCS_REASON_H */
