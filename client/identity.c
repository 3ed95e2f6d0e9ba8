/*
 * identity.c
 *		A certificate file with its key: what sslcert and sslkey could name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "bundle.h"
#include "engine_key.h"
#include "name.h"

/* What OpenSSL's security level 2 asks for. */
#define LEVEL_2_BITS 112

/* "DNS:a, URI:b", or "". */
static char *
sans_text(const PgcertFacts *facts)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	pgcert_buf_text(&buf, "");
	for (size_t i = 0; i < facts->n_sans; i++)
	{
		char	   *text = pgcert_san_text(&facts->sans[i]);

		if (text == NULL)
			buf.failed = true;
		else
		{
			pgcert_buf_text(&buf, i > 0 ? ", " : "");
			pgcert_buf_text(&buf, text);
		}
		free(text);
	}
	return pgcert_buf_take(&buf);
}

void
pgcs_identity_free(pgcs_identity *identity)
{
	if (identity == NULL)
		return;
	free(identity->cert_path);
	pgcs_secret_free(identity->key_path);
	free(identity->key_shown);
	free(identity->pkcs12_path);
	pgcs_secret_free(identity->password);
	X509_free(identity->leaf);
	sk_X509_pop_free(identity->extra, X509_free);
	sk_X509_free(identity->reached);
	sk_X509_pop_free(identity->sent, X509_free);
	pgcert_facts_free(identity->facts);
	free(identity->subject);
	free(identity->issuer);
	free(identity->sans);
	pgcs_reasons_free(&identity->reasons);
	free(identity);
}

pgcs_identity *
pgcs_identity_new(PgcsFile *cert, const char *key_path)
{
	pgcs_identity *identity = calloc(1, sizeof(*identity));
	unsigned char digest[PGCERT_SHA256_LEN];

	if (identity == NULL)
		return NULL;
	identity->cert_path = strdup(cert->path);
	identity->key_path = strdup(key_path);
	identity->cert_stamp = cert->stamp;
	identity->extra = sk_X509_new_null();
	if (identity->cert_path == NULL || identity->key_path == NULL ||
		identity->extra == NULL)
		goto fail;
	X509_up_ref(cert->leaf);
	identity->leaf = cert->leaf;
	for (int i = 0; i < sk_X509_num(cert->extra); i++)
	{
		X509	   *extra = sk_X509_value(cert->extra, i);

		if (!sk_X509_push(identity->extra, extra))
			goto fail;
		X509_up_ref(extra);
	}
	for (size_t i = 0; i < cert->reasons.n; i++)
		pgcs_reasons_add(&identity->reasons, cert->reasons.items[i]->severity,
						 cert->reasons.items[i]->code,
						 cert->reasons.items[i]->file, "%s",
						 cert->reasons.items[i]->text);

	identity->facts = pgcert_facts_new(PGCERT_LINK_TLS, 0);
	if (identity->facts == NULL)
		goto fail;
	if (X509_get0_pubkey(identity->leaf) != NULL)
	{
		if (!pgcert_facts_set_certificate(identity->facts, identity->leaf, NULL, NULL))
			goto fail;
	}
	else
	{
		/* decodes as X.509, but a part of it, the key, does not */
		pgcs_reasons_add(&identity->reasons, PGCS_FATAL, "libpq-refuses",
						 cert->path, "certificate cannot be decoded");
	}
	identity->security_bits = pgcert_key_security_bits(identity->leaf);
	ERR_clear_error();
	identity->subject = pgcert_name_text(X509_get_subject_name(identity->leaf));
	identity->issuer = pgcert_name_text(X509_get_issuer_name(identity->leaf));
	identity->sans = sans_text(identity->facts);
	if (identity->subject == NULL || identity->issuer == NULL ||
		identity->sans == NULL ||
		!pgcert_cert_sha256(identity->leaf, digest))
		goto fail;
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(identity->fingerprint + 2 * i, 3, "%02x", digest[i]);
	if (identity->facts->has_certificate && X509_check_ca(identity->leaf) > 0 &&
		!pgcs_reasons_have(&identity->reasons, "ca-certificate"))
		pgcs_reasons_add(&identity->reasons, PGCS_DOUBT, "ca-certificate",
						 cert->path, "is a CA's own certificate");
	return identity;

fail:
	pgcs_identity_free(identity);
	return NULL;
}

