/*
 * sigalg.c
 *		TLS signature schemes: which a key can make.
 *
 * The numbers are those of RFC 8446, 4.2.3.  TLS 1.3 forbids RSA with PKCS#1
 * padding and SHA-1, and DSA, and ties each ECDSA scheme to its curve.
 */
#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

#include "facts.h"
#include "sigalg.h"
#include "source_file.h"

typedef struct Scheme
{
	uint16_t	code;
	int			key_type;
	int			curve;			/* in TLS 1.3; 0: any */
	bool		in_tls13;
	int			digest;			/* that a key may be bound to; 0: none is */
} Scheme;

static const Scheme schemes[] = {
	{0x0201, EVP_PKEY_RSA, 0, false, 0},
	{0x0301, EVP_PKEY_RSA, 0, false, 0},
	{0x0401, EVP_PKEY_RSA, 0, false, 0},
	{0x0501, EVP_PKEY_RSA, 0, false, 0},
	{0x0601, EVP_PKEY_RSA, 0, false, 0},
	{0x0804, EVP_PKEY_RSA, 0, true, 0},
	{0x0805, EVP_PKEY_RSA, 0, true, 0},
	{0x0806, EVP_PKEY_RSA, 0, true, 0},
	{0x0809, EVP_PKEY_RSA_PSS, 0, true, NID_sha256},
	{0x080a, EVP_PKEY_RSA_PSS, 0, true, NID_sha384},
	{0x080b, EVP_PKEY_RSA_PSS, 0, true, NID_sha512},
	{0x0203, EVP_PKEY_EC, 0, false, 0},
	{0x0303, EVP_PKEY_EC, 0, false, 0},
	{0x0403, EVP_PKEY_EC, NID_X9_62_prime256v1, true, 0},
	{0x0503, EVP_PKEY_EC, NID_secp384r1, true, 0},
	{0x0603, EVP_PKEY_EC, NID_secp521r1, true, 0},
	{0x0202, EVP_PKEY_DSA, 0, false, 0},
	{0x0302, EVP_PKEY_DSA, 0, false, 0},
	{0x0402, EVP_PKEY_DSA, 0, false, 0},
	{0x0502, EVP_PKEY_DSA, 0, false, 0},
	{0x0602, EVP_PKEY_DSA, 0, false, 0},
	{0x0807, EVP_PKEY_ED25519, 0, true, 0},
	{0x0808, EVP_PKEY_ED448, 0, true, 0},
};

/* The curve of an EC key, or 0 if it cannot be told. */
static int
curve_of(EVP_PKEY *key)
{
	int			nid = 0;

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
	char		name[64];
	size_t		len;

	if (key != NULL &&
		EVP_PKEY_get_group_name(key, name, sizeof(name), &len) == 1)
		nid = OBJ_txt2nid(name);
#else
	const EC_KEY *ec = key != NULL ? EVP_PKEY_get0_EC_KEY(key) : NULL;

	if (ec != NULL)
		nid = EC_GROUP_get_curve_name(EC_KEY_get0_group(ec));
#endif
	ERR_clear_error();
	return nid == NID_undef ? 0 : nid;
}

/*
 * An RSA-PSS key may be bound to one digest, and to a salt longer than that of
 * TLS, which is as long as the digest.
 */
static bool
is_allowed_by_key(EVP_PKEY *key, const Scheme *scheme, bool *no_memory)
{
	EVP_MD_CTX *ctx;
	EVP_PKEY_CTX *key_ctx;
	bool		allowed;

	if (scheme->digest == 0)
		return true;
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL)
		*no_memory = true;
	allowed = ctx != NULL &&
		EVP_DigestVerifyInit(ctx, &key_ctx, EVP_get_digestbynid(scheme->digest), NULL, key) == 1 &&
		EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
	EVP_MD_CTX_free(ctx);
	pgcs_openssl_forget(no_memory);
	return allowed;
}

bool
pgcs_sigalg_fits(X509 *cert, const uint16_t *sigalgs, size_t n, int tls_version,
				 bool *no_memory)
{
	EVP_PKEY   *key = X509_get0_pubkey(cert);
	int			type = key != NULL ? EVP_PKEY_base_id(key) : EVP_PKEY_NONE;
	int			curve = type == EVP_PKEY_EC ? curve_of(key) : 0;
	bool		known = false;

	for (size_t s = 0; s < sizeof(schemes) / sizeof(schemes[0]); s++)
	{
		const Scheme *scheme = &schemes[s];
		bool		asked = sigalgs == NULL;

		if (scheme->key_type != type)
			continue;
		known = true;
		if (tls_version == TLS1_3_VERSION &&
			(!scheme->in_tls13 ||
			 (scheme->curve != 0 && curve != 0 && curve != scheme->curve)))
			continue;
		for (size_t i = 0; i < n && !asked; i++)
			asked = sigalgs[i] == scheme->code;
		if (asked && is_allowed_by_key(key, scheme, no_memory))
			return true;
	}
	return !known;
}

bool
pgcs_curve_fits(X509 *cert, int tls_version, int group)
{
	const char *type = pgcert_key_type(cert);
	int			curve;

	if (type == NULL || strcmp(type, "EC") != 0)
		return true;
	curve = curve_of(X509_get0_pubkey(cert));
	if (tls_version != TLS1_2_VERSION)
		return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 ||
			curve == NID_secp521r1;
	if (curve == group)
		return true;

	/* X25519 goes before a list, in which P-256 is the one to expect */
	return curve == NID_X9_62_prime256v1 &&
		(group == 0 || group == NID_X25519 || group == NID_X448);
}

int
pgcs_negotiated_group(SSL *ssl)
{
	EVP_PKEY   *key = NULL;
	int			group = 0;

	if (SSL_version(ssl) == TLS1_2_VERSION && SSL_get_server_tmp_key(ssl, &key) == 1)
		group = EVP_PKEY_base_id(key) == EVP_PKEY_EC ? curve_of(key)
			: EVP_PKEY_base_id(key);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return group;
}
