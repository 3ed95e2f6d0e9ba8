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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "source_scan.h"

/* By name, since the paths are all alike up to there. */
static int
compare_entries(const void *a, const void *b)
{
	return strcmp(((const PgcsEntry *) a)->name, ((const PgcsEntry *) b)->name);
}

/* Most file systems say what kind an entry is, which saves a call each. */
static bool
is_regular(const struct dirent *entry, const char *path, bool *is_directory)
{
	struct stat st;

	*is_directory = false;
#ifdef DT_REG
	if (entry->d_type == DT_REG)
		return true;
#else
	(void) entry;
#endif
	if (stat(path, &st) != 0)
		return false;
	*is_directory = S_ISDIR(st.st_mode);
	return S_ISREG(st.st_mode);
}

bool
pgcs_scan_directory(const char *directory, PgcsEntry **entries, size_t *n,
					PgcsReasons *reasons)
{
	DIR		   *dir = opendir(directory);
	struct dirent *entry;
	PgcsEntry  *list = NULL;
	size_t		used = 0;
	size_t		size = 0;
	size_t		len = strlen(directory);

	*entries = NULL;
	*n = 0;
	if (dir == NULL)
	{
		pgcs_reasons_add(reasons, PGCS_FATAL,
						 errno == ENOENT ? "file-missing" : "file-unreadable",
						 directory, "could not open directory: %s",
						 strerror(errno));
		return false;
	}
	while (len > 0 && directory[len - 1] == '/')
		len--;
	while (errno = 0, (entry = readdir(dir)) != NULL)
	{
		size_t		name_size;
		char	   *path;
		bool		regular;
		bool		is_directory;

		if (entry->d_name[0] == '.')
			continue;
		if (used == size)
		{
			PgcsEntry  *larger;

			size = size == 0 ? 64 : size * 2;
			larger = realloc(list, size * sizeof(*list));
			if (larger == NULL)
				goto no_memory;
			list = larger;
		}
		name_size = strlen(entry->d_name) + 1;
		path = malloc(len + 1 + name_size);
		if (path == NULL)
			goto no_memory;
		memcpy(path, directory, len);
		path[len] = '/';
		memcpy(path + len + 1, entry->d_name, name_size);
		regular = is_regular(entry, path, &is_directory);
		if (is_directory)
			free(path);
		else
			list[used++] = (PgcsEntry) {path, path + len + 1, regular};
	}
	if (errno != 0)
		pgcs_reasons_add(reasons, PGCS_FATAL, "file-unreadable", directory,
						 "could not read directory to its end: %s",
						 strerror(errno));
	closedir(dir);
	if (used > 0)
		qsort(list, used, sizeof(*list), compare_entries);
	*entries = list;
	*n = used;
	return true;

no_memory:
	closedir(dir);
	for (size_t i = 0; i < used; i++)
		free(list[i].path);
	free(list);
	reasons->failed = true;
	return false;
}
