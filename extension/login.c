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

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "libpq/auth.h"
#include "libpq/hba.h"
#include "miscadmin.h"

#include "pgcp.h"
#include "watch.h"

static ClientAuthentication_hook_type prev_client_authentication = NULL;

/*
 * Did pg_hba.conf's "peer" authenticate this session?  Kept, because the line
 * that port->hba points to is freed when the login is through.
 */
static bool authenticated_by_peer = false;

/* Who was judged, until the login is through. */
static bool names_to_confirm = false;
static Oid	judged_role;
static Oid	judged_database;

/* Most logins have none, so that the first one begins them. */
static void
add_line(StringInfo lines, const char *line)
{
	if (lines->data == NULL)
		initStringInfo(lines);
	else
		appendStringInfoChar(lines, '\n');
	appendStringInfoString(lines, line);
}

static PgcpConnection
connection_of(Port *port)
{
	PgcpConnection connection = {0};

	connection.link = pgcp_session_link(port, &connection.tls_version);
	connection.local = (port->raddr.addr.ss_family == AF_UNIX);
	connection.by_peer = authenticated_by_peer;
	return connection;
}

/* Counts and remembers, as far as anything is to be remembered. */
static void
record(Port *port, const PgcpRole *role, Oid database_oid, List *findings,
	   const PgcertFacts *facts, bool rejects)
{
	ListCell   *cell;
	PgcpFinding *first = findings != NIL ? linitial(findings) : NULL;

	if (!pgcp_shared_is_ready())
		return;
	pgcp_statistics_count(role->oid, database_oid,
						  rejects ? PGCP_REJECTED :
						  first ? PGCP_WOULD_REJECT : PGCP_ACCEPTED,
						  first ? first->reason : NULL);
	foreach(cell, findings)
	{
		PgcpFinding *finding = (PgcpFinding *) lfirst(cell);

		pgcp_rejections_add(port, role, finding, rejects && finding->enforced,
							facts);
	}
}

/*
 * Asks all the policies of the role.  Ends the process if one rejects; the
 * reasons of those in mode=log, and of all unless policies are enforced, go
 * to the log alone.
 */
static void
ask_policies(Port *port, const PgcpConnection *connection, const PgcpRole *role,
			 Oid database_oid)
{
	PgcpPolicySet *set = pgcp_policies_for(role, database_oid, NULL);
	List	   *asked = pgcp_policies_asked(set->policies, connection);
	const char *problem = NULL;
	PgcertFacts *facts;
	List	   *findings;
	StringInfoData rejected = {0};
	StringInfoData recorded = {0};
	ListCell   *cell;

	if (set->exempt || asked == NIL)
		return;
	facts = pgcp_session_facts(port, &problem);
	findings = pgcp_policies_judge(asked, facts, problem, role,
								   (int64) time(NULL));

	foreach(cell, findings)
	{
		PgcpFinding *finding = (PgcpFinding *) lfirst(cell);
		bool		enforced = finding->enforced &&
			pgcp_setting_enforce() == PGCP_ENFORCE_ON;

		add_line(enforced ? &rejected : &recorded, finding->reason);
	}
	record(port, role, database_oid, findings, facts, rejected.len > 0);
	if (recorded.len > 0)
		ereport(LOG,
				(errmsg("certificate policy would reject login as role \"%s\"",
						NameStr(role->name)),
				 errdetail_log("%s", recorded.data)));
	if (rejected.len > 0)
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("certificate policy rejects login as role \"%s\"",
						NameStr(role->name)),
				 errdetail_log("%s", rejected.data)));
}

/*
 * Warns of a certificate that ends soon: within expiry_warning, or within the
 * last tenth of its life if that is shorter, so that certificates made for a
 * day are not complained of all day.
 */
