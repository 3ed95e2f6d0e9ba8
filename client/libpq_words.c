/*
 * libpq_words.c
 *		What libpq says when a connection fails, in one line.
 *
 * libpq has no function for the SQLSTATE of a failed connection, but words it
 * on request: PQERRORS_VERBOSE writes it behind the severity, and a last line
 * that tells where in the server's source the error was.  Both are taken out
 * again before anybody reads the message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "engine_key.h"
#include "selector.h"

/* Length of "57P03: " at p, or 0. */
static size_t
sqlstate_len(const char *p)
{
	static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return strspn(p, allowed) == 5 && p[5] == ':' && p[6] == ' ' ? 7 : 0;
}

/* "LOCATION:  ProcessStartupPacket, postmaster.c:2385", in any language */
static bool
is_location(const char *line, size_t len)
{
	int			end = 0;

	(void) sscanf(line, "%*[^:\n]:%*[ ]%*[A-Za-z0-9_]%*[,]%*[ ]%*[^ :\n]:%*d%n", &end);
	return end > 0 && (size_t) end == len;
}

/* Adds a line, without what only a verbose one has. */
static void
add_line(PgcertBuf *buf, const char *line, size_t len, bool verbose)
{
	size_t		head = len;

	for (size_t i = 0; verbose && head == len && i + 3 + 7 <= len; i++)
		if (strncmp(line + i, ":  ", 3) == 0 && sqlstate_len(line + i + 3) > 0)
			head = i + 3;
	pgcert_buf_escaped(buf, line, head);
	if (head < len)
	{
		head += sqlstate_len(line + head);
		pgcert_buf_escaped(buf, line + head, len - head);
	}
}

static char *
words_of(const char *libpq_message, bool verbose)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *message = pgcs_words_without_pin(libpq_message);
	size_t		len;

	if (message == NULL)
		return NULL;
	len = strlen(message);
	while (len > 0 && (message[len - 1] == '\n' || message[len - 1] == ' '))
		len--;
	pgcert_buf_text(&buf, "");
	for (size_t i = 0; i < len;)
	{
		size_t		line = 0;

		while (i + line < len && message[i + line] != '\n')
			line++;
		if (!verbose || !is_location(message + i, line))
		{
			size_t		tabs = strspn(message + i, "\t");

			if (tabs > line)
				tabs = line;
			if (buf.len > 0)
				pgcert_buf_text(&buf, "; ");
			add_line(&buf, message + i + tabs, line - tabs, verbose);
		}
		i += line + 1;
	}
	pgcs_secret_free(message);
	return pgcert_buf_take(&buf);
}

char *
pgcs_libpq_words(const char *message)
{
	return words_of(message, false);
}

/* May it be told?  A keyword of the connection string, or a single character. */
static bool
is_harmless(const char *quoted, size_t len, const char *conninfo)
{
	for (const char *p = conninfo; len > 1 && *p != '\0'; p++)
		if (strncmp(p, quoted, len) == 0 && p[len] == '=' &&
			(p == conninfo || strchr(" \t\n?&", p[-1]) != NULL))
			return true;
	return len <= 1;
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char) *text < 0x80)
		text++;
	return *text == '\0';
}

/*
 * libpq quotes all of a string that it cannot read, or any part, and so maybe
 * a password.  Where quotes cannot be told apart, since there are some in the
 * string itself or the message is a translation, nothing of it is kept.
 */
char *
pgcs_conninfo_words(const char *message, const char *conninfo)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	const char *begin;
	const char *end;
	char	   *text;
	char	   *words;

	if (!is_ascii(message) || strchr(conninfo, '"') != NULL)
		return strdup("the connection string is not valid");
	for (; (begin = strchr(message, '"')) != NULL &&
		 (end = strchr(begin + 1, '"')) != NULL; message = end + 1)
	{
		size_t		len = (size_t) (end - begin) - 1;

		pgcert_buf_bytes(&buf, message, (size_t) (begin - message));
		if (is_harmless(begin + 1, len, conninfo))
			pgcert_buf_bytes(&buf, begin, len + 2);
		else
			pgcert_buf_text(&buf, "\"...\"");
	}
	pgcert_buf_text(&buf, message);
	text = pgcert_buf_take(&buf);
	words = text != NULL ? pgcs_libpq_words(text) : NULL;
	free(text);
	return words;
}

char *
pgcs_verbose_words(const char *message)
{
	return words_of(message, true);
}

bool
pgcs_verbose_sqlstate_is(const char *message, const char *sqlstate)
{
	for (const char *p = message; (p = strstr(p, ":  ")) != NULL;)
	{
		p += 3;
		if (sqlstate_len(p) > 0 && strncmp(p, sqlstate, 5) == 0)
			return true;
	}
	return false;
}
