/*
 * request.c
 *		What servers ask for: made from names, files and query results.
 */
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "name.h"
#include "name_index.h"
#include "reason.h"
#include "request.h"
#include "selector.h"
#include "source_file.h"

pgcs_request *
pgcs_request_new(size_t n_hosts)
{
	pgcs_request *request = calloc(1, sizeof(*request));

	if (request == NULL)
		return NULL;
	atomic_init(&request->holders, 1);
	request->hosts = calloc(n_hosts, sizeof(*request->hosts));
	if (request->hosts == NULL)
	{
		free(request);
		return NULL;
	}
	request->n_hosts = n_hosts;
	for (size_t i = 0; i < n_hosts; i++)
	{
		request->hosts[i].label = calloc(1, 1);
		request->hosts[i].error = calloc(1, 1);
		if (request->hosts[i].label == NULL || request->hosts[i].error == NULL)
		{
			pgcs_request_free(request);
			return NULL;
		}
	}
	return request;
}

pgcs_request *
pgcs_request_ref(pgcs_request *request)
{
	atomic_fetch_add(&request->holders, 1);
	return request;
}

void
pgcs_request_free(pgcs_request *request)
{
	if (request == NULL || atomic_fetch_sub(&request->holders, 1) > 1)
		return;
	for (size_t i = 0; i < request->n_hosts; i++)
	{
		PgcsHost   *host = &request->hosts[i];

		for (size_t j = 0; j < host->n_names; j++)
		{
			X509_NAME_free(host->names[j].name);
			free(host->names[j].text);
			OPENSSL_free(host->names[j].der);
		}
		free(host->names);
		X509_STORE_free(host->anchors);
		sk_X509_pop_free(host->cas, X509_free);
		free(host->sigalgs);
		free(host->label);
		free(host->error);
	}
	for (size_t i = 0; i < request->n_policies; i++)
		pgcert_policy_free(request->policies[i]);
	free(request->policies);
	free(request->hosts);
	free(request);
}

bool
pgcs_host_add_name(PgcsHost *host, const X509_NAME *name)
{
	PgcsName	entry = {0};
	PgcsName   *names;
	int			len;

	entry.name = X509_NAME_dup((X509_NAME *) name);
	if (entry.name == NULL)
		return false;

	/* encoding it now makes later comparisons read-only: threads share it */
	len = i2d_X509_NAME(entry.name, &entry.der);
	entry.text = pgcert_name_text(entry.name);
	names = realloc(host->names, (host->n_names + 1) * sizeof(*names));
	if (names != NULL)
		host->names = names;
	if (len < 0 || entry.text == NULL || names == NULL)
	{
		X509_NAME_free(entry.name);
		OPENSSL_free(entry.der);
		free(entry.text);
		return false;
	}
	entry.der_len = (size_t) len;
	entry.hash = pgcs_name_hash(entry.name);
	names[host->n_names++] = entry;
	return true;
}

bool
pgcs_host_add_ca(PgcsHost *host, X509 *cert)
{
	if (host->anchors == NULL)
		host->anchors = X509_STORE_new();
	if (host->cas == NULL)
		host->cas = sk_X509_new_null();
	if (host->anchors == NULL || host->cas == NULL ||
		X509_STORE_add_cert(host->anchors, cert) != 1 ||
		!sk_X509_push(host->cas, cert))
		return false;
	X509_up_ref(cert);

	/* OpenSSL looks into the extensions once: now, while no thread shares it */
	(void) X509_check_purpose(cert, -1, 0);
	return pgcs_host_add_name(host, X509_get_subject_name(cert));
}

bool
pgcs_host_set_error(PgcsHost *host, const char *text)
{
	char	   *copy = strdup(text);

	if (copy == NULL)
		return false;
	free(host->error);
	host->error = copy;
	return true;
}

bool
pgcs_host_names(const PgcsHost *host, const X509_NAME *name)
{
	for (size_t i = 0; i < host->n_names; i++)
		if (pgcert_name_equal(host->names[i].name, name))
			return true;
	return false;
}

bool
pgcs_host_wants(const PgcsHost *host)
{
	return host->answer == PGCS_ANSWER_UNNAMED ||
		host->answer == PGCS_ANSWER_NAMED;
}

/* ---------- from names ---------- */

