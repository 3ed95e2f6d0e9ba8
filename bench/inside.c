/*
 * inside.c
 *		A stop-watch around the check at login, inside the server.
 *
 * Loaded behind pg_cert_policy in shared_preload_libraries, so that its hook
 * is called first and ours within it.  What a login wants to have timed is its
 * application_name; the time goes to the log, "bench check 123456".
 *
 *	check...	the whole check of pg_cert_policy, by whatever name behind it
 *	lookups		instead: the bare catalog look-ups that no such check could do
 *				without: role, memberships, database, and their labels
 *
 * Each is measured in backends of its own, since whichever came second in one
 * would find warm caches.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/seclabel.h"
#include "fmgr.h"
#include "libpq/auth.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static ClientAuthentication_hook_type prev_client_authentication = NULL;

static void
look_up_label(Oid class_oid, Oid object_oid)
{
	ObjectAddress object = {class_oid, object_oid, 0};

	(void) GetSecurityLabel(&object, "pg_cert_policy");
}

/* The role's label, and those of all roles that it belongs to. */
static void
look_up_role(Oid oid)
{
	CatCList   *memberships;

	look_up_label(AuthIdRelationId, oid);
	memberships = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(oid));
	for (int i = 0; i < memberships->n_members; i++)
		look_up_role(((Form_pg_auth_members)
					  GETSTRUCT(&memberships->members[i]->tuple))->roleid);
	ReleaseCatCacheList(memberships);
}

static void
look_up_database(const char *name)
{
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
		look_up_label(DatabaseRelationId,
					  ((Form_pg_database) GETSTRUCT(tuple))->oid);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

static void
look_up(Port *port)
{
	HeapTuple	tuple = SearchSysCache1(AUTHNAME,
										PointerGetDatum(port->user_name));

	if (!HeapTupleIsValid(tuple))
		return;
	look_up_role(((Form_pg_authid) GETSTRUCT(tuple))->oid);
	ReleaseSysCache(tuple);
	look_up_database(port->database_name);
}

static void
client_authentication(Port *port, int status)
{
	const char *name = port->application_name ? port->application_name : "";
	instr_time	start;
	instr_time	time;

	INSTR_TIME_SET_CURRENT(start);
	if (strcmp(name, "lookups") == 0)
		look_up(port);
	else if (prev_client_authentication)
		prev_client_authentication(port, status);
	INSTR_TIME_SET_CURRENT(time);
	INSTR_TIME_SUBTRACT(time, start);

	if (strcmp(name, "lookups") == 0 || strncmp(name, "check", 5) == 0)
		elog(LOG, "bench %s %.0f", name, INSTR_TIME_GET_DOUBLE(time) * 1e9);
	if (strcmp(name, "lookups") == 0 && prev_client_authentication)
		prev_client_authentication(port, status);
}

void
_PG_init(void)
{
	prev_client_authentication = ClientAuthentication_hook;
	ClientAuthentication_hook = client_authentication;
}
