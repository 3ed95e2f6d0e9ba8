/*
 * judge.c
 *		A policy held against facts: the verdict.
 *
 * Each value of a clause is matched by itself.  Then '=' holds if one of them
 * matches, and '!=' if every one of them could be looked for and was not
 * found: a fact that is absent, malformed or ambiguous satisfies neither.
 */
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "judge.h"
#include "name.h"
#include "pattern.h"
#include "purpose.h"
#include "words.h"

static PgcertMatch
match_state(PgcertState state)
{
	return state == PGCERT_UNKNOWN_FACT ? PGCERT_MATCH_UNKNOWN : PGCERT_MATCH_NOT_THERE;
}

static PgcertMatch
match_if(bool matches)
{
	return matches ? PGCERT_MATCH_YES : PGCERT_MATCH_NO;
}

static PgcertMatch
match_name(const PgcertValue *value, PgcertState state, const X509_NAME *name)
{
	if (state != PGCERT_PRESENT)
		return match_state(state);
	return match_if(pgcert_name_equal(name, value->name));
}

static PgcertMatch
match_bytes(const PgcertValue *value, const unsigned char *bytes, size_t len)
{
	return match_if(value->bytes_len == len && memcmp(value->bytes, bytes, len) == 0);
}

/* A hash that could not be computed is neither equal nor another one. */
static PgcertMatch
match_hash(const PgcertValue *value, PgcertHash *hash, X509 *certificate)
{
	unsigned char bytes[PGCERT_SHA256_LEN];

	if (!hash(certificate, bytes))
		return PGCERT_MATCH_NOT_THERE;
	return match_bytes(value, bytes, sizeof(bytes));
}

/* Among the subjectAltNames of the value's type; types are never mixed. */
static PgcertMatch
match_san(const PgcertValue *value, const PgcertFacts *facts, const char *role)
{
	PgcertMatch result = PGCERT_MATCH_NOT_THERE;

	if (facts->san_state != PGCERT_PRESENT)
		return match_state(facts->san_state);
	for (size_t i = 0; i < facts->n_sans; i++)
	{
		const PgcertSan *san = &facts->sans[i];
		PgcertMatch one;

		if (san->type != value->san_type)
			continue;
		if (san->type == PGCERT_SAN_IP)
			one = match_bytes(value, san->value, san->len);
		else
			one = pgcert_pattern_match(value, role, san->value, san->len,
									   san->type == PGCERT_SAN_DNS);
		if (one != PGCERT_MATCH_NO)
			return one;
		result = PGCERT_MATCH_NO;
	}
	return result;
}

/* Among the CAs of the verified chain. */
static PgcertMatch
match_ca(PgcertClauseKind kind, const PgcertValue *value, const PgcertFacts *facts)
{
	PgcertMatch result = PGCERT_MATCH_NOT_THERE;

	if (facts->chain_state != PGCERT_PRESENT)
		return match_state(facts->chain_state);
	for (size_t i = 0; i < facts->n_cas; i++)
	{
		const PgcertCa *ca = &facts->cas[i];
		PgcertMatch one;

		if (kind == PGCERT_CLAUSE_CA)
		{
			/* an intermediate that the client sent can have any name */
			if (!ca->trusted)
				continue;
			one = match_if(pgcert_name_equal(X509_get_subject_name(ca->certificate),
											 value->name));
		}
		else
			one = match_hash(value, pgcert_key_sha256, ca->certificate);
		if (one != PGCERT_MATCH_NO)
			return one;
		result = PGCERT_MATCH_NO;
	}
	return result;
}

/*
 * Among the OIDs of a list.  The wildcard OID ("any purpose", "any policy")
 * stands for no other one, yet nothing can be said not to be in its list.
 */
static PgcertMatch
match_oid(const PgcertValue *value, PgcertState state, char *const *oids,
		  size_t n_oids, bool negated, const char *wildcard)
{
	if (state != PGCERT_PRESENT)
		return match_state(state);
	for (size_t i = 0; i < n_oids; i++)
	{
		if (strcmp(oids[i], value->oid) == 0 ||
			(negated && strcmp(oids[i], wildcard) == 0))
			return PGCERT_MATCH_YES;
	}
	return PGCERT_MATCH_NO;
}

/* The leaf may decide it; otherwise the chain has to be known. */
static PgcertMatch
match_security_bits(const PgcertValue *value, const PgcertFacts *facts)
{
	if (facts->security_bits <= 0)
		return PGCERT_MATCH_NOT_THERE;
	if (facts->security_bits < value->number)
		return PGCERT_MATCH_NO;
	return facts->chain_state == PGCERT_PRESENT ? PGCERT_MATCH_YES : PGCERT_MATCH_UNKNOWN;
}

