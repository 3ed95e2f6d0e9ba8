/*
 * unpack.c
 *		PKCS#12 files made into what libpq reads.
 *
 * What is in such a file is judged as the PEM file that it will be: the
 * certificate, its issuers, and the key, in one file, so that no reader sees
 * a certificate with another's key.  A key that had a password keeps it.
 * Only the choice is written, and only then is its key decrypted again: no
 * bundle holds a private key.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "choice.h"
#include "pkcs12.h"
#include "private_file.h"
#include "selector.h"
#include "unpack.h"

/* No chain that makes sense is longer. */
#define MAX_CHAIN 10

/* libpq hands OpenSSL no more of a password. */
#define MAX_PASSWORD (PEM_BUFSIZE - 1)

/* ---------- into the bundle ---------- */

static void
report_state(PgcsReasons *reasons, const PgcsFile *file, PgcsPkcs12State state,
			 const char *words)
{
	switch (state)
	{
		case PGCS_PKCS12_OPENED:
			break;
		case PGCS_PKCS12_WRONG_PASSWORD:
			if (file->password == NULL)
				pgcs_reasons_add(reasons, PGCS_FATAL, "key-encrypted", file->path,
								 "PKCS#12 file is encrypted, and no password is known for it");
			else
			{
				pgcs_reasons_add(reasons, PGCS_FATAL, "key-password-wrong", file->path,
								 "PKCS#12 file is encrypted, and the password given does not open it");
				pgcs_reasons_hint(reasons,
								  "try the password with \"openssl pkcs12 -info -noout -in FILE\"");
			}
			break;
		case PGCS_PKCS12_UNSUPPORTED:
			pgcs_reasons_add(reasons, PGCS_FATAL, "pkcs12-unreadable", file->path,
							 "PKCS#12 file is encrypted by %s, which OpenSSL here does not offer (old algorithms are in its legacy provider)",
							 words);
			pgcs_reasons_hint(reasons,
							  "make it anew: openssl pkcs12 -legacy -in FILE -nodes | openssl pkcs12 -export -out NEW.p12");
			break;
		case PGCS_PKCS12_TOO_SLOW:
			pgcs_reasons_add(reasons, PGCS_FATAL, "pkcs12-unreadable", file->path,
							 "PKCS#12 file asks for more than five million rounds of hashing, so it was not opened");
			break;
		case PGCS_PKCS12_BROKEN:
			pgcs_reasons_add(reasons, PGCS_FATAL, "pkcs12-unreadable", file->path,
							 "PKCS#12 file cannot be decoded: %s", words);
			break;
		case PGCS_PKCS12_NO_MEMORY:
			reasons->failed = true;
			break;
	}
}

/*
 * The issuers that lie in the same file, up to but without a root: order is
 * not kept in PKCS#12, and another key's certificate may be there as well.
 */
static STACK_OF(X509) *
chain_of(X509 *leaf, STACK_OF(X509) *certs)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509	   *cert = leaf;

	for (int i = 0; chain != NULL && cert != NULL; i++)
	{
		for (int j = 0; j < sk_X509_num(certs) && sk_X509_num(chain) < MAX_CHAIN; j++)
		{
			X509	   *issuer = sk_X509_value(certs, j);

			if (X509_check_issued(issuer, cert) != X509_V_OK ||
				pgcs_is_self_issued(issuer) ||
				X509_cmp(issuer, leaf) == 0 || pgcs_is_among(issuer, chain))
				continue;
			if (!sk_X509_push(chain, issuer))
			{
				sk_X509_pop_free(chain, X509_free);
				return NULL;
			}
			X509_up_ref(issuer);
		}
		cert = i < sk_X509_num(chain) ? sk_X509_value(chain, i) : NULL;
	}
	ERR_clear_error();
	return chain;
}

static EVP_PKEY *
key_of(const PgcsPkcs12 *contents, X509 *cert)
{
	EVP_PKEY   *key = NULL;

	for (size_t i = 0; key == NULL && i < contents->n_keys; i++)
		if (X509_check_private_key(cert, contents->keys[i]) == 1)
			key = contents->keys[i];
	ERR_clear_error();
	return key;
}

static bool
has_certificate(const PgcsPkcs12 *contents, EVP_PKEY *key)
{
	bool		found = false;

	for (int i = 0; !found && i < sk_X509_num(contents->certs); i++)
		found = X509_check_private_key(sk_X509_value(contents->certs, i), key) == 1;
	ERR_clear_error();
	return found;
}

