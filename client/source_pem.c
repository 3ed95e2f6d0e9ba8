/*
 * source_pem.c
 *		What is in a file's bytes: certificates and a key.
 *
 * OpenSSL reads them, with the very calls that libpq's connection will make,
 * so that what is read here is what will be sent: byte order marks, text
 * before a block, CRLF and TRUSTED certificates are its business.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "der.h"
#include "pkcs12.h"
#include "source_file.h"

/* What a password callback is given, and tells. */
typedef struct Password
{
	const char *text;			/* NULL: none */
	bool		asked;
} Password;

/* libpq's PQdefaultSSLKeyPassHook_OpenSSL(), but never a prompt. */
static int
password_callback(char *buf, int size, int rwflag, void *arg)
{
	Password   *password = arg;
	size_t		len;

	(void) rwflag;
	password->asked = true;
	if (password->text == NULL || size <= 0)
		return -1;
	len = strlen(password->text);
	if (len > (size_t) size - 1)
		len = (size_t) size - 1;
	memcpy(buf, password->text, len);
	buf[len] = '\0';
	return (int) len;
}

/* As SSL_CTX_use_certificate_chain_file(): a bad block spoils the file. */
static bool
read_certificates(PgcsFile *file)
{
	Password	none = {NULL, false};
	BIO		   *bio = BIO_new_mem_buf(file->data, (int) file->data_len);
	X509	   *cert;
	unsigned long error;
	bool		ok = false;

	X509_free(file->leaf);
	sk_X509_pop_free(file->extra, X509_free);
	file->leaf = NULL;
	file->extra = sk_X509_new_null();
	if (bio == NULL || file->extra == NULL)
	{
		file->reasons.failed = true;
		goto out;
	}
	file->leaf = PEM_read_bio_X509_AUX(bio, NULL, password_callback, &none);
	if (file->leaf == NULL)
		goto out;
	while ((cert = PEM_read_bio_X509(bio, NULL, password_callback, &none)) != NULL)
	{
		if (!sk_X509_push(file->extra, cert))
		{
			X509_free(cert);
			file->reasons.failed = true;
			goto out;
		}
	}
	error = ERR_peek_last_error();
	ok = ERR_GET_LIB(error) == ERR_LIB_PEM &&
		ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
out:
	BIO_free(bio);
	return ok;
}

/* Keeps the hash of the public key that a key shows, if it shows one. */
static void
look_at_key(PgcsFile *file, const unsigned char *der, size_t len)
{
	unsigned char *spki = malloc(PGCS_SPKI_SIZE(len));
	size_t		spki_len;

	if (spki == NULL)
		file->reasons.failed = true;
	else
		file->key_shown = pgcs_der_spki(der, len, spki, &spki_len) &&
			EVP_Digest(spki, spki_len, file->public_sha256, NULL, EVP_sha256(), NULL) == 1;
	free(spki);
}

/*
 * Looks at the kinds of blocks without decoding any: keys are expensive to
 * read, and most need not be.  The end is an error of OpenSSL's, too; false if
 * there is none.
 */
static bool
survey_blocks(PgcsFile *file, size_t *n_certs, size_t *n_blocks)
{
	BIO		   *bio = BIO_new_mem_buf(file->data, (int) file->data_len);
	char	   *name = NULL;
	char	   *header = NULL;
	unsigned char *data = NULL;
	long		len = 0;

	bool		ended;

	*n_certs = *n_blocks = 0;
	if (bio == NULL)
	{
		file->reasons.failed = true;
		return true;
	}
	while (PEM_read_bio(bio, &name, &header, &data, &len))
	{
		size_t		name_len = strlen(name);

		++*n_blocks;
		if (name_len >= 11 && strcmp(name + name_len - 11, "CERTIFICATE") == 0)
			++*n_certs;
		if (name_len >= 11 && strcmp(name + name_len - 11, "PRIVATE KEY") == 0 &&
			file->key_state == PGCS_KEY_NONE)
		{
			file->key_state = PGCS_KEY_UNREAD;
			file->key_encrypted = strncmp(name, "ENCRYPTED", 9) == 0 ||
				strstr(header, "ENCRYPTED") != NULL;
			if (strcmp(name, "PRIVATE KEY") == 0)
				look_at_key(file, data, (size_t) len);
		}
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t) len);
	}
	ended = ERR_peek_error() != 0;
	pgcs_openssl_forget(&file->reasons.failed);
	BIO_free(bio);
	return ended;
}

/* A file without any PEM block: say what it is, if that can be told. */
static void
survey_der(PgcsFile *file, pgcs_severity severity)
{
	const unsigned char *p = file->data;
	X509	   *cert;

	if (file->data[0] == 0x30)
	{
		cert = d2i_X509(NULL, &p, (long) file->data_len);
		pgcs_openssl_forget(&file->reasons.failed);
		if (cert != NULL)
		{
			X509_free(cert);
			pgcs_reasons_add(&file->reasons, severity, "file-not-pem",
							 file->path,
							 "is a certificate in DER form, but libpq reads certificates in PEM form only");
			pgcs_reasons_hint(&file->reasons,
							  "openssl x509 -inform DER -in FILE -out FILE.pem");
			return;
		}
		file->is_pkcs12 = pgcs_is_pkcs12(file->data, file->data_len,
										 &file->reasons.failed);
		if (file->is_pkcs12)
			return;
		pgcs_file_open_key(file, NULL);
		if (file->key_state == PGCS_KEY_OPENED)
			return;
		file->key_state = PGCS_KEY_NONE;
	}
	pgcs_reasons_add(&file->reasons, severity, "file-not-pem", file->path,
					 "holds no PEM block, neither certificate nor key");
}

