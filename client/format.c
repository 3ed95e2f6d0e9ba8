/*
 * format.c
 *		The choice as text that libpq reads back as the same bytes.
 *
 * "Send nothing" must be said: without sslcert, libpq would send
 * ~/.postgresql/postgresql.crt.  A path below /dev/null can exist on no
 * system, and every libpq goes without a certificate then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "choice.h"
#include "connection.h"
#include "format.h"
#include "selector.h"

/* A service file's lines are shorter than this, the newline included. */
#define MAX_SERVICE_LINE 1022

/* What is to be written: the connection's parameters, the choice's on top. */
typedef struct Setting
{
	const char *keyword;
	const char *value;			/* "" where a value is to be taken away */
	const char *variable;		/* libpq's environment variable, or NULL */
} Setting;

typedef struct Settings
{
	Setting    *items;
	size_t		n;
} Settings;

static const char *
variable_of(const PQconninfoOption *defaults, const char *keyword)
{
	for (; defaults != NULL && defaults->keyword != NULL; defaults++)
		if (strcmp(defaults->keyword, keyword) == 0)
			return defaults->envvar;
	return NULL;
}

static void
settings_put(Settings *settings, const PQconninfoOption *defaults,
			 const char *keyword, const char *value)
{
	settings->items[settings->n++] = (Setting) {
		keyword, value, variable_of(defaults, keyword)
	};
}

static bool
is_certificate_keyword(const char *keyword)
{
	return strcmp(keyword, "sslcert") == 0 || strcmp(keyword, "sslkey") == 0 ||
		strcmp(keyword, "sslpassword") == 0 ||
		strcmp(keyword, "sslcertmode") == 0;
}

/* False when memory is out. */
static bool
collect(Settings *settings, const PQconninfoOption *defaults,
		const pgcs_choice *choice, const char *const *keywords,
		const char *const *values, int flags)
{
	const pgcs_identity *identity = choice != NULL && choice->winner != NULL
		? choice->winner->identity : NULL;
	size_t		n = 0;

	while (keywords != NULL && keywords[n] != NULL)
		n++;
	settings->items = calloc(n + 3, sizeof(*settings->items));
	if (settings->items == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
	{
		if (values[i] == NULL || is_certificate_keyword(keywords[i]))
			continue;
		if (strcmp(keywords[i], "password") == 0 && !(flags & PGCS_SHOW_PASSWORD))
			continue;
		settings_put(settings, defaults, keywords[i], values[i]);
	}
	settings_put(settings, defaults, "sslcert",
				 identity != NULL ? identity->cert_path : PGCS_NOTHING);
	if (identity != NULL)
		settings_put(settings, defaults, "sslkey", (flags & PGCS_SHOW_PASSWORD)
					 ? identity->key_path : pgcs_identity_key_path(identity));
	if (identity != NULL && identity->password != NULL &&
		(flags & PGCS_SHOW_PASSWORD))
		settings_put(settings, defaults, "sslpassword", identity->password);
	return true;
}

static int
inexpressible(pgcs_selector *sel, const Setting *setting, const char *why)
{
	return pgcs_fail(sel, PGCS_INEXPRESSIBLE, "%s %s", setting->keyword, why);
}

/* In single quotes, as any POSIX shell reads it. */
static void
add_shell_quoted(PgcertBuf *buf, const char *value)
{
	pgcert_buf_text(buf, "'");
	for (const char *p = value; *p != '\0'; p++)
	{
		if (*p == '\'')
			pgcert_buf_text(buf, "'\\''");
		else
			pgcert_buf_bytes(buf, p, 1);
	}
	pgcert_buf_text(buf, "'");
}

static int
format_env(pgcs_selector *sel, PgcertBuf *buf, const Settings *settings)
{
	bool		has_key = false;

	for (size_t i = 0; i < settings->n; i++)
	{
		const Setting *setting = &settings->items[i];

		if (setting->variable == NULL)
			return inexpressible(sel, setting,
								 "has no environment variable; use \"pgcertsel exec\", or another format");
		has_key = has_key || strcmp(setting->keyword, "sslkey") == 0;
		if (setting->value[0] == '\0')
		{
			pgcert_buf_printf(buf, "unset %s\n", setting->variable);
			continue;
		}
		pgcert_buf_printf(buf, "export %s=", setting->variable);
		add_shell_quoted(buf, setting->value);
		pgcert_buf_text(buf, "\n");
	}
	if (!has_key)
		pgcert_buf_text(buf, "unset PGSSLKEY\n");
	return PGCS_OK;
}

static void
add_percent_encoded(PgcertBuf *buf, const char *value)
{
	for (const unsigned char *p = (const unsigned char *) value; *p != '\0'; p++)
	{
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= '0' && *p <= '9') || strchr("-._~/", *p) != NULL)
			pgcert_buf_bytes(buf, p, 1);
		else
			pgcert_buf_printf(buf, "%%%02X", *p);
	}
}

