/*
 * source_scan.h
 *		The files of a directory, by name.
 */
#ifndef PGCS_SOURCE_SCAN_H
#define PGCS_SOURCE_SCAN_H

#include "reason.h"

/*
 * The paths of a directory's entries, sorted bytewise: one level deep, names
 * with a leading dot and subdirectories left out.  *paths and its strings
 * belong to the caller.  False with a reason added.
 */
extern bool pgcs_scan_directory(const char *directory, char ***paths, size_t *n,
								PgcsReasons *reasons);

#endif							/* PGCS_SOURCE_SCAN_H */
