/*
 * request_sql.c
 *		Asks a server in SQL, where the extension pg_cert_policy is installed.
 *
 * Besides the names, SQL can tell what the handshake cannot: the CA
 * certificates themselves, and the policies that a role is under.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "connection.h"
#include "name.h"
#include "request.h"
#include "selector.h"
#include "source_file.h"

/* No CA list that TLS can carry is larger, nor is its SQL form. */
#define MAX_ROWS 100000

/* Nor are the certificates of PGCS_MAX_CA_FILE_SIZE, whatever stands around. */
#define MAX_ANSWER_BYTES (64 * 1024 * 1024)

#define NOT_ASKED_FOR "the server's answer is not what was asked for"

/* One bytea of a result, whichever format it has; the caller frees it. */
static unsigned char *
bytea_value(const PGresult *result, int row, int column, size_t *len)
{
	unsigned char *copy;
	unsigned char *unescaped;

	if (PQfformat(result, column) == 1)
	{
		*len = (size_t) PQgetlength(result, row, column);
		copy = malloc(*len + 1);
		if (copy != NULL)
			memcpy(copy, PQgetvalue(result, row, column), *len);
		return copy;
	}
	unescaped = PQunescapeBytea((const unsigned char *) PQgetvalue(result, row, column), len);
	if (unescaped == NULL)
		return NULL;
	copy = malloc(*len + 1);
	if (copy != NULL)
		memcpy(copy, unescaped, *len);
	PQfreemem(unescaped);
	return copy;
}

/* Adds the name of a row; 0, or a negative code with the error set. */
static int
add_row(pgcs_selector *sel, PgcsHost *host, const PGresult *result, int row,
		int der_column, int name_column)
{
	X509_NAME  *name = NULL;
	unsigned char *der;
	size_t		len;
	bool		no_memory = false;
	bool		added;

	if (der_column >= 0 && !PQgetisnull(result, row, der_column))
	{
		der = bytea_value(result, row, der_column, &len);
		if (der == NULL)
			return pgcs_fail_memory(sel);
		name = pgcert_name_from_der(der, len);
		free(der);
	}
	else if (name_column >= 0 && !PQgetisnull(result, row, name_column))
	{
		PgcertError error = {0};

		name = pgcert_name_parse(PQgetvalue(result, row, name_column),
								 (size_t) PQgetlength(result, row, name_column),
								 &error);
		no_memory = name == NULL && pgcert_error_is_no_memory(&error);
	}
	pgcs_openssl_forget(&no_memory);
	if (name == NULL && no_memory)
		return pgcs_fail_memory(sel);
	if (name == NULL)
		return pgcs_fail(sel, PGCS_INVALID,
						 "row %d of the result holds no CA name", row + 1);
	added = pgcs_host_add_name(host, name);
	X509_NAME_free(name);
	return added ? PGCS_OK : pgcs_fail_memory(sel);
}

static int
add_names(pgcs_selector *sel, PgcsHost *host, const PGresult *result)
{
	int			der_column = PQfnumber(result, "name_der");
	int			name_column = PQfnumber(result, "name");

	if (PQresultStatus(result) != PGRES_TUPLES_OK ||
		(der_column < 0 && name_column < 0))
		return pgcs_fail(sel, PGCS_INVALID,
						 "the result has neither column name_der nor name");
	if (PQntuples(result) > MAX_ROWS)
		return pgcs_fail(sel, PGCS_INVALID, "the result has %d rows, more than any list of CAs",
						 PQntuples(result));
	for (int row = 0; row < PQntuples(result); row++)
	{
		int			code = add_row(sel, host, result, row, der_column, name_column);

		if (code != PGCS_OK)
			return code;
	}
	host->answer = host->n_names > 0 ? PGCS_ANSWER_NAMED : PGCS_ANSWER_NOT_WANTED;
	return PGCS_OK;
}

pgcs_request *
pgcs_request_from_result(pgcs_selector *sel, const struct pg_result *result)
{
	pgcs_request *request = pgcs_request_new(1);

	pgcs_clear_error(sel);
	if (request == NULL)
	{
		pgcs_fail_memory(sel);
		return NULL;
	}
	if (add_names(sel, &request->hosts[0], result) != PGCS_OK)
	{
		pgcs_request_free(request);
		return NULL;
	}
	return request;
}

/* ---------- asking ---------- */

