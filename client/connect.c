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
#include <time.h>

#include <openssl/err.h>

#include "cache.h"
#include "choice.h"
#include "connection.h"
#include "name.h"
#include "request.h"
#include "selector.h"
#include "source_watch.h"

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
	pgcs_bundle *bundle;		/* the caller's, or NULL */
	pgcs_bundle *fresh;			/* read for the present request, while */
	PgcsWatch	watch;			/* this watched its sources */
	pgcs_cache *cache;			/* the caller's, or NULL */
	PQconninfoOption *options;
	PgcsTarget *targets;
	size_t		n_targets;
	size_t		n_hosts;		/* of which some have several addresses */
	size_t		at;				/* the target after the present one */
	bool		second_pass;	/* of prefer-standby */

	Stage		stage;
	PgcsHandshake handshake;	/* in PROBE */
	pgcs_request *request;
	bool		from_cache;
	bool		reprobed;		/* the present host's answer was old */
	pgcs_choice *choice;		/* for it, or NULL */
	int			replaced;		/* how often its files were, under libpq */
	PGconn	   *conn;			/* in CONNECT and DONE */
	PostgresPollingStatusType polling;
	ConnStatusType before;		/* its status before the last poll */
	int64_t		deadline_ms;	/* of the stage; 0: none */
	PgcertBuf	errors;			/* of the hosts so far */
};

static const PgcsTarget *
target(const pgcs_connection *connection)
{
	return &connection->targets[connection->at - 1];
}

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

/* ---------- the order of the hosts ---------- */

/* "cannot connect now": it starts up, shuts down, or does not serve yet. */
#define SQLSTATE_CANNOT_CONNECT_NOW "57P03"

static bool
prefers_standby(const pgcs_connection *connection)
{
	const char *attrs = pgcs_option(connection->options, "target_session_attrs");

	return attrs != NULL && strcmp(attrs, "prefer-standby") == 0 &&
		connection->n_hosts > 1;
}

static bool
balances(const pgcs_connection *connection)
{
	const char *balance = pgcs_option(connection->options, "load_balance_hosts");

	return balance != NULL && strcmp(balance, "random") == 0;
}

/* Is there any host, or address, left after the present one? */
static bool
has_next_host(const pgcs_connection *connection)
{
	return connection->at < connection->n_targets ||
		(prefers_standby(connection) && !connection->second_pass);
}

/* As libpq has it, a session that is not wanted speaks for all addresses. */
static void
skip_addresses(pgcs_connection *connection)
{
	size_t		position = target(connection)->position;

	while (connection->at < connection->n_targets &&
		   connection->targets[connection->at].position == position)
		connection->at++;
}

/* ---------- connecting ---------- */

/* The parameters as they are, but for the host and the certificate. */
static char *
connect_conninfo(const pgcs_connection *connection, const pgcs_choice *choice)
{
	static const char *const replaced[] = {
		"host", "hostaddr", "port", "sslcert", "sslkey", "sslpassword",
		"service", "servicefile", "target_session_attrs",
	};
	PgcertBuf	buf = PGCERT_BUF_INIT;
	const PgcsTarget *to = target(connection);
	const char *attrs = pgcs_option(connection->options, "target_session_attrs");
	const char *cert = choice != NULL ? pgcs_choice_cert_path(choice) : NULL;
	const char *password = choice != NULL ? pgcs_choice_password(choice) : NULL;

	for (const PQconninfoOption *option = connection->options; option->keyword != NULL; option++)
	{
		bool		is_replaced = false;

		for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
			is_replaced = is_replaced || strcmp(option->keyword, replaced[i]) == 0;
		if (!is_replaced && option->val != NULL && option->val[0] != '\0')
			pgcs_conninfo_add(&buf, option->keyword, option->val);
	}
	pgcs_conninfo_add(&buf, "host", to->host);
	pgcs_conninfo_add(&buf, "hostaddr", to->hostaddr);
	pgcs_conninfo_add(&buf, "port", to->port);
	pgcs_conninfo_add(&buf, "sslcert", cert != NULL ? cert : PGCS_NOTHING);
	pgcs_conninfo_add(&buf, "sslpassword", password != NULL ? password : "");
	if (cert != NULL)
		pgcs_conninfo_add(&buf, "sslkey", pgcs_choice_key_path(choice));

	/* a standby is preferred among all hosts, not at each of them */
	if (prefers_standby(connection))
		attrs = connection->second_pass ? "any" : "standby";
	if (attrs != NULL)
		pgcs_conninfo_add(&buf, "target_session_attrs", attrs);
	return pgcert_buf_take(&buf);
}

