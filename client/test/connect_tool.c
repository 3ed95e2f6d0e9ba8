/*
 * connect_tool.c
 *		Connects through the library, for t/105_client_connect.pl and
 *		t/152_client_hosts.pl.
 *
 *	connect_tool [--poll] [--longest] [--no-bundle] [--cache] [--strict]
 *				 [--threads N] [--repeat N] [--reset] [--query SQL]
 *				 BUNDLE CONNINFO
 *
 * prints for each connection "port client_dn", or what the query gives, or the
 * error; --longest also how long the longest call of --poll took.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "pgcertsel.h"

static bool with_poll;
static bool with_reset;
static bool with_strict;
static bool with_longest;
static bool without_bundle;
static int	repeat = 1;
static const char *query = "select current_setting('port') || ' ' || coalesce(client_dn, 'none')"
" from pg_stat_ssl where pid = pg_backend_pid()";
static const char *bundle_path;
static const char **keywords;
static const char **values;
static pgcs_bundle *bundle;
static pgcs_cache *cache;

static long
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One call, and how long it took. */
static pgcs_polling
poll_once(pgcs_connection *connection, long *longest)
{
	long		start = clock_ms();
	pgcs_polling polling = pgcs_connection_poll(connection);
	long		took = clock_ms() - start;

	if (took > *longest)
		*longest = took;
	return polling;
}

/* As an event loop would: poll(), never longer than the library says. */
static PGconn *
connect_by_polling(pgcs_selector *sel)
{
	long		longest = clock_ms();
	pgcs_connection *connection = pgcs_connect_start(sel, bundle, cache, keywords, values);
	PGconn	   *conn = NULL;
	pgcs_polling polling;

	longest = clock_ms() - longest;
	if (connection == NULL)
		return NULL;
	while ((polling = poll_once(connection, &longest)) == PGCS_POLLING_READING ||
		   polling == PGCS_POLLING_WRITING)
	{
		struct pollfd pfd = {
			.fd = pgcs_connection_socket(connection),
			.events = polling == PGCS_POLLING_READING ? POLLIN : POLLOUT
		};

		poll(&pfd, 1, pgcs_connection_timeout_ms(connection));
	}
	if (polling == PGCS_POLLING_OK)
		conn = pgcs_connection_take(connection);
	pgcs_connection_free(connection);
	if (with_longest)
		printf("longest %ld\n", longest);
	return conn;
}

static void
report(PGconn *conn)
{
	PGresult   *result = PQexec(conn, query);

	if (PQntuples(result) == 1)
		printf("%s\n", PQgetvalue(result, 0, 0));
	else
		printf("error: %s", PQerrorMessage(conn));
	PQclear(result);
}

static void *
run(void *arg)
{
	pgcs_selector *sel = pgcs_selector_new();

	(void) arg;
	if (pgcs_add_directory(sel, bundle_path) != PGCS_OK ||
		pgcs_set_user(sel, "postgres") != PGCS_OK)
		return NULL;
	pgcs_set_strict(sel, with_strict);
	for (int i = 0; i < repeat; i++)
	{
		PGconn	   *conn = with_poll ? connect_by_polling(sel)
			: pgcs_connect(sel, bundle, cache, keywords, values);

		if (conn == NULL)
			printf("error: %s\n", pgcs_error(sel));
		else
		{
			report(conn);
			if (with_reset)
			{
				PQreset(conn);
				report(conn);
			}
			PQfinish(conn);
		}
		fflush(stdout);
		if (repeat > 1 && getenv("CONNECT_TOOL_WAIT") != NULL)
			(void) !read(0, (char[1]) {0}, 1);
	}
	pgcs_selector_free(sel);
	return NULL;
}

int
main(int argc, char **argv)
{
	pthread_t	threads[64];
	int			n_threads = 1;
	PQconninfoOption *options;
	size_t		n = 0;
	int			i = 1;

	for (; i < argc && argv[i][0] == '-'; i++)
	{
		if (strcmp(argv[i], "--poll") == 0)
			with_poll = true;
		else if (strcmp(argv[i], "--longest") == 0)
			with_longest = true;
		else if (strcmp(argv[i], "--no-bundle") == 0)
			without_bundle = true;
		else if (strcmp(argv[i], "--query") == 0 && i + 1 < argc)
			query = argv[++i];
		else if (strcmp(argv[i], "--cache") == 0)
			cache = pgcs_cache_new();
		else if (strcmp(argv[i], "--strict") == 0)
			with_strict = true;
		else if (strcmp(argv[i], "--reset") == 0)
			with_reset = true;
		else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
			n_threads = atoi(argv[++i]);
		else if (strcmp(argv[i], "--repeat") == 0 && i + 1 < argc)
			repeat = atoi(argv[++i]);
	}
	if (i + 2 != argc || n_threads < 1 || n_threads > 64)
		return 2;
	bundle_path = argv[i];
	options = PQconninfoParse(argv[i + 1], NULL);
	if (options == NULL)
		return 2;
	keywords = calloc(100, sizeof(*keywords));
	values = calloc(100, sizeof(*values));
	for (PQconninfoOption *o = options; o->keyword != NULL && n < 99; o++)
		if (o->val != NULL)
		{
			keywords[n] = o->keyword;
			values[n++] = o->val;
		}
	if (!without_bundle)
	{
		pgcs_selector *sel = pgcs_selector_new();

		pgcs_add_directory(sel, bundle_path);
		bundle = pgcs_bundle_load(sel);
		pgcs_selector_free(sel);
		if (bundle == NULL)
			return 2;
	}
	for (int t = 1; t < n_threads; t++)
		pthread_create(&threads[t], NULL, run, NULL);
	run(NULL);
	for (int t = 1; t < n_threads; t++)
		pthread_join(threads[t], NULL);
	pgcs_bundle_free(bundle);
	pgcs_cache_free(cache);
	PQconninfoFree(options);
	free(keywords);
	free(values);
	return 0;
}
