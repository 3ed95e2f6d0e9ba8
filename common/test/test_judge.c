/*
 * test_judge.c
 *		Real certificates held against policies: the cases of cases.txt.
 */
#include <stdlib.h>

#include "cases.h"
#include "tap.h"

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
judge_case(const Case *one)
{
	static const char *const truths[] = {"false", "true", "unknown"};
	PgcertError error;
	PgcertPolicy *policy = pgcert_policy_parse(one->policy, &error);
	PgcertVerdict *verdict;
	char	   *reason;

	if (policy == NULL)
	{
		ok(false, "%s | %s: %s", one->person->word, one->policy, error.message);
		return;
	}
	verdict = pgcert_judge(policy, one->person->facts, "alice", NOW);
	reason = pgcert_verdict_reason(verdict);
	if (!ok(verdict->truth == one->truth &&
			(one->reason[0] == '\0' || reason_fits(reason, one->reason)),
			"%s | %s is %s", one->person->word, one->policy, truths[one->truth]))
		printf("# is %s: %s\n", truths[verdict->truth], reason);
	free(reason);
	pgcert_verdict_free(verdict);
	pgcert_policy_free(policy);
}

int
main(void)
{
	people_make();
	cases_read();
	for (size_t i = 0; i < n_cases; i++)
		judge_case(&cases[i]);
	ok(n_cases >= 120, "%zu cases", n_cases);

	/* the role's name is data, not a pattern */
	{
		PgcertError error;
		PgcertPolicy *policy = pgcert_policy_parse("cn=%role", &error);
		PgcertVerdict *verdict = pgcert_judge(policy, people[ALICE].facts, "*", NOW);
		char	   *required;

		ok(verdict->truth == PGCERT_FALSE, "a role named * is no wildcard");
		pgcert_verdict_free(verdict);
		verdict = pgcert_judge(policy, people[ALICE].facts, NULL, NOW);
		ok(verdict->truth == PGCERT_UNKNOWN, "without a role %%role is unknown");
		pgcert_verdict_free(verdict);
		verdict = pgcert_judge(policy, people[ALICE].facts, "a\nb", NOW);
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
			PgcertVerdict *verdict = pgcert_judge(policy, people[ALICE].facts, "alice", NOW);
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
		TestCert	by_sha1 = people_wanted[BARE];
		PgcertError error;
		PgcertPolicy *policy = pgcert_policy_parse("min_security_bits=112", &error);

		by_sha1.digest = "SHA1";
		for (int i = 0; i < 2; i++)
		{
			X509	   *leaf = test_make_cert(i == 0 ? &people_wanted[BARE] : &by_sha1, key, anchor, key);
			PgcertFacts *facts = people_facts(leaf, anchor, NULL, true);
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

		people[ALICE].facts->link = PGCERT_LINK_PLAIN;
		for (size_t i = 0; i < 2; i++)
		{
			PgcertPolicy *policy = pgcert_policy_parse(texts[i], &error);
			PgcertVerdict *verdict = pgcert_judge(policy, people[ALICE].facts, "alice", NOW);

			ok(verdict->truth == PGCERT_FALSE, "%s: a certificate without TLS is none", texts[i]);
			pgcert_verdict_free(verdict);
			pgcert_policy_free(policy);
		}
	}

	people_free();
	return done_testing();
}
