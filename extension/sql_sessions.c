/*
 * sql_sessions.c
 *		pg_cert_sessions and pg_cert_policy_recheck().
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "purpose.h"
#include "watch.h"

PG_FUNCTION_INFO_V1(pg_cert_sessions);
PG_FUNCTION_INFO_V1(pg_cert_policy_recheck);

enum
{
	COL_PID,
	COL_ROLE_OID,
	COL_DATABASE_OID,
	COL_SUBJECT,
	COL_ISSUER,
	COL_SANS,
	COL_EKUS,
	COL_SERIAL,
	COL_CERT_SHA256,
	COL_KEY_SHA256,
	COL_NOT_AFTER,
	COL_CHAIN_KEPT,
	COL_ACCEPTED_NOW,
	COL_REASON,
	N_COLS
};

static Datum
text_array(char **utf8, size_t n)
{
	Datum	   *elements = palloc(sizeof(Datum) * (n + 1));

	for (size_t i = 0; i < n; i++)
		elements[i] = PointerGetDatum(pgcp_text_from_utf8(utf8[i]));
	return PointerGetDatum(construct_array(elements, (int) n, TEXTOID, -1,
										   false, TYPALIGN_INT));
}

static Datum
sans_of(const PgcertFacts *facts)
{
	char	  **texts = palloc(sizeof(char *) * (facts->n_sans + 1));

	for (size_t i = 0; i < facts->n_sans; i++)
		texts[i] = pgcp_take_text(pgcert_san_text(&facts->sans[i]));
	return text_array(texts, facts->n_sans);
}

static Datum
ekus_of(const PgcertFacts *facts)
{
	char	  **texts = palloc(sizeof(char *) * (facts->n_ekus + 1));

	for (size_t i = 0; i < facts->n_ekus; i++)
		texts[i] = pstrdup(pgcert_purpose_name(facts->ekus[i]));
	return text_array(texts, facts->n_ekus);
}

/* The certificate's own columns, whether it would still be accepted or not. */
static void
put_certificate(const PgcpSession *session, Datum *values, bool *nulls)
{
	STACK_OF(X509) *chain = pgcp_session_chain(session);
	PgcpHold   *hold = pgcp_hold(pgcp_free_facts);
	X509	   *leaf;
	PgcertFacts *facts;
	unsigned char cert_sha256[PGCERT_SHA256_LEN];
	unsigned char key_sha256[PGCERT_SHA256_LEN];

	values[COL_NOT_AFTER] =
		TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) session->not_after));
	nulls[COL_NOT_AFTER] = false;
	values[COL_CHAIN_KEPT] = BoolGetDatum(session->chain_kept);
	nulls[COL_CHAIN_KEPT] = false;
	if (chain == NULL)
		return;
	leaf = sk_X509_value(chain, 0);
	facts = hold->object = pgcert_facts_new(session->connection.link,
											session->connection.tls_version);
	if (facts == NULL ||
		!pgcert_facts_set_certificate(facts, leaf, NULL, NULL) ||
		!pgcert_cert_sha256(leaf, cert_sha256) ||
		!pgcert_key_sha256(leaf, key_sha256))
		return;
	values[COL_SUBJECT] =
		PointerGetDatum(pgcp_text_from_utf8(pgcp_take_text(pgcert_name_text(X509_get_subject_name(leaf)))));
	values[COL_ISSUER] =
		PointerGetDatum(pgcp_text_from_utf8(pgcp_take_text(pgcert_name_text(X509_get_issuer_name(leaf)))));
	values[COL_SANS] = sans_of(facts);
	values[COL_EKUS] = ekus_of(facts);
	values[COL_SERIAL] = PointerGetDatum(pgcp_hex_text(facts->serial, facts->serial_len));
	values[COL_CERT_SHA256] = PointerGetDatum(pgcp_hex_text(cert_sha256, sizeof(cert_sha256)));
	values[COL_KEY_SHA256] = PointerGetDatum(pgcp_hex_text(key_sha256, sizeof(key_sha256)));
	for (int col = COL_SUBJECT; col <= COL_KEY_SHA256; col++)
		nulls[col] = false;
	nulls[COL_SANS] = facts->san_state == PGCERT_ABSENT;
	nulls[COL_EKUS] = facts->eku_state == PGCERT_ABSENT;
	nulls[COL_SERIAL] = facts->serial_state != PGCERT_PRESENT;
}

/* As in pg_stat_ssl: one's own sessions, or all for pg_read_all_stats. */
static bool
may_see(const PgcpSession *session)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) ||
		has_privs_of_role(GetUserId(), session->role_oid);
}

static void
put_session(FunctionCallInfo fcinfo, const PgcpSession *session,
			const PgcpRejudged *judged)
{
	Datum		values[N_COLS];
	bool		nulls[N_COLS];

	memset(nulls, true, sizeof(nulls));
	values[COL_PID] = Int32GetDatum(session->pid);
	nulls[COL_PID] = false;
	if (judged != NULL)
	{
		values[COL_ROLE_OID] = ObjectIdGetDatum(session->role_oid);
		nulls[COL_ROLE_OID] = false;
		values[COL_DATABASE_OID] = ObjectIdGetDatum(session->database_oid);
		nulls[COL_DATABASE_OID] = !OidIsValid(session->database_oid);
		if (session->has_certificate)
			put_certificate(session, values, nulls);
		values[COL_ACCEPTED_NOW] = BoolGetDatum(judged->rejected == NULL);
		nulls[COL_ACCEPTED_NOW] = false;
		if (judged->rejected != NULL)
		{
			values[COL_REASON] = PointerGetDatum(pgcp_text_from_utf8(judged->rejected));
			nulls[COL_REASON] = false;
		}
	}
	pgcp_put_row(fcinfo, values, nulls);
}

Datum
pg_cert_sessions(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext caller;
	PgcpVerifier *verifier;
	ListCell   *cell;

	pgcp_materialize(fcinfo);
	if (!pgcp_shared_is_ready())
		return (Datum) 0;
	verifier = pgcp_verifier_new();
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_cert_policy session",
									ALLOCSET_DEFAULT_SIZES);
	foreach(cell, pgcp_sessions_copy(true))
	{
		PgcpSession *session = (PgcpSession *) lfirst(cell);

		caller = MemoryContextSwitchTo(context);
		put_session(fcinfo, session,
					may_see(session) ? pgcp_session_judge(session, verifier) : NULL);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
		CHECK_FOR_INTERRUPTS();
	}
	return (Datum) 0;
}

/* Ends every session that today's policies and CRLs do not accept. */
Datum
pg_cert_policy_recheck(PG_FUNCTION_ARGS)
{
	ListCell   *cell;

	pgcp_materialize(fcinfo);
	if (!pgcp_shared_is_ready())
		return (Datum) 0;
	foreach(cell, pgcp_recheck_sessions())
	{
		PgcpRejudged *judged = (PgcpRejudged *) lfirst(cell);
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = Int32GetDatum(judged->session.pid);
		values[1] = NameGetDatum(&judged->role.name);
		values[2] = PointerGetDatum(pgcp_text_from_utf8(judged->rejected));
		pgcp_put_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}
