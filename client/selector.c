/*
 * selector.c
 *		What a selector holds: sources, settings, and the last error.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "selector.h"

const char *
pgcs_version(void)
{
	return PGCS_VERSION;
}

pgcs_selector *
pgcs_selector_new(void)
{
	return calloc(1, sizeof(pgcs_selector));
}

void
pgcs_selector_free(pgcs_selector *sel)
{
	if (sel == NULL)
		return;
	for (size_t i = 0; i < sel->n_sources; i++)
	{
		free(sel->sources[i].path);
		free(sel->sources[i].key);
		pgcs_secret_free(sel->sources[i].password);
	}
	free(sel->sources);
	for (size_t i = 0; i < sel->n_passwords; i++)
	{
		free(sel->passwords[i].key);
		pgcs_secret_free(sel->passwords[i].password);
	}
	free(sel->passwords);
	for (size_t i = 0; i < sel->n_policies; i++)
		pgcert_policy_free(sel->policies[i]);
	free(sel->policies);
	free(sel->user);
	free(sel->root_file);
	free(sel->chain_directory);
	free(sel->unpack_directory);
	SSL_CTX_free(sel->context);
	free(sel->error);
	free(sel);
}

void
pgcs_secret_free(char *secret)
{
	if (secret == NULL)
		return;
	OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}

void
pgcs_text_free(char *text)
{
	pgcs_secret_free(text);
}

/* ---------- errors ---------- */

SSL *
pgcs_selector_ssl(pgcs_selector *sel)
{
	if (sel->context == NULL)
	{
		sel->context = SSL_CTX_new(TLS_client_method());
		if (sel->context != NULL)
			SSL_CTX_set_min_proto_version(sel->context, TLS1_2_VERSION);
	}
	return sel->context != NULL ? SSL_new(sel->context) : NULL;
}

const char *
pgcs_error(const pgcs_selector *sel)
{
	if (sel->error != NULL)
		return sel->error;
	return sel->error_code == PGCS_OK ? "" : "out of memory";
}

int
pgcs_error_code(const pgcs_selector *sel)
{
	return sel->error_code;
}

void
pgcs_clear_error(pgcs_selector *sel)
{
	free(sel->error);
	sel->error = NULL;
	sel->error_code = PGCS_OK;
}

int
pgcs_fail(pgcs_selector *sel, int code, const char *format,...)
{
	va_list		args;
	char	   *text;
	int			len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);

	/* the text may quote the error before it, so that one goes last */
	text = len < 0 ? NULL : malloc((size_t) len + 1);
	if (text != NULL)
	{
		va_start(args, format);
		vsnprintf(text, (size_t) len + 1, format, args);
		va_end(args);
	}
	free(sel->error);
	sel->error = text;
	sel->error_code = text == NULL ? PGCS_NO_MEMORY : code;
	return sel->error_code;
}

int
pgcs_fail_memory(pgcs_selector *sel)
{
	free(sel->error);
	sel->error = NULL;
	sel->error_code = PGCS_NO_MEMORY;
	return PGCS_NO_MEMORY;
}

char *
pgcs_printable(const char *bytes)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	pgcert_buf_escaped(&buf, bytes, strlen(bytes));
	return pgcert_buf_take(&buf);
}

/* ---------- sources ---------- */

char *
pgcs_absolute_path(pgcs_selector *sel, const char *path)
{
	char	   *cwd = NULL;
	char	   *absolute = NULL;
	size_t		size = 256;

	if (path == NULL || path[0] == '\0')
	{
		pgcs_fail(sel, PGCS_INVALID, "path is empty");
		return NULL;
	}
	if (path[0] == '/')
	{
		absolute = strdup(path);
		if (absolute == NULL)
			pgcs_fail_memory(sel);
		return absolute;
	}

	for (;;)
	{
		char	   *larger = realloc(cwd, size);

		if (larger == NULL)
		{
			pgcs_fail_memory(sel);
			goto out;
		}
		cwd = larger;
		if (getcwd(cwd, size) != NULL)
			break;
		if (errno != ERANGE || size > 1024 * 1024)
		{
			pgcs_fail(sel, PGCS_FAILED,
					  "could not find out the current directory: %s",
					  strerror(errno));
			goto out;
		}
		size *= 2;
	}
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	if (strcmp(path, ".") == 0)
		path = "";
	size = strlen(cwd) + strlen(path) + 2;
	absolute = malloc(size);
	if (absolute == NULL)
		pgcs_fail_memory(sel);
	else if (path[0] == '\0')
		strcpy(absolute, cwd);
	else
		snprintf(absolute, size, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path);
out:
	free(cwd);
	return absolute;
}

