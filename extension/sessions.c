/*
 * sessions.c
 *		What each session came with, kept while it lives.
 *
 * A slot is taken at login and given back when the process exits.  A slot
 * that can be seen never changes, but for being given back, so readers copy
 * it under the shared lock, and the login fills it with no lock at all.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "replication/walsender.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "watch.h"

typedef struct Slot
{
	bool		visible;
	bool		told;			/* the log has said what would happen to it */
	PgcpSession session;		/* its chain points into nothing here */
	/* session_bytes of chain follow */
} Slot;

typedef struct Sessions
{
	uint64		last_generation;
	Latch	   *watchdog;		/* NULL while there is none */
	int64		wake_at;		/* when it means to look next, since 1970 */
	int			n_free;
	int			free[FLEXIBLE_ARRAY_MEMBER];
} Sessions;

static Sessions *sessions = NULL;
static char *slots = NULL;
static Slot *my_slot = NULL;
static int	my_index = -1;

/* Only clients log in; background processes need no slot. */
static int
n_slots(void)
{
	return MaxConnections + max_wal_senders;
}

static Size
slot_size(void)
{
	return MAXALIGN(sizeof(Slot)) + MAXALIGN((Size) pgcp_setting_session_bytes());
}

static Size
head_size(void)
{
	return MAXALIGN(offsetof(Sessions, free) + n_slots() * sizeof(int));
}

Size
pgcp_sessions_size(void)
{
	return add_size(head_size(), mul_size(n_slots(), slot_size()));
}

static Slot *
slot_at(int index)
{
	return (Slot *) (slots + index * slot_size());
}

static unsigned char *
slot_chain(const Slot *slot)
{
	return (unsigned char *) slot + MAXALIGN(sizeof(Slot));
}

void
pgcp_sessions_init(void *memory, bool found)
{
	sessions = memory;
	slots = (char *) memory + head_size();
	if (found)
		return;
	memset(memory, 0, pgcp_sessions_size());
	while (sessions->n_free < n_slots())
	{
		sessions->free[sessions->n_free] = n_slots() - 1 - sessions->n_free;
		sessions->n_free++;
	}
}

/* The process exits: its slot is free again. */
static void
give_back(int code, Datum arg)
{
	if (my_slot == NULL)
		return;
	LWLockAcquire(pgcp_shared_lock(PGCP_LOCK_SESSIONS), LW_EXCLUSIVE);
	my_slot->visible = false;
	sessions->free[sessions->n_free++] = my_index;
	LWLockRelease(pgcp_shared_lock(PGCP_LOCK_SESSIONS));
	my_slot = NULL;
}

/*
 * Writes the verified chain into the slot.  One that does not fit is left
 * out, all but its end of validity.
 */
static void
keep_chain(Slot *slot, Port *port)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(port->ssl);
	unsigned char *p = slot_chain(slot);
	size_t		room = pgcp_setting_session_bytes();
	PgcpSession *session = &slot->session;

	session->has_certificate = true;
	if (!pgcert_time_seconds(X509_get0_notAfter(port->peer), &session->not_after))
		session->not_after = 0;
	session->chain_kept = (chain != NULL);
	for (int i = 0; session->chain_kept && i < sk_X509_num(chain); i++)
	{
		int			len = i2d_X509(sk_X509_value(chain, i), NULL);

		if (len <= 0 || (size_t) len > room - session->chain_len)
			session->chain_kept = false;
		else
			session->chain_len += i2d_X509(sk_X509_value(chain, i), &p);
	}
	if (!session->chain_kept)
		session->chain_len = 0;
	ERR_clear_error();
}

/*
 * Remembers this session.  Called at login, before it is judged; if it is
 * turned away, its process ends and forgets it.
 */
void
pgcp_session_begin(Port *port, const PgcpConnection *connection,
				   const PgcpRole *role, Oid database_oid)
{
	LWLock	   *lock = pgcp_shared_lock(PGCP_LOCK_SESSIONS);
	Slot	   *slot = NULL;
	Latch	   *wake = NULL;
	uint64		generation = 0;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (sessions->n_free > 0)
	{
		my_index = sessions->free[--sessions->n_free];
		slot = slot_at(my_index);
		generation = ++sessions->last_generation;
	}
	LWLockRelease(lock);
	if (slot == NULL)
	{
		/* more clients than max_connections and max_wal_senders allow */
		ereport(LOG,
				(errmsg("no slot is left to watch this session's certificate")));
		return;
	}

	memset(slot, 0, sizeof(Slot));
	my_slot = slot;
	before_shmem_exit(give_back, 0);
	slot->session.pid = MyProcPid;
	slot->session.generation = generation;
	slot->session.role_oid = role->oid;
	slot->session.database_oid = database_oid;
	slot->session.started = GetCurrentTimestamp();
	slot->session.connection = *connection;
	if (connection->link == PGCERT_LINK_TLS && port->peer != NULL)
		keep_chain(slot, port);

	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot->visible = true;
	if (slot->session.has_certificate && sessions->watchdog != NULL &&
		slot->session.not_after < sessions->wake_at)
		wake = sessions->watchdog;
	LWLockRelease(lock);
	if (wake != NULL)
		SetLatch(wake);
}

