/*
 * pem_known.c
 *		A PEM file that holds nothing but certificates known already.
 *
 * Most often ssl_ca_file is what the session's server has loaded, and that is
 * decoded.  To decode it once more is what a look at the trusted CAs would
 * spend most of its time with.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "miscadmin.h"

#include "pgcp.h"

typedef struct Known
{
	unsigned char sha256[PGCERT_SHA256_LEN];
	X509	   *certificate;
} Known;

typedef struct KnownList
{
	Known	   *known;			/* sorted */
	int			n;
} KnownList;

typedef enum Block
{
	BLOCK_KNOWN,
	BLOCK_OTHER,
	BLOCK_NONE,					/* the end of the file */
} Block;

static void
free_bio(void *bio)
{
	BIO_free((BIO *) bio);
}

static int
compare_known(const void *a, const void *b)
{
	return memcmp(((const Known *) a)->sha256, ((const Known *) b)->sha256,
				  PGCERT_SHA256_LEN);
}

static bool
list_known(KnownList *list, STACK_OF(X509) *certificates)
{
	list->n = sk_X509_num(certificates);
	list->known = palloc(sizeof(Known) * Max(list->n, 1));
	for (int i = 0; i < list->n; i++)
	{
		list->known[i].certificate = sk_X509_value(certificates, i);
		if (!pgcert_cert_sha256(list->known[i].certificate, list->known[i].sha256))
			return false;
	}
	qsort(list->known, list->n, sizeof(Known), compare_known);
	return true;
}

/* The next block of the file; its certificate, if it is a known one. */
static Block
read_block(BIO *bio, const KnownList *list, X509 **certificate)
{
	char	   *name = NULL;
	char	   *header = NULL;
	unsigned char *der = NULL;
	long		len;
	Known		wanted;
	Known	   *found = NULL;

	if (PEM_read_bio(bio, &name, &header, &der, &len) != 1)
		return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ?
			BLOCK_NONE : BLOCK_OTHER;
	if (strcmp(name, PEM_STRING_X509) == 0 && header[0] == '\0' &&
		EVP_Digest(der, len, wanted.sha256, NULL, EVP_sha256(), NULL) == 1)
		found = bsearch(&wanted, list->known, list->n, sizeof(Known), compare_known);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	if (found == NULL)
		return BLOCK_OTHER;
	*certificate = found->certificate;
	return BLOCK_KNOWN;
}

/*
 * The certificates of a file in its order, as they are known.  NULL if it
 * holds anything else or cannot be read: pgcp_pem_file_read() says what then.
 */
STACK_OF(X509) *
pgcp_pem_file_known(const char *path, STACK_OF(X509) *certificates)
{
	PgcpHold   *bio = pgcp_hold(free_bio);
	PgcpHold   *result = pgcp_hold(pgcp_free_certificates);
	KnownList	list;
	X509	   *certificate;
	Block		block;
	int			ignored;

	if (pgcp_file_problem(path, &ignored) != NULL ||
		!list_known(&list, certificates))
		return NULL;
	ERR_clear_error();
	bio->object = BIO_new_file(path, "r");
	result->object = sk_X509_new_null();
	if (bio->object == NULL || result->object == NULL)
		return NULL;
	while ((block = read_block(bio->object, &list, &certificate)) == BLOCK_KNOWN)
	{
		CHECK_FOR_INTERRUPTS();
		if (!sk_X509_push(result->object, certificate))
			break;
		X509_up_ref(certificate);
	}
	ERR_clear_error();
	pgcp_release(bio);
	if (block != BLOCK_NONE || sk_X509_num(result->object) == 0)
	{
		pgcp_release(result);
		return NULL;
	}
	return result->object;
}
