/*
 * tls.c
 *		What this session's TLS connection knows, as facts.
 *
 * Only the connection's own SSL object is asked, never files: what counts is
 * what this very handshake verified, with the certificates that the server
 * had loaded then.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "pgcp.h"

/* The queue's first error as words, the queue emptied. */
char *
pgcp_openssl_error(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	char	   *words;

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
	/* OpenSSL has no words for what the operating system said */
	if (reason == NULL && ERR_SYSTEM_ERROR(code))
		reason = strerror(ERR_GET_REASON(code));
#endif
	if (reason != NULL)
		words = pstrdup(reason);
	else if (code != 0)
		words = psprintf("OpenSSL error code %lu", code);
	else
		words = pstrdup("no reason given by OpenSSL");
	ERR_clear_error();
	return words;
}

/* Same bytes?  A certificate that cannot be encoded equals none. */
bool
pgcp_certificate_same(X509 *a, X509 *b)
{
	unsigned char *a_der = NULL;
	unsigned char *b_der = NULL;
	int			a_len;
	int			b_len;
	bool		same;

	if (a == b)
		return true;

	/* cheap, and right for all but one or two of a store */
	if (X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) != 0)
		return false;
	a_len = i2d_X509(a, &a_der);
	b_len = i2d_X509(b, &b_der);
	same = a_len > 0 && a_len == b_len && memcmp(a_der, b_der, a_len) == 0;
	OPENSSL_free(a_der);
	OPENSSL_free(b_der);
	return same;
}

static bool
store_contains(X509_STORE *store, X509 *certificate)
{
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++)
	{
		/* NULL for CRLs */
		X509	   *trusted = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		if (trusted != NULL && pgcp_certificate_same(trusted, certificate))
			return true;
	}
	return false;
}

/*
 * For each certificate of a chain, whether it is itself in the store, that is
 * in ssl_ca_file, byte for byte.  A name proves nothing: every trusted CA can
 * sign an intermediate of any name.
 */
bool *
pgcp_store_trusts(X509_STORE *store, STACK_OF(X509) *chain)
{
	bool	   *trusted = palloc0(sizeof(bool) * Max(sk_X509_num(chain), 1));

	for (int i = 1; i < sk_X509_num(chain); i++)
		trusted[i] = store_contains(store, sk_X509_value(chain, i));
	return trusted;
}

/* How the connection is protected; *tls_version is 0 unless by TLS. */
PgcertLink
pgcp_session_link(Port *port, int *tls_version)
{
	*tls_version = 0;
	if (port->ssl_in_use)
	{
		*tls_version = SSL_version(port->ssl);
		return PGCERT_LINK_TLS;
	}
#ifdef ENABLE_GSS
	if (be_gssapi_get_enc(port))
		return PGCERT_LINK_GSS;
#endif
	return PGCERT_LINK_PLAIN;
}

/*
 * The facts of the connection and its certificate.  NULL, with *problem set,
 * if they cannot be told, which is a reason to reject.
 */
PgcertFacts *
pgcp_session_facts(Port *port, const char **problem)
{
	PgcpHold   *hold = pgcp_hold(pgcp_free_facts);
	int			tls_version;
	PgcertLink	link = pgcp_session_link(port, &tls_version);
	STACK_OF(X509) *chain;
	bool	   *trusted;

	hold->object = pgcert_facts_new(link, tls_version);
	if (hold->object == NULL)
	{
		*problem = "out of memory";
		return NULL;
	}
	if (link != PGCERT_LINK_TLS || port->peer == NULL)
		return hold->object;

	/* TLS has refused anything else already; do not depend on it */
	if (!port->peer_cert_valid ||
		SSL_get_verify_result(port->ssl) != X509_V_OK)
	{
		*problem = "the certificate was not verified";
		return NULL;
	}
	chain = SSL_get0_verified_chain(port->ssl);
	if (chain == NULL || sk_X509_num(chain) < 1)
	{
		*problem = "OpenSSL kept no verified chain";
		return NULL;
	}
	trusted = pgcp_store_trusts(SSL_CTX_get_cert_store(SSL_get_SSL_CTX(port->ssl)),
								chain);
	if (!pgcert_facts_set_certificate(hold->object, port->peer, chain, trusted))
	{
		*problem = "the certificate could not be read";
		ERR_clear_error();
		return NULL;
	}
	ERR_clear_error();
	return hold->object;
}

/*
 * The names of CAs that this session's CertificateRequest held; NULL or empty
 * if none.  They belong to the session.  The SSL object is right in all
 * versions: from 19 on its SSL_CTX has an empty list.
 */
STACK_OF(X509_NAME) *
pgcp_session_ca_names(Port *port)
{
	return SSL_get_client_CA_list(port->ssl);
}

/* OpenSSL's security level that this session's TLS works at. */
int
pgcp_session_security_level(Port *port)
{
	return SSL_get_security_level(port->ssl);
}

/*
 * The certificates that this session's server trusts: what ssl_ca_file held
 * when it was loaded.  The stack is held by the current memory context.
 */
STACK_OF(X509) *
pgcp_session_trusted(Port *port)
{
	PgcpHold   *hold = pgcp_hold(pgcp_free_certificates);
	X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(port->ssl));
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);

	hold->object = sk_X509_new_null();
	for (int i = 0; hold->object != NULL && i < sk_X509_OBJECT_num(objects); i++)
	{
		X509	   *trusted = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		if (trusted == NULL)
			continue;			/* a CRL */
		X509_up_ref(trusted);
		if (!sk_X509_push(hold->object, trusted))
		{
			X509_free(trusted);
			pgcp_release(hold);
		}
	}
	if (hold->object == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return hold->object;
}
