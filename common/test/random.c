/*
 * random.c
 *		Random numbers, and text that grows: what the makers of random
 *		certificates and policies share.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "random.h"

static uint64_t random_state;

void
seed_random(uint64_t seed)
{
	random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	for (int i = 0; i < 8; i++)
		pick(2);
}

unsigned
pick(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned) (random_state >> 33) % n;
}

void
must(int ok)
{
	if (ok)
		return;
	ERR_print_errors_fp(stderr);
	fprintf(stderr, "libcrypto failed\n");
	exit(2);
}

void
add(Bytes *to, const void *bytes, size_t len)
{
	must(to->len + len < sizeof(to->data));
	memcpy(to->data + to->len, bytes, len);
	to->len += len;
	to->data[to->len] = '\0';
}

void
add_text(Bytes *to, const char *format,...)
{
	char		text[512];
	va_list		args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	add(to, text, strlen(text));
}

void
add_hex(Bytes *to, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		add_text(to, "%02x", ((const unsigned char *) bytes)[i]);
}
