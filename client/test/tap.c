/*
 * tap.c
 *		Test Anything Protocol, for table tests.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

static int	n_tests;
static int	n_failed;

static bool
report(bool value, const char *format, va_list args)
{
	printf("%s %d - ", value ? "ok" : "not ok", ++n_tests);
	vprintf(format, args);
	putchar('\n');
	n_failed += !value;
	return value;
}

bool
ok(bool value, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	report(value, format, args);
	va_end(args);
	return value;
}

bool
is_text(const char *got, const char *want, const char *format,...)
{
	bool		same = got == want ||
		(got != NULL && want != NULL && strcmp(got, want) == 0);
	va_list		args;

	va_start(args, format);
	report(same, format, args);
	va_end(args);
	if (!same)
		printf("#      got: %s\n#     want: %s\n", got != NULL ? got : "(null)",
			   want != NULL ? want : "(null)");
	return same;
}

bool
is_int(long got, long want, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	report(got == want, format, args);
	va_end(args);
	if (got != want)
		printf("#      got: %ld\n#     want: %ld\n", got, want);
	return got == want;
}

bool
has_text(const char *got, const char *part, const char *format,...)
{
	bool		found = got != NULL && strstr(got, part) != NULL;
	va_list		args;

	va_start(args, format);
	report(found, format, args);
	va_end(args);
	if (!found)
		printf("#      got: %s\n# without: %s\n", got != NULL ? got : "(null)", part);
	return found;
}

int
done_testing(void)
{
	printf("1..%d\n", n_tests);
	return n_failed == 0 ? 0 : 1;
}

void
die(const char *format,...)
{
	va_list		args;

	printf("Bail out! ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(255);
}
