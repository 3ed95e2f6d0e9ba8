/*
 * tap.h
 *		Test Anything Protocol, for table tests.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

/* One test; false is a failure, and is returned. */
extern bool ok(bool value, const char *format,...) __attribute__((format(printf, 2, 3)));

/* Equal as strings; NULL is equal to NULL only. */
extern bool is_text(const char *got, const char *want, const char *format,...)
			__attribute__((format(printf, 3, 4)));
extern bool is_int(long got, long want, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* The text holds the part. */
extern bool has_text(const char *got, const char *part, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* Prints the plan; the exit status. */
extern int	done_testing(void);

/* Ends the program: the test itself is broken. */
extern void die(const char *format,...) __attribute__((format(printf, 1, 2), noreturn));

#endif							/* TAP_H */
