/*
 * people.c
 *		Real certificates for the cases of cases.txt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/tls1.h>

#include "people.h"

const TestCert people_wanted[N_WHO] = {
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
	[EMPTY_SAN] = {.subject = "CN=alice", .extensions = {
			/* DNS:ok.example, DNS: */
	{NID_subject_alt_name, "DER:300E820A6F6B2E6578616D706C658200"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY},
	[HIGH_SAN] = {.subject = "CN=alice", .extensions = {
			/* DNS:ok.example, DNS:E9 */
	{NID_subject_alt_name, "DER:300F820A6F6B2E6578616D706C658201E9"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY},
	[LONG_SAN] = {.subject = "CN=alice", .extensions = {
			/* DNS:ok.example; NULL */
	{NID_subject_alt_name, "DER:300C820A6F6B2E6578616D706C650500"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY},
	[ODD_UPN] = {.subject = "CN=alice", .extensions = {
			/* DNS:ok.example, UPN:IA5:alice */
			{NID_subject_alt_name, "DER:3023820A6F6B2E6578616D706C65A015060A2B06010401823714"
	"0203A0071605616C696365"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY},
	[LONG_POLICIES] = {.subject = "CN=alice", .extensions = {
			/* 1.3.6.1.4.1.99999.1; NULL */
	{NID_certificate_policies, "DER:300D300B06092B06010401868D1F010500"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY},
	[BAD_EKU] = {.subject = "CN=alice", .extensions = {{NID_ext_key_usage, "DER:3003020101FF"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY},
	[TWICE_EKU] = {.subject = "CN=alice", .extensions = {{NID_ext_key_usage, "clientAuth"},
	{NID_ext_key_usage, "serverAuth"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY},
	[WEAK] = {.subject = "CN=alice", .not_before = NOW + DAY, .not_after = NOW - DAY},
	[UNICODE] = {.subject = "CN=Ren\\C3\\A9", .not_before = NOW - DAY, .not_after = NOW + DAY},
	[NAMELESS] = {.subject = "", .extensions = {{NID_subject_alt_name, "critical,DNS:host.example"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY},
	[SPOILT] = {.subject = "CN=alice", .extensions = {{NID_certificate_policies, "DER:3003020101"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY, .serial = "-0A0B0C"},
	[ANCHOR] = {.subject = "CN=alice", .not_before = NOW - DAY, .not_after = NOW + DAY},
};

static const char *const words[N_WHO] = {
	[ALICE] = "alice", [ALICE_TWO] = "alice_two", [FORGED] = "forged",
	[BARE] = "bare", [TWO_CNS] = "two_cns", [NUL_CN] = "nul_cn",
	[BMP_CN] = "bmp_cn", [STARS] = "stars", [ODD_EKU] = "odd_eku",
	[BAD_SAN] = "bad_san", [EMPTY_SAN] = "empty_san",
	[HIGH_SAN] = "high_san", [LONG_SAN] = "long_san",
	[ODD_UPN] = "odd_upn", [LONG_POLICIES] = "long_policies",
	[BAD_EKU] = "bad_eku", [TWICE_EKU] = "twice_eku",
	[WEAK] = "weak", [UNICODE] = "unicode", [NAMELESS] = "nameless",
	[SPOILT] = "spoilt", [ANCHOR] = "anchor", [NOBODY] = "nobody",
	[PLAIN] = "plain", [GSS] = "gss", [LONE] = "lone",
};

Person		people[N_WHO];

const Person *
people_find(const char *word)
{
	for (Who who = ALICE; who < N_WHO; who++)
		if (strcmp(people[who].word, word) == 0)
			return &people[who];
	return NULL;
}

PgcertFacts *
people_facts(X509 *leaf, X509 *ca1, X509 *ca2, bool knows_chain)
{
	PgcertFacts *facts = pgcert_facts_new(PGCERT_LINK_TLS, knows_chain ? TLS1_2_VERSION : 0);
	STACK_OF(X509) *chain = sk_X509_new_null();
	bool		trusted[3] = {true, ca2 == NULL, true};
	bool		read;

	read = facts != NULL && chain != NULL && sk_X509_push(chain, leaf) &&
		(ca1 == NULL || sk_X509_push(chain, ca1)) &&
		(ca2 == NULL || sk_X509_push(chain, ca2)) &&
		pgcert_facts_set_certificate(facts, leaf, knows_chain ? chain : NULL,
									 knows_chain ? trusted : NULL);
	sk_X509_free(chain);
	if (read)
		return facts;
	pgcert_facts_free(facts);
	return NULL;
}

static X509 *
make_ca(const char *subject, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	const TestCert ca = {.subject = subject,
		.extensions = {{NID_basic_constraints, "critical,CA:TRUE"}},
	.not_before = NOW - DAY, .not_after = NOW + DAY};

	return test_make_cert(&ca, key, issuer, issuer_key);
}

static X509 *
ref(X509 *cert)
{
	X509_up_ref(cert);
	return cert;
}

void
people_make(void)
{
	EVP_PKEY   *key_one = test_ec_key();
	EVP_PKEY   *key_two = test_ec_key();
	EVP_PKEY   *key_forged = test_ec_key();
	EVP_PKEY   *key_leaf = test_ec_key();
	EVP_PKEY   *key_weak = test_rsa_key(1024);
	X509	   *one = make_ca("CN=one", key_one, NULL, NULL);
	X509	   *two = make_ca("CN=two", key_two, NULL, NULL);
	X509	   *forged = make_ca("CN=one", key_forged, two, key_two);

	for (Who who = ALICE; who < N_WHO; who++)
	{
		Person	   *person = &people[who];
		const TestCert *want = &people_wanted[who];

		*person = (Person) {.word = words[who], .link = PGCERT_LINK_TLS, .knows_chain = who != LONE};
		switch (who)
		{
			case PLAIN:
				person->link = PGCERT_LINK_PLAIN;
				break;
			case GSS:
				person->link = PGCERT_LINK_GSS;
				break;
			case NOBODY:
				break;
			case ANCHOR:
				person->leaf = test_make_cert(want, key_leaf, NULL, NULL);
				break;
			case ALICE_TWO:
				person->leaf = test_make_cert(&people_wanted[ALICE], key_leaf, two, key_two);
				person->cas[0] = ref(two);
				break;
			case FORGED:
				person->leaf = test_make_cert(&people_wanted[ALICE], key_leaf, forged, key_forged);
				person->cas[0] = ref(forged);
				person->cas[1] = ref(two);
				break;
			default:
				person->leaf = test_make_cert(who == LONE ? &people_wanted[ALICE] : want,
											  who == WEAK ? key_weak : key_leaf, one, key_one);
				person->cas[0] = ref(one);
				break;
		}
		person->facts = person->leaf != NULL
			? people_facts(person->leaf, person->cas[0], person->cas[1], person->knows_chain)
			: pgcert_facts_new(person->link, TLS1_2_VERSION);
		if (person->facts == NULL)
		{
			printf("Bail out! facts of %s cannot be read\n", person->word);
			exit(2);
		}
	}
	X509_free(one);
	X509_free(two);
	X509_free(forged);
	EVP_PKEY_free(key_one);
	EVP_PKEY_free(key_two);
	EVP_PKEY_free(key_forged);
	EVP_PKEY_free(key_leaf);
	EVP_PKEY_free(key_weak);
}

void
people_free(void)
{
	for (Who who = ALICE; who < N_WHO; who++)
	{
		pgcert_facts_free(people[who].facts);
		X509_free(people[who].leaf);
		X509_free(people[who].cas[0]);
		X509_free(people[who].cas[1]);
	}
}
