/*
 * pool.c
 *		Files that are waiting to be paired.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "source_scan.h"
#include "unpack.h"

bool
pgcs_pool_add(const pgcs_selector *sel, PgcsPool *pool, pgcs_bundle *bundle,
			  const char *path, bool explicit_source, const char *password)
{
	PgcsFile   *file;

	if (pool->n == pool->size)
	{
		size_t		size = pool->size == 0 ? 64 : pool->size * 2;
		PgcsFile  **files = realloc(pool->files, size * sizeof(*files));

		if (files == NULL)
			return false;
		pool->files = files;
		pool->size = size;
	}
	file = pgcs_file_read(path, explicit_source);
	if (file == NULL)
		return false;
	file->password = password != NULL ? password : pgcs_selector_password(sel, path);
	pool->files[pool->n++] = file;
	if (file->is_pkcs12 && !pgcs_unpack(sel, bundle, file))
		return false;
	if (file->key_state == PGCS_KEY_NONE)
		pgcs_file_forget(file);
	return !file->reasons.failed && pgcs_bundle_keep_cas(bundle, file);
}

bool
pgcs_pool_add_directory(const pgcs_selector *sel, PgcsPool *pool,
						pgcs_bundle *bundle, const char *directory)
{
	PgcsListing listing;
	bool		ok = true;

	if (!pgcs_scan_directory(directory, &listing, &bundle->problems))
		return !bundle->problems.failed;
	for (size_t i = 0; ok && i < listing.n; i++)
	{
		char	   *path = pgcs_path_in(directory, listing.entries[i].name);

		ok = path != NULL && pgcs_pool_add(sel, pool, bundle, path, false, NULL);
		free(path);
	}
	pgcs_listing_free(&listing);
	return ok;
}

/*
 * A certificate without a named key joins the pool, and with it the file
 * "x.key" beside it, where its key most often is.
 */
bool
pgcs_pool_add_certificate(const pgcs_selector *sel, PgcsPool *pool,
						  pgcs_bundle *bundle, const PgcsSource *source)
{
	const char *path = source->path;
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(path, '.');
	size_t		len = dot != NULL && dot > slash + 1 ? (size_t) (dot - path)
		: strlen(path);
	char	   *key = malloc(len + sizeof(".key"));
	struct stat st;
	bool		ok;

	if (key == NULL)
		return false;
	memcpy(key, path, len);
	memcpy(key + len, ".key", sizeof(".key"));
	ok = pgcs_pool_add(sel, pool, bundle, path, true, source->password);
	if (ok && strcmp(key, path) != 0 && stat(key, &st) == 0)
		ok = pgcs_pool_add(sel, pool, bundle, key, true, source->password);
	free(key);
	return ok;
}

void
pgcs_pool_free(PgcsPool *pool)
{
	for (size_t i = 0; i < pool->n; i++)
		pgcs_file_free(pool->files[i]);
	free(pool->files);
	*pool = (PgcsPool) {0};
}
