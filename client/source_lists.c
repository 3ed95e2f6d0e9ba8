/*
 * source_lists.c
 *		Pairs, and the comma lists sslcert=a,b sslkey=a,b sslpassword=,pw.
 *
 * What is legal today stays legal: an existing whole path is one path, and
 * with one key the password is never split.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine_key.h"
#include "selector.h"

typedef struct List
{
	char	  **items;
	size_t		n;
} List;

static void
list_free(List *list)
{
	for (size_t i = 0; i < list->n; i++)
		pgcs_secret_free(list->items[i]);
	free(list->items);
	*list = (List) {NULL, 0};
}

/* Splits at commas; NULL and "" give an empty list.  False: no memory. */
static bool
list_split(List *list, const char *text, bool whole)
{
	size_t		n = 1;

	*list = (List) {NULL, 0};
	if (text == NULL || text[0] == '\0')
		return true;
	if (!whole)
		for (const char *p = text; *p != '\0'; p++)
			n += *p == ',';
	list->items = calloc(n, sizeof(*list->items));
	if (list->items == NULL)
		return false;
	while (list->n < n)
	{
		size_t		len = whole ? strlen(text) : strcspn(text, ",");

		list->items[list->n] = strndup(text, len);
		if (list->items[list->n] == NULL)
			return false;
		list->n++;
		text += len + 1;
	}
	return true;
}

static bool
is_whole_path(const char *text)
{
	struct stat st;

	return text != NULL && text[0] != '\0' && stat(text, &st) == 0;
}

/* A URI may hold commas, too; of several in a list they are written %2C. */
static bool
is_whole_key(const char *text, const List *certs)
{
	return is_whole_path(text) ||
		(certs->n == 1 && text != NULL && pgcs_is_engine_key(text));
}

/*
 * A key that no file has and that holds a colon is libpq's "engine:id",
 * which must not be made a path.
 */
static char *
key_path(pgcs_selector *sel, const char *key)
{
	struct stat st;

	if (pgcs_is_engine_key(key) && stat(key, &st) != 0)
	{
		char	   *copy = strdup(key);

		if (copy == NULL)
			pgcs_fail_memory(sel);
		return copy;
	}
	return pgcs_absolute_path(sel, key);
}

int
pgcs_add_pair(pgcs_selector *sel, const char *cert, const char *key,
			  const char *password)
{
	char	   *cert_absolute;
	char	   *key_absolute = NULL;
	int			result;

	pgcs_clear_error(sel);
	cert_absolute = pgcs_absolute_path(sel, cert);
	if (cert_absolute == NULL)
		return sel->error_code;
	if (key != NULL)
	{
		key_absolute = key_path(sel, key);
		if (key_absolute == NULL)
		{
			free(cert_absolute);
			return sel->error_code;
		}
	}
	result = pgcs_add_source(sel, PGCS_SOURCE_PAIR, cert_absolute,
							 key_absolute, password);
	free(cert_absolute);
	free(key_absolute);
	return result;
}

/* An empty element can only be a slip of the pen, except as a password. */
static int
check_elements(pgcs_selector *sel, const List *list, const char *what)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i][0] == '\0')
			return pgcs_fail(sel, PGCS_INVALID,
							 "%s list is empty at position %zu", what, i + 1);
	return PGCS_OK;
}

int
pgcs_add_lists(pgcs_selector *sel, const char *certs, const char *keys,
			   const char *passwords)
{
	List		cert_list = {NULL, 0};
	List		key_list = {NULL, 0};
	List		password_list = {NULL, 0};
	int			result;

	pgcs_clear_error(sel);
	if (!list_split(&cert_list, certs, is_whole_path(certs)) ||
		!list_split(&key_list, keys, is_whole_key(keys, &cert_list)) ||
		!list_split(&password_list, passwords, key_list.n <= 1))
	{
		result = pgcs_fail_memory(sel);
		goto out;
	}
	if (cert_list.n == 0)
	{
		result = pgcs_fail(sel, PGCS_INVALID, "sslcert is empty");
		goto out;
	}
	if ((result = check_elements(sel, &cert_list, "sslcert")) != PGCS_OK ||
		(result = check_elements(sel, &key_list, "sslkey")) != PGCS_OK)
		goto out;
	if (key_list.n > 0 && key_list.n != cert_list.n)
	{
		result = pgcs_fail(sel, PGCS_INVALID,
						   "could not match %zu sslkey to %zu sslcert values",
						   key_list.n, cert_list.n);
		goto out;
	}
	if (key_list.n > 0 && password_list.n > 0 && password_list.n != key_list.n)
	{
		result = pgcs_fail(sel, PGCS_INVALID,
						   "could not match %zu sslpassword to %zu sslkey values",
						   password_list.n, key_list.n);
		goto out;
	}
	for (size_t i = 0; i < cert_list.n && result == PGCS_OK; i++)
	{
		const char *password = NULL;

		if (password_list.n == 1 && key_list.n <= 1)
			password = password_list.items[0];
		else if (i < password_list.n)
			password = password_list.items[i];
		result = pgcs_add_pair(sel, cert_list.items[i],
							   key_list.n > 0 ? key_list.items[i] : NULL,
							   password);
	}
out:
	list_free(&cert_list);
	list_free(&key_list);
	list_free(&password_list);
	return result;
}
