/*
 * pkcs12.c
 *		What is in a PKCS#12 file (RFC 7292).
 *
 * OpenSSL takes the file apart.  PKCS12_parse() itself gives the first key
 * alone, says nothing of the others, and computes as many rounds of hashing
 * as the file asks for, which may be billions; so the bags are walked here,
 * and the rounds are counted before any is made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "pkcs12.h"
#include "source_file.h"

/*
 * Rounds of hashing for a whole file.  Common are 2,048 to 10,000, and up to
 * a million where somebody was careful; this many take a few seconds.
 */
#define MAX_ROUNDS 5000000

/* Bags in bags: nobody writes them, but the standard has them. */
#define MAX_DEPTH 4

typedef struct Reader
{
	PgcsPkcs12 *contents;
	const char *password;
	int			password_len;
	uint64_t	rounds_left;
	PgcsPkcs12State state;
	const char *algorithm;		/* the last that was tried */
	char	   *words;
	size_t		words_size;
} Reader;

bool
pgcs_is_pkcs12(const unsigned char *data, size_t len, bool *no_memory)
{
	PKCS12	   *p12 = d2i_PKCS12(NULL, &data, (long) len);
	bool		is_one = p12 != NULL;

	PKCS12_free(p12);
	pgcs_openssl_forget(no_memory);
	return is_one;
}

void
pgcs_pkcs12_free(PgcsPkcs12 *contents)
{
	sk_X509_pop_free(contents->certs, X509_free);
	for (size_t i = 0; i < contents->n_keys; i++)
		EVP_PKEY_free(contents->keys[i]);
	free(contents->keys);
	*contents = (PgcsPkcs12) {NULL, NULL, 0, false};
}

/* ---------- why it cannot be opened ---------- */

static bool
fail(Reader *reader, PgcsPkcs12State state, const char *words)
{
	if (reader->state == PGCS_PKCS12_OPENED)
	{
		reader->state = state;
		snprintf(reader->words, reader->words_size, "%s", words);
	}
	return false;
}

static bool
is_unsupported(unsigned long code)
{
	int			reason = ERR_GET_REASON(code);

#ifdef ERR_R_UNSUPPORTED
	if (reason == ERR_R_UNSUPPORTED)
		return true;
#endif
	return (ERR_GET_LIB(code) == ERR_LIB_EVP &&
			(reason == EVP_R_UNKNOWN_PBE_ALGORITHM ||
			 reason == EVP_R_UNSUPPORTED_CIPHER ||
			 reason == EVP_R_UNSUPPORTED_PRF ||
			 reason == EVP_R_UNKNOWN_CIPHER)) ||
		(ERR_GET_LIB(code) == ERR_LIB_PKCS12 &&
		 reason == PKCS12_R_UNKNOWN_DIGEST_ALGORITHM);
}

/* OpenSSL's errors decide; otherwise it is what they do not tell. */
static bool
fail_by_openssl(Reader *reader, PgcsPkcs12State otherwise, bool decrypting)
{
	char		words[128];
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	unsigned long code;
	bool		unsupported = false;
	bool		no_memory = false;

	snprintf(words, sizeof(words), "%s", reason != NULL ? reason : "OpenSSL does not say why");
	while ((code = ERR_get_error()) != 0)
	{
		unsupported = unsupported || is_unsupported(code);
		no_memory = no_memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	}
	if (no_memory)
		return fail(reader, PGCS_PKCS12_NO_MEMORY, "");
	if (unsupported && decrypting)
		return fail(reader, PGCS_PKCS12_UNSUPPORTED, reader->algorithm);
	return fail(reader, otherwise, words);
}

/* ---------- how much work it asks for ---------- */

static bool
charge(Reader *reader, uint64_t rounds)
{
	if (rounds > reader->rounds_left)
		return fail(reader, PGCS_PKCS12_TOO_SLOW, "");
	reader->rounds_left -= rounds;
	return true;
}

static bool
charge_number(Reader *reader, const ASN1_INTEGER *number)
{
	uint64_t	rounds = UINT64_MAX;

	if (number == NULL)
		return true;			/* 1 by default */
	if (ASN1_INTEGER_get_uint64(&rounds, number) != 1)
		ERR_clear_error();
	return charge(reader, rounds);
}

static void *
parameters(const X509_ALGOR *algorithm, const ASN1_ITEM *type)
{
	void	   *value = ASN1_TYPE_unpack_sequence(type, algorithm->parameter);

	ERR_clear_error();
	return value;
}

