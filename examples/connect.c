/*
 * connect.c
 *		A libpq program that sends each server the certificate it will accept.
 *
 *	cc -o connect connect.c $(pkg-config --cflags --libs pgcertsel libpq)
 *	./connect "host=db.example.com dbname=postgres user=alice" ~/certs
 */
#include <stdio.h>

#include <libpq-fe.h>
#include <pgcertsel.h>

#define MAX_PARAMETERS 100

int
main(int argc, char **argv)
{
	const char *keywords[MAX_PARAMETERS + 1] = {NULL};
	const char *values[MAX_PARAMETERS + 1] = {NULL};
	PQconninfoOption *given = argc == 3 ? PQconninfoParse(argv[1], NULL) : NULL;
	pgcs_selector *sel = pgcs_selector_new();
	PGconn	   *conn = NULL;
	int			n = 0;

	if (given == NULL || sel == NULL)
	{
		fprintf(stderr, "usage: connect CONNINFO DIRECTORY\n");
		return 2;
	}

	/* as for PQconnectdbParams() */
	for (PQconninfoOption *o = given; o->keyword != NULL && n < MAX_PARAMETERS; o++)
		if (o->val != NULL)
		{
			keywords[n] = o->keyword;
			values[n++] = o->val;
		}
	if (pgcs_add_directory(sel, argv[2]) == PGCS_OK)
		conn = pgcs_connect(sel, NULL, NULL, keywords, values);
	if (conn == NULL)
		fprintf(stderr, "%s\n", pgcs_error(sel));
	else
	{
		PGresult   *result = PQexec(conn, "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()");

		printf("%s sent %s\n", PQuser(conn), PQgetvalue(result, 0, 0));
		PQclear(result);
	}
	PQfinish(conn);
	pgcs_selector_free(sel);
	PQconninfoFree(given);
	return conn == NULL;
}
