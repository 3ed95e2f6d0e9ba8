/*
 * login.c
 *		The check at login, in ClientAuthentication_hook.
 *
 * It runs when pg_hba.conf's method has accepted, before the client is told.
 * It can only take away: whatever goes wrong here rejects, unless "enforce"
 * or the policy itself says to record only.  The client learns that a policy
 * rejected, and nothing more; the log has the reason.
 */
#include "postgres.h"

#include <sys/socket.h>
#include <time.h>

#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "libpq/auth.h"
#include "libpq/hba.h"

#include "pgcp.h"

static ClientAuthentication_hook_type prev_client_authentication = NULL;

/*
 * Did pg_hba.conf's "peer" authenticate this session?  Kept, because the line
 * that port->hba points to is freed when the login is through.
 */
static bool authenticated_by_peer = false;

/* Does the policy leave this connection alone, being local? */
static bool
spares_local_connection(const PgcpPolicy *policy, Port *port)
{
	if (port->raddr.addr.ss_family != AF_UNIX)
		return false;
	switch (pgcp_policy_local(policy))
	{
		case PGCERT_LOCAL_ALLOW:
			return true;
		case PGCERT_LOCAL_PEER:
			return authenticated_by_peer;
		case PGCERT_LOCAL_UNSET:
		case PGCERT_LOCAL_REJECT:
			break;
	}
	return false;
}

static void
add_line(StringInfo lines, const char *line)
{
	if (lines->len > 0)
		appendStringInfoChar(lines, '\n');
	appendStringInfoString(lines, line);
}

/*
 * Asks all the policies.  What the enforced ones object to goes to rejected,
 * what those in mode=log object to goes to recorded; one line a policy.
 */
static void
judge_login(Port *port, const PgcpRole *role, List *policies,
			StringInfo rejected, StringInfo recorded)
{
	PgcertFacts *facts = NULL;
	const char *problem = NULL;
	int64		now = (int64) time(NULL);
	ListCell   *cell;

	foreach(cell, policies)
	{
		PgcpPolicy *policy = (PgcpPolicy *) lfirst(cell);
		char	   *reason;

		if (spares_local_connection(policy, port))
			continue;
		if (facts == NULL && problem == NULL)
			facts = pgcp_session_facts(port, &problem);
		if (policy->parsed != NULL && facts == NULL)
			reason = psprintf("Policy of %s could not be judged: %s.",
							  pgcp_policy_owner(policy), problem);
		else
			reason = pgcp_policy_rejection(policy,
										   pgcp_policy_judge(policy, facts,
															 role, now));
		if (reason != NULL)
			add_line(pgcp_policy_is_enforced(policy) ? rejected : recorded,
					 reason);
	}
}

static void
check_login(Port *port)
{
	PgcpRole	role;
	PgcpPolicySet *set;
	StringInfoData rejected;
	StringInfoData recorded;

	/*
	 * A role that does not exist is turned away later, in the words that any
	 * wrong name gets.
	 */
	if (!pgcp_role_by_name(port->user_name, &role))
		return;

	/* physical replication has no database */
	set = pgcp_policies_for(&role,
							port->database_name && port->database_name[0] ?
							pgcp_database_by_name(port->database_name) : InvalidOid,
							NULL);
	if (set->exempt || set->policies == NIL)
		return;

	initStringInfo(&rejected);
	initStringInfo(&recorded);
	judge_login(port, &role, set->policies, &rejected, &recorded);

	if (pgcp_setting_enforce() != PGCP_ENFORCE_ON && rejected.len > 0)
	{
		add_line(&recorded, rejected.data);
		resetStringInfo(&rejected);
	}
	if (recorded.len > 0)
		ereport(LOG,
				(errmsg("certificate policy would reject login as role \"%s\"",
						NameStr(role.name)),
				 errdetail_log("%s", recorded.data)));
	if (rejected.len > 0)
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("certificate policy rejects login as role \"%s\"",
						NameStr(role.name)),
				 errdetail_log("%s", rejected.data)));
}

static void
client_authentication(Port *port, int status)
{
	MemoryContext context;
	MemoryContext caller;

	/* the others first: they may count, and they may still refuse */
	if (prev_client_authentication)
		prev_client_authentication(port, status);
	if (status != STATUS_OK)
		return;
	authenticated_by_peer = port->hba->auth_method == uaPeer;
	if (pgcp_setting_enforce() == PGCP_ENFORCE_OFF)
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_cert_policy login",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	check_login(port);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

void
pgcp_login_install(void)
{
	prev_client_authentication = ClientAuthentication_hook;
	ClientAuthentication_hook = client_authentication;
}

/*
 * Why a login like this session's would be rejected with a label that is
 * being tried, or NULL if it would not, or if another label is the reason.
 */
char *
pgcp_login_rejection(Port *port, const PgcpRole *role, Oid database_oid,
					 const PgcpTrial *trial)
{
	PgcpPolicySet *set = pgcp_policies_for(role, database_oid, trial);
	List	   *concerned = NIL;
	StringInfoData rejected;
	StringInfoData recorded;
	ListCell   *cell;

	if (set->exempt)
		return NULL;

	/*
	 * The label of the role itself decides about all: it may stand in for the
	 * default, or have been "exempt".
	 */
	foreach(cell, set->policies)
	{
		PgcpPolicy *policy = (PgcpPolicy *) lfirst(cell);
		bool		of_database = policy->kind == PGCP_POLICY_DATABASE;

		if ((trial->class_oid == AuthIdRelationId && trial->object_oid == role->oid) ||
			(of_database == (trial->class_oid == DatabaseRelationId) &&
			 policy->object_oid == trial->object_oid))
			concerned = lappend(concerned, policy);
	}
	initStringInfo(&rejected);
	initStringInfo(&recorded);
	judge_login(port, role, concerned, &rejected, &recorded);
	return rejected.len > 0 ? rejected.data : NULL;
}
