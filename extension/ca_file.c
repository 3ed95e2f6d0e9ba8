/*
 * ca_file.c
 *		Reading the file that ssl_ca_file names.
 *
 * For sessions without TLS, which have no handshake to ask.  The file is read
 * with the very function that the server uses for its CertificateRequest.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include "miscadmin.h"
#include "utils/acl.h"

#include "pgcp.h"

/* Far beyond what TLS can announce; a bound on what a view may read. */
#define MAX_FILE_SIZE (16 * 1024 * 1024)

static void
free_names(void *names)
{
	sk_X509_NAME_pop_free((STACK_OF(X509_NAME) *) names, X509_NAME_free);
}

/* Paths and the reasons of failures are for those who may see all settings. */
static bool
may_see_file_errors(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_SETTINGS);
}

/*
 * Raises an error unless the path is that of an ordinary file of reasonable
 * size, so that nobody waits for a FIFO.
 */
void
pgcp_ca_file_check(const char *setting, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
	{
		int			saved_errno = errno;

		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the file of \"%s\"", setting),
				 may_see_file_errors() ?
				 errdetail("File \"%s\": %s.", path, strerror(saved_errno)) : 0));
	}
	if (!S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("could not read the file of \"%s\"", setting),
				 may_see_file_errors() ?
				 errdetail("\"%s\" is not a regular file.", path) : 0));
	if (st.st_size > MAX_FILE_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("could not read the file of \"%s\"", setting),
				 may_see_file_errors() ?
				 errdetail("File \"%s\" has more than %d bytes.",
						   path, MAX_FILE_SIZE) : 0));
}

/* Raises OpenSSL's error about the contents of a file. */
void
pgcp_ca_file_report(const char *setting, const char *path)
{
	char	   *reason = pgcp_openssl_error();

	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("could not read the file of \"%s\"", setting),
			 may_see_file_errors() ?
			 errdetail("File \"%s\": %s.", path, reason) : 0));
}

/*
 * The names that a server with the present ssl_ca_file announces, held by the
 * current memory context; NULL if there is no such file configured.
 */
STACK_OF(X509_NAME) *
pgcp_ca_file_names(void)
{
	PgcpHold   *hold = pgcp_hold(free_names);

	if (ssl_ca_file == NULL || ssl_ca_file[0] == '\0')
		return NULL;
	pgcp_ca_file_check("ssl_ca_file", ssl_ca_file);
	ERR_clear_error();
	hold->object = SSL_load_client_CA_file(ssl_ca_file);
	if (hold->object == NULL)
		pgcp_ca_file_report("ssl_ca_file", ssl_ca_file);
	ERR_clear_error();
	return hold->object;
}
