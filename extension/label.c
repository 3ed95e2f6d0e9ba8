/*
 * label.c
 *		The label provider: who may set a policy, on what, and which texts.
 *
 * Whether a text is accepted depends on the text alone, or a dump could not
 * be restored; what the state of the server has to say about it comes as a
 * warning.  Labels are accepted only where a dump carries them.
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_shseclabel.h"
#include "commands/seclabel.h"
#include "miscadmin.h"

#include "pgcp.h"

/*
 * A login cannot fetch what is stored out of line, so that a row of
 * pg_shseclabel with the longest of policies must never get there: header,
 * two OIDs, the provider's name and the text.
 */
StaticAssertDecl(MAXALIGN(SizeofHeapTupleHeader) + 2 * sizeof(Oid) +
				 VARHDRSZ + sizeof(PGCP_PROVIDER) + 2 * MAXIMUM_ALIGNOF +
				 VARHDRSZ + PGCERT_POLICY_MAX_LEN <= TOAST_TUPLE_THRESHOLD,
				 "the longest policy does not fit into a row of pg_shseclabel");

/* Text for the log, without control bytes; a label may be put in by hand. */
static char *
quoted(const char *label)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	if (label == NULL)
		return pstrdup("none");
	pgcert_buf_text(&buf, "\"");
	pgcert_buf_escaped(&buf, label, strlen(label));
	pgcert_buf_text(&buf, "\"");
	return pgcp_take_text(pgcert_buf_take(&buf));
}

static void
log_change(const ObjectAddress *object, const char *whose, const char *label)
{
	char	   *old = GetSecurityLabel(object, PGCP_PROVIDER);

	ereport(LOG_SERVER_ONLY,
			(errmsg("certificate policy of %s set by role \"%s\"",
					whose, GetUserNameFromId(GetUserId(), false)),
			 errdetail("Old policy: %s. New policy: %s.",
					   quoted(old), quoted(label)),
			 errhidestmt(true)));
}

/* Would this session's own user fail the next login like this one? */
static void
warn_of_lockout(const ObjectAddress *object, const char *label)
{
	PgcpRole	self;
	PgcpTrial	trial;
	char	   *reason;

	if (MyProcPort == NULL || MyProcPort->user_name == NULL ||
		pgcp_setting_enforce() != PGCP_ENFORCE_ON ||
		!pgcp_role_by_oid(GetSessionUserId(), &self))
		return;
	trial.class_oid = object->classId;
	trial.object_oid = object->objectId;
	trial.text = label;
	reason = pgcp_login_rejection(MyProcPort, &self, MyDatabaseId, &trial);
	if (reason != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("a new login like that of this session will be rejected"),
				 errdetail("%s", reason),
				 errhint("Keep this session open until another login has worked. \"pg_cert_policy.exempt_roles\" and \"pg_cert_policy.enforce\" let superusers back in.")));
}

static void
warn(const ObjectAddress *object, const char *whose, const char *label,
	 const PgcertPolicy *policy)
{
	if (!pgcp_is_preloaded())
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the certificate policy of %s is stored, but nothing is enforced",
						whose),
				 errdetail("The library \"pg_cert_policy\" is not in \"shared_preload_libraries\"."),
				 errhint("Add it there and restart the server.")));
	if (policy != NULL && pgcert_policy_trusts_issuer_alone(policy))
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("the clause \"issuer\" binds nothing by itself"),
				 errdetail("Any trusted CA can sign an intermediate CA with that name."),
				 errhint("Add a clause \"ca\" or \"ca_key_sha256\".")));
	if (policy != NULL && object->classId == AuthIdRelationId &&
		pgcert_policy_has_literal_cn(policy) &&
		pgcp_role_has_members(object->objectId))
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("the certificate policy of %s asks its members for one and the same common name",
						whose),
				 errdetail("The policy of a role applies to all of its members as well."),
				 errhint("Write \"cn=%%role\" to ask each for its own name.")));
	if (pgcp_is_preloaded())
		warn_of_lockout(object, label);
}

/*
 * Called for each SECURITY LABEL statement, before anything is written.  The
 * server has checked less than is needed: it lets the owner of a database,
 * and up to 15 anyone with CREATEROLE, set labels.
 */
static void
check_label(const ObjectAddress *object, const char *label)
{
	PgcpHold   *hold = pgcp_hold(pgcp_free_policy);
	PgcertError error;
	PgcpPolicyKind kind;
	char	   *whose;

	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set a certificate policy"),
				 errdetail("Only superusers may set certificate policies.")));

	if (object->classId == AuthIdRelationId)
	{
		char	   *name = GetUserNameFromId(object->objectId, false);

		kind = PGCP_POLICY_ROLE;
		whose = psprintf("role \"%s\"", name);
		if (label != NULL && IsReservedName(name))
			ereport(ERROR,
					(errcode(ERRCODE_RESERVED_NAME),
					 errmsg("cannot set a certificate policy on %s", whose),
					 errdetail("No dump would carry it: pg_dumpall leaves out the labels of roles whose names start with \"pg_\"."),
					 errhint("Set the policy on a role of your own that is a member.")));
	}
	else if (object->classId == DatabaseRelationId)
	{
		char	   *name = pgcp_database_name(object->objectId);

		kind = PGCP_POLICY_DATABASE;
		whose = psprintf("database \"%s\"", name ? name : "?");
	}
	else if (label == NULL)
		return;					/* put there by hand: let it be removed */
	else
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("certificate policies can be set on roles and databases only")));

	if (label != NULL)
	{
		hold->object = pgcp_policy_parse(kind, label, &error);
		if (hold->object == NULL)
			pgcp_policy_report_error(whose, label, &error);
	}
	log_change(object, whose, label);
	warn(object, whose, label, hold->object);
}

void
pgcp_label_register(void)
{
	register_label_provider(PGCP_PROVIDER, check_label);
}