static void
warn_of_expiry(Port *port, const PgcpRole *role)
{
	int64		now = (int64) time(NULL);
	int64		not_before;
	int64		not_after;
	int64		hours;
	char	   *words;

	if (port->peer == NULL || pgcp_setting_expiry_warning() == 0 ||
		!pgcert_time_seconds(X509_get0_notBefore(port->peer), &not_before) ||
		!pgcert_time_seconds(X509_get0_notAfter(port->peer), &not_after) ||
		not_after - now > Min(pgcp_setting_expiry_warning(),
							  (not_after - not_before) / 10))
		return;
	hours = (not_after - now) / 3600;
	words = psprintf("The certificate is valid for another %d days and %d hours, until %s.",
					 (int) (hours / 24), (int) (hours % 24),
					 timestamptz_to_str(time_t_to_timestamptz((pg_time_t) not_after)));
	ereport(LOG,
			(errmsg("client certificate of role \"%s\" expires soon",
					NameStr(role->name)),
			 errdetail_log("%s", words)));
	pgcp_warn_client("your client certificate expires soon", words);
}

/*
 * The server looks up role and database by their names once more, after us,
 * and what it finds may be others by now: a rename came in between.  This is
 * called when the login's transaction ends, which is before the client can do
 * anything.
 */
static void
confirm_names(XactEvent event, void *arg)
{
	bool		enforced;

	if (event != XACT_EVENT_PRE_COMMIT || !names_to_confirm)
		return;
	names_to_confirm = false;
	if (pgcp_setting_enforce() == PGCP_ENFORCE_OFF ||
		(judged_role == GetAuthenticatedUserId() &&
		 judged_database == MyDatabaseId))
		return;
	enforced = pgcp_setting_enforce() == PGCP_ENFORCE_ON;
	ereport(enforced ? FATAL : LOG,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg(enforced ?
					"certificate policy rejects login as role \"%s\"" :
					"certificate policy would reject login as role \"%s\"",
					MyProcPort->user_name),
			 errdetail_log("The role or the database that its name stands for has changed since its policies were judged.")));
}

static void
check_login(Port *port)
{
	PgcpConnection connection = connection_of(port);
	PgcpRole	role;
	Oid			database_oid = InvalidOid;

	judged_role = InvalidOid;
	judged_database = InvalidOid;
	names_to_confirm = true;

	/*
	 * A role that does not exist is turned away later, in the words that any
	 * wrong name gets.
	 */
	if (!pgcp_role_by_name(port->user_name, &role))
		return;

	/* physical replication has no database */
	if (port->database_name != NULL && port->database_name[0] != '\0')
		database_oid = pgcp_database_by_name(port->database_name);
	judged_role = role.oid;
	judged_database = database_oid;

	/*
	 * Before any policy is read: whoever changes one and then judges all
	 * sessions again must find this one, or it reads the new policy.
	 */
	if (pgcp_shared_is_ready())
		pgcp_session_begin(port, &connection, &role, database_oid);
	if (pgcp_setting_enforce() != PGCP_ENFORCE_OFF)
		ask_policies(port, &connection, &role, database_oid);
	warn_of_expiry(port, &role);
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
	RegisterXactCallback(confirm_names, NULL);
}

/*
 * Why a login like this session's would be rejected with a label that is
 * being tried, or NULL if it would not, or if another label is the reason.
 */
char *
pgcp_login_rejection(Port *port, const PgcpRole *role, Oid database_oid,
					 const PgcpTrial *trial)
{
	PgcpConnection connection = connection_of(port);
	PgcpPolicySet *set = pgcp_policies_for(role, database_oid, trial);
	const char *problem = NULL;
	List	   *concerned = NIL;
	StringInfoData rejected = {0};
	ListCell   *cell;

	if (set->exempt)
		return NULL;

	/*
	 * The label of the role itself decides about all: it may stand in for the
	 * default, or have been "exempt".
	 */
	foreach(cell, pgcp_policies_asked(set->policies, &connection))
	{
		PgcpPolicy *policy = (PgcpPolicy *) lfirst(cell);
		bool		of_database = policy->kind == PGCP_POLICY_DATABASE;

		if ((trial->class_oid == AuthIdRelationId &&
			 trial->object_oid == role->oid) ||
			(of_database == (trial->class_oid == DatabaseRelationId) &&
			 policy->object_oid == trial->object_oid))
			concerned = lappend(concerned, policy);
	}
	if (concerned == NIL)
		return NULL;

	foreach(cell, pgcp_policies_judge(concerned,
									  pgcp_session_facts(port, &problem), problem,
									  role, (int64) time(NULL)))
	{
		PgcpFinding *finding = (PgcpFinding *) lfirst(cell);

		if (finding->enforced)
			add_line(&rejected, finding->reason);
	}
	return rejected.data;
}
