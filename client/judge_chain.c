/*
 * judge_chain.c
 *		Would the server's OpenSSL accept the chain, as libpq will send it?
 *
 * Where the CAs are known by name only, the certificate whose issuer is named
 * stands in for the anchor, the CA certificates that are held locally say
 * what they can, and the doubt that remains is said.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "judge_case.h"
#include "name.h"

/* The security level that Debian and OpenSSL 3.2 ask of a peer's chain. */
#define USUAL_SECURITY_LEVEL 2

/*
 * Where a chain ends below its root, OpenSSL does not look at the dates of its
 * last certificate either, unless it is the leaf.
 */
static void
check_end(const PgcsCase *c, PgcsVerification *v)
{
	int			depth = sk_X509_num(v->chain) - 1;
	X509	   *last = depth > 0 ? sk_X509_value(v->chain, depth) : NULL;
	int64_t		from;

	if (v->error != X509_V_OK || last == NULL ||
		(X509_get_extension_flags(last) & EXFLAG_SS) != 0 || pgcs_case_is_in_time(c, last))
		return;
	v->error = pgcert_time_seconds(X509_get0_notBefore(last), &from) && from > c->judging->now
		? X509_V_ERR_CERT_NOT_YET_VALID : X509_V_ERR_CERT_HAS_EXPIRED;
	v->depth = depth;
	X509_up_ref(last);
	v->cert = last;
}

static bool
verify(PgcsCase *c, PgcsVerify request, PgcsVerification *v)
{
	request.leaf = c->candidate->identity->leaf;
	request.sent = c->sent;
	request.now = c->judging->now;
	if (pgcs_verify(&request, v))
	{
		if (request.tolerate_missing)
			check_end(c, v);
		return true;
	}
	c->failed = true;
	pgcs_verification_free(v);
	return false;
}

/*
 * Where a chain ends below its root, OpenSSL does not look at the signature of
 * its last certificate: the issuer could be the anchor.  A server has the root,
 * and looks.  Until OpenSSL 3.5, libpq's own OpenSSL refused such a leaf.
 */
static bool
ends_weakly(const PgcsVerification *v, int level, PgcsVerification *end)
{
	static const int level_bits[] = {0, 80, 112, 128, 192, 256};
	int			depth = sk_X509_num(v->chain) - 1;
	X509	   *last = depth < 0 ? NULL : sk_X509_value(v->chain, depth);
	int			bits;

	if (last == NULL || level < 0 || level >= (int) (sizeof(level_bits) / sizeof(level_bits[0])) ||
		(X509_get_extension_flags(last) & EXFLAG_SS) != 0 ||
		!X509_get_signature_info(last, NULL, NULL, &bits, NULL) ||
		bits >= level_bits[level])
		return false;
	*end = (PgcsVerification) {
		.error = X509_V_ERR_CA_MD_TOO_WEAK, .depth = depth, .cert = last
	};
	return true;
}

/*
 * The issuer of such a certificate is a root that the server has.  RSA's
 * signatures are as long as the modulus (RFC 8017, section 8.2.1), so they show
 * how long its key is.
 */
static X509 *
weakly_issued(const PgcsVerification *v, int level)
{
	static const int level_octets[] = {0, 1024 / 8, 2048 / 8, 3072 / 8, 7680 / 8, 15360 / 8};
	int			depth = sk_X509_num(v->chain) - 1;
	X509	   *last = depth < 0 ? NULL : sk_X509_value(v->chain, depth);
	const ASN1_BIT_STRING *signature;
	int			type;

	if (last == NULL || level < 0 || level >= (int) (sizeof(level_octets) / sizeof(level_octets[0])) ||
		(X509_get_extension_flags(last) & EXFLAG_SS) != 0 ||
		!X509_get_signature_info(last, NULL, &type, NULL, NULL) ||
		(type != NID_rsaEncryption && type != NID_rsassaPss))
		return NULL;
	X509_get0_signature(&signature, NULL, last);
	return ASN1_STRING_length(signature) < level_octets[level] ? last : NULL;
}

