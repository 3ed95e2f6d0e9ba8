/*
 * engine_key.h
 *		libpq's sslkey=ENGINE:ID, a key that no file holds.
 */
#ifndef PGCS_ENGINE_KEY_H
#define PGCS_ENGINE_KEY_H

#include <stdbool.h>

/* Is it written like one?  A file of that name has to be looked for first. */
extern bool pgcs_is_engine_key(const char *key);

/*
 * The key as it may be shown: without the PIN that a PKCS#11 URI can carry.
 * The caller frees it; NULL: no memory.
 */
extern char *pgcs_engine_key_shown(const char *key);

/* The same for libpq's words, which may quote such a key. */
extern char *pgcs_words_without_pin(const char *words);

#endif							/* PGCS_ENGINE_KEY_H */
