/*
 * source_scan.h
 *		The files of a directory, by name.
 */
#ifndef PGCS_SOURCE_SCAN_H
#define PGCS_SOURCE_SCAN_H

#include "reason.h"

typedef struct PgcsEntry
{
	const char *name;			/* without the directory */
	bool		regular;		/* a regular file, or a link to one */
} PgcsEntry;

/* The names lie in one block: there may be many. */
typedef struct PgcsListing
{
	PgcsEntry  *entries;		/* sorted bytewise by name */
	size_t		n;
	char	   *names;
} PgcsListing;

/*
 * Lists a directory: one level deep, names with a leading dot and
 * subdirectories left out.  False with a reason added, or with
 * reasons->failed set when memory is out; the listing is empty then.
 */
extern bool pgcs_scan_directory(const char *directory, PgcsListing *listing,
								PgcsReasons *reasons);
extern void pgcs_listing_free(PgcsListing *listing);

/* The path of a name in a directory, for the caller to free; NULL: no memory. */
extern char *pgcs_path_in(const char *directory, const char *name);

#endif							/* PGCS_SOURCE_SCAN_H */
