/*
 * source_scan.h
 *		The files of a directory, by name.
 */
#ifndef PGCS_SOURCE_SCAN_H
#define PGCS_SOURCE_SCAN_H

#include "reason.h"

typedef struct PgcsEntry
{
	char	   *path;
	const char *name;			/* within it, without the directory */
	bool		regular;		/* a regular file, or a link to one */
} PgcsEntry;

/*
 * A directory's entries, sorted bytewise by path: one level deep, names with
 * a leading dot and subdirectories left out.  *entries and the paths belong
 * to the caller.  False with a reason added.
 */
extern bool pgcs_scan_directory(const char *directory, PgcsEntry **entries,
								size_t *n, PgcsReasons *reasons);

#endif							/* PGCS_SOURCE_SCAN_H */