/* Waits for the server; false, with the error set, when its time is over. */
static bool
wait_for_server(pgcs_selector *sel, PGconn *conn, bool for_write, int64_t deadline)
{
	if (pgcs_wait_socket(PQsocket(conn), for_write, deadline))
		return true;
	pgcs_fail(sel, PGCS_UNREACHABLE,
			  "could not ask for the names: timeout expired");
	return false;
}

/* What a server would like to have printed. */
static void
ignore_notice(void *argument, const char *message)
{
	(void) argument;
	(void) message;
}

/* Takes the words, of which NULL means that memory was out. */
static int
fail_asking(pgcs_selector *sel, int code, char *words)
{
	int			result;

	if (words == NULL)
		return pgcs_fail_memory(sel);
	result = pgcs_fail(sel, code, "could not ask for the names: %s", words);
	free(words);
	return result;
}

/* Can libpq read it?  Otherwise no server is to blame. */
static bool
is_conninfo(pgcs_selector *sel, const char *conninfo)
{
	char	   *message = NULL;
	PQconninfoOption *options = PQconninfoParse(conninfo, &message);

	if (options != NULL)
	{
		PQconninfoFree(options);
		return true;
	}
	fail_asking(sel, PGCS_INVALID,
				message != NULL ? pgcs_conninfo_words(message, conninfo) : NULL);
	PQfreemem(message);
	return false;
}

/* Connects, or fails within the time; NULL with the error set. */
static PGconn *
connect_in_time(pgcs_selector *sel, const char *conninfo, int64_t deadline)
{
	PGconn	   *conn = PQconnectStart(conninfo);
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	if (conn == NULL)
	{
		pgcs_fail_memory(sel);
		return NULL;
	}
	PQsetNoticeProcessor(conn, ignore_notice, NULL);
	while (PQstatus(conn) != CONNECTION_BAD && status != PGRES_POLLING_OK &&
		   status != PGRES_POLLING_FAILED)
	{
		if (!wait_for_server(sel, conn, status == PGRES_POLLING_WRITING, deadline))
		{
			PQfinish(conn);
			return NULL;
		}
		status = PQconnectPoll(conn);
	}
	if (PQstatus(conn) == CONNECTION_OK)
		return conn;
	fail_asking(sel, PGCS_UNREACHABLE, pgcs_libpq_words(PQerrorMessage(conn)));
	PQfinish(conn);
	return NULL;
}

/* Rows as they come, and how much of them there is. */
typedef struct Rows
{
	PGresult   *all;			/* NULL before the first */
	size_t		bytes;
} Rows;

/* Adds the rows of a result; 0, or a negative code with the error set. */
static int
rows_add(pgcs_selector *sel, Rows *rows, const PGresult *result)
{
	if (rows->all == NULL)
		rows->all = PQcopyResult(result, PG_COPYRES_ATTRS);
	if (rows->all == NULL)
		return pgcs_fail_memory(sel);
	for (int i = 0; i < PQntuples(result); i++)
	{
		int			row = PQntuples(rows->all);

		for (int column = 0; column < PQnfields(result); column++)
		{
			bool		is_null = PQgetisnull(result, i, column);

			rows->bytes += (size_t) PQgetlength(result, i, column);
			if (!PQsetvalue(rows->all, row, column,
							is_null ? NULL : PQgetvalue(result, i, column),
							is_null ? -1 : PQgetlength(result, i, column)))
				return pgcs_fail_memory(sel);
		}
		if (row >= MAX_ROWS || rows->bytes > MAX_ANSWER_BYTES)
			return pgcs_fail(sel, PGCS_UNREACHABLE,
							 "could not ask for the names: the server sends more than any list of CAs");
	}
	return PGCS_OK;
}

/* May another result follow?  A COPY has one as often as one asks. */
static bool
is_in_copy(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_COPY_IN ||
		PQresultStatus(result) == PGRES_COPY_OUT ||
		PQresultStatus(result) == PGRES_COPY_BOTH;
}

/*
 * One query, its rows in binary; NULL with the error set.  The rows are taken
 * one by one, since a server may send them without end.
 */
