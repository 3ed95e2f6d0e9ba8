/*
 * prepare.c
 *		What follows from the options: the connection, and a selector with its
 *		sources.
 */
#define _GNU_SOURCE
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "connection.h"

/* ---------- the connection ---------- */

static void
put(Options *options, size_t *n, const char *keyword, const char *value)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(options->keywords[i], keyword) == 0)
		{
			options->values[i] = value;
			return;
		}
	options->keywords[*n] = keyword;
	options->values[(*n)++] = value;
}

static int
resolve_connection(Options *options)
{
	size_t		n = 0;
	size_t		size = 8;
	char	   *message = NULL;

	if (options->conninfo != NULL)
	{
		options->parsed = PQconninfoParse(options->conninfo, &message);
		if (options->parsed == NULL)
		{
			char	   *words = message != NULL
				? pgcs_conninfo_words(message, options->conninfo) : NULL;

			say("%s", words != NULL ? words : "out of memory");
			free(words);
			PQfreemem(message);
			return EXIT_ERROR;
		}
	}
	for (const PQconninfoOption *o = options->parsed; o != NULL && o->keyword != NULL; o++)
		size++;
	options->keywords = calloc(size, sizeof(*options->keywords));
	options->values = calloc(size, sizeof(*options->values));
	if (options->keywords == NULL || options->values == NULL)
	{
		say("out of memory");
		return EXIT_ERROR;
	}
	for (const PQconninfoOption *o = options->parsed; o != NULL && o->keyword != NULL; o++)
		if (o->val != NULL)
			put(options, &n, o->keyword, o->val);
	if (options->host != NULL)
		put(options, &n, "host", options->host);
	if (options->port != NULL)
		put(options, &n, "port", options->port);
	if (options->user != NULL)
		put(options, &n, "user", options->user);
	if (options->dbname != NULL)
		put(options, &n, "dbname", options->dbname);

	options->resolved = pgcs_resolve(options->sel, options->keywords, options->values);
	if (options->resolved == NULL)
	{
		say("%s", pgcs_error(options->sel));
		return EXIT_ERROR;
	}
	return 0;
}

/* ---------- the bundle ---------- */

/*
 * The path of a file in libpq's idea of a home directory; false if there is
 * none.  Up to 14 libpq asks the password database alone, and a certificate
 * that only we find would not be the one that it sends.
 */
bool
home_path(char *path, size_t size, const char *name)
{
	const char *home = PQlibVersion() >= 150000 ? getenv("HOME") : NULL;
	const struct passwd *pw;

	if (home == NULL || home[0] == '\0')
	{
		pw = getpwuid(geteuid());
		home = pw != NULL ? pw->pw_dir : NULL;
	}
	return home != NULL &&
		(size_t) snprintf(path, size, "%s/%s", home, name) < size;
}

static bool
exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static bool
is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) != 0 || S_ISDIR(st.st_mode);
}

/* sslcert and sslkey, with libpq's defaults for the one that is missing. */
static int
add_lists(Options *options, const PQconninfoOption *list)
{
	const char *cert = options_value(list, "sslcert");
	const char *key = options_value(list, "sslkey");
	const char *password = options_value(options->resolved, "sslpassword");
	char		path[4096];
	int			result;

	if (cert == NULL)
	{
		if (!home_path(path, sizeof(path), ".postgresql/postgresql.crt"))
			return PGCS_OK;
		return pgcs_add_lists(options->sel, path, key, password);
	}
	result = pgcs_add_lists(options->sel, cert, key, password);
	if (result == PGCS_OK && key == NULL &&
		home_path(path, sizeof(path), ".postgresql/postgresql.key") && exists(path))
	{
		result = pgcs_add_file(options->sel, path);
		if (result == PGCS_OK && password != NULL)
			result = pgcs_set_password(options->sel, path, password);
	}
	return result;
}

static int
add_sources(Options *options)
{
	pgcs_selector *sel = options->sel;
	const char *password = options_value(options->resolved, "sslpassword");
	const char *root = options_value(options->resolved, "sslrootcert");
	char		path[4096];
	int			result = PGCS_OK;

	result = pgcs_set_max_tls_version(sel,
									  options_value(options->resolved, "ssl_max_protocol_version"));
	for (size_t i = 0; i < options->n_bundles && result == PGCS_OK; i++)
		result = is_directory(options->bundles[i])
			? pgcs_add_directory(sel, options->bundles[i])
			: pgcs_add_file(sel, options->bundles[i]);
	if (result != PGCS_OK)
		return result;

	if (options_value(options->parsed, "sslcert") != NULL ||
		options_value(options->parsed, "sslkey") != NULL)
		result = add_lists(options, options->parsed);
	else if (options->n_bundles == 0 &&
			 (options_value(options->resolved, "sslcert") != NULL ||
			  options_value(options->resolved, "sslkey") != NULL))
		result = add_lists(options, options->resolved);
	else
	{
		if (options->n_bundles == 0 && home_path(path, sizeof(path), ".postgresql") && exists(path))
			result = pgcs_add_directory(sel, path);
		if (result == PGCS_OK && password != NULL)
			result = pgcs_set_password(sel, NULL, password);
	}
	if (result != PGCS_OK)
		return result;
	if (root == NULL && home_path(path, sizeof(path), ".postgresql/root.crt") && exists(path))
		root = path;
	return pgcs_set_root_file(sel, root);
}

int
options_prepare(Options *options)
{
	pgcs_selector *sel = options->sel;
	int			status = resolve_connection(options);

	if (status != 0)
		return status;
	pgcs_set_strict(sel, options->strict);
	pgcs_set_prompt_allowed(sel, options->prompt);
	pgcs_set_timeout_ms(sel, options->timeout_s * 1000);
	if (options->password_file != NULL)
	{
		status = read_password_file(sel, options->password_file);
		if (status != 0)
			return status;
	}
	if (add_sources(options) != PGCS_OK ||
		(options->chain_directory != NULL &&
		 pgcs_set_chain_directory(sel, options->chain_directory) != PGCS_OK) ||
		(options->unpack_directory != NULL &&
		 pgcs_set_unpack_directory(sel, options->unpack_directory) != PGCS_OK) ||
		pgcs_set_user(sel, options_value(options->resolved, "user")) != PGCS_OK ||
		(options->policy != NULL && pgcs_add_policy(sel, options->policy) != PGCS_OK))
	{
		say("%s", pgcs_error(sel));
		return EXIT_ERROR;
	}
	return 0;
}
