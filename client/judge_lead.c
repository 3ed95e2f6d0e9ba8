/*
 * judge_lead.c
 *		What is held locally and leads from a chain to a CA that the server
 *		names.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "judge_case.h"
#include "name.h"

/* No chain that makes sense is longer. */
#define MAX_STEPS 10

/* Signatures are expensive, and a hostile bundle could ask for many. */
#define MAX_VERIFICATIONS 100

/* Issuers that are held locally, one above the other. */
typedef struct Lead
{
	const PgcsLocalCa *steps[MAX_STEPS];
	int			n;
	int			verifications;
} Lead;

bool
pgcs_case_is_in_time(const PgcsCase *c, X509 *cert)
{
	int64_t		from;
	int64_t		to;

	return pgcert_time_seconds(X509_get0_notBefore(cert), &from) &&
		pgcert_time_seconds(X509_get0_notAfter(cert), &to) &&
		from <= c->judging->now && c->judging->now <= to;
}

static bool
is_next_step(const PgcsCase *c, Lead *lead, X509 *issuer, X509 *cert)
{
	bool		did;

	for (int i = 0; i < lead->n; i++)
		if (lead->steps[i]->cert == issuer)
			return false;
	did = !pgcs_is_self_issued(issuer) && pgcs_case_is_in_time(c, issuer) &&
		X509_check_issued(issuer, cert) == X509_V_OK &&
		lead->verifications++ < MAX_VERIFICATIONS &&
		X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	return did;
}

/* A CA may have been signed by several; one of them leads to the server's. */
static bool
find_lead(const PgcsCase *c, Lead *lead, X509 *cert)
{
	const X509_NAME *name = X509_get_issuer_name(cert);
	unsigned long hash = pgcs_name_hash(name);
	size_t		position = 0;
	const PgcsLocalCa *ca;

	while (lead->n < MAX_STEPS &&
		   (ca = pgcs_bundle_next_ca(c->judging->bundle, name, hash, &position)) != NULL)
	{
		if (!is_next_step(c, lead, ca->cert, cert))
			continue;
		lead->steps[lead->n++] = ca;
		if (pgcs_host_names(c->host, X509_get_issuer_name(ca->cert)) ||
			find_lead(c, lead, ca->cert))
			return true;
		lead->n--;
	}
	return false;
}

void
pgcs_case_look_for_intermediate(PgcsCase *c)
{
	Lead		lead = {.n = 0};
	PgcertBuf	buf = PGCERT_BUF_INIT;
	int			end = sk_X509_num(c->reached) - 1;
	int			at = end;
	char	   *text;

	while (at >= 0 && !find_lead(c, &lead, sk_X509_value(c->reached, at)))
		at--;
	if (at < 0)
		return;
	for (int i = 0; i < lead.n; i++)
	{
		text = pgcs_case_subject(c, lead.steps[i]->cert);
		pgcert_buf_printf(&buf, "%s\"%s\", which is in ", i > 0 ? ", and " : "",
						  text != NULL ? text : "");
		pgcert_buf_escaped(&buf, lead.steps[i]->path, strlen(lead.steps[i]->path));
		free(text);
	}
	text = pgcert_buf_take(&buf);
	if (text == NULL)
		c->failed = true;
	else
	{
		pgcs_reasons_add(REASONS(c), PGCS_NOTE, "missing-intermediate", NULL,
						 "%sneeds intermediate %s", c->prefix, text);
		pgcs_reasons_hint(REASONS(c), at == end
						  ? "append it to the certificate's file, or use --complete-chain"
						  : "put it behind the certificate that it issued, or use --complete-chain");
	}
	free(text);
}