static void
add_weak_issuer(PgcsCase *c, X509 *cert, pgcs_severity severity, const char *words)
{
	char	   *issuer = pgcert_name_text(X509_get_issuer_name(cert));

	if (issuer == NULL)
		c->failed = true;
	else
		pgcs_reasons_add(REASONS(c), severity, "weak", NULL, "%s%s%s, at \"%s\"", c->prefix, words,
						 X509_verify_cert_error_string(X509_V_ERR_CA_KEY_TOO_SMALL), issuer);
	free(issuer);
}

/*
 * At the strictest level that a server is likely to have: whoever passes it
 * passes the others.  If not, at none, so that weakness is told from all else.
 */
static bool
verify_all(PgcsCase *c, PgcsVerify request, PgcsVerification *v, bool *strong)
{
	int			level = c->judging->bundle->security_level;
	PgcsVerification end;

	request.auth_level = level > USUAL_SECURITY_LEVEL ? level : USUAL_SECURITY_LEVEL;
	if (!verify(c, request, v))
		return false;
	*strong = v->error == X509_V_OK && !ends_weakly(v, request.auth_level, &end) &&
		weakly_issued(v, request.auth_level) == NULL;
	if (*strong)
		return true;
	pgcs_verification_free(v);
	request.auth_level = 0;
	return verify(c, request, v);
}

static bool
check_level(PgcsCase *c, PgcsVerify request, int level, pgcs_severity severity,
			const char *words)
{
	PgcsVerification v;
	PgcsVerification end;
	X509	   *issued;
	bool		weak;

	request.auth_level = level;
	if (!verify(c, request, &v))
		return false;
	weak = v.error != X509_V_OK && !pgcs_error_is_missing_issuer(v.error);
	if (weak)
		pgcs_case_chain_error(c, &v, severity, "weak", words);
	else if (ends_weakly(&v, level, &end))
	{
		weak = true;
		pgcs_case_chain_error(c, &end, severity, "weak", words);
	}
	else if ((issued = weakly_issued(&v, level)) != NULL)
	{
		weak = true;
		add_weak_issuer(c, issued, severity, words);
	}
	pgcs_verification_free(&v);
	return !weak && !c->failed;
}

/*
 * The server's security level is not known.  That of the OpenSSL that is here
 * stands in for it; and what some servers ask for is a doubt.  Were the first
 * a doubt, too, it would be chosen where nothing else is left, mostly to be
 * refused, and a certificate that is refused is worse than none: so it is
 * presumed, which --confirm may prove wrong.  The same goes for the curve, and
 * for what a CA's certificate that is held locally forbids.  What libpq refuses
 * to send for its weakness reaches no server, so there one reason is enough.
 */
static void
check_strength(PgcsCase *c, PgcsVerify request)
{
	int			level = c->judging->bundle->security_level;

	if (pgcs_reasons_have(&c->candidate->identity->reasons, "libpq-refuses"))
		return;
	if (!check_level(c, request, level, PGCS_FATAL,
					 "a server with the same security level as the OpenSSL here refuses the chain: "))
		pgcs_reasons_presume(REASONS(c));
	else if (level < USUAL_SECURITY_LEVEL)
		check_level(c, request, USUAL_SECURITY_LEVEL, PGCS_DOUBT,
					"a server at OpenSSL's security level 2 refuses the chain: ");
}

/* ---------- names ---------- */

static void
add_not_announced(PgcsCase *c)
{
	X509	   *top = sk_X509_value(c->reached, sk_X509_num(c->reached) - 1);
	char	   *issuer = pgcert_name_text(X509_get_issuer_name(top));

	if (issuer == NULL)
	{
		c->failed = true;
		return;
	}
	if (c->host->n_names == 1)
		pgcs_reasons_add(REASONS(c), PGCS_FATAL, "issuer-not-announced", NULL,
						 "%sissuer \"%s\" is not the CA that the server names, \"%s\"",
						 c->prefix, issuer, c->host->names[0].text);
	else
		pgcs_reasons_add(REASONS(c), PGCS_FATAL, "issuer-not-announced", NULL,
						 "%sissuer \"%s\" is not among the %zu CAs that the server names",
						 c->prefix, issuer, c->host->n_names);
	free(issuer);
	pgcs_case_look_for_intermediate(c);
}

