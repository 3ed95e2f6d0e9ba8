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

#include <openssl/crypto.h>

#include "engine_key.h"

static const char pin[] = "pin-value=";

bool
pgcs_is_engine_key(const char *key)
{
	return key[strcspn(key, ":/,")] == ':';
}

/* The first pin-value that is an attribute, or NULL. */
static char *
find_pin(char *text)
{
	char	   *found = text;

	while ((found = strstr(found, pin)) != NULL)
	{
		if (found > text && strchr(":;?&", found[-1]) != NULL)
			return found;
		found += strlen(pin);
	}
	return NULL;
}

/* A value goes on to one of the characters in ends. */
static char *
without_pin(const char *text, const char *ends)
{
	char	   *copy = strdup(text);
	char	   *found;

	while (copy != NULL && (found = find_pin(copy)) != NULL)
	{
		char	   *next = found + strlen(pin);
		size_t		len;

		/* one of the two separators goes with it */
		next += strcspn(next, ends);
		if (*next == '&' || *next == ';')
			next++;
		else if (found[-1] != ':')
			found--;
		len = strlen(next) + 1;
		memmove(found, next, len);
		OPENSSL_cleanse(found + len, (size_t) (next - found));
	}
	return copy;
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
