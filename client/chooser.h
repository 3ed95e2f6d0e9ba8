/*
 * chooser.h
 *		Chooses at the moment of connecting, from files that may be replaced.
 */
#ifndef PGCS_CHOOSER_H
#define PGCS_CHOOSER_H

#include <stdbool.h>

#include "choice.h"
#include "source_watch.h"

typedef struct PgcsChooser
{
	pgcs_selector *sel;			/* the caller's */
	pgcs_bundle *bundle;		/* the caller's, or NULL */
	pgcs_bundle *fresh;			/* read for the present request, while */
	PgcsWatch	watch;			/* this watched its sources */
	int			replaced;		/* how often its files were, under libpq */
} PgcsChooser;

extern void pgcs_chooser_init(PgcsChooser *chooser, pgcs_selector *sel,
							  pgcs_bundle *bundle);
extern void pgcs_chooser_free(PgcsChooser *chooser);

/* Another request comes: what was read for the present one goes. */
extern void pgcs_chooser_forget(PgcsChooser *chooser);

/*
 * Chooses for the selector's user, or else for this one, and opens what was
 * chosen.  PGCS_OK, whatever the choice is; else the selector's error is set.
 * The choice, which may be NULL then, belongs to the caller.
 */
extern int	pgcs_chooser_choose(PgcsChooser *chooser, const pgcs_request *request,
								const char *user, pgcs_choice **choice);

/*
 * libpq opens the files after us, and the key after the certificate.  Were
 * they replaced meanwhile, so that what it met may not go together?  Says so
 * a few times at most.
 */
extern bool pgcs_chooser_met_replacement(PgcsChooser *chooser,
										 const pgcs_choice *choice);

#endif							/* PGCS_CHOOSER_H */
