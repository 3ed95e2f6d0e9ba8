/*
 * judge_candidate.c
 *		Would this server take this certificate, as libpq will send it?
 *
 * Three questions, each with its own words: does the server name an issuer of
 * the chain; would its OpenSSL accept the chain; does the role's policy.
 * Where the CAs are known by name only, the certificate whose issuer is named
 * stands in for the anchor, and the doubt that remains is said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "choice.h"
#include "judge.h"
#include "name.h"
#include "purpose.h"
#include "sigalg.h"

#define EXPIRY_NOTICE (14 * 24 * 60 * 60)

/* The security level that Debian and OpenSSL 3.2 ask of a peer's chain. */
#define USUAL_SECURITY_LEVEL 2

/* One candidate before one host. */
typedef struct Case
{
	const PgcsJudging *judging;
	const PgcsHost *host;
	pgcs_candidate *candidate;
	STACK_OF(X509) *sent;
	STACK_OF(X509) *reached;
	const char *prefix;			/* "host:port: " where there are several */
	bool		failed;			/* no memory */
} Case;

#define REASONS(c) (&(c)->candidate->reasons)

/* "2026-11-21" */
static void
format_date(int64_t seconds, char *text, size_t size)
{
	time_t		t = (time_t) seconds;
	struct tm	tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(text, size, "%Y-%m-%d", &tm) == 0)
		snprintf(text, size, "?");
}

/* The subject, for a message; never fails outright. */
static char *
subject_text(Case *c, X509 *cert)
{
	char	   *text = pgcert_name_text(X509_get_subject_name(cert));

	if (text == NULL)
		c->failed = true;
	return text;
}

/* ---------- the chain ---------- */

static void
add_expiry(Case *c, const PgcsVerification *v, pgcs_severity severity,
		   const char *code, const char *verb)
{
	X509	   *cert = v->cert != NULL ? v->cert : c->candidate->identity->leaf;
	const ASN1_TIME *time = strcmp(code, "expired") == 0
		? X509_get0_notAfter(cert) : X509_get0_notBefore(cert);
	int64_t		seconds;
	char		date[32] = "?";

	if (pgcert_time_seconds(time, &seconds))
		format_date(seconds, date, sizeof(date));
	if (v->depth == 0)
		pgcs_reasons_add(REASONS(c), severity, code, NULL,
						 "%scertificate %s %s", c->prefix, verb, date);
	else
	{
		char	   *subject = subject_text(c, cert);

		if (subject != NULL)
			pgcs_reasons_add(REASONS(c), severity, code, NULL,
							 "%sCA certificate \"%s\" of the chain %s %s",
							 c->prefix, subject, verb, date);
		free(subject);
	}
}

/* What the certificate is for, since it is not for clients. */
static void
add_purpose(Case *c, const PgcsVerification *v, pgcs_severity severity)
{
	const PgcertFacts *facts = c->candidate->identity->facts;
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *subject = NULL;
	char	   *text;

	if (v->depth > 0 && v->cert != NULL)
	{
		subject = subject_text(c, v->cert);
		pgcert_buf_printf(&buf, "CA certificate \"%s\" of the chain does not allow TLS clients",
						  subject != NULL ? subject : "");
	}
	else
	{
		pgcert_buf_text(&buf, "certificate is not for TLS clients");
		for (size_t i = 0; i < facts->n_ekus; i++)
			pgcert_buf_printf(&buf, "%s%s", i == 0 ? ": its extendedKeyUsage is " : ", ",
							  pgcert_purpose_name(facts->ekus[i]));
		if (facts->n_ekus == 0)
			pgcert_buf_text(&buf, ": its keyUsage allows neither digitalSignature nor keyAgreement, or its type is another");
	}
	text = pgcert_buf_take(&buf);
	if (text == NULL)
		c->failed = true;
	else
	{
		pgcs_reasons_add(REASONS(c), severity, "purpose", NULL, "%s%s",
						 c->prefix, text);
		if (v->depth == 0)
			pgcs_reasons_hint(REASONS(c), "have it issued with extendedKeyUsage clientAuth and keyUsage digitalSignature");
	}
	free(text);
	free(subject);
}

