/*
 * reason.c
 *		Why something is so: a code for programs, words for people.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reason.h"

static char *
format_text(const char *format, va_list args)
{
	va_list		again;
	char	   *text;
	int			len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0)
		return NULL;
	text = malloc((size_t) len + 1);
	if (text != NULL)
		vsnprintf(text, (size_t) len + 1, format, args);
	return text;
}

static void
reason_free(pgcs_reason *reason)
{
	if (reason == NULL)
		return;
	free(reason->file);
	free(reason->text);
	free(reason->hint);
	free(reason);
}

/* Appends, or frees and marks the list as failed. */
static void
reasons_append(PgcsReasons *reasons, pgcs_reason *reason)
{
	pgcs_reason **items;

	items = realloc(reasons->items, (reasons->n + 1) * sizeof(*items));
	if (items == NULL)
	{
		reasons->failed = true;
		reason_free(reason);
		return;
	}
	reasons->items = items;
	items[reasons->n++] = reason;
}

/* What to do where nothing more special is to be said. */
static const char *
usual_hint(pgcs_severity severity, const char *code)
{
	static const struct
	{
		const char *code;
		const char *hint;
	}			hints[] =

	{
		{"expired", "have it renewed"},
		{"not-yet-valid", "wait for that day, or set the clock of this machine right"},
		{"weak", "have it issued anew: RSA of 2048 bits or more, or EC, signed with SHA-256"},
		{"key-mismatch", "find the key that the certificate was requested with, or request a new certificate"},
		{"key-encrypted", "give its password with --password-file or in sslpassword"},
		{"key-password-wrong", "try the password with \"openssl pkey -noout -in KEYFILE\""},
		{"no-key", "put its key into the bundle, or name it in sslkey"},
		{"path-too-long", "move it, or link to it by a shorter path"},
		{"cn-embedded-nul", "have it issued anew with a common name in UTF-8"},
	};

	for (size_t i = 0; severity != PGCS_NOTE && i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strcmp(code, hints[i].code) == 0)
			return hints[i].hint;
	return "";
}

void
pgcs_reasons_add(PgcsReasons *reasons, pgcs_severity severity,
				 const char *code, const char *file, const char *format,...)
{
	pgcs_reason *reason = calloc(1, sizeof(*reason));
	va_list		args;

	if (reason == NULL)
	{
		reasons->failed = true;
		return;
	}
	reason->severity = severity;
	reason->code = code;
	if (file != NULL)
		reason->file = strdup(file);
	va_start(args, format);
	reason->text = format_text(format, args);
	va_end(args);
	reason->hint = strdup(usual_hint(severity, code));
	if (reason->text == NULL || reason->hint == NULL ||
		(file != NULL && reason->file == NULL))
	{
		reasons->failed = true;
		reason_free(reason);
		return;
	}
	reasons_append(reasons, reason);
}

void
pgcs_reasons_hint(PgcsReasons *reasons, const char *format,...)
{
	va_list		args;
	char	   *hint;

	if (reasons->failed || reasons->n == 0)
		return;
	va_start(args, format);
	hint = format_text(format, args);
	va_end(args);
	if (hint == NULL)
	{
		reasons->failed = true;
		return;
	}
	free(reasons->items[reasons->n - 1]->hint);
	reasons->items[reasons->n - 1]->hint = hint;
}

void
pgcs_reasons_presume(PgcsReasons *reasons)
{
	if (reasons->failed || reasons->n == 0)
		return;
	reasons->items[reasons->n - 1]->presumed = true;
	pgcs_reasons_hint(reasons, "use --confirm to try it all the same");
}

bool
pgcs_reasons_have(const PgcsReasons *reasons, const char *code)
{
	for (size_t i = 0; i < reasons->n; i++)
		if (strcmp(reasons->items[i]->code, code) == 0)
			return true;
	return false;
}

bool
pgcs_reasons_have_fatal(const PgcsReasons *reasons)
{
	for (size_t i = 0; i < reasons->n; i++)
		if (reasons->items[i]->severity == PGCS_FATAL)
			return true;
	return false;
}

void
pgcs_reasons_remove(PgcsReasons *reasons, const char *code)
{
	size_t		kept = 0;

	for (size_t i = 0; i < reasons->n; i++)
	{
		if (strcmp(reasons->items[i]->code, code) == 0)
			reason_free(reasons->items[i]);
		else
			reasons->items[kept++] = reasons->items[i];
	}
	reasons->n = kept;
}

void
pgcs_reasons_move(PgcsReasons *to, PgcsReasons *from)
{
	for (size_t i = 0; i < from->n; i++)
		reasons_append(to, from->items[i]);
	if (from->failed)
		to->failed = true;
	free(from->items);
	*from = (PgcsReasons) {0};
}

void
pgcs_reasons_free(PgcsReasons *reasons)
{
	for (size_t i = 0; i < reasons->n; i++)
		reason_free(reasons->items[i]);
	free(reasons->items);
	*reasons = (PgcsReasons) {0};
}

pgcs_severity
pgcs_reason_severity(const pgcs_reason *reason)
{
	return reason->severity;
}

const char *
pgcs_reason_code(const pgcs_reason *reason)
{
	return reason->code;
}

const char *
pgcs_reason_text(const pgcs_reason *reason)
{
	return reason->text;
}

const char *
pgcs_reason_hint(const pgcs_reason *reason)
{
	return reason->hint;
}

const char *
pgcs_reason_file(const pgcs_reason *reason)
{
	return reason->file;
}
