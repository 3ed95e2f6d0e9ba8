/*
 * top.c
 *		Where a chain ends, as far as the announced names and the CA
 *		certificates that are held locally tell.
 *
 * A server has a certificate for every name that it announces, and what the
 * client sends; nothing else.  Of a name alone nobody can tell whether it is a
 * root's.  But whoever holds an intermediate knows that it is one, and that
 * the server needs its issuer as well; and whoever holds another CA of the
 * name knows that the name decides nothing.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "choice.h"

#define MAX_DEPTH 10

/* Signatures are expensive, and a hostile bundle could ask for many. */
#define MAX_VERIFICATIONS 100

typedef struct Search
{
	const pgcs_bundle *bundle;
	const PgcsHost *host;
	STACK_OF(X509) *sent;
	int			verifications;
} Search;

static bool
did_issue(Search *search, X509 *issuer, X509 *cert)
{
	bool		did;

	did = X509_check_issued(issuer, cert) == X509_V_OK &&
		X509_get0_pubkey(issuer) != NULL &&
		search->verifications++ < MAX_VERIFICATIONS &&
		X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
	ERR_clear_error();
	return did;
}

/* Another root of the same name: the server may have either. */
static const PgcsLocalCa *
find_twin(const Search *search, X509 *root)
{
	const X509_NAME *name = X509_get_subject_name(root);
	unsigned long hash = pgcs_name_hash(name);
	size_t		position = 0;
	const PgcsLocalCa *ca;

	while ((ca = pgcs_bundle_next_ca(search->bundle, name, hash, &position)) != NULL)
	{
		EVP_PKEY   *key = X509_get0_pubkey(ca->cert);
		bool		same = key == NULL || X509_check_private_key(root, key) == 1;

		ERR_clear_error();
		if (!same && pgcs_is_self_issued(ca->cert))
			return ca;
	}
	return NULL;
}

static PgcsTop
top_of(Search *search, X509 *cert, int depth)
{
	X509_NAME  *name = X509_get_issuer_name(cert);
	bool		announced = pgcs_host_names(search->host, name);
	PgcsTop		best = {.kind = PGCS_TOP_NONE};
	const PgcsLocalCa *known = NULL;
	bool		any_issued = false;
	unsigned long hash = pgcs_name_hash(name);
	size_t		position = 0;
	const PgcsLocalCa *ca;

	while ((ca = pgcs_bundle_next_ca(search->bundle, name, hash, &position)) != NULL)
	{
		PgcsTop		top = {.kind = PGCS_TOP_NONE};
		bool		issued;

		if (!announced && !pgcs_is_among(ca->cert, search->sent))
			continue;
		issued = did_issue(search, ca->cert, cert);

		/*
		 * A root of the name that did not issue it tells against it.  An
		 * intermediate may be from anybody's file.
		 */
		if (issued || pgcs_is_self_issued(ca->cert))
			known = ca;
		if (!issued)
			continue;
		any_issued = true;
		if (!pgcs_is_self_issued(ca->cert))
		{
			if (depth < MAX_DEPTH)
				top = top_of(search, ca->cert, depth + 1);
		}
		else if (announced)
			top = (PgcsTop) {PGCS_TOP_HELD, ca, find_twin(search, ca->cert)};
		if (announced && top.kind < PGCS_TOP_INTERMEDIATE)
			top = (PgcsTop) {PGCS_TOP_INTERMEDIATE, ca, NULL};
		if (top.kind > best.kind)
			best = top;
	}
	if (announced && known == NULL)
		best = (PgcsTop) {PGCS_TOP_UNKNOWN, NULL, NULL};
	else if (announced && !any_issued)
		best = (PgcsTop) {PGCS_TOP_TWIN, known, known};
	return best;
}

PgcsTop
pgcs_find_top(const pgcs_bundle *bundle, const PgcsHost *host,
			  STACK_OF(X509) *sent)
{
	Search		search = {bundle, host, sent, 0};
	X509	   *leaf = sk_X509_value(sent, 0);

	if (pgcs_is_self_issued(leaf) && pgcs_host_names(host, X509_get_subject_name(leaf)))
		return (PgcsTop) {PGCS_TOP_UNKNOWN, NULL, NULL};
	return top_of(&search, leaf, 0);
}
