/*
 * connect.c
 *		Connects with the certificate that each host will accept.
 *
 * libpq sends one certificate to all hosts of a list, so it is handed one
 * host at a time, in its own order:
 *
 *		NEXT_HOST -> PROBE -> CONNECT -> done
 *			^          |         |
 *			+----------+---------+
 *
 * The way back is taken where libpq itself would try the next host: the host
 * cannot be reached, or its session is not of the kind that was asked for.
 * Whatever else goes wrong ends the attempt, as it does in libpq.  A probe is
 * saved where the cache has its answer; if the server then refuses, or names
 * other CAs, the answer was old, and is found out anew.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "cache.h"
#include "chooser.h"
#include "connection.h"
#include "name.h"
#include "request.h"
#include "route.h"
#include "selector.h"

typedef enum Stage
{
	STAGE_NEXT_HOST,
	STAGE_PROBE,
	STAGE_CONNECT,
	STAGE_DONE,
	STAGE_FAILED,
} Stage;

struct pgcs_connection
{
	pgcs_selector *sel;			/* the caller's */
	pgcs_cache *cache;			/* the caller's, or NULL */
	PQconninfoOption *options;
	PgcsRoute	route;
	PgcsChooser chooser;

	Stage		stage;
	PgcsHandshake handshake;	/* in PROBE */
	pgcs_request *request;
	bool		from_cache;
	bool		reprobed;		/* the present host's answer was old */
	pgcs_choice *choice;		/* for it, or NULL */
	PGconn	   *conn;			/* in CONNECT and DONE */
	PostgresPollingStatusType polling;
	ConnStatusType before;		/* its status before the last poll */
	int64_t		deadline_ms;	/* of the stage; 0: none */
	PgcertBuf	errors;			/* of the hosts so far */
};

/* ---------- errors ---------- */

static void
note_error(pgcs_connection *connection, const char *words)
{
	if (connection->errors.len > 0)
		pgcert_buf_text(&connection->errors, "; ");
	pgcert_buf_text(&connection->errors, words != NULL ? words : "out of memory");
}

static void
fail(pgcs_connection *connection, int code)
{
	char	   *words = pgcert_buf_take(&connection->errors);

	connection->stage = STAGE_FAILED;
	if (words == NULL)
		pgcs_fail_memory(connection->sel);
	else
		pgcs_fail(connection->sel, code, "%s", words);
	free(words);
}

/* The selector has the words already. */
static void
fail_as_selector(pgcs_connection *connection)
{
	connection->stage = STAGE_FAILED;
}

static void
fail_memory(pgcs_connection *connection)
{
	pgcs_fail_memory(connection->sel);
	fail_as_selector(connection);
}

/* ---------- connecting ---------- */

/* To the present host, with what was chosen for it, if anything was. */
static void
start_connecting(pgcs_connection *connection)
{
	const pgcs_choice *choice = connection->choice;
	const char *timeout = pgcs_option(connection->options, "connect_timeout");
	long		seconds = timeout != NULL ? strtol(timeout, NULL, 10) : 0;
	char	   *conninfo;

	conninfo = pgcs_route_conninfo(&connection->route,
								   choice != NULL ? pgcs_choice_cert_path(choice) : NULL,
								   choice != NULL ? pgcs_choice_key_path(choice) : NULL,
								   choice != NULL ? pgcs_choice_password(choice) : NULL);
	if (conninfo != NULL)
		connection->conn = PQconnectStart(conninfo);
	pgcs_secret_free(conninfo);
	if (connection->conn == NULL)
	{
		fail_memory(connection);
		return;
	}
	/* that is how libpq tells the SQLSTATE, by which it goes on or does not */
	if (pgcs_route_has_next(&connection->route))
		PQsetErrorVerbosity(connection->conn, PQERRORS_VERBOSE);
	connection->stage = STAGE_CONNECT;
	connection->polling = PGRES_POLLING_WRITING;
	connection->before = CONNECTION_STARTED;
	connection->deadline_ms = seconds > 0 && seconds < 24 * 60 * 60
		? pgcs_clock_ms() + 1000 * (seconds < 2 ? 2 : seconds) : 0;
}

