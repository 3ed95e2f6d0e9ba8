/*
 * hex.h
 *		Hex digits, and the backslash escapes of RFC 4514.
 */
#ifndef PGCERT_HEX_H
#define PGCERT_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* The digit's value, or -1. */
extern int	pgcert_hex_digit(char c);

/*
 * Decodes one escape, "\XX" or a backslash and one of RFC 4514's specials,
 * at the start of text into *byte.  Returns the bytes used, 0 if it is none.
 */
extern size_t pgcert_unescape(const char *text, size_t len, unsigned char *byte);

/*
 * Reads hex digits of any case, with colons anywhere between them, into bytes
 * (room for len / 2 + 1).  Returns false if anything else is there or nothing
 * is.  An odd number of digits counts as having a zero in front.
 */
extern bool pgcert_hex_decode(const char *text, size_t len,
							  unsigned char *bytes, size_t *bytes_len);

#endif							/* PGCERT_HEX_H */
