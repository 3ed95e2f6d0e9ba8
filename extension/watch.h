/*
 * watch.h
 *		What is known of logins after they happened: sessions, counts, and the
 *		last rejections, in shared memory.
 *
 * One segment, sized at start from max_connections and never grown; one
 * implementation for all versions.  No lock is held across a file, a catalog
 * or OpenSSL: whoever wants to think copies first.
 */
#ifndef PGCP_WATCH_H
#define PGCP_WATCH_H

#include "postgres.h"

#include "storage/latch.h"
#include "storage/lwlock.h"

#include "pgcp.h"

/* shared.c */
extern void pgcp_shared_request(void);
extern bool pgcp_shared_is_ready(void);
extern LWLock *pgcp_shared_lock(int which);

#define PGCP_LOCK_SESSIONS 0
#define PGCP_LOCK_STATISTICS 1
#define PGCP_LOCK_REJECTIONS 2
#define PGCP_N_LOCKS 3

/* sessions.c */

/*
 * A session, as it was when it logged in.  The chain is the verified one, one
 * DER certificate behind the other, leaf first.
 */
typedef struct PgcpSession
{
	int			pid;
	uint64		generation;		/* no other session ever has the same */
	Oid			role_oid;
	Oid			database_oid;	/* InvalidOid for physical replication */
	TimestampTz started;
	PgcpConnection connection;
	bool		has_certificate;
	bool		chain_kept;		/* false: too large to be judged again */
	int64		not_after;		/* seconds since 1970 */
	size_t		chain_len;
	unsigned char *chain;		/* palloc'd in a copy */
} PgcpSession;

extern Size pgcp_sessions_size(void);
extern void pgcp_sessions_init(void *memory, bool found);
extern void pgcp_session_begin(Port *port, const PgcpConnection *connection,
							   const PgcpRole *role, Oid database_oid);
extern List *pgcp_sessions_copy(bool with_chain);
extern bool pgcp_session_signal(const PgcpSession *session);
extern bool pgcp_session_tell_once(const PgcpSession *session);
extern STACK_OF(X509) *pgcp_session_chain(const PgcpSession *session);
extern void pgcp_sessions_watched_by(Latch *latch, int64 wake_at);

/* statistics.c */
typedef enum PgcpOutcome
{
	PGCP_ACCEPTED,
	PGCP_REJECTED,
	PGCP_WOULD_REJECT,
} PgcpOutcome;

extern Size pgcp_statistics_size(void);
extern void pgcp_statistics_init(void);
extern void pgcp_statistics_count(Oid role_oid, Oid database_oid,
								  PgcpOutcome outcome, const char *reason);

/* rejections.c */
extern Size pgcp_rejections_size(void);
extern void pgcp_rejections_init(void *memory, bool found);
extern void pgcp_rejections_add(Port *port, const PgcpRole *role,
								const PgcpFinding *finding, bool enforced,
								const PgcertFacts *facts);

/* recheck.c */

/* A session judged again. */
typedef struct PgcpRejudged
{
	PgcpSession session;
	PgcpRole	role;
	PgcertFacts *facts;			/* NULL if the certificate does not verify */
	char	   *rejected;		/* why it would be rejected, or NULL */
	char	   *recorded;		/* why policies in mode=log object, or NULL */
} PgcpRejudged;

extern PgcpRejudged *pgcp_session_judge(const PgcpSession *session,
										PgcpVerifier *verifier);
extern List *pgcp_recheck_sessions(void);
extern void pgcp_end_expired_sessions(int64 *next_at);

/* watchdog.c */
extern void pgcp_watchdog_register(void);

#endif							/* PGCP_WATCH_H */
