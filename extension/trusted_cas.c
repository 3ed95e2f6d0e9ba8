/*
 * trusted_cas.c
 *		Which CAs are trusted, and what ails each of them.
 *
 * In a TLS session those that its server had loaded, compared with the file as
 * it is now; elsewhere those of the file.  A file may hold thousands, so
 * whatever asks for others of the same name asks a sorted index.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "trusted_cas.h"

/* What TLS can carry: 16 bits for the length of the list. */
#define MAX_LIST_BYTES 65535

/* From TLS 1.3 on the list shares these with the other extensions. */
#define OTHER_EXTENSIONS_BYTES 128

/* Below this a key or a signature is weak: OpenSSL's level 2, NIST's limit. */
#define MIN_SECURITY_BITS 112

static void
free_store(void *store)
{
	X509_STORE_free((X509_STORE *) store);
}

static void
free_names(void *names)
{
	sk_X509_NAME_free((STACK_OF(X509_NAME) *) names);
}

static void
free_store_context(void *context)
{
	X509_STORE_CTX_free((X509_STORE_CTX *) context);
}

/* Raises an error about a certificate that OpenSSL could not digest. */
void
pgcp_report_certificate(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION),
			 errmsg("could not examine a certificate: %s",
					pgcp_openssl_error())));
}

/*
 * Does OpenSSL take it for a root?  It goes by the names, and by the key
 * identifiers if there are any; nobody verifies what a root says of itself.
 */
