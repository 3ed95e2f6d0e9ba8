/*
 * watchdog.c
 *		The background process that watches sessions after their login.
 *
 * A timer inside each session would not do: PostgreSQL clears a session's
 * timers at every error.  So one process keeps the time for all.  It sleeps
 * until the next certificate expires, the next recheck is due, or a login
 * with a certificate that expires earlier wakes it.
 */
#include "postgres.h"

#include <time.h>

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "watch.h"

/* Clocks get set, and machines sleep: look at least this often. */
#define MAX_SLEEP 60

/* How soon to look again after an error. */
#define SECONDS_TO_RETRY 60

PGDLLEXPORT void pgcp_watchdog_main(Datum arg);

static void
forget_me(int code, Datum arg)
{
	pgcp_sessions_watched_by(NULL, 0);
}

/* One look at all sessions.  Lowers *next_at to when the next one is due. */
static void
look(bool recheck, int64 *next_at)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgcp_end_expired_sessions(next_at);
	if (recheck)
		(void) pgcp_recheck_sessions();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * As look(), but an error is logged and survived: the others still count, and
 * soon get another look.
 */
static void
look_safely(bool recheck, int64 *next_at)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		look(recheck, next_at);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		*next_at = Min(*next_at, (int64) time(NULL) + SECONDS_TO_RETRY);
	}
	PG_END_TRY();
}

void
pgcp_watchdog_main(Datum arg)
{
	int64		recheck_at = (int64) time(NULL) + pgcp_setting_recheck_interval();

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(forget_me, 0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pgstat_report_activity(STATE_IDLE, NULL);

	for (;;)
	{
		int64		now = (int64) time(NULL);
		int64		interval = pgcp_setting_recheck_interval();
		int64		next_at = now + MAX_SLEEP;
		bool		recheck;

		/* if it is further away than that, the clock was set back */
		recheck = interval > 0 &&
			(now >= recheck_at || recheck_at - now > interval);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			interval = pgcp_setting_recheck_interval();
			recheck_at = now + interval;
			recheck = false;
		}

		/* while we look, whoever logs in wakes us */
		pgcp_sessions_watched_by(MyLatch, PG_INT64_MAX);
		look_safely(recheck, &next_at);
		if (recheck)
			recheck_at = now + interval;
		if (interval > 0)
			next_at = Min(next_at, recheck_at);
		pgcp_sessions_watched_by(MyLatch, next_at);

		now = (int64) time(NULL);
		if (next_at > now)
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 (long) Min(next_at - now, MAX_SLEEP) * 1000L,
							 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* Called from _PG_init(), when the library is preloaded. */
void
pgcp_watchdog_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	/* on a standby too */
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "pg_cert_policy", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "pgcp_watchdog_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, "pg_cert_policy watchdog", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pg_cert_policy watchdog", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
