/*
 * request_probe.c
 *		Asks servers what they want by beginning a TLS handshake with them.
 *
 * Each host is asked for itself, as each may trust other CAs.  The handshake
 * is libpq's; from its SSL object come the names.  A server that insists on
 * a certificate breaks the handshake off, but only after it has asked.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "connection.h"
#include "request.h"
#include "selector.h"
#include "sigalg.h"

static bool
take_names(PgcsHost *host, SSL *ssl)
{
	const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(ssl);

	for (int i = 0; i < sk_X509_NAME_num(names); i++)
		if (!pgcs_host_add_name(host, sk_X509_NAME_value(names, i)))
			return false;
	return true;
}

static bool
take_sigalgs(PgcsHost *host, SSL *ssl)
{
	int			n = SSL_get_sigalgs(ssl, -1, NULL, NULL, NULL, NULL, NULL);

	if (n <= 0)
		return true;
	host->sigalgs = calloc((size_t) n, sizeof(*host->sigalgs));
	if (host->sigalgs == NULL)
		return false;
	for (int i = 0; i < n; i++)
	{
		unsigned char low = 0;
		unsigned char high = 0;

		SSL_get_sigalgs(ssl, i, NULL, NULL, NULL, &low, &high);
		host->sigalgs[host->n_sigalgs++] = (uint16_t) (high << 8 | low);
	}
	return true;
}

bool
pgcs_host_take_answer(PgcsHost *host, const PgcsHandshake *handshake)
{
	switch (handshake->state)
	{
		case PGCS_HANDSHAKE_NO_TLS:
			host->answer = PGCS_ANSWER_NO_TLS;

			/* without an error, the default host is a Unix socket */
			return pgcs_host_set_error(host, handshake->error != NULL
									   ? "the server does not support TLS"
									   : "a Unix socket carries no TLS");
		case PGCS_HANDSHAKE_DONE:
			break;
		default:
			if (!pgcs_handshake_was_refused(handshake))
			{
				host->answer = PGCS_ANSWER_NONE;
				return handshake->error != NULL &&
					pgcs_host_set_error(host, handshake->error);
			}
			/* refused for lack of a certificate: that is an answer */
			break;
	}
	host->tls_version = SSL_version(handshake->ssl);
	host->group = pgcs_negotiated_group(handshake->ssl);
	if (!pgcs_handshake_was_asked(handshake))
	{
		host->answer = PGCS_ANSWER_NOT_WANTED;
		return true;
	}
	if (!take_names(host, handshake->ssl) || !take_sigalgs(host, handshake->ssl))
		return false;
	host->answer = host->n_names > 0 ? PGCS_ANSWER_NAMED : PGCS_ANSWER_UNNAMED;
	return true;
}

static bool
probe_host(PgcsHost *host, const PgcsTarget *target,
		   const PQconninfoOption *options, int timeout_ms)
{
	PgcsHandshake handshake;
	const char *without = pgcs_target_without_tls(target, options);
	char	   *conninfo;
	bool		ok;

	free(host->label);
	host->label = strdup(target->label);
	if (host->label == NULL)
		return false;
	if (without != NULL)
	{
		host->answer = PGCS_ANSWER_NO_TLS;
		return pgcs_host_set_error(host, without);
	}
	conninfo = pgcs_target_conninfo(target, options, NULL, NULL, NULL);
	if (conninfo == NULL)
		return false;
	ok = pgcs_handshake_start(&handshake, conninfo);
	free(conninfo);
	if (!ok)
		return false;
	pgcs_handshake_run(&handshake, timeout_ms);
	ok = pgcs_host_take_answer(host, &handshake);
	pgcs_handshake_end(&handshake);
	return ok;
}

pgcs_request *
pgcs_request_probe(pgcs_selector *sel, const char *const *keywords,
				   const char *const *values)
{
	PQconninfoOption *options = pgcs_resolve(sel, keywords, values);
	PgcsTarget *targets = NULL;
	pgcs_request *request = NULL;
	size_t		n = 0;
	size_t		n_answers = 0;

	if (options == NULL)
		return NULL;
	targets = pgcs_targets(sel, options, &n);
	if (targets == NULL)
		goto out;
	request = pgcs_request_new(n);
	if (request == NULL)
	{
		pgcs_fail_memory(sel);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
	{
		if (!probe_host(&request->hosts[i], &targets[i], options,
						pgcs_effective_timeout(sel, options)))
		{
			pgcs_request_free(request);
			request = NULL;
			pgcs_fail_memory(sel);
			goto out;
		}
		n_answers += request->hosts[i].answer != PGCS_ANSWER_NONE;
	}
	if (n_answers == 0)
	{
		pgcs_fail(sel, PGCS_UNREACHABLE, "could not ask %s: %s",
				  request->hosts[0].label, request->hosts[0].error);
		pgcs_request_free(request);
		request = NULL;
	}
out:
	pgcs_targets_free(targets, n);
	PQconninfoFree(options);
	ERR_clear_error();
	return request;
}
