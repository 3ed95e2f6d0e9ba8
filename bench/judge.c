/*
 * judge.c
 *		Judging facts by a policy of eight clauses, beside one check of an
 *		RSA-2048 signature, which every login with such a certificate costs.
 *
 *	judge CERTIFICATE CA POLICY ROLE
 */
#include <stdio.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "facts.h"
#include "judge.h"
#include "measure.h"
#include "policy.h"

typedef struct Case
{
	PgcertPolicy *policy;
	PgcertFacts *facts;
	const char *role;
	X509	   *certificate;
	EVP_PKEY   *key;			/* of its issuer */
} Case;

static X509 *
read_certificate(const char *path)
{
	BIO		   *file = BIO_new_file(path, "r");
	X509	   *certificate = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;

	if (certificate == NULL)
		measure_fail("could not read a certificate from \"%s\"", path);
	BIO_free(file);
	return certificate;
}

static void
judge(void *context)
{
	Case	   *one = context;
	PgcertVerdict *verdict = pgcert_judge(one->policy, one->facts, one->role,
										  time(NULL));

	if (verdict == NULL || verdict->truth != PGCERT_TRUE)
		measure_fail("the policy does not accept the certificate: %s",
					 verdict ? pgcert_verdict_reason(verdict) : "no memory");
	pgcert_verdict_free(verdict);
}

static void
check_signature(void *context)
{
	Case	   *one = context;

	if (X509_verify(one->certificate, one->key) != 1)
		measure_fail("the signature is not the CA's");
}

int
main(int argc, char **argv)
{
	Case		one = {0};
	PgcertError error = {0};
	X509	   *ca;
	STACK_OF(X509) *chain = sk_X509_new_null();
	bool		trusted[] = {false, true};
	Work		ours = {judge, &one, 1000};
	Work		other = {check_signature, &one, 100};

	if (argc != 5)
		measure_fail("usage: judge CERTIFICATE CA POLICY ROLE");
	one.certificate = read_certificate(argv[1]);
	ca = read_certificate(argv[2]);
	one.key = X509_get0_pubkey(ca);
	one.role = argv[4];
	one.policy = pgcert_policy_parse(argv[3], &error);
	if (one.policy == NULL)
		measure_fail("%s", error.message);
	one.facts = pgcert_facts_new(PGCERT_LINK_TLS, TLS1_3_VERSION);
	if (chain == NULL || one.facts == NULL ||
		!sk_X509_push(chain, one.certificate) || !sk_X509_push(chain, ca) ||
		!pgcert_facts_set_certificate(one.facts, one.certificate, chain,
									  trusted))
		measure_fail("could not take the certificate's facts");

	measure_pairs("11", "judging 8 clauses", 8, 101, &ours, &other);
	sk_X509_free(chain);
	pgcert_facts_free(one.facts);
	pgcert_policy_free(one.policy);
	X509_free(ca);
	X509_free(one.certificate);
	return 0;
}
