/*
 * psql_like.c
 *		logs in and runs SQL, once for each request, in one process
 *
 * What "psql -XAtqw -d CONNINFO -c SQL" does, prints and returns, many times:
 * to start psql takes far longer than the login that a test wants.
 *
 * A request on stdin is two strings, the connection string and the SQL; the
 * answer on stdout is three: the exit status that psql would have, what it
 * would print, and what it would complain of.  Before each string stands its
 * length, of four bytes in network order.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

/* Text that grows. */
typedef struct
{
	char	   *bytes;
	size_t		len;
	FILE	   *file;
}			text;

static void
open_text(text * t)
{
	t->bytes = NULL;
	t->len = 0;
	t->file = open_memstream(&t->bytes, &t->len);
	if (t->file == NULL)
		exit(3);
}

/* The next string, ended with a NUL; NULL at the end of the input. */
static char *
read_string(void)
{
	uint32_t	len;
	char	   *bytes;

	if (fread(&len, sizeof(len), 1, stdin) != 1)
		return NULL;
	len = ntohl(len);
	bytes = malloc((size_t) len + 1);
	if (bytes == NULL || fread(bytes, 1, len, stdin) != len)
		exit(3);
	bytes[len] = '\0';
	return bytes;
}

static void
write_string(const char *bytes, size_t len)
{
	uint32_t	n = htonl((uint32_t) len);

	fwrite(&n, sizeof(n), 1, stdout);
	fwrite(bytes, 1, len, stdout);
}

static void
take_notice(void *arg, const char *message)
{
	fputs(message, arg);
}

/* "psql -At" prints rows, and with -q nothing else. */
static void
print_rows(const PGresult *result, FILE *out)
{
	for (int row = 0; row < PQntuples(result); row++)
	{
		for (int column = 0; column < PQnfields(result); column++)
		{
			if (column > 0)
				fputc('|', out);
			fputs(PQgetvalue(result, row, column), out);
		}
		fputc('\n', out);
	}
}

/* All the results of the SQL, or its error; returns psql's exit status. */
static int
run_sql(PGconn *conn, const char *sql, FILE *out, FILE *err)
{
	PGresult   *result;
	int			status = 0;

	if (!PQsendQuery(conn, sql))
	{
		fputs(PQerrorMessage(conn), err);
		status = 1;
	}
	while ((result = PQgetResult(conn)) != NULL)
	{
		switch (PQresultStatus(result))
		{
			case PGRES_TUPLES_OK:
				print_rows(result, out);
				break;
			case PGRES_COMMAND_OK:
			case PGRES_EMPTY_QUERY:
				break;
			case PGRES_COPY_IN:
			case PGRES_COPY_OUT:
			case PGRES_COPY_BOTH:
				fputs("COPY needs psql itself\n", err);
				PQclear(result);
				return 3;
			default:
				fputs(PQresultErrorMessage(result), err);
				status = 1;
		}
		PQclear(result);
	}
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fputs("psql: error: connection to server was lost\n", err);
		status = 2;
	}
	return status;
}

int
main(void)
{
	char	   *conninfo;

	while ((conninfo = read_string()) != NULL)
	{
		const char *keywords[] = {"dbname", "fallback_application_name", NULL};
		const char *values[] = {conninfo, "psql", NULL};
		char	   *sql = read_string();
		PGconn	   *conn;
		char		status = 2;
		text		out;
		text		err;

		open_text(&out);
		open_text(&err);
		conn = PQconnectdbParams(keywords, values, 1);
		PQsetNoticeProcessor(conn, take_notice, err.file);
		if (PQstatus(conn) != CONNECTION_OK)
			fprintf(err.file, "psql: error: %s", PQerrorMessage(conn));
		else
			status = (char) run_sql(conn, sql, out.file, err.file);
		PQfinish(conn);
		fclose(out.file);
		fclose(err.file);
		write_string(&status, 1);
		write_string(out.bytes, out.len);
		write_string(err.bytes, err.len);
		fflush(stdout);
		free(out.bytes);
		free(err.bytes);
		free(sql);
		free(conninfo);
	}
	return 0;
}
