/*
 * attribute.h
 *		The attribute types of distinguished names, by name.
 */
#ifndef PGCERT_ATTRIBUTE_H
#define PGCERT_ATTRIBUTE_H

#include <stddef.h>

/* The dotted OID of an attribute's short name (any case), or NULL. */
extern const char *pgcert_attribute_oid(const char *name, size_t len);

/* The short name of an attribute's dotted OID, or NULL. */
extern const char *pgcert_attribute_name(const char *oid);

#endif							/* PGCERT_ATTRIBUTE_H */
