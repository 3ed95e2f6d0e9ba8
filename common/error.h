/*
 * error.h
 *		What went wrong in a text that somebody wrote, and where.
 *
 * Functions of common/ report errors by filling in one of these; they never
 * print and never jump.  The texts are whole sentences' worth, in the style
 * of PostgreSQL's messages: message without capital or period, hint with.
 */
#ifndef PGCERT_ERROR_H
#define PGCERT_ERROR_H

#include <stddef.h>

#include "buf.h"

typedef struct PgcertError
{
	size_t		position;		/* 1-based byte of the text, 0 if none */
	char		clause[32];		/* clause or setting concerned, or "" */
	char		message[256];
	char		hint[256];		/* "" if there is nothing to advise */
} PgcertError;

extern void pgcert_error_set(PgcertError *error, size_t position,
							 const char *format,...) PGCERT_PRINTF(3, 4);
extern void pgcert_error_hint(PgcertError *error,
							  const char *format,...) PGCERT_PRINTF(2, 3);
extern void pgcert_error_out_of_memory(PgcertError *error);

/* Was it the above, and not the text? */
extern bool pgcert_error_is_no_memory(const PgcertError *error);

#endif							/* PGCERT_ERROR_H */
