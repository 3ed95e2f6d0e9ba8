/*
 * chooser.c
 *		Chooses at the moment of connecting, from files that may be replaced.
 *
 * A bundle is what the files were when it was loaded.  What is sent must be
 * what they are now, and certificate and key of one time.
 */
#include <stdlib.h>
#include <time.h>

#include "chooser.h"

/* Files that change more often than this while they are looked at. */
#define MAX_READS 5

void
pgcs_chooser_init(PgcsChooser *chooser, pgcs_selector *sel, pgcs_bundle *bundle)
{
	*chooser = (PgcsChooser) {.sel = sel};
	if (bundle != NULL)
		chooser->bundle = pgcs_bundle_ref(bundle);
}

void
pgcs_chooser_free(PgcsChooser *chooser)
{
	pgcs_chooser_forget(chooser);
	pgcs_bundle_free(chooser->bundle);
	pgcs_watch_free(&chooser->watch);
}

void
pgcs_chooser_forget(PgcsChooser *chooser)
{
	pgcs_bundle_free(chooser->fresh);
	chooser->fresh = NULL;
	chooser->replaced = 0;
}

/* Reads of the sources what matters for the request. */
static bool
read_sources(PgcsChooser *chooser, const pgcs_request *request)
{
	pgcs_bundle_free(chooser->fresh);
	chooser->fresh = NULL;
	if (!pgcs_watch_start(&chooser->watch, chooser->sel))
	{
		pgcs_fail_memory(chooser->sel);
		return false;
	}
	chooser->fresh = pgcs_bundle_load_for(chooser->sel, request, (int64_t) time(NULL));
	return chooser->fresh != NULL;
}

/* Chooses, and opens the choice; PGCS_CHANGED if its files were replaced. */
static int
try_choice(PgcsChooser *chooser, const pgcs_request *request, pgcs_choice **choice)
{
	pgcs_bundle *bundle = chooser->fresh != NULL ? chooser->fresh : chooser->bundle;

	*choice = pgcs_select(chooser->sel, bundle, request, (int64_t) time(NULL));
	return *choice != NULL ? pgcs_choice_load(chooser->sel, *choice) : PGCS_NO_MEMORY;
}

/*
 * May what fits have come since the bundle was read, or its certificate
 * without its key, as they were being replaced?
 */
static bool
is_old(const PgcsChooser *chooser)
{
	return chooser->fresh == NULL || pgcs_watch_changed(&chooser->watch, chooser->sel);
}

/*
 * The caller's bundle may be old: files that changed meanwhile are read again,
 * and so are all of them if nothing fits.
 */
static int
find_choice(PgcsChooser *chooser, const pgcs_request *request, pgcs_choice **choice)
{
	bool		read = chooser->bundle == NULL;
	int			result;

	for (int reads = 0;; reads++)
	{
		pgcs_choice_free(*choice);
		*choice = NULL;
		if (read && !read_sources(chooser, request))
			return PGCS_NO_MEMORY;
		result = try_choice(chooser, request, choice);
		read = result == PGCS_CHANGED ||
			(result == PGCS_OK && (*choice)->status == PGCS_NONE && is_old(chooser));
		if (!read || reads == MAX_READS)
			break;
	}
	while (result == PGCS_CHANGED)
		result = pgcs_choice_load(chooser->sel, *choice);
	return result;
}

int
pgcs_chooser_choose(PgcsChooser *chooser, const pgcs_request *request,
					const char *user, pgcs_choice **choice)
{
	char	   *own = chooser->sel->user;
	int			result;

	if (own == NULL)
		chooser->sel->user = (char *) user;
	result = find_choice(chooser, request, choice);
	chooser->sel->user = own;
	return result;
}

bool
pgcs_chooser_met_replacement(PgcsChooser *chooser, const pgcs_choice *choice)
{
	return choice != NULL && choice->status == PGCS_FOUND &&
		pgcs_files_changed(choice->winner->identity) &&
		chooser->replaced++ < MAX_READS;
}