/* ---------- choosing ---------- */

/* Chooses for the present host and role, and begins to connect. */
static void
choose(pgcs_connection *connection)
{
	if (pgcs_chooser_choose(&connection->chooser, connection->request,
							pgcs_option(connection->options, "user"),
							&connection->choice) != PGCS_OK)
		fail_as_selector(connection);
	else if (connection->sel->strict && connection->choice->status != PGCS_FOUND &&
			 connection->choice->status != PGCS_NO_TLS &&
			 connection->choice->status != PGCS_NOT_WANTED)
	{
		note_error(connection, connection->choice->text);
		fail(connection, PGCS_FAILED);
	}
	else
		start_connecting(connection);
}

/* What was read for it goes with it. */
static void
forget_request(pgcs_connection *connection)
{
	pgcs_choice_free(connection->choice);
	connection->choice = NULL;
	pgcs_request_free(connection->request);
	connection->request = NULL;
	connection->from_cache = false;
	pgcs_chooser_forget(&connection->chooser);
}

/* ---------- probing ---------- */

static void
forget_answer(pgcs_connection *connection)
{
	char	   *key = pgcs_route_cache_key(&connection->route);

	if (key != NULL)
		pgcs_cache_forget(connection->cache, key);
	free(key);
}

static void
start_probe(pgcs_connection *connection)
{
	char	   *conninfo;
	bool		started;

	conninfo = pgcs_target_conninfo(pgcs_route_target(&connection->route),
									connection->options, NULL, NULL, NULL);
	started = conninfo != NULL &&
		pgcs_handshake_start(&connection->handshake, conninfo);
	free(conninfo);
	if (!started)
	{
		fail_memory(connection);
		return;
	}
	connection->stage = STAGE_PROBE;
	connection->deadline_ms = pgcs_clock_ms() +
		pgcs_effective_timeout(connection->sel, connection->options);
}

static void
next_host(pgcs_connection *connection)
{
	char	   *key;

	forget_request(connection);
	if (!pgcs_route_has_next(&connection->route))
	{
		fail(connection, PGCS_UNREACHABLE);
		return;
	}
	connection->reprobed = false;
	if (!pgcs_route_next(&connection->route))
	{
		fail_memory(connection);
		return;
	}
	if (pgcs_target_without_tls(pgcs_route_target(&connection->route),
								connection->options) != NULL)
	{
		start_connecting(connection);
		return;
	}
	key = pgcs_route_cache_key(&connection->route);
	if (key == NULL)
	{
		fail_memory(connection);
		return;
	}
	connection->request = pgcs_cache_get(connection->cache, key);
	free(key);
	connection->from_cache = connection->request != NULL;
	if (connection->from_cache)
		choose(connection);
	else
		start_probe(connection);
}

static void
end_probe(pgcs_connection *connection)
{
	PgcsHandshake *handshake = &connection->handshake;
	pgcs_request *request = pgcs_request_new(1);
	char	   *key = pgcs_route_cache_key(&connection->route);
	bool		reached = handshake->ssl != NULL && !handshake->timed_out;

	if (request == NULL || key == NULL ||
		!pgcs_host_take_answer(&request->hosts[0], handshake))
	{
		pgcs_request_free(request);
		pgcs_handshake_end(handshake);
		fail_memory(connection);
	}
	else if (request->hosts[0].answer == PGCS_ANSWER_NONE)
	{
		note_error(connection, request->hosts[0].error);
		pgcs_request_free(request);
		pgcs_handshake_end(handshake);
		if (reached)
			fail(connection, PGCS_UNREACHABLE);
		else
			connection->stage = STAGE_NEXT_HOST;
	}
	else
	{
		pgcs_handshake_end(handshake);
		connection->request = request;
		pgcs_cache_put(connection->cache, key, request);
		choose(connection);
	}
	free(key);
}

/* ---------- the end of an attempt ---------- */

