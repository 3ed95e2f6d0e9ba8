/*
 * chain.c
 *		Would the server's TLS accept this chain of certificates?
 *
 * The first question of the dry run, and of every recheck.  The answer is
 * OpenSSL's, with a context made of the server's settings as the server makes
 * its own, and with the purpose, the security level and the CRL flags that
 * its handshake uses.  The files are read as they are now, once for as many
 * chains as there are: what a reload would give.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "pgcp.h"

/* A chain of more is no chain; it bounds the work for a hostile argument. */
#define MAX_CERTIFICATES 1000

static void
free_ssl_context(void *context)
{
	SSL_CTX_free((SSL_CTX *) context);
}

static void
free_store_context(void *context)
{
	X509_STORE_CTX_free((X509_STORE_CTX *) context);
}

static void
free_bio(void *bio)
{
	BIO_free((BIO *) bio);
}

/*
 * Reads certificates, leaf first: one or more in PEM, or in DER one behind
 * the other.  The result is held by the current memory context.
 */
STACK_OF(X509) *
pgcp_certificates_read(const unsigned char *bytes, size_t len)
{
	PgcpHold   *stack = pgcp_hold(pgcp_free_certificates);
	PgcpHold   *hold = pgcp_hold(free_bio);
	const unsigned char *next = bytes;
	X509	   *certificate = NULL;
	bool		is_der;
	unsigned long code = 0;
	char		no_password[] = "";

	/* a SEQUENCE with a length in the long form; no text begins so */
	is_der = len > 1 && bytes[0] == 0x30 && (bytes[1] & 0x80) != 0;

	ERR_clear_error();
	stack->object = sk_X509_new_null();
	if (!is_der)
		hold->object = BIO_new_mem_buf(bytes, (int) len);
	if (stack->object == NULL || (!is_der && hold->object == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));

	for (;;)
	{
		/* without a password, OpenSSL would prompt for one */
		if (!is_der)
			certificate = PEM_read_bio_X509(hold->object, NULL, NULL,
											no_password);
		else if (next < bytes + len)
			certificate = d2i_X509(NULL, &next, bytes + len - next);
		else
			break;
		if (certificate == NULL)
		{
			code = ERR_peek_last_error();

			/* the end of a PEM text */
			if (!is_der && sk_X509_num(stack->object) > 0 &&
				ERR_GET_LIB(code) == ERR_LIB_PEM &&
				ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
				break;
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					 errmsg("certificate %d cannot be read: %s",
							sk_X509_num(stack->object) + 1,
							pgcp_openssl_error()),
					 errhint("Give the certificate in PEM or DER, the leaf first and its chain behind it.")));
		}
		if (!sk_X509_push(stack->object, certificate))
		{
			X509_free(certificate);
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory")));
		}
		if (sk_X509_num(stack->object) > MAX_CERTIFICATES)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("more than %d certificates", MAX_CERTIFICATES)));
	}
	ERR_clear_error();
	return stack->object;
}

/* A TLS context with the server's ciphers, held by the memory context. */
static SSL_CTX *
new_context(void)
{
	PgcpHold   *hold = pgcp_hold(free_ssl_context);

	ERR_clear_error();
	hold->object = SSL_CTX_new(TLS_method());
	if (hold->object == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION),
				 errmsg("could not create a TLS context: %s",
						pgcp_openssl_error())));

	/* may carry a security level, which limits keys and signatures */
	if (SSL_CTX_set_cipher_list(hold->object, pgcp_ssl_ciphers()) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("could not use the server's list of ciphers: %s",
						pgcp_openssl_error())));
	return hold->object;
}

/* OpenSSL's security level that the server's TLS works at, by its settings. */
int
pgcp_security_level(void)
{
	return SSL_CTX_get_security_level(new_context());
}

/*
 * A TLS context as be_tls_init() makes it, as far as it concerns clients, held
 * by the current memory context; NULL if the server asks for no certificates.
 * Raises an error if the server's files cannot be read.
 */
