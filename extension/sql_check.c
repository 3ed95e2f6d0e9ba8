/*
 * sql_check.c
 *		pg_cert_policy_check(): a login tried without logging in.
 *
 * It asks what a login asks, with the same code: would TLS take the chain,
 * which policies apply, does each accept.  Whether a rejection would only be
 * recorded (mode, enforce) does not matter here.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pgcp.h"

PG_FUNCTION_INFO_V1(pg_cert_policy_check_bytea);
PG_FUNCTION_INFO_V1(pg_cert_policy_check_text);

/* What certificates can name, and OpenSSL compares with: year 1 to year 9999. */
#define FIRST_TIME INT64CONST(-62135596800)
#define LAST_TIME INT64CONST(253402300799)

/* The login that is tried. */
typedef struct Trial
{
	PgcpRole	role;
	Oid			database_oid;
	STACK_OF(X509) *certificates;	/* NULL: none is sent */
	PgcertLink	link;
	int			tls_version;
	TimestampTz at;
	PgcpTrial	label;
	bool		has_label;
} Trial;

/* The versions that a caller can name, as PostgreSQL's settings count them. */
static const struct
{
	const char *word;
	int			openssl;
	int			setting;
}			tls_versions[] =

{
	{"1.0", TLS1_VERSION, PG_TLS1_VERSION},
	{"1.1", TLS1_1_VERSION, PG_TLS1_1_VERSION},
	{"1.2", TLS1_2_VERSION, PG_TLS1_2_VERSION},
	{"1.3", TLS1_3_VERSION, PG_TLS1_3_VERSION},
};

static void
set_link(Trial *trial, const char *word)
{
	if (strcmp(word, "none") == 0)
	{
		trial->link = PGCERT_LINK_PLAIN;
		return;
	}
	if (strcmp(word, "gss") == 0)
	{
		trial->link = PGCERT_LINK_GSS;
		return;
	}
	trial->link = PGCERT_LINK_TLS;
	for (size_t i = 0; i < lengthof(tls_versions); i++)
	{
		if (strcmp(word, tls_versions[i].word) == 0)
		{
			trial->tls_version = tls_versions[i].openssl;
			return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid TLS version: \"%s\"", word),
			 errhint("Available values: 1.0, 1.1, 1.2, 1.3, none, gss.")));
}

/* Why the server's settings rule TLS or its version out; NULL if they do not. */
static char *
tls_refusal(const Trial *trial)
{
	if (!EnableSSL)
		return pstrdup("\"ssl\" is off");
	for (size_t i = 0; i < lengthof(tls_versions); i++)
	{
		if (trial->tls_version != tls_versions[i].openssl)
			continue;
		if (tls_versions[i].setting < ssl_min_protocol_version)
			return psprintf("TLS %s is below \"ssl_min_protocol_version\"",
							tls_versions[i].word);
		if (ssl_max_protocol_version != PG_TLS_ANY &&
			tls_versions[i].setting > ssl_max_protocol_version)
			return psprintf("TLS %s is above \"ssl_max_protocol_version\"",
							tls_versions[i].word);
	}
	return NULL;
}

static void
put_row(FunctionCallInfo fcinfo, const char *kind, const char *policy_of,
		size_t alternative, const char *clause, const char *required,
		const char *found, bool holds)
{
	enum
	{
		COL_KIND, COL_POLICY_OF, COL_ALTERNATIVE, COL_CLAUSE, COL_REQUIRED,
		COL_FOUND, COL_HOLDS, N_COLS
	};
	Datum		values[N_COLS] = {0};
	bool		nulls[N_COLS] = {false};

	values[COL_KIND] = CStringGetTextDatum(kind);
	nulls[COL_POLICY_OF] = policy_of == NULL;
	if (policy_of != NULL)
		values[COL_POLICY_OF] = CStringGetTextDatum(policy_of);
	nulls[COL_ALTERNATIVE] = alternative == 0;
	values[COL_ALTERNATIVE] = Int32GetDatum((int32) alternative);
	nulls[COL_CLAUSE] = clause == NULL;
	if (clause != NULL)
		values[COL_CLAUSE] = CStringGetTextDatum(clause);
	nulls[COL_REQUIRED] = required == NULL;
	if (required != NULL)
		values[COL_REQUIRED] = PointerGetDatum(pgcp_text_from_utf8(required));
	nulls[COL_FOUND] = found == NULL;
	if (found != NULL)
		values[COL_FOUND] = PointerGetDatum(pgcp_text_from_utf8(found));
	values[COL_HOLDS] = BoolGetDatum(holds);
	pgcp_put_row(fcinfo, values, nulls);
}

