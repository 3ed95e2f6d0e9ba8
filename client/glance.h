/*
 * glance.h
 *		What can be seen of a file without decoding what is in it.
 */
#ifndef PGCS_GLANCE_H
#define PGCS_GLANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "der.h"

/* Larger files are read in full. */
#define PGCS_GLANCE_SIZE ((size_t) 64 * 1024)

typedef enum PgcsGlanceKey
{
	PGCS_GLANCE_NO_KEY,
	PGCS_GLANCE_PUBLIC,			/* its public key is seen */
	PGCS_GLANCE_OPAQUE,			/* it must be opened to know it */
	PGCS_GLANCE_ENCRYPTED,		/* the same, with a password */
} PgcsGlanceKey;

typedef struct PgcsGlance
{
	char	   *path;
	bool		unclear;		/* nothing below counts: read it in full */
	bool		may_be_ca;		/* some certificate may be a CA's */
	PgcsBytes  *issuers;		/* of its certificates, as DER */
	size_t		n_issuers;
	PgcsGlanceKey key;
	PgcsBytes	public;
	bool		taken;			/* for whoever collects them */
} PgcsGlance;

/* What one file after the other is read into; may hold keys, so it is wiped. */
typedef struct PgcsReader
{
	unsigned char *bytes;
	unsigned char *der;
} PgcsReader;

/* To be freed even if memory ran out, and this is false. */
extern bool pgcs_reader_init(PgcsReader *reader);
extern void pgcs_reader_free(PgcsReader *reader);

/*
 * Looks at a regular file; the glance takes the path.  directory is that of
 * the file, open, and name the file's in it, which is found faster than a
 * path.  False when memory is out.
 */
extern bool pgcs_glance(PgcsGlance *glance, PgcsReader *reader, int directory,
						char *path, const char *name);
extern void pgcs_glance_free(PgcsGlance *glance);

#endif							/* PGCS_GLANCE_H */
