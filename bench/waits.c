/*
 * waits.c
 *		How long other sessions wait while a query runs: one session runs it,
 *		another asks "SELECT 1" all the time, and the longest answer counts.
 *		Beside it, the same while the first session does nothing.
 *
 *	waits FIGURE CASE SIZE PAIRS CONNINFO QUERY CONNINFO-OTHER
 */
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

#include "measure.h"

static PGconn *
open_session(const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		measure_fail("%s", PQerrorMessage(conn));
	return conn;
}

/* The longest of the answers that come until the query, or the time, ends. */
static int64_t
longest_answer(PGconn *other, PGconn *busy, int64_t duration, int64_t *lasted)
{
	int64_t		start = measure_now();
	int64_t		longest = 0;

	for (;;)
	{
		int64_t		asked = measure_now();
		int64_t		answered;
		PGresult   *result = PQexec(other, "SELECT 1");

		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			measure_fail("%s", PQerrorMessage(other));
		PQclear(result);
		answered = measure_now();
		if (answered - asked > longest)
			longest = answered - asked;
		*lasted = answered - start;
		if (busy == NULL && *lasted > duration)
			break;
		if (busy != NULL && (!PQconsumeInput(busy) || !PQisBusy(busy)))
			break;
	}
	return longest;
}

int
main(int argc, char **argv)
{
	PGconn	   *busy;
	PGconn	   *other;

	if (argc != 8)
		measure_fail("usage: waits FIGURE CASE SIZE PAIRS CONNINFO QUERY CONNINFO-OTHER");
	busy = open_session(argv[5]);
	other = open_session(argv[7]);
	for (int i = 0; i < atoi(argv[4]); i++)
	{
		int64_t		lasted;
		int64_t		ours;
		PGresult   *result;

		if (!PQsendQuery(busy, argv[6]))
			measure_fail("%s", PQerrorMessage(busy));
		ours = longest_answer(other, busy, 0, &lasted);
		while ((result = PQgetResult(busy)) != NULL)
		{
			if (PQresultStatus(result) != PGRES_TUPLES_OK)
				measure_fail("%s", PQerrorMessage(busy));
			PQclear(result);
		}
		measure_print(argv[1], argv[2], strtol(argv[3], NULL, 10), ours,
					  longest_answer(other, NULL, lasted, &lasted));
	}
	PQfinish(busy);
	PQfinish(other);
	return 0;
}
