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

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "cases.h"
#include "tap.h"

/* ---------- the allocator ---------- */

typedef enum Whose
{
	OWN,
	OPENSSL,
} Whose;

static Whose failing;
static bool for_good;			/* all from the one on */
static long which;				/* from 1; 0: none */
static long n_allocations;		/* since it was set */

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t n, size_t size);
extern void *__real_realloc(void *p, size_t size);
extern char *__real_strdup(const char *text);
extern char *__real_strndup(const char *text, size_t n);
extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t n, size_t size);
extern void *__wrap_realloc(void *p, size_t size);
extern char *__wrap_strdup(const char *text);
extern char *__wrap_strndup(const char *text, size_t n);

static bool
fails(Whose whose)
{
	if (whose != failing)
		return false;
	n_allocations++;
	return which > 0 && (for_good ? n_allocations >= which : n_allocations == which);
}

static void
memory_fails(long n)
{
	which = n;
	n_allocations = 0;
}

/* The linker sends what common/ allocates here. */
void *
__wrap_malloc(size_t size)
{
	return fails(OWN) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails(OWN) ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return fails(OWN) ? NULL : __real_realloc(p, size);
}

char *
__wrap_strdup(const char *text)
{
	return fails(OWN) ? NULL : __real_strdup(text);
}

char *
__wrap_strndup(const char *text, size_t n)
{
	return fails(OWN) ? NULL : __real_strndup(text, n);
}

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return fails(OPENSSL) ? NULL : __real_malloc(size);
}

static void *
openssl_realloc(void *p, size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return fails(OPENSSL) ? NULL : __real_realloc(p, size);
}

static void
openssl_free(void *p, const char *file, int line)
{
	(void) file;
	(void) line;
	free(p);
}

/* ---------- what comes of it ---------- */

/* A client rules out on FALSE alone; a server lets in on TRUE alone. */
static bool
is_better(PgcertTruth truth, PgcertTruth with_memory)
{
	return truth != with_memory &&
		(truth == PGCERT_TRUE || with_memory == PGCERT_FALSE);
}

typedef struct Tally
{
	long		n;
	long		n_better;
	char		first[512];		/* of those that were better */
} Tally;

static void
compare(Tally *tally, const Case *one, const PgcertVerdict *verdict, long n)
{
	tally->n++;
	if (verdict == NULL || !is_better(verdict->truth, one->truth))
		return;
	if (tally->n_better++ == 0)
		snprintf(tally->first, sizeof(tally->first), "%s | %s, %s allocation %ld%s",
				 one->person->word, one->policy, failing == OWN ? "our" : "OpenSSL's",
				 n, for_good ? " and all after it" : "");
}

static void
report(const Tally *tally, const char *what)
{
	if (!ok(tally->n > 0 && tally->n_better == 0, "%s: never better", what))
		printf("# %ld of %ld are, the first is %s\n", tally->n_better, tally->n, tally->first);
}

/* Each way in which memory can run out. */
static void
each_way(void (*try) (Tally *, const void *), Tally *tally, const void *of)
{
	for (int way = 0; way < 4; way++)
	{
		failing = way < 2 ? OWN : OPENSSL;
		for_good = way % 2 == 1;
		try(tally, of);
		memory_fails(0);
	}
}

/* ---------- judging ---------- */

/* Reads the policy, judges, and puts it into words. */
static void
judge(Tally *tally, const Case *one, long n)
{
	PgcertError error;
	PgcertPolicy *policy;
	PgcertVerdict *verdict = NULL;

	memory_fails(n);
	policy = pgcert_policy_parse(one->policy, &error);
	if (policy != NULL)
		verdict = pgcert_judge(policy, one->person->facts, "alice", NOW);
	if (verdict != NULL)
		free(pgcert_verdict_reason(verdict));
	compare(tally, one, verdict, n);
	pgcert_verdict_free(verdict);
	pgcert_policy_free(policy);
	ERR_clear_error();
}

static void
judge_each(Tally *tally, const void *of)
{
	long		n = 0;

	do
		judge(tally, of, ++n);
	while (n <= n_allocations);
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
read_person(Tally *tally, const Person *person, long n)
{
	X509	   *leaf = fresh_copy(person->leaf);
	X509	   *cas[2] = {fresh_copy(person->cas[0]), fresh_copy(person->cas[1])};
	PgcertFacts *facts;

	memory_fails(n);
	facts = people_facts(leaf, cas[0], cas[1], person->knows_chain);
	which = 0;
	if (facts == NULL)
		tally->n++;
	for (size_t i = 0; i < n_cases && facts != NULL; i++)
	{
		PgcertError error;
		PgcertPolicy *policy;
		PgcertVerdict *verdict;
		long		needed = n_allocations;

		if (cases[i].person != person)
			continue;
		policy = pgcert_policy_parse(cases[i].policy, &error);
		verdict = pgcert_judge(policy, facts, "alice", NOW);
		n_allocations = needed;
		compare(tally, &cases[i], verdict, n);
		pgcert_verdict_free(verdict);
		pgcert_policy_free(policy);
	}
	pgcert_facts_free(facts);
	X509_free(leaf);
	X509_free(cas[0]);
	X509_free(cas[1]);
	ERR_clear_error();
}

static void
read_each(Tally *tally, const void *of)
{
	long		n = 0;

	do
		read_person(tally, of, ++n);
	while (n <= n_allocations);
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
	failing = OPENSSL;
	for_good = true;
	memory_fails(1);
	verdict = pgcert_judge(policy, people[ALICE].facts, "alice", NOW);
	found = pgcert_row_found(verdict, 0);
	memory_fails(0);
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

	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
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
		each_way(judge_each, &tally, &cases[i]);
		report(&tally, what);
	}
	for (Who who = ALICE; who < N_WHO; who++)
	{
		Tally		tally = {0};

		if (people[who].leaf == NULL)
			continue;
		each_way(read_each, &tally, &people[who]);
		report(&tally, people[who].word);
	}
	cases_hash(hash, pgcert_key_sha256, people[ALICE].facts->certificate);
	for (size_t i = 0; i < 4; i++)
		judge_hash(hash_clauses[i], hash);
	people_free();
	return done_testing();
}