/* The certificates whose issuer is named, as stand-ins for their issuers. */
static X509_STORE *
vouched_for(PgcsCase *c, bool *any)
{
	X509_STORE *store = X509_STORE_new();

	*any = false;
	if (store == NULL)
	{
		c->failed = true;
		return NULL;
	}
	for (int i = 0; i < sk_X509_num(c->reached); i++)
	{
		X509	   *cert = sk_X509_value(c->reached, i);

		if (!pgcs_host_names(c->host, X509_get_issuer_name(cert)))
			continue;
		*any = true;

		/* of an announced name the server has a certificate of its own */
		if ((i == 0 || !pgcs_host_names(c->host, X509_get_subject_name(cert))) &&
			X509_STORE_add_cert(store, cert) != 1)
			c->failed = true;
	}
	return store;
}

/* ---------- the announced CAs that are held locally too ---------- */

/* The CA certificates that are held locally and announced. */
static X509_STORE *
held_and_announced(PgcsCase *c)
{
	const pgcs_bundle *bundle = c->judging->bundle;
	X509_STORE *store = X509_STORE_new();

	c->failed = c->failed || store == NULL;
	for (size_t i = 0; i < c->host->n_names; i++)
	{
		const PgcsName *name = &c->host->names[i];
		const PgcsLocalCa *ca;
		size_t		position = 0;

		while (!c->failed &&
			   (ca = pgcs_bundle_next_ca(bundle, name->name, name->hash,
										 &position)) != NULL)
			if (X509_STORE_add_cert(store, ca->cert) != 1)
				c->failed = true;
	}
	return store;
}

/*
 * A copy that is out of date lies about everywhere, and the server's may have
 * been renewed.  What else a CA's certificate forbids is in its renewals, too.
 */
static void
add_disagreement(PgcsCase *c, const PgcsVerification *v)
{
	bool		out_of_date = v->error == X509_V_ERR_CERT_HAS_EXPIRED ||
		v->error == X509_V_ERR_CERT_NOT_YET_VALID;

	pgcs_case_chain_error(c, v, out_of_date ? PGCS_DOUBT : PGCS_FATAL,
						  "local-ca-disagrees",
						  "the CA's certificate as held locally says: ");
	if (!out_of_date)
		pgcs_reasons_presume(REASONS(c));
}

/*
 * A local copy of an announced CA's certificate need not be the one the
 * server has, but mostly is.  It can say what a name cannot.
 */
static void
ask_local_cas(PgcsCase *c)
{
	PgcsTop		top = pgcs_find_top(c->judging->bundle, c->host, c->sent);
	PgcsVerify	request = {.tolerate_missing = true};
	PgcsVerification v;
	bool		strong;

	if (top.kind == PGCS_TOP_INTERMEDIATE)
	{
		pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "intermediate-only", top.ca->path,
						 "%sthe server names a CA that is an intermediate in this file, but not its issuer, and refuses it unless it has another certificate of that CA",
						 c->prefix);
		c->candidate->top_announced = false;
	}
	else if (top.kind == PGCS_TOP_TWIN)
		pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "ca-twin", top.ca->path,
						 "%sis the certificate of a CA with the issuer's name, but it did not issue this one",
						 c->prefix);
	else if (top.kind == PGCS_TOP_HELD && top.twin != NULL)
		pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "ca-twin", top.twin->path,
						 "%sis the certificate of another CA of the same name, and the name alone does not tell which of the two the server trusts",
						 c->prefix);

	/* what the server will do if it has these very certificates */
	if (top.kind == PGCS_TOP_HELD)
		request = (PgcsVerify) {.anchors = held_and_announced(c)};
	if (top.kind != PGCS_TOP_HELD && sk_X509_num(c->sent) == 1)
		return;					/* a leaf alone was verified already */
	if (!c->failed && verify_all(c, request, &v, &strong))
	{
		if (v.error == X509_V_OK)
		{
			c->candidate->complete = top.kind == PGCS_TOP_HELD;
			if (c->candidate->complete && !strong && !pgcs_reasons_have(REASONS(c), "weak"))
				check_strength(c, request);
		}
		else if (top.twin == NULL && !pgcs_error_is_missing_issuer(v.error))
			add_disagreement(c, &v);
		pgcs_verification_free(&v);
	}
	X509_STORE_free(request.anchors);
}

