/*
 * connect.c
 *		pgcs_connect(), which finds the certificate itself, beside
 *		PQconnectdb() that is told the right one.
 *
 *	connect PAIRS BUNDLE CONNINFO CERTIFICATE KEY
 *
 * "First" is all that a program does that connects once, and so gives no
 * bundle: it asks the server, reads what matters for it, chooses, connects.
 * "Again" is each connection of one that has loaded a bundle and has a cache.
 */
#include <stdio.h>
#include <stdlib.h>

#include <libpq-fe.h>

#include "measure.h"
#include "pgcertsel.h"

#define MOST_PARAMETERS 64

typedef struct Client
{
	pgcs_selector *sel;
	pgcs_bundle *bundle;
	pgcs_cache *cache;
	const char *directory;
	const char *keywords[MOST_PARAMETERS + 3];
	const char *values[MOST_PARAMETERS + 3];
} Client;

static void
read_parameters(Client *client, const char *conninfo)
{
	char	   *error = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &error);
	int			n = 0;

	if (options == NULL)
		measure_fail("%s", error);
	for (PQconninfoOption *option = options; option->keyword; option++)
	{
		if (option->val == NULL)
			continue;
		if (n == MOST_PARAMETERS)
			measure_fail("too many parameters");
		client->keywords[n] = option->keyword;
		client->values[n++] = option->val;
	}
	/* they are used until the end */
}

static void
open_selector(Client *client)
{
	client->sel = pgcs_selector_new();
	if (client->sel == NULL ||
		pgcs_add_directory(client->sel, client->directory) != PGCS_OK)
		measure_fail("%s", client->sel ? pgcs_error(client->sel) : "no memory");
}

static void
finish(PGconn *conn, const char *error)
{
	if (conn == NULL || PQstatus(conn) != CONNECTION_OK)
		measure_fail("%s", conn ? PQerrorMessage(conn) : error);
	if (!PQsslInUse(conn))
		measure_fail("the connection has no TLS");
	PQfinish(conn);
}

static void
connect_chosen(void *context)
{
	Client	   *client = context;

	finish(pgcs_connect(client->sel, client->bundle, client->cache,
						client->keywords, client->values),
		   pgcs_error(client->sel));
}

static void
connect_first(void *context)
{
	Client	   *client = context;

	open_selector(client);
	connect_chosen(client);
	pgcs_selector_free(client->sel);
}

static void
connect_told(void *context)
{
	Client	   *client = context;

	finish(PQconnectdbParams(client->keywords, client->values, 0), "no memory");
}

int
main(int argc, char **argv)
{
	Client		choosing = {0};
	Client		told = {0};
	int			n_pairs;
	int			n = 0;
	Work		first = {connect_first, &choosing, 1};
	Work		again = {connect_chosen, &choosing, 1};
	Work		other = {connect_told, &told, 1};

	if (argc != 6)
		measure_fail("usage: connect PAIRS BUNDLE CONNINFO CERTIFICATE KEY");
	n_pairs = atoi(argv[1]);
	choosing.directory = argv[2];
	read_parameters(&choosing, argv[3]);
	read_parameters(&told, argv[3]);
	while (told.keywords[n])
		n++;
	told.keywords[n] = "sslcert";
	told.values[n++] = argv[4];
	told.keywords[n] = "sslkey";
	told.values[n++] = argv[5];

	measure_pairs("7-first", "pgcs_connect, first", 10, n_pairs, &first, &other);

	open_selector(&choosing);
	choosing.bundle = pgcs_bundle_load(choosing.sel);
	choosing.cache = pgcs_cache_new();
	if (choosing.bundle == NULL || choosing.cache == NULL)
		measure_fail("no memory");
	measure_pairs("7-again", "pgcs_connect, again", 10, n_pairs, &again, &other);
	pgcs_bundle_free(choosing.bundle);
	pgcs_selector_free(choosing.sel);
	pgcs_cache_free(choosing.cache);
	return 0;
}
