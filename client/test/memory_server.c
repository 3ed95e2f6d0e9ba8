/*
 * memory_server.c
 *		Every allocation fails once, in everything that asks a real server, for
 *		t/150_client_memory.pl.
 *
 *	memory_server BUNDLE CONNINFO
 *
 * The server has the extension pg_cert_policy, and demands a certificate that
 * the bundle has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "failing.h"
#include "tap.h"

#define MAX_KEYWORDS 100

static const char *conninfo;
static const char *keywords[MAX_KEYWORDS + 1];
static const char *values[MAX_KEYWORDS + 1];
static pgcs_selector *sel;
static pgcs_bundle *bundle;
static pgcs_request *request;
static pgcs_cache *cache;		/* has the server's answer */

static void
run_probe(Trial *trial)
{
	pgcs_request *probed = pgcs_request_probe(sel, keywords, values);

	if (trial_done(trial, probed != NULL, "pgcs_request_probe", sel))
		trial_add_request(trial, probed);
	pgcs_request_free(probed);
}

static void
run_from_server(Trial *trial)
{
	pgcs_request *told = pgcs_request_from_server(sel, conninfo, "postgres", "postgres");

	if (trial_done(trial, told != NULL, "pgcs_request_from_server", sel))
		trial_add_request(trial, told);
	pgcs_request_free(told);
}

static void
run_confirm(Trial *trial)
{
	pgcs_choice *choice;

	allocator_pause();
	choice = pgcs_select(sel, bundle, request, (int64_t) time(NULL));
	if (choice == NULL)
		die("%s", pgcs_error(sel));
	allocator_resume();
	if (trial_done(trial, pgcs_confirm(sel, choice, keywords, values) == PGCS_OK,
				   "pgcs_confirm", sel))
		trial_add_choice(trial, choice);
	pgcs_choice_free(choice);
}

static void
connect_once(Trial *trial, pgcs_bundle *from, pgcs_cache *with_cache)
{
	PGconn	   *conn = pgcs_connect(sel, from, with_cache, keywords, values);

	allocator_pause();
	if (trial_done(trial, conn != NULL, "pgcs_connect", sel))
	{
		PGresult   *result = PQexec(conn, "select client_dn from pg_stat_ssl"
									" where pid = pg_backend_pid()");

		trial_add(trial, "%s", PQntuples(result) == 1 ? PQgetvalue(result, 0, 0)
				  : PQerrorMessage(conn));
		snprintf(trial->chosen, sizeof(trial->chosen), "%.1000s", trial->text);
		PQclear(result);
		PQfinish(conn);
	}
	allocator_resume();
}

static void
run_connect(Trial *trial)
{
	pgcs_cache *fresh;

	allocator_pause();
	fresh = pgcs_cache_new();
	allocator_resume();
	connect_once(trial, bundle, fresh);
	pgcs_cache_free(fresh);
}

static void
run_connect_again(Trial *trial)
{
	connect_once(trial, bundle, cache);
}

static void
run_connect_alone(Trial *trial)
{
	connect_once(trial, NULL, NULL);
}

int
main(int argc, char **argv)
{
	static const Scenario scenarios[] = {
		{"probe", run_probe},
		{"request from the server", run_from_server},
		{"confirm", run_confirm},
		{"connect", run_connect},
		{"connect with a cached answer", run_connect_again},
		{"connect without a bundle", run_connect_alone},
	};
	PQconninfoOption *options;
	PGconn	   *conn;
	size_t		n = 0;

	failing_init();
	if (argc != 3)
		die("usage: memory_server BUNDLE CONNINFO");
	conninfo = argv[2];
	options = PQconninfoParse(conninfo, NULL);
	if (options == NULL)
		die("CONNINFO is not valid");
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
		if (option->val != NULL && n < MAX_KEYWORDS)
		{
			keywords[n] = option->keyword;
			values[n++] = option->val;
		}
	sel = pgcs_selector_new();
	if (pgcs_add_directory(sel, argv[1]) != PGCS_OK ||
		pgcs_set_user(sel, "postgres") != PGCS_OK ||
		(bundle = pgcs_bundle_load(sel)) == NULL ||
		(request = pgcs_request_probe(sel, keywords, values)) == NULL ||
		(cache = pgcs_cache_new()) == NULL ||
		(conn = pgcs_connect(sel, bundle, cache, keywords, values)) == NULL)
		die("%s", pgcs_error(sel));
	PQfinish(conn);

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		failing_each(&scenarios[i]);

	pgcs_cache_free(cache);
	pgcs_request_free(request);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	PQconninfoFree(options);
	return done_testing();
}
