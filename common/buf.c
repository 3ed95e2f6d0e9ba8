/*
 * buf.c
 *		A growing text, and the escaping of what strangers wrote.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "buf.h"

/* Makes room for extra bytes and a NUL.  False, once and for all, if not. */
static bool
reserve(PgcertBuf *buf, size_t extra)
{
	size_t		want;
	char	   *data;

	if (buf->failed)
		return false;
	if (extra < buf->size - buf->len)
		return true;
	if (extra >= SIZE_MAX / 2 - buf->len)
	{
		buf->failed = true;
		return false;
	}
	want = buf->size < 64 ? 64 : buf->size;
	while (want <= buf->len + extra)
		want *= 2;

	/* not realloc(): the text may hold a password, which must not stay */
	data = malloc(want);
	if (data == NULL)
	{
		buf->failed = true;
		return false;
	}
	data[0] = '\0';
	if (buf->data != NULL)
	{
		memcpy(data, buf->data, buf->len + 1);
		OPENSSL_cleanse(buf->data, buf->len);
		free(buf->data);
	}
	buf->data = data;
	buf->size = want;
	return true;
}

void
pgcert_buf_bytes(PgcertBuf *buf, const void *bytes, size_t len)
{
	if (!reserve(buf, len))
		return;
	if (len > 0)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void
pgcert_buf_text(PgcertBuf *buf, const char *text)
{
	pgcert_buf_bytes(buf, text, strlen(text));
}

void
pgcert_buf_printf(PgcertBuf *buf, const char *format,...)
{
	va_list		args;
	int			len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
	{
		buf->failed = true;
		return;
	}
	if (!reserve(buf, (size_t) len))
		return;
	va_start(args, format);
	vsnprintf(buf->data + buf->len, (size_t) len + 1, format, args);
	va_end(args);
	buf->len += (size_t) len;
}

/*
 * Length of the well-formed UTF-8 sequence that starts at s (RFC 3629: no
 * overlong forms, no surrogates, nothing past U+10FFFF), or 0.
 */
static size_t
utf8_sequence(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80;
	unsigned char high = 0xBF;
	size_t		len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xC2 && s[0] <= 0xDF)
		len = 2;
	else if (s[0] >= 0xE0 && s[0] <= 0xEF)
		len = 3;
	else if (s[0] >= 0xF0 && s[0] <= 0xF4)
		len = 4;
	else
		return 0;
	if (len > left)
		return 0;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
	{
		if (s[i] < 0x80 || s[i] > 0xBF)
			return 0;
	}
	return len;
}

bool
pgcert_utf8_is_valid(const void *bytes, size_t len)
{
	const unsigned char *s = bytes;

	while (len > 0)
	{
		size_t		step = utf8_sequence(s, len);

		if (step == 0 || s[0] == '\0')
			return false;
		s += step;
		len -= step;
	}
	return true;
}

/*
 * May this sequence be shown?  Not C0, DEL and C1 controls, and none of the
 * format characters that reorder or hide what stands around them (Unicode's
 * bidirectional controls, zero-width characters, line separators).
 */
static bool
is_showable(const unsigned char *s, size_t len)
{
	if (len == 1)
		return s[0] >= 0x20 && s[0] != 0x7F;
	if (len == 2)
		return !(s[0] == 0xC2 && s[1] < 0xA0) &&
			!(s[0] == 0xD8 && s[1] == 0x9C);	/* Arabic letter mark */
	if (len == 3 && s[0] == 0xE2 && s[1] == 0x80)
		return !((s[2] >= 0x8B && s[2] <= 0x8F) || (s[2] >= 0xA8 && s[2] <= 0xAE));
	if (len == 3 && s[0] == 0xE2 && s[1] == 0x81)
		return !(s[2] >= 0xA0 && s[2] <= 0xAF);
	if (len == 3 && s[0] == 0xEF && s[1] == 0xBB && s[2] == 0xBF)
		return false;
	return true;
}

void
pgcert_buf_escaped(PgcertBuf *buf, const void *bytes, size_t len)
{
	const unsigned char *s = bytes;

	while (len > 0)
	{
		size_t		step = utf8_sequence(s, len);

		if (step > 0 && is_showable(s, step))
			pgcert_buf_bytes(buf, s, step);
		else
		{
			if (step == 0)
				step = 1;
			for (size_t i = 0; i < step; i++)
				pgcert_buf_printf(buf, "\\%02X", s[i]);
		}
		s += step;
		len -= step;
	}
}

void
pgcert_buf_hex(PgcertBuf *buf, const unsigned char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++)
	{
		char		pair[2];

		pair[0] = digits[bytes[i] >> 4];
		pair[1] = digits[bytes[i] & 0x0F];
		pgcert_buf_bytes(buf, pair, 2);
	}
}

char *
pgcert_buf_take(PgcertBuf *buf)
{
	char	   *text;

	pgcert_buf_bytes(buf, "", 0);
	if (buf->failed)
	{
		pgcert_buf_free(buf);
		return NULL;
	}
	text = buf->data;
	buf->data = NULL;
	buf->len = 0;
	buf->size = 0;
	return text;
}

void
pgcert_buf_free(PgcertBuf *buf)
{
	if (buf->data != NULL)
		OPENSSL_cleanse(buf->data, buf->len);
	free(buf->data);
	buf->data = NULL;
	buf->len = 0;
	buf->size = 0;
	buf->failed = false;
}
