/*
 * tap.h
 *		The few lines of TAP that the C tests need.
 */
#ifndef PGCERT_TEST_TAP_H
#define PGCERT_TEST_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int	tap_count;
static int	tap_failed;

__attribute__((format(printf, 2, 3)))
static inline bool
ok(bool passed, const char *format,...)
{
	char		name[512];
	va_list		args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	/* one line a test, and nothing in it that TAP would read */
	for (char *s = name; *s != '\0'; s++)
	{
		if (*s == '#' || (*s >= 0 && *s < 0x20))
			*s = '?';
	}
	printf("%sok %d - %s\n", passed ? "" : "not ", ++tap_count, name);
	if (!passed)
		tap_failed++;
	return passed;
}

/* Compares texts; NULL is a text of its own. */
static inline bool
is(const char *got, const char *want, const char *name)
{
	bool		same = (got == NULL || want == NULL) ? got == want : strcmp(got, want) == 0;

	ok(same, "%s", name);
	if (!same)
		printf("#      got: %s\n# expected: %s\n", got ? got : "(null)", want ? want : "(null)");
	return same;
}

/* Ends the test; main() returns this. */
static inline int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed > 0 || tap_count == 0;
}

#endif							/* PGCERT_TEST_TAP_H */
