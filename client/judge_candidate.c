/*
 * judge_candidate.c
 *		Would this server take this certificate, as libpq will send it?
 *
 * Three questions, each with its own words: does the server name an issuer of
 * the chain; would its OpenSSL accept the chain; does the role's policy.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "judge.h"
#include "judge_case.h"
#include "sigalg.h"

#define EXPIRY_NOTICE (14 * 24 * 60 * 60)

/* ---------- what else the server looks at ---------- */

/*
 * The server takes the first common name's bytes as they are and refuses the
 * connection, under any authentication method, if a NUL is among them.
 */
static void
check_common_name(PgcsCase *c)
{
	X509_NAME  *subject = X509_get_subject_name(c->candidate->identity->leaf);
	int			at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	ASN1_STRING *value;

	if (at < 0)
		return;
	value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	if (value != NULL && ASN1_STRING_length(value) > 0 &&
		memchr(ASN1_STRING_get0_data(value), 0, (size_t) ASN1_STRING_length(value)) != NULL)
		pgcs_reasons_add(REASONS(c), PGCS_FATAL, "cn-embedded-nul", NULL,
						 "%sthe common name has a NUL byte (or two-byte characters), which PostgreSQL refuses",
						 c->prefix);
}

/*
 * The version of TLS, or the highest that libpq may speak; 0 if neither is
 * known, and then it is most likely 1.3.
 */
static int
tls_version(const PgcsCase *c)
{
	return c->host->tls_version != 0 ? c->host->tls_version
		: c->judging->sel->max_tls_version;
}

/*
 * Without a signature that both sides know OpenSSL sends no certificate, and
 * does not say so.
 */
static void
check_signature_algorithm(PgcsCase *c)
{
	X509	   *leaf = c->candidate->identity->leaf;
	const char *type = pgcs_identity_key_type(c->candidate->identity);
	bool		asked = c->host->n_sigalgs > 0;
	int			version = tls_version(c);

	/* where the server was not asked, the curve has words of its own */
	if (!asked && strcmp(type, "EC") == 0)
		return;
	if (!asked && version == 0)
		version = TLS1_3_VERSION;
	if (pgcs_sigalg_fits(leaf, asked ? c->host->sigalgs : NULL, c->host->n_sigalgs,
						 version, &c->failed))
		return;
	if (asked)
		pgcs_reasons_add(REASONS(c), PGCS_FATAL, "signature-algorithm", NULL,
						 "%sthe server allows no signature that its key, of type %s, can make",
						 c->prefix, type);
	else
	{
		pgcs_reasons_add(REASONS(c), PGCS_FATAL, "signature-algorithm", NULL,
						 "%s%s has no signature that its key, of type %s, can make",
						 c->prefix, version == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3", type);
		if (tls_version(c) == 0 && pgcs_sigalg_fits(leaf, NULL, 0, 0, &c->failed))
			pgcs_reasons_presume(REASONS(c));
	}
}

/*
 * TLS 1.2 wants the certificate's curve among those of the key exchange, and
 * PostgreSQL has but one, its ssl_ecdh_curve.
 */
static void
check_curve(PgcsCase *c)
{
	int			version = tls_version(c);

	if ((version == TLS1_3_VERSION && c->host->n_sigalgs > 0) ||
		pgcs_curve_fits(c->candidate->identity->leaf, version, c->host->group))
		return;
	pgcs_reasons_add(REASONS(c), PGCS_FATAL, "curve", NULL, version == TLS1_2_VERSION
					 ? "%sa server that speaks TLS 1.2 refuses the curve of its key, unless ssl_ecdh_curve names it"
					 : "%sTLS 1.3 has no signatures with the curve of its key",
					 c->prefix);
	pgcs_reasons_presume(REASONS(c));
}

static void
check_policy(PgcsCase *c, const PgcertPolicy *policy, const PgcertFacts *facts)
{
	const char *role = c->judging->user;
	PgcertVerdict *verdict;
	char	   *words = NULL;

	if (policy->exempt)
		return;
	verdict = pgcert_judge(policy, facts, role, c->judging->now);
	if (verdict != NULL)
		words = pgcert_verdict_reason(verdict);
	if (verdict == NULL || words == NULL)
		c->failed = true;
	else if (verdict->truth == PGCERT_FALSE && policy->mode == PGCERT_MODE_LOG)
		pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "policy", NULL,
						 "%sthe role's policy only records that it would refuse it: %s",
						 c->prefix, words);
	else if (verdict->truth == PGCERT_FALSE)
		pgcs_reasons_add(REASONS(c), PGCS_FATAL, "policy", NULL,
						 "%sthe role's policy refuses it: %s", c->prefix, words);
	else if (verdict->truth == PGCERT_UNKNOWN)
		pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "policy-unknown", NULL,
						 "%swhether the role's policy accepts it cannot be told from here: %s",
						 c->prefix, words);
	free(words);
	pgcert_verdict_free(verdict);
}