/* Does the session's own handshake name the same CAs as the answer did? */
static bool
answer_is_current(const pgcs_connection *connection)
{
	const PgcsHost *host = &connection->request->hosts[0];
	SSL		   *ssl = PQsslStruct(connection->conn, "OpenSSL");
	const STACK_OF(X509_NAME) *names;

	if (ssl == NULL)
		return host->answer == PGCS_ANSWER_NO_TLS;
	names = SSL_get0_peer_CA_list(ssl);
	if (host->n_names != (size_t) (names != NULL ? sk_X509_NAME_num(names) : 0))
		return false;
	for (size_t i = 0; i < host->n_names; i++)
		if (!pgcert_name_equal(host->names[i].name,
							   sk_X509_NAME_value(names, (int) i)))
			return false;
	return true;
}

/* "cannot connect now": it starts up, shuts down, or does not serve yet. */
#define SQLSTATE_CANNOT_CONNECT_NOW "57P03"

/* Did it get beyond waiting for the host to answer at all? */
static bool
was_reached(const pgcs_connection *connection)
{
	return connection->before != CONNECTION_STARTED &&
		connection->before != CONNECTION_NEEDED;
}

/* A session that came about has told its version. */
static bool
has_session(const PGconn *conn)
{
	return PQparameterStatus(conn, "server_version") != NULL;
}

static void
end_attempt(pgcs_connection *connection, bool timed_out)
{
	PGconn	   *conn = connection->conn;
	bool		has_next = pgcs_route_has_next(&connection->route);
	char	   *words;

	if (!timed_out && PQstatus(conn) == CONNECTION_OK)
	{
		if (connection->from_cache && !answer_is_current(connection))
			forget_answer(connection);
		PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
		connection->stage = STAGE_DONE;
		return;
	}
	if (!timed_out && connection->before == CONNECTION_SSL_STARTUP &&
		pgcs_chooser_met_replacement(&connection->chooser, connection->choice))
	{
		connection->conn = NULL;
		PQfinish(conn);
		choose(connection);
		return;
	}
	words = timed_out ? strdup("timeout expired")
		: has_next ? pgcs_verbose_words(PQerrorMessage(conn))
		: pgcs_libpq_words(PQerrorMessage(conn));
	connection->conn = NULL;

	/* a refusal may be owed to an answer that was out of date */
	if (!timed_out && connection->from_cache && !connection->reprobed &&
		was_reached(connection) && !has_session(conn))
	{
		forget_answer(connection);
		forget_request(connection);
		connection->reprobed = true;
		start_probe(connection);
	}
	else
	{
		note_error(connection, words);

		/*
		 * As libpq has it: the next host, if this one was not reached, cannot
		 * be connected to now, or if its session came about but is not of the
		 * kind that was asked for, which then speaks for all its addresses.
		 */
		if (timed_out || !was_reached(connection))
			connection->stage = STAGE_NEXT_HOST;
		else if (has_session(conn) ||
				 (has_next &&
				  pgcs_verbose_sqlstate_is(PQerrorMessage(conn), SQLSTATE_CANNOT_CONNECT_NOW)))
		{
			pgcs_route_skip_addresses(&connection->route);
			connection->stage = STAGE_NEXT_HOST;
		}
		else
			fail(connection, PGCS_UNREACHABLE);
	}
	free(words);
	PQfinish(conn);
}

/* ---------- the public functions: see pgcertsel.h ---------- */

pgcs_connection *
pgcs_connect_start(pgcs_selector *sel, pgcs_bundle *bundle, pgcs_cache *cache,
				   const char *const *keywords, const char *const *values)
{
	pgcs_connection *connection = calloc(1, sizeof(*connection));

	pgcs_clear_error(sel);
	if (connection == NULL)
	{
		pgcs_fail_memory(sel);
		return NULL;
	}
	connection->sel = sel;
	connection->cache = cache;
	pgcs_chooser_init(&connection->chooser, sel, bundle);
	connection->options = pgcs_resolve(sel, keywords, values);
	if (connection->options == NULL ||
		!pgcs_route_init(&connection->route, sel, connection->options))
	{
		pgcs_connection_free(connection);
		return NULL;
	}
	return connection;
}

