/*
 * name_index.h
 *		Numbers found by distinguished name.
 *
 * The hash is that of the canonical form, so that names which OpenSSL takes
 * for equal lie together; X509_NAME_cmp() has the last word.
 */
#ifndef PGCS_NAME_INDEX_H
#define PGCS_NAME_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

typedef struct PgcsNameEntry
{
	unsigned long hash;
	const X509_NAME *name;		/* borrowed */
	size_t		value;
} PgcsNameEntry;

typedef struct PgcsNameIndex
{
	PgcsNameEntry *entries;
	size_t		n;
	size_t		size;
} PgcsNameIndex;

extern unsigned long pgcs_name_hash(const X509_NAME *name);

/* False when memory is out. */
extern bool pgcs_name_index_add(PgcsNameIndex *index, const X509_NAME *name,
								size_t value);

/* To be called once all are added. */
extern void pgcs_name_index_sort(PgcsNameIndex *index);

/*
 * The values of a name, in their order: *position is 0 for the first, and
 * moved on.  False if there is none any more.
 */
extern bool pgcs_name_index_next(const PgcsNameIndex *index,
								 const X509_NAME *name, unsigned long hash,
								 size_t *position, size_t *value);

extern void pgcs_name_index_free(PgcsNameIndex *index);

#endif							/* PGCS_NAME_INDEX_H */
