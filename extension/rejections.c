/*
 * rejections.c
 *		The last logins that a policy did not accept, in a ring.
 *
 * One entry for each policy and alternative that failed, as in the log; what
 * is rejected and what only would have been stand side by side.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "common/ip.h"
#include "utils/builtins.h"
#include "utils/inet.h"

#include "watch.h"

#define N_REJECTIONS 256

PG_FUNCTION_INFO_V1(pg_cert_policy_rejections);

typedef struct Rejection
{
	TimestampTz at;
	char		role[NAMEDATALEN];
	char		database[NAMEDATALEN];	/* "" for physical replication */
	char		address[64];	/* "" for a Unix-domain socket */
	char		policy[NAMEDATALEN + 32];
	char		clause[32];
	char		required[416];
	char		found[416];
	bool		enforced;
	bool		has_certificate;
	unsigned char cert_sha256[PGCERT_SHA256_LEN];
} Rejection;

typedef struct Rejections
{
	uint64		n_added;		/* ever; the next goes to n_added % size */
	Rejection	entries[N_REJECTIONS];
} Rejections;

static Rejections *rejections = NULL;

Size
pgcp_rejections_size(void)
{
	return sizeof(Rejections);
}

void
pgcp_rejections_init(void *memory, bool found)
{
	rejections = memory;
	if (!found)
		memset(memory, 0, pgcp_rejections_size());
}

static void
add_entry(const Rejection *entry)
{
	LWLock	   *lock = pgcp_shared_lock(PGCP_LOCK_REJECTIONS);

	LWLockAcquire(lock, LW_EXCLUSIVE);
	rejections->entries[rejections->n_added++ % N_REJECTIONS] = *entry;
	LWLockRelease(lock);
}

/* Records what a policy found wrong: the first failing clause of each way in. */
void
pgcp_rejections_add(Port *port, const PgcpRole *role,
					const PgcpFinding *finding, bool enforced,
					const PgcertFacts *facts)
{
	Rejection	entry;
	const PgcertVerdict *verdict = finding->verdict;
	size_t		told = 0;

	memset(&entry, 0, sizeof(entry));
	entry.at = GetCurrentTimestamp();
	strlcpy(entry.role, NameStr(role->name), sizeof(entry.role));
	if (port->database_name != NULL)
		strlcpy(entry.database, port->database_name, sizeof(entry.database));
	if (port->raddr.addr.ss_family != AF_UNIX)
		pg_getnameinfo_all(&port->raddr.addr, port->raddr.salen,
						   entry.address, sizeof(entry.address), NULL, 0,
						   NI_NUMERICHOST | NI_NUMERICSERV);
	pgcp_copy_utf8(entry.policy, pgcp_policy_owner(finding->policy),
				   sizeof(entry.policy));
	entry.enforced = enforced;
	entry.has_certificate = facts != NULL && facts->has_certificate &&
		pgcert_cert_sha256(facts->certificate, entry.cert_sha256);

	if (verdict == NULL)
	{
		/* a policy that cannot be read or judged */
		pgcp_copy_utf8(entry.found, finding->reason, sizeof(entry.found));
		add_entry(&entry);
		return;
	}
	for (size_t i = 0; i < verdict->n_rows; i++)
	{
		const PgcertRow *row = &verdict->rows[i];

		if (row->truth == PGCERT_TRUE ||
			(row->alternative != 0 && row->alternative == told))
			continue;
		told = row->alternative;
		strlcpy(entry.clause, row->clause, sizeof(entry.clause));
		pgcp_copy_utf8(entry.required, pgcp_take_text(pgcert_row_required(verdict, i)),
					   sizeof(entry.required));
		pgcp_copy_utf8(entry.found, pgcp_take_text(pgcert_row_found(verdict, i)),
					   sizeof(entry.found));
		add_entry(&entry);
	}
}

/* "" is no value. */
static Datum
text_or_null(const char *utf8, bool *isnull)
{
	*isnull = (utf8[0] == '\0');
	return *isnull ? (Datum) 0 : PointerGetDatum(pgcp_text_from_utf8(utf8));
}

/* The newest first. */
Datum
pg_cert_policy_rejections(PG_FUNCTION_ARGS)
{
	Rejections *copy;

	pgcp_materialize(fcinfo);
	if (!pgcp_shared_is_ready())
		return (Datum) 0;
	copy = palloc(sizeof(Rejections));
	LWLockAcquire(pgcp_shared_lock(PGCP_LOCK_REJECTIONS), LW_SHARED);
	memcpy(copy, rejections, sizeof(Rejections));
	LWLockRelease(pgcp_shared_lock(PGCP_LOCK_REJECTIONS));

	for (uint64 back = 1; back <= Min(copy->n_added, N_REJECTIONS); back++)
	{
		const Rejection *entry = &copy->entries[(copy->n_added - back) % N_REJECTIONS];
		Datum		values[10];
		bool		nulls[10] = {false};

		values[0] = TimestampTzGetDatum(entry->at);
		values[1] = NameGetDatum(pgcp_name_from_bytes(entry->role));
		values[2] = NameGetDatum(pgcp_name_from_bytes(entry->database));
		nulls[2] = (entry->database[0] == '\0');
		nulls[3] = (entry->address[0] == '\0');
		if (!nulls[3])
		{
			char	   *zone;
			char		address[sizeof(entry->address)];

			/* inet has no room for the zone of a link-local address */
			strlcpy(address, entry->address, sizeof(address));
			if ((zone = strchr(address, '%')) != NULL)
				*zone = '\0';
			values[3] = DirectFunctionCall1(inet_in, CStringGetDatum(address));
		}
		values[4] = text_or_null(entry->policy, &nulls[4]);
		values[5] = text_or_null(entry->clause, &nulls[5]);
		values[6] = text_or_null(entry->required, &nulls[6]);
		values[7] = text_or_null(entry->found, &nulls[7]);
		nulls[8] = !entry->has_certificate;
		if (!nulls[8])
			values[8] = PointerGetDatum(pgcp_hex_text(entry->cert_sha256,
													  PGCERT_SHA256_LEN));
		values[9] = BoolGetDatum(entry->enforced);
		pgcp_put_row(fcinfo, values, nulls);
	}
	return (Datum) 0;
}
