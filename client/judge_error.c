/*
 * judge_error.c
 *		Why OpenSSL would refuse a chain, in words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "judge_case.h"
#include "name.h"
#include "purpose.h"

void
pgcs_format_date(int64_t seconds, char *text, size_t size)
{
	time_t		t = (time_t) seconds;
	struct tm	tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(text, size, "%Y-%m-%d", &tm) == 0)
		snprintf(text, size, "?");
}

char *
pgcs_case_subject(PgcsCase *c, X509 *cert)
{
	char	   *text = pgcert_name_text(X509_get_subject_name(cert));

	if (text == NULL)
		c->failed = true;
	return text;
}

static void
add_expiry(PgcsCase *c, const PgcsVerification *v, pgcs_severity severity,
		   const char *code, const char *verb)
{
	X509	   *cert = v->cert != NULL ? v->cert : c->candidate->identity->leaf;
	const ASN1_TIME *time = strcmp(code, "expired") == 0
		? X509_get0_notAfter(cert) : X509_get0_notBefore(cert);
	int64_t		seconds;
	char		date[32] = "?";

	if (pgcert_time_seconds(time, &seconds))
		pgcs_format_date(seconds, date, sizeof(date));
	if (v->depth == 0)
		pgcs_reasons_add(REASONS(c), severity, code, NULL,
						 "%scertificate %s %s", c->prefix, verb, date);
	else
	{
		char	   *subject = pgcs_case_subject(c, cert);

		if (subject != NULL)
			pgcs_reasons_add(REASONS(c), severity, code, NULL,
							 "%sCA certificate \"%s\" of the chain %s %s",
							 c->prefix, subject, verb, date);
		free(subject);
	}
}

/* What the certificate is for, since it is not for clients. */
static void
add_purpose(PgcsCase *c, const PgcsVerification *v, pgcs_severity severity)
{
	const PgcertFacts *facts = c->candidate->identity->facts;
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *subject = NULL;
	char	   *text;

	if (v->depth > 0 && v->cert != NULL)
	{
		subject = pgcs_case_subject(c, v->cert);
		pgcert_buf_printf(&buf, "CA certificate \"%s\" of the chain does not allow TLS clients",
						  subject != NULL ? subject : "");
	}
	else
	{
		bool		for_clients = facts->n_ekus == 0;

		pgcert_buf_text(&buf, "certificate is not for TLS clients");
		for (size_t i = 0; i < facts->n_ekus; i++)
			for_clients = for_clients ||
				strcmp(pgcert_purpose_name(facts->ekus[i]), "clientAuth") == 0;
		for (size_t i = 0; i < facts->n_ekus && !for_clients; i++)
			pgcert_buf_printf(&buf, "%s%s", i == 0 ? ": its extendedKeyUsage is " : ", ",
							  pgcert_purpose_name(facts->ekus[i]));
		if (for_clients)
			pgcert_buf_text(&buf, ": its keyUsage allows neither digitalSignature nor keyAgreement, or its type is another");
	}
	text = pgcert_buf_take(&buf);
	if (text == NULL)
		c->failed = true;
	else
	{
		pgcs_reasons_add(REASONS(c), severity, "purpose", NULL, "%s%s",
						 c->prefix, text);
		if (v->depth == 0)
			pgcs_reasons_hint(REASONS(c), "have it issued with extendedKeyUsage clientAuth and keyUsage digitalSignature");
	}
	free(text);
	free(subject);
}

void
pgcs_case_chain_error(PgcsCase *c, const PgcsVerification *v, pgcs_severity severity,
					  const char *code, const char *introduction)
{
	char	   *subject;

	switch (v->error)
	{
		case X509_V_ERR_CERT_HAS_EXPIRED:
			add_expiry(c, v, severity, "expired", "expired on");
			return;
		case X509_V_ERR_CERT_NOT_YET_VALID:
			add_expiry(c, v, severity, "not-yet-valid", "is not valid before");
			return;
		case X509_V_ERR_INVALID_PURPOSE:
			add_purpose(c, v, severity);
			return;
		default:
			break;
	}
	if (v->depth == 0 || v->cert == NULL)
	{
		pgcs_reasons_add(REASONS(c), severity, code, NULL, "%s%s%s",
						 c->prefix, introduction,
						 X509_verify_cert_error_string(v->error));
		return;
	}
	subject = pgcs_case_subject(c, v->cert);
	if (subject != NULL)
		pgcs_reasons_add(REASONS(c), severity, code, NULL,
						 "%s%s%s, at \"%s\"", c->prefix, introduction,
						 X509_verify_cert_error_string(v->error), subject);
	free(subject);
}
