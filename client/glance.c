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

#include "glance.h"

static bool
copy_bytes(PgcsBytes *copy, PgcsBytes bytes)
{
	unsigned char *data = malloc(bytes.len + 1);

	if (data == NULL)
		return false;
	memcpy(data, bytes.data, bytes.len);
	*copy = (PgcsBytes) {data, bytes.len};
	return true;
}

static bool
look_at_certificate(PgcsGlance *glance, const unsigned char *der, size_t len)
{
	PgcsBytes	issuer;
	bool		may_be_ca;
	PgcsBytes  *issuers;

	if (!pgcs_der_certificate(der, len, &issuer, &may_be_ca))
	{
		glance->unclear = true;
		return true;
	}
	if (may_be_ca)
		glance->may_be_ca = true;
	issuers = realloc(glance->issuers, (glance->n_issuers + 1) * sizeof(*issuers));
	if (issuers == NULL)
		return false;
	glance->issuers = issuers;
	if (!copy_bytes(&issuers[glance->n_issuers], issuer))
		return false;
	glance->n_issuers++;
	return true;
}

static bool
look_at_key(PgcsGlance *glance, const unsigned char *der, size_t len)
{
	PgcsBytes	public;

	glance->key = PGCS_GLANCE_OPAQUE;
	if (!pgcs_der_private_key(der, len, &public))
		return true;
	glance->key = PGCS_GLANCE_PUBLIC;
	return copy_bytes(&glance->public, public);
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

/* One PEM block: its name, and what is between the two lines. */
static bool
look_at_block(PgcsGlance *glance, PgcsReader *reader, PgcsBytes name, PgcsBytes body)
{
	bool		is_cert = ends_with(name, "CERTIFICATE");
	bool		is_key = ends_with(name, "PRIVATE KEY") && glance->key == PGCS_GLANCE_NO_KEY;
	bool		has_header = memchr(body.data, ':', body.len) != NULL;
	int			n = 0;
	int			rest = 0;

	if (is_key && (has_header || begins_with(name, "ENCRYPTED")))
		glance->key = PGCS_GLANCE_ENCRYPTED;
	else if (is_key && begins_with(name, "DSA"))
		glance->key = PGCS_GLANCE_OPAQUE;
	else if (is_cert && has_header)
		glance->unclear = true;
	else if (is_cert || is_key)
	{
		EVP_DecodeInit(reader->decoder);
		if (EVP_DecodeUpdate(reader->decoder, reader->der, &n, body.data, (int) body.len) < 0 ||
			EVP_DecodeFinal(reader->decoder, reader->der + n, &rest) < 0)
			glance->unclear = true;
		else if (is_cert)
			return look_at_certificate(glance, reader->der, (size_t) (n + rest));
		else
			return look_at_key(glance, reader->der, (size_t) (n + rest));
	}
	return true;
}

static const unsigned char *
find(PgcsBytes bytes, const char *text)
{
	return memmem(bytes.data, bytes.len, text, strlen(text));
}

/* The bytes from p on. */
static PgcsBytes
from(PgcsBytes bytes, const unsigned char *p)
{
	return (PgcsBytes) {p, (size_t) (bytes.data + bytes.len - p)};
}

/*
 * Every PEM block, wherever one seems to begin: PEM_read_bio() finds no other,
 * but takes several times as long.  Without any, the file may be a key in DER
 * form, or PKCS#12.
 */
static bool
look_at(PgcsGlance *glance, PgcsReader *reader, PgcsBytes rest)
{
	static const char begin[] = "-----BEGIN ";
	const unsigned char *p;
	bool		any = false;

	while ((p = find(rest, begin)) != NULL)
	{
		PgcsBytes	name = from(rest, p + strlen(begin));
		PgcsBytes	body;
		const unsigned char *end = find(name, "-----");

		if (end == NULL)
			break;
		body = from(name, end + strlen("-----"));
		name.len = (size_t) (end - name.data);
		rest = body;
		end = find(body, "-----");
		if (end != NULL)
			body.len = (size_t) (end - body.data);
		else
			glance->unclear = true;
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
pgcs_glance(PgcsGlance *glance, PgcsReader *reader, int directory, char *path)
{
	int			fd = openat(directory, strrchr(path, '/') + 1,
							O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t		n = fd >= 0 ? read(fd, reader->bytes, PGCS_GLANCE_SIZE) : -1;
	bool		ok = true;

	*glance = (PgcsGlance) {.path = path};
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
		malloc(PGCS_GLANCE_SIZE), malloc(PGCS_GLANCE_SIZE), EVP_ENCODE_CTX_new(),
	};
	return reader->bytes != NULL && reader->der != NULL && reader->decoder != NULL;
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
	EVP_ENCODE_CTX_free(reader->decoder);
	*reader = (PgcsReader) {NULL, NULL, NULL};
}

void
pgcs_glance_free(PgcsGlance *glance)
{
	for (size_t i = 0; i < glance->n_issuers; i++)
		free((unsigned char *) glance->issuers[i].data);
	free(glance->issuers);
	free((unsigned char *) glance->public.data);
	free(glance->path);
	*glance = (PgcsGlance) {0};
}
