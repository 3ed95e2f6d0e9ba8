/*
 * sql_policies.c
 *		pg_cert_policies and pg_cert_policy_for(): what is set, what applies.
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "pgcp.h"

PG_FUNCTION_INFO_V1(pg_cert_policies);
PG_FUNCTION_INFO_V1(pg_cert_policy_for);

static const char *
kind_word(PgcpPolicyKind kind)
{
	switch (kind)
	{
		case PGCP_POLICY_ROLE:
			return "role";
		case PGCP_POLICY_GROUP:
			return "group";
		case PGCP_POLICY_DATABASE:
			return "database";
		case PGCP_POLICY_DEFAULT:
			break;
	}
	return "default";
}

static const char *
local_word(PgcertLocal local)
{
	switch (local)
	{
		case PGCERT_LOCAL_PEER:
			return "peer";
		case PGCERT_LOCAL_ALLOW:
			return "allow";
		case PGCERT_LOCAL_REJECT:
		case PGCERT_LOCAL_UNSET:
			break;
	}
	return "reject";
}

/* What a rejection by this policy comes to, here and now. */
static const char *
mode_word(const PgcpPolicy *policy)
{
	if (!pgcp_is_preloaded() || pgcp_setting_enforce() == PGCP_ENFORCE_OFF)
		return "off";
	if (pgcp_setting_enforce() == PGCP_ENFORCE_LOG ||
		!pgcp_policy_is_enforced(policy))
		return "log";
	return "enforce";
}

static void
add_key(StringInfo json, const char *key)
{
	if (json->len > 1)
		appendStringInfoString(json, ", ");
	escape_json(json, key);
	appendStringInfoString(json, ": ");
}

static void
add_clause(StringInfo json, const PgcertClause *clause)
{
	appendStringInfoString(json, "{\"clause\": ");
	escape_json(json, pgcert_clause_name(clause->kind));
	appendStringInfo(json, ", \"operator\": \"%s\", \"values\": [",
					 clause->negated ? "!=" : "=");
	for (size_t i = 0; i < clause->n_values; i++)
	{
		if (i > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, clause->values[i].text);
	}
	appendStringInfoString(json, "]}");
}

/* The tree of a policy, as {"mode": ..., "alternatives": [[{...}, ...], ...]} */
static Datum
policy_jsonb(const PgcertPolicy *policy)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	if (policy->mode != PGCERT_MODE_UNSET)
	{
		add_key(&json, "mode");
		escape_json(&json, policy->mode == PGCERT_MODE_LOG ? "log" : "enforce");
	}
	if (policy->local != PGCERT_LOCAL_UNSET)
	{
		add_key(&json, "local");
		escape_json(&json, local_word(policy->local));
	}
	if (policy->on_expiry != PGCERT_ON_EXPIRY_UNSET)
	{
		add_key(&json, "on_expiry");
		escape_json(&json, policy->on_expiry == PGCERT_ON_EXPIRY_KEEP ?
					"keep" : "disconnect");
	}
	if (policy->exempt || policy->any)
	{
		add_key(&json, policy->exempt ? "exempt" : "any");
		appendStringInfoString(&json, "true");
	}
	else
	{
		add_key(&json, "alternatives");
		appendStringInfoChar(&json, '[');
		for (size_t a = 0; a < policy->n_alternatives; a++)
		{
			const PgcertAlternative *alternative = &policy->alternatives[a];

			appendStringInfoString(&json, a > 0 ? ", [" : "[");
			for (size_t c = 0; c < alternative->n_clauses; c++)
			{
				if (c > 0)
					appendStringInfoString(&json, ", ");
				add_clause(&json, &alternative->clauses[c]);
			}
			appendStringInfoChar(&json, ']');
		}
		appendStringInfoChar(&json, ']');
	}
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

static Datum
name_or_null(const char *name, bool *isnull)
{
	*isnull = name == NULL;
	return name == NULL ? (Datum) 0 :
		DirectFunctionCall1(namein, CStringGetDatum(name));
}

static Datum
text_or_null(const char *words, bool *isnull)
{
	*isnull = words == NULL;
	return words == NULL ? (Datum) 0 : CStringGetTextDatum(words);
}