/* An error of X509_verify_cert() in words. */
static void
add_chain_error(Case *c, const PgcsVerification *v, pgcs_severity severity,
				const char *code, const char *introduction)
{
	char	   *subject;

	switch (v->error)
	{
		case X509_V_ERR_CERT_HAS_EXPIRED:
			add_expiry(c, v, severity, "expired", "expired on");
			return;
		case X509_V_ERR_CERT_NOT_YET_VALID:
			add_expiry(c, v, severity, "not-yet-valid", "is not valid before");
			return;
		case X509_V_ERR_INVALID_PURPOSE:
			add_purpose(c, v, severity);
			return;
		default:
			break;
	}
	if (v->depth == 0 || v->cert == NULL)
	{
		pgcs_reasons_add(REASONS(c), severity, code, NULL, "%s%s%s",
						 c->prefix, introduction,
						 X509_verify_cert_error_string(v->error));
		return;
	}
	subject = subject_text(c, v->cert);
	if (subject != NULL)
		pgcs_reasons_add(REASONS(c), severity, code, NULL,
						 "%s%s%s, at \"%s\"", c->prefix, introduction,
						 X509_verify_cert_error_string(v->error), subject);
	free(subject);
}

static bool
verify(Case *c, PgcsVerify request, PgcsVerification *v)
{
	request.leaf = c->candidate->identity->leaf;
	request.sent = c->sent;
	request.now = c->judging->now;
	if (pgcs_verify(&request, v))
		return true;
	c->failed = true;
	pgcs_verification_free(v);
	return false;
}

/* The same again at the level that servers usually ask for: a doubt. */
static void
check_strength(Case *c, PgcsVerify request)
{
	PgcsVerification v;

	request.auth_level = USUAL_SECURITY_LEVEL;
	if (!verify(c, request, &v))
		return;
	if (v.error != X509_V_OK && !pgcs_error_is_missing_issuer(v.error))
		add_chain_error(c, &v, PGCS_DOUBT, "weak",
						"a server at OpenSSL's security level 2 refuses the chain: ");
	pgcs_verification_free(&v);
}

/* ---------- names ---------- */

/*
 * What one more certificate would mend: an issuer that is held locally and
 * leads to an announced name.
 */
static void
look_for_intermediate(Case *c)
{
	X509	   *cert = sk_X509_value(c->reached, sk_X509_num(c->reached) - 1);
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *text;
	bool		found = false;
	int			steps = 0;

	for (; steps < 10 && !found; steps++)
	{
		const PgcsLocalCa *next = NULL;

		for (size_t i = 0; i < c->judging->bundle->n_cas && next == NULL; i++)
		{
			const PgcsLocalCa *ca = &c->judging->bundle->cas[i];

			if (X509_check_issued(ca->cert, cert) == X509_V_OK &&
				X509_verify(cert, X509_get0_pubkey(ca->cert)) == 1)
				next = ca;
			ERR_clear_error();
		}
		if (next == NULL || next->cert == cert)
			break;
		text = subject_text(c, next->cert);
		pgcert_buf_printf(&buf, "%s\"%s\", which is in ", steps > 0 ? ", and " : "",
						  text != NULL ? text : "");
		pgcert_buf_escaped(&buf, next->path, strlen(next->path));
		free(text);
		cert = next->cert;
		found = pgcs_host_names(c->host, X509_get_issuer_name(cert));
		if (X509_check_issued(cert, cert) == X509_V_OK)
			break;
	}
	text = pgcert_buf_take(&buf);
	if (text == NULL)
		c->failed = true;
	else if (found)
	{
		pgcs_reasons_add(REASONS(c), PGCS_NOTE, "missing-intermediate", NULL,
						 "%sneeds intermediate %s", c->prefix, text);
		pgcs_reasons_hint(REASONS(c), "append it to the certificate's file, or use --complete-chain");
	}
	free(text);
}

