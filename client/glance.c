/*
 * glance.c
 *		What can be seen of a file without decoding what is in it.
 *
 * Ten thousand files are opened, read and closed, and most of them never
 * looked at again: this is what choosing from a large directory costs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "glance.h"

#define DASHES "-----"

/* FNV-1a. */
uint64_t
pgcs_glance_hash(PgcsBytes public)
{
	uint64_t	hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < public.len; i++)
		hash = (hash ^ public.data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static bool
look_at_certificate(PgcsGlance *glance, PgcsReader *reader, size_t len)
{
	PgcsBytes	issuer;
	bool		may_be_ca;

	if (!pgcs_der_certificate(reader->der, len, &issuer, &may_be_ca))
	{
		glance->unclear = true;
		return true;
	}
	if (may_be_ca)
		glance->may_be_ca = true;
	if (glance->issuer != NULL)
		return true;
	glance->issuer = pgcs_issuers_find(&reader->issuers, issuer);
	return glance->issuer != NULL;
}

static void
look_at_key(PgcsGlance *glance, const unsigned char *der, size_t len)
{
	PgcsBytes	public;

	glance->key = PGCS_GLANCE_OPAQUE;
	if (!pgcs_der_private_key(der, len, &public))
		return;
	glance->key = PGCS_GLANCE_PUBLIC;
	glance->public = pgcs_glance_hash(public);
}

static bool
ends_with(PgcsBytes text, const char *end)
{
	size_t		len = strlen(end);

	return text.len >= len && memcmp(text.data + text.len - len, end, len) == 0;
}

static bool
begins_with(PgcsBytes text, const char *begin)
{
	size_t		len = strlen(begin);

	return text.len >= len && memcmp(text.data, begin, len) == 0;
}

/* The bytes from p on. */
static PgcsBytes
from(PgcsBytes bytes, const unsigned char *p)
{
	return (PgcsBytes) {p, (size_t) (bytes.data + bytes.len - p)};
}

/*
 * Line by line: EVP_DecodeUpdate() takes lines of any form, but three times as
 * long.  False if a line is of another form; what is behind the last byte does
 * not matter, as DER says where it ends.
 */
static bool
decode(PgcsBytes body, unsigned char *der, size_t *len)
{
	*len = 0;
	while (body.len > 0)
	{
		const unsigned char *end = memchr(body.data, '\n', body.len);
		PgcsBytes	line = body;
		int			n;

		if (end != NULL)
			line.len = (size_t) (end - body.data);
		body = from(body, end != NULL ? end + 1 : body.data + body.len);
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		n = line.len > 0 ? EVP_DecodeBlock(der + *len, line.data, (int) line.len) : 0;
		if (n < 0)
			return false;
		*len += (size_t) n;
	}
	return true;
}

/* One PEM block: its name, and what is between the two lines. */
static bool
look_at_block(PgcsGlance *glance, PgcsReader *reader, PgcsBytes name, PgcsBytes body)
{
	bool		is_cert = ends_with(name, "CERTIFICATE");
	bool		is_key = ends_with(name, "PRIVATE KEY") && glance->key == PGCS_GLANCE_NO_KEY;
	bool		has_header = memchr(body.data, ':', body.len) != NULL;
	size_t		len;

	if (is_key && (has_header || begins_with(name, "ENCRYPTED")))
		glance->key = PGCS_GLANCE_ENCRYPTED;
	else if (is_key && begins_with(name, "DSA"))
		glance->key = PGCS_GLANCE_OPAQUE;
	else if (is_cert && has_header)
		glance->unclear = true;
	else if (is_cert || is_key)
	{
		if (!decode(body, reader->der, &len))
			glance->unclear = true;
		else if (is_cert)
			return look_at_certificate(glance, reader, len);
		else
			look_at_key(glance, reader->der, len);
	}
	return true;
}

/* memmem() looks at each byte; most lines have no dash at all. */
static const unsigned char *
find_dashes(PgcsBytes bytes)
{
	const unsigned char *p;

	while ((p = memchr(bytes.data, '-', bytes.len)) != NULL)
	{
		bytes = from(bytes, p);
		if (begins_with(bytes, DASHES))
			return p;
		bytes = from(bytes, p + 1);
	}
	return NULL;
}

/*
 * Every PEM block, wherever one seems to begin: PEM_read_bio() finds no other,
 * but takes several times as long.  Without any, the file may be a key in DER
 * form, or PKCS#12.
 */
static bool
look_at(PgcsGlance *glance, PgcsReader *reader, PgcsBytes rest)
{
	static const char begin[] = DASHES "BEGIN ";
	const unsigned char *p;
	bool		any = false;

	while ((p = memmem(rest.data, rest.len, begin, strlen(begin))) != NULL)
	{
		PgcsBytes	name = from(rest, p + strlen(begin));
		PgcsBytes	body;
		const unsigned char *end = find_dashes(name);

		if (end == NULL)
			break;
		body = from(name, end + strlen(DASHES));
		name.len = (size_t) (end - name.data);
		end = find_dashes(body);
		if (end != NULL)
			body.len = (size_t) (end - body.data);
		else
			glance->unclear = true;
		rest = from(rest, body.data + body.len);
		any = true;
		if (!look_at_block(glance, reader, name, body))
			return false;
	}
	if (!any && rest.len > 0 && rest.data[0] == 0x30)
		glance->unclear = true;
	return true;
}

/*
 * Nothing is asked of the file but its bytes.  It was a regular one when the
 * directory was read; if it has become a FIFO since, O_NONBLOCK ends that.
 */
bool
pgcs_glance(PgcsGlance *glance, PgcsReader *reader, int directory, const char *name)
{
	int			fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t		n = fd >= 0 ? read(fd, reader->bytes, PGCS_GLANCE_SIZE) : -1;
	bool		ok = true;

	*glance = (PgcsGlance) {.name = name};
	if (fd >= 0)
		close(fd);
	if (n < 0 || (size_t) n == PGCS_GLANCE_SIZE)
		glance->unclear = true;
	else
		ok = look_at(glance, reader, (PgcsBytes) {reader->bytes, (size_t) n});
	return ok;
}

bool
pgcs_reader_init(PgcsReader *reader)
{
	*reader = (PgcsReader) {
		.bytes = malloc(PGCS_GLANCE_SIZE),
		.der = malloc(PGCS_GLANCE_SIZE),
	};
	return reader->bytes != NULL && reader->der != NULL;
}

void
pgcs_reader_free(PgcsReader *reader)
{
	if (reader->bytes != NULL)
		OPENSSL_cleanse(reader->bytes, PGCS_GLANCE_SIZE);
	if (reader->der != NULL)
		OPENSSL_cleanse(reader->der, PGCS_GLANCE_SIZE);
	free(reader->bytes);
	free(reader->der);
	pgcs_issuers_free(&reader->issuers);
	*reader = (PgcsReader) {0};
}