/* The policies need the verified chain, where there is one. */
static void
check_policies(PgcsCase *c, const PgcsVerification *v)
{
	const pgcs_selector *sel = c->judging->sel;
	const pgcs_request *request = c->judging->request;
	STACK_OF(X509) *chain = NULL;
	bool	   *trusted = NULL;
	PgcertFacts *facts = NULL;

	if (sel->n_policies + request->n_policies == 0)
		return;
	if (c->host->cas != NULL && v->error == X509_V_OK)
	{
		chain = v->chain;
		trusted = calloc((size_t) sk_X509_num(chain) + 1, sizeof(*trusted));
		if (trusted == NULL)
		{
			c->failed = true;
			return;
		}
		for (int i = 1; i < sk_X509_num(chain); i++)
			trusted[i] = pgcs_is_among(sk_X509_value(chain, i), c->host->cas);
	}
	facts = pgcert_facts_new(PGCERT_LINK_TLS, c->host->tls_version);
	if (facts == NULL ||
		!pgcert_facts_set_certificate(facts, c->candidate->identity->leaf,
									  chain, trusted))
		c->failed = true;
	else
	{
		for (size_t i = 0; i < sel->n_policies; i++)
			check_policy(c, sel->policies[i], facts);
		for (size_t i = 0; i < request->n_policies; i++)
			check_policy(c, request->policies[i], facts);
	}
	pgcert_facts_free(facts);
	free(trusted);
}

static void
judge_host(PgcsCase *c)
{
	PgcsVerification v = {.error = X509_V_ERR_UNSPECIFIED};

	pgcs_case_judge_chain(c, &v);
	if (!c->failed)
	{
		check_common_name(c);
		check_signature_algorithm(c);
		check_curve(c);
		check_policies(c, &v);
	}
	pgcs_verification_free(&v);
}

/* ---------- the candidate ---------- */

void
pgcs_candidate_free(pgcs_candidate *candidate)
{
	if (candidate == NULL)
		return;
	pgcs_reasons_free(&candidate->reasons);
	free(candidate->host_verdicts);
	free(candidate);
}

static pgcs_verdict
verdict_of(const PgcsReasons *reasons, size_t from)
{
	pgcs_verdict verdict = PGCS_VERDICT_CERTAIN;

	for (size_t i = from; i < reasons->n; i++)
	{
		if (reasons->items[i]->severity == PGCS_FATAL)
			return PGCS_VERDICT_UNUSABLE;
		if (reasons->items[i]->severity == PGCS_DOUBT)
			verdict = PGCS_VERDICT_DOUBTFUL;
	}
	return verdict;
}

/* Does all that rules it out hold for most servers only? */
static bool
is_presumed(const PgcsReasons *reasons)
{
	for (size_t i = 0; i < reasons->n; i++)
		if (reasons->items[i]->severity == PGCS_FATAL && !reasons->items[i]->presumed)
			return false;
	return true;
}

static pgcs_verdict
worse(pgcs_verdict a, pgcs_verdict b)
{
	return a < b ? a : b;
}

