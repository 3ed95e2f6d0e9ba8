/*
 * catalog.c
 *		Roles, memberships, databases and labels, read from the catalogs.
 *
 * Everything here must work while a login is being authenticated: a
 * transaction is open, but no database is connected and no role is set.  Only
 * nailed shared catalogs can be read then, and until the relation cache file
 * of the shared catalogs has been written, not even their indexes.  Hence the
 * scans of our own: get_database_oid() insists on the index (which locks
 * everybody out until that file exists, and it never comes to exist), and
 * is_member_of_role() would fill a cache of this backend with memberships
 * computed without a database.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_shseclabel.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "pgcp.h"

static void
role_from_tuple(HeapTuple tuple, PgcpRole *role)
{
	Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

	role->oid = form->oid;
	role->name = form->rolname;
	role->superuser = form->rolsuper;
	role->can_login = form->rolcanlogin;
}

/* Finds a role as InitializeSessionUserId() will; false if there is none. */
bool
pgcp_role_by_name(const char *name, PgcpRole *role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHNAME, PointerGetDatum(name));

	if (!HeapTupleIsValid(tuple))
		return false;
	role_from_tuple(tuple, role);
	ReleaseSysCache(tuple);
	return true;
}

bool
pgcp_role_by_oid(Oid oid, PgcpRole *role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(oid));

	if (!HeapTupleIsValid(tuple))
		return false;
	role_from_tuple(tuple, role);
	ReleaseSysCache(tuple);
	return true;
}

/* NULL if there is no such role. */
char *
pgcp_role_name(Oid oid)
{
	PgcpRole	role;

	return pgcp_role_by_oid(oid, &role) ? pstrdup(NameStr(role.name)) : NULL;
}

/* All roles that can log in, as a list of PgcpRole. */
List *
pgcp_login_roles(void)
{
	List	   *roles = NIL;
	Relation	relation = table_open(AuthIdRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL,
										  0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		PgcpRole   *role = palloc(sizeof(PgcpRole));

		role_from_tuple(tuple, role);
		if (role->can_login)
			roles = lappend(roles, role);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return roles;
}

/* Does anybody belong to this role?  Not for use during authentication. */
bool
pgcp_role_has_members(Oid oid)
{
	bool		found = false;
	CatCList   *members = SearchSysCacheList1(AUTHMEMROLEMEM,
											  ObjectIdGetDatum(oid));

	for (int i = 0; i < members->n_members && !found; i++)
		found = pgcp_membership_counts((Form_pg_auth_members)
									   GETSTRUCT(&members->members[i]->tuple));
	ReleaseCatCacheList(members);
	return found;
}

/*
 * Every role that this one belongs to, directly or not, as a list of
 * PgcpGroup, nearest first.  Each is listed once, so that loops and diamonds
 * end.  Superusers get no more than others: they are members of what they
 * were made members of.
 */
List *
pgcp_groups_of_role(Oid oid)
{
	List	   *groups = NIL;
	List	   *seen = list_make1_oid(oid);
	int			next = 0;
	PgcpGroup  *member = NULL;

	for (;;)
	{
		Oid			member_oid = member ? member->oid : oid;
		CatCList   *memberships;

		memberships = SearchSysCacheList1(AUTHMEMMEMROLE,
										  ObjectIdGetDatum(member_oid));
		for (int i = 0; i < memberships->n_members; i++)
		{
			HeapTuple	tuple = &memberships->members[i]->tuple;
			Form_pg_auth_members form;
			PgcpGroup  *group;

			form = (Form_pg_auth_members) GETSTRUCT(tuple);
			if (!pgcp_membership_counts(form) ||
				list_member_oid(seen, form->roleid))
				continue;
			group = palloc(sizeof(PgcpGroup));
			group->oid = form->roleid;
			group->member = member;
			groups = lappend(groups, group);
			seen = lappend_oid(seen, form->roleid);
		}
		ReleaseCatCacheList(memberships);

		if (next >= list_length(groups))
			break;
		member = list_nth(groups, next++);
	}
	list_free(seen);
	return groups;
}

/* InvalidOid if there is no such database. */
Oid
pgcp_database_by_name(const char *name)
{
	Oid			oid = InvalidOid;
	Relation	relation = table_open(DatabaseRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_database_datname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(name));
	scan = systable_beginscan(relation, DatabaseNameIndexId,
							  criticalSharedRelcachesBuilt, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		oid = ((Form_pg_database) GETSTRUCT(tuple))->oid;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return oid;
}

/* NULL if there is no such database. */
char *
pgcp_database_name(Oid oid)
{
	char	   *name = NULL;
	Relation	relation = table_open(DatabaseRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_database_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(oid));
	scan = systable_beginscan(relation, DatabaseOidIndexId,
							  criticalSharedRelcachesBuilt, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		name = pstrdup(NameStr(form->datname));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return name;
}

/*
 * A label that is stored out of line cannot be fetched during authentication:
 * the attempt would end the process.  Our provider never writes one; a hand
 * in the catalog can.
 */
static PgcpLabel *
label_from_tuple(HeapTuple tuple, TupleDesc desc)
{
	Form_pg_shseclabel form = (Form_pg_shseclabel) GETSTRUCT(tuple);
	PgcpLabel  *label = palloc0(sizeof(PgcpLabel));
	bool		isnull;
	Datum		datum;

	label->class_oid = form->classoid;
	label->object_oid = form->objoid;
	datum = heap_getattr(tuple, Anum_pg_shseclabel_label, desc, &isnull);
	if (!isnull && !VARATT_IS_EXTERNAL(DatumGetPointer(datum)))
		label->text = TextDatumGetCString(datum);
	return label;
}

/* The policy on a role or a database, or NULL if there is none. */
PgcpLabel *
pgcp_label_of_object(Oid class_oid, Oid object_oid)
{
	PgcpLabel  *label = NULL;
	Relation	relation;
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	relation = table_open(SharedSecLabelRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_shseclabel_objoid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(object_oid));
	ScanKeyInit(&keys[1], Anum_pg_shseclabel_classoid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(class_oid));
	ScanKeyInit(&keys[2], Anum_pg_shseclabel_provider, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(PGCP_PROVIDER));
	scan = systable_beginscan(relation, SharedSecLabelObjectIndexId,
							  criticalSharedRelcachesBuilt, NULL, 3, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		label = label_from_tuple(tuple, RelationGetDescr(relation));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return label;
}

/* All labels of ours, as a list of PgcpLabel. */
List *
pgcp_labels(void)
{
	List	   *labels = NIL;
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	relation = table_open(SharedSecLabelRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_shseclabel_provider, BTEqualStrategyNumber,
				F_TEXTEQ, CStringGetTextDatum(PGCP_PROVIDER));
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		labels = lappend(labels,
						 label_from_tuple(tuple, RelationGetDescr(relation)));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return labels;
}
