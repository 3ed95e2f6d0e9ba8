/*
 * logins.c
 *		Logins to two servers, in turn.
 *
 *	logins FIGURE CASE SIZE PAIRS CONNINFO-OURS CONNINFO-OTHER
 */
#include <stdlib.h>

#include <libpq-fe.h>

#include "measure.h"

static void
log_in(void *context)
{
	PGconn	   *conn = PQconnectdb(context);

	if (PQstatus(conn) != CONNECTION_OK)
		measure_fail("%s", PQerrorMessage(conn));
	PQfinish(conn);
}

int
main(int argc, char **argv)
{
	Work		ours = {log_in, NULL, 1};
	Work		other = {log_in, NULL, 1};

	if (argc != 7)
		measure_fail("usage: logins FIGURE CASE SIZE PAIRS OURS OTHER");
	ours.context = argv[5];
	other.context = argv[6];
	measure_pairs(argv[1], argv[2], strtol(argv[3], NULL, 10),
				  atoi(argv[4]), &ours, &other);
	return 0;
}