static void
start_connecting(pgcs_connection *connection, const pgcs_choice *choice)
{
	const char *timeout = pgcs_option(connection->options, "connect_timeout");
	long		seconds = timeout != NULL ? strtol(timeout, NULL, 10) : 0;
	char	   *conninfo = connect_conninfo(connection, choice);

	if (conninfo != NULL)
		connection->conn = PQconnectStart(conninfo);
	pgcs_secret_free(conninfo);
	if (connection->conn == NULL)
	{
		pgcs_fail_memory(connection->sel);
		fail_as_selector(connection);
		return;
	}
	/* that is how libpq tells the SQLSTATE, by which it goes on or does not */
	if (has_next_host(connection))
		PQsetErrorVerbosity(connection->conn, PQERRORS_VERBOSE);
	connection->stage = STAGE_CONNECT;
	connection->polling = PGRES_POLLING_WRITING;
	connection->before = CONNECTION_STARTED;
	connection->deadline_ms = seconds > 0 && seconds < 24 * 60 * 60
		? pgcs_clock_ms() + 1000 * (seconds < 2 ? 2 : seconds) : 0;
}

/* ---------- choosing ---------- */

/* Files that change more often than this while they are looked at. */
#define MAX_READS 5

/* Reads of the sources what matters for the present request. */
static bool
read_sources(pgcs_connection *connection)
{
	pgcs_bundle_free(connection->fresh);
	connection->fresh = NULL;
	if (!pgcs_watch_start(&connection->watch, connection->sel))
	{
		pgcs_fail_memory(connection->sel);
		return false;
	}
	connection->fresh = pgcs_bundle_load_for(connection->sel, connection->request,
											 (int64_t) time(NULL));
	return connection->fresh != NULL;
}

/* Chooses, and opens the choice; PGCS_CHANGED if its files were replaced. */
static int
try_choice(pgcs_connection *connection, pgcs_choice **choice)
{
	pgcs_bundle *bundle = connection->fresh != NULL ? connection->fresh : connection->bundle;

	*choice = pgcs_select(connection->sel, bundle, connection->request,
						  (int64_t) time(NULL));
	return *choice != NULL ? pgcs_choice_load(connection->sel, *choice) : PGCS_NO_MEMORY;
}

/*
 * May what fits have come since the bundle was read, or its certificate
 * without its key, as they were being replaced?
 */
static bool
is_old(const pgcs_connection *connection)
{
	return connection->fresh == NULL ||
		pgcs_watch_changed(&connection->watch, connection->sel);
}

/*
 * The caller's bundle may be old: files that changed meanwhile are read again,
 * and so are all of them if nothing fits.
 */
static int
find_choice(pgcs_connection *connection, pgcs_choice **choice)
{
	bool		read = connection->bundle == NULL;
	int			result;

	for (int reads = 0;; reads++)
	{
		pgcs_choice_free(*choice);
		*choice = NULL;
		if (read && !read_sources(connection))
			return PGCS_NO_MEMORY;
		result = try_choice(connection, choice);
		read = result == PGCS_CHANGED ||
			(result == PGCS_OK && (*choice)->status == PGCS_NONE && is_old(connection));
		if (!read || reads == MAX_READS)
			break;
	}
	while (result == PGCS_CHANGED)
		result = pgcs_choice_load(connection->sel, *choice);
	return result;
}

/* Chooses for the present host and role, and begins to connect. */
static void
choose(pgcs_connection *connection)
{
	pgcs_selector *sel = connection->sel;
	char	   *user = sel->user;
	int			result;

	/* the role that libpq will use, unless the caller named one */
	if (user == NULL)
		sel->user = (char *) pgcs_option(connection->options, "user");
	result = find_choice(connection, &connection->choice);
	sel->user = user;

	if (result != PGCS_OK)
		fail_as_selector(connection);
	else if (sel->strict && connection->choice->status != PGCS_FOUND &&
			 connection->choice->status != PGCS_NO_TLS &&
			 connection->choice->status != PGCS_NOT_WANTED)
	{
		note_error(connection, connection->choice->text);
		fail(connection, PGCS_FAILED);
	}
	else
		start_connecting(connection, connection->choice);
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
	pgcs_bundle_free(connection->fresh);
	connection->fresh = NULL;
}

/* ---------- probing ---------- */

/* Whatever the answer depends on; the server may have names of its own. */
static char *
cache_key(const pgcs_connection *connection)
{
	static const char *const keywords[] = {
		"sslmode", "sslrootcert", "sslnegotiation", "sslsni",
		"ssl_min_protocol_version", "ssl_max_protocol_version",
	};
	const PgcsTarget *to = target(connection);
	PgcertBuf	buf = PGCERT_BUF_INIT;

	pgcs_conninfo_add(&buf, "host", to->host);
	pgcs_conninfo_add(&buf, "hostaddr", to->hostaddr);
	pgcs_conninfo_add(&buf, "port", to->port);
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
	{
		const char *value = pgcs_option(connection->options, keywords[i]);

		pgcs_conninfo_add(&buf, keywords[i], value != NULL ? value : "");
	}
	return pgcert_buf_take(&buf);
}