pgcs_request *
pgcs_request_from_names(pgcs_selector *sel, const char *const *names, size_t n)
{
	pgcs_request *request = pgcs_request_new(1);

	pgcs_clear_error(sel);
	if (request == NULL)
	{
		pgcs_fail_memory(sel);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
	{
		PgcertError error = {0};
		X509_NAME  *name = pgcert_name_parse(names[i], strlen(names[i]), &error);
		bool		added;

		if (name == NULL)
		{
			char	   *text = pgcs_printable(names[i]);

			if (text == NULL || pgcert_error_is_no_memory(&error))
				pgcs_fail_memory(sel);
			else
				pgcs_fail(sel, PGCS_INVALID,
						  "CA name %zu, \"%s\", is not valid at position %zu: %s",
						  i + 1, text, error.position, error.message);
			free(text);
			pgcs_request_free(request);
			return NULL;
		}
		added = pgcs_host_add_name(&request->hosts[0], name);
		X509_NAME_free(name);
		if (!added)
		{
			pgcs_request_free(request);
			pgcs_fail_memory(sel);
			return NULL;
		}
	}
	request->hosts[0].answer = n > 0 ? PGCS_ANSWER_NAMED : PGCS_ANSWER_UNNAMED;
	return request;
}

/* ---------- from a CA file ---------- */

/* As SSL_CTX_load_verify_locations() and SSL_load_client_CA_file() read it. */
pgcs_request *
pgcs_request_from_ca_file(pgcs_selector *sel, const char *path)
{
	PgcsReasons reasons = {0};
	PgcsStamp	stamp;
	unsigned char *data = NULL;
	size_t		len = 0;
	pgcs_request *request = NULL;
	STACK_OF(X509_INFO) *infos = NULL;
	BIO		   *bio = NULL;
	char	   *printable = NULL;

	pgcs_clear_error(sel);
	if (path == NULL || path[0] == '\0')
	{
		pgcs_fail(sel, PGCS_INVALID, "path is empty");
		return NULL;
	}
	printable = pgcs_printable(path);
	request = pgcs_request_new(1);
	if (printable == NULL || request == NULL)
		goto no_memory;
	if (!pgcs_read_bytes(path, PGCS_MAX_CA_FILE_SIZE, PGCS_FATAL, &data, &len,
						 &stamp, &reasons))
	{
		if (reasons.failed || reasons.n == 0)
			goto no_memory;
		pgcs_fail(sel, PGCS_FAILED, "CA file \"%s\": %s", printable,
				  reasons.items[0]->text);
		goto fail;
	}
	bio = BIO_new_mem_buf(data, (int) len);
	if (bio == NULL)
		goto no_memory;
	infos = PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL);
	if (infos == NULL)
	{
		char		words[128];
		bool		memory_out = false;

		pgcs_openssl_words(words, sizeof(words), &memory_out);
		if (memory_out)
			goto no_memory;
		pgcs_fail(sel, PGCS_FAILED, "CA file \"%s\" cannot be read: %s",
				  printable, words);
		goto fail;
	}
	for (int i = 0; i < sk_X509_INFO_num(infos); i++)
	{
		X509	   *cert = sk_X509_INFO_value(infos, i)->x509;

		if (cert != NULL && !pgcs_host_add_ca(&request->hosts[0], cert))
			goto no_memory;
	}
	if (request->hosts[0].n_names == 0)
	{
		pgcs_fail(sel, PGCS_FAILED, "CA file \"%s\" holds no certificate",
				  printable);
		goto fail;
	}
	request->hosts[0].answer = PGCS_ANSWER_NAMED;
	goto out;

no_memory:
	pgcs_fail_memory(sel);
fail:
	pgcs_request_free(request);
	request = NULL;
out:
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	BIO_free(bio);
	free(data);
	free(printable);
	pgcs_reasons_free(&reasons);
	ERR_clear_error();
	return request;
}

/* ---------- accessors: see pgcertsel.h ---------- */

size_t
pgcs_request_n_hosts(const pgcs_request *request)
{
	return request->n_hosts;
}

pgcs_answer
pgcs_request_answer(const pgcs_request *request, size_t host)
{
	return host < request->n_hosts ? request->hosts[host].answer
		: PGCS_ANSWER_NONE;
}

const char *
pgcs_request_host(const pgcs_request *request, size_t host)
{
	return host < request->n_hosts ? request->hosts[host].label : "";
}

const char *
pgcs_request_host_error(const pgcs_request *request, size_t host)
{
	return host < request->n_hosts ? request->hosts[host].error : "";
}

const char *
pgcs_request_tls_version(const pgcs_request *request, size_t host)
{
	if (host >= request->n_hosts)
		return "";
	switch (request->hosts[host].tls_version)
	{
		case TLS1_VERSION:
			return "TLSv1";
		case TLS1_1_VERSION:
			return "TLSv1.1";
		case TLS1_2_VERSION:
			return "TLSv1.2";
		case TLS1_3_VERSION:
			return "TLSv1.3";
		default:
			return "";
	}
}

size_t
pgcs_request_n_names(const pgcs_request *request, size_t host)
{
	return host < request->n_hosts ? request->hosts[host].n_names : 0;
}

const char *
pgcs_request_name(const pgcs_request *request, size_t host, size_t i)
{
	return i < pgcs_request_n_names(request, host)
		? request->hosts[host].names[i].text : NULL;
}

const unsigned char *
pgcs_request_name_der(const pgcs_request *request, size_t host, size_t i,
					  size_t *len)
{
	bool		exists = i < pgcs_request_n_names(request, host);

	if (len != NULL)
		*len = exists ? request->hosts[host].names[i].der_len : 0;
	return exists ? request->hosts[host].names[i].der : NULL;
}

int
pgcs_request_knows_cas(const pgcs_request *request, size_t host)
{
	return host < request->n_hosts && request->hosts[host].anchors != NULL;
}
