/*
 * request.h
 *		What servers ask for, host by host.
 */
#ifndef PGCS_REQUEST_H
#define PGCS_REQUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "pgcertsel.h"
#include "policy.h"

typedef struct PgcsName
{
	X509_NAME  *name;
	unsigned long hash;			/* of the canonical form */
	char	   *text;			/* RFC 4514 */
	unsigned char *der;
	size_t		der_len;
} PgcsName;

typedef struct PgcsHost
{
	char	   *label;			/* "host:port", or "" */
	pgcs_answer answer;
	char	   *error;			/* or "" */
	PgcsName   *names;
	size_t		n_names;
	X509_STORE *anchors;		/* the CA certificates, or NULL: not known */
	STACK_OF(X509) *cas;		/* the same, as a list */
	int			tls_version;	/* 0: not known */
	int			group;			/* of the key exchange in TLS 1.2; 0: not
								 * known */
	uint16_t   *sigalgs;		/* TLS SignatureScheme; none: not known */
	size_t		n_sigalgs;
} PgcsHost;

struct pgcs_request
{
	atomic_size_t holders;
	PgcsHost   *hosts;
	size_t		n_hosts;
	PgcertPolicy **policies;	/* that the server says the role is under */
	size_t		n_policies;
};

/* A request of n hosts, all of them ANSWER_NONE.  NULL: no memory. */
extern pgcs_request *pgcs_request_new(size_t n_hosts);

/* Another holder; each calls pgcs_request_free(). */
extern pgcs_request *pgcs_request_ref(pgcs_request *request);

/* The name is copied.  False when memory is out. */
extern bool pgcs_host_add_name(PgcsHost *host, const X509_NAME *name);

/* Adds a CA's certificate and its name. */
extern bool pgcs_host_add_ca(PgcsHost *host, X509 *cert);
extern bool pgcs_host_set_error(PgcsHost *host, const char *text);

extern bool pgcs_host_names(const PgcsHost *host, const X509_NAME *name);

/* Did the server ask for a certificate? */
extern bool pgcs_host_wants(const PgcsHost *host);

#endif							/* PGCS_REQUEST_H */
