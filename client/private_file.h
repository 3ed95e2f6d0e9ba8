/*
 * private_file.h
 *		Files that nobody else can read, in a directory that nobody else can
 *		enter.
 */
#ifndef PGCS_PRIVATE_FILE_H
#define PGCS_PRIVATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The path of what is made of an original: DIRECTORY/stem-HASH.SUFFIX, the
 * hash being that of the original's path, and of what tells several made of
 * it apart, or NULL.  The caller frees it; NULL: no memory.
 */
extern char *pgcs_private_path(const char *directory, const char *original,
							   const char *which, const char *suffix);

/*
 * Opens the directory that a file is to lie in.  It is made if it is not
 * there; otherwise it must be our own, closed to all others.  Returns the
 * descriptor, or -1 with the words in *why, which is NULL for lack of memory.
 */
extern int	pgcs_private_directory(const char *path, const char **why);

/*
 * What is in the file, if it is ours, private, and not longer than max.  The
 * caller frees it; NULL if there is no such file.
 */
extern char *pgcs_private_read(int directory, const char *path, size_t max,
							   size_t *len);

/*
 * Replaces the file as a whole, so that no reader sees half of it.  False
 * with errno set.
 */
extern bool pgcs_private_replace(int directory, const char *path,
								 const char *content, size_t len);

/* Wipes, then frees. */
extern void pgcs_private_free(char *content, size_t len);

#endif							/* PGCS_PRIVATE_FILE_H */
