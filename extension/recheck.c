/*
 * recheck.c
 *		Sessions judged after their login: by today's policies and CRLs, and
 *		by the clock.
 *
 * A session is not ended for what cannot be looked at (a CA file that is gone
 * raises an error before anybody is judged), but for what was looked at and
 * does not hold.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <time.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "watch.h"

/* How soon to look again at what should have ended, and at what was kept. */
#define SECONDS_TO_EXIT 5
#define SECONDS_TO_RECONSIDER 60

/* What the session came with, verified once more; NULL with *problem set. */
static PgcertFacts *
session_facts(const PgcpSession *session, PgcpVerifier *verifier, char **problem)
{
	PgcpHold   *hold = pgcp_hold(pgcp_free_facts);
	STACK_OF(X509) *certificates;
	PgcpChain  *chain;

	hold->object = pgcert_facts_new(session->connection.link,
									session->connection.tls_version);
	if (hold->object == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (!session->has_certificate)
		return hold->object;
	certificates = pgcp_session_chain(session);
	if (certificates == NULL)
	{
		*problem = pstrdup("its certificates were too large to be kept (\"pg_cert_policy.session_bytes\")");
		return NULL;
	}

	/* expiry is another matter: the session may outlive its certificate */
	chain = pgcp_chain_verify(verifier, certificates, NULL);
	if (!chain->requested)
		return hold->object;	/* a new login could bring no certificate */
	if (!chain->accepted)
	{
		*problem = psprintf("its certificate would be refused: %s", chain->found);
		return NULL;
	}
	if (!pgcert_facts_set_certificate(hold->object,
									  sk_X509_value(chain->verified, 0),
									  chain->verified, chain->trusted))
	{
		ERR_clear_error();
		*problem = pstrdup("its certificate could not be read");
		return NULL;
	}
	return hold->object;
}

static void
add_reason(StringInfo reasons, const char *reason)
{
	if (reasons->len > 0)
		appendStringInfoChar(reasons, '\n');
	appendStringInfoString(reasons, reason);
}

/*
 * Judges one session as if it logged in now, its certificate's dates apart.
 * Everything it makes goes to the current memory context.
 */
PgcpRejudged *
pgcp_session_judge(const PgcpSession *session, PgcpVerifier *verifier)
{
	PgcpRejudged *result = palloc0(sizeof(PgcpRejudged));
	StringInfoData rejected;
	StringInfoData recorded;
	PgcpPolicySet *set;
	char	   *problem = NULL;
	ListCell   *cell;

	result->session = *session;
	initStringInfo(&rejected);
	initStringInfo(&recorded);
	if (!pgcp_role_by_oid(session->role_oid, &result->role))
	{
		result->rejected = psprintf("The role with OID %u no longer exists.",
									session->role_oid);
		return result;
	}
	set = pgcp_policies_for(&result->role, session->database_oid, NULL);
	result->facts = session_facts(session, verifier, &problem);
	if (set->exempt)
		return result;
	if (problem != NULL)
	{
		/* TLS would not let it in, whatever the policies say */
		result->rejected = psprintf("Connection: %s.", problem);
		return result;
	}
	foreach(cell, pgcp_policies_judge(pgcp_policies_asked(set->policies,
														  &session->connection),
									  result->facts, NULL, &result->role,
									  (int64) time(NULL)))
	{
		PgcpFinding *finding = (PgcpFinding *) lfirst(cell);

		add_reason(finding->enforced ? &rejected : &recorded, finding->reason);
	}
	if (rejected.len > 0)
		result->rejected = rejected.data;
	if (recorded.len > 0)
		result->recorded = recorded.data;
	return result;
}

/*
 * Judges every session, and ends those that fail if policies are enforced.
 * Returns what it ended, as a list of PgcpRejudged.
 */
List *
pgcp_recheck_sessions(void)
{
	PgcpVerifier *verifier;
	List	   *ended = NIL;
	ListCell   *cell;

	if (pgcp_setting_enforce() == PGCP_ENFORCE_OFF)
		return NIL;
	verifier = pgcp_verifier_new();
	foreach(cell, pgcp_sessions_copy(true))
	{
		PgcpSession *session = (PgcpSession *) lfirst(cell);
		PgcpRejudged *judged = pgcp_session_judge(session, verifier);
		bool		end = judged->rejected != NULL &&
			pgcp_setting_enforce() == PGCP_ENFORCE_ON;

		CHECK_FOR_INTERRUPTS();
		if (end)
		{
			ereport(LOG_SERVER_ONLY,
					(errmsg("ending session of role \"%s\" with PID %d, as its login would be rejected now",
							NameStr(judged->role.name), session->pid),
					 errdetail_log("%s", judged->rejected),
					 errhidestmt(true)));
			if (pgcp_session_signal(session))
				ended = lappend(ended, judged);
		}
		else if ((judged->rejected != NULL || judged->recorded != NULL) &&
				 pgcp_session_tell_once(session))
			ereport(LOG_SERVER_ONLY,
					(errmsg("would end session of role \"%s\" with PID %d, as its login would be rejected now",
							NameStr(judged->role.name), session->pid),
					 errdetail_log("%s", judged->rejected ? judged->rejected : judged->recorded),
					 errhidestmt(true)));
	}
	return ended;
}

typedef enum AtExpiry
{
	KEEP_SESSION,
	RECORD_ONLY,
	END_SESSION,
} AtExpiry;

/* What is to happen to a session whose certificate has expired. */
static AtExpiry
at_expiry(const PgcpSession *session, PgcpRole *role)
{
	AtExpiry	result = KEEP_SESSION;
	PgcpPolicySet *set;
	ListCell   *cell;

	/* without its role there is nobody to be exempt */
	if (!pgcp_role_by_oid(session->role_oid, role))
	{
		snprintf(NameStr(role->name), NAMEDATALEN, "%u", session->role_oid);
		return pgcp_setting_disconnect_expired() ? END_SESSION : KEEP_SESSION;
	}
	set = pgcp_policies_for(role, session->database_oid, NULL);
	if (set->exempt)
		return KEEP_SESSION;
	if (set->policies == NIL && pgcp_setting_disconnect_expired())
		result = END_SESSION;
	foreach(cell, set->policies)
	{
		PgcpPolicy *policy = (PgcpPolicy *) lfirst(cell);

		if (!pgcp_policy_disconnects(policy))
			continue;
		if (pgcp_policy_is_enforced(policy))
			result = END_SESSION;
		else if (result == KEEP_SESSION)
			result = RECORD_ONLY;
	}
	if (result == END_SESSION && pgcp_setting_enforce() != PGCP_ENFORCE_ON)
		result = RECORD_ONLY;
	return result;
}

/*
 * Ends the sessions whose certificate has expired, as far as the settings and
 * their policies ask for it.  Lowers *next_at to when to look again.
 */
void
pgcp_end_expired_sessions(int64 *next_at)
{
	int64		now = (int64) time(NULL);
	ListCell   *cell;

	if (pgcp_setting_enforce() == PGCP_ENFORCE_OFF)
		return;
	foreach(cell, pgcp_sessions_copy(false))
	{
		PgcpSession *session = (PgcpSession *) lfirst(cell);
		int64		due = session->not_after + pgcp_setting_expiry_grace() + 1;
		PgcpRole	role;
		AtExpiry	what;

		if (!session->has_certificate)
			continue;
		if (due > now)
		{
			*next_at = Min(*next_at, due);
			continue;
		}
		what = at_expiry(session, &role);
		*next_at = Min(*next_at, now + (what == END_SESSION ? SECONDS_TO_EXIT :
										SECONDS_TO_RECONSIDER));
		if (what != KEEP_SESSION && pgcp_session_tell_once(session))
			ereport(LOG,
					(errmsg(what == END_SESSION ?
							"ending session of role \"%s\" with PID %d, as its certificate has expired" :
							"would end session of role \"%s\" with PID %d, as its certificate has expired",
							NameStr(role.name), session->pid),
					 errdetail("The certificate was valid until %s; the grace period is %d s.",
							   timestamptz_to_str(time_t_to_timestamptz((pg_time_t) session->not_after)),
							   pgcp_setting_expiry_grace())));
		if (what == END_SESSION)
			(void) pgcp_session_signal(session);
	}
}
