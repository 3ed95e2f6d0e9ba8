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
bool
pgcp_may_see_file_errors(void)
{
	return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_SETTINGS);
}

/*
 * Why a path is not that of an ordinary file of reasonable size, as a sentence
 * and with its SQLSTATE; NULL if it is.  So nobody waits for a FIFO.
 */
char *
pgcp_file_problem(const char *path, int *sqlerrcode)
{
	struct stat st;

	if (stat(path, &st) != 0)
	{
		int			saved_errno = errno;

		*sqlerrcode = (saved_errno == ENOENT || saved_errno == ENOTDIR) ?
			ERRCODE_UNDEFINED_FILE :
			(saved_errno == EACCES || saved_errno == EPERM) ?
			ERRCODE_INSUFFICIENT_PRIVILEGE : ERRCODE_IO_ERROR;
		return psprintf("File \"%s\": %s.", path, strerror(saved_errno));
	}
	if (!S_ISREG(st.st_mode))
	{
		*sqlerrcode = ERRCODE_WRONG_OBJECT_TYPE;
		return psprintf("\"%s\" is not a regular file.", path);
	}
	if (st.st_size > MAX_FILE_SIZE)
	{
		*sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		return psprintf("File \"%s\" has more than %d bytes.",
						path, MAX_FILE_SIZE);
	}
	return NULL;
}

/* Raises an error if there is such a problem. */
void
pgcp_ca_file_check(const char *setting, const char *path)
{
	int			sqlerrcode;
	char	   *problem = pgcp_file_problem(path, &sqlerrcode);

	if (problem != NULL)
		ereport(ERROR,
				(errcode(sqlerrcode),
				 errmsg("could not read the file of \"%s\"", setting),
				 pgcp_may_see_file_errors() ? errdetail("%s", problem) : 0));
}

/* Raises OpenSSL's error about the contents of a file. */
void
pgcp_ca_file_report(const char *setting, const char *path)
{
	char	   *reason = pgcp_openssl_error();

	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("could not read the file of \"%s\"", setting),
			 pgcp_may_see_file_errors() ?
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