/* A label may be put in by hand, in whatever bytes. */
static Datum
policy_text_or_null(const char *label, bool *isnull)
{
	*isnull = label == NULL;
	return label == NULL ? (Datum) 0 :
		PointerGetDatum(pgcp_text_from_utf8(label));
}

/* How many login roles each policy covers, found by asking for each role. */
typedef struct PolicyCount
{
	PgcpPolicy *policy;
	int64		covers;
} PolicyCount;

static int
compare_counts(const void *a, const void *b)
{
	const PgcpPolicy *x = ((const PolicyCount *) a)->policy;
	const PgcpPolicy *y = ((const PolicyCount *) b)->policy;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->object_oid < y->object_oid ? -1 : x->object_oid > y->object_oid;
}

/* One more role for a policy; what is not among the sorted counts is new. */
static void
count_policy(PolicyCount *counts, int n_counts, const PgcpPolicy *policy)
{
	PgcpPolicy	key = *policy;
	PolicyCount wanted = {&key, 0};
	PolicyCount *found;

	/* a group's policy is the label of a role */
	if (key.kind == PGCP_POLICY_GROUP)
		key.kind = PGCP_POLICY_ROLE;
	found = bsearch(&wanted, counts, n_counts, sizeof(PolicyCount), compare_counts);
	if (found != NULL)
		found->covers++;
}

/* The counts must be sorted.  A database's policy covers all but exempt roles. */
static void
count_covered_roles(PolicyCount *counts, int n_counts)
{
	MemoryContext context;
	MemoryContext caller;
	List	   *roles = pgcp_login_roles();
	int64		n_bound = 0;
	ListCell   *cell;

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_cert_policies",
									ALLOCSET_DEFAULT_SIZES);
	foreach(cell, roles)
	{
		PgcpPolicySet *set;
		ListCell   *policy_cell;

		CHECK_FOR_INTERRUPTS();
		caller = MemoryContextSwitchTo(context);
		set = pgcp_policies_for((PgcpRole *) lfirst(cell), InvalidOid, NULL);
		foreach(policy_cell, set->policies)
			count_policy(counts, n_counts, (PgcpPolicy *) lfirst(policy_cell));
		if (!set->exempt)
			n_bound++;
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	for (int i = 0; i < n_counts; i++)
	{
		if (counts[i].policy->kind == PGCP_POLICY_DATABASE)
			counts[i].covers = n_bound;
	}
}

/* The policy of a label; NULL if it is on no role and no database. */
static PgcpPolicy *
policy_of_label(PgcpLabel *label)
{
	if (label->class_oid == AuthIdRelationId)
		return pgcp_policy_read(PGCP_POLICY_ROLE, label->object_oid, label->text);
	if (label->class_oid == DatabaseRelationId)
		return pgcp_policy_read(PGCP_POLICY_DATABASE, label->object_oid,
								label->text);
	return NULL;
}

