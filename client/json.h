/*
 * json.h
 *		JSON, written.
 */
#ifndef PGCS_JSON_H
#define PGCS_JSON_H

#include "buf.h"

/* Appends a JSON string, quoted; the text must be UTF-8. */
extern void pgcs_json_string(PgcertBuf *buf, const char *text);

/*
 * Appends "key": path.  A path that is not UTF-8 becomes null, and its bytes
 * follow in hex as "key_hex".
 */
extern void pgcs_json_path(PgcertBuf *buf, const char *key, const char *path);

#endif							/* PGCS_JSON_H */
