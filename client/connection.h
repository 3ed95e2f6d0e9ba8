/*
 * connection.h
 *		Connection parameters as libpq resolves them, and libpq's handshake
 *		stopped before the startup packet.
 */
#ifndef PGCS_CONNECTION_H
#define PGCS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>
#include <openssl/ssl.h>

#include "buf.h"
#include "pgcertsel.h"
#include "request.h"

/* resolve.c */

/* The value of a resolved option, or NULL if it has none. */
extern const char *pgcs_option(const PQconninfoOption *options,
							   const char *keyword);

/* Appends keyword='value', quoted for conninfo. */
extern void pgcs_conninfo_add(PgcertBuf *buf, const char *keyword,
							  const char *value);

/* One host of a list of hosts, as libpq counts them. */
typedef struct PgcsTarget
{
	char	   *host;
	char	   *hostaddr;
	char	   *port;
	char	   *label;			/* "host:port" */
	size_t		position;		/* of its host in the list */
	bool		split;			/* it is one of its host's addresses */
} PgcsTarget;

/* The hosts of the options; NULL with the error set. */
extern PgcsTarget *pgcs_targets(pgcs_selector *sel,
								const PQconninfoOption *options, size_t *n);
extern void pgcs_targets_free(PgcsTarget *targets, size_t n);

/* Puts them in random order.  False without random numbers. */
extern bool pgcs_targets_shuffle(PgcsTarget *targets, size_t n);

/*
 * Replaces target number at by one for each address of its host's name, in
 * random order if asked.  False if out of memory, or without random numbers.
 */
extern bool pgcs_targets_split(PgcsTarget **targets, size_t *n, size_t at, bool shuffle);

/* libpq will never ask this host for TLS: a Unix socket, or sslmode=disable. */
extern const char *pgcs_target_without_tls(const PgcsTarget *target,
										   const PQconninfoOption *options);

/*
 * A conninfo for one host that brings TLS about: sslmode raised to require,
 * the given certificate or none.  The caller wipes and frees it.
 */
extern char *pgcs_target_conninfo(const PgcsTarget *target,
								  const PQconninfoOption *options,
								  const char *cert, const char *key,
								  const char *password);

/* How long a host may take: the selector's, connect_timeout, or the default. */
extern int	pgcs_effective_timeout(const pgcs_selector *sel,
								   const PQconninfoOption *options);

/* handshake.c */

typedef enum PgcsHandshakeState
{
	PGCS_HANDSHAKE_READING,		/* poll the socket for reading, then step */
	PGCS_HANDSHAKE_WRITING,
	PGCS_HANDSHAKE_DONE,		/* TLS is up; nothing of PostgreSQL was said */
	PGCS_HANDSHAKE_NO_TLS,		/* the server declined */
	PGCS_HANDSHAKE_FAILED,
} PgcsHandshakeState;

typedef struct PgcsHandshake
{
	PGconn	   *conn;
	SSL		   *ssl;			/* held, so that it outlives a failure */
	PgcsHandshakeState state;
	bool		timed_out;
	bool		own_alert;		/* it was us who broke off */
	char	   *error;			/* of FAILED; one line, escaped */
} PgcsHandshake;

/*
 * Starts; false when memory is out.  conninfo is for a single host.  The
 * handshake must stay where it is until its end.
 */
extern bool pgcs_handshake_start(PgcsHandshake *handshake, const char *conninfo);
extern void pgcs_handshake_step(PgcsHandshake *handshake);

/* Steps until the end, or until timeout_ms have passed. */
extern void pgcs_handshake_run(PgcsHandshake *handshake, int timeout_ms);

/* Its time is over. */
extern void pgcs_handshake_time_out(PgcsHandshake *handshake);
extern void pgcs_handshake_end(PgcsHandshake *handshake);

/* Did the server send a CertificateRequest? */
extern bool pgcs_handshake_was_asked(const PgcsHandshake *handshake);

/*
 * After FAILED: did the server, which was verified as asked, break off after
 * it had asked for a certificate?
 */
extern bool pgcs_handshake_was_refused(const PgcsHandshake *handshake);

/*
 * After DONE: ends the connection politely and listens to what the server
 * has to say.  True: a plain end, so the certificate was accepted.  False:
 * an alert (in *error, which the caller frees), or no end in time
 * (*timed_out).
 */
extern bool pgcs_handshake_listen(PgcsHandshake *handshake, int timeout_ms,
								  char **error, bool *timed_out);

/* What the handshake, at its end, says of the host; false: no memory. */
extern bool pgcs_host_take_answer(PgcsHost *host, const PgcsHandshake *handshake);

/* Milliseconds of a clock that only goes forward. */
extern int64_t pgcs_clock_ms(void);

/* Waits for a socket; false when the deadline has passed. */
extern bool pgcs_wait_socket(int fd, bool for_write, int64_t deadline_ms);

/* libpq_words.c */

/* libpq's message, one line, escaped; the caller frees it. */
extern char *pgcs_libpq_words(const char *message);

/* Why libpq could not read this connection string, without what may be secret. */
extern char *pgcs_conninfo_words(const char *message, const char *conninfo);

/* The same of a message under PQERRORS_VERBOSE, without what that adds. */
extern char *pgcs_verbose_words(const char *message);

/* Is the SQLSTATE of a server's error in such a message this one? */
extern bool pgcs_verbose_sqlstate_is(const char *message, const char *sqlstate);

#endif							/* PGCS_CONNECTION_H */
