/*
 * sql_export.c
 *		pg_cert_policy_export(): every policy as SQL.
 *
 * pg_dumpall leaves out the labels of the databases postgres and template1
 * unless told --clean, and no dump has default_policy.  What cannot be set
 * again, because it cannot be read, is put into a comment.
 */
#include "postgres.h"

#include "catalog/catalog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "utils/builtins.h"

#include "pgcp.h"

PG_FUNCTION_INFO_V1(pg_cert_policy_export);

/* A comment ends with its line, so no byte of a stranger may end it. */
static char *
comment(const char *whose, const char *why)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	pgcert_buf_text(&buf, "-- left out: the policy of ");
	pgcert_buf_escaped(&buf, whose, strlen(whose));
	pgcert_buf_text(&buf, ", ");
	pgcert_buf_escaped(&buf, why, strlen(why));
	return pgcp_take_text(pgcert_buf_take(&buf));
}

static char *
label_statement(const PgcpLabel *label)
{
	bool		is_role = label->class_oid == AuthIdRelationId;
	char	   *name;
	PgcpPolicy *policy;

	if (is_role)
		name = pgcp_role_name(label->object_oid);
	else
		name = pgcp_database_name(label->object_oid);
	if (name == NULL)
		return comment(psprintf("%s %u", is_role ? "role" : "database",
								label->object_oid), "which does not exist");

	policy = pgcp_policy_read(is_role ? PGCP_POLICY_ROLE : PGCP_POLICY_DATABASE,
							  label->object_oid, label->text);
	if (policy->parsed == NULL)
		return comment(pgcp_policy_owner(policy),
					   psprintf("which cannot be read: %s", policy->problem));
	if (is_role && IsReservedName(name))
		return comment(pgcp_policy_owner(policy),
					   "which cannot be set on a role of this name");
	return psprintf("SECURITY LABEL FOR pg_cert_policy ON %s %s IS %s;",
					is_role ? "ROLE" : "DATABASE", quote_identifier(name),
					quote_literal_cstr(label->text));
}

static int
compare_lines(const ListCell *a, const ListCell *b)
{
	return strcmp((const char *) lfirst(a), (const char *) lfirst(b));
}

static char *
default_statement(const char *text)
{
	PgcpPolicy *policy = pgcp_policy_read(PGCP_POLICY_DEFAULT, InvalidOid,
										  pstrdup(text));

	if (policy->parsed == NULL)
		return comment(pgcp_policy_owner(policy),
					   psprintf("which cannot be read: %s", policy->problem));
	return psprintf("ALTER SYSTEM SET pg_cert_policy.default_policy = %s;",
					quote_literal_cstr(text));
}

static List *
all_statements(void)
{
	List	   *lines = NIL;
	ListCell   *cell;

	foreach(cell, pgcp_labels())
	{
		PgcpLabel  *label = (PgcpLabel *) lfirst(cell);

		if (label->class_oid == AuthIdRelationId ||
			label->class_oid == DatabaseRelationId)
			lines = lappend(lines, label_statement(label));
	}
	list_sort(lines, compare_lines);

	/* the session that runs this may not know the label provider */
	lines = lcons("LOAD 'pg_cert_policy';", lines);
	if (pgcp_setting_default_policy() != NULL)
		lines = lappend(lines, default_statement(pgcp_setting_default_policy()));
	return lines;
}

Datum
pg_cert_policy_export(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	List	   *lines;
	char	   *line;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext caller;

		call = SRF_FIRSTCALL_INIT();
		caller = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->user_fctx = all_statements();
		MemoryContextSwitchTo(caller);
	}
	call = SRF_PERCALL_SETUP();
	lines = (List *) call->user_fctx;
	if (call->call_cntr >= (uint64) list_length(lines))
		SRF_RETURN_DONE(call);

	/* before SRF_RETURN_NEXT(), which counts first */
	line = list_nth(lines, (int) call->call_cntr);
	SRF_RETURN_NEXT(call, CStringGetTextDatum(line));
}