static void
format_uri(PgcertBuf *buf, const Settings *settings)
{
	pgcert_buf_text(buf, "postgresql://");
	for (size_t i = 0; i < settings->n; i++)
	{
		pgcert_buf_text(buf, i == 0 ? "?" : "&");
		pgcert_buf_text(buf, settings->items[i].keyword);
		pgcert_buf_text(buf, "=");
		add_percent_encoded(buf, settings->items[i].value);
	}
}

/* Service files have no quoting at all. */
static int
format_service(pgcs_selector *sel, PgcertBuf *buf, const Settings *settings)
{
	pgcert_buf_text(buf, "[pgcertsel]\n");
	for (size_t i = 0; i < settings->n; i++)
	{
		const Setting *setting = &settings->items[i];
		size_t		len = strlen(setting->value);

		if (strpbrk(setting->value, "\r\n") != NULL)
			return inexpressible(sel, setting,
								 "has a newline, which no service file can hold");
		if (len > 0 && strchr(" \t\v\f", setting->value[len - 1]) != NULL)
			return inexpressible(sel, setting,
								 "ends in a blank, which a service file loses");
		if (strlen(setting->keyword) + len + 2 > MAX_SERVICE_LINE)
			return inexpressible(sel, setting,
								 "is longer than a line of a service file");
		if (strcmp(setting->keyword, "service") == 0 ||
			strcmp(setting->keyword, "servicefile") == 0)
			return inexpressible(sel, setting,
								 "cannot stand in a service file");
		pgcert_buf_printf(buf, "%s=", setting->keyword);
		pgcert_buf_text(buf, setting->value);
		pgcert_buf_text(buf, "\n");
	}
	return PGCS_OK;
}

char *
pgcs_format(pgcs_selector *sel, const pgcs_choice *choice, pgcs_format_kind kind,
			const char *const *keywords, const char *const *values, int flags)
{
	PQconninfoOption *defaults = PQconndefaults();
	Settings	settings = {NULL, 0};
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *text = NULL;
	char	   *last_error = strdup(pgcs_error(sel));
	int			result = PGCS_OK;

	pgcs_clear_error(sel);
	if (defaults == NULL || last_error == NULL ||
		!collect(&settings, defaults, choice, keywords, values, flags))
	{
		pgcs_fail_memory(sel);
		goto out;
	}
	switch (kind)
	{
		case PGCS_FORMAT_CONNINFO:
			for (size_t i = 0; i < settings.n; i++)
				pgcs_conninfo_add(&buf, settings.items[i].keyword,
								  settings.items[i].value);
			break;
		case PGCS_FORMAT_ENV:
			result = format_env(sel, &buf, &settings);
			break;
		case PGCS_FORMAT_JSON:
			pgcs_format_json(&buf, choice, last_error,
							 (flags & PGCS_SHOW_PASSWORD) != 0);
			break;
		case PGCS_FORMAT_URI:
			format_uri(&buf, &settings);
			break;
		case PGCS_FORMAT_SERVICE:
			result = format_service(sel, &buf, &settings);
			break;
		default:
			result = pgcs_fail(sel, PGCS_INVALID, "format %d does not exist",
							   (int) kind);
			break;
	}
	if (result == PGCS_OK)
	{
		text = pgcert_buf_take(&buf);
		if (text == NULL)
			pgcs_fail_memory(sel);
	}
out:
	pgcert_buf_free(&buf);
	free(last_error);
	free(settings.items);
	PQconninfoFree(defaults);
	return text;
}
