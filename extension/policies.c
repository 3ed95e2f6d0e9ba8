/*
 * policies.c
 *		Which policies apply to a login, and what each says to it.
 *
 * A role's own label, or default_policy if it has none; plus the labels of
 * all roles it belongs to; plus the label of the database.  All must accept.
 * A policy that cannot be read stays in the list: it rejects whom it covers.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "mb/pg_wchar.h"
#include "storage/sinval.h"
#include "utils/inval.h"

#include "pgcp.h"

/* Each reading takes microseconds, so this many are never in vain. */
#define MAX_READINGS 100

/*
 * Parses a policy as that of a role, group, database or of default_policy.
 * Never raises an error: NULL, with *error filled in, if it is not one.
 */
PgcertPolicy *
pgcp_policy_parse(PgcpPolicyKind kind, const char *text, PgcertError *error)
{
	PgcertPolicy *policy;

	memset(error, 0, sizeof(*error));
	policy = pgcert_policy_parse(text, error);
	if (policy != NULL && policy->exempt && kind == PGCP_POLICY_DATABASE)
	{
		pgcert_policy_free(policy);
		pgcert_error_set(error, 1, "\"exempt\" cannot be the policy of a database");
		pgcert_error_hint(error, "Only a role can be exempt.");
		return NULL;
	}
	return policy;
}

/* The error's message, with clause and position, as one palloc'd phrase. */
char *
pgcp_policy_error_text(const PgcertError *error)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, error->message);
	if (error->clause[0] && error->position > 0)
		appendStringInfo(&text, " (clause \"%s\", position %zu)",
						 error->clause, error->position);
	else if (error->position > 0)
		appendStringInfo(&text, " (position %zu)", error->position);
	return text.data;
}

/* Raises the error of a policy that somebody just wrote. */
void
pgcp_policy_report_error(const char *whose, const char *text,
						 const PgcertError *error)
{
	size_t		before = error->position > 0 ? error->position - 1 : 0;

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_NAME),
			 errmsg("invalid certificate policy of %s: %s",
					whose, error->message),
			 error->clause[0] && error->position > 0 ?
			 errdetail("Clause \"%s\", position %zu.",
					   error->clause, error->position) :
			 error->position > 0 ?
			 errdetail("Position %zu.", error->position) : 0,
			 error->hint[0] ? errhint("%s", error->hint) :
			 errhint("A policy is \"any\", \"exempt\", or clauses such as eku=clientAuth, with settings before them; \"or\" begins another alternative."),
	/* psql shows the policy with a caret below the position */
			 error->position > 0 ? internalerrquery(text) : 0,
			 error->position > 0 ?
			 internalerrposition(pg_mbstrlen_with_len(text, before) + 1) : 0));
}

/* Makes a policy of its text; NULL stands for one that cannot be fetched. */
PgcpPolicy *
pgcp_policy_read(PgcpPolicyKind kind, Oid object_oid, char *text)
{
	PgcpPolicy *policy = palloc0(sizeof(PgcpPolicy));
	PgcpHold   *hold = pgcp_hold(pgcp_free_policy);
	PgcertError error;

	policy->kind = kind;
	policy->object_oid = object_oid;
	policy->text = text;

	if (text == NULL)
	{
		policy->problem = psprintf("it is stored out of line, being far longer than %d bytes",
								   PGCERT_POLICY_MAX_LEN);
		return policy;
	}
	hold->object = pgcp_policy_parse(kind, text, &error);
	policy->parsed = hold->object;
	if (policy->parsed == NULL)
		policy->problem = pgcp_policy_error_text(&error);
	return policy;
}

/* The label of an object, or the text that is tried in its place. */
static PgcpLabel *
label_or_trial(Oid class_oid, Oid object_oid, const PgcpTrial *trial)
{
	PgcpLabel  *label;

	if (trial == NULL || trial->class_oid != class_oid ||
		trial->object_oid != object_oid)
		return pgcp_label_of_object(class_oid, object_oid);
	if (trial->text == NULL)
		return NULL;
	label = palloc0(sizeof(PgcpLabel));
	label->class_oid = class_oid;
	label->object_oid = object_oid;
	label->text = pstrdup(trial->text);
	return label;
}

