/*
 * complete.c
 *		The missing link: chains completed with what else is held.
 *
 * libpq sends what is in the file and nothing else, so an intermediate that
 * lies in another file might as well not be there.  The completed chain is a
 * file of its own, in a directory that is nobody else's: reused while it is
 * right, replaced as a whole when it is not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "bundle.h"
#include "choice.h"
#include "name.h"
#include "private_file.h"

/* No chain that makes sense is longer, and few leaves have more than one. */
#define MAX_LENGTH 10
#define MAX_CHAINS 8

/* Signatures are expensive, and a hostile bundle could ask for many. */
#define MAX_VERIFICATIONS 200

/* The ways up from one leaf. */
typedef struct Search
{
	const pgcs_bundle *bundle;
	const pgcs_identity *identity;
	STACK_OF(X509) *way;		/* issuers so far; borrowed */
	pgcs_identity *made[MAX_CHAINS];
	char	   *words[MAX_CHAINS];	/* what was added */
	size_t		n_made;
	int			n_ways;
	int			verifications;
	bool		whole;			/* the file holds a chain that ends where
								 * nothing more is held */
} Search;

/* ---------- what to add ---------- */

static bool
did_issue(Search *search, X509 *issuer, X509 *cert)
{
	bool		did = X509_check_issued(issuer, cert) == X509_V_OK &&
		search->verifications++ < MAX_VERIFICATIONS &&
		X509_verify(cert, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	return did;
}

static bool
add_issuer(Search *search, STACK_OF(X509) *issuers, X509 *issuer, X509 *cert)
{
	if (pgcs_is_self_issued(issuer) || X509_cmp(issuer, search->identity->leaf) == 0 ||
		pgcs_is_among(issuer, search->way) || pgcs_is_among(issuer, issuers) ||
		!did_issue(search, issuer, cert))
		return true;
	return sk_X509_push(issuers, issuer) > 0;
}

/* Who issued it, first of the file, then of all else; NULL: no memory. */
static STACK_OF(X509) *
issuers_of(Search *search, X509 *cert)
{
	STACK_OF(X509) *issuers = sk_X509_new_null();
	const X509_NAME *name = X509_get_issuer_name(cert);
	unsigned long hash = pgcs_name_hash(name);
	size_t		position = 0;
	const PgcsLocalCa *ca;
	bool		ok = issuers != NULL;

	for (int i = 0; ok && i < sk_X509_num(search->identity->extra); i++)
		ok = add_issuer(search, issuers, sk_X509_value(search->identity->extra, i), cert);
	while (ok && (ca = pgcs_bundle_next_ca(search->bundle, name, hash, &position)) != NULL)
		ok = add_issuer(search, issuers, ca->cert, cert);
	if (ok)
		return issuers;
	sk_X509_free(issuers);
	return NULL;
}

/* Do both lead to the same issuer, as a certificate and its renewal do? */
static bool
lead_to_same(X509 *a, X509 *b)
{
	const ASN1_OCTET_STRING *key_a = X509_get0_authority_key_id(a);
	const ASN1_OCTET_STRING *key_b = X509_get0_authority_key_id(b);

	return X509_NAME_cmp(X509_get_issuer_name(a), X509_get_issuer_name(b)) == 0 &&
		(key_a == NULL || key_b == NULL ? key_a == key_b
		 : ASN1_OCTET_STRING_cmp(key_a, key_b) == 0);
}

static bool
say_added(PgcertBuf *words, const pgcs_bundle *bundle, X509 *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	char	   *name = pgcert_name_text(subject);
	size_t		position = 0;
	const PgcsLocalCa *ca;

	if (name == NULL)
		return false;
	pgcert_buf_printf(words, "%s\"%s\" from ", words->len > 0 ? ", " : "", name);
	free(name);
	while ((ca = pgcs_bundle_next_ca(bundle, subject, pgcs_name_hash(subject),
									 &position)) != NULL)
		if (X509_cmp(ca->cert, cert) == 0)
		{
			pgcert_buf_escaped(words, ca->path, strlen(ca->path));
			break;
		}
	return !words->failed;
}

/*
 * Which way it is: by whose keys, one above the other, whatever else is held,
 * and in whatever certificates of theirs.
 */
static char *
which_way(const Search *search)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	for (int i = 0; i < sk_X509_num(search->way); i++)
	{
		X509	   *cert = sk_X509_value(search->way, i);
		const ASN1_OCTET_STRING *key = X509_get0_authority_key_id(cert);

		if (i > 0 && lead_to_same(cert, sk_X509_value(search->way, i - 1)))
			continue;
		pgcert_buf_printf(&buf, "%lx ", pgcs_name_hash(X509_get_issuer_name(cert)));
		if (key != NULL)
			pgcert_buf_hex(&buf, ASN1_STRING_get0_data(key), (size_t) ASN1_STRING_length(key));
		pgcert_buf_text(&buf, "\n");
	}
	return pgcert_buf_take(&buf);
}

