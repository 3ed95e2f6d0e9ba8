/*
 * cache.h
 *		What servers were found to ask for, kept for the next connection.
 */
#ifndef PGCS_CACHE_H
#define PGCS_CACHE_H

#include "pgcertsel.h"
#include "request.h"

/*
 * The request kept for a key, for the caller to free; NULL if there is none.
 * cache may be NULL in all of these.
 */
extern pgcs_request *pgcs_cache_get(pgcs_cache *cache, const char *key);

/* Keeps a request (one more holder); lack of memory only loses it. */
extern void pgcs_cache_put(pgcs_cache *cache, const char *key, pgcs_request *request);
extern void pgcs_cache_forget(pgcs_cache *cache, const char *key);

#endif							/* PGCS_CACHE_H */