static void
forget_answer(pgcs_connection *connection)
{
	char	   *key = cache_key(connection);

	if (key != NULL)
		pgcs_cache_forget(connection->cache, key);
	free(key);
}

static void
start_probe(pgcs_connection *connection)
{
	char	   *conninfo = pgcs_target_conninfo(target(connection), connection->options,
												NULL, NULL, NULL);
	bool		started;

	started = conninfo != NULL &&
		pgcs_handshake_start(&connection->handshake, conninfo);
	free(conninfo);
	if (!started)
	{
		pgcs_fail_memory(connection->sel);
		fail_as_selector(connection);
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
	if (!has_next_host(connection))
	{
		fail(connection, PGCS_UNREACHABLE);
		return;
	}
	if (connection->at == connection->n_targets)
	{
		connection->second_pass = true;
		connection->at = 0;
	}
	connection->at++;
	connection->reprobed = false;
	connection->replaced = 0;
	if (!pgcs_targets_split(&connection->targets, &connection->n_targets,
							connection->at - 1, balances(connection)))
	{
		pgcs_fail_memory(connection->sel);
		fail_as_selector(connection);
		return;
	}
	if (pgcs_target_without_tls(target(connection), connection->options) != NULL)
	{
		start_connecting(connection, NULL);
		return;
	}
	key = cache_key(connection);
	if (key == NULL)
	{
		pgcs_fail_memory(connection->sel);
		fail_as_selector(connection);
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
	char	   *key = cache_key(connection);
	bool		reached = handshake->ssl != NULL && !handshake->timed_out;

	if (request == NULL || key == NULL ||
		!pgcs_host_take_answer(&request->hosts[0], handshake))
	{
		pgcs_request_free(request);
		pgcs_handshake_end(handshake);
		pgcs_fail_memory(connection->sel);
		fail_as_selector(connection);
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
		connection->from_cache = false;
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

/*
 * libpq opens the files after us, and the key after the certificate.  If they
 * were replaced meanwhile, it may have met something that does not go together.
 */
static bool
met_replacement(pgcs_connection *connection)
{
	const pgcs_choice *choice = connection->choice;

	return connection->before == CONNECTION_SSL_STARTUP &&
		choice != NULL && choice->status == PGCS_FOUND &&
		pgcs_files_changed(choice->winner->identity) &&
		connection->replaced++ < MAX_READS;
}

static void
end_attempt(pgcs_connection *connection, bool timed_out)
{
	PGconn	   *conn = connection->conn;
	char	   *words;

	if (!timed_out && PQstatus(conn) == CONNECTION_OK)
	{
		if (connection->from_cache && !answer_is_current(connection))
			forget_answer(connection);
		PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
		connection->stage = STAGE_DONE;
		return;
	}
	if (!timed_out && met_replacement(connection))
	{
		connection->conn = NULL;
		PQfinish(conn);
		choose(connection);
		return;
	}
	words = timed_out ? strdup("timeout expired")
		: has_next_host(connection) ? pgcs_verbose_words(PQerrorMessage(conn))
		: pgcs_libpq_words(PQerrorMessage(conn));
	connection->conn = NULL;

	/* a refusal may be owed to an answer that was out of date */
	if (!timed_out && connection->from_cache && !connection->reprobed &&
		PQparameterStatus(conn, "server_version") == NULL &&
		connection->before != CONNECTION_STARTED &&
		connection->before != CONNECTION_NEEDED)
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
		 * be connected to now, or if its session came about (it has told its
		 * version) but is not of the kind that was asked for.
		 */
		if (timed_out || connection->before == CONNECTION_STARTED ||
			connection->before == CONNECTION_NEEDED)
			connection->stage = STAGE_NEXT_HOST;
		else if (PQparameterStatus(conn, "server_version") != NULL ||
				 (has_next_host(connection) &&
				  pgcs_verbose_sqlstate_is(PQerrorMessage(conn), SQLSTATE_CANNOT_CONNECT_NOW)))
		{
			skip_addresses(connection);
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
	if (bundle != NULL)
		connection->bundle = pgcs_bundle_ref(bundle);
	connection->options = pgcs_resolve(sel, keywords, values);
	if (connection->options != NULL)
		connection->targets = pgcs_targets(sel, connection->options,
										   &connection->n_targets);
	if (connection->targets == NULL)
	{
		pgcs_connection_free(connection);
		return NULL;
	}
	connection->n_hosts = connection->n_targets;
	if (balances(connection) &&
		!pgcs_targets_shuffle(connection->targets, connection->n_targets))
	{
		pgcs_fail(sel, PGCS_FAILED, "no random numbers for load_balance_hosts");
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
	pgcs_targets_free(connection->targets, connection->n_targets);
	PQconninfoFree(connection->options);
	pgcs_bundle_free(connection->bundle);
	pgcs_watch_free(&connection->watch);
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