static bool
is_self_signed(X509 *certificate)
{
	bool		result = (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;

	ERR_clear_error();
	return result;
}

static void
add_ca(TrustedCas *all, X509 *certificate, bool trusted, bool on_disk)
{
	TrustedCa  *ca = &all->cas[all->n_cas++];

	ca->certificate = certificate;
	ca->self_signed = is_self_signed(certificate);
	ca->trusted = trusted;
	ca->on_disk = on_disk;
	if (!pgcert_cert_sha256(certificate, ca->cert_sha256) ||
		!pgcert_key_sha256(certificate, ca->key_sha256))
		pgcp_report_certificate();
}

/* ---------- others of the same name ---------- */

static int
compare_names(const TrustedCas *all, int a, int b)
{
	return X509_NAME_cmp(X509_get_subject_name(all->cas[a].certificate),
						 X509_get_subject_name(all->cas[b].certificate));
}

/* Those of one name stay in their order. */
static int
compare_cas(const void *a, const void *b, void *all)
{
	int			i = *(const int *) a;
	int			j = *(const int *) b;
	int			order = compare_names(all, i, j);

	return order != 0 ? order : (i > j) - (i < j);
}

static void
index_names(TrustedCas *all)
{
	all->by_name = palloc(sizeof(int) * Max(all->n_cas, 1));
	for (int i = 0; i < all->n_cas; i++)
		all->by_name[i] = i;
	qsort_arg(all->by_name, all->n_cas, sizeof(int), compare_cas, all);
}

/* Where in the index those with this name begin, or would. */
static int
first_of_name(const TrustedCas *all, X509_NAME *name)
{
	int			low = 0;
	int			high = all->n_cas;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		X509	   *certificate = all->cas[all->by_name[middle]].certificate;

		if (X509_NAME_cmp(X509_get_subject_name(certificate), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * Steps through those with this name, in their order: *at is from
 * first_of_name().  NULL behind the last one.
 */
static TrustedCa *
next_of_name(const TrustedCas *all, X509_NAME *name, int *at)
{
	TrustedCa  *ca;

	if (*at >= all->n_cas)
		return NULL;
	ca = &all->cas[all->by_name[(*at)++]];
	return X509_NAME_cmp(X509_get_subject_name(ca->certificate), name) == 0 ?
		ca : NULL;
}

/* ---------- which they are ---------- */

/* Marks those of the file that are this certificate; is there any? */
static bool
mark_trusted(TrustedCas *all, X509 *certificate)
{
	X509_NAME  *name = X509_get_subject_name(certificate);
	int			at = first_of_name(all, name);
	bool		found = false;
	TrustedCa  *ca;

	while ((ca = next_of_name(all, name, &at)) != NULL)
	{
		if (pgcp_certificate_same(ca->certificate, certificate))
			ca->trusted = found = true;
	}
	return found;
}

/*
 * Those of the file in its order, then those that the session has and the
 * file has not.  Either stack may be NULL.
 */
static void
collect_cas(TrustedCas *all, STACK_OF(X509) *on_disk,
			STACK_OF(X509) *in_session)
{
	int			n_on_disk = on_disk ? sk_X509_num(on_disk) : 0;
	int			n_in_session = in_session ? sk_X509_num(in_session) : 0;
	X509	  **others = palloc(sizeof(X509 *) * Max(n_in_session, 1));
	int			n_others = 0;

	all->cas = palloc0(sizeof(TrustedCa) * Max(n_on_disk + n_in_session, 1));
	for (int i = 0; i < n_on_disk; i++)
	{
		CHECK_FOR_INTERRUPTS();
		add_ca(all, sk_X509_value(on_disk, i), !all->in_session, true);
	}
	index_names(all);
	for (int i = 0; i < n_in_session; i++)
	{
		X509	   *certificate = sk_X509_value(in_session, i);

		CHECK_FOR_INTERRUPTS();
		if (!mark_trusted(all, certificate))
			others[n_others++] = certificate;
	}
	for (int i = 0; i < n_others; i++)
		add_ca(all, others[i], true, on_disk == NULL);
	if (n_others > 0)
		index_names(all);
}

/* How much of a handshake's message a name takes. */
static long
name_bytes(X509_NAME *name)
{
	return 2 + i2d_X509_NAME(name, NULL);
}

static long
list_bytes(STACK_OF(X509_NAME) *names)
{
	long		total = 0;

	for (int i = 0; names != NULL && i < sk_X509_NAME_num(names); i++)
		total += name_bytes(sk_X509_NAME_value(names, i));
	return total;
}

/*
 * The same of the list that the server would make from these: each name once,
 * as the first of its certificates spells it.
 */
static long
future_list_bytes(const TrustedCas *all)
{
	long		total = 0;

	for (int i = 0; i < all->n_cas; i++)
	{
		int			ca = all->by_name[i];

		if (i == 0 || compare_names(all, all->by_name[i - 1], ca) != 0)
			total += name_bytes(X509_get_subject_name(all->cas[ca].certificate));
	}
	return total;
}

static int
compare_announced(const X509_NAME *const *a, const X509_NAME *const *b)
{
	return X509_NAME_cmp(*a, *b);
}

/* The names that are announced, sorted, and how long their list is. */
static void
measure_list(TrustedCas *all)
{
	if (all->in_session)
	{
		STACK_OF(X509_NAME) *names = pgcp_session_ca_names(MyProcPort);
		PgcpHold   *hold = pgcp_hold(free_names);

		all->list_bytes = list_bytes(names);
		if (names == NULL)
			return;
		hold->object = sk_X509_NAME_dup(names);
		if (hold->object == NULL)
			pgcp_report_certificate();
		all->names = hold->object;
		(void) sk_X509_NAME_set_cmp_func(all->names, compare_announced);
		sk_X509_NAME_sort(all->names);
	}
	else
		all->list_bytes = future_list_bytes(all);
}

/*
 * The anchors together, for those that are not their own: OpenSSL sorts its
 * store for each that is added, so thousands take seconds.
 */
static void
fill_store(TrustedCas *all)
{
	PgcpHold   *hold = pgcp_hold(free_store);

	hold->object = X509_STORE_new();
	if (hold->object == NULL)
		pgcp_report_certificate();
	for (int i = 0; i < all->n_cas; i++)
	{
		if (all->cas[i].trusted &&
			!X509_STORE_add_cert(hold->object, all->cas[i].certificate))
			pgcp_report_certificate();
	}
	all->store = hold->object;
}

/*
 * Fills it in.  on_disk is NULL if the file could not be read, in_session if
 * this is no TLS session; both must outlive it.
 */
void
pgcp_trusted_cas(TrustedCas *all, STACK_OF(X509) *on_disk,
				 STACK_OF(X509) *in_session)
{
	all->in_session = in_session != NULL;
	collect_cas(all, on_disk, in_session);
	measure_list(all);
	all->security_level = all->in_session ?
		pgcp_session_security_level(MyProcPort) : pgcp_security_level();
	for (int i = 0; i < all->n_cas && all->store == NULL; i++)
	{
		if (!all->cas[i].self_signed)
			fill_store(all);
	}
}

/* ---------- what ails them ---------- */

/*
 * OpenSSL's error in building a chain from this certificate to an anchor, as
 * the server would; X509_V_OK if there is one.  One that is its own anchor is
 * asked alone: of several with its name, OpenSSL would take the first, while a
 * client's certificate says by key identifier which it means.
 */
int
pgcp_ca_chain_error(const TrustedCas *all, const TrustedCa *ca)
{
	PgcpHold   *alone = pgcp_hold(free_store);
	PgcpHold   *hold = pgcp_hold(free_store_context);
	X509_STORE *store = all->store;
	int			error;

	if (ca->self_signed)
	{
		alone->object = X509_STORE_new();
		if (alone->object == NULL ||
			!X509_STORE_add_cert(alone->object, ca->certificate))
			pgcp_report_certificate();
		store = alone->object;
	}
	hold->object = X509_STORE_CTX_new();
	if (hold->object == NULL ||
		!X509_STORE_CTX_init(hold->object, store, ca->certificate, NULL))
		pgcp_report_certificate();
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(hold->object),
									 all->security_level);
	error = X509_verify_cert(hold->object) == 1 ? X509_V_OK :
		X509_STORE_CTX_get_error(hold->object);
	pgcp_release(hold);
	ERR_clear_error();
	return error;
}

bool
pgcp_ca_is_announced(const TrustedCas *all, const TrustedCa *ca)
{
	return !all->in_session ||
		(all->names != NULL &&
		 sk_X509_NAME_find(all->names,
						   X509_get_subject_name(ca->certificate)) >= 0);
}

/* Can a chain of a client's certificate end here? */
bool
pgcp_ca_can_anchor(const TrustedCa *ca, int error)
{
	return ca->trusted && error == X509_V_OK &&
		ca->self_signed &&
		X509_check_purpose(ca->certificate, X509_PURPOSE_SSL_CLIENT, 1) > 0;
}

void
pgcp_add_problem(ArrayBuildState **problems, const char *words)
{
	*problems = accumArrayResult(*problems, CStringGetTextDatum(words), false,
								 TEXTOID, CurrentMemoryContext);
}

static void
find_date_problems(X509 *certificate, ArrayBuildState **problems)
{
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
		pgcp_add_problem(problems, "expired");
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0)
		pgcp_add_problem(problems, "not valid yet");
}

/*
 * What is wrong with it as a CA, alone and in this company, with the error of
 * its chain; NULL if nothing is.
 */
ArrayBuildState *
pgcp_ca_problems(const TrustedCas *all, const TrustedCa *ca, int error)
{
	ArrayBuildState *problems = NULL;
	X509	   *certificate = ca->certificate;
	X509_NAME  *name = X509_get_subject_name(certificate);
	int			at = first_of_name(all, name);
	const TrustedCa *other;
	int			key_bits = pgcert_key_security_bits(certificate);
	int			signature_bits = pgcert_signature_security_bits(certificate);
	bool		other_key = false;

	find_date_problems(certificate, &problems);
	if (X509_check_ca(certificate) == 0)
		pgcp_add_problem(&problems, "not a CA but an end-entity certificate: it lets in nobody, unless it is trusted for itself");
	else if (X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 1) <= 0)
		pgcp_add_problem(&problems, "not a CA for client certificates, by its key usage or extended key usage");
	if (!ca->self_signed && ca->trusted &&
		(error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
		 error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
		 error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE))
		pgcp_add_problem(&problems, "its root is missing: no chain can end here");
	if (key_bits < MIN_SECURITY_BITS)
		pgcp_add_problem(&problems, psprintf("weak key: %d bits of security", key_bits));
	if (!ca->self_signed && signature_bits < MIN_SECURITY_BITS)
		pgcp_add_problem(&problems, psprintf("weak signature: %d bits of security",
											 signature_bits));

	while ((other = next_of_name(all, name, &at)) != NULL)
	{
		if (memcmp(other->key_sha256, ca->key_sha256, PGCERT_SHA256_LEN) != 0)
			other_key = true;
		else if (other < ca && other->on_disk && ca->on_disk &&
				 memcmp(other->cert_sha256, ca->cert_sha256,
						PGCERT_SHA256_LEN) == 0)
			pgcp_add_problem(&problems, psprintf("the same certificate as at position %d",
												 (int) (other - all->cas) + 1));
	}
	if (other_key)
		pgcp_add_problem(&problems, "another CA here has the same name and another key: only ca_key_sha256 tells them apart");

	if (all->in_session && !ca->trusted)
		pgcp_add_problem(&problems, "on disk but not in this session");
	if (all->in_session && !ca->on_disk)
		pgcp_add_problem(&problems, "in this session but no longer on disk");
	if (all->list_bytes > MAX_LIST_BYTES)
		pgcp_add_problem(&problems, psprintf("list too long for TLS (%ld of %d bytes)",
											 all->list_bytes, MAX_LIST_BYTES));
	else if (all->list_bytes > MAX_LIST_BYTES - OTHER_EXTENSIONS_BYTES)
		pgcp_add_problem(&problems, psprintf("list nearly too long for TLS (%ld of %d bytes, some of which other extensions take)",
											 all->list_bytes, MAX_LIST_BYTES));

	return problems;
}
