/*
 * name.h
 *		Distinguished names: read from text, written as text, compared.
 *
 * Names are compared as names, by OpenSSL's canonical form (string type,
 * ASCII case and spacing do not matter), never as printed text.
 */
#ifndef PGCERT_NAME_H
#define PGCERT_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "error.h"

/*
 * Reads an RFC 4514 string, most specific RDN first ("CN=x,O=y"; blanks after
 * separators are allowed, attribute names in any case or as dotted OIDs).
 * Returns a name that the caller frees, or NULL with *error filled in, its
 * position counted from 1 within text.
 */
extern X509_NAME *pgcert_name_parse(const char *text, size_t len, PgcertError *error);

/*
 * Writes a name as RFC 4514 says, in UTF-8, control characters escaped, so
 * that pgcert_name_parse() reads the same name back.  The caller frees the
 * text; NULL only when memory is out.  The empty name is "".
 */
extern char *pgcert_name_text(const X509_NAME *name);

/* The same name?  False also when either is NULL. */
extern bool pgcert_name_equal(const X509_NAME *a, const X509_NAME *b);

/*
 * Reads exactly one DER-encoded name of len bytes.  NULL if it is not one, or
 * if anything follows it.  The caller frees it.
 */
extern X509_NAME *pgcert_name_from_der(const unsigned char *der, size_t len);

#endif							/* PGCERT_NAME_H */