#ifndef OPENSSL_NO_SCRYPT
static bool
charge_scrypt(Reader *reader, const X509_ALGOR *kdf)
{
	SCRYPT_PARAMS *params = parameters(kdf, ASN1_ITEM_rptr(SCRYPT_PARAMS));
	uint64_t	n = MAX_ROUNDS + 1;
	uint64_t	r = MAX_ROUNDS + 1;
	uint64_t	p = MAX_ROUNDS + 1;
	bool		ok = true;

	if (params != NULL)
	{
		if (ASN1_INTEGER_get_uint64(&n, params->costParameter) != 1 ||
			ASN1_INTEGER_get_uint64(&r, params->blockSize) != 1 ||
			ASN1_INTEGER_get_uint64(&p, params->parallelizationParameter) != 1)
			ERR_clear_error();
		/* each is looked at before it is multiplied, so nothing overflows */
		ok = n <= MAX_ROUNDS && r <= MAX_ROUNDS && p <= MAX_ROUNDS &&
			n * r <= MAX_ROUNDS && charge(reader, n * r * p);
		if (!ok)
			fail(reader, PGCS_PKCS12_TOO_SLOW, "");
	}
	SCRYPT_PARAMS_free(params);
	return ok;
}
#endif

/*
 * The rounds of one encryption, or of a MAC by PBMAC1, whose parameters have
 * the same shape as those of PBES2.  What cannot be decoded costs nothing,
 * since OpenSSL will not decode it either.
 */
static bool
charge_algorithm(Reader *reader, const X509_ALGOR *algorithm)
{
	int			nid = OBJ_obj2nid(algorithm->algorithm);
	bool		ok = true;

	reader->algorithm = nid != NID_undef ? OBJ_nid2ln(nid) : "an algorithm without a name";
	if (nid == NID_pbes2 || nid == NID_pbmac1)
	{
		PBE2PARAM  *params = parameters(algorithm, ASN1_ITEM_rptr(PBE2PARAM));
		int			kdf = params != NULL ? OBJ_obj2nid(params->keyfunc->algorithm) : NID_undef;

		if (kdf == NID_id_pbkdf2)
		{
			PBKDF2PARAM *pbkdf2 = parameters(params->keyfunc, ASN1_ITEM_rptr(PBKDF2PARAM));

			ok = pbkdf2 == NULL || charge_number(reader, pbkdf2->iter);
			PBKDF2PARAM_free(pbkdf2);
		}
#ifndef OPENSSL_NO_SCRYPT
		else if (kdf == NID_id_scrypt)
			ok = charge_scrypt(reader, params->keyfunc);
#endif
		if (params != NULL && OBJ_obj2nid(params->encryption->algorithm) != NID_undef)
			reader->algorithm = OBJ_nid2ln(OBJ_obj2nid(params->encryption->algorithm));
		PBE2PARAM_free(params);
	}
	else
	{
		PBEPARAM   *params = parameters(algorithm, ASN1_ITEM_rptr(PBEPARAM));

		ok = params == NULL || charge_number(reader, params->iter);
		PBEPARAM_free(params);
	}
	return ok;
}

/* ---------- what is in it ---------- */

static bool
add_key(Reader *reader, const PKCS8_PRIV_KEY_INFO *info)
{
	PgcsPkcs12 *contents = reader->contents;
	EVP_PKEY   *key = info != NULL ? EVP_PKCS82PKEY(info) : NULL;
	EVP_PKEY  **keys;

	if (key == NULL)
		return fail_by_openssl(reader, PGCS_PKCS12_BROKEN, false);
	keys = realloc(contents->keys, (contents->n_keys + 1) * sizeof(*keys));
	if (keys == NULL)
	{
		EVP_PKEY_free(key);
		return fail(reader, PGCS_PKCS12_NO_MEMORY, "");
	}
	contents->keys = keys;
	keys[contents->n_keys++] = key;
	return true;
}

static bool
add_encrypted_key(Reader *reader, const PKCS12_SAFEBAG *bag, PgcsPkcs12State wrong)
{
	const X509_ALGOR *algorithm;
	PKCS8_PRIV_KEY_INFO *info;
	bool		ok;

	X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
	if (!charge_algorithm(reader, algorithm))
		return false;
	info = PKCS12_decrypt_skey(bag, reader->password, reader->password_len);
	if (info == NULL)
		return fail_by_openssl(reader, wrong, true);
	reader->contents->by_password = reader->password_len > 0;
	ok = add_key(reader, info);
	PKCS8_PRIV_KEY_INFO_free(info);
	return ok;
}

static bool
add_certificate(Reader *reader, const PKCS12_SAFEBAG *bag)
{
	X509	   *cert;

	if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
		return true;
	cert = PKCS12_SAFEBAG_get1_cert(bag);
	if (cert == NULL)
		return fail_by_openssl(reader, PGCS_PKCS12_BROKEN, false);
	if (!sk_X509_push(reader->contents->certs, cert))
	{
		X509_free(cert);
		return fail(reader, PGCS_PKCS12_NO_MEMORY, "");
	}
	return true;
}

static bool
add_bags(Reader *reader, const STACK_OF(PKCS12_SAFEBAG) *bags,
		 PgcsPkcs12State wrong, int depth)
{
	bool		ok = true;

	if (depth > MAX_DEPTH)
		return fail(reader, PGCS_PKCS12_BROKEN, "bags within bags");
	for (int i = 0; ok && i < sk_PKCS12_SAFEBAG_num(bags); i++)
	{
		const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);

		switch (PKCS12_SAFEBAG_get_nid(bag))
		{
			case NID_keyBag:
				ok = add_key(reader, PKCS12_SAFEBAG_get0_p8inf(bag));
				break;
			case NID_pkcs8ShroudedKeyBag:
				ok = add_encrypted_key(reader, bag, wrong);
				break;
			case NID_certBag:
				ok = add_certificate(reader, bag);
				break;
			case NID_safeContentsBag:
				ok = add_bags(reader, PKCS12_SAFEBAG_get0_safes(bag), wrong, depth + 1);
				break;
			default:
				break;			/* a CRL, or a secret of another kind */
		}
	}
	return ok;
}