static PgcertMatch
match_value(const PgcertClause *clause, const PgcertValue *value,
			const PgcertFacts *facts, const char *role, int64_t now)
{
	switch (clause->kind)
	{
		case PGCERT_CLAUSE_CN:
			if (facts->cn_state != PGCERT_PRESENT)
				return match_state(facts->cn_state);
			return pgcert_pattern_match(value, role, facts->cn, facts->cn_len, false);
		case PGCERT_CLAUSE_DN:
			return match_name(value, facts->subject_state,
							  X509_get_subject_name(facts->certificate));
		case PGCERT_CLAUSE_ISSUER:
			return match_name(value, facts->issuer_state,
							  X509_get_issuer_name(facts->certificate));
		case PGCERT_CLAUSE_SAN:
			return match_san(value, facts, role);
		case PGCERT_CLAUSE_CA:
		case PGCERT_CLAUSE_CA_KEY_SHA256:
			return match_ca(clause->kind, value, facts);
		case PGCERT_CLAUSE_KEY_SHA256:
			return match_hash(value, pgcert_key_sha256, facts->certificate);
		case PGCERT_CLAUSE_CERT_SHA256:
			return match_hash(value, pgcert_cert_sha256, facts->certificate);
		case PGCERT_CLAUSE_SERIAL:
			if (facts->serial_state != PGCERT_PRESENT)
				return match_state(facts->serial_state);
			return match_bytes(value, facts->serial, facts->serial_len);
		case PGCERT_CLAUSE_EKU:
			return match_oid(value, facts->eku_state, facts->ekus, facts->n_ekus,
							 clause->negated, PGCERT_OID_ANY_EKU);
		case PGCERT_CLAUSE_POLICY_OID:
			return match_oid(value, facts->policy_state, facts->policy_oids,
							 facts->n_policy_oids, clause->negated,
							 PGCERT_OID_ANY_POLICY);
		case PGCERT_CLAUSE_KEY_TYPE:
			if (facts->key_type == NULL)
				return PGCERT_MATCH_NOT_THERE;
			return match_if(strcmp(facts->key_type, value->text) == 0);
		case PGCERT_CLAUSE_MIN_SECURITY_BITS:
			return match_security_bits(value, facts);
		case PGCERT_CLAUSE_MAX_LIFETIME:
			if (facts->validity_state != PGCERT_PRESENT ||
				facts->not_after < facts->not_before)
				return PGCERT_MATCH_NOT_THERE;
			return match_if(facts->not_after - facts->not_before <= value->number);
		case PGCERT_CLAUSE_MIN_REMAINING:
			if (facts->validity_state != PGCERT_PRESENT)
				return PGCERT_MATCH_NOT_THERE;
			return match_if(facts->not_after - now >= value->number);
		case PGCERT_CLAUSE_TLS:
			if (facts->tls_version == 0)
				return PGCERT_MATCH_UNKNOWN;
			return match_if(facts->tls_version >= value->number);
	}
	return PGCERT_MATCH_FAILED;
}

/* False if the clause could not be judged for lack of memory. */
static bool
judge_clause(const PgcertClause *clause, const PgcertFacts *facts,
			 const char *role, int64_t now, PgcertTruth *truth)
{
	bool		yes = false;
	bool		not_there = false;
	bool		unknown = false;

	for (size_t i = 0; i < clause->n_values; i++)
	{
		switch (match_value(clause, &clause->values[i], facts, role, now))
		{
			case PGCERT_MATCH_YES:
				yes = true;
				break;
			case PGCERT_MATCH_NO:
				break;
			case PGCERT_MATCH_NOT_THERE:
				not_there = true;
				break;
			case PGCERT_MATCH_UNKNOWN:
				unknown = true;
				break;
			case PGCERT_MATCH_FAILED:
				return false;
		}
	}
	if (clause->negated)
		*truth = yes || not_there ? PGCERT_FALSE : unknown ? PGCERT_UNKNOWN : PGCERT_TRUE;
	else
		*truth = yes ? PGCERT_TRUE : unknown ? PGCERT_UNKNOWN : PGCERT_FALSE;
	return true;
}

static PgcertTruth
truth_and(PgcertTruth a, PgcertTruth b)
{
	if (a == PGCERT_FALSE || b == PGCERT_FALSE)
		return PGCERT_FALSE;
	return a == PGCERT_UNKNOWN || b == PGCERT_UNKNOWN ? PGCERT_UNKNOWN : PGCERT_TRUE;
}

static PgcertTruth
truth_or(PgcertTruth a, PgcertTruth b)
{
	if (a == PGCERT_TRUE || b == PGCERT_TRUE)
		return PGCERT_TRUE;
	return a == PGCERT_UNKNOWN || b == PGCERT_UNKNOWN ? PGCERT_UNKNOWN : PGCERT_FALSE;
}