PgcsFile *
pgcs_file_read(const char *path, bool explicit_source)
{
	/* In a directory anything may lie about; what was named should be right. */
	pgcs_severity severity = explicit_source ? PGCS_FATAL : PGCS_NOTE;
	PgcsFile   *file = calloc(1, sizeof(*file));
	size_t		n_certs;
	size_t		n_blocks;
	bool		is_read;

	if (file == NULL)
		return NULL;
	file->explicit_source = explicit_source;
	file->path = strdup(path);
	if (file->path == NULL)
	{
		pgcs_file_free(file);
		return NULL;
	}
	if (!pgcs_read_bytes(path, PGCS_MAX_FILE_SIZE, severity, &file->data,
						 &file->data_len, &file->stamp, &file->reasons))
		return file;

	/*
	 * PEM_read_bio() fails without a word where a block is empty or a line
	 * too long, and in some places where memory is out: only the latter may
	 * be over when it is tried again.
	 */
	if (!survey_blocks(file, &n_certs, &n_blocks))
		(void) survey_blocks(file, &n_certs, &n_blocks);
	if (n_blocks == 0)
	{
		survey_der(file, severity);
		return file;
	}
	if (file->reasons.failed)
		return file;
	is_read = read_certificates(file);
	if (!is_read && ERR_peek_error() == 0)
		is_read = read_certificates(file);
	if (!is_read && (n_certs > 0 || file->leaf != NULL))
	{
		char		words[128];

		pgcs_openssl_words(words, sizeof(words), &file->reasons.failed);
		pgcs_reasons_add(&file->reasons, PGCS_FATAL, "libpq-refuses", path,
						 "certificate %d of the file cannot be read, so libpq refuses the whole file: %s",
						 file->leaf == NULL ? 1 : sk_X509_num(file->extra) + 2,
						 words);
	}
	pgcs_openssl_forget(&file->reasons.failed);
	if (file->leaf == NULL && file->key_state == PGCS_KEY_NONE &&
		file->reasons.n == 0)
		pgcs_reasons_add(&file->reasons, severity, "file-not-pem", path,
						 "holds neither a certificate nor a key");
	return file;
}

/* ---------- keys ---------- */

/* The digest of what OpenSSL wrote, which is freed; false if it did not. */
static bool
take_sha256(unsigned char *der, int len, unsigned char digest[PGCERT_SHA256_LEN])
{
	bool		ok;

	ok = len > 0 &&
		EVP_Digest(der, (size_t) len, digest, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	ERR_clear_error();
	return ok;
}

static bool
public_key_sha256(EVP_PKEY *key, unsigned char digest[PGCERT_SHA256_LEN])
{
	unsigned char *der = NULL;
	int			len = i2d_PUBKEY(key, &der);

	return take_sha256(der, len, digest);
}

bool
pgcs_public_sha256(X509 *cert, unsigned char digest[PGCERT_SHA256_LEN])
{
	EVP_PKEY   *key = X509_get0_pubkey(cert);

	if (key == NULL)
	{
		ERR_clear_error();
		return false;
	}
	return public_key_sha256(key, digest);
}

bool
pgcs_shown_sha256(X509 *cert, unsigned char digest[PGCERT_SHA256_LEN])
{
	unsigned char *der = NULL;
	int			len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	return take_sha256(der, len, digest);
}

bool
pgcs_has_public_key(X509 *cert, const unsigned char digest[PGCERT_SHA256_LEN])
{
	unsigned char own[PGCERT_SHA256_LEN];

	return (pgcs_shown_sha256(cert, own) && memcmp(own, digest, sizeof(own)) == 0) ||
		(pgcs_public_sha256(cert, own) && memcmp(own, digest, sizeof(own)) == 0);
}

void
pgcs_file_open_key(PgcsFile *file, const char *password)
{
	Password	given = {password, false};
	EVP_PKEY   *key = NULL;
	BIO		   *bio;

	if (file->data == NULL || file->key_state == PGCS_KEY_OPENED)
		return;
	bio = BIO_new_mem_buf(file->data, (int) file->data_len);
	if (bio == NULL)
	{
		file->reasons.failed = true;
		return;
	}
	key = PEM_read_bio_PrivateKey(bio, NULL, password_callback, &given);
	if (key == NULL && !given.asked)
	{
		(void) BIO_reset(bio);
		key = d2i_PrivateKey_bio(bio, NULL);
	}
	BIO_free(bio);
	if (given.asked)
		file->key_encrypted = true;
	if (key != NULL)
		file->key_state = public_key_sha256(key, file->public_sha256)
			? PGCS_KEY_OPENED : PGCS_KEY_BROKEN;
	else if (!given.asked)
		file->key_state = PGCS_KEY_BROKEN;
	else
		file->key_state = password != NULL ? PGCS_KEY_WRONG_PASSWORD
			: PGCS_KEY_NO_PASSWORD;
	EVP_PKEY_free(key);
	pgcs_openssl_forget(&file->reasons.failed);
}
