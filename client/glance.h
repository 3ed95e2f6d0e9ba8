/*
 * glance.h
 *		What can be seen of a file without decoding what is in it.
 */
#ifndef PGCS_GLANCE_H
#define PGCS_GLANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "issuers.h"

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
	const char *directory;		/* neither is the glance's to free */
	const char *name;			/* in that directory */
	uint64_t	public;			/* hash of its public key */
	PgcsIssuer *issuer;			/* its first certificate's; NULL: it has none */
	PgcsGlanceKey key;
	bool		unclear;		/* nothing above counts: read it in full */
	bool		may_be_ca;		/* some certificate may be a CA's */
	bool		taken;			/* for whoever collects them */
} PgcsGlance;

/* What one file after the other is read into; may hold keys, so it is wiped. */
typedef struct PgcsReader
{
	unsigned char *bytes;
	unsigned char *der;
	PgcsIssuers issuers;		/* of all certificates that it saw */
} PgcsReader;

/* To be freed even if memory ran out, and this is false. */
extern bool pgcs_reader_init(PgcsReader *reader);
extern void pgcs_reader_free(PgcsReader *reader);

/*
 * Looks at a regular file: its name, and the directory that it is in, open,
 * where a name is found faster than a path.  False when memory is out.
 */
extern bool pgcs_glance(PgcsGlance *glance, PgcsReader *reader, int directory,
						const char *name);

/* Equal keys have the same; that of others differs, but for bad luck. */
extern uint64_t pgcs_glance_hash(PgcsBytes public);

#endif							/* PGCS_GLANCE_H */
