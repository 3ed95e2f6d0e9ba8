/*
 * trusted_cas.h
 *		The CAs that are trusted, and what ails each of them.
 */
#ifndef TRUSTED_CAS_H
#define TRUSTED_CAS_H

#include "pgcp.h"

#include "utils/array.h"

typedef struct TrustedCa
{
	X509	   *certificate;
	unsigned char key_sha256[PGCERT_SHA256_LEN];
	unsigned char cert_sha256[PGCERT_SHA256_LEN];
	bool		self_signed;	/* as OpenSSL sees it: a root */
	bool		trusted;		/* by this session, or by the file if no TLS */
	bool		on_disk;
} TrustedCa;

typedef struct TrustedCas
{
	bool		in_session;		/* asked in a TLS session? */
	TrustedCa  *cas;
	int			n_cas;
	int		   *by_name;		/* their indexes, sorted by name */
	STACK_OF(X509_NAME) *names; /* announced, sorted; NULL: all */
	long		list_bytes;		/* of the announced list, as TLS counts */
	X509_STORE *store;			/* of those that are trusted; NULL if each is
								 * its own */
	int			security_level;
} TrustedCas;

extern void pgcp_trusted_cas(TrustedCas *all, STACK_OF(X509) *on_disk,
							 STACK_OF(X509) *in_session);
extern int	pgcp_ca_chain_error(const TrustedCas *all, const TrustedCa *ca);
extern bool pgcp_ca_is_announced(const TrustedCas *all, const TrustedCa *ca);
extern bool pgcp_ca_can_anchor(const TrustedCa *ca, int error);
extern ArrayBuildState *pgcp_ca_problems(const TrustedCas *all,
										 const TrustedCa *ca, int error);
extern void pgcp_report_certificate(void);
extern void pgcp_add_problem(ArrayBuildState **problems, const char *words);

#endif							/* TRUSTED_CAS_H */
