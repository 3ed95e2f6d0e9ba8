/*
 * fuzz_verdict.c
 *		Any bytes as a certificate, and as the policy that it is held against:
 *		certificate into facts, the clause rows, and the verdict, which must be
 *		what the rows say.
 *
 * Input: a byte of flags, the policy, a NUL, the certificate in DER and
 * behind it the CAs that it was verified with.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "facts.h"
#include "fuzz.h"
#include "judge.h"
#include "name.h"
#include "words.h"

#define NOW INT64_C(1780272000)
#define MAX_CHAIN 4

static void
check_state(PgcertState state, bool has_value)
{
	MUST(state >= PGCERT_UNKNOWN_FACT && state <= PGCERT_AMBIGUOUS);
	MUST(state != PGCERT_PRESENT || has_value);
	MUST(state != PGCERT_ABSENT || !has_value);
}

static void
check_facts(const PgcertFacts *facts)
{
	check_state(facts->cn_state, facts->cn != NULL);
	check_state(facts->san_state, facts->n_sans > 0);
	check_state(facts->eku_state, facts->n_ekus > 0);
	check_state(facts->policy_state, facts->n_policy_oids > 0);
	if (facts->cn_state == PGCERT_PRESENT)
		MUST(strlen(facts->cn) == facts->cn_len && facts->cn_len > 0 &&
			 pgcert_utf8_is_valid(facts->cn, facts->cn_len));
	if (facts->serial_len > 0)
		MUST(facts->serial[0] != 0);
	for (size_t i = 0; i < facts->n_sans; i++)
	{
		const PgcertSan *san = &facts->sans[i];
		char	   *text = pgcert_san_text(san);

		fuzz_check_words(text);
		free(text);
		MUST(san->value[san->len] == '\0');
		MUST(facts->san_state != PGCERT_PRESENT ||
			 san->type != PGCERT_SAN_IP || san->len == 4 || san->len == 16);

		/* of a malformed extension all is kept, to be shown and no more */
		MUST(facts->san_state != PGCERT_PRESENT ||
			 san->type == PGCERT_SAN_IP || san->type == PGCERT_SAN_OTHER ||
			 pgcert_utf8_is_valid(san->value, san->len));
	}
}

/* The rows of one alternative are AND, the alternatives OR. */
static PgcertTruth
truth_of_rows(const PgcertVerdict *verdict)
{
	PgcertTruth any = PGCERT_FALSE;

	for (size_t i = 0; i < verdict->n_rows;)
	{
		size_t		alternative = verdict->rows[i].alternative;
		PgcertTruth all = PGCERT_TRUE;

		for (; i < verdict->n_rows && verdict->rows[i].alternative == alternative; i++)
		{
			PgcertTruth truth = verdict->rows[i].truth;

			if (truth == PGCERT_FALSE || (truth == PGCERT_UNKNOWN && all == PGCERT_TRUE))
				all = truth;
		}
		if (all == PGCERT_TRUE || (all == PGCERT_UNKNOWN && any == PGCERT_FALSE))
			any = all;
	}
	return any;
}

static void
judge(const PgcertPolicy *policy, const PgcertFacts *facts, const char *role)
{
	PgcertVerdict *verdict = pgcert_judge(policy, facts, role, NOW);
	char	   *words;

	MUST(verdict != NULL);
	MUST(policy->exempt ? verdict->n_rows == 0 && verdict->truth == PGCERT_TRUE
		 : verdict->n_rows > 0 && verdict->truth == truth_of_rows(verdict));
	MUST(policy->exempt || facts->has_certificate || verdict->truth == PGCERT_FALSE);
	for (size_t i = 0; i < verdict->n_rows; i++)
	{
		words = pgcert_row_required(verdict, i);
		fuzz_check_words(words);
		free(words);
		words = pgcert_row_found(verdict, i);
		fuzz_check_words(words);
		free(words);
	}
	words = pgcert_verdict_reason(verdict);
	fuzz_check_words(words);
	free(words);
	pgcert_verdict_free(verdict);
}

/*
 * The certificate and its chain; the last may be cut.  NULL if not even the
 * first is one.
 */
static STACK_OF(X509) *
read_chain(FuzzInput *input)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	const unsigned char *p = input->data;

	MUST(chain != NULL);
	while (sk_X509_num(chain) < MAX_CHAIN)
	{
		X509	   *cert = d2i_X509(NULL, &p, (long) (input->data + input->size - p));

		if (cert == NULL)
			break;
		MUST(sk_X509_push(chain, cert) > 0);
	}
	return chain;
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	static const char *const roles[] = {"alice", "*", "%role", NULL};
	static const int versions[] = {0, TLS1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
	FuzzInput	input = {data, size};
	unsigned char flags = fuzz_byte(&input);
	char	   *text = fuzz_text(&input, '\0');
	PgcertError error = {0};
	PgcertPolicy *policy = pgcert_policy_parse(text, &error);
	STACK_OF(X509) *chain = read_chain(&input);
	PgcertFacts *facts = pgcert_facts_new((flags & 12) == 12 ? PGCERT_LINK_PLAIN
										  : (flags & 12) == 8 ? PGCERT_LINK_GSS
										  : PGCERT_LINK_TLS, versions[flags >> 4 & 3]);
	bool		trusted[MAX_CHAIN] = {flags & 64, flags & 64, flags & 128, true};
	bool		usable = facts != NULL;

	MUST(facts != NULL);
	if (sk_X509_num(chain) > 0 && facts->link == PGCERT_LINK_TLS)
	{
		usable = pgcert_facts_set_certificate(facts, sk_X509_value(chain, 0),
											  flags & 4 ? NULL : chain,
											  flags & 4 ? NULL : trusted);
		if (usable)
			check_facts(facts);
	}
	if (usable && policy != NULL)
		judge(policy, facts, roles[flags & 3]);
	pgcert_facts_free(facts);
	pgcert_policy_free(policy);
	sk_X509_pop_free(chain, X509_free);
	free(text);
	ERR_clear_error();
	return 0;
}