static PGresult *
query_in_time(pgcs_selector *sel, PGconn *conn, int64_t deadline,
			  const char *sql, int n, const char *const *parameters)
{
	Rows		rows = {NULL, 0};
	bool		failed = false;
	PGresult   *next = NULL;
	const char *message;

	if (PQsendQueryParams(conn, sql, n, NULL, parameters, NULL, NULL, 1) &&
		PQsetSingleRowMode(conn))
	{
		do
		{
			PQclear(next);
			while (PQisBusy(conn))
			{
				if (!wait_for_server(sel, conn, false, deadline))
				{
					PQclear(rows.all);
					return NULL;
				}
				if (!PQconsumeInput(conn))
					break;
			}
			next = PQgetResult(conn);
			if (PQresultStatus(next) == PGRES_SINGLE_TUPLE ||
				PQresultStatus(next) == PGRES_TUPLES_OK)
			{
				if (rows_add(sel, &rows, next) != PGCS_OK)
				{
					PQclear(next);
					PQclear(rows.all);
					return NULL;
				}
			}
			else if (next != NULL)
				failed = true;
		} while (next != NULL && !is_in_copy(next));
		PQclear(next);
	}
	if (rows.all != NULL && !failed)
		return rows.all;
	PQclear(rows.all);
	message = PQerrorMessage(conn);
	fail_asking(sel, PGCS_UNREACHABLE,
				pgcs_libpq_words(message[0] != '\0' ? message : NOT_ASKED_FOR));
	return NULL;
}

static int
add_certificates(pgcs_selector *sel, PgcsHost *host, const PGresult *result)
{
	int			column = PQfnumber(result, "certificate");

	if (column < 0)
		return pgcs_fail(sel, PGCS_INVALID, "pg_trusted_cas has no usable column certificate");
	for (int row = 0; row < PQntuples(result); row++)
	{
		size_t		len = (size_t) PQgetlength(result, row, column);
		const unsigned char *p = (const unsigned char *) PQgetvalue(result, row, column);
		X509	   *cert;
		bool		no_memory = false;
		bool		added;

		if (PQgetisnull(result, row, column))
			continue;
		cert = d2i_X509(NULL, &p, (long) len);
		pgcs_openssl_forget(&no_memory);
		if (cert == NULL && no_memory)
			return pgcs_fail_memory(sel);
		if (cert == NULL)
			return pgcs_fail(sel, PGCS_INVALID,
							 "row %d of pg_trusted_cas holds no certificate", row + 1);

		/* the names come from pg_trusted_ca_names(): they are the session's */
		if (host->anchors == NULL)
			host->anchors = X509_STORE_new();
		if (host->cas == NULL)
			host->cas = sk_X509_new_null();
		added = host->anchors != NULL && host->cas != NULL &&
			X509_STORE_add_cert(host->anchors, cert) == 1 &&
			sk_X509_push(host->cas, cert) > 0;
		if (!added)
		{
			X509_free(cert);
			return pgcs_fail_memory(sel);
		}
		(void) X509_check_purpose(cert, -1, 0); /* see pgcs_host_add_ca() */
	}
	return PGCS_OK;
}

/* The bytes of a text are the same in binary. */
static bool
has_text(const PGresult *result, int row, int column, const char *text)
{
	return strcmp(PQgetvalue(result, row, column), text) == 0;
}

/* What is not enforced refuses nobody. */
static int
add_policies(pgcs_selector *sel, pgcs_request *request, const PGresult *result)
{
	int			column = PQfnumber(result, "policy");
	int			mode_column = PQfnumber(result, "mode");

	if (column < 0 || mode_column < 0)
		return pgcs_fail(sel, PGCS_INVALID, "pg_cert_policy_for() has no usable columns policy and mode");
	for (int row = 0; row < PQntuples(result); row++)
	{
		PgcertError error = {0};
		PgcertPolicy *policy;
		PgcertPolicy **policies;
		bool		only_logs = has_text(result, row, mode_column, "log");

		if (PQgetisnull(result, row, column) || has_text(result, row, mode_column, "off"))
			continue;
		policy = pgcert_policy_parse(PQgetvalue(result, row, column), &error);

		if (policy == NULL && pgcert_error_is_no_memory(&error))
			return pgcs_fail_memory(sel);

		/* if it enforces it, the server rejects whom it covers */
		if (policy == NULL && only_logs)
			continue;
		if (policy == NULL)
			return pgcs_fail(sel, PGCS_INVALID,
							 "the server has a policy for the role that is not valid: %s",
							 error.message);
		policies = realloc(request->policies,
						   (request->n_policies + 1) * sizeof(*policies));
		if (policies == NULL)
		{
			pgcert_policy_free(policy);
			return pgcs_fail_memory(sel);
		}
		if (only_logs)
			policy->mode = PGCERT_MODE_LOG;
		request->policies = policies;
		policies[request->n_policies++] = policy;
	}
	return PGCS_OK;
}

