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

/*
 * Looks at a regular file; the glance takes the path.  buffer holds
 * PGCS_GLANCE_SIZE bytes and is wiped.  False when memory is out.
 */
extern bool pgcs_glance(PgcsGlance *glance, char *path, unsigned char *buffer);
extern void pgcs_glance_free(PgcsGlance *glance);

#endif							/* PGCS_GLANCE_H */
