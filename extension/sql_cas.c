/*
 * sql_cas.c
 *		pg_trusted_cas: the certificates behind the names, and what ails them.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "trusted_cas.h"

PG_FUNCTION_INFO_V1(pg_trusted_cas);

static Datum
time_or_null(const ASN1_TIME *time, bool *isnull)
{
	int64		seconds;

	*isnull = !pgcert_time_seconds(time, &seconds);
	return *isnull ? (Datum) 0 :
		TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) seconds));
}

static text *
name_words(X509_NAME *name)
{
	return pgcp_text_from_utf8(pgcp_take_text(pgcert_name_text(name)));
}

/* Lower-case hex, as the policy clause "serial" takes it. */
static text *
serial_text(const ASN1_INTEGER *serial)
{
	text	   *hex = pgcp_hex_text(ASN1_STRING_get0_data(serial),
									ASN1_STRING_length(serial));

	if ((ASN1_STRING_type(serial) & V_ASN1_NEG) == 0)
		return hex;
	return cstring_to_text(psprintf("-%s", text_to_cstring(hex)));
}

/* DER as a bytea; length is what the first call of an i2d function gave. */
static bytea *
new_bytea(int length)
{
	bytea	   *result;

	if (length < 0)
		pgcp_report_certificate();
	result = palloc(VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	return result;
}

static void
put_ca(FunctionCallInfo fcinfo, const TrustedCas *all, int index)
{
	enum
	{
		COL_POSITION, COL_SUBJECT, COL_SUBJECT_DER, COL_ISSUER, COL_SERIAL,
		COL_NOT_BEFORE, COL_NOT_AFTER, COL_CERT_SHA256, COL_KEY_SHA256,
		COL_KEY_ID, COL_KEY_TYPE, COL_SECURITY_BITS, COL_SELF_SIGNED,
		COL_ANNOUNCED, COL_CAN_ANCHOR, COL_CERTIFICATE, COL_PROBLEMS, N_COLS
	};
	const TrustedCa *ca = &all->cas[index];
	X509	   *certificate = ca->certificate;
	X509_NAME  *subject = X509_get_subject_name(certificate);
	const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id(certificate);
	const char *key_type = pgcert_key_type(certificate);
	int			error = pgcp_ca_chain_error(all, ca);
	ArrayBuildState *problems = pgcp_ca_problems(all, ca, error);
	Datum		values[N_COLS] = {0};
	bool		nulls[N_COLS] = {false};
	bytea	   *der;
	unsigned char *out;

	values[COL_POSITION] = Int32GetDatum(index + 1);
	values[COL_SUBJECT] = PointerGetDatum(name_words(subject));
	der = new_bytea(i2d_X509_NAME(subject, NULL));
	out = (unsigned char *) VARDATA(der);
	i2d_X509_NAME(subject, &out);
	values[COL_SUBJECT_DER] = PointerGetDatum(der);
	values[COL_ISSUER] = PointerGetDatum(name_words(X509_get_issuer_name(certificate)));
	values[COL_SERIAL] = PointerGetDatum(serial_text(X509_get0_serialNumber(certificate)));
	values[COL_NOT_BEFORE] = time_or_null(X509_get0_notBefore(certificate),
										  &nulls[COL_NOT_BEFORE]);
	values[COL_NOT_AFTER] = time_or_null(X509_get0_notAfter(certificate),
										 &nulls[COL_NOT_AFTER]);
	values[COL_CERT_SHA256] = PointerGetDatum(pgcp_hex_text(ca->cert_sha256, PGCERT_SHA256_LEN));
	values[COL_KEY_SHA256] = PointerGetDatum(pgcp_hex_text(ca->key_sha256, PGCERT_SHA256_LEN));
	nulls[COL_KEY_ID] = key_id == NULL;
	if (key_id != NULL)
		values[COL_KEY_ID] = PointerGetDatum(pgcp_hex_text(ASN1_STRING_get0_data(key_id),
														   ASN1_STRING_length(key_id)));
	nulls[COL_KEY_TYPE] = key_type == NULL;
	if (key_type != NULL)
		values[COL_KEY_TYPE] = CStringGetTextDatum(key_type);
	values[COL_SECURITY_BITS] = Int32GetDatum(pgcert_key_security_bits(certificate));
	values[COL_SELF_SIGNED] = BoolGetDatum(ca->self_signed);
	values[COL_ANNOUNCED] = BoolGetDatum(pgcp_ca_is_announced(all, ca));
	values[COL_CAN_ANCHOR] = BoolGetDatum(pgcp_ca_can_anchor(ca, error));
	der = new_bytea(i2d_X509(certificate, NULL));
	out = (unsigned char *) VARDATA(der);
	i2d_X509(certificate, &out);
	values[COL_CERTIFICATE] = PointerGetDatum(der);
	nulls[COL_PROBLEMS] = problems == NULL;
	if (problems != NULL)
		values[COL_PROBLEMS] = makeArrayResult(problems, CurrentMemoryContext);
	pgcp_put_row(fcinfo, values, nulls);
}

/* A row that has nothing but a problem. */
static void
put_file_problem(FunctionCallInfo fcinfo, const char *words)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			n_cols = rsinfo->setDesc->natts;
	Datum	   *values = palloc0(sizeof(Datum) * n_cols);
	bool	   *nulls = palloc(sizeof(bool) * n_cols);
	ArrayBuildState *problems = NULL;

	memset(nulls, true, n_cols);
	pgcp_add_problem(&problems, words);
	values[n_cols - 1] = makeArrayResult(problems, CurrentMemoryContext);
	nulls[n_cols - 1] = false;
	pgcp_put_row(fcinfo, values, nulls);
}

/*
 * The certificates of ssl_ca_file; NULL, and a row that says so, if it cannot
 * be read.  Without TLS there is nothing else to show; with it, the row is not
 * for everybody.
 */
static STACK_OF(X509) *
read_file(FunctionCallInfo fcinfo, STACK_OF(X509) *in_session)
{
	STACK_OF(X509) *known = NULL;
	PgcpPemFile *file;

	if (in_session != NULL)
		known = pgcp_pem_file_known(ssl_ca_file, in_session);
	if (known != NULL)
		return known;
	file = pgcp_pem_file_read(ssl_ca_file);
	if (file->problem != NULL &&
		(in_session == NULL || pgcp_may_see_file_errors()))
		put_file_problem(fcinfo,
						 pgcp_may_see_file_errors() ?
						 psprintf("could not read the file of \"ssl_ca_file\": %s",
								  file->problem) :
						 "could not read the file of \"ssl_ca_file\"");
	return file->certificates;
}

Datum
pg_trusted_cas(PG_FUNCTION_ARGS)
{
	TrustedCas	all = {0};
	STACK_OF(X509) *in_session = NULL;
	STACK_OF(X509) *on_disk = NULL;
	MemoryContext context;
	MemoryContext caller;

	pgcp_materialize(fcinfo);
	if (MyProcPort != NULL && MyProcPort->ssl_in_use)
		in_session = pgcp_session_trusted(MyProcPort);
	if (ssl_ca_file != NULL && ssl_ca_file[0] != '\0')
		on_disk = read_file(fcinfo, in_session);
	pgcp_trusted_cas(&all, on_disk, in_session);

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_trusted_cas",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < all.n_cas; i++)
	{
		CHECK_FOR_INTERRUPTS();
		caller = MemoryContextSwitchTo(context);
		put_ca(fcinfo, &all, i);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	ERR_clear_error();
	return (Datum) 0;
}