pgcs_polling
pgcs_connection_poll(pgcs_connection *connection)
{
	bool		late;

	for (;;)
	{
		late = connection->deadline_ms > 0 && pgcs_clock_ms() >= connection->deadline_ms;
		switch (connection->stage)
		{
			case STAGE_NEXT_HOST:
				next_host(connection);
				break;
			case STAGE_PROBE:
				if (late)
					pgcs_handshake_time_out(&connection->handshake);
				else
					pgcs_handshake_step(&connection->handshake);
				if (connection->handshake.state == PGCS_HANDSHAKE_READING)
					return PGCS_POLLING_READING;
				if (connection->handshake.state == PGCS_HANDSHAKE_WRITING)
					return PGCS_POLLING_WRITING;
				end_probe(connection);
				break;
			case STAGE_CONNECT:
				if (late || PQstatus(connection->conn) == CONNECTION_BAD)
				{
					end_attempt(connection, late);
					break;
				}
				connection->before = PQstatus(connection->conn);
				connection->polling = PQconnectPoll(connection->conn);
				if (connection->polling == PGRES_POLLING_READING)
					return PGCS_POLLING_READING;
				if (connection->polling == PGRES_POLLING_WRITING)
					return PGCS_POLLING_WRITING;
				end_attempt(connection, false);
				break;
			case STAGE_DONE:
				return PGCS_POLLING_OK;
			case STAGE_FAILED:
				return PGCS_POLLING_FAILED;
		}
	}
}

int
pgcs_connection_socket(const pgcs_connection *connection)
{
	if (connection->stage == STAGE_PROBE)
		return PQsocket(connection->handshake.conn);
	return connection->conn != NULL ? PQsocket(connection->conn) : -1;
}

int
pgcs_connection_timeout_ms(const pgcs_connection *connection)
{
	int64_t		left;

	if (connection->deadline_ms == 0)
		return -1;
	left = connection->deadline_ms - pgcs_clock_ms();
	return left > 0 ? (int) left : 0;
}

struct pg_conn *
pgcs_connection_take(pgcs_connection *connection)
{
	PGconn	   *conn = NULL;

	if (connection->stage == STAGE_DONE)
	{
		conn = connection->conn;
		connection->conn = NULL;
	}
	return conn;
}

void
pgcs_connection_free(pgcs_connection *connection)
{
	if (connection == NULL)
		return;
	if (connection->handshake.conn != NULL)
		pgcs_handshake_end(&connection->handshake);
	PQfinish(connection->conn);
	forget_request(connection);
	pgcs_route_free(&connection->route);
	pgcs_chooser_free(&connection->chooser);
	PQconninfoFree(connection->options);
	pgcert_buf_free(&connection->errors);
	free(connection);
	ERR_clear_error();
}

struct pg_conn *
pgcs_connect(pgcs_selector *sel, pgcs_bundle *bundle, pgcs_cache *cache,
			 const char *const *keywords, const char *const *values)
{
	pgcs_connection *connection = pgcs_connect_start(sel, bundle, cache, keywords, values);
	PGconn	   *conn = NULL;

	if (connection == NULL)
		return NULL;
	for (;;)
	{
		pgcs_polling polling = pgcs_connection_poll(connection);
		int			timeout_ms;

		if (polling == PGCS_POLLING_OK || polling == PGCS_POLLING_FAILED)
			break;

		/* the time limit is looked at by the next poll */
		timeout_ms = pgcs_connection_timeout_ms(connection);
		(void) pgcs_wait_socket(pgcs_connection_socket(connection),
								polling == PGCS_POLLING_WRITING,
								pgcs_clock_ms() + (timeout_ms >= 0 ? timeout_ms : 60000));
	}
	conn = pgcs_connection_take(connection);
	pgcs_connection_free(connection);
	return conn;
}