static bool
add_identity(const pgcs_selector *sel, pgcs_bundle *bundle, const PgcsFile *file,
			 const PgcsPkcs12 *contents, X509 *leaf, size_t number)
{
	PgcsFile	made = {.leaf = leaf, .stamp = file->stamp};
	pgcs_identity *identity = NULL;
	char		which[32];

	snprintf(which, sizeof(which), "%zu", number);
	made.path = pgcs_private_path(sel->unpack_directory, file->path,
								  number > 0 ? which : NULL, ".pem");
	made.extra = chain_of(leaf, contents->certs);
	if (made.path == NULL || made.extra == NULL ||
		(identity = pgcs_identity_new(&made, made.path)) == NULL)
		goto fail;
	identity->pkcs12_path = strdup(file->path);
	identity->pkcs12_stamp = file->stamp;
	identity->key_verified = true;
	identity->key_encrypted = contents->by_password;
	if (contents->by_password)
		identity->password = strdup(file->password);
	pgcs_reasons_add(&identity->reasons, PGCS_NOTE, "unpacked", file->path,
					 "PKCS#12 file, to be unpacked for libpq");
	if (identity->pkcs12_path == NULL || identity->reasons.failed ||
		(contents->by_password && identity->password == NULL))
		goto fail;
	sk_X509_pop_free(made.extra, X509_free);
	free(made.path);
	return pgcs_bundle_add_identity(bundle, identity);

fail:
	pgcs_identity_free(identity);
	sk_X509_pop_free(made.extra, X509_free);
	free(made.path);
	return false;
}

/* Everything in it is used, or a word is said about it. */
static bool
add_contents(const pgcs_selector *sel, pgcs_bundle *bundle, const PgcsFile *file,
			 const PgcsPkcs12 *contents)
{
	size_t		n = 0;

	for (int i = 0; i < sk_X509_num(contents->certs); i++)
	{
		X509	   *cert = sk_X509_value(contents->certs, i);

		if (!pgcs_bundle_keep_ca(bundle, cert, file->path))
			return false;
		if (key_of(contents, cert) != NULL)
		{
			if (!add_identity(sel, bundle, file, contents, cert, n++))
				return false;
		}
		else if (X509_check_ca(cert) <= 0)
			pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "no-key", file->path,
							 "certificate %d of the PKCS#12 file has no key in it", i + 1);
	}
	for (size_t i = 0; i < contents->n_keys; i++)
		if (!has_certificate(contents, contents->keys[i]))
			pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "no-certificate", file->path,
							 "key %zu of the PKCS#12 file has no certificate in it", i + 1);
	if (contents->n_keys == 0 && sk_X509_num(contents->certs) == 0)
		pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "no-certificate", file->path,
						 "PKCS#12 file holds neither a certificate nor a key");
	ERR_clear_error();
	return !bundle->problems.failed;
}

bool
pgcs_unpack(const pgcs_selector *sel, pgcs_bundle *bundle, const PgcsFile *file)
{
	PgcsPkcs12	contents;
	PgcsPkcs12State state;
	char		words[128];
	bool		ok;

	if (sel->unpack_directory == NULL)
	{
		pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "pkcs12", file->path,
						 "PKCS#12 file, which libpq cannot read");
		pgcs_reasons_hint(&bundle->problems,
						  "have it unpacked into a private directory with --unpack=DIR");
		return !bundle->problems.failed;
	}
	state = pgcs_pkcs12_open(&contents, file->data, file->data_len, file->password,
							 words, sizeof(words));
	if (state == PGCS_PKCS12_OPENED && contents.by_password &&
		strlen(file->password) > MAX_PASSWORD)
	{
		pgcs_reasons_add(&bundle->problems, PGCS_FATAL, "pkcs12-unreadable", file->path,
						 "password of the PKCS#12 file is longer than the %d bytes that libpq can use",
						 MAX_PASSWORD);
		ok = !bundle->problems.failed;
	}
	else if (state == PGCS_PKCS12_OPENED)
		ok = add_contents(sel, bundle, file, &contents);
	else
	{
		report_state(&bundle->problems, file, state, words);
		ok = !bundle->problems.failed;
	}
	pgcs_pkcs12_free(&contents);
	return ok;
}

/* ---------- writing it ---------- */

static void
refuse(PgcsReasons *reasons, const pgcs_identity *identity, const char *what)
{
	pgcs_reasons_add(reasons, PGCS_FATAL, "not-unpacked", identity->pkcs12_path,
					 "could not unpack the PKCS#12 file: %s", what);
}

/* The certificates alone, or the key as well; OpenSSL wipes its memory. */
static BIO *
make_pem(const pgcs_identity *identity, STACK_OF(X509) *chain, EVP_PKEY *key)
{
	BIO		   *bio = BIO_new(BIO_s_secmem());
	const char *password = identity->password;
	bool		ok;

	ok = bio != NULL && chain != NULL && PEM_write_bio_X509(bio, identity->leaf) == 1;
	for (int i = 0; ok && i < sk_X509_num(chain); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(chain, i)) == 1;
	if (ok && key != NULL)
		ok = PEM_write_bio_PKCS8PrivateKey(bio, key,
										   password != NULL ? EVP_aes_256_cbc() : NULL,
										   (char *) password,
										   password != NULL ? (int) strlen(password) : 0,
										   NULL, NULL) == 1;
	if (!ok)
	{
		BIO_free(bio);
		bio = NULL;
	}
	return bio;
}

