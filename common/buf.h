/*
 * buf.h
 *		A growing text, and the escaping of what strangers wrote.
 *
 * Running out of memory sets a flag and makes every later call a no-op, so a
 * caller checks once, when it takes the text.
 */
#ifndef PGCERT_BUF_H
#define PGCERT_BUF_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __GNUC__
#define PGCERT_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define PGCERT_PRINTF(fmt, first)
#endif

typedef struct PgcertBuf
{
	char	   *data;			/* NUL-terminated once anything was added */
	size_t		len;
	size_t		size;
	bool		failed;			/* out of memory */
} PgcertBuf;

#define PGCERT_BUF_INIT {NULL, 0, 0, false}

extern void pgcert_buf_bytes(PgcertBuf *buf, const void *bytes, size_t len);
extern void pgcert_buf_text(PgcertBuf *buf, const char *text);
extern void pgcert_buf_printf(PgcertBuf *buf, const char *format,...) PGCERT_PRINTF(2, 3);

/*
 * Adds bytes that a stranger wrote: printable UTF-8 as it is; control
 * characters (C0, DEL, C1) and bytes that are not UTF-8 as \XX, so that they
 * can neither move a terminal's cursor nor forge a line of a log.
 */
extern void pgcert_buf_escaped(PgcertBuf *buf, const void *bytes, size_t len);

/* Adds bytes as lower-case hex. */
extern void pgcert_buf_hex(PgcertBuf *buf, const unsigned char *bytes, size_t len);

/*
 * The text, never NULL unless memory ran out; the caller frees it.  The
 * buffer is empty afterwards.
 */
extern char *pgcert_buf_take(PgcertBuf *buf);
extern void pgcert_buf_free(PgcertBuf *buf);

/* True if the bytes are well-formed UTF-8 (RFC 3629) without U+0000. */
extern bool pgcert_utf8_is_valid(const void *bytes, size_t len);

#endif							/* PGCERT_BUF_H */
