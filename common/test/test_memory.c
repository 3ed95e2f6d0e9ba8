/*
 * test_memory.c
 *		Nobody gets in because memory ran out.
 *
 * Certificates are read, and cases judged, with one allocation after the other
 * failing, alone or with all after it: ours, then those that OpenSSL makes on
 * our behalf.  Each time there is a verdict, or none; it may be worse than with
 * memory, but never better.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "allocator.h"
#include "cases.h"
#include "tap.h"

/* ---------- what comes of it ---------- */

/* A client rules out on FALSE alone; a server lets in on TRUE alone. */
static bool
is_better(PgcertTruth truth, PgcertTruth with_memory)
{
	return truth != with_memory &&
		(truth == PGCERT_TRUE || with_memory == PGCERT_FALSE);
}

/* How memory runs out. */
typedef struct Way
{
	Whose		whose;
	bool		for_good;		/* all from the one on */
} Way;

typedef struct Tally
{
	long		n;
	long		n_better;
	char		first[512];		/* of those that were better */
} Tally;

static void
compare(Tally *tally, const Case *one, const PgcertVerdict *verdict, const Way *way, long n)
{
	tally->n++;
	if (verdict == NULL || !is_better(verdict->truth, one->truth))
		return;
	if (tally->n_better++ == 0)
		snprintf(tally->first, sizeof(tally->first), "%s | %s, %s allocation %ld%s",
				 one->person->word, one->policy, way->whose == OWN ? "our" : "OpenSSL's",
				 n, way->for_good ? " and all after it" : "");
}

static void
report(const Tally *tally, const char *what)
{
	if (!ok(tally->n > 0 && tally->n_better == 0, "%s: never better", what))
		printf("# %ld of %ld are, the first is %s\n", tally->n_better, tally->n, tally->first);
}

/* Of something, with one allocation after the other failing, in each way. */
static void
each_failure(void (*try) (Tally *, const void *, const Way *, long), Tally *tally,
			 const void *of)
{
	static const Way ways[] = {{OWN, false}, {OWN, true}, {OPENSSL, false}, {OPENSSL, true}};

	for (int i = 0; i < 4; i++)
	{
		long		n = 0;

		do
		{
			allocator_fail(ways[i].whose, ++n, ways[i].for_good);
			try(tally, of, &ways[i], n);
			ERR_clear_error();
		} while (allocator_has_failed());
	}
}

/* ---------- judging ---------- */

/* Reads the policy, judges, and puts it into words. */
static void
judge(Tally *tally, const void *of, const Way *way, long n)
{
	const Case *one = of;
	PgcertError error;
	PgcertPolicy *policy;
	PgcertVerdict *verdict = NULL;

	allocator_resume();
	policy = pgcert_policy_parse(one->policy, &error);
	if (policy != NULL)
		verdict = pgcert_judge(policy, one->person->facts, "alice", NOW);
	if (verdict != NULL)
		free(pgcert_verdict_reason(verdict));
	allocator_pause();
	compare(tally, one, verdict, way, n);
	pgcert_verdict_free(verdict);
	pgcert_policy_free(policy);
}

/* ---------- reading certificates ---------- */

/* OpenSSL keeps with a certificate what it once found in it. */
static X509 *
fresh_copy(X509 *cert)
{
	unsigned char *der = NULL;
	int			len = cert != NULL ? i2d_X509(cert, &der) : 0;
	const unsigned char *p = der;
	X509	   *copy = len > 0 ? d2i_X509(NULL, &p, len) : NULL;

	OPENSSL_free(der);
	return copy;
}

static void
read_person(Tally *tally, const void *of, const Way *way, long n)
{
	const Person *person = of;
	X509	   *leaf = fresh_copy(person->leaf);
	X509	   *cas[2] = {fresh_copy(person->cas[0]), fresh_copy(person->cas[1])};
	PgcertFacts *facts;

	allocator_resume();
	facts = people_facts(leaf, cas[0], cas[1], person->knows_chain);
	allocator_pause();
	if (facts == NULL)
		tally->n++;
	for (size_t i = 0; i < n_cases && facts != NULL; i++)
	{
		PgcertError error;
		PgcertPolicy *policy;
		PgcertVerdict *verdict;

		if (cases[i].person != person)
			continue;
		policy = pgcert_policy_parse(cases[i].policy, &error);
		verdict = pgcert_judge(policy, facts, "alice", NOW);
		compare(tally, &cases[i], verdict, way, n);
		pgcert_verdict_free(verdict);
		pgcert_policy_free(policy);
	}
	pgcert_facts_free(facts);
	X509_free(leaf);
	X509_free(cas[0]);
	X509_free(cas[1]);
}

/* ---------- hashes ---------- */

/* A hash that cannot be computed is neither the one nor another. */
static void
judge_hash(const char *clause, const char *hash)
{
	char		text[100];
	PgcertError error;
	PgcertPolicy *policy;
	PgcertVerdict *verdict;
	char	   *found;

	snprintf(text, sizeof(text), "%s%s", clause, hash);
	policy = pgcert_policy_parse(text, &error);
	allocator_fail(OPENSSL, 1, true);
	allocator_resume();
	verdict = pgcert_judge(policy, people[ALICE].facts, "alice", NOW);
	found = pgcert_row_found(verdict, 0);
	allocator_pause();
	ok(verdict->truth == PGCERT_FALSE && strcmp(found, "not known") == 0,
	   "%s without memory for the hash: %s", clause, found);
	free(found);
	pgcert_verdict_free(verdict);
	pgcert_policy_free(policy);
}

int
main(void)
{
	static const char *const hash_clauses[] = {
		"key_sha256=", "key_sha256!=", "cert_sha256=", "cert_sha256!=",
	};
	char		hash[2 * PGCERT_SHA256_LEN + 1];

	if (!allocator_init())
	{
		printf("Bail out! OpenSSL does not take an allocator\n");
		return 2;
	}
	people_make();
	cases_read();
	for (size_t i = 0; i < n_cases; i++)
	{
		Tally		tally = {0};
		char		what[512];

		snprintf(what, sizeof(what), "%s | %s", cases[i].person->word, cases[i].policy);
		each_failure(judge, &tally, &cases[i]);
		report(&tally, what);
	}
	for (Who who = ALICE; who < N_WHO; who++)
	{
		Tally		tally = {0};

		if (people[who].leaf == NULL)
			continue;
		each_failure(read_person, &tally, &people[who]);
		report(&tally, people[who].word);
	}
	cases_hash(hash, pgcert_key_sha256, people[ALICE].facts->certificate);
	for (size_t i = 0; i < 4; i++)
		judge_hash(hash_clauses[i], hash);
	people_free();
	return done_testing();
}
