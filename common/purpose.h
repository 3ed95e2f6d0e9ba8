/*
 * purpose.h
 *		Extended key usage purposes and other object identifiers by name.
 *
 * The list is our own, so that a policy means the same with every OpenSSL.
 */
#ifndef PGCERT_PURPOSE_H
#define PGCERT_PURPOSE_H

#include <stdbool.h>

#include <openssl/asn1.h>

#define PGCERT_OID_ANY_EKU "2.5.29.37.0"	/* RFC 5280, 4.2.1.12 */
#define PGCERT_OID_ANY_POLICY "2.5.29.32.0" /* RFC 5280, 4.2.1.4 */

/* The dotted OID of a purpose's short name (exact case), or NULL. */
extern const char *pgcert_purpose_oid(const char *name);

/* The short name of a purpose's dotted OID, or the OID itself. */
extern const char *pgcert_purpose_name(const char *oid);

/* Is this a well-formed dotted OID, without superfluous zeros? */
extern bool pgcert_oid_is_valid(const char *oid);

/* The dotted form; the caller frees it.  NULL only when memory is out. */
extern char *pgcert_oid_text(const ASN1_OBJECT *object);

#endif							/* PGCERT_PURPOSE_H */