/* The end of one way: an identity of it, unless the file is that already. */
static bool
end_way(Search *search, const char *directory, bool held)
{
	const pgcs_identity *identity = search->identity;
	int			n = sk_X509_num(search->way);
	PgcertBuf	words = PGCERT_BUF_INIT;
	pgcs_identity *copy = NULL;
	char	   *which = NULL;
	char	   *path = NULL;
	char	   *text;
	bool		ok = true;
	bool		adds = false;

	search->n_ways++;
	search->whole = search->whole || held;
	for (int i = 0; ok && i < n; i++)
		if (!pgcs_is_among(sk_X509_value(search->way, i), identity->extra))
		{
			adds = true;
			ok = say_added(&words, search->bundle, sk_X509_value(search->way, i));
		}
	text = pgcert_buf_take(&words);
	if (!ok || text == NULL || !adds)
	{
		free(text);
		return ok && (text != NULL || !adds);
	}

	which = which_way(search);
	if (which != NULL)
		path = pgcs_private_path(directory, identity->cert_path, which, ".crt");
	copy = path != NULL ? pgcs_identity_copy(identity, path) : NULL;
	ok = copy != NULL;
	while (ok && sk_X509_num(copy->extra) > 0)
		X509_free(sk_X509_pop(copy->extra));
	for (int i = 0; ok && i < n; i++)
	{
		ok = sk_X509_push(copy->extra, sk_X509_value(search->way, i)) > 0;
		if (ok)
			X509_up_ref(sk_X509_value(search->way, i));
	}
	if (ok)
	{
		copy->completed = true;
		search->words[search->n_made] = text;
		text = NULL;
		search->made[search->n_made++] = copy;
	}
	else
		pgcs_identity_free(copy);
	free(which);
	free(path);
	free(text);
	return ok;
}

/*
 * Goes up from a certificate.  OpenSSL takes the first issuer that it finds
 * among those that were sent, and does not come back for another: where a CA
 * was signed by several (cross-signed), each way is a chain of its own.
 * Renewals go together, of which OpenSSL takes one that is valid.
 */
static bool
go_up(Search *search, const char *directory, X509 *cert, bool held)
{
	STACK_OF(X509) *issuers = issuers_of(search, cert);
	int			start = sk_X509_num(search->way);
	bool		ok = issuers != NULL;
	bool		end = ok && (sk_X509_num(issuers) == 0 || start >= MAX_LENGTH);

	if (end)
		ok = end_way(search, directory, held);
	while (ok && !end && sk_X509_num(issuers) > 0 && search->n_ways < MAX_CHAINS)
	{
		X509	   *first = sk_X509_shift(issuers);
		bool		of_file = pgcs_is_among(first, search->identity->extra);

		ok = sk_X509_push(search->way, first) > 0;
		for (int i = 0; ok && i < sk_X509_num(issuers);)
		{
			if (sk_X509_num(search->way) >= MAX_LENGTH ||
				!lead_to_same(first, sk_X509_value(issuers, i)))
				i++;
			else
				ok = sk_X509_push(search->way, sk_X509_delete(issuers, i)) > 0;
		}
		ok = ok && go_up(search, directory, first, held && of_file);
		while (sk_X509_num(search->way) > start)
			sk_X509_pop(search->way);
	}
	sk_X509_free(issuers);
	return ok;
}

/* Adds the identities with the completed chains, if there are any. */
static bool
complete(pgcs_bundle *bundle, const pgcs_identity *identity, const char *directory)
{
	Search		search = {.bundle = bundle, .identity = identity, .way = sk_X509_new_null()};
	bool		ok = search.way != NULL &&
		go_up(&search, directory, identity->leaf, true);

	for (size_t i = 0; i < search.n_made; i++)
	{
		pgcs_reasons_add(&search.made[i]->reasons, PGCS_NOTE,
						 search.whole ? "chain-alternative" : "chain-completed",
						 identity->cert_path, search.whole
						 ? "another chain of it is made with %s"
						 : "its chain is completed with %s", search.words[i]);
		free(search.words[i]);
		if (ok)
			ok = pgcs_bundle_add_identity(bundle, search.made[i]);
		else
			pgcs_identity_free(search.made[i]);
	}
	sk_X509_free(search.way);
	return ok;
}

bool
pgcs_complete_chains(pgcs_bundle *bundle, const char *directory)
{
	size_t		n = bundle->n_identities;

	for (size_t i = 0; i < n; i++)
		if (!pgcs_reasons_have_fatal(&bundle->identities[i]->reasons) &&
			!complete(bundle, bundle->identities[i], directory))
			return false;
	return true;
}

/* ---------- writing it ---------- */

static void
refuse(PgcsReasons *reasons, const char *path, const char *what)
{
	pgcs_reasons_add(reasons, PGCS_FATAL, "chain-not-written", path,
					 "could not write the completed chain: %s", what);
}

static char *
chain_pem(const pgcs_identity *identity, size_t *len)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *data;
	char	   *copy = NULL;
	bool		ok = bio != NULL && PEM_write_bio_X509(bio, identity->leaf) == 1;

	for (int i = 0; ok && i < sk_X509_num(identity->extra); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(identity->extra, i)) == 1;
	if (ok)
	{
		*len = (size_t) BIO_get_mem_data(bio, &data);
		copy = malloc(*len + 1);
		if (copy != NULL)
			memcpy(copy, data, *len);
	}
	BIO_free(bio);
	ERR_clear_error();
	return copy;
}

/* Is this very content there, in a private file? */
static bool
is_written(int directory, const char *path, const char *content, size_t len)
{
	size_t		found_len = 0;
	char	   *found = pgcs_private_read(directory, path, len, &found_len);
	bool		same = found != NULL && found_len == len &&
		memcmp(found, content, len) == 0;

	pgcs_private_free(found, found_len);
	return same;
}

bool
pgcs_write_chain(const pgcs_identity *identity, PgcsReasons *reasons)
{
	const char *path = identity->cert_path;
	const char *why;
	size_t		len = 0;
	char	   *content = chain_pem(identity, &len);
	int			directory = -1;
	bool		ok = false;

	if (content == NULL)
		reasons->failed = true;
	else if ((directory = pgcs_private_directory(path, &why)) >= 0)
	{
		ok = is_written(directory, path, content, len) ||
			pgcs_private_replace(directory, path, content, len);
		if (!ok)
			refuse(reasons, path, strerror(errno));
		close(directory);
	}
	else if (why == NULL)
		reasons->failed = true;
	else
		refuse(reasons, path, why);
	free(content);
	return ok;
}