pgcs_identity *
pgcs_identity_copy(const pgcs_identity *identity, const char *cert_path)
{
	PgcsFile	file = {
		.path = (char *) cert_path,
		.leaf = identity->leaf,
		.extra = identity->extra,
		.stamp = identity->cert_stamp,
		.reasons = identity->reasons,
	};
	pgcs_identity *copy = pgcs_identity_new(&file, identity->key_path);

	if (copy == NULL)
		return NULL;
	copy->key_encrypted = identity->key_encrypted;
	copy->key_verified = identity->key_verified;
	copy->key_by_engine = identity->key_by_engine;
	copy->unpaired = identity->unpaired;
	copy->key_stamp = identity->key_stamp;
	copy->pkcs12_stamp = identity->pkcs12_stamp;
	if (identity->password != NULL)
		copy->password = strdup(identity->password);
	if (identity->pkcs12_path != NULL)
		copy->pkcs12_path = strdup(identity->pkcs12_path);
	if (identity->key_shown != NULL)
		copy->key_shown = strdup(identity->key_shown);
	if ((identity->password != NULL && copy->password == NULL) ||
		(identity->pkcs12_path != NULL && copy->pkcs12_path == NULL) ||
		(identity->key_shown != NULL && copy->key_shown == NULL))
	{
		pgcs_identity_free(copy);
		return NULL;
	}
	return copy;
}

void
pgcs_identity_set_engine_key(pgcs_identity *identity)
{
	identity->key_by_engine = true;
	identity->key_shown = pgcs_engine_key_shown(identity->key_path);
	if (identity->key_shown == NULL)
		identity->reasons.failed = true;
	else if (strcmp(identity->key_shown, identity->key_path) == 0)
	{
		free(identity->key_shown);
		identity->key_shown = NULL;
	}
	pgcs_reasons_add(&identity->reasons, PGCS_DOUBT, "key-unverified", NULL,
					 "key is held by an engine, so only libpq can tell whether it belongs to the certificate");
}

void
pgcs_identity_set_key(pgcs_identity *identity, const PgcsFile *key,
					  const char *password, bool prompt_allowed)
{
	PgcsReasons *reasons = &identity->reasons;

	identity->key_stamp = key->stamp;
	identity->key_encrypted = key->key_encrypted;
	if (key->key_encrypted && password != NULL)
	{
		identity->password = strdup(password);
		if (identity->password == NULL)
			reasons->failed = true;
	}
	switch (key->key_state)
	{
		case PGCS_KEY_NONE:
		case PGCS_KEY_UNREAD:
			/* why the file could not be read at all was said already */
			if (key->is_pkcs12)
			{
				pgcs_reasons_add(reasons, PGCS_FATAL, "pkcs12", key->path,
								 "PKCS#12 file, which libpq cannot read");
				pgcs_reasons_hint(reasons,
								  "name it in sslcert, and let it be unpacked with --unpack=DIR");
			}
			else if (key->reasons.n == 0)
				pgcs_reasons_add(reasons, PGCS_FATAL, "key-unusable",
								 key->path, "holds no private key");
			for (size_t i = 0; i < key->reasons.n; i++)
			{
				const pgcs_reason *reason = key->reasons.items[i];

				pgcs_reasons_add(reasons, PGCS_FATAL, reason->code,
								 reason->file, "%s", reason->text);
				if (reason->hint[0] != '\0')
					pgcs_reasons_hint(reasons, "%s", reason->hint);
			}
			return;
		case PGCS_KEY_OPENED:
			if (pgcs_has_public_key(identity->leaf, key->public_sha256))
				identity->key_verified = true;
			else
			{
				pgcs_reasons_add(reasons, PGCS_FATAL, "key-mismatch", key->path,
								 "key belongs to another certificate");
				for (int i = 0; i < sk_X509_num(identity->extra); i++)
					if (pgcs_has_public_key(sk_X509_value(identity->extra, i),
											key->public_sha256))
						pgcs_reasons_hint(reasons,
										  "it belongs to certificate %d of the certificate file, but libpq sends the first: put that one first",
										  i + 2);
			}
			break;
		case PGCS_KEY_NO_PASSWORD:
			if (prompt_allowed)
				pgcs_reasons_add(reasons, PGCS_DOUBT, "key-unverified", key->path,
								 "key is encrypted and its password not known, so OpenSSL will ask for it");
			else
			{
				pgcs_reasons_add(reasons, PGCS_FATAL, "key-encrypted", key->path,
								 "key is encrypted, and no password is known for it");
				pgcs_reasons_hint(reasons,
								  "give its password with --password-file or in sslpassword");
			}
			break;
		case PGCS_KEY_WRONG_PASSWORD:
			pgcs_reasons_add(reasons, PGCS_FATAL, "key-password-wrong", key->path,
							 "key is encrypted, and the password given does not open it");
			break;
		case PGCS_KEY_BROKEN:
			pgcs_reasons_add(reasons, PGCS_FATAL, "key-unusable", key->path,
							 "key cannot be decoded");
			break;
	}
	pgcs_check_key_mode(reasons, key->path, key->stamp.mode, key->stamp.uid);
}

