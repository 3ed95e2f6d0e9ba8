/*
 * random_keys.c
 *		Seeded numbers, and a pool of keys: making one takes longer than
 *		making all else.
 */
#include <string.h>

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "random_pki.h"
#include "tap.h"

#define POOL_SIZE 48

static EVP_PKEY *pool[N_KEY_KINDS][POOL_SIZE];

static const struct
{
	const char *name;
	int			type;
	const char *curve;
	int			bits;
	int			n;				/* how many different ones */
}			kinds[N_KEY_KINDS] =

{
	[KEY_P256] = {"P-256", EVP_PKEY_EC, "prime256v1", 0, POOL_SIZE},
	[KEY_P384] = {"P-384", EVP_PKEY_EC, "secp384r1", 0, 8},
	[KEY_P521] = {"P-521", EVP_PKEY_EC, "secp521r1", 0, 8},
	[KEY_K256] = {"secp256k1", EVP_PKEY_EC, "secp256k1", 0, 8},
	[KEY_RSA2048] = {"RSA-2048", EVP_PKEY_RSA, NULL, 2048, 4},
	[KEY_RSA1024] = {"RSA-1024", EVP_PKEY_RSA, NULL, 1024, 4},
	[KEY_PSS] = {"RSA-PSS", EVP_PKEY_RSA_PSS, NULL, 2048, 2},
	[KEY_ED25519] = {"Ed25519", EVP_PKEY_ED25519, NULL, 0, 8},
	[KEY_ED448] = {"Ed448", EVP_PKEY_ED448, NULL, 0, 4},
};

/* SplitMix64: every seed is a good one. */
static uint64_t
next_number(Random *random)
{
	uint64_t	z = random->state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void
random_seed(Random *random, uint64_t seed, uint64_t number)
{
	random->state = seed;
	random->state = next_number(random) + number;
}

int
random_below(Random *random, int n)
{
	return (int) (next_number(random) % (uint64_t) n);
}

bool
chance(Random *random, int percent)
{
	return random_below(random, 100) < percent;
}

static int	even_percent;		/* 0: each fault has its own weight */

void
random_even(int percent)
{
	even_percent = percent;
}

bool
fault(Random *random, int percent)
{
	return chance(random, even_percent > 0 ? even_percent : percent);
}

EVP_PKEY *
pool_key(KeyKind kind, int i)
{
	EVP_PKEY  **slot = &pool[kind][i % kinds[kind].n];
	EVP_PKEY_CTX *ctx;

	if (*slot != NULL)
		return *slot;
	ctx = EVP_PKEY_CTX_new_id(kinds[kind].type, NULL);
	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1)
		die("no generator for keys of type %s", kinds[kind].name);
	if (kinds[kind].curve != NULL &&
		(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, OBJ_txt2nid(kinds[kind].curve)) != 1 ||
		 EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_NAMED_CURVE) != 1))
		die("no curve %s", kinds[kind].curve);
	if (kinds[kind].bits != 0 &&
		EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, kinds[kind].bits) != 1)
		die("no RSA keys of %d bits", kinds[kind].bits);
	if (EVP_PKEY_keygen(ctx, slot) != 1)
		die("could not make a key of type %s", kinds[kind].name);
	EVP_PKEY_CTX_free(ctx);
	return *slot;
}

const char *
key_kind_name(KeyKind kind)
{
	return kinds[kind].name;
}

void
pool_free(void)
{
	for (int kind = 0; kind < N_KEY_KINDS; kind++)
		for (int i = 0; i < POOL_SIZE; i++)
		{
			EVP_PKEY_free(pool[kind][i]);
			pool[kind][i] = NULL;
		}
}