/* Puts the chain's row, and makes the facts of the connection. */
static PgcertFacts *
check_chain(FunctionCallInfo fcinfo, const Trial *trial, char **refusal)
{
	const char *required = "a connection that the server's TLS accepts";
	PgcpHold   *hold = pgcp_hold(pgcp_free_facts);
	PgcpChain  *chain = NULL;
	const char *found;

	*refusal = NULL;
	hold->object = pgcert_facts_new(trial->link, trial->tls_version);
	if (hold->object == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));

	if (trial->link != PGCERT_LINK_TLS)
	{
		put_row(fcinfo, "chain", NULL, 0, NULL, required,
				trial->link == PGCERT_LINK_GSS ? "GSS encryption" : "no TLS",
				true);
		return hold->object;
	}

	found = "no certificate";
	if (trial->certificates != NULL)
	{
		chain = pgcp_chain_verify(pgcp_verifier_new(), trial->certificates,
								  &trial->at);
		found = chain->found;
		if (chain->requested &&
			!pgcert_facts_set_certificate(hold->object,
										  sk_X509_value(trial->certificates, 0),
										  chain->verified, chain->trusted))
			ereport(ERROR,
					(errcode(ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION),
					 errmsg("could not read the certificate: %s",
							pgcp_openssl_error())));
		ERR_clear_error();
		if (!chain->accepted)
			*refusal = chain->found;
	}
	if (*refusal == NULL)
		*refusal = tls_refusal(trial);
	put_row(fcinfo, "chain", NULL, 0, NULL, required,
			*refusal ? *refusal : found, *refusal == NULL);
	return hold->object;
}

static void
add_reason(StringInfo reasons, const char *reason)
{
	if (reasons->len > 0)
		appendStringInfoChar(reasons, '\n');
	appendStringInfoString(reasons, reason);
}

/* Puts the rows of one policy, and adds why it does not accept. */
static void
check_policy(FunctionCallInfo fcinfo, const Trial *trial,
			 const PgcpPolicy *policy, const PgcertFacts *facts,
			 StringInfo reasons)
{
	char	   *owner = pgcp_policy_owner(policy);
	PgcertVerdict *verdict;
	char	   *rejection;

	verdict = pgcp_policy_judge(policy, facts, &trial->role,
								(int64) timestamptz_to_time_t(trial->at));
	rejection = pgcp_policy_rejection(policy, verdict);
	if (rejection != NULL)
		add_reason(reasons, rejection);
	if (policy->parsed == NULL)
		put_row(fcinfo, "clause", owner, 0, NULL,
				"a policy that can be read", policy->problem, false);
	for (size_t i = 0; verdict != NULL && i < verdict->n_rows; i++)
	{
		PgcertRow  *row = &verdict->rows[i];

		put_row(fcinfo, "clause", owner, row->alternative, row->clause,
				pgcp_take_text(pgcert_row_required(verdict, i)),
				pgcp_take_text(pgcert_row_found(verdict, i)),
				row->truth == PGCERT_TRUE);
	}
}

