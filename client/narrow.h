/*
 * narrow.h
 *		Which files of the directories can matter for a request.
 */
#ifndef PGCS_NARROW_H
#define PGCS_NARROW_H

#include "bundle.h"
#include "glance.h"
#include "request.h"
#include "source_scan.h"

typedef struct PgcsNarrow
{
	const pgcs_selector *sel;
	const pgcs_request *request;
	PgcsGlance *glances;		/* in the order of paths, by directory */
	size_t		n;
	size_t		size;
	PgcsListing *listings;		/* of the directories: the names are there */
	size_t		n_listings;
	PgcsReader	reader;
} PgcsNarrow;

/*
 * Looks at every file of a directory, whose path must outlive the narrow.
 * False: no memory.
 */
extern bool pgcs_narrow_add_directory(PgcsNarrow *narrow, const char *directory,
									  PgcsReasons *problems);

/*
 * Reads into the pool what can matter: every CA's certificate; the
 * certificates that lead to a name of the request; and the keys that belong
 * to these.  False: no memory.
 */
extern bool pgcs_narrow_take(PgcsNarrow *narrow, PgcsPool *pool,
							 pgcs_bundle *bundle);

/*
 * The keys of which only opening them tells whose they are: is there one left
 * that could be opened?  And reads them.  False: no memory.
 */
extern bool pgcs_narrow_has_closed(const PgcsNarrow *narrow, bool *found);
extern bool pgcs_narrow_take_closed(PgcsNarrow *narrow, PgcsPool *pool,
									pgcs_bundle *bundle);

extern void pgcs_narrow_free(PgcsNarrow *narrow);

#endif							/* PGCS_NARROW_H */
