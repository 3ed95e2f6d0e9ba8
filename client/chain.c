/*
 * chain.c
 *		Certificate chains: what libpq sends, and what OpenSSL makes of it.
 *
 * X509_verify_cert() with purpose sslclient is the judge, as it is in the
 * server; nothing is decided here by rules of our own.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "choice.h"
#include "name.h"
#include "source_file.h"

bool
pgcs_is_self_issued(X509 *cert)
{
	return pgcert_name_equal(X509_get_subject_name(cert),
							 X509_get_issuer_name(cert));
}

bool
pgcs_is_among(X509 *cert, const STACK_OF(X509) *certs)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (X509_cmp(cert, sk_X509_value(certs, i)) == 0)
			return true;
	return false;
}

bool
pgcs_error_is_missing_issuer(int error)
{
	switch (error)
	{
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
			return true;
		default:
			return false;
	}
}

/* Goes on where nothing but the issuer is missing. */
static int
tolerant_callback(int ok, X509_STORE_CTX *ctx)
{
	return ok || pgcs_error_is_missing_issuer(X509_STORE_CTX_get_error(ctx));
}

bool
pgcs_verify(const PgcsVerify *request, PgcsVerification *result)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE *empty = NULL;
	X509_VERIFY_PARAM *param;
	X509	   *cert;
	bool		ok = false;
	bool		no_memory = false;
	int			verified;

	ERR_clear_error();
	*result = (PgcsVerification) {.error = X509_V_ERR_UNSPECIFIED};
	if (request->anchors == NULL)
		empty = X509_STORE_new();
	if (ctx == NULL || (request->anchors == NULL && empty == NULL))
		goto out;
	if (X509_STORE_CTX_init(ctx, request->anchors != NULL ? request->anchors : empty,
							request->leaf, request->sent) != 1)
		goto out;

	/* the same as in OpenSSL's server: purpose and trust "ssl_client" */
	if (X509_STORE_CTX_set_default(ctx, "ssl_client") != 1)
		goto out;
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t) request->now);
	X509_VERIFY_PARAM_set_auth_level(param, request->auth_level);
	if (request->partial)
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	if (request->tolerate_missing)
		X509_STORE_CTX_set_verify_cb(ctx, tolerant_callback);

	verified = X509_verify_cert(ctx);
	result->error = verified == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	if (verified != 1 && result->error == X509_V_OK)
		result->error = X509_V_ERR_UNSPECIFIED;
	if (result->error == X509_V_ERR_OUT_OF_MEM)
		goto out;
	result->depth = X509_STORE_CTX_get_error_depth(ctx);
	cert = X509_STORE_CTX_get_current_cert(ctx);
	if (cert != NULL && result->error != X509_V_OK)
	{
		X509_up_ref(cert);
		result->cert = cert;
	}
	if (X509_STORE_CTX_get0_chain(ctx) != NULL)
	{
		result->chain = X509_STORE_CTX_get1_chain(ctx);
		if (result->chain == NULL)
			goto out;
	}
	ok = true;
out:
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(empty);

	/* a signature that could not be checked for want of it is not wrong */
	pgcs_openssl_forget(&no_memory);
	if (no_memory && ok)
		pgcs_verification_free(result);
	return ok && !no_memory;
}

void
pgcs_verification_free(PgcsVerification *result)
{
	X509_free(result->cert);
	sk_X509_pop_free(result->chain, X509_free);
	*result = (PgcsVerification) {.error = X509_V_ERR_UNSPECIFIED};
}

/*
 * OpenSSL's ssl_add_cert_chain(): the rest of the file; but if the file has a
 * single certificate, whatever X509_verify_cert() builds from the root file,
 * its verdict ignored.
 */
STACK_OF(X509) *
pgcs_sent_chain(const pgcs_bundle *bundle, const pgcs_identity *identity)
{
	STACK_OF(X509) *sent = NULL;
	X509_STORE_CTX *ctx = NULL;

	if (sk_X509_num(identity->extra) == 0 && bundle->roots != NULL)
	{
		ctx = X509_STORE_CTX_new();
		if (ctx == NULL ||
			X509_STORE_CTX_init(ctx, bundle->roots, identity->leaf, NULL) != 1)
			goto out;
		(void) X509_verify_cert(ctx);
		if (X509_STORE_CTX_get_error(ctx) == X509_V_ERR_OUT_OF_MEM)
			goto out;
		sent = X509_STORE_CTX_get1_chain(ctx);

		/* without memory it may not even have come to the leaf */
		if (sk_X509_num(sent) == 0)
			goto fail;
		goto out;
	}
	sent = sk_X509_new_null();
	if (sent == NULL || !sk_X509_push(sent, identity->leaf))
		goto fail;
	X509_up_ref(identity->leaf);
	for (int i = 0; i < sk_X509_num(identity->extra); i++)
	{
		X509	   *extra = sk_X509_value(identity->extra, i);

		if (!sk_X509_push(sent, extra))
			goto fail;
		X509_up_ref(extra);
	}
	goto out;

fail:
	sk_X509_pop_free(sent, X509_free);
	sent = NULL;
out:
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return sent;
}

STACK_OF(X509) *
pgcs_reachable(STACK_OF(X509) *sent)
{
	STACK_OF(X509) *reached = sk_X509_new_null();

	if (reached == NULL || !sk_X509_push(reached, sk_X509_value(sent, 0)))
		goto fail;
	for (int i = 0; i < sk_X509_num(reached); i++)
	{
		X509	   *cert = sk_X509_value(reached, i);

		for (int j = 1; j < sk_X509_num(sent); j++)
		{
			X509	   *next = sk_X509_value(sent, j);
			bool		known = false;

			if (!pgcert_name_equal(X509_get_subject_name(next),
								   X509_get_issuer_name(cert)))
				continue;
			for (int k = 0; k < sk_X509_num(reached) && !known; k++)
				known = sk_X509_value(reached, k) == next;
			if (!known && !sk_X509_push(reached, next))
				goto fail;
		}
	}
	return reached;

fail:
	sk_X509_free(reached);
	return NULL;
}