static void
add_not_announced(Case *c)
{
	X509	   *top = sk_X509_value(c->reached, sk_X509_num(c->reached) - 1);
	char	   *issuer = pgcert_name_text(X509_get_issuer_name(top));

	if (issuer == NULL)
	{
		c->failed = true;
		return;
	}
	if (c->host->n_names == 1)
		pgcs_reasons_add(REASONS(c), PGCS_FATAL, "issuer-not-announced", NULL,
						 "%sissuer \"%s\" is not the CA that the server names, \"%s\"",
						 c->prefix, issuer, c->host->names[0].text);
	else
		pgcs_reasons_add(REASONS(c), PGCS_FATAL, "issuer-not-announced", NULL,
						 "%sissuer \"%s\" is not among the %zu CAs that the server names",
						 c->prefix, issuer, c->host->n_names);
	free(issuer);
	look_for_intermediate(c);
}

static bool
is_self_issued(X509 *cert)
{
	return pgcert_name_equal(X509_get_subject_name(cert),
							 X509_get_issuer_name(cert));
}

/* The certificates whose issuer is named, as stand-ins for their issuers. */
static X509_STORE *
vouched_for(Case *c, bool *any)
{
	X509_STORE *store = X509_STORE_new();

	*any = false;
	if (store == NULL)
	{
		c->failed = true;
		return NULL;
	}
	for (int i = 0; i < sk_X509_num(c->reached); i++)
	{
		X509	   *cert = sk_X509_value(c->reached, i);

		if (!pgcs_host_names(c->host, X509_get_issuer_name(cert)))
			continue;
		*any = true;
		if (X509_STORE_add_cert(store, cert) != 1)
			c->failed = true;
	}
	return store;
}

/* ---------- the announced CAs that are held locally too ---------- */

/*
 * A local copy of an announced CA's certificate need not be the one the
 * server has, but mostly is.  It can say what a name cannot.
 */
static void
ask_local_cas(Case *c)
{
	const pgcs_bundle *bundle = c->judging->bundle;
	X509_STORE *store = X509_STORE_new();
	PgcsVerification v;
	const PgcsLocalCa *named = NULL;
	const PgcsLocalCa *twin = NULL;

	if (store == NULL)
	{
		c->failed = true;
		return;
	}
	for (size_t i = 0; i < bundle->n_cas && !c->failed; i++)
	{
		const PgcsLocalCa *ca = &bundle->cas[i];
		X509_NAME  *subject = X509_get_subject_name(ca->cert);
		bool		concerned = false;

		if (!pgcs_host_names(c->host, subject))
			continue;
		if (X509_STORE_add_cert(store, ca->cert) != 1)
			c->failed = true;
		for (int j = 0; j < sk_X509_num(c->reached) && !concerned; j++)
		{
			X509	   *cert = sk_X509_value(c->reached, j);

			/*
			 * An intermediate of the right name that did not issue it comes
			 * from elsewhere in the bundle: libpq would not send it along.
			 */
			concerned = pgcert_name_equal(subject, X509_get_issuer_name(cert)) &&
				(is_self_issued(ca->cert) ||
				 X509_verify(cert, X509_get0_pubkey(ca->cert)) == 1);
		}
		ERR_clear_error();
		if (!concerned)
			continue;

		/* same name, another key */
		for (size_t k = 0; k < i && twin == NULL; k++)
			if (pgcert_name_equal(subject, X509_get_subject_name(bundle->cas[k].cert)) &&
				X509_get0_pubkey(ca->cert) != NULL &&
				X509_check_private_key(bundle->cas[k].cert,
									   X509_get0_pubkey(ca->cert)) != 1)
				twin = ca;
		ERR_clear_error();
		named = ca;
	}
	if (named != NULL && !c->failed &&
		verify(c, (PgcsVerify) {.anchors = store}, &v))
	{
		char	   *path = pgcs_printable(named->path);

		if (path == NULL)
			c->failed = true;
		else if (twin != NULL)
			pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "ca-twin", twin->path,
							 "%sis the certificate of another CA of the same name, and the name alone does not tell which of the two the server trusts",
							 c->prefix);
		else if (v.error == X509_V_OK)
			c->candidate->complete = true;
		else if (v.error == X509_V_ERR_CERT_SIGNATURE_FAILURE ||
				 (is_self_issued(named->cert) && pgcs_error_is_missing_issuer(v.error)))
			pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "ca-twin", named->path,
							 "%sis the certificate of a CA with the issuer's name, but it did not issue this one",
							 c->prefix);
		else if (pgcs_error_is_missing_issuer(v.error) &&
				 pgcs_host_names(c->host, X509_get_issuer_name(named->cert)))
			;					/* its own CA is named as well */
		else if (pgcs_error_is_missing_issuer(v.error))
		{
			pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "intermediate-only", named->path,
							 "%sthe server names an intermediate in this file, but not its issuer, and mostly refuses what it alone vouches for",
							 c->prefix);
			c->candidate->top_announced = false;
		}
		else
		{
			char		introduction[64];

			snprintf(introduction, sizeof(introduction),
					 "the CA's certificate as held locally says: ");
			add_chain_error(c, &v, PGCS_DOUBT, "local-ca-disagrees", introduction);
		}
		free(path);
		pgcs_verification_free(&v);
	}
	X509_STORE_free(store);
}

