/*
 * statistics.c
 *		How often policies accepted and rejected, by role and database.
 *
 * At most max_tracked pairs are kept; a new one takes the place of the one
 * that was quiet for longest.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"

#include "watch.h"

#define REASON_LEN 512

PG_FUNCTION_INFO_V1(pg_stat_cert_policy);
PG_FUNCTION_INFO_V1(pg_stat_cert_policy_reset);

typedef struct Counts
{
	Oid			role_oid;
	Oid			database_oid;
	int64		accepted;
	int64		rejected;
	int64		would_reject;
	TimestampTz last_used;
	TimestampTz last_rejected;	/* 0 if never */
	char		last_reason[REASON_LEN];	/* UTF-8 */
} Counts;

typedef struct Statistics
{
	int			n_used;
	Counts		counts[FLEXIBLE_ARRAY_MEMBER];
} Statistics;

static Statistics *statistics = NULL;

Size
pgcp_statistics_size(void)
{
	return add_size(offsetof(Statistics, counts),
					mul_size(pgcp_setting_max_tracked(), sizeof(Counts)));
}

void
pgcp_statistics_init(void *memory, bool found)
{
	statistics = memory;
	if (!found)
		memset(memory, 0, pgcp_statistics_size());
}

/* The entry of a pair, a fresh one if need be.  The lock must be held. */
static Counts *
find_counts(Oid role_oid, Oid database_oid)
{
	Counts	   *oldest = NULL;
	Counts	   *counts;

	for (int i = 0; i < statistics->n_used; i++)
	{
		counts = &statistics->counts[i];
		if (counts->role_oid == role_oid && counts->database_oid == database_oid)
			return counts;
		if (oldest == NULL || counts->last_used < oldest->last_used)
			oldest = counts;
	}
	counts = oldest;
	if (statistics->n_used < pgcp_setting_max_tracked())
		counts = &statistics->counts[statistics->n_used++];
	memset(counts, 0, sizeof(Counts));
	counts->role_oid = role_oid;
	counts->database_oid = database_oid;
	return counts;
}

/* Counts a login; reason is NULL if it was accepted. */
void
pgcp_statistics_count(Oid role_oid, Oid database_oid, PgcpOutcome outcome,
					  const char *reason)
{
	LWLock	   *lock = pgcp_shared_lock(PGCP_LOCK_STATISTICS);
	TimestampTz now = GetCurrentTimestamp();
	char		short_reason[REASON_LEN] = "";
	Counts	   *counts;

	if (reason != NULL)
		pgcp_copy_utf8(short_reason, reason, sizeof(short_reason));

	LWLockAcquire(lock, LW_EXCLUSIVE);
	counts = find_counts(role_oid, database_oid);
	counts->last_used = now;
	if (outcome == PGCP_ACCEPTED)
		counts->accepted++;
	else
	{
		if (outcome == PGCP_REJECTED)
			counts->rejected++;
		else
			counts->would_reject++;
		counts->last_rejected = now;
		memcpy(counts->last_reason, short_reason, sizeof(short_reason));
	}
	LWLockRelease(lock);
}

/* A copy of all counts, so that rows can be made without the lock. */
static Counts *
copy_counts(int *n)
{
	LWLock	   *lock = pgcp_shared_lock(PGCP_LOCK_STATISTICS);
	Counts	   *copy = palloc(mul_size(pgcp_setting_max_tracked(), sizeof(Counts)));

	LWLockAcquire(lock, LW_SHARED);
	*n = statistics->n_used;
	memcpy(copy, statistics->counts, *n * sizeof(Counts));
	LWLockRelease(lock);
	return copy;
}

Datum
pg_stat_cert_policy(PG_FUNCTION_ARGS)
{
	Counts	   *counts;
	int			n;

	pgcp_materialize(fcinfo);
	if (!pgcp_shared_is_ready())
		return (Datum) 0;
	counts = copy_counts(&n);
	for (int i = 0; i < n; i++)
	{
		Datum		values[7];
		bool		nulls[7] = {false};

		values[0] = ObjectIdGetDatum(counts[i].role_oid);
		nulls[1] = !OidIsValid(counts[i].database_oid);
		values[1] = ObjectIdGetDatum(counts[i].database_oid);
		values[2] = Int64GetDatum(counts[i].accepted);
		values[3] = Int64GetDatum(counts[i].rejected);
		values[4] = Int64GetDatum(counts[i].would_reject);
		nulls[5] = nulls[6] = (counts[i].last_rejected == 0);
		values[5] = TimestampTzGetDatum(counts[i].last_rejected);
		values[6] = PointerGetDatum(pgcp_text_from_utf8(counts[i].last_reason));
		pgcp_put_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

Datum
pg_stat_cert_policy_reset(PG_FUNCTION_ARGS)
{
	LWLock	   *lock;

	if (!pgcp_shared_is_ready())
		PG_RETURN_VOID();
	lock = pgcp_shared_lock(PGCP_LOCK_STATISTICS);
	LWLockAcquire(lock, LW_EXCLUSIVE);
	statistics->n_used = 0;
	LWLockRelease(lock);
	PG_RETURN_VOID();
}
