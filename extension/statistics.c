/*
 * statistics.c
 *		How often policies accepted and rejected, by role and database.
 *
 * At most max_tracked pairs are kept; a new one takes the place of the one
 * that was quiet for longest.  Every login counts under one lock, so that what
 * is done with it held must not take longer the more pairs there are.
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/builtins.h"

#include "watch.h"

#define REASON_LEN 512

PG_FUNCTION_INFO_V1(pg_stat_cert_policy);
PG_FUNCTION_INFO_V1(pg_stat_cert_policy_reset);

typedef struct Pair
{
	Oid			role_oid;
	Oid			database_oid;	/* InvalidOid for physical replication */
} Pair;

typedef struct Counts
{
	Pair		pair;
	dlist_node	by_use;
	int64		accepted;
	int64		rejected;
	int64		would_reject;
	TimestampTz last_rejected;	/* 0 if never */
	char		last_reason[REASON_LEN];	/* UTF-8 */
} Counts;

static HTAB *counts_of_pairs = NULL;
static dlist_head *pairs_by_use = NULL; /* the one used last is the first */

Size
pgcp_statistics_size(void)
{
	return add_size(MAXALIGN(sizeof(dlist_head)),
					hash_estimate_size(pgcp_setting_max_tracked(),
									   sizeof(Counts)));
}

void
pgcp_statistics_init(void)
{
	HASHCTL		how = {0};
	bool		found;

	pairs_by_use = ShmemInitStruct("pg_cert_policy statistics by use",
								   sizeof(dlist_head), &found);
	if (!found)
		dlist_init(pairs_by_use);
	how.keysize = sizeof(Pair);
	how.entrysize = sizeof(Counts);
	counts_of_pairs = pgcp_shmem_hash("pg_cert_policy statistics",
									  pgcp_setting_max_tracked(), &how,
									  HASH_ELEM | HASH_BLOBS);
}

static void
forget(Counts *counts)
{
	dlist_delete(&counts->by_use);
	hash_search(counts_of_pairs, &counts->pair, HASH_REMOVE, NULL);
}

/*
 * The entry of a pair, a fresh one if need be.  The lock must be held.  NULL
 * if the memory is not enough for max_tracked after all: no login is to fail
 * of it.
 */
static Counts *
find_counts(const Pair *pair)
{
	Counts	   *counts = hash_search(counts_of_pairs, pair, HASH_FIND, NULL);

	if (counts != NULL)
	{
		dlist_move_head(pairs_by_use, &counts->by_use);
		return counts;
	}
	if (hash_get_num_entries(counts_of_pairs) >= pgcp_setting_max_tracked())
		forget(dlist_tail_element(Counts, by_use, pairs_by_use));
	counts = hash_search(counts_of_pairs, pair, HASH_ENTER_NULL, NULL);
	if (counts == NULL)
		return NULL;
	memset(counts, 0, sizeof(Counts));
	counts->pair = *pair;
	dlist_push_head(pairs_by_use, &counts->by_use);
	return counts;
}

/* Counts a login; reason is NULL if it was accepted. */
void
pgcp_statistics_count(Oid role_oid, Oid database_oid, PgcpOutcome outcome,
					  const char *reason)
{
	LWLock	   *lock = pgcp_shared_lock(PGCP_LOCK_STATISTICS);
	Pair		pair = {role_oid, database_oid};
	TimestampTz now = GetCurrentTimestamp();
	char		short_reason[REASON_LEN] = "";
	Counts	   *counts;

	if (reason != NULL)
		pgcp_copy_utf8(short_reason, reason, sizeof(short_reason));

	LWLockAcquire(lock, LW_EXCLUSIVE);
	counts = find_counts(&pair);
	if (counts != NULL && outcome == PGCP_ACCEPTED)
		counts->accepted++;
	else if (counts != NULL)
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
	dlist_iter	iter;

	*n = 0;
	LWLockAcquire(lock, LW_SHARED);
	dlist_foreach(iter, pairs_by_use)
		copy[(*n)++] = *dlist_container(Counts, by_use, iter.cur);
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

		values[0] = ObjectIdGetDatum(counts[i].pair.role_oid);
		nulls[1] = !OidIsValid(counts[i].pair.database_oid);
		values[1] = ObjectIdGetDatum(counts[i].pair.database_oid);
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
	while (!dlist_is_empty(pairs_by_use))
		forget(dlist_head_element(Counts, by_use, pairs_by_use));
	LWLockRelease(lock);
	PG_RETURN_VOID();
}