/* What SSL_use_certificate_chain_file() does after reading. */
static bool
ssl_takes_chain(SSL *ssl, const pgcs_identity *identity, int *which)
{
	*which = 1;
	if (SSL_use_certificate(ssl, identity->leaf) != 1 ||
		SSL_clear_chain_certs(ssl) != 1)
		return false;
	for (int i = 0; i < sk_X509_num(identity->extra); i++)
	{
		*which = i + 2;
		if (SSL_add1_chain_cert(ssl, sk_X509_value(identity->extra, i)) != 1)
			return false;
	}
	return true;
}

/*
 * OpenSSL before 3.5 refuses to send a certificate that is weakly signed.  Where
 * it is sent, nearly every server refuses it.
 */
static void
check_signature(pgcs_identity *identity)
{
	int			bits = pgcert_signature_security_bits(identity->leaf);

	if (bits == 0 || bits >= LEVEL_2_BITS ||
		(X509_get_extension_flags(identity->leaf) & EXFLAG_SS) != 0)
		return;
	pgcs_reasons_add(&identity->reasons, PGCS_DOUBT, "weak", identity->cert_path,
					 "the certificate's signature (%s) is too weak for a server at OpenSSL's security level 2",
					 OBJ_nid2ln(X509_get_signature_nid(identity->leaf)));
}

static void
check_path(pgcs_identity *identity, const char *path, const char *parameter)
{
	if (strlen(path) > PGCS_MAX_PATH_LEN)
		pgcs_reasons_add(&identity->reasons, PGCS_FATAL, "path-too-long", path,
						 "path is longer than the %d bytes that libpq keeps of %s",
						 PGCS_MAX_PATH_LEN, parameter);
}

void
pgcs_identity_check(pgcs_identity *identity, SSL *ssl)
{
	int			which;

	check_path(identity, identity->cert_path, "sslcert");
	if (!identity->key_by_engine)
		check_path(identity, identity->key_path, "sslkey");
	if (!identity->key_by_engine && strchr(identity->key_path, ':') != NULL)
	{
		pgcs_reasons_add(&identity->reasons, PGCS_FATAL, "key-path-colon",
						 identity->key_path,
						 "libpq takes a key path with a colon for an engine's name");
		pgcs_reasons_hint(&identity->reasons, "rename it, or link to it by another name");
	}
	if (pgcs_reasons_have(&identity->reasons, "libpq-refuses"))
		return;
	ERR_clear_error();
	if (!ssl_takes_chain(ssl, identity, &which))
	{
		char		words[128];

		pgcs_openssl_words(words, sizeof(words), &identity->reasons.failed);
		pgcs_reasons_add(&identity->reasons, PGCS_FATAL, "libpq-refuses",
						 identity->cert_path,
						 "OpenSSL refuses to send certificate %d of the file: %s",
						 which, words);
		if (strstr(words, "too small") != NULL || strstr(words, "too weak") != NULL)
			pgcs_reasons_hint(&identity->reasons,
							  "have it issued anew: RSA of 2048 bits or more, or EC, signed with SHA-256");
	}
	else
		check_signature(identity);
	ERR_clear_error();
}

/* ---------- accessors: see pgcertsel.h ---------- */

const char *
pgcs_identity_cert_path(const pgcs_identity *identity)
{
	return identity->cert_path;
}

const char *
pgcs_identity_key_path(const pgcs_identity *identity)
{
	return identity->key_shown != NULL ? identity->key_shown : identity->key_path;
}

const char *
pgcs_identity_subject(const pgcs_identity *identity)
{
	return identity->subject;
}

const char *
pgcs_identity_issuer(const pgcs_identity *identity)
{
	return identity->issuer;
}

const char *
pgcs_identity_key_type(const pgcs_identity *identity)
{
	return identity->facts->key_type != NULL ? identity->facts->key_type : "other";
}

const char *
pgcs_identity_fingerprint(const pgcs_identity *identity)
{
	return identity->fingerprint;
}

const char *
pgcs_identity_sans(const pgcs_identity *identity)
{
	return identity->sans;
}

int64_t
pgcs_identity_not_before(const pgcs_identity *identity)
{
	return identity->facts->not_before;
}

int64_t
pgcs_identity_not_after(const pgcs_identity *identity)
{
	return identity->facts->not_after;
}

int
pgcs_identity_key_encrypted(const pgcs_identity *identity)
{
	return identity->key_encrypted;
}

size_t
pgcs_identity_n_reasons(const pgcs_identity *identity)
{
	return identity->reasons.n;
}

const pgcs_reason *
pgcs_identity_reason(const pgcs_identity *identity, size_t i)
{
	return i < identity->reasons.n ? identity->reasons.items[i] : NULL;
}