int
pgcs_add_source(pgcs_selector *sel, PgcsSourceKind kind, const char *path,
				const char *key, const char *password)
{
	PgcsSource	source = {.kind = kind};
	PgcsSource *sources;

	source.path = strdup(path);
	if (key != NULL)
		source.key = strdup(key);
	if (password != NULL && password[0] != '\0')
		source.password = strdup(password);
	sources = realloc(sel->sources, (sel->n_sources + 1) * sizeof(*sources));
	if (sources != NULL)
		sel->sources = sources;
	if (sources == NULL || source.path == NULL ||
		(key != NULL && source.key == NULL) ||
		(password != NULL && password[0] != '\0' && source.password == NULL))
	{
		free(source.path);
		free(source.key);
		pgcs_secret_free(source.password);
		return pgcs_fail_memory(sel);
	}
	sel->sources[sel->n_sources++] = source;
	return PGCS_OK;
}

static int
add_path(pgcs_selector *sel, PgcsSourceKind kind, const char *path)
{
	char	   *absolute;
	int			result;

	pgcs_clear_error(sel);
	absolute = pgcs_absolute_path(sel, path);
	if (absolute == NULL)
		return sel->error_code;
	result = pgcs_add_source(sel, kind, absolute, NULL, NULL);
	free(absolute);
	return result;
}

int
pgcs_add_directory(pgcs_selector *sel, const char *path)
{
	return add_path(sel, PGCS_SOURCE_DIRECTORY, path);
}

int
pgcs_add_file(pgcs_selector *sel, const char *path)
{
	return add_path(sel, PGCS_SOURCE_FILE, path);
}

/* ---------- settings ---------- */

int
pgcs_set_password(pgcs_selector *sel, const char *key, const char *password)
{
	PgcsKeyPassword entry = {NULL, NULL};
	PgcsKeyPassword *passwords;

	pgcs_clear_error(sel);
	if (password == NULL || password[0] == '\0')
		return pgcs_fail(sel, PGCS_INVALID, "password is empty");
	if (key != NULL)
	{
		entry.key = pgcs_absolute_path(sel, key);
		if (entry.key == NULL)
			return sel->error_code;
	}
	entry.password = strdup(password);
	passwords = realloc(sel->passwords,
						(sel->n_passwords + 1) * sizeof(*passwords));
	if (passwords != NULL)
		sel->passwords = passwords;
	if (passwords == NULL || entry.password == NULL)
	{
		free(entry.key);
		pgcs_secret_free(entry.password);
		return pgcs_fail_memory(sel);
	}
	sel->passwords[sel->n_passwords++] = entry;
	return PGCS_OK;
}

/* The latest entry of the key's own wins; then the latest for any key. */
const char *
pgcs_selector_password(const pgcs_selector *sel, const char *key)
{
	const char *any = NULL;

	for (size_t i = sel->n_passwords; i-- > 0;)
	{
		if (sel->passwords[i].key == NULL)
		{
			if (any == NULL)
				any = sel->passwords[i].password;
		}
		else if (strcmp(sel->passwords[i].key, key) == 0)
			return sel->passwords[i].password;
	}
	return any;
}

