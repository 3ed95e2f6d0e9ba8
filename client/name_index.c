/*
 * name_index.c
 *		Numbers found by distinguished name.
 */
#include <stdlib.h>

#include <openssl/err.h>

#include "name.h"
#include "name_index.h"

/* 0 if OpenSSL has no SHA-1: slow then, but right all the same. */
unsigned long
pgcs_name_hash(const X509_NAME *name)
{
	unsigned long hash = X509_NAME_hash((X509_NAME *) name);

	if (hash == 0)
		ERR_clear_error();
	return hash;
}

bool
pgcs_name_index_add(PgcsNameIndex *index, const X509_NAME *name, size_t value)
{
	if (index->n == index->size)
	{
		size_t		size = index->size == 0 ? 64 : index->size * 2;
		PgcsNameEntry *entries = realloc(index->entries, size * sizeof(*entries));

		if (entries == NULL)
			return false;
		index->entries = entries;
		index->size = size;
	}
	index->entries[index->n++] = (PgcsNameEntry) {pgcs_name_hash(name), name, value};
	return true;
}

static int
compare_entries(const void *x, const void *y)
{
	const PgcsNameEntry *a = x;
	const PgcsNameEntry *b = y;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return (a->value > b->value) - (a->value < b->value);
}

void
pgcs_name_index_sort(PgcsNameIndex *index)
{
	if (index->n > 1)
		qsort(index->entries, index->n, sizeof(*index->entries), compare_entries);
}

/* The first entry whose hash is not smaller. */
static size_t
lower_bound(const PgcsNameIndex *index, unsigned long hash)
{
	size_t		low = 0;
	size_t		high = index->n;

	while (low < high)
	{
		size_t		middle = low + (high - low) / 2;

		if (index->entries[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* *position is 1 more than that of the entry to look at next. */
bool
pgcs_name_index_next(const PgcsNameIndex *index, const X509_NAME *name,
					 unsigned long hash, size_t *position, size_t *value)
{
	size_t		i = *position > 0 ? *position - 1 : lower_bound(index, hash);

	for (; i < index->n && index->entries[i].hash == hash; i++)
		if (pgcert_name_equal(index->entries[i].name, name))
		{
			*value = index->entries[i].value;
			*position = i + 2;
			return true;
		}
	return false;
}

void
pgcs_name_index_free(PgcsNameIndex *index)
{
	free(index->entries);
	*index = (PgcsNameIndex) {NULL, 0, 0};
}
