/*
 * glance.c
 *		What can be seen of a file without decoding what is in it.
 *
 * Ten thousand files are opened, read and closed, and most of them never
 * looked at again: this is what choosing from a large directory costs.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

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
ends_with(const char *text, const char *end)
{
	size_t		len = strlen(text);
	size_t		end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool
look_at_block(PgcsGlance *glance, const char *name, const char *header,
			  const unsigned char *data, size_t len)
{
	if (ends_with(name, "CERTIFICATE"))
	{
		if (header[0] == '\0')
			return look_at_certificate(glance, data, len);
		glance->unclear = true;
	}
	else if (ends_with(name, "PRIVATE KEY") && glance->key == PGCS_GLANCE_NO_KEY)
	{
		if (strncmp(name, "ENCRYPTED", 9) == 0 || strstr(header, "ENCRYPTED") != NULL)
			glance->key = PGCS_GLANCE_ENCRYPTED;
		else if (strncmp(name, "DSA", 3) == 0)
			glance->key = PGCS_GLANCE_OPAQUE;
		else
			return look_at_key(glance, data, len);
	}
	return true;
}

/* Every PEM block; without any, the file may be a key in DER form. */
static bool
look_at(PgcsGlance *glance, const unsigned char *data, size_t len)
{
	BIO		   *bio = BIO_new_mem_buf(data, (int) len);
	char	   *name = NULL;
	char	   *header = NULL;
	unsigned char *block = NULL;
	long		block_len = 0;
	bool		any = false;
	bool		ok = bio != NULL;
	unsigned long error;

	while (ok && PEM_read_bio(bio, &name, &header, &block, &block_len))
	{
		any = true;
		ok = look_at_block(glance, name, header, block, (size_t) block_len);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(block, (size_t) block_len);
	}

	/* it ends where no block begins any more, or something is wrong with it */
	error = ERR_peek_last_error();
	if (ERR_GET_LIB(error) != ERR_LIB_PEM ||
		ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
		glance->unclear = true;
	ERR_clear_error();
	BIO_free(bio);
	if (ok && !any && len > 0 && data[0] == 0x30)
		ok = look_at_key(glance, data, len);
	return ok;
}

/*
 * Nothing is asked of the file but its bytes.  It was a regular one when the
 * directory was read; if it has become a FIFO since, O_NONBLOCK ends that.
 */
bool
pgcs_glance(PgcsGlance *glance, char *path, unsigned char *buffer)
{
	int			fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t		n = fd >= 0 ? read(fd, buffer, PGCS_GLANCE_SIZE) : -1;
	bool		ok = true;

	*glance = (PgcsGlance) {.path = path};
	if (fd >= 0)
		close(fd);
	if (n < 0 || (size_t) n == PGCS_GLANCE_SIZE)
		glance->unclear = true;
	else
		ok = look_at(glance, buffer, (size_t) n);
	if (n > 0 && glance->key != PGCS_GLANCE_NO_KEY)
		OPENSSL_cleanse(buffer, (size_t) n);
	return ok;
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
