/*
 * crowd.c
 *		A crowd that logs in and out, for tests.
 *
 *	crowd CLIENTS SECONDS CONNINFO...
 *
 * So many clients at once, each with the next of the connection strings, over
 * and over again.  Each login is a line: the number of its connection string
 * (0 is the first), and "in" with the OIDs of role and database that it came to,
 * or "out" with what the server said.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

static const char *const *conninfos;
static int	n_conninfos;
static time_t until;

static void
log_in(int which)
{
	PGconn	   *conn = PQconnectdb(conninfos[which]);
	PGresult   *result;

	if (PQstatus(conn) != CONNECTION_OK)
	{
		/* the last line: a host's name and what was tried comes before it */
		char	   *words = strstr(PQerrorMessage(conn), "FATAL:  ");

		if (words == NULL)
			words = PQerrorMessage(conn);
		words[strcspn(words, "\n")] = '\0';
		printf("%d out %s\n", which, words);
	}
	else
	{
		result = PQexec(conn, "select usesysid || ' ' || datid from pg_stat_activity where pid = pg_backend_pid()");
		if (PQntuples(result) == 1)
			printf("%d in %s\n", which, PQgetvalue(result, 0, 0));
		else
			printf("%d ended\n", which);
		PQclear(result);
	}
	PQfinish(conn);
}

static void *
client(void *arg)
{
	int			next = (int) (size_t) arg;

	while (time(NULL) < until)
		log_in(next++ % n_conninfos);
	return NULL;
}

int
main(int argc, char **argv)
{
	int			n = argc > 3 ? atoi(argv[1]) : 0;
	pthread_t  *threads = calloc(n > 0 ? n : 1, sizeof(pthread_t));

	if (n <= 0 || threads == NULL)
		return 2;
	until = time(NULL) + atoi(argv[2]);
	conninfos = (const char *const *) argv + 3;
	n_conninfos = argc - 3;
	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, client, (void *) (size_t) i) != 0)
			return 3;
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return 0;
}
