/*
 * sigalg.c
 *		TLS signature schemes: which a key can make.
 *
 * The numbers are those of RFC 8446, 4.2.3.  TLS 1.3 forbids RSA with PKCS#1
 * padding and SHA-1, and ties each ECDSA scheme to its curve.
 */
#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>

#include "facts.h"
#include "sigalg.h"

typedef struct Scheme
{
	uint16_t	code;
	const char *key_type;
	int			curve;			/* in TLS 1.3; 0: any */
	bool		in_tls13;
} Scheme;

static const Scheme schemes[] = {
	{0x0201, "RSA", 0, false},
	{0x0301, "RSA", 0, false},
	{0x0401, "RSA", 0, false},
	{0x0501, "RSA", 0, false},
	{0x0601, "RSA", 0, false},
	{0x0804, "RSA", 0, true},
	{0x0805, "RSA", 0, true},
	{0x0806, "RSA", 0, true},
	{0x0809, "RSA-PSS", 0, true},
	{0x080a, "RSA-PSS", 0, true},
	{0x080b, "RSA-PSS", 0, true},
	{0x0203, "EC", 0, false},
	{0x0303, "EC", 0, false},
	{0x0403, "EC", NID_X9_62_prime256v1, true},
	{0x0503, "EC", NID_secp384r1, true},
	{0x0603, "EC", NID_secp521r1, true},
	{0x0807, "Ed25519", 0, true},
	{0x0808, "Ed448", 0, true},
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

bool
pgcs_sigalg_fits(X509 *cert, const uint16_t *sigalgs, size_t n, int tls_version)
{
	const char *type = pgcert_key_type(cert);
	int			curve = 0;
	bool		known = false;

	if (type == NULL)
		return true;
	if (strcmp(type, "EC") == 0)
		curve = curve_of(X509_get0_pubkey(cert));
	for (size_t s = 0; s < sizeof(schemes) / sizeof(schemes[0]); s++)
	{
		const Scheme *scheme = &schemes[s];

		if (strcmp(scheme->key_type, type) != 0)
			continue;
		known = true;
		if (tls_version == TLS1_3_VERSION &&
			(!scheme->in_tls13 ||
			 (scheme->curve != 0 && curve != 0 && curve != scheme->curve)))
			continue;
		for (size_t i = 0; i < n; i++)
			if (sigalgs[i] == scheme->code)
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