void
pgcs_candidate_conclude(pgcs_candidate *candidate)
{
	const PgcsReasons *lists[] = {&candidate->identity->reasons, &candidate->reasons};

	candidate->verdict = worse(verdict_of(lists[0], 0), verdict_of(lists[1], 0));
	candidate->presumed = candidate->verdict == PGCS_VERDICT_UNUSABLE &&
		is_presumed(lists[0]) && is_presumed(lists[1]);
	candidate->doubt = PGCS_DOUBT_NONE;
	for (size_t l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l]->n; i++)
		{
			const pgcs_reason *reason = lists[l]->items[i];

			if (reason->severity != PGCS_DOUBT)
				continue;
			if (strcmp(reason->code, "name-only") != 0 &&
				strcmp(reason->code, "no-names") != 0)
				candidate->doubt = PGCS_DOUBT_SPECIFIC;
			else if (candidate->doubt == PGCS_DOUBT_NONE)
				candidate->doubt = PGCS_DOUBT_NAME_ONLY;
		}
	if (candidate->confirmed &&
		(candidate->verdict == PGCS_VERDICT_DOUBTFUL || candidate->presumed))
	{
		candidate->verdict = PGCS_VERDICT_CERTAIN;
		candidate->doubt = PGCS_DOUBT_NONE;
	}
}

bool
pgcs_cn_is_role(const pgcs_identity *identity, const char *role)
{
	const PgcertFacts *facts = identity->facts;

	return role != NULL && facts->cn_state == PGCERT_PRESENT &&
		strlen(role) == facts->cn_len &&
		memcmp(role, facts->cn, facts->cn_len) == 0;
}

/* What concerns the certificate and the role, whichever the host. */
static void
judge_itself(const PgcsJudging *judging, pgcs_candidate *candidate)
{
	const pgcs_identity *identity = candidate->identity;
	const PgcertFacts *facts = identity->facts;
	const char *role = judging->user;
	char		date[32];

	candidate->cn_is_role = pgcs_cn_is_role(identity, role);
	if (role != NULL && !candidate->cn_is_role)
	{
		char	   *name = pgcs_printable(role);

		if (name == NULL)
			candidate->reasons.failed = true;
		else
			pgcs_reasons_add(&candidate->reasons, PGCS_NOTE, "role", NULL,
							 "its CN is not the role \"%s\"", name);
		free(name);
	}
	if (facts->validity_state == PGCERT_PRESENT &&
		facts->not_after > judging->now &&
		facts->not_after - judging->now < EXPIRY_NOTICE)
	{
		pgcs_format_date(facts->not_after, date, sizeof(date));
		pgcs_reasons_add(&candidate->reasons, PGCS_NOTE, "expires-soon", NULL,
						 "expires on %s", date);
		pgcs_reasons_hint(&candidate->reasons, "renew it");
	}
}

pgcs_candidate *
pgcs_judge_candidate(const PgcsJudging *judging, const pgcs_identity *identity)
{
	const pgcs_request *request = judging->request;
	pgcs_candidate *candidate = calloc(1, sizeof(*candidate));
	PgcsCase	c = {.judging = judging, .candidate = candidate};
	PgcertBuf	prefix = PGCERT_BUF_INIT;
	char	   *prefix_text = NULL;

	if (candidate == NULL)
		return NULL;
	candidate->identity = identity;
	candidate->top_announced = true;
	candidate->n_hosts = request->n_hosts;
	candidate->host_verdicts = calloc(request->n_hosts,
									  sizeof(*candidate->host_verdicts));
	c.sent = identity->sent;
	c.reached = identity->reached;
	if (candidate->host_verdicts == NULL)
	{
		c.failed = true;
		goto out;
	}
	judge_itself(judging, candidate);
	for (size_t i = 0; i < request->n_hosts && !c.failed; i++)
	{
		size_t		before = candidate->reasons.n;

		c.host = &request->hosts[i];
		if (pgcs_host_wants(c.host))
		{
			c.prefix = "";
			if (request->n_hosts > 1)
			{
				pgcert_buf_printf(&prefix, "%s: ", c.host->label);
				free(prefix_text);
				prefix_text = pgcert_buf_take(&prefix);
				if (prefix_text == NULL)
				{
					c.failed = true;
					break;
				}
				c.prefix = prefix_text;
			}
			judge_host(&c);
		}
		candidate->host_verdicts[i] =
			worse(verdict_of(&identity->reasons, 0),
				  verdict_of(&candidate->reasons, before));
	}
	pgcs_candidate_conclude(candidate);
out:
	free(prefix_text);
	ERR_clear_error();
	if (c.failed || candidate->reasons.failed)
	{
		pgcs_candidate_free(candidate);
		return NULL;
	}
	return candidate;
}
