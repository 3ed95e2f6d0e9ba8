/*
 * test_judge.c
 *		Real certificates held against policies: one table of cases.
 */
#include <stdlib.h>

#include <openssl/tls1.h>

#include "judge.h"
#include "make_cert.h"
#include "tap.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)

typedef enum Who
{
	ALICE,						/* everything in order; from ca "one" */
	ALICE_TWO,					/* same names, from ca "two" */
	FORGED,						/* two made an intermediate named as one */
	BARE,						/* no extensions, no CN */
	TWO_CNS,
	NUL_CN,
	BMP_CN,
	STARS,						/* odd characters in the CN */
	ODD_EKU,					/* any, and one of nobody's */
	BAD_SAN,					/* a NUL in a DNS name */
	BAD_EKU,					/* does not decode */
	TWICE_EKU,					/* the extension is there twice */
	WEAK,						/* RSA 1024 */
	UNICODE,
	NOBODY,						/* TLS, no certificate */
	PLAIN,						/* no TLS */
	GSS,
	LONE,						/* alice, chain not known: a client's view */
	N_WHO,
} Who;

static const TestCert wanted[] = {
	[ALICE] = {.subject = "CN=alice,O=Example",
		.extensions = {{NID_ext_key_usage, "clientAuth,1.3.6.1.4.1.99999.7"},
			{NID_subject_alt_name, "DNS:Alice.Example.com,email:alice@example.com,"
			"URI:spiffe://example.com/alice,IP:10.1.2.3,IP:2001:db8::7,"
			"otherName:1.3.6.1.4.1.311.20.2.3;UTF8:alice@EXAMPLE"},
			/* 1.3.6.1.4.1.99999.1, anyPolicy */
			{NID_certificate_policies, "DER:3015300B06092B06010401868D1F0130060604551D2000"}},
		.not_before = NOW - DAY, .not_after = NOW + 29 * DAY, .serial = "0A0B0C"},
	[BARE] = {.subject = "O=Example", .not_before = NOW - DAY, .not_after = NOW + DAY},
	[TWO_CNS] = {.subject = "CN=alice,CN=mallory", .not_before = NOW - DAY, .not_after = NOW + DAY},
	[NUL_CN] = {.subject = "CN=#0c07616c696365002e", .not_before = NOW - DAY, .not_after = NOW + DAY},
	[BMP_CN] = {.subject = "CN=#1e0a0061006c006900630065,O=#13084558414d504c4520",
		.not_before = NOW - DAY, .not_after = NOW + DAY},
	[STARS] = {.subject = "CN=a*b%role\\\\c", .not_before = NOW - DAY, .not_after = NOW + DAY},
	[ODD_EKU] = {.subject = "CN=alice", .extensions = {
			{NID_ext_key_usage, "anyExtendedKeyUsage,1.3.6.1.4.1.99999.7"},
			{NID_certificate_policies, "DER:300830060604551D2000"}},
		.not_before = NOW - DAY, .not_after = NOW + DAY},
	[BAD_SAN] = {.subject = "CN=alice", .extensions = {
			/* DNS:ok.example, DNS:a NUL b */
			{NID_subject_alt_name, "DER:3011820A6F6B2E6578616D706C658203610062"}},
		.not_before = NOW - DAY, .not_after = NOW + DAY},
	[BAD_EKU] = {.subject = "CN=alice", .extensions = {{NID_ext_key_usage, "DER:3003020101FF"}},
		.not_before = NOW - DAY, .not_after = NOW + DAY},
	[TWICE_EKU] = {.subject = "CN=alice", .extensions = {{NID_ext_key_usage, "clientAuth"},
			{NID_ext_key_usage, "serverAuth"}},
		.not_before = NOW - DAY, .not_after = NOW + DAY},
	[WEAK] = {.subject = "CN=alice", .not_before = NOW + DAY, .not_after = NOW - DAY},
	[UNICODE] = {.subject = "CN=Ren\\C3\\A9", .not_before = NOW - DAY, .not_after = NOW + DAY},
};