static PgcpPolicySet *
read_policies(const PgcpRole *role, Oid database_oid, const PgcpTrial *trial)
{
	PgcpPolicySet *set = palloc0(sizeof(PgcpPolicySet));
	PgcpLabel  *label;
	ListCell   *cell;

	/*
	 * Break glass.  It counts for superusers only: anybody who may rename
	 * roles could otherwise rename one into the list.
	 */
	if (role->superuser && pgcp_setting_exempts_role(NameStr(role->name)))
	{
		set->exempt = true;
		return set;
	}

	label = label_or_trial(AuthIdRelationId, role->oid, trial);
	if (label != NULL)
	{
		set->own = pgcp_policy_read(PGCP_POLICY_ROLE, role->oid, label->text);
		if (set->own->parsed != NULL && set->own->parsed->exempt)
		{
			set->exempt = true;
			return set;
		}
		set->policies = lappend(set->policies, set->own);
	}
	else if (pgcp_setting_default_policy() != NULL)
	{
		PgcpPolicy *policy;

		policy = pgcp_policy_read(PGCP_POLICY_DEFAULT, InvalidOid,
								  pstrdup(pgcp_setting_default_policy()));
		if (policy->parsed == NULL || !policy->parsed->exempt)
			set->policies = lappend(set->policies, policy);
	}

	foreach(cell, pgcp_groups_of_role(role->oid))
	{
		PgcpGroup  *group = (PgcpGroup *) lfirst(cell);
		PgcpPolicy *policy;

		label = label_or_trial(AuthIdRelationId, group->oid, trial);
		if (label == NULL)
			continue;
		policy = pgcp_policy_read(PGCP_POLICY_GROUP, group->oid, label->text);

		/* it lifts what binds the group's own logins, not its members' */
		if (policy->parsed != NULL && policy->parsed->exempt)
			continue;
		policy->through = group->member;
		set->policies = lappend(set->policies, policy);
	}

	if (OidIsValid(database_oid))
	{
		label = label_or_trial(DatabaseRelationId, database_oid, trial);
		if (label != NULL)
			set->policies = lappend(set->policies,
									pgcp_policy_read(PGCP_POLICY_DATABASE,
													 database_oid, label->text));
	}
	return set;
}

/*
 * The policies that apply to a login of this role into this database
 * (InvalidOid for physical replication, which has none).  With a trial, as if
 * that label were stored.
 *
 * They are all read as of one moment: half of what was before a change and
 * half of what came after may let in whom neither would.  Everything here is
 * read with the catalog snapshot, which stays the same until a message of a
 * change comes in; so if one did, all is read again.
 */
PgcpPolicySet *
pgcp_policies_for(const PgcpRole *role, Oid database_oid,
				  const PgcpTrial *trial)
{
	AcceptInvalidationMessages();
	for (int i = 0; i < MAX_READINGS; i++)
	{
		uint64		changes = SharedInvalidMessageCounter;
		PgcpPolicySet *set = read_policies(role, database_oid, trial);

		AcceptInvalidationMessages();
		if (changes == SharedInvalidMessageCounter)
			return set;
	}
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not read the certificate policies of role \"%s\"",
					NameStr(role->name)),
			 errdetail("The catalogs changed each time that they were being read."),
			 errhint("Try again.")));
	pg_unreachable();
}

/*
 * The name of the role, group or database; NULL for the default, and for what
 * was dropped a moment ago.  A policy that accepts never needs it.
 */
char *
pgcp_policy_name(const PgcpPolicy *policy)
{
	switch (policy->kind)
	{
		case PGCP_POLICY_ROLE:
		case PGCP_POLICY_GROUP:
			return pgcp_role_name(policy->object_oid);
		case PGCP_POLICY_DATABASE:
			return pgcp_database_name(policy->object_oid);
		case PGCP_POLICY_DEFAULT:
			break;
	}
	return NULL;
}

/* Whose policy: role "x", group "g", database "d", default_policy. */
char *
pgcp_policy_owner(const PgcpPolicy *policy)
{
	const char *kind =
		policy->kind == PGCP_POLICY_ROLE ? "role" :
		policy->kind == PGCP_POLICY_GROUP ? "group" : "database";
	char	   *name = pgcp_policy_name(policy);

	if (policy->kind == PGCP_POLICY_DEFAULT)
		return pstrdup("default_policy");
	if (name == NULL)
		return psprintf("%s %u", kind, policy->object_oid);
	return psprintf("%s \"%s\"", kind, name);
}

