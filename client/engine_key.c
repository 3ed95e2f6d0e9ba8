/*
 * engine_key.c
 *		libpq's sslkey=ENGINE:ID, a key that no file holds.
 *
 * For the engine "pkcs11" the id is a URI of RFC 7512, whose attribute
 * pin-value is a secret: it is taken out wherever the key is shown.  What is
 * left is a URI all the same.
 */
#include <stdbool.h>
#include <string.h>

#include "buf.h"
#include "engine_key.h"

static const char pin[] = "pin-value=";

bool
pgcs_is_engine_key(const char *key)
{
	return key[strcspn(key, ":/,")] == ':';
}

/* The next pin-value that is an attribute, or NULL. */
static const char *
find_pin(const char *text, const char *from)
{
	while ((from = strstr(from, pin)) != NULL)
	{
		if (from > text && strchr(":;?&", from[-1]) != NULL)
			return from;
		from += strlen(pin);
	}
	return NULL;
}

/* A value goes on to one of the characters in ends. */
static char *
without_pin(const char *text, const char *ends)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	const char *rest = text;
	const char *found;

	pgcert_buf_text(&buf, "");
	while ((found = find_pin(text, rest)) != NULL)
	{
		const char *next = found + strlen(pin);
		bool		keep_separator;

		/* one of the two separators goes with it */
		next += strcspn(next, ends);
		keep_separator = found[-1] == ':' || *next == '&' || *next == ';';
		pgcert_buf_bytes(&buf, rest, (size_t) (found - rest) - !keep_separator);
		rest = next + (*next == '&' || *next == ';');
	}
	pgcert_buf_text(&buf, rest);
	return pgcert_buf_take(&buf);
}

char *
pgcs_engine_key_shown(const char *key)
{
	return without_pin(key, ";?&");
}

char *
pgcs_words_without_pin(const char *words)
{
	return without_pin(words, ";?&\"");
}