/*
 * One of the sequences of bags, as it is or encrypted.  Without a MAC before
 * it, a decryption that fails is what tells that the password is wrong.
 */
static bool
add_safe(Reader *reader, PKCS7 *safe, PgcsPkcs12State wrong)
{
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	bool		ok = true;

	/* older versions of OpenSSL do not look whether there is content */
	if (safe->d.ptr == NULL)
		return fail(reader, PGCS_PKCS12_BROKEN, "no content");
	if (PKCS7_type_is_data(safe))
	{
		bags = PKCS12_unpack_p7data(safe);
		if (bags == NULL)
			return fail_by_openssl(reader, PGCS_PKCS12_BROKEN, false);
	}
	else if (PKCS7_type_is_encrypted(safe))
	{
		if (!charge_algorithm(reader, safe->d.encrypted->enc_data->algorithm))
			return false;
		bags = PKCS12_unpack_p7encdata(safe, reader->password, reader->password_len);
		if (bags == NULL)
			return fail_by_openssl(reader, wrong, true);
		reader->contents->by_password = reader->password_len > 0;
	}
	ok = add_bags(reader, bags, wrong, 1);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	return ok;
}

static bool
check_mac(Reader *reader, PKCS12 *p12)
{
	const X509_ALGOR *algorithm;
	const ASN1_INTEGER *rounds;

	PKCS12_get0_mac(NULL, &algorithm, NULL, &rounds, p12);
	if (!charge_algorithm(reader, algorithm) || !charge_number(reader, rounds))
		return false;
	if (PKCS12_verify_mac(p12, reader->password, reader->password_len) != 1)
		return fail_by_openssl(reader, ERR_peek_error() == 0 ? PGCS_PKCS12_WRONG_PASSWORD
							   : PGCS_PKCS12_BROKEN, true);
	reader->contents->by_password = reader->password_len > 0;
	return true;
}

static bool
read_all(Reader *reader, PKCS12 *p12)
{
	bool		has_mac = PKCS12_mac_present(p12) == 1;
	STACK_OF(PKCS7) *safes;
	bool		ok = true;

	reader->contents->certs = sk_X509_new_null();
	if (reader->contents->certs == NULL)
		return fail(reader, PGCS_PKCS12_NO_MEMORY, "");
	if (has_mac && !check_mac(reader, p12))
		return false;
	safes = PKCS12_unpack_authsafes(p12);
	if (safes == NULL)
		return fail_by_openssl(reader, PGCS_PKCS12_BROKEN, false);
	/* newer versions let an empty sequence pass */
	if (sk_PKCS7_num(safes) == 0)
		ok = fail(reader, PGCS_PKCS12_BROKEN, "no content");
	for (int i = 0; ok && i < sk_PKCS7_num(safes); i++)
		ok = add_safe(reader, sk_PKCS7_value(safes, i),
					  has_mac ? PGCS_PKCS12_BROKEN : PGCS_PKCS12_WRONG_PASSWORD);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return ok;
}

PgcsPkcs12State
pgcs_pkcs12_open(PgcsPkcs12 *contents, const unsigned char *data, size_t len,
				 const char *password, char *words, size_t words_size)
{
	/* no password is written in two ways: as none, and as one of no letters */
	const char *const passwords[] = {password, NULL, ""};
	Reader		reader = {
		.contents = contents,
		.state = PGCS_PKCS12_WRONG_PASSWORD,
		.algorithm = "",
		.words = words,
		.words_size = words_size,
	};
	PKCS12	   *p12;

	*contents = (PgcsPkcs12) {NULL, NULL, 0, false};
	words[0] = '\0';
	ERR_clear_error();
	p12 = d2i_PKCS12(NULL, &data, (long) len);
	if (p12 == NULL)
	{
		reader.state = PGCS_PKCS12_OPENED;
		fail_by_openssl(&reader, PGCS_PKCS12_BROKEN, false);
	}
	for (size_t i = 0; reader.state == PGCS_PKCS12_WRONG_PASSWORD &&
		 i < sizeof(passwords) / sizeof(passwords[0]); i++)
	{
		if (i == 0 && (password == NULL || password[0] == '\0'))
			continue;
		reader.state = PGCS_PKCS12_OPENED;
		reader.rounds_left = MAX_ROUNDS;
		reader.password = passwords[i];
		reader.password_len = passwords[i] != NULL ? (int) strlen(passwords[i]) : 0;
		if (!read_all(&reader, p12))
			pgcs_pkcs12_free(contents);
	}
	PKCS12_free(p12);
	ERR_clear_error();
	return reader.state;
}