/* Every labelled role and database, and the default. */
Datum
pg_cert_policies(PG_FUNCTION_ARGS)
{
	enum
	{
		COL_KIND, COL_NAME, COL_POLICY, COL_PARSED, COL_VALID, COL_PROBLEM,
		COL_COVERS, N_COLS
	};
	List	   *labels = pgcp_labels();
	PolicyCount *counts = palloc0(sizeof(PolicyCount) * (list_length(labels) + 1));
	int			n_counts = 0;
	ListCell   *cell;

	pgcp_materialize(fcinfo);
	foreach(cell, labels)
	{
		PgcpPolicy *policy = policy_of_label((PgcpLabel *) lfirst(cell));

		if (policy != NULL)
			counts[n_counts++].policy = policy;
	}
	if (pgcp_setting_default_policy() != NULL)
		counts[n_counts++].policy =
			pgcp_policy_read(PGCP_POLICY_DEFAULT, InvalidOid,
							 pstrdup(pgcp_setting_default_policy()));
	qsort(counts, n_counts, sizeof(PolicyCount), compare_counts);
	count_covered_roles(counts, n_counts);

	for (int i = 0; i < n_counts; i++)
	{
		PgcpPolicy *policy = counts[i].policy;
		Datum		values[N_COLS] = {0};
		bool		nulls[N_COLS] = {false};

		values[COL_KIND] = CStringGetTextDatum(kind_word(policy->kind));
		values[COL_NAME] = name_or_null(pgcp_policy_name(policy), &nulls[COL_NAME]);
		values[COL_POLICY] = policy_text_or_null(policy->text, &nulls[COL_POLICY]);
		nulls[COL_PARSED] = policy->parsed == NULL;
		if (policy->parsed != NULL)
			values[COL_PARSED] = policy_jsonb(policy->parsed);
		values[COL_VALID] = BoolGetDatum(policy->parsed != NULL);
		values[COL_PROBLEM] = text_or_null(policy->problem, &nulls[COL_PROBLEM]);
		values[COL_COVERS] = Int64GetDatum(counts[i].covers);
		pgcp_put_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/* The names of the groups on the way to one, the role's own group first. */
static Datum
names_of_steps(const PgcpGroup *last)
{
	Datum	   *items;
	int			n = 0;
	int			at;

	for (const PgcpGroup *step = last; step; step = step->member)
		n++;
	items = palloc(sizeof(Datum) * Max(n, 1));
	at = n;
	for (const PgcpGroup *step = last; step; step = step->member)
	{
		char	   *name = pgcp_role_name(step->oid);

		/* the number of one that was dropped a moment ago */
		if (name == NULL)
			name = psprintf("%u", step->oid);
		items[--at] = DirectFunctionCall1(namein, CStringGetDatum(name));
	}
	return PointerGetDatum(construct_array(items, n, NAMEOID, NAMEDATALEN,
										   false, TYPALIGN_CHAR));
}

static void
put_applying_policy(FunctionCallInfo fcinfo, const PgcpPolicy *policy)
{
	enum
	{
		COL_KIND, COL_NAME, COL_THROUGH, COL_POLICY, COL_MODE, COL_LOCAL,
		COL_VALID, COL_PROBLEM, N_COLS
	};
	Datum		values[N_COLS] = {0};
	bool		nulls[N_COLS] = {false};

	values[COL_KIND] = CStringGetTextDatum(kind_word(policy->kind));
	values[COL_NAME] = name_or_null(pgcp_policy_name(policy), &nulls[COL_NAME]);
	nulls[COL_THROUGH] = policy->kind != PGCP_POLICY_GROUP;
	if (policy->kind == PGCP_POLICY_GROUP)
		values[COL_THROUGH] = names_of_steps(policy->through);
	values[COL_POLICY] = policy_text_or_null(policy->text, &nulls[COL_POLICY]);
	values[COL_MODE] = CStringGetTextDatum(mode_word(policy));
	values[COL_LOCAL] = CStringGetTextDatum(local_word(pgcp_policy_local(policy)));
	values[COL_VALID] = BoolGetDatum(policy->parsed != NULL);
	values[COL_PROBLEM] = text_or_null(policy->problem, &nulls[COL_PROBLEM]);
	pgcp_put_row(fcinfo, values, nulls);
}

/* The policies that a login of this role into this database would meet. */
Datum
pg_cert_policy_for(PG_FUNCTION_ARGS)
{
	const char *role_name = NameStr(*PG_GETARG_NAME(0));
	const char *database_name = NameStr(*PG_GETARG_NAME(1));
	PgcpRole	role;
	Oid			database_oid = InvalidOid;
	PgcpPolicySet *set;
	ListCell   *cell;

	pgcp_materialize(fcinfo);
	if (!pgcp_role_by_name(role_name, &role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", role_name)));
	if (database_name[0])
	{
		database_oid = pgcp_database_by_name(database_name);
		if (!OidIsValid(database_oid))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_DATABASE),
					 errmsg("database \"%s\" does not exist", database_name)));
	}

	set = pgcp_policies_for(&role, database_oid, NULL);
	if (set->exempt && set->own != NULL)
		put_applying_policy(fcinfo, set->own);
	foreach(cell, set->policies)
		put_applying_policy(fcinfo, (PgcpPolicy *) lfirst(cell));
	return (Datum) 0;
}
