/*
 * source_watch.c
 *		Did the sources change since they were looked at?
 *
 * A certificate is replaced along with its key, and who reads in between has
 * the one without the other.  A directory's time tells: that of a mounted
 * secret is set when its link is swapped, and that of any other when a file is
 * put in another's place.
 */
#include <stdlib.h>

#include "source_watch.h"

/* All zero if there is nothing by that name. */
static PgcsStamp
stamp_of(const char *path)
{
	PgcsStamp	stamp = {0};
	struct stat st;

	if (path != NULL && stat(path, &st) == 0)
		pgcs_stamp_set(&stamp, &st);
	return stamp;
}

bool
pgcs_watch_start(PgcsWatch *watch, const pgcs_selector *sel)
{
	PgcsStamp  *stamps = calloc(2 * sel->n_sources + 1, sizeof(*stamps));

	if (stamps == NULL)
		return false;
	for (size_t i = 0; i < sel->n_sources; i++)
	{
		stamps[2 * i] = stamp_of(sel->sources[i].path);
		stamps[2 * i + 1] = stamp_of(sel->sources[i].key);
	}
	pgcs_watch_free(watch);
	*watch = (PgcsWatch) {stamps, sel->n_sources};
	return true;
}

bool
pgcs_watch_changed(const PgcsWatch *watch, const pgcs_selector *sel)
{
	if (watch->n != sel->n_sources)
		return true;
	for (size_t i = 0; i < watch->n; i++)
	{
		PgcsStamp	path = stamp_of(sel->sources[i].path);
		PgcsStamp	key = stamp_of(sel->sources[i].key);

		if (!pgcs_stamp_equal(&path, &watch->stamps[2 * i]) ||
			!pgcs_stamp_equal(&key, &watch->stamps[2 * i + 1]))
			return true;
	}
	return false;
}

void
pgcs_watch_free(PgcsWatch *watch)
{
	free(watch->stamps);
	*watch = (PgcsWatch) {NULL, 0};
}
