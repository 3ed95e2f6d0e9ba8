/*
 * random_triples.c
 *		Random certificates, connections and policies, and what common/ says of
 *		them, for another judge to disagree with (t/223_second_judge.pl).
 *
 *	run_random_triples SEED FIRST N
 *
 * Prints N triples, from number FIRST on, as lines of a word and a value; bytes
 * are in hex.  First what was put into the triple:
 *
 *	triple		its number
 *	link, tls	plain, gss or tls; 1.0 to 1.3 or "unknown"
 *	role		or "unknown"
 *	now			in seconds since 1970
 *	chain		known, unknown (a client's view), or none: no certificate
 *	certificate	leaf, trusted or sent; what follows is of this one
 *	policy		its text
 *
 * then what the code under test says of it:
 *
 *	parsed		invalid, or the settings: mode, local, on_expiry
 *	row			alternative, clause, truth
 *	verdict		true, false, unknown
 *	reason		in words, where it is not true
 *	end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/tls1.h>

#include "judge.h"
#include "random.h"

static const char *const truths[] = {"false", "true", "unknown"};

typedef struct Triple
{
	PgcertLink	link;
	int			tls_version;
	const char *tls;
	const char *role;
	bool		has_certificate;
	bool		chain_is_known;
	Chain		chain;
	Bytes		policy;
} Triple;

static void
make_triple(Triple *triple)
{
	static const char *const roles[] = {
		"bob", "*", "a*b", "%role", "svc", "ren\303\251", "x", "Alice", "a", "al.ce",
	};
	static const struct
	{
		int			version;
		const char *name;
	}			versions[] =

	{
		{TLS1_3_VERSION, "1.3"}, {TLS1_2_VERSION, "1.2"}, {TLS1_1_VERSION, "1.1"}, {TLS1_VERSION, "1.0"},
	};
	unsigned	version = pick(10) ? pick(2) : pick(4);
	bool		of_a_client = pick(8) == 0;

	triple->link = pick(25) ? PGCERT_LINK_TLS : (PgcertLink) pick(2);
	triple->tls_version = versions[version].version;
	triple->tls = versions[version].name;
	triple->role = pick(3) ? "alice" : PICK(roles);
	triple->has_certificate = triple->link == PGCERT_LINK_TLS && pick(30) != 0;
	triple->chain_is_known = true;
	make_chain(&triple->chain);
	make_policy(&triple->chain, triple->role, &triple->policy);

	/* what a client does not know of the server; it is never its own CA */
	if (of_a_client && triple->chain.n > 1)
	{
		triple->chain_is_known = pick(3) == 0;
		if (pick(2))
		{
			triple->tls_version = 0;
			triple->tls = "unknown";
		}
		if (pick(4) == 0)
			triple->role = NULL;
	}
}

static void
print_hex_line(const char *word, const char *text)
{
	printf("%s ", word);
	for (const char *s = text; *s != '\0'; s++)
		printf("%02x", (unsigned char) *s);
	printf("\n");
}

static void
print_triple(const Triple *triple, long number)
{
	static const char *const links[] = {"plain", "gss", "tls"};

	printf("triple %ld\nlink %s\ntls %s\n", number, links[triple->link], triple->tls);
	if (triple->role == NULL)
		printf("role unknown\n");
	else
		print_hex_line("role", triple->role);
	printf("now %lld\nchain %s\n", (long long) RANDOM_NOW,
		   !triple->has_certificate ? "none" : triple->chain_is_known ? "known" : "unknown");
	if (triple->has_certificate)
		print_chain(&triple->chain, triple->chain_is_known);
	print_hex_line("policy", (const char *) triple->policy.data);
}

static PgcertFacts *
facts_of(const Triple *triple)
{
	PgcertFacts *facts = pgcert_facts_new(triple->link, triple->tls_version);
	STACK_OF(X509) *certs = sk_X509_new_null();
	bool		trusted[MAX_CHAIN];

	must(facts != NULL && certs != NULL);
	for (int i = 0; i < triple->chain.n; i++)
	{
		must(sk_X509_push(certs, triple->chain.certs[i].cert) > 0);
		trusted[i] = triple->chain.certs[i].trusted;
	}
	if (triple->has_certificate)
		must(pgcert_facts_set_certificate(facts, triple->chain.certs[0].cert,
										  triple->chain_is_known ? certs : NULL,
										  triple->chain_is_known ? trusted : NULL));
	sk_X509_free(certs);
	return facts;
}

static void
print_verdict(const PgcertVerdict *verdict)
{
	char	   *reason;

	for (size_t i = 0; i < verdict->n_rows; i++)
		printf("row %zu %s %s\n", verdict->rows[i].alternative, verdict->rows[i].clause,
			   truths[verdict->rows[i].truth]);
	printf("verdict %s\n", truths[verdict->truth]);
	if (verdict->truth == PGCERT_TRUE)
		return;
	reason = pgcert_verdict_reason(verdict);
	must(reason != NULL);
	print_hex_line("reason", reason);
	free(reason);
}

static void
judge_triple(const Triple *triple)
{
	static const char *const modes[] = {"-", "enforce", "log"};
	static const char *const locals[] = {"-", "peer", "allow", "reject"};
	static const char *const expiries[] = {"-", "keep", "disconnect"};
	PgcertError error;
	PgcertPolicy *policy = pgcert_policy_parse((const char *) triple->policy.data, &error);

	if (policy == NULL)
		printf("parsed invalid\n");
	else
	{
		PgcertFacts *facts = facts_of(triple);
		PgcertVerdict *verdict = pgcert_judge(policy, facts, triple->role, RANDOM_NOW);

		must(verdict != NULL);
		printf("parsed %s %s %s\n", modes[policy->mode], locals[policy->local],
			   expiries[policy->on_expiry]);
		print_verdict(verdict);
		pgcert_verdict_free(verdict);
		pgcert_facts_free(facts);
	}
	printf("end\n");
	pgcert_policy_free(policy);
	ERR_clear_error();
}

int
main(int argc, char **argv)
{
	uint64_t	seed;
	long		first;
	long		n;

	if (argc != 4)
	{
		fprintf(stderr, "usage: %s SEED FIRST N\n", argv[0]);
		return 2;
	}
	seed = strtoull(argv[1], NULL, 10);
	first = strtol(argv[2], NULL, 10);
	n = strtol(argv[3], NULL, 10);
	make_keys();
	for (long number = first; number < first + n; number++)
	{
		static Triple triple;

		/*
		 * Each alone, so that one of them can be had again: all of it but the
		 * keys, and with them the hashes.
		 */
		seed_random(seed * UINT64_C(1000003) + (uint64_t) number);
		make_triple(&triple);
		print_triple(&triple, number);
		judge_triple(&triple);
		free_chain(&triple.chain);
	}
	free_keys();
	return 0;
}