static void
check_login(FunctionCallInfo fcinfo, const Trial *trial)
{
	StringInfoData reasons;
	PgcpPolicySet *set;
	PgcertFacts *facts;
	char	   *refusal;
	ListCell   *cell;

	initStringInfo(&reasons);
	facts = check_chain(fcinfo, trial, &refusal);
	if (refusal != NULL)
		add_reason(&reasons, psprintf("TLS: %s.", refusal));

	set = pgcp_policies_for(&trial->role, trial->database_oid,
							trial->has_label ? &trial->label : NULL);
	foreach(cell, set->policies)
		check_policy(fcinfo, trial, (PgcpPolicy *) lfirst(cell), facts, &reasons);

	put_row(fcinfo, "verdict", NULL, 0, NULL, NULL,
			reasons.len > 0 ? reasons.data :
			set->exempt ? "exempt" :
			set->policies == NIL ? "no policy applies" : "accepted",
			reasons.len == 0);
}

/* Arguments 0 and 2 to 5 are the same in both forms; NULL stands for the default. */
static Datum
run_check(FunctionCallInfo fcinfo, const unsigned char *bytes, size_t len)
{
	Trial		trial = {0};
	const char *name;
	PgcertError error;

	pgcp_materialize(fcinfo);

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the role must not be null")));
	name = NameStr(*PG_GETARG_NAME(0));
	if (!pgcp_role_by_name(name, &trial.role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", name)));

	trial.database_oid = MyDatabaseId;
	if (!PG_ARGISNULL(2))
	{
		name = NameStr(*PG_GETARG_NAME(2));
		trial.database_oid = name[0] ? pgcp_database_by_name(name) : InvalidOid;
		if (name[0] && !OidIsValid(trial.database_oid))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_DATABASE),
					 errmsg("database \"%s\" does not exist", name)));
	}

	set_link(&trial, PG_ARGISNULL(3) ? "1.3" :
			 text_to_cstring(PG_GETARG_TEXT_PP(3)));

	trial.at = PG_ARGISNULL(4) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(4);
	if (TIMESTAMP_NOT_FINITE(trial.at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the time must be finite")));
	if (timestamptz_to_time_t(trial.at) < FIRST_TIME ||
		timestamptz_to_time_t(trial.at) > LAST_TIME)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("the time must lie in a year from 1 to 9999"),
				 errdetail("Certificates cannot name any other.")));

	if (!PG_ARGISNULL(5))
	{
		PgcpHold   *hold = pgcp_hold(pgcp_free_policy);
		char	   *policy = text_to_cstring(PG_GETARG_TEXT_PP(5));

		hold->object = pgcp_policy_parse(PGCP_POLICY_ROLE, policy, &error);
		if (hold->object == NULL)
			pgcp_policy_report_error(psprintf("role \"%s\"",
											  NameStr(trial.role.name)),
									 policy, &error);
		trial.label.class_oid = AuthIdRelationId;
		trial.label.object_oid = trial.role.oid;
		trial.label.text = policy;
		trial.has_label = true;
	}

	if (bytes != NULL)
		trial.certificates = pgcp_certificates_read(bytes, len);
	check_login(fcinfo, &trial);
	return (Datum) 0;
}

Datum
pg_cert_policy_check_bytea(PG_FUNCTION_ARGS)
{
	bytea	   *certificate;

	if (PG_ARGISNULL(1))
		return run_check(fcinfo, NULL, 0);
	certificate = PG_GETARG_BYTEA_PP(1);
	return run_check(fcinfo, (unsigned char *) VARDATA_ANY(certificate),
					 VARSIZE_ANY_EXHDR(certificate));
}

/* PEM, or the hex form of a bytea, which a bare literal comes as. */
Datum
pg_cert_policy_check_text(PG_FUNCTION_ARGS)
{
	text	   *certificate;
	char	   *words;

	if (PG_ARGISNULL(1))
		return run_check(fcinfo, NULL, 0);
	certificate = PG_GETARG_TEXT_PP(1);
	words = text_to_cstring(certificate);
	if (words[0] == '\\' && words[1] == 'x')
	{
		bytea	   *decoded;

		decoded = DatumGetByteaPP(DirectFunctionCall1(byteain,
													  CStringGetDatum(words)));
		return run_check(fcinfo, (unsigned char *) VARDATA_ANY(decoded),
						 VARSIZE_ANY_EXHDR(decoded));
	}
	return run_check(fcinfo, (unsigned char *) words, strlen(words));
}
