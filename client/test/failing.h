/*
 * failing.h
 *		Memory that runs out at one allocation after the other.
 *
 * A scenario is run with its n-th allocation failing, alone or with all after
 * it, for every n until there is none left to fail: first the library's own,
 * then (unless told otherwise, a part of) those that OpenSSL makes on its
 * behalf.  Each time it must either come to the same as always or report a
 * failure in words; nothing crashes, and under a sanitizer that finds leaks,
 * nothing leaks.
 *
 * The linker sends the library's allocations to allocator.c (--wrap, see
 * Makefile), and what libpq allocates for it here.
 */
#ifndef FAILING_H
#define FAILING_H

#include <stdbool.h>
#include <stddef.h>

#include "pgcertsel.h"
#include "test/allocator.h"

/* One run of a scenario: how it went, and what it came to. */
typedef struct Trial
{
	char		text[65536];	/* all that was found, to compare */
	size_t		len;
	char		chosen[2560];	/* what a choice in it came to, or "" */
	const char *failed_in;		/* the call that reported failure, or NULL */
	int			code;			/* and what it reported */
	char		words[1024];
} Trial;

typedef struct Scenario
{
	const char *name;

	/* Does all of it, and frees what it made. */
	void		(*run) (Trial *trial);
} Scenario;

/* Before anything else: OpenSSL takes an allocator only once. */
extern void failing_init(void);

/*
 * Reports a test for each of the four ways.
 */
extern void failing_each(const Scenario *scenario);

/* Adds to what the scenario came to. */
extern void trial_add(Trial *trial, const char *format,...)
			__attribute__((format(printf, 2, 3)));

/*
 * Success, or the first failure, of a call; its words are those of the
 * selector (NULL: it had none to speak with).  Returns success.
 */
extern bool trial_done(Trial *trial, bool success, const char *call,
					   const pgcs_selector *sel);

/* Everything that can be read of a bundle, a request, a choice. */
extern void trial_add_bundle(Trial *trial, const pgcs_bundle *bundle);
extern void trial_add_request(Trial *trial, const pgcs_request *request);
extern void trial_add_choice(Trial *trial, const pgcs_choice *choice);

#endif							/* FAILING_H */
