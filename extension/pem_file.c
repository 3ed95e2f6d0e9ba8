/*
 * pem_file.c
 *		All certificates and revocation lists of a PEM file.
 *
 * Read as OpenSSL's X509_load_cert_crl_file() reads what the server loads: one
 * block that does not decode spoils the file.  A problem is a result here and
 * no error, since a view that lists several files must list the others too.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "pgcp.h"

static void
free_bio(void *bio)
{
	BIO_free((BIO *) bio);
}

static void
free_infos(void *infos)
{
	sk_X509_INFO_pop_free((STACK_OF(X509_INFO) *) infos, X509_INFO_free);
}

static void
free_crls(void *crls)
{
	sk_X509_CRL_pop_free((STACK_OF(X509_CRL) *) crls, X509_CRL_free);
}

/* Moves what the blocks hold into the two stacks; false if memory is out. */
static bool
collect(STACK_OF(X509_INFO) *infos, STACK_OF(X509) *certificates,
		STACK_OF(X509_CRL) *crls)
{
	for (int i = 0; i < sk_X509_INFO_num(infos); i++)
	{
		X509_INFO  *info = sk_X509_INFO_value(infos, i);

		if (info->x509 != NULL)
		{
			if (!sk_X509_push(certificates, info->x509))
				return false;
			info->x509 = NULL;
		}
		if (info->crl != NULL)
		{
			if (!sk_X509_CRL_push(crls, info->crl))
				return false;
			info->crl = NULL;
		}
	}
	return true;
}

/* Reads the file; all of the result is held by the current memory context. */
PgcpPemFile *
pgcp_pem_file_read(const char *path)
{
	PgcpPemFile *file = palloc0(sizeof(PgcpPemFile));
	PgcpHold   *bio = pgcp_hold(free_bio);
	PgcpHold   *infos = pgcp_hold(free_infos);
	PgcpHold   *certificates = pgcp_hold(pgcp_free_certificates);
	PgcpHold   *crls = pgcp_hold(free_crls);
	char		no_password[] = "";
	int			ignored;

	file->problem = pgcp_file_problem(path, &ignored);
	if (file->problem != NULL)
		return file;

	ERR_clear_error();
	bio->object = BIO_new_file(path, "r");

	/* without a password, OpenSSL would prompt for one */
	if (bio->object != NULL)
		infos->object = PEM_X509_INFO_read_bio(bio->object, NULL, NULL,
											   no_password);
	if (infos->object == NULL)
	{
		file->problem = psprintf("File \"%s\": %s.", path, pgcp_openssl_error());
		return file;
	}
	certificates->object = sk_X509_new_null();
	crls->object = sk_X509_CRL_new_null();
	if (certificates->object == NULL || crls->object == NULL ||
		!collect(infos->object, certificates->object, crls->object))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	pgcp_release(infos);
	pgcp_release(bio);
	ERR_clear_error();

	if (sk_X509_num(certificates->object) == 0 &&
		sk_X509_CRL_num(crls->object) == 0)
	{
		file->problem = psprintf("File \"%s\" holds no certificate and no revocation list in PEM.",
								 path);
		return file;
	}
	file->certificates = certificates->object;
	file->crls = crls->object;
	return file;
}