/* truth and, where it is not TRUE, the reason word for word */
static const struct
{
	Who			who;
	const char *policy;
	PgcertTruth truth;
	const char *reason;
}			cases[] = {
	/* cn */
	{ALICE, "cn=alice", PGCERT_TRUE, NULL},
	{ALICE, "cn=%role", PGCERT_TRUE, NULL},
	{ALICE, "cn=bob,alice", PGCERT_TRUE, NULL},
	{ALICE, "cn=al*", PGCERT_TRUE, NULL},
	{ALICE, "cn=*ice", PGCERT_TRUE, NULL},
	{ALICE, "cn=*l*c*", PGCERT_TRUE, NULL},
	{ALICE, "cn=*", PGCERT_TRUE, NULL},
	{ALICE, "cn=**", PGCERT_TRUE, NULL},
	{ALICE, "cn=alice*", PGCERT_TRUE, NULL},
	{ALICE, "cn=Alice", PGCERT_FALSE, "cn: required \"Alice\", found \"alice\""},
	{ALICE, "cn=al", PGCERT_FALSE, "cn: required \"al\", found \"alice\""},
	{ALICE, "cn=alicea*", PGCERT_FALSE, "cn: required \"alicea*\", found \"alice\""},
	{ALICE, "cn=alic*ice", PGCERT_FALSE, "cn: required \"alic*ice\", found \"alice\""},
	{ALICE, "cn=*a", PGCERT_FALSE, "cn: required \"*a\", found \"alice\""},
	{ALICE, "cn=%role-%role", PGCERT_FALSE, "cn: required \"alice-alice\", found \"alice\""},
	{ALICE, "cn=bob,carol", PGCERT_FALSE, "cn: required \"bob\" or \"carol\", found \"alice\""},
	{ALICE, "cn!=bob", PGCERT_TRUE, NULL},
	{ALICE, "cn!=bob,a*", PGCERT_FALSE, "cn: required not \"bob\" or \"a*\", found \"alice\""},
	{BARE, "cn=*", PGCERT_FALSE, "cn: required \"*\", found absent"},
	{BARE, "cn!=alice", PGCERT_FALSE, "cn: required not \"alice\", found absent"},
	{TWO_CNS, "cn=alice", PGCERT_FALSE, "cn: required \"alice\", found ambiguous"},
	{TWO_CNS, "cn!=bob", PGCERT_FALSE, "cn: required not \"bob\", found ambiguous"},
	{NUL_CN, "cn=alice*", PGCERT_FALSE, "cn: required \"alice*\", found malformed"},
	{NUL_CN, "cn!=bob", PGCERT_FALSE, "cn: required not \"bob\", found malformed"},
	{BMP_CN, "cn=alice", PGCERT_TRUE, NULL},
	{STARS, "cn=\"a\\2Ab\\25role\\5Cc\"", PGCERT_TRUE, NULL},
	{STARS, "cn=\"a\\2Ab%role\\5Cc\"", PGCERT_FALSE,
	"cn: required \"a\\2Abalice\\5Cc\", found \"a*b%role\\c\""},
	{UNICODE, "cn=\"Ren\\C3\\A9\"", PGCERT_TRUE, NULL},
	{UNICODE, "cn=\"Rene\\CC\\81\"", PGCERT_FALSE, "cn: required \"Rene\\CC\\81\", found \"Ren\303\251\""},

	/* dn: names, not texts */
	{ALICE, "dn=\"CN=alice,O=Example\"", PGCERT_TRUE, NULL},
	{ALICE, "dn=\"cn=ALICE, o=example\"", PGCERT_TRUE, NULL},
	{BMP_CN, "dn=\"CN=alice,O=Example\"", PGCERT_TRUE, NULL},
	{ALICE, "dn=\"O=Example,CN=alice\"", PGCERT_FALSE,
	"dn: required \"O=Example,CN=alice\", found \"CN=alice,O=Example\""},
	{ALICE, "dn=\"CN=alice\\,O\\=Example\"", PGCERT_FALSE,
	"dn: required \"CN=alice\\,O\\=Example\", found \"CN=alice,O=Example\""},
	{ALICE, "dn!=\"CN=bob\"", PGCERT_TRUE, NULL},

	/* san */
	{ALICE, "san=DNS:alice.example.COM", PGCERT_TRUE, NULL},
	{ALICE, "san=DNS:%role.example.com", PGCERT_TRUE, NULL},
	{ALICE, "san=DNS:*.example.com", PGCERT_TRUE, NULL},
	{ALICE, "san=email:alice@example.com", PGCERT_TRUE, NULL},
	{ALICE, "san=email:ALICE@example.com", PGCERT_FALSE, NULL},
	{ALICE, "san=URI:spiffe://example.com/%role", PGCERT_TRUE, NULL},
	{ALICE, "san=DNS:spiffe://example.com/alice", PGCERT_FALSE, NULL},
	{ALICE, "san=URI:alice.example.com", PGCERT_FALSE, NULL},
	{ALICE, "san=IP:10.1.2.3", PGCERT_TRUE, NULL},
	{ALICE, "san=IP:2001:0db8:0::7", PGCERT_TRUE, NULL},
	{ALICE, "san=IP:10.1.2.4", PGCERT_FALSE,
		"san: required \"IP:10.1.2.4\", found \"DNS:Alice.Example.com\", "
		"\"email:alice@example.com\", \"URI:spiffe://example.com/alice\", \"IP:10.1.2.3\", "
	"\"IP:2001:db8:0:0:0:0:0:7\", \"UPN:alice@EXAMPLE\""},
	{ALICE, "san=UPN:alice@EXAMPLE", PGCERT_TRUE, NULL},
	{ALICE, "san!=DNS:bob.example.com", PGCERT_TRUE, NULL},
	{ALICE, "san!=DNS:*,IP:1.1.1.1", PGCERT_FALSE, NULL},
	{BARE, "san!=DNS:bob", PGCERT_FALSE, "san: required not \"DNS:bob\", found absent"},
	{BAD_SAN, "san=DNS:ok.example", PGCERT_FALSE, "san: required \"DNS:ok.example\", found malformed"},
	{BAD_SAN, "san!=DNS:bob", PGCERT_FALSE, "san: required not \"DNS:bob\", found malformed"},

	/* ca, ca_key_sha256, issuer */
	{ALICE, "ca=\"CN=one\"", PGCERT_TRUE, NULL},
	{ALICE, "ca=\"CN=two\",\"CN=ONE\"", PGCERT_TRUE, NULL},
	{ALICE, "ca!=\"CN=two\"", PGCERT_TRUE, NULL},
	{ALICE, "ca=\"CN=alice,O=Example\"", PGCERT_FALSE, NULL},
	{ALICE_TWO, "ca=\"CN=one\"", PGCERT_FALSE, "ca: required \"CN=one\", found \"CN=two\""},
	{ALICE_TWO, "ca!=\"CN=two\"", PGCERT_FALSE, "ca: required not \"CN=two\", found \"CN=two\""},
	{FORGED, "issuer=\"CN=one\"", PGCERT_TRUE, NULL},
	{FORGED, "ca=\"CN=one\"", PGCERT_FALSE, "ca: required \"CN=one\", found \"CN=two\""},
	{FORGED, "ca=\"CN=two\"", PGCERT_TRUE, NULL},
	{ALICE, "ca_key_sha256=@one", PGCERT_TRUE, NULL},
	{ALICE_TWO, "ca_key_sha256=@one", PGCERT_FALSE, NULL},
	{FORGED, "ca_key_sha256=@one", PGCERT_FALSE, NULL},
	{ALICE, "ca_key_sha256=@leaf", PGCERT_FALSE, NULL},
	{LONE, "ca=\"CN=one\"", PGCERT_UNKNOWN, "ca: required \"CN=one\", found not known"},
	{LONE, "ca!=\"CN=two\"", PGCERT_UNKNOWN, "ca: required not \"CN=two\", found not known"},
	{LONE, "cn=alice ca=\"CN=one\"", PGCERT_UNKNOWN, NULL},
	{LONE, "cn=bob ca=\"CN=one\"", PGCERT_FALSE, NULL},
	{LONE, "cn=bob or ca=\"CN=one\"", PGCERT_UNKNOWN, NULL},
	{LONE, "cn=alice or ca=\"CN=one\"", PGCERT_TRUE, NULL},

	/* hashes, serial */
	{ALICE, "key_sha256=@leaf", PGCERT_TRUE, NULL},
	{ALICE, "key_sha256!=@one", PGCERT_TRUE, NULL},
	{ALICE, "cert_sha256=@leaf", PGCERT_FALSE, NULL},
	{ALICE, "cert_sha256=@cert", PGCERT_TRUE, NULL},
	{ALICE, "serial=a0b0c", PGCERT_TRUE, NULL},
	{ALICE, "serial=00:0A:0B:0C", PGCERT_TRUE, NULL},
	{ALICE, "serial=0b0c", PGCERT_FALSE, "serial: required \"0b0c\", found 0a0b0c"},
	{ALICE, "serial!=1,2", PGCERT_TRUE, NULL},

	/* eku, policy_oid */
	{ALICE, "eku=clientAuth", PGCERT_TRUE, NULL},
	{ALICE, "eku=1.3.6.1.5.5.7.3.2", PGCERT_TRUE, NULL},
	{ALICE, "eku=1.3.6.1.4.1.99999.7", PGCERT_TRUE, NULL},
	{ALICE, "eku=serverAuth", PGCERT_FALSE,
	"eku: required \"serverAuth\", found \"clientAuth\", \"1.3.6.1.4.1.99999.7\""},
	{ALICE, "eku!=serverAuth", PGCERT_TRUE, NULL},
	{ALICE, "eku=clientAuth eku!=1.3.6.1.4.1.99999.7", PGCERT_FALSE, NULL},
	{BARE, "eku=clientAuth", PGCERT_FALSE, "eku: required \"clientAuth\", found absent"},
	{BARE, "eku!=serverAuth", PGCERT_FALSE, "eku: required not \"serverAuth\", found absent"},
	{ODD_EKU, "eku=clientAuth", PGCERT_FALSE, NULL},
	{ODD_EKU, "eku=anyExtendedKeyUsage", PGCERT_TRUE, NULL},
	{ODD_EKU, "eku!=serverAuth", PGCERT_FALSE, NULL},
	{BAD_EKU, "eku=clientAuth", PGCERT_FALSE, "eku: required \"clientAuth\", found malformed"},
	{BAD_EKU, "eku!=serverAuth", PGCERT_FALSE, "eku: required not \"serverAuth\", found malformed"},
	{TWICE_EKU, "eku=clientAuth", PGCERT_FALSE, "eku: required \"clientAuth\", found malformed"},
	{ALICE, "policy_oid=1.3.6.1.4.1.99999.1", PGCERT_TRUE, NULL},
	{ALICE, "policy_oid=1.3.6.1.4.1.99999.2", PGCERT_FALSE, NULL},
	{ALICE, "policy_oid!=1.3.6.1.4.1.99999.2", PGCERT_FALSE, NULL}, /* anyPolicy */
	{ODD_EKU, "policy_oid=1.3.6.1.4.1.99999.1", PGCERT_FALSE, NULL},
	{BARE, "policy_oid!=1.2.3", PGCERT_FALSE, "policy_oid: required not \"1.2.3\", found absent"},

	/* keys, times, TLS */
	{ALICE, "key_type=RSA,EC", PGCERT_TRUE, NULL},
	{ALICE, "key_type!=RSA", PGCERT_TRUE, NULL},
	{WEAK, "key_type!=RSA", PGCERT_FALSE, "key_type: required not \"RSA\", found RSA"},
	{ALICE, "min_security_bits=128", PGCERT_TRUE, NULL},
	{ALICE, "min_security_bits=129", PGCERT_FALSE, "min_security_bits: required at least 129, found 128"},
	{WEAK, "min_security_bits=112", PGCERT_FALSE, "min_security_bits: required at least 112, found 80"},
	{LONE, "min_security_bits=112", PGCERT_UNKNOWN, NULL},
	{LONE, "min_security_bits=256", PGCERT_FALSE, NULL},
	{ALICE, "max_lifetime=30d", PGCERT_TRUE, NULL},
	{ALICE, "max_lifetime=719h", PGCERT_FALSE, "max_lifetime: required at most 719h, found 30d"},
	{WEAK, "max_lifetime=1d", PGCERT_FALSE, NULL},	/* ends before it begins */
	{ALICE, "min_remaining=29d", PGCERT_TRUE, NULL},
	{ALICE, "min_remaining=30d", PGCERT_FALSE, "min_remaining: required at least 30d, found 29d"},
	{WEAK, "min_remaining=1s", PGCERT_FALSE, "min_remaining: required at least 1s, found -1d"},
	{ALICE, "tls=1.2", PGCERT_TRUE, NULL},
	{ALICE, "tls=1.3", PGCERT_FALSE, "tls: required at least 1.3, found TLSv1.2"},
	{LONE, "tls=1.3", PGCERT_UNKNOWN, "tls: required at least 1.3, found not known"},

	/* and, or, any, exempt */
	{ALICE, "cn=alice eku=clientAuth ca=\"CN=one\"", PGCERT_TRUE, NULL},
	{ALICE_TWO, "cn=alice eku=clientAuth ca=\"CN=one\"", PGCERT_FALSE,
	"ca: required \"CN=one\", found \"CN=two\""},
	{ALICE, "cn=bob or cn=alice", PGCERT_TRUE, NULL},
	{ALICE, "cn=bob eku=clientAuth or eku=serverAuth cn=alice", PGCERT_FALSE,
		"alternative 1: cn: required \"bob\", found \"alice\"; "
	"alternative 2: eku: required \"serverAuth\", found \"clientAuth\", \"1.3.6.1.4.1.99999.7\""},
	{BARE, "any", PGCERT_TRUE, NULL},
	{NOBODY, "any", PGCERT_FALSE, "no certificate"},
	{NOBODY, "cn=alice or cn=bob", PGCERT_FALSE, "no certificate"},
	{NOBODY, "cn!=bob", PGCERT_FALSE, "no certificate"},
	{PLAIN, "any", PGCERT_FALSE, "no TLS"},
	{PLAIN, "cn!=bob", PGCERT_FALSE, "no TLS"},
	{GSS, "any", PGCERT_FALSE, "GSS encryption"},
	{PLAIN, "exempt", PGCERT_TRUE, NULL},
};

