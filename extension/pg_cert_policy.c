/*
 * pg_cert_policy.c
 *		Entry point of the library.
 *
 * Preloaded, it checks logins.  Loaded into a single session, it offers the
 * SQL functions and accepts labels, and says that nothing is enforced.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "pgcp.h"
#include "watch.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(pg_cert_policy_created);

void		_PG_init(void);

static bool preloaded = false;

void
_PG_init(void)
{
	preloaded = process_shared_preload_libraries_in_progress;

	pgcp_settings_define();
	pgcp_label_register();

	/*
	 * pg_upgrade's own logins bring no certificate, and must not need one.
	 * Labels, on the other hand, have to be restored there.
	 */
	if (preloaded && !IsBinaryUpgrade)
	{
		pgcp_shared_request();
		pgcp_watchdog_register();
		pgcp_login_install();
	}
}

/* Loaded by shared_preload_libraries, so that it sees logins? */
bool
pgcp_is_preloaded(void)
{
	return preloaded;
}

/* Called once by the install script: loads the library, and warns. */
Datum
pg_cert_policy_created(PG_FUNCTION_ARGS)
{
	if (!preloaded)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no certificate policy is enforced"),
				 errdetail("The library \"pg_cert_policy\" is not in \"shared_preload_libraries\"."),
				 errhint("Add it there and restart the server.")));
	PG_RETURN_VOID();
}
