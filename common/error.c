/*
 * error.c
 *		What went wrong in a text that somebody wrote, and where.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

#define NO_MEMORY "out of memory"

void
pgcert_error_set(PgcertError *error, size_t position, const char *format,...)
{
	va_list		args;

	error->position = position;
	error->clause[0] = '\0';
	error->hint[0] = '\0';
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
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