/* Does it reject, as far as it is asked?  What cannot be read does. */
bool
pgcp_policy_is_enforced(const PgcpPolicy *policy)
{
	return policy->parsed == NULL || policy->parsed->mode != PGCERT_MODE_LOG;
}

/* How it treats Unix-domain sockets: its own setting, or the server's. */
PgcertLocal
pgcp_policy_local(const PgcpPolicy *policy)
{
	if (policy->parsed != NULL && policy->parsed->local != PGCERT_LOCAL_UNSET)
		return policy->parsed->local;
	return pgcp_setting_local_connections();
}

/* Does it end sessions whose certificate expires? */
bool
pgcp_policy_disconnects(const PgcpPolicy *policy)
{
	if (policy->parsed != NULL &&
		policy->parsed->on_expiry != PGCERT_ON_EXPIRY_UNSET)
		return policy->parsed->on_expiry == PGCERT_ON_EXPIRY_DISCONNECT;
	return pgcp_setting_disconnect_expired();
}

/* Those that do not leave this connection alone for being local. */
List *
pgcp_policies_asked(List *policies, const PgcpConnection *connection)
{
	List	   *asked = NIL;
	ListCell   *cell;

	foreach(cell, policies)
	{
		PgcpPolicy *policy = (PgcpPolicy *) lfirst(cell);
		PgcertLocal local = pgcp_policy_local(policy);

		if (connection->local &&
			(local == PGCERT_LOCAL_ALLOW ||
			 (local == PGCERT_LOCAL_PEER && connection->by_peer)))
			continue;
		asked = lappend(asked, policy);
	}
	return asked;
}

/*
 * Asks all the policies, and returns a PgcpFinding for each that does not
 * accept.  facts is NULL, and problem says why, if there are none.
 */
List *
pgcp_policies_judge(List *policies, const PgcertFacts *facts,
					const char *problem, const PgcpRole *role, int64 now)
{
	List	   *findings = NIL;
	ListCell   *cell;

	foreach(cell, policies)
	{
		PgcpPolicy *policy = (PgcpPolicy *) lfirst(cell);
		PgcertVerdict *verdict = NULL;
		char	   *reason;
		PgcpFinding *finding;

		if (policy->parsed != NULL && facts == NULL)
			reason = psprintf("Policy of %s could not be judged: %s.",
							  pgcp_policy_owner(policy), problem);
		else
		{
			verdict = pgcp_policy_judge(policy, facts, role, now);
			reason = pgcp_policy_rejection(policy, verdict);
		}
		if (reason == NULL)
			continue;
		finding = palloc(sizeof(PgcpFinding));
		finding->policy = policy;
		finding->verdict = verdict;
		finding->reason = reason;
		finding->enforced = pgcp_policy_is_enforced(policy);
		findings = lappend(findings, finding);
	}
	return findings;
}

/*
 * The verdict on the facts.  NULL if there is none, because the policy cannot
 * be read or OpenSSL failed: a rejection.
 */
PgcertVerdict *
pgcp_policy_judge(const PgcpPolicy *policy, const PgcertFacts *facts,
				  const PgcpRole *role, int64 now)
{
	PgcpHold   *hold = pgcp_hold(pgcp_free_verdict);

	if (policy->parsed == NULL)
		return NULL;
	hold->object = pgcert_judge(policy->parsed, facts, NameStr(role->name),
								now);
	return hold->object;
}

/*
 * Why the policy does not accept, as one line; NULL if it does.  The server
 * knows all the facts, so that "unknown" is no excuse here.
 */
char *
pgcp_policy_rejection(const PgcpPolicy *policy, const PgcertVerdict *verdict)
{
	if (policy->parsed == NULL)
		return psprintf("Policy of %s cannot be read: %s.",
						pgcp_policy_owner(policy), policy->problem);
	if (verdict == NULL)
		return psprintf("Policy of %s could not be judged: out of memory, or an error of OpenSSL.",
						pgcp_policy_owner(policy));
	if (verdict->truth == PGCERT_TRUE)
		return NULL;
	return psprintf("Policy of %s: %s.", pgcp_policy_owner(policy),
					pgcp_take_text(pgcert_verdict_reason(verdict)));
}
