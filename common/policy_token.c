/*
 * policy_token.c
 *		The policy language cut into tokens.
 *
 * A token remembers where it began, so that every error says where it is.
 */
#include <stdlib.h>
#include <string.h>

#include "policy_token.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') ||
		(c != '\0' && strchr("._:/@*%+-", c) != NULL);
}

/* Where the blanks from here on end. */
static size_t
skip_blanks(const char *text, size_t at)
{
	while (is_blank(text[at]))
		at++;
	return at;
}

bool
pgcert_token_advance(PgcertParser *parser)
{
	const char *text = parser->text;
	PgcertToken *token = &parser->token;

	parser->previous_end = token->end;
	token->start = skip_blanks(text, token->end);
	token->end = token->start + 1;
	switch (text[token->start])
	{
		case '\0':
			token->kind = TOKEN_END;
			token->end = token->start;
			return true;
		case '=':
			token->kind = TOKEN_EQUAL;
			return true;
		case ',':
			token->kind = TOKEN_COMMA;
			return true;
		case '!':
			if (text[token->start + 1] == '=')
			{
				token->kind = TOKEN_NOT_EQUAL;
				token->end++;
				return true;
			}
			break;
		case '"':
			token->kind = TOKEN_STRING;
			for (;; token->end++)
			{
				if (text[token->end] == '\0')
				{
					pgcert_error_set(parser->error, token->start + 1,
									 "quoted value is not closed");
					pgcert_error_hint(parser->error, "A quote inside a quoted value is written twice.");
					return false;
				}
				if (text[token->end] == '"' && text[++token->end] != '"')
					return true;
			}
			break;
		default:
			token->kind = TOKEN_WORD;
			token->end = token->start;
			while (is_word_char(text[token->end]))
				token->end++;
			if (token->end > token->start)
				return true;
			break;
	}
	pgcert_error_set(parser->error, token->start + 1,
					 "unexpected character %c", text[token->start]);
	pgcert_error_hint(parser->error,
					  "Values with other characters than letters, digits and . _ : / @ * %% + - must be quoted with double quotes.");
	return false;
}

bool
pgcert_token_is(const PgcertParser *parser, const char *word)
{
	const PgcertToken *token = &parser->token;

	return token->kind == TOKEN_WORD &&
		strlen(word) == token->end - token->start &&
		strncmp(parser->text + token->start, word, token->end - token->start) == 0;
}

bool
pgcert_token_has_operator(const PgcertParser *parser)
{
	const char *s = parser->text + skip_blanks(parser->text, parser->token.end);

	return s[0] == '=' || (s[0] == '!' && s[1] == '=');
}

char *
pgcert_token_text(const PgcertParser *parser, size_t *len)
{
	const PgcertToken *token = &parser->token;
	const char *s = parser->text + token->start;
	size_t		n = token->end - token->start;
	char	   *text = malloc(n + 1);

	if (text == NULL)
	{
		pgcert_error_out_of_memory(parser->error);
		return NULL;
	}
	if (token->kind == TOKEN_WORD)
	{
		memcpy(text, s, n);
		*len = n;
	}
	else
	{
		*len = 0;
		for (size_t i = 1; i + 1 < n; i++)
		{
			text[(*len)++] = s[i];
			if (s[i] == '"')
				i++;
		}
	}
	text[*len] = '\0';
	return text;
}

size_t
pgcert_token_position(const PgcertParser *parser, const PgcertToken *token, size_t inner)
{
	size_t		i = token->start;

	if (inner == 0)
		return 0;
	if (token->kind == TOKEN_STRING)
	{
		i++;
		while (--inner > 0 && i + 1 < token->end)
			i += parser->text[i] == '"' ? 2 : 1;
		return i + 1;
	}
	return i + inner;
}
