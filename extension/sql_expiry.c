/*
 * sql_expiry.c
 *		pg_tls_expiry: when each file of the server's TLS runs out.
 *
 * The files as they are now, which is what the next reload will load.
 */
#include "postgres.h"

#include <dirent.h>
#include <openssl/err.h>

#include "libpq/libpq.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pgcp.h"

PG_FUNCTION_INFO_V1(pg_tls_expiry);

/* NULL stands for a time that is not there or does not decode. */
static void
put_row(FunctionCallInfo fcinfo, const char *setting, X509_NAME *subject,
		const ASN1_TIME *until)
{
	enum
	{
		COL_SETTING, COL_SUBJECT, COL_NOT_AFTER, N_COLS
	};
	Datum		values[N_COLS] = {0};
	bool		nulls[N_COLS] = {false};
	int64		seconds;

	values[COL_SETTING] = CStringGetTextDatum(setting);
	nulls[COL_SUBJECT] = subject == NULL;
	if (subject != NULL)
		values[COL_SUBJECT] =
			PointerGetDatum(pgcp_text_from_utf8(pgcp_take_text(pgcert_name_text(subject))));
	nulls[COL_NOT_AFTER] = until == NULL || !pgcert_time_seconds(until, &seconds);
	if (!nulls[COL_NOT_AFTER])
		values[COL_NOT_AFTER] =
			TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) seconds));
	pgcp_put_row(fcinfo, values, nulls);
}

/*
 * One file.  If it cannot be read, a row says which setting it is, a warning
 * says why, and the other files are read all the same.
 */
static void
put_file(FunctionCallInfo fcinfo, const char *setting, const char *path)
{
	PgcpPemFile *file = pgcp_pem_file_read(path);

	if (file->problem != NULL)
	{
		ereport(WARNING,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not read the file of \"%s\"", setting),
				 errdetail("%s", file->problem)));
		put_row(fcinfo, setting, NULL, NULL);
		return;
	}
	for (int i = 0; i < sk_X509_num(file->certificates); i++)
	{
		X509	   *certificate = sk_X509_value(file->certificates, i);

		put_row(fcinfo, setting, X509_get_subject_name(certificate),
				X509_get0_notAfter(certificate));
	}
	for (int i = 0; i < sk_X509_CRL_num(file->crls); i++)
	{
		X509_CRL   *crl = sk_X509_CRL_value(file->crls, i);

		put_row(fcinfo, setting, X509_CRL_get_issuer(crl),
				X509_CRL_get0_nextUpdate(crl));
	}
}

/* Is it a name by which OpenSSL looks for lists: 8 hex digits, ".r", digits? */
static bool
is_crl_name(const char *name)
{
	return strspn(name, "0123456789abcdef") == 8 &&
		name[8] == '.' && name[9] == 'r' && name[10] != '\0' &&
		strspn(name + 10, "0123456789") == strlen(name + 10);
}

static void
put_directory(FunctionCallInfo fcinfo, const char *setting, const char *path)
{
	DIR		   *dir = AllocateDir(path);
	struct dirent *entry;

	if (dir == NULL)
	{
		ereport(WARNING,
				(errcode_for_file_access(),
				 errmsg("could not open the directory of \"%s\"", setting),
				 errdetail("Directory \"%s\": %m.", path)));
		put_row(fcinfo, setting, NULL, NULL);
		return;
	}
	while ((entry = ReadDirExtended(dir, path, WARNING)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_crl_name(entry->d_name))
			put_file(fcinfo, setting, psprintf("%s/%s", path, entry->d_name));
	}
	FreeDir(dir);
}

Datum
pg_tls_expiry(PG_FUNCTION_ARGS)
{
	const char *crl_dir = pgcp_ssl_crl_dir();

	pgcp_materialize(fcinfo);

	/* it has a default, which names a file that need not be there */
	if (EnableSSL)
		put_file(fcinfo, "ssl_cert_file", ssl_cert_file);
	if (ssl_ca_file[0] != '\0')
		put_file(fcinfo, "ssl_ca_file", ssl_ca_file);
	if (ssl_crl_file[0] != '\0')
		put_file(fcinfo, "ssl_crl_file", ssl_crl_file);
	if (crl_dir[0] != '\0')
		put_directory(fcinfo, "ssl_crl_dir", crl_dir);
	ERR_clear_error();
	return (Datum) 0;
}