PgcpVerifier *
pgcp_verifier_new(void)
{
	const char *crl_dir = pgcp_ssl_crl_dir();
	SSL_CTX    *context;
	X509_STORE *store;

	if (ssl_ca_file == NULL || ssl_ca_file[0] == '\0')
		return NULL;
	context = new_context();
	pgcp_ca_file_check("ssl_ca_file", ssl_ca_file);
	if (SSL_CTX_load_verify_locations(context, ssl_ca_file, NULL) != 1)
		pgcp_ca_file_report("ssl_ca_file", ssl_ca_file);

	if (ssl_crl_file[0] || crl_dir[0])
	{
		if (ssl_crl_file[0])
			pgcp_ca_file_check("ssl_crl_file", ssl_crl_file);
		store = SSL_CTX_get_cert_store(context);
		if (X509_STORE_load_locations(store,
									  ssl_crl_file[0] ? ssl_crl_file : NULL,
									  crl_dir[0] ? crl_dir : NULL) != 1)
			pgcp_ca_file_report(ssl_crl_file[0] ? "ssl_crl_file" : "ssl_crl_dir",
								ssl_crl_file[0] ? ssl_crl_file : crl_dir);
		X509_STORE_set_flags(store,
							 X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	return (PgcpVerifier *) context;
}

/* "CN=alice <- CN=ca" */
static char *
describe_chain(STACK_OF(X509) *chain)
{
	StringInfoData words;

	initStringInfo(&words);
	for (int i = 0; i < sk_X509_num(chain); i++)
	{
		X509_NAME  *subject = X509_get_subject_name(sk_X509_value(chain, i));

		appendStringInfo(&words, "%s\"%s\"", i > 0 ? " <- " : "",
						 pgcp_take_text(pgcert_name_text(subject)));
	}
	return words.data;
}

/* What is wrong, and with which certificate. */
static char *
describe_error(X509_STORE_CTX *context)
{
	X509	   *culprit = X509_STORE_CTX_get_current_cert(context);
	const char *what =
		X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
	X509_NAME  *subject;

	if (culprit == NULL)
		return pstrdup(what);
	subject = X509_get_subject_name(culprit);
	return psprintf("%s (at depth %d: \"%s\")", what,
					X509_STORE_CTX_get_error_depth(context),
					pgcp_take_text(pgcert_name_text(subject)));
}

/* TLS itself bounds the message that carries the chain. */
static bool
too_long_for_tls(SSL_CTX *context, STACK_OF(X509) *certificates)
{
	long		total = 0;

	for (int i = 0; i < sk_X509_num(certificates); i++)
		total += 3 + Max(i2d_X509(sk_X509_value(certificates, i), NULL), 0);
	return total > SSL_CTX_get_max_cert_list(context);
}

/*
 * PostgreSQL itself turns away a common name with a NUL among its bytes, in
 * whatever string type: a BMPString always has some.
 */
static bool
has_nul_in_cn(X509 *leaf)
{
	X509_NAME  *subject = X509_get_subject_name(leaf);
	int			index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *cn;

	if (index < 0)
		return false;
	cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
	return memchr(ASN1_STRING_get0_data(cn), '\0', ASN1_STRING_length(cn)) != NULL;
}

/*
 * Verifies the chain as of a time, or, if at is NULL, without regard to any
 * dates.  All of the result is held by the current memory context.
 */
PgcpChain *
pgcp_chain_verify(PgcpVerifier *verifier, STACK_OF(X509) *certificates,
				  const TimestampTz *at)
{
	PgcpChain  *result = palloc0(sizeof(PgcpChain));
	PgcpHold   *hold;
	PgcpHold   *verified;
	SSL_CTX    *server = (SSL_CTX *) verifier;
	X509_STORE_CTX *context;
	X509_VERIFY_PARAM *param;

	/* without it the server asks for no certificate, so none is sent */
	if (verifier == NULL)
	{
		result->accepted = true;
		result->found = pstrdup("the server asks for no certificate, because \"ssl_ca_file\" is not set");
		return result;
	}
	result->requested = true;

	ERR_clear_error();
	if (too_long_for_tls(server, certificates))
	{
		result->found = psprintf("certificates of more than %ld bytes, too long for the server's TLS",
								 SSL_CTX_get_max_cert_list(server));
		return result;
	}

	verified = pgcp_hold(pgcp_free_certificates);
	hold = pgcp_hold(free_store_context);
	hold->object = X509_STORE_CTX_new();
	context = hold->object;
	if (context == NULL ||
		!X509_STORE_CTX_init(context, SSL_CTX_get_cert_store(server),
							 sk_X509_value(certificates, 0), certificates) ||
		!X509_STORE_CTX_set_default(context, "ssl_client"))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION),
				 errmsg("could not prepare the verification of the certificate: %s",
						pgcp_openssl_error())));
	param = X509_STORE_CTX_get0_param(context);
	X509_VERIFY_PARAM_set_auth_level(param, SSL_CTX_get_security_level(server));
	if (at != NULL)
		X509_VERIFY_PARAM_set_time(param, timestamptz_to_time_t(*at));
	else
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME);

	if (X509_verify_cert(context) != 1)
	{
		result->found = describe_error(context);
		ERR_clear_error();
		return result;
	}
	if (has_nul_in_cn(sk_X509_value(certificates, 0)))
	{
		result->found = pstrdup("the common name has an embedded NUL");
		return result;
	}
	verified->object = X509_STORE_CTX_get1_chain(context);
	result->verified = verified->object;
	if (result->verified == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	result->accepted = true;
	result->found = describe_chain(result->verified);
	result->trusted = pgcp_store_trusts(SSL_CTX_get_cert_store(server),
										result->verified);
	ERR_clear_error();
	return result;
}
