/*
 * source_watch.h
 *		Did the sources change since they were looked at?
 */
#ifndef PGCS_SOURCE_WATCH_H
#define PGCS_SOURCE_WATCH_H

#include "selector.h"
#include "source_file.h"

typedef struct PgcsWatch
{
	PgcsStamp  *stamps;
	size_t		n;
} PgcsWatch;

/* To be called before they are read.  False: no memory. */
extern bool pgcs_watch_start(PgcsWatch *watch, const pgcs_selector *sel);
extern bool pgcs_watch_changed(const PgcsWatch *watch, const pgcs_selector *sel);
extern void pgcs_watch_free(PgcsWatch *watch);

#endif							/* PGCS_SOURCE_WATCH_H */