int
pgcs_set_user(pgcs_selector *sel, const char *role)
{
	char	   *copy = NULL;

	pgcs_clear_error(sel);
	if (role != NULL && role[0] != '\0')
	{
		copy = strdup(role);
		if (copy == NULL)
			return pgcs_fail_memory(sel);
	}
	free(sel->user);
	sel->user = copy;
	return PGCS_OK;
}

int
pgcs_add_policy(pgcs_selector *sel, const char *policy)
{
	PgcertError error = {0};
	PgcertPolicy *parsed;
	PgcertPolicy **policies;

	pgcs_clear_error(sel);
	parsed = pgcert_policy_parse(policy != NULL ? policy : "", &error);
	if (parsed == NULL && pgcert_error_is_no_memory(&error))
		return pgcs_fail_memory(sel);
	if (parsed == NULL)
	{
		if (error.position > 0)
			return pgcs_fail(sel, PGCS_INVALID,
							 "policy is not valid at position %zu: %s%s%s",
							 error.position, error.message,
							 error.hint[0] != '\0' ? "; " : "", error.hint);
		return pgcs_fail(sel, PGCS_INVALID, "policy is not valid: %s%s%s",
						 error.message, error.hint[0] != '\0' ? "; " : "",
						 error.hint);
	}
	policies = realloc(sel->policies, (sel->n_policies + 1) * sizeof(*policies));
	if (policies == NULL)
	{
		pgcert_policy_free(parsed);
		return pgcs_fail_memory(sel);
	}
	sel->policies = policies;
	policies[sel->n_policies++] = parsed;
	return PGCS_OK;
}

int
pgcs_set_root_file(pgcs_selector *sel, const char *path)
{
	char	   *copy = NULL;

	pgcs_clear_error(sel);
	if (path != NULL && path[0] != '\0')
	{
		copy = strcmp(path, "system") == 0 ? strdup(path)
			: pgcs_absolute_path(sel, path);
		if (copy == NULL)
			return sel->error_code != PGCS_OK ? sel->error_code
				: pgcs_fail_memory(sel);
	}
	free(sel->root_file);
	sel->root_file = copy;
	return PGCS_OK;
}

int
pgcs_set_max_tls_version(pgcs_selector *sel, const char *version)
{
	pgcs_clear_error(sel);
	if (version == NULL || version[0] == '\0' || strcasecmp(version, "TLSv1.3") == 0)
		sel->max_tls_version = 0;
	else if (strcasecmp(version, "TLSv1.2") == 0 || strcasecmp(version, "TLSv1.1") == 0 ||
			 strcasecmp(version, "TLSv1") == 0)
		sel->max_tls_version = TLS1_2_VERSION;
	else
	{
		char	   *text = pgcs_printable(version);

		if (text == NULL)
			return pgcs_fail_memory(sel);
		pgcs_fail(sel, PGCS_INVALID, "there is no TLS version \"%s\"", text);
		free(text);
		return PGCS_INVALID;
	}
	return PGCS_OK;
}

static int
set_directory(pgcs_selector *sel, char **directory, const char *path)
{
	char	   *copy = NULL;

	pgcs_clear_error(sel);
	if (path != NULL)
	{
		copy = pgcs_absolute_path(sel, path);
		if (copy == NULL)
			return sel->error_code;
	}
	free(*directory);
	*directory = copy;
	return PGCS_OK;
}

int
pgcs_set_chain_directory(pgcs_selector *sel, const char *path)
{
	return set_directory(sel, &sel->chain_directory, path);
}

int
pgcs_set_unpack_directory(pgcs_selector *sel, const char *path)
{
	return set_directory(sel, &sel->unpack_directory, path);
}

void
pgcs_set_strict(pgcs_selector *sel, int on)
{
	sel->strict = on != 0;
}

void
pgcs_set_prompt_allowed(pgcs_selector *sel, int on)
{
	sel->prompt_allowed = on != 0;
}

void
pgcs_set_timeout_ms(pgcs_selector *sel, int timeout_ms)
{
	sel->timeout_ms = timeout_ms > 0 ? timeout_ms : 0;
}
