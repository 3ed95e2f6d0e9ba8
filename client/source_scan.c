/*
 * source_scan.c
 *		The files of a directory, by name.
 *
 * A mounted Kubernetes secret holds "..2026_x/tls.crt" and links to it: the
 * names with a leading dot are those that rotation deletes, so they are never
 * looked at.  One level deep, no loop of links can be followed.
 */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "buf.h"
#include "source_scan.h"

static int
compare_entries(const void *a, const void *b)
{
	return strcmp(((const PgcsEntry *) a)->name, ((const PgcsEntry *) b)->name);
}

/* Most file systems say what kind an entry is, which saves a call each. */
static bool
is_regular(DIR * dir, const struct dirent *entry, bool *is_directory)
{
	struct stat st;

	*is_directory = false;
#ifdef DT_REG
	if (entry->d_type == DT_REG)
		return true;
#endif
	if (fstatat(dirfd(dir), entry->d_name, &st, 0) != 0)
		return false;
	*is_directory = S_ISDIR(st.st_mode);
	return S_ISREG(st.st_mode);
}

/* Adds each name and its NUL, with 'r' before it if it is a regular file. */
static void
read_names(DIR * dir, PgcertBuf *names, size_t *n)
{
	struct dirent *entry;

	while (errno = 0, (entry = readdir(dir)) != NULL)
	{
		bool		is_directory;
		bool		regular;

		if (entry->d_name[0] == '.')
			continue;
		regular = is_regular(dir, entry, &is_directory);
		if (is_directory)
			continue;
		pgcert_buf_bytes(names, regular ? "r" : "-", 1);
		pgcert_buf_bytes(names, entry->d_name, strlen(entry->d_name) + 1);
		(*n)++;
	}
}

/* Takes the names, of which there are n. */
static bool
make_listing(PgcsListing *listing, PgcertBuf *names, size_t n)
{
	char	   *p;

	listing->entries = malloc((n + 1) * sizeof(*listing->entries));
	listing->names = pgcert_buf_take(names);
	if (listing->entries == NULL || listing->names == NULL)
	{
		pgcs_listing_free(listing);
		return false;
	}
	p = listing->names;
	for (listing->n = 0; listing->n < n; listing->n++)
	{
		listing->entries[listing->n] = (PgcsEntry) {p + 1, p[0] == 'r'};
		p += strlen(p) + 1;
	}
	if (n > 1)
		qsort(listing->entries, n, sizeof(*listing->entries), compare_entries);
	return true;
}

bool
pgcs_scan_directory(const char *directory, PgcsListing *listing,
					PgcsReasons *reasons)
{
	DIR		   *dir = opendir(directory);
	PgcertBuf	names = PGCERT_BUF_INIT;
	size_t		n = 0;

	*listing = (PgcsListing) {0};
	if (dir == NULL)
	{
		pgcs_reasons_add(reasons, PGCS_FATAL,
						 errno == ENOENT ? "file-missing" : "file-unreadable",
						 directory, "could not open directory: %s",
						 strerror(errno));
		return false;
	}
	read_names(dir, &names, &n);
	if (errno != 0)
		pgcs_reasons_add(reasons, PGCS_FATAL, "file-unreadable", directory,
						 "could not read directory to its end: %s",
						 strerror(errno));
	closedir(dir);
	if (!make_listing(listing, &names, n))
	{
		reasons->failed = true;
		return false;
	}
	return true;
}

void
pgcs_listing_free(PgcsListing *listing)
{
	free(listing->entries);
	free(listing->names);
	*listing = (PgcsListing) {0};
}

char *
pgcs_path_in(const char *directory, const char *name)
{
	size_t		len = strlen(directory);
	size_t		name_size = strlen(name) + 1;
	char	   *path;

	while (len > 0 && directory[len - 1] == '/')
		len--;
	path = malloc(len + 1 + name_size);
	if (path != NULL)
	{
		memcpy(path, directory, len);
		path[len] = '/';
		memcpy(path + len + 1, name, name_size);
	}
	return path;
}
