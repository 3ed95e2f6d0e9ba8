/*
 * sql_names.c
 *		pg_trusted_ca_names(): the CAs that the server names in a handshake.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "pgcp.h"

PG_FUNCTION_INFO_V1(pg_trusted_ca_names);

enum
{
	COL_POSITION,
	COL_NAME,
	COL_NAME_DER,
	COL_SOURCE,
	N_COLS
};

static bytea *
name_der(X509_NAME *name)
{
	int			len = i2d_X509_NAME(name, NULL);
	bytea	   *der;
	unsigned char *out;

	if (len < 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION),
				 errmsg("could not encode the name of a CA: %s",
						pgcp_openssl_error())));
	der = palloc(VARHDRSZ + len);
	SET_VARSIZE(der, VARHDRSZ + len);
	out = (unsigned char *) VARDATA(der);
	i2d_X509_NAME(name, &out);
	return der;
}

/*
 * In a TLS session exactly the list of this session's CertificateRequest,
 * else that of ssl_ca_file.  No rows where none would be asked for.
 */
Datum
pg_trusted_ca_names(PG_FUNCTION_ARGS)
{
	STACK_OF(X509_NAME) *names;
	bool		in_session = MyProcPort != NULL && MyProcPort->ssl_in_use;

	pgcp_materialize(fcinfo);
	names = in_session ? pgcp_session_ca_names(MyProcPort) : pgcp_ca_file_names();

	for (int i = 0; names != NULL && i < sk_X509_NAME_num(names); i++)
	{
		X509_NAME  *name = sk_X509_NAME_value(names, i);
		Datum		values[N_COLS];
		bool		nulls[N_COLS] = {false};
		char	   *words = pgcp_take_text(pgcert_name_text(name));

		values[COL_POSITION] = Int32GetDatum(i + 1);
		values[COL_NAME] = PointerGetDatum(pgcp_text_from_utf8(words));
		values[COL_NAME_DER] = PointerGetDatum(name_der(name));
		values[COL_SOURCE] = CStringGetTextDatum(in_session ? "session" : "file");
		pgcp_put_row(fcinfo, values, nulls);
	}
	ERR_clear_error();
	return (Datum) 0;
}