/* A boolean of a row in binary; false for what is none. */
static bool
is_true(const PGresult *result, int column)
{
	return PQgetlength(result, 0, column) == 1 &&
		PQgetvalue(result, 0, column)[0] == 1;
}

/* Asks what is there to ask; each object is of a later version or optional. */
static int
ask(pgcs_selector *sel, PGconn *conn, int64_t deadline, pgcs_request *request,
	const char *role, const char *database)
{
	const char *const parameters[] = {role, database};
	PGresult   *result;
	char		schema[256];
	char		sql[512];
	bool		has_cas;
	bool		has_policies;
	int			code;

	result = query_in_time(sel, conn, deadline,
						   "SELECT pg_catalog.quote_ident(n.nspname)::pg_catalog.text AS schema,"
						   " pg_catalog.to_regclass(pg_catalog.quote_ident(n.nspname) || '.pg_trusted_cas') IS NOT NULL AS cas,"
						   " pg_catalog.to_regproc(pg_catalog.quote_ident(n.nspname) || '.pg_cert_policy_for') IS NOT NULL AS policies"
						   " FROM pg_catalog.pg_extension e"
						   " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace"
						   " WHERE e.extname OPERATOR(pg_catalog.=) 'pg_cert_policy'",
						   0, NULL);
	if (result == NULL)
		return sel->error_code;
	if (PQntuples(result) != 1)
	{
		PQclear(result);
		return pgcs_fail(sel, PGCS_UNREACHABLE,
						 "extension pg_cert_policy is not installed in database \"%s\"",
						 PQdb(conn));
	}
	if (PQnfields(result) != 3)
	{
		PQclear(result);
		return pgcs_fail(sel, PGCS_UNREACHABLE,
						 "could not ask for the names: %s", NOT_ASKED_FOR);
	}
	snprintf(schema, sizeof(schema), "%s", PQgetvalue(result, 0, 0));
	has_cas = is_true(result, 1);
	has_policies = is_true(result, 2);
	PQclear(result);

	snprintf(sql, sizeof(sql),
			 "SELECT * FROM %s.pg_trusted_ca_names() ORDER BY position", schema);
	result = query_in_time(sel, conn, deadline, sql, 0, NULL);
	if (result == NULL)
		return sel->error_code;
	code = add_names(sel, &request->hosts[0], result);
	PQclear(result);
	if (code != PGCS_OK)
		return code;

	if (has_cas)
	{
		snprintf(sql, sizeof(sql),
				 "SELECT certificate FROM %s.pg_trusted_cas ORDER BY position", schema);
		result = query_in_time(sel, conn, deadline, sql, 0, NULL);
		if (result == NULL)
			return sel->error_code;
		code = add_certificates(sel, &request->hosts[0], result);
		PQclear(result);
		if (code != PGCS_OK)
			return code;
	}
	if (has_policies && role != NULL && role[0] != '\0')
	{
		snprintf(sql, sizeof(sql),
				 "SELECT policy, mode FROM %s.pg_cert_policy_for($1::name, $2::name)", schema);
		result = query_in_time(sel, conn, deadline, sql, 2, parameters);
		if (result == NULL)
			return sel->error_code;
		code = add_policies(sel, request, result);
		PQclear(result);
	}
	return code;
}

pgcs_request *
pgcs_request_from_server(pgcs_selector *sel, const char *conninfo,
						 const char *role, const char *database)
{
	int64_t		deadline;
	pgcs_request *request;
	PGconn	   *conn;

	pgcs_clear_error(sel);
	if (!is_conninfo(sel, conninfo))
		return NULL;
	deadline = pgcs_clock_ms() +
		(sel->timeout_ms > 0 ? sel->timeout_ms : PGCS_DEFAULT_TIMEOUT_MS);
	conn = connect_in_time(sel, conninfo, deadline);
	if (conn == NULL)
		return NULL;
	request = pgcs_request_new(1);
	if (request == NULL)
		pgcs_fail_memory(sel);
	else if (ask(sel, conn, deadline, request, role, database) != PGCS_OK)
	{
		pgcs_request_free(request);
		request = NULL;
	}
	PQfinish(conn);
	return request;
}
