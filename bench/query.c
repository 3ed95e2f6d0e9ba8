/*
 * query.c
 *		A query in a session that is open, beside OpenSSL reading the same CA
 *		file, or beside another query.
 *
 *	query FIGURE CASE SIZE PAIRS CONNINFO QUERY --file CAFILE
 *	query FIGURE CASE SIZE PAIRS CONNINFO QUERY --query OTHER
 *
 * Fewer than 200 CAs are read so often that it comes to 200: a moment as short
 * as that of ten depends on what the processor did before.
 *
 * The query must return one row with one value, which is SIZE: what is not
 * what was asked for is not worth timing.
 */
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <openssl/ssl.h>

#include "measure.h"

typedef struct Question
{
	PGconn	   *conn;
	const char *text;
	long		size;
} Question;

typedef struct CaFile
{
	const char *path;
	long		size;
} CaFile;

static void
ask(void *context)
{
	Question   *question = context;
	PGresult   *result = PQexec(question->conn, question->text);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		measure_fail("%s", PQerrorMessage(question->conn));
	if (PQntuples(result) != 1 ||
		strtol(PQgetvalue(result, 0, 0), NULL, 10) != question->size)
		measure_fail("%s: got %s, not %ld", question->text,
					 PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "no row",
					 question->size);
	PQclear(result);
}

static void
read_names(void *context)
{
	CaFile	   *file = context;
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file->path);

	if (names == NULL || sk_X509_NAME_num(names) != file->size)
		measure_fail("\"%s\" has not %ld names", file->path, file->size);
	sk_X509_NAME_pop_free(names, X509_NAME_free);
}

int
main(int argc, char **argv)
{
	Question	ours_question = {0};
	Question	other_question = {0};
	CaFile		file = {0};
	Work		ours = {ask, &ours_question, 1};
	Work		other = {0};
	PGconn	   *conn;

	if (argc != 9)
		measure_fail("usage: query FIGURE CASE SIZE PAIRS CONNINFO QUERY (--file CAFILE | --query OTHER)");
	conn = PQconnectdb(argv[5]);
	if (PQstatus(conn) != CONNECTION_OK)
		measure_fail("%s", PQerrorMessage(conn));
	ours_question.conn = conn;
	ours_question.text = argv[6];
	ours_question.size = strtol(argv[3], NULL, 10);
	if (strcmp(argv[7], "--file") == 0)
	{
		file.path = argv[8];
		file.size = ours_question.size;
		ours.times = (int) (200 / file.size) + 1;
		other = (Work) {read_names, &file, ours.times};
	}
	else
	{
		other_question = ours_question;
		other_question.text = argv[8];
		other = (Work) {ask, &other_question, 1};
	}
	measure_pairs(argv[1], argv[2], ours_question.size, atoi(argv[4]),
				  &ours, &other);
	PQfinish(conn);
	return 0;
}
