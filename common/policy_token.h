/*
 * policy_token.h
 *		The policy language cut into tokens.
 */
#ifndef PGCERT_POLICY_TOKEN_H
#define PGCERT_POLICY_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

typedef enum PgcertTokenKind
{
	TOKEN_END,
	TOKEN_WORD,					/* a name, a keyword or an unquoted value */
	TOKEN_STRING,				/* a quoted value */
	TOKEN_EQUAL,
	TOKEN_NOT_EQUAL,
	TOKEN_COMMA,
} PgcertTokenKind;

typedef struct PgcertToken
{
	PgcertTokenKind kind;
	size_t		start;			/* offset of its first byte */
	size_t		end;			/* offset behind its last byte */
} PgcertToken;

typedef struct PgcertParser
{
	const char *text;
	PgcertToken token;			/* the one to be looked at now */
	size_t		previous_end;	/* where the one before it ended */
	PgcertError *error;
} PgcertParser;

/* Moves on to the next token; false with the parser's error filled in. */
extern bool pgcert_token_advance(PgcertParser *parser);

/* Is the token this word, unquoted? */
extern bool pgcert_token_is(const PgcertParser *parser, const char *word);

/* Is what stands behind the token, blanks aside, an operator? */
extern bool pgcert_token_has_operator(const PgcertParser *parser);

/* The token's text, quotes taken off; the caller frees it. */
extern char *pgcert_token_text(const PgcertParser *parser, size_t *len);

/* The position in the policy of a position (from 1) within the token's text. */
extern size_t pgcert_token_position(const PgcertParser *parser,
									const PgcertToken *token, size_t inner);

#endif							/* PGCERT_POLICY_TOKEN_H */