static PgcertFacts *people[N_WHO];
static char hash_of_one[2 * PGCERT_SHA256_LEN + 1];
static char hash_of_leaf[2 * PGCERT_SHA256_LEN + 1];
static char hash_of_cert[2 * PGCERT_SHA256_LEN + 1];

static void
to_hex(const unsigned char *bytes, char *hex)
{
	for (int i = 0; i < PGCERT_SHA256_LEN; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
}

/* Facts of a leaf under the CAs given, NULL-terminated, the last the anchor. */
static PgcertFacts *
facts_of(X509 *leaf, X509 *ca1, X509 *ca2, bool known)
{
	PgcertFacts *facts = pgcert_facts_new(PGCERT_LINK_TLS, known ? TLS1_2_VERSION : 0);
	STACK_OF(X509) *chain = sk_X509_new_null();
	bool		trusted[3] = {true, ca2 == NULL, true};

	sk_X509_push(chain, leaf);
	sk_X509_push(chain, ca1);
	if (ca2 != NULL)
		sk_X509_push(chain, ca2);
	ok(pgcert_facts_set_certificate(facts, leaf, known ? chain : NULL, known ? trusted : NULL),
	   "facts are read");
	sk_X509_free(chain);
	return facts;
}

static void
make_people(void)
{
	static const TestCert one_wanted = {.subject = "CN=one",
		.extensions = {{NID_basic_constraints, "critical,CA:TRUE"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY};
	static const TestCert two_wanted = {.subject = "CN=two",
		.extensions = {{NID_basic_constraints, "critical,CA:TRUE"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY};
	EVP_PKEY   *key_one = test_ec_key();
	EVP_PKEY   *key_two = test_ec_key();
	EVP_PKEY   *key_forged = test_ec_key();
	EVP_PKEY   *key_leaf = test_ec_key();
	EVP_PKEY   *key_weak = test_rsa_key(1024);
	X509	   *one = test_make_cert(&one_wanted, key_one, NULL, NULL);
	X509	   *two = test_make_cert(&two_wanted, key_two, NULL, NULL);
	X509	   *forged = test_make_cert(&one_wanted, key_forged, two, key_two);

	for (Who who = ALICE; who < N_WHO; who++)
	{
		const TestCert *want = &wanted[ALICE];
		X509	   *leaf;

		if (who == NOBODY || who == PLAIN || who == GSS)
		{
			people[who] = pgcert_facts_new(who == NOBODY ? PGCERT_LINK_TLS :
										   who == GSS ? PGCERT_LINK_GSS : PGCERT_LINK_PLAIN,
										   TLS1_2_VERSION);
			continue;
		}
		if (who != ALICE_TWO && who != FORGED && who != LONE)
			want = &wanted[who];
		leaf = test_make_cert(want, who == WEAK ? key_weak : key_leaf,
							  who == ALICE_TWO ? two : who == FORGED ? forged : one,
							  who == ALICE_TWO ? key_two : who == FORGED ? key_forged : key_one);
		if (who == FORGED)
			people[who] = facts_of(leaf, forged, two, true);
		else
			people[who] = facts_of(leaf, who == ALICE_TWO ? two : one, NULL, who != LONE);
		X509_free(leaf);
	}
	to_hex(people[ALICE]->cas[0].key_sha256, hash_of_one);
	to_hex(people[ALICE]->key_sha256, hash_of_leaf);
	to_hex(people[ALICE]->cert_sha256, hash_of_cert);
	X509_free(one);
	X509_free(two);
	X509_free(forged);
	EVP_PKEY_free(key_one);
	EVP_PKEY_free(key_two);
	EVP_PKEY_free(key_forged);
	EVP_PKEY_free(key_leaf);
	EVP_PKEY_free(key_weak);
}

/* Puts a hash where the case's policy says @one, @leaf or @cert. */
static const char *
put_hash(const char *policy, char *buffer, size_t size)
{
	const char *at = strchr(policy, '@');
	const char *hash;

	if (at == NULL || at[-1] != '=')
		return policy;
	hash = strcmp(at, "@one") == 0 ? hash_of_one :
		strcmp(at, "@leaf") == 0 ? hash_of_leaf : hash_of_cert;
	snprintf(buffer, size, "%.*s%s", (int) (at - policy), policy, hash);
	return buffer;
}

int
main(void)
{
	static const char *const truths[] = {"false", "true", "unknown"};

	make_people();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		buffer[256];
		const char *text = put_hash(cases[i].policy, buffer, sizeof(buffer));
		PgcertError error;
		PgcertPolicy *policy = pgcert_policy_parse(text, &error);
		PgcertVerdict *verdict;

		if (policy == NULL)
		{
			ok(false, "%s is read: %s", text, error.message);
			continue;
		}
		verdict = pgcert_judge(policy, people[cases[i].who], "alice", NOW);
		ok(verdict->truth == cases[i].truth, "%d: %s is %s", cases[i].who,
		   cases[i].policy, truths[verdict->truth]);
		if (cases[i].reason != NULL)
		{
			char	   *reason = pgcert_verdict_reason(verdict);

			is(reason, cases[i].reason, "... because");
			free(reason);
		}
		pgcert_verdict_free(verdict);
		pgcert_policy_free(policy);
	}

	/* the role's name is data, not a pattern */
	{
		PgcertError error;
		PgcertPolicy *policy = pgcert_policy_parse("cn=%role", &error);
		PgcertVerdict *verdict = pgcert_judge(policy, people[ALICE], "*", NOW);

		ok(verdict->truth == PGCERT_FALSE, "a role named * is no wildcard");
		pgcert_verdict_free(verdict);
		verdict = pgcert_judge(policy, people[ALICE], NULL, NOW);
		ok(verdict->truth == PGCERT_UNKNOWN, "without a role %%role is unknown");
		pgcert_verdict_free(verdict);
		verdict = pgcert_judge(policy, people[ALICE], "a\nb", NOW);
		is(verdict->rows[0].required, "\"a\\0Ab\"", "a role's control characters are escaped");
		pgcert_verdict_free(verdict);
		pgcert_policy_free(policy);
	}
	for (Who who = ALICE; who < N_WHO; who++)
		pgcert_facts_free(people[who]);
	return done_testing();
}
