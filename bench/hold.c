/*
 * hold.c
 *		Opens many sessions and keeps them open until it is ended.
 *
 *	hold NUMBER CONNINFO		prints "held" when all are open
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "measure.h"

int
main(int argc, char **argv)
{
	int			n = argc == 3 ? atoi(argv[1]) : 0;

	if (n < 1)
		measure_fail("usage: hold NUMBER CONNINFO");
	for (int i = 0; i < n; i++)
	{
		PGconn	   *conn = PQconnectdb(argv[2]);

		if (PQstatus(conn) != CONNECTION_OK)
			measure_fail("%s", PQerrorMessage(conn));
		/* the system closes them when it ends this process */
	}
	puts("held");
	fflush(stdout);
	for (;;)
		pause();
}
