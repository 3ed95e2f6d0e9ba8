/*
 * unpack.h
 *		PKCS#12 files made into what libpq reads.
 */
#ifndef PGCS_UNPACK_H
#define PGCS_UNPACK_H

#include "bundle.h"
#include "choice.h"

/*
 * Adds to the bundle an identity for each certificate of a PKCS#12 file whose
 * key is in it, or the reasons why not.  Nothing is written yet.  False when
 * memory is out.
 */
extern bool pgcs_unpack(const pgcs_selector *sel, pgcs_bundle *bundle,
						const PgcsFile *file);

/*
 * Writes the file that the identity is to be, unless it is there already.
 * REFUSED comes with a reason added.
 */
extern PgcsLoad pgcs_write_unpacked(const pgcs_identity *identity,
									PgcsReasons *reasons);

#endif							/* PGCS_UNPACK_H */