/* The one row of a connection without a certificate, and of 'any'. */
static void
judge_certificate(PgcertVerdict *verdict, const PgcertFacts *facts)
{
	PgcertRow  *row = &verdict->rows[verdict->n_rows++];

	row->clause = "certificate";
	row->truth = facts->link == PGCERT_LINK_TLS && facts->has_certificate ?
		PGCERT_TRUE : PGCERT_FALSE;
	verdict->truth = row->truth;
}

static bool
judge_alternative(PgcertVerdict *verdict, const PgcertPolicy *policy, size_t number,
				  const PgcertFacts *facts, const char *role, int64_t now)
{
	const PgcertAlternative *alternative = &policy->alternatives[number];
	PgcertTruth all = PGCERT_TRUE;

	for (size_t c = 0; c < alternative->n_clauses; c++)
	{
		const PgcertClause *clause = &alternative->clauses[c];
		PgcertRow  *row = &verdict->rows[verdict->n_rows++];

		row->alternative = number + 1;
		row->clause = pgcert_clause_name(clause->kind);
		row->asked = clause;
		if (!judge_clause(clause, facts, role, now, &row->truth))
			return false;
		all = truth_and(all, row->truth);
	}
	verdict->truth = truth_or(verdict->truth, all);
	return true;
}

PgcertVerdict *
pgcert_judge(const PgcertPolicy *policy, const PgcertFacts *facts,
			 const char *role, int64_t now)
{
	PgcertVerdict *verdict = calloc(1, sizeof(*verdict));
	size_t		n_rows = 1;
	bool		ok = true;

	if (verdict == NULL)
		return NULL;
	verdict->facts = facts;
	verdict->role = role;
	verdict->now = now;
	verdict->truth = policy->exempt ? PGCERT_TRUE : PGCERT_FALSE;
	if (policy->exempt)
		return verdict;
	for (size_t a = 0; a < policy->n_alternatives; a++)
		n_rows += policy->alternatives[a].n_clauses;
	verdict->rows = calloc(n_rows, sizeof(PgcertRow));
	if (verdict->rows == NULL)
		ok = false;
	else if (policy->any || facts->link != PGCERT_LINK_TLS || !facts->has_certificate)
		judge_certificate(verdict, facts);
	else
	{
		for (size_t a = 0; ok && a < policy->n_alternatives; a++)
			ok = judge_alternative(verdict, policy, a, facts, role, now);
	}
	if (!ok)
	{
		pgcert_verdict_free(verdict);
		return NULL;
	}
	return verdict;
}

void
pgcert_verdict_free(PgcertVerdict *verdict)
{
	if (verdict == NULL)
		return;
	free(verdict->rows);
	free(verdict);
}

char *
pgcert_row_required(const PgcertVerdict *verdict, size_t row)
{
	const PgcertClause *asked = verdict->rows[row].asked;

	if (asked == NULL)
		return strdup("a verified certificate");
	return pgcert_words_required(asked, verdict->role);
}

char *
pgcert_row_found(const PgcertVerdict *verdict, size_t row)
{
	const PgcertClause *asked = verdict->rows[row].asked;

	if (asked == NULL)
		return strdup(pgcert_words_certificate(verdict->facts));
	return pgcert_words_found(asked->kind, verdict->facts, verdict->now);
}

/* "ca: required ..., found ..."; false when memory is out. */
static bool
add_row_words(PgcertBuf *buf, const PgcertVerdict *verdict, size_t row)
{
	char	   *required = pgcert_row_required(verdict, row);
	char	   *found = pgcert_row_found(verdict, row);
	bool		ok = required != NULL && found != NULL;

	if (ok)
		pgcert_buf_printf(buf, "%s: required %s, found %s",
						  verdict->rows[row].clause, required, found);
	free(required);
	free(found);
	return ok;
}

char *
pgcert_verdict_reason(const PgcertVerdict *verdict)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	size_t		last = verdict->n_rows > 0 ? verdict->rows[verdict->n_rows - 1].alternative : 0;
	size_t		told = 0;

	for (size_t i = 0; i < verdict->n_rows; i++)
	{
		const PgcertRow *row = &verdict->rows[i];

		if (row->truth == PGCERT_TRUE)
			continue;
		if (row->alternative == 0)
		{
			pgcert_buf_text(&buf, pgcert_words_certificate(verdict->facts));
			continue;
		}
		if (row->alternative == told)
			continue;
		if (told > 0)
			pgcert_buf_text(&buf, "; ");
		told = row->alternative;
		if (last > 1)
			pgcert_buf_printf(&buf, "alternative %zu: ", row->alternative);
		if (!add_row_words(&buf, verdict, i))
		{
			pgcert_buf_free(&buf);
			return NULL;
		}
	}
	return pgcert_buf_take(&buf);
}