/* ---------- the three ways to know the CAs ---------- */

static void
judge_by_certificates(Case *c, PgcsVerification *v)
{
	PgcsVerify	request = {.anchors = c->host->anchors};

	if (!verify(c, request, v))
		return;
	if (v->error != X509_V_OK)
	{
		if (pgcs_error_is_missing_issuer(v->error))
		{
			bool		any;

			X509_STORE_free(vouched_for(c, &any));
			if (!any)
				add_not_announced(c);
			else
				add_chain_error(c, v, PGCS_FATAL, "chain",
								"the server's CA certificates do not complete the chain: ");
		}
		else
			add_chain_error(c, v, PGCS_FATAL, "chain", "");
		return;
	}
	c->candidate->complete = true;
	check_strength(c, request);
	pgcs_reasons_add(REASONS(c), PGCS_NOTE, "crl-unknown", NULL,
					 "%swhether the server's CRLs revoke it cannot be seen from here",
					 c->prefix);
}

static void
judge_by_names(Case *c, PgcsVerification *v)
{
	PgcsVerify	request = {.partial = true};
	PgcsVerification whole;
	X509_STORE *store;
	bool		any;

	store = vouched_for(c, &any);
	if (!any || c->failed)
	{
		if (!c->failed)
			add_not_announced(c);

		/* what else is wrong with it is worth knowing too */
		request = (PgcsVerify) {.tolerate_missing = true};
		if (!c->failed && verify(c, request, v) && v->error != X509_V_OK &&
			!pgcs_error_is_missing_issuer(v->error))
			add_chain_error(c, v, PGCS_FATAL, "chain", "");
		X509_STORE_free(store);
		return;
	}
	request.anchors = store;
	if (verify(c, request, v))
	{
		if (v->error != X509_V_OK)
			add_chain_error(c, v, PGCS_FATAL, "chain", "");
		else
		{
			check_strength(c, request);
			ask_local_cas(c);
			pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "name-only", NULL,
							 "%sthe server's CA is known by its name only, not its key, and whether its CRLs revoke the certificate not at all",
							 c->prefix);
		}
	}

	/* the rest of what is sent is looked at by the server as well */
	if (v->error == X509_V_OK && !c->failed &&
		verify(c, (PgcsVerify) {.tolerate_missing = true}, &whole))
	{
		if (whole.error != X509_V_OK && !pgcs_error_is_missing_issuer(whole.error))
			add_chain_error(c, &whole, PGCS_DOUBT, "chain",
							"the whole of what is sent does not verify: ");
		pgcs_verification_free(&whole);
	}
	X509_STORE_free(store);
}