/*
 * Is it there already?  An encrypted key is another text each time, so that
 * one is opened: by this password it must hold this key.
 */
static bool
is_written(int directory, const pgcs_identity *identity, BIO *certs)
{
	static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n";
	static const char plain[] = "-----BEGIN PRIVATE KEY-----\n";
	const char *begin = identity->password != NULL ? encrypted : plain;
	char	   *want;
	size_t		want_len = (size_t) BIO_get_mem_data(certs, &want);
	size_t		len = 0;
	char	   *found = pgcs_private_read(directory, identity->key_path,
										  PGCS_MAX_FILE_SIZE, &len);
	EVP_PKEY   *found_key = NULL;
	BIO		   *bio = NULL;
	bool		same = false;

	if (found != NULL && len > want_len + strlen(begin) &&
		memcmp(found, want, want_len) == 0 &&
		memcmp(found + want_len, begin, strlen(begin)) == 0 &&
		(bio = BIO_new_mem_buf(found + want_len, (int) (len - want_len))) != NULL)
	{
		found_key = PEM_read_bio_PrivateKey(bio, NULL, NULL,
											identity->password != NULL ? identity->password : "");
		same = found_key != NULL &&
			X509_check_private_key(identity->leaf, found_key) == 1;
	}
	EVP_PKEY_free(found_key);
	BIO_free(bio);
	pgcs_private_free(found, len);
	ERR_clear_error();
	return same;
}

static PgcsLoad
write_pem(const pgcs_identity *identity, STACK_OF(X509) *chain, EVP_PKEY *key,
		  PgcsReasons *reasons)
{
	const char *why;
	int			directory = pgcs_private_directory(identity->key_path, &why);
	BIO		   *certs = NULL;
	BIO		   *all = NULL;
	char	   *content;
	PgcsLoad	result = PGCS_LOAD_NO_MEMORY;

	if (directory < 0)
	{
		if (why == NULL)
			return PGCS_LOAD_NO_MEMORY;
		refuse(reasons, identity, why);
		return PGCS_LOAD_REFUSED;
	}
	certs = make_pem(identity, chain, NULL);
	if (certs == NULL)
		goto out;
	result = PGCS_LOAD_DONE;
	if (is_written(directory, identity, certs))
		goto out;
	all = make_pem(identity, chain, key);
	if (all == NULL)
		result = PGCS_LOAD_NO_MEMORY;
	else
	{
		long		len = BIO_get_mem_data(all, &content);

		if (!pgcs_private_replace(directory, identity->key_path, content, (size_t) len))
		{
			refuse(reasons, identity, strerror(errno));
			result = PGCS_LOAD_REFUSED;
		}
	}
out:
	BIO_free(certs);
	BIO_free(all);
	close(directory);
	ERR_clear_error();
	return result;
}

PgcsLoad
pgcs_write_unpacked(const pgcs_identity *identity, PgcsReasons *reasons)
{
	PgcsPkcs12	contents = {NULL, NULL, 0, false};
	PgcsStamp	stamp;
	unsigned char *data = NULL;
	size_t		len = 0;
	STACK_OF(X509) *chain = NULL;
	EVP_PKEY   *key;
	char		words[128];
	PgcsLoad	result = PGCS_LOAD_CHANGED;

	if (!pgcs_read_bytes(identity->pkcs12_path, PGCS_MAX_FILE_SIZE, PGCS_FATAL,
						 &data, &len, &stamp, reasons))
		return PGCS_LOAD_REFUSED;
	if (!pgcs_stamp_equal(&stamp, &identity->pkcs12_stamp))
		goto out;
	switch (pgcs_pkcs12_open(&contents, data, len, identity->password,
							 words, sizeof(words)))
	{
		case PGCS_PKCS12_OPENED:
			key = key_of(&contents, identity->leaf);
			if (key == NULL)
				break;

			/* not the identity's, which may have been completed since */
			chain = chain_of(identity->leaf, contents.certs);
			result = write_pem(identity, chain, key, reasons);
			break;
		case PGCS_PKCS12_NO_MEMORY:
			result = PGCS_LOAD_NO_MEMORY;
			break;
		default:
			break;				/* it opened before, so it is another one */
	}
out:
	sk_X509_pop_free(chain, X509_free);
	OPENSSL_cleanse(data, len);
	free(data);
	pgcs_pkcs12_free(&contents);
	return result;
}
