/*
 * test_judge.c
 *		Real certificates held against policies: the cases of cases.txt.
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
	EMPTY_SAN,					/* a DNS name of no characters */
	HIGH_SAN,					/* a DNS name beyond ASCII */
	LONG_SAN,					/* something behind the list */
	ODD_UPN,					/* a UPN that is no UTF8String */
	LONG_POLICIES,				/* something behind the list */
	BAD_EKU,					/* does not decode */
	TWICE_EKU,					/* the extension is there twice */
	WEAK,						/* RSA 1024 */
	UNICODE,
	NAMELESS,					/* empty subject, a DNS name */
	SPOILT,						/* negative serial, policies do not decode */
	ANCHOR,						/* its own anchor: no CA in its chain */
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

/* The words of cases.txt for them. */
static const char *const who_words[N_WHO] = {
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

static PgcertFacts *people[N_WHO];
static char hash_of_one[2 * PGCERT_SHA256_LEN + 1];
static char hash_of_leaf[2 * PGCERT_SHA256_LEN + 1];
static char hash_of_cert[2 * PGCERT_SHA256_LEN + 1];

/* OpenSSL's memory, which ends when told. */
static bool no_memory;

static void *
get_memory(size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return no_memory ? NULL : malloc(size);
}

static void *
change_memory(void *old, size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return no_memory ? NULL : realloc(old, size);
}

static void
free_memory(void *old, const char *file, int line)
{
	(void) file;
	(void) line;
	free(old);
}

static void
write_hash(char *hex, PgcertHash *hash, X509 *certificate)
{
	unsigned char bytes[PGCERT_SHA256_LEN];

	if (!hash(certificate, bytes))
		abort();
	for (int i = 0; i < PGCERT_SHA256_LEN; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
}

/* Facts of a leaf under the CAs given, of which either may be NULL. */
static PgcertFacts *
facts_of(X509 *leaf, X509 *ca1, X509 *ca2, bool known)
{
	PgcertFacts *facts = pgcert_facts_new(PGCERT_LINK_TLS, known ? TLS1_2_VERSION : 0);
	STACK_OF(X509) *chain = sk_X509_new_null();
	bool		trusted[3] = {true, ca2 == NULL, true};

	sk_X509_push(chain, leaf);
	if (ca1 != NULL)
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
		if (who == ANCHOR)
		{
			leaf = test_make_cert(want, key_leaf, NULL, NULL);
			people[who] = facts_of(leaf, NULL, NULL, true);
			X509_free(leaf);
			continue;
		}
		leaf = test_make_cert(want, who == WEAK ? key_weak : key_leaf,
							  who == ALICE_TWO ? two : who == FORGED ? forged : one,
							  who == ALICE_TWO ? key_two : who == FORGED ? key_forged : key_one);
		if (who == FORGED)
			people[who] = facts_of(leaf, forged, two, true);
		else
			people[who] = facts_of(leaf, who == ALICE_TWO ? two : one, NULL, who != LONE);
		X509_free(leaf);
	}
	write_hash(hash_of_one, pgcert_key_sha256, people[ALICE]->cas[0].certificate);
	write_hash(hash_of_leaf, pgcert_key_sha256, people[ALICE]->certificate);
	write_hash(hash_of_cert, pgcert_cert_sha256, people[ALICE]->certificate);
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

/* Takes the field up to the next " | ", or the rest; blanks go. */
static char *
next_field(char **line)
{
	char	   *field = *line;
	char	   *end = strstr(field, " |");
	size_t		len;

	if (end != NULL)
	{
		*end = '\0';
		*line = end + 2;
		*line += strspn(*line, " ");
	}
	else
		*line += strlen(field);
	len = strcspn(field, "\n");
	while (len > 0 && field[len - 1] == ' ')
		len--;
	field[len] = '\0';
	return field;
}

/* As wanted, up to a "..." at its end? */
static bool
reason_fits(const char *reason, const char *want)
{
	size_t		len = strlen(want);

	if (len >= 3 && strcmp(want + len - 3, "...") == 0)
		return strncmp(reason, want, len - 3) == 0;
	return strcmp(reason, want) == 0;
}

static void
judge_case(const char *who_word, const char *text, const char *truth_word, const char *want)
{
	static const char *const truths[] = {"false", "true", "unknown"};
	char		buffer[256];
	PgcertError error;
	PgcertPolicy *policy = pgcert_policy_parse(put_hash(text, buffer, sizeof(buffer)), &error);
	PgcertVerdict *verdict;
	Who			who = ALICE;
	char	   *reason;

	while (who < N_WHO && strcmp(who_words[who], who_word) != 0)
		who++;
	if (who == N_WHO || policy == NULL)
	{
		ok(false, "%s | %s: %s", who_word, text, policy ? "nobody" : error.message);
		pgcert_policy_free(policy);
		return;
	}
	verdict = pgcert_judge(policy, people[who], "alice", NOW);
	reason = pgcert_verdict_reason(verdict);
	if (!ok(strcmp(truths[verdict->truth], truth_word) == 0 &&
			(want[0] == '\0' || reason_fits(reason, want)),
			"%s | %s is %s", who_word, text, truth_word))
		printf("# is %s: %s\n", truths[verdict->truth], reason);
	free(reason);
	pgcert_verdict_free(verdict);
	pgcert_policy_free(policy);
}

int
main(void)
{
	FILE	   *file = fopen("cases.txt", "r");
	char		line[1024];
	int			n_cases = 0;

	if (file == NULL)
	{
		printf("Bail out! could not open cases.txt\n");
		return 2;
	}
	if (CRYPTO_set_mem_functions(get_memory, change_memory, free_memory) != 1)
	{
		printf("Bail out! OpenSSL does not take an allocator\n");
		return 2;
	}
	make_people();
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char	   *rest = line;
		char	   *fields[4];

		if (line[0] == '#' || line[0] == '\n')
			continue;
		for (int i = 0; i < 4; i++)
			fields[i] = next_field(&rest);
		judge_case(fields[0], fields[1], fields[2], fields[3]);
		n_cases++;
	}
	fclose(file);
	ok(n_cases >= 120, "%d cases", n_cases);

	/* the role's name is data, not a pattern */
	{
		PgcertError error;
		PgcertPolicy *policy = pgcert_policy_parse("cn=%role", &error);
		PgcertVerdict *verdict = pgcert_judge(policy, people[ALICE], "*", NOW);
		char	   *required;

		ok(verdict->truth == PGCERT_FALSE, "a role named * is no wildcard");
		pgcert_verdict_free(verdict);
		verdict = pgcert_judge(policy, people[ALICE], NULL, NOW);
		ok(verdict->truth == PGCERT_UNKNOWN, "without a role %%role is unknown");
		pgcert_verdict_free(verdict);
		verdict = pgcert_judge(policy, people[ALICE], "a\nb", NOW);
		required = pgcert_row_required(verdict, 0);
		is(required, "\"a\\0Ab\"", "a role's control characters are escaped");
		free(required);
		pgcert_verdict_free(verdict);
		pgcert_policy_free(policy);
	}

	/* a label may have newlines, its words in a log may not */
	{
		static const char *const texts[] = {"cn=\"a\nb\"", "eku!=serverAuth cn=\"%role\tb\"", "dn=\"CN=a\nb\""};
		static const char *const wanted[] = {"cn: required \"a\\0Ab\", ", "cn: required \"alice\\09b\", ", "dn: required \"CN=a\\0Ab\", "};

		for (int i = 0; i < 3; i++)
		{
			PgcertError error;
			PgcertPolicy *policy = pgcert_policy_parse(texts[i], &error);
			PgcertVerdict *verdict = pgcert_judge(policy, people[ALICE], "alice", NOW);
			char	   *reason = pgcert_verdict_reason(verdict);

			ok(strncmp(reason, wanted[i], strlen(wanted[i])) == 0, "newlines in what is required: %s", reason);
			free(reason);
			pgcert_verdict_free(verdict);
			pgcert_policy_free(policy);
		}
	}

	/* how the anchor signed itself does not matter, how it signs does */
	{
		static const TestCert old = {.subject = "CN=old", .digest = "SHA1",
		.not_before = NOW - DAY, .not_after = NOW + DAY};
		EVP_PKEY   *key = test_ec_key();
		X509	   *anchor = test_make_cert(&old, key, NULL, NULL);
		TestCert	by_sha1 = wanted[BARE];
		PgcertError error;
		PgcertPolicy *policy = pgcert_policy_parse("min_security_bits=112", &error);

		by_sha1.digest = "SHA1";
		for (int i = 0; i < 2; i++)
		{
			X509	   *leaf = test_make_cert(i == 0 ? &wanted[BARE] : &by_sha1, key, anchor, key);
			PgcertFacts *facts = facts_of(leaf, anchor, NULL, true);
			PgcertVerdict *verdict = pgcert_judge(policy, facts, "alice", NOW);

			ok(verdict->truth == (i == 0 ? PGCERT_TRUE : PGCERT_FALSE),
			   i == 0 ? "SHA-1 under the anchor itself does no harm" : "SHA-1 under the leaf does");
			pgcert_verdict_free(verdict);
			pgcert_facts_free(facts);
			X509_free(leaf);
		}
		pgcert_policy_free(policy);
		X509_free(anchor);
		EVP_PKEY_free(key);
	}

	/* a certificate that came without TLS proves nothing */
	{
		PgcertError error;
		const char *texts[] = {"any", "cn=alice"};

		people[ALICE]->link = PGCERT_LINK_PLAIN;
		for (size_t i = 0; i < 2; i++)
		{
			PgcertPolicy *policy = pgcert_policy_parse(texts[i], &error);
			PgcertVerdict *verdict = pgcert_judge(policy, people[ALICE], "alice", NOW);

			ok(verdict->truth == PGCERT_FALSE, "%s: a certificate without TLS is none", texts[i]);
			pgcert_verdict_free(verdict);
			pgcert_policy_free(policy);
		}
	}

	/* a hash that cannot be computed is neither the one nor another */
	{
		PgcertError error;
		const char *clauses[] = {"key_sha256", "cert_sha256"};

		for (size_t i = 0; i < 4; i++)
		{
			char		text[100];
			PgcertPolicy *policy;
			PgcertVerdict *verdict;
			char	   *found;

			snprintf(text, sizeof(text), "%s%s%s", clauses[i / 2], i % 2 ? "!=" : "=", hash_of_leaf);
			policy = pgcert_policy_parse(text, &error);
			no_memory = true;
			verdict = pgcert_judge(policy, people[LONE], "alice", NOW);
			found = pgcert_row_found(verdict, 0);
			no_memory = false;
			ok(verdict->truth == PGCERT_FALSE && strcmp(found, "not known") == 0,
			   "%s without memory for the hash: %s", text, found);
			free(found);
			pgcert_verdict_free(verdict);
			pgcert_policy_free(policy);
		}
	}
	for (Who who = ALICE; who < N_WHO; who++)
		pgcert_facts_free(people[who]);
	return done_testing();
}