static void
judge_unnamed(Case *c, PgcsVerification *v)
{
	PgcsVerify	request = {.tolerate_missing = true};

	if (!verify(c, request, v))
		return;
	if (v->error != X509_V_OK && !pgcs_error_is_missing_issuer(v->error))
		add_chain_error(c, v, PGCS_FATAL, "chain", "");
	else
	{
		check_strength(c, request);
		pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "no-names", NULL,
						 "%sthe server names no CA, so nothing tells whether it trusts this one",
						 c->prefix);
	}
}

/* ---------- what else the server looks at ---------- */

/*
 * The server takes the first common name's bytes as they are and refuses the
 * connection, under any authentication method, if a NUL is among them.
 */
static void
check_common_name(Case *c)
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

static void
check_signature_algorithm(Case *c)
{
	if (c->host->n_sigalgs == 0 ||
		pgcs_sigalg_fits(c->candidate->identity->leaf, c->host->sigalgs,
						 c->host->n_sigalgs, c->host->tls_version))
		return;
	pgcs_reasons_add(REASONS(c), PGCS_FATAL, "signature-algorithm", NULL,
					 "%sthe server allows no signature that a key of type %s can make",
					 c->prefix, pgcs_identity_key_type(c->candidate->identity));
}

static void
check_policy(Case *c, const PgcertPolicy *policy, const PgcertFacts *facts)
{
	const char *role = c->judging->sel->user;
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
						 "%sthe role's policy lets it in, as mode=log, but records that it would not: %s",
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
check_policies(Case *c, const PgcsVerification *v)
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
			for (int j = 0; j < sk_X509_num(c->host->cas); j++)
				if (X509_cmp(sk_X509_value(chain, i),
							 sk_X509_value(c->host->cas, j)) == 0)
					trusted[i] = true;
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
judge_host(Case *c)
{
	PgcsVerification v = {.error = X509_V_ERR_UNSPECIFIED};

	if (c->host->anchors != NULL)
		judge_by_certificates(c, &v);
	else if (c->host->answer == PGCS_ANSWER_NAMED)
		judge_by_names(c, &v);
	else
		judge_unnamed(c, &v);
	if (!c->failed)
	{
		check_common_name(c);
		check_signature_algorithm(c);
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
	if (candidate->confirmed && candidate->verdict == PGCS_VERDICT_DOUBTFUL)
	{
		candidate->verdict = PGCS_VERDICT_CERTAIN;
		candidate->doubt = PGCS_DOUBT_NONE;
	}
}

/* What concerns the certificate and the role, whichever the host. */
static void
judge_itself(const PgcsJudging *judging, pgcs_candidate *candidate)
{
	const pgcs_identity *identity = candidate->identity;
	const PgcertFacts *facts = identity->facts;
	const char *role = judging->sel->user;
	char		date[32];

	candidate->security_bits = pgcert_key_security_bits(identity->leaf);
	ERR_clear_error();
	candidate->cn_is_role = role != NULL && facts->cn_state == PGCERT_PRESENT &&
		strlen(role) == facts->cn_len &&
		memcmp(role, facts->cn, facts->cn_len) == 0;
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
		format_date(facts->not_after, date, sizeof(date));
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
	Case		c = {.judging = judging, .candidate = candidate};
	PgcertBuf	prefix = PGCERT_BUF_INIT;
	char	   *prefix_text = NULL;

	if (candidate == NULL)
		return NULL;
	candidate->identity = identity;
	candidate->top_announced = true;
	candidate->n_hosts = request->n_hosts;
	candidate->host_verdicts = calloc(request->n_hosts,
									  sizeof(*candidate->host_verdicts));
	c.sent = pgcs_sent_chain(judging->bundle, identity);
	c.reached = c.sent != NULL ? pgcs_reachable(c.sent) : NULL;
	if (candidate->host_verdicts == NULL || c.reached == NULL)
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
	sk_X509_free(c.reached);
	sk_X509_pop_free(c.sent, X509_free);
	ERR_clear_error();
	if (c.failed || candidate->reasons.failed)
	{
		pgcs_candidate_free(candidate);
		return NULL;
	}
	return candidate;
}
