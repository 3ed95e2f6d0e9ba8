/*
 * cache.c
 *		What servers were found to ask for, kept for the next connection.
 *
 * A pool pays one probe, not one a connection.  Requests never change, so
 * threads share them; the lock guards the list alone.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"

/* More servers than anyone connects to; the oldest makes room. */
#define MAX_ENTRIES 1000

typedef struct Entry
{
	struct Entry *next;
	pgcs_request *request;
	char		key[];
} Entry;

struct pgcs_cache
{
	pthread_mutex_t lock;
	Entry	   *first;			/* the newest */
	size_t		n;
};

pgcs_cache *
pgcs_cache_new(void)
{
	pgcs_cache *cache = calloc(1, sizeof(*cache));

	if (cache != NULL && pthread_mutex_init(&cache->lock, NULL) != 0)
	{
		free(cache);
		cache = NULL;
	}
	return cache;
}

static void
entry_free(Entry *entry)
{
	pgcs_request_free(entry->request);
	free(entry);
}

void
pgcs_cache_free(pgcs_cache *cache)
{
	Entry	   *next;

	if (cache == NULL)
		return;
	for (Entry *entry = cache->first; entry != NULL; entry = next)
	{
		next = entry->next;
		entry_free(entry);
	}
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

/* Takes the entry of a key out of the list; NULL if there is none. */
static Entry *
take_out(pgcs_cache *cache, const char *key)
{
	for (Entry **link = &cache->first; *link != NULL; link = &(*link)->next)
		if (strcmp((*link)->key, key) == 0)
		{
			Entry	   *entry = *link;

			*link = entry->next;
			cache->n--;
			return entry;
		}
	return NULL;
}

pgcs_request *
pgcs_cache_get(pgcs_cache *cache, const char *key)
{
	pgcs_request *request = NULL;

	if (cache == NULL)
		return NULL;
	pthread_mutex_lock(&cache->lock);
	for (Entry *entry = cache->first; entry != NULL && request == NULL; entry = entry->next)
		if (strcmp(entry->key, key) == 0)
			request = pgcs_request_ref(entry->request);
	pthread_mutex_unlock(&cache->lock);
	return request;
}

void
pgcs_cache_put(pgcs_cache *cache, const char *key, pgcs_request *request)
{
	size_t		len = strlen(key) + 1;
	Entry	   *entry;
	Entry	   *old;

	if (cache == NULL || (entry = malloc(sizeof(*entry) + len)) == NULL)
		return;
	memcpy(entry->key, key, len);
	entry->request = pgcs_request_ref(request);
	pthread_mutex_lock(&cache->lock);
	old = take_out(cache, key);
	if (old == NULL && cache->n >= MAX_ENTRIES)
	{
		Entry	   *last = cache->first;

		while (last->next != NULL)
			last = last->next;
		old = take_out(cache, last->key);
	}
	entry->next = cache->first;
	cache->first = entry;
	cache->n++;
	pthread_mutex_unlock(&cache->lock);
	if (old != NULL)
		entry_free(old);
}

void
pgcs_cache_forget(pgcs_cache *cache, const char *key)
{
	Entry	   *old;

	if (cache == NULL)
		return;
	pthread_mutex_lock(&cache->lock);
	old = take_out(cache, key);
	pthread_mutex_unlock(&cache->lock);
	if (old != NULL)
		entry_free(old);
}