/* ---------- the three ways to know the CAs ---------- */

static void
judge_by_certificates(PgcsCase *c, PgcsVerification *v)
{
	PgcsVerify	request = {.anchors = c->host->anchors};
	bool		strong;

	if (!verify_all(c, request, v, &strong))
		return;
	if (v->error != X509_V_OK)
	{
		if (pgcs_error_is_missing_issuer(v->error))
		{
			bool		any;

			X509_STORE_free(vouched_for(c, &any));
			if (!any)
				add_not_announced(c);
			else
				pgcs_case_chain_error(c, v, PGCS_FATAL, "chain",
									  "the server's CA certificates do not complete the chain: ");
		}
		else
			pgcs_case_chain_error(c, v, PGCS_FATAL, "chain", "");
		return;
	}
	c->candidate->complete = true;
	if (!strong)
		check_strength(c, request);
	pgcs_reasons_add(REASONS(c), PGCS_NOTE, "crl-unknown", NULL,
					 "%swhether the server's CRLs revoke it cannot be seen from here",
					 c->prefix);
}

/*
 * The server looks for an issuer among its own certificates first, so those
 * of the sent ones that bear an announced name are not what it will use.
 */
static STACK_OF(X509) *
sent_and_used(PgcsCase *c)
{
	STACK_OF(X509) *used = sk_X509_new_null();

	for (int i = 0; used != NULL && i < sk_X509_num(c->sent); i++)
	{
		X509	   *cert = sk_X509_value(c->sent, i);

		if ((i == 0 || !pgcs_host_names(c->host, X509_get_subject_name(cert))) &&
			!sk_X509_push(used, cert))
			c->failed = true;
	}
	c->failed = c->failed || used == NULL;
	return used;
}

static void
judge_by_names(PgcsCase *c, PgcsVerification *v)
{
	PgcsVerify	request = {.partial = true};
	STACK_OF(X509) *sent = c->sent;
	bool		strong;
	bool		any;

	request.anchors = vouched_for(c, &any);
	if (!any && !c->failed)
	{
		add_not_announced(c);

		/* what else is wrong with it is worth knowing too */
		if (!c->failed && verify(c, (PgcsVerify) {.tolerate_missing = true}, v) &&
			v->error != X509_V_OK && !pgcs_error_is_missing_issuer(v->error))
			pgcs_case_chain_error(c, v, PGCS_FATAL, "chain", "");
		X509_STORE_free(request.anchors);
		return;
	}
	if (!c->failed)
		c->sent = sent_and_used(c);
	if (!c->failed && verify_all(c, request, v, &strong))
	{
		if (v->error != X509_V_OK)
			pgcs_case_chain_error(c, v, PGCS_FATAL, "chain", "");
		else if (!strong)
			check_strength(c, request);
	}
	if (c->sent != sent)
		sk_X509_free(c->sent);
	c->sent = sent;
	if (v->error == X509_V_OK && !c->failed)
	{
		ask_local_cas(c);
		pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "name-only", NULL,
						 "%sthe server's CA is known by its name only, not its key, and whether its CRLs revoke the certificate not at all",
						 c->prefix);
	}
	X509_STORE_free(request.anchors);
}

static void
judge_unnamed(PgcsCase *c, PgcsVerification *v)
{
	PgcsVerify	request = {.tolerate_missing = true};
	bool		strong;

	if (!verify_all(c, request, v, &strong))
		return;
	if (v->error != X509_V_OK && !pgcs_error_is_missing_issuer(v->error))
		pgcs_case_chain_error(c, v, PGCS_FATAL, "chain", "");
	else
	{
		if (!strong)
			check_strength(c, request);
		pgcs_reasons_add(REASONS(c), PGCS_DOUBT, "no-names", NULL,
						 "%sthe server names no CA, so nothing tells whether it trusts this one",
						 c->prefix);
	}
}

void
pgcs_case_judge_chain(PgcsCase *c, PgcsVerification *v)
{
	if (c->host->anchors != NULL)
		judge_by_certificates(c, v);
	else if (c->host->answer == PGCS_ANSWER_NAMED)
		judge_by_names(c, v);
	else
		judge_unnamed(c, v);
}
