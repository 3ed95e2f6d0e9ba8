/*
 * shared.c
 *		The segment of shared memory that sessions, statistics and rejections
 *		live in.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "watch.h"

#define TRANCHE "pg_cert_policy"

static LWLockPadded *locks = NULL;
static shmem_startup_hook_type prev_shmem_startup = NULL;
static shmem_request_hook_type prev_shmem_request = NULL;

static void
request(void)
{
	if (prev_shmem_request)
		prev_shmem_request();
	RequestAddinShmemSpace(add_size(add_size(MAXALIGN(pgcp_sessions_size()),
											 MAXALIGN(pgcp_statistics_size())),
									MAXALIGN(pgcp_rejections_size())));
	RequestNamedLWLockTranche(TRANCHE, PGCP_N_LOCKS);
}

static void
startup(void)
{
	bool		found;
	void	   *memory;

	if (prev_shmem_startup)
		prev_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	locks = GetNamedLWLockTranche(TRANCHE);
	memory = ShmemInitStruct("pg_cert_policy sessions",
							 pgcp_sessions_size(), &found);
	pgcp_sessions_init(memory, found);
	pgcp_statistics_init();
	memory = ShmemInitStruct("pg_cert_policy rejections",
							 pgcp_rejections_size(), &found);
	pgcp_rejections_init(memory, found);
	LWLockRelease(AddinShmemInitLock);
}

/* Called from _PG_init(), when the library is preloaded. */
void
pgcp_shared_request(void)
{
	prev_shmem_request = pgcp_on_shmem_request(request);
	prev_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}

/* False in a server that did not preload the library: nothing is kept then. */
bool
pgcp_shared_is_ready(void)
{
	return locks != NULL;
}

LWLock *
pgcp_shared_lock(int which)
{
	return &locks[which].lock;
}
