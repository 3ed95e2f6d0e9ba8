/*
 * error.c
 *		What went wrong in a text that somebody wrote, and where.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

#define NO_MEMORY "out of memory"

/*
 * A message quotes what somebody wrote: bytes that are no printable ASCII are
 * written as the policy language writes them, so that the message stays one
 * line, and is text in every encoding even where it is cut off.
 */
static void
copy_escaped(char *to, size_t size, const char *from)
{
	size_t		len = 0;

	for (const unsigned char *p = (const unsigned char *) from; *p != '\0'; p++)
	{
		bool		printable = *p >= 0x20 && *p < 0x7f;

		if (len + (printable ? 1 : 3) >= size)
			break;
		if (printable)
			to[len++] = (char) *p;
		else
			len += (size_t) sprintf(to + len, "\\%02X", *p);
	}
	to[len] = '\0';
}

void
pgcert_error_set(PgcertError *error, size_t position, const char *format,...)
{
	char		message[sizeof(error->message)];
	va_list		args;

	error->position = position;
	error->clause[0] = '\0';
	error->hint[0] = '\0';
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	copy_escaped(error->message, sizeof(error->message), message);
}

void
pgcert_error_hint(PgcertError *error, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(error->hint, sizeof(error->hint), format, args);
	va_end(args);
}

void
pgcert_error_out_of_memory(PgcertError *error)
{
	pgcert_error_set(error, 0, NO_MEMORY);
}

bool
pgcert_error_is_no_memory(const PgcertError *error)
{
	return error->position == 0 && strcmp(error->message, NO_MEMORY) == 0;
}