/*
 * A copy of the session in the slot, NULL if there is none.  palloc can fail,
 * which must not happen with the lock held: so if there is no room yet for the
 * chain, room is made without the lock, and then we look again.
 */
static PgcpSession *
copy_session(const Slot *slot, bool with_chain)
{
	LWLock	   *lock = pgcp_shared_lock(PGCP_LOCK_SESSIONS);
	PgcpSession *copy = palloc(sizeof(PgcpSession));
	unsigned char *chain = NULL;
	size_t		room = 0;

	for (;;)
	{
		bool		visible;
		bool		fits = true;

		LWLockAcquire(lock, LW_SHARED);
		visible = slot->visible;
		if (visible)
		{
			*copy = slot->session;
			fits = !with_chain || copy->chain_len <= room;
			if (with_chain && fits && copy->chain_len > 0)
				memcpy(chain, slot_chain(slot), copy->chain_len);
		}
		LWLockRelease(lock);
		if (!visible)
			return NULL;
		copy->chain = chain;
		if (fits)
			return copy;
		room = copy->chain_len;
		chain = palloc(room);
	}
}

/* Copies of all sessions, in the order of their slots. */
List *
pgcp_sessions_copy(bool with_chain)
{
	List	   *copies = NIL;

	for (int i = 0; i < n_slots(); i++)
	{
		PgcpSession *copy = copy_session(slot_at(i), with_chain);

		if (copy != NULL)
			copies = lappend(copies, copy);
	}
	return copies;
}

/* The slot of a copy, if that session still lives.  The lock must be held. */
static Slot *
find_slot(const PgcpSession *session)
{
	for (int i = 0; i < n_slots(); i++)
	{
		Slot	   *slot = slot_at(i);

		if (slot->visible && slot->session.pid == session->pid &&
			slot->session.generation == session->generation)
			return slot;
	}
	return NULL;
}

/*
 * Asks the session's process to end; false if it is gone.  It gives its slot
 * back before it exits, and needs the lock for that, so while we hold it the
 * pid cannot have passed to another process.
 */
bool
pgcp_session_signal(const PgcpSession *session)
{
	bool		sent = false;

	LWLockAcquire(pgcp_shared_lock(PGCP_LOCK_SESSIONS), LW_SHARED);
	if (find_slot(session) != NULL)
		sent = (kill(session->pid, SIGTERM) == 0);
	LWLockRelease(pgcp_shared_lock(PGCP_LOCK_SESSIONS));
	return sent;
}

/* True the first time that it is asked of a session. */
bool
pgcp_session_tell_once(const PgcpSession *session)
{
	bool		first = false;
	Slot	   *slot;

	LWLockAcquire(pgcp_shared_lock(PGCP_LOCK_SESSIONS), LW_EXCLUSIVE);
	slot = find_slot(session);
	if (slot != NULL)
	{
		first = !slot->told;
		slot->told = true;
	}
	LWLockRelease(pgcp_shared_lock(PGCP_LOCK_SESSIONS));
	return first;
}

/*
 * The session's chain, leaf first, held by the current memory context; NULL
 * if it was not kept.
 */
STACK_OF(X509) *
pgcp_session_chain(const PgcpSession *session)
{
	PgcpHold   *hold = pgcp_hold(pgcp_free_certificates);
	const unsigned char *p = session->chain;
	const unsigned char *end = p + session->chain_len;

	if (!session->chain_kept || session->chain_len == 0)
		return NULL;
	hold->object = sk_X509_new_null();
	while (hold->object != NULL && p < end)
	{
		X509	   *certificate = d2i_X509(NULL, &p, end - p);

		if (certificate == NULL || !sk_X509_push(hold->object, certificate))
		{
			X509_free(certificate);
			pgcp_release(hold);
		}
	}
	ERR_clear_error();
	return hold->object;
}

/* The watchdog says where to wake it, and until when it sleeps. */
void
pgcp_sessions_watched_by(Latch *latch, int64 wake_at)
{
	LWLockAcquire(pgcp_shared_lock(PGCP_LOCK_SESSIONS), LW_EXCLUSIVE);
	sessions->watchdog = latch;
	sessions->wake_at = wake_at;
	LWLockRelease(pgcp_shared_lock(PGCP_LOCK_SESSIONS));
}
