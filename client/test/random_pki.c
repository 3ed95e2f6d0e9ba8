/*
 * random_pki.c
 *		Who issued what, and which of them the server trusts.
 *
 * Most of what is drawn is as it should be, so that most cases have a right
 * answer; and in most cases something is not, so that few have an easy one.
 *
 * What is wrong is drawn by fault().  How often is a guess at the field, by two
 * rules: what stops every login is seen by somebody and mended, so it is rare
 * where many depend on it (3 roots of 100 have expired, 3 are otherwise wrong,
 * 4 servers trust one CA as it is, 3 a leaf) and more common where few do (10
 * leaves have expired, 15 have another extendedKeyUsage, 15 a file without its
 * chain); and what stops nobody is common (12 issuers respelled, 8 PKIs with
 * two CAs of one name).  random_even() makes all of them as likely.
 */
#include <stdio.h>
#include <stdarg.h>
#include <string.h>

#include "random_pki.h"
#include "tap.h"

#define R (&pki->random)

static void note(Member *member, const char *format,...)
			__attribute__((format(printf, 2, 3)));

static void
note(Member *member, const char *format,...)
{
	size_t		len = strlen(member->about);
	va_list		args;

	va_start(args, format);
	vsnprintf(member->about + len, sizeof(member->about) - len, format, args);
	va_end(args);
}

/* A key that nobody in this case has yet, as far as the pool goes. */
static EVP_PKEY *
fresh_key(Pki *pki, KeyKind kind)
{
	return pool_key(kind, pki->used_keys[kind]++);
}

/* Valid for years, unless noted otherwise. */
static void
set_validity(Pki *pki, Member *member, Plan *plan, int percent_bad)
{
	plan->not_before = -DAY * (10 + random_below(R, 300));
	plan->not_after = DAY * (100 + random_below(R, 900));
	if (!fault(R, percent_bad))
		return;
	if (chance(R, 65))
	{
		plan->not_after = -DAY * (1 + random_below(R, 9));
		note(member, ", expired");
	}
	else
	{
		plan->not_before = DAY * (1 + random_below(R, 9));
		note(member, ", not yet valid");
	}
}

static void
finish(Member *member, Plan *plan, EVP_PKEY *key)
{
	member->key = key;
	plan->key = key;
	member->cert = make_random_cert(plan);
	X509_NAME_free(plan->subject);
	X509_NAME_free(plan->issuer_name);
}

/* ---------- CAs ---------- */

static KeyKind
ca_key_kind(Pki *pki)
{
	int			n = random_below(R, 99);

	if (fault(R, 1))
		return KEY_RSA1024;
	return n < 83 ? KEY_P256 : n < 88 ? KEY_RSA2048 : n < 91 ? KEY_PSS
		: n < 95 ? KEY_ED25519 : KEY_P384;
}

/* Whose certificate it is not told apart by: the issuer of a new one. */
static void
set_issuer(Pki *pki, Member *member, Plan *plan, int issuer)
{
	const Member *ca = issuer >= 0 ? &pki->cas[issuer] : NULL;
	const X509_NAME *name = ca != NULL ? X509_get_subject_name(ca->cert) : plan->subject;

	member->issuer = issuer;
	plan->issuer = ca != NULL ? ca->cert : NULL;
	plan->signer = ca != NULL ? ca->key : member->key;
	if (ca != NULL && fault(R, 12))
	{
		plan->issuer_name = respelled_name(R, name);
		note(member, ", issuer respelled");
	}
	else
		plan->issuer_name = X509_NAME_dup((X509_NAME *) name);
	if (ca != NULL)
	{
		plan->aki = chance(R, 75) ? AKI_KEY : chance(R, 50) ? AKI_NONE
			: AKI_KEY_AND_SERIAL;
		if (fault(R, 1))
			plan->aki = AKI_WRONG;
		note(member, "%s", plan->aki == AKI_NONE ? ", no AKI"
			 : plan->aki == AKI_WRONG ? ", wrong AKI" : "");
	}
	if (fault(R, 3))
	{
		plan->sha1 = true;
		note(member, ", SHA-1");
	}
	plan->pss_signature = chance(R, 15);
}

/* What CAs do wrong. */
static void
spoil_ca(Pki *pki, Member *member, Plan *plan)
{
	switch (random_below(R, 12))
	{
		case 0:
			plan->constraints = "critical,CA:FALSE";
			note(member, ", CA:FALSE");
			break;
		case 1:
			plan->constraints = NULL;
			note(member, ", no basicConstraints");
			break;
		case 2:
			plan->version1 = true;
			note(member, ", version 1");
			break;
		case 3:
		case 4:
			plan->constraints = "critical,CA:TRUE,pathlen:0";
			note(member, ", pathlen 0");
			break;
		case 5:
			plan->ku = "digitalSignature";
			note(member, ", keyUsage digitalSignature");
			break;
		case 6:
			plan->eku = "serverAuth";
			note(member, ", EKU serverAuth");
			break;
		case 7:
			plan->eku = PICK(R, "clientAuth", "anyExtendedKeyUsage", "serverAuth,clientAuth",
							 "OCSPSigning");
			note(member, ", EKU %s", plan->eku);
			break;
		case 8:
			plan->ns_type = PICK(R, "server", "sslCA", "client,sslCA", "emailCA");
			note(member, ", nsCertType %s", plan->ns_type);
			break;
		case 9:
		case 10:
			plan->name_constraints = PICK(R, "critical,permitted;DNS:example.com",
										  "critical,excluded;DNS:example.com",
										  "critical,permitted;email:example.com",
										  "permitted;IP:10.0.0.0/255.0.0.0");
			note(member, ", nameConstraints %s", plan->name_constraints);
			break;
		default:
			plan->unknown_critical = true;
			note(member, ", unknown critical extension");
			break;
	}
}

/*
 * Another CA, or another certificate of the one that is given: of the same
 * name, and with its key unless it is a twin.
 */
static int
add_ca(Pki *pki, int issuer, const Member *same, bool twin)
{
	Member	   *member = &pki->cas[pki->n_cas];
	Plan		plan = {0};
	EVP_PKEY   *key;
	char		cn[32];

	if (pki->n_cas == MAX_CAS)
		return MAX_CAS - 1;
	member->ca = true;
	member->kind = same != NULL && !twin ? same->kind : ca_key_kind(pki);
	key = same != NULL && !twin ? same->key : fresh_key(pki, member->kind);
	snprintf(cn, sizeof(cn), "%sCA %d", issuer < 0 ? "root" : "int", pki->n_cas);
	if (same == NULL)
		plan.subject = random_name(R, cn, true);
	else
	{
		plan.subject = chance(R, 15)
			? respelled_name(R, X509_get_subject_name(same->cert))
			: X509_NAME_dup(X509_get_subject_name(same->cert));
		note(member, ", %s CA %d", twin ? "twin of" : "again", (int) (same - pki->cas));
	}
	if (member->kind != KEY_P256)
		note(member, ", %s", key_kind_name(member->kind));
	plan.constraints = "critical,CA:TRUE";
	plan.ku = chance(R, 80) ? "critical,keyCertSign,cRLSign" : NULL;
	plan.ski = chance(R, 80);
	if (!plan.ski)
		note(member, ", no SKI");
	member->key = key;
	set_issuer(pki, member, &plan, issuer);
	set_validity(pki, member, &plan, same != NULL ? 15 : issuer < 0 ? 3 : 5);
	if (fault(R, issuer < 0 ? 3 : 7))
		spoil_ca(pki, member, &plan);
	finish(member, &plan, key);
	return pki->n_cas++;
}

static void
make_cas(Pki *pki)
{
	int			n_roots = 1 + random_below(R, 3);
	int			ends[8];
	int			n_ends = 0;

	for (int i = 0; i < n_roots; i++)
		add_ca(pki, -1, NULL, false);
	for (int i = 0; i < n_roots; i++)
	{
		int			depth = chance(R, 25) ? 0 : chance(R, 60) ? 1 : chance(R, 70) ? 2 : 3;
		int			last = i;

		while (depth-- > 0)
			last = add_ca(pki, last, NULL, false);
		if (last != i)
			ends[n_ends++] = last;
		if (n_ends > 0 && chance(R, 20))
			add_ca(pki, i, NULL, false);
	}

	/* cross-signed: the same intermediate, or a root, by another root */
	if (n_ends > 0 && n_roots > 1 && chance(R, 30))
		add_ca(pki, random_below(R, n_roots), &pki->cas[ends[random_below(R, n_ends)]], false);
	if (n_roots > 1 && chance(R, 12))
		add_ca(pki, 1, &pki->cas[0], false);

	/* renewed with the same key */
	if (chance(R, 15))
		add_ca(pki, -1, &pki->cas[random_below(R, n_roots)], false);
	if (n_ends > 0 && chance(R, 12))
	{
		const Member *old = &pki->cas[ends[random_below(R, n_ends)]];

		add_ca(pki, old->issuer, old, false);
	}

	/* the same name with another key */
	if (fault(R, 8))
		add_ca(pki, -1, &pki->cas[random_below(R, n_roots)], true);
	if (n_ends > 0 && fault(R, 8))
	{
		const Member *old = &pki->cas[ends[random_below(R, n_ends)]];

		add_ca(pki, chance(R, 60) ? old->issuer : random_below(R, n_roots), old, true);
	}
}

/* The root that a CA comes from. */
static int
root_of(const Pki *pki, int ca)
{
	while (pki->cas[ca].issuer >= 0)
		ca = pki->cas[ca].issuer;
	return ca;
}

/* ---------- leaves ---------- */

static KeyKind
leaf_key_kind(Pki *pki)
{
	int			n = random_below(R, 96);

	if (fault(R, 4))
		return chance(R, 50) ? KEY_RSA1024 : KEY_K256;
	return n < 72 ? KEY_P256 : n < 79 ? KEY_RSA2048 : n < 82 ? KEY_PSS
		: n < 87 ? KEY_ED25519 : n < 89 ? KEY_ED448 : n < 93 ? KEY_P384
		: KEY_P521;
}

static void
set_usage(Pki *pki, Member *member, Plan *plan)
{
	plan->eku = chance(R, 50) ? "clientAuth" : NULL;
	plan->ku = chance(R, 40) ? "critical,digitalSignature" : NULL;
	if (fault(R, 15))
		plan->eku = PICK(R, "serverAuth", "serverAuth", "serverAuth,clientAuth",
						 "anyExtendedKeyUsage", "clientAuth,anyExtendedKeyUsage",
						 "emailProtection", "codeSigning,1.3.6.1.4.1.99999.2",
						 "critical,clientAuth");
	if (fault(R, 12))
		plan->ku = PICK(R, "keyAgreement", "keyEncipherment", "nonRepudiation",
						"digitalSignature,keyEncipherment", "critical,dataEncipherment",
						"digitalSignature,nonRepudiation", "keyCertSign");
	if (fault(R, 5))
		plan->ns_type = PICK(R, "server", "client", "client,server", "email");
	plan->constraints = chance(R, 60) ? "CA:FALSE" : chance(R, 95) ? NULL : "CA:TRUE";
	if (chance(R, 30))
		plan->san = PICK(R, "DNS:db.example.com", "DNS:db.example.org", "email:dba@example.com",
						 "URI:spiffe://example.com/alice", "IP:10.1.2.3", "email:dba@example.org");
	if (fault(R, 1))
	{
		plan->unknown_critical = true;
		note(member, ", unknown critical extension");
	}
	if (fault(R, 2))
	{
		plan->version1 = true;
		note(member, ", version 1");
	}
	note(member, ", EKU %s, KU %s%s%s%s%s", plan->eku != NULL ? plan->eku : "none",
		 plan->ku != NULL ? plan->ku : "none",
		 plan->ns_type != NULL ? ", nsCertType " : "", plan->ns_type != NULL ? plan->ns_type : "",
		 plan->san != NULL ? ", SAN " : "", plan->san != NULL ? plan->san : "");
}

static void
add_leaf(Pki *pki)
{
	Member	   *member = &pki->leaves[pki->n_leaves];
	const Member *old = pki->n_leaves > 0 && chance(R, 15)
		? &pki->leaves[random_below(R, pki->n_leaves)] : NULL;
	Plan		plan = {0};
	int			issuer = random_below(R, pki->n_cas);
	bool		same_key = old != NULL && chance(R, 50);
	EVP_PKEY   *key;

	/* mostly of the first root's family, and mostly of an intermediate */
	for (int i = 0; i < 8; i++)
		if ((i < 6 && root_of(pki, issuer) != 0) || (i % 2 == 0 && pki->cas[issuer].issuer < 0))
			issuer = random_below(R, pki->n_cas);
	if (old != NULL && chance(R, 70))
		issuer = old->issuer;
	if (chance(R, 4))
		issuer = -1;
	member->kind = same_key ? old->kind : leaf_key_kind(pki);
	key = same_key ? old->key : fresh_key(pki, member->kind);
	member->key = key;
	plan.subject = old != NULL ? X509_NAME_dup(X509_get_subject_name(old->cert))
		: random_name(R, PICK(R, "alice", "alice", "bob", "carol", "host.example.org",
							  "app 1"), false);
	if (old != NULL)
		note(member, ", renewal of leaf %d%s", (int) (old - pki->leaves),
			 same_key ? " with its key" : "");
	if (member->kind != KEY_P256)
		note(member, ", %s", key_kind_name(member->kind));
	plan.ski = chance(R, 70);
	set_issuer(pki, member, &plan, issuer);
	set_validity(pki, member, &plan, 10);
	set_usage(pki, member, &plan);
	finish(member, &plan, key);
	pki->n_leaves++;
}

/* ---------- what the server trusts ---------- */

static void
trust(Pki *pki, X509 *cert)
{
	if (pki->n_trusted < MAX_TRUSTED)
		pki->trusted[pki->n_trusted++] = cert;
}

static void
trust_with_issuers(Pki *pki, int ca)
{
	for (; ca >= 0; ca = pki->cas[ca].issuer)
		trust(pki, pki->cas[ca].cert);
}

static void
make_trusted(Pki *pki)
{
	int			mode = random_below(R, 93);

	if (fault(R, 4))
	{
		/* one CA as it is: maybe an intermediate without its root */
		trust(pki, pki->cas[random_below(R, pki->n_cas)].cert);
	}
	else if (fault(R, 3))
	{
		trust(pki, pki->leaves[random_below(R, pki->n_leaves)].cert);
		if (chance(R, 50))
			trust(pki, pki->cas[0].cert);
	}
	else if (mode < 48)
		trust(pki, pki->cas[0].cert);
	else if (mode < 55)
	{
		int			n = 2 + random_below(R, 5);

		trust(pki, pki->cas[0].cert);
		for (int i = 1; i < n; i++)
			trust(pki, pki->cas[random_below(R, pki->n_cas)].cert);
	}
	else if (mode < 72)
	{
		int			ca = random_below(R, pki->n_cas);

		for (int i = 0; i < 4 && root_of(pki, ca) != 0; i++)
			ca = random_below(R, pki->n_cas);
		trust_with_issuers(pki, ca);
	}
	else
	{
		for (int i = 0; i < pki->n_cas; i++)
			if (pki->cas[i].issuer < 0 && (i == 0 || chance(R, 60)))
				trust(pki, pki->cas[i].cert);
	}

	/* in any order */
	for (int i = pki->n_trusted - 1; i > 0; i--)
	{
		int			j = random_below(R, i + 1);
		X509	   *cert = pki->trusted[i];

		pki->trusted[i] = pki->trusted[j];
		pki->trusted[j] = cert;
	}
}

void
random_pki(Pki *pki, uint64_t seed, uint64_t number)
{
	int			n_leaves;

	memset(pki, 0, sizeof(*pki));
	random_seed(R, seed, number);
	make_cas(pki);
	n_leaves = 1 + random_below(R, chance(R, 30) ? 7 : 4);
	for (int i = 0; i < n_leaves; i++)
		add_leaf(pki);
	make_trusted(pki);
}

void
random_pki_free(Pki *pki)
{
	for (int i = 0; i < pki->n_cas; i++)
		X509_free(pki->cas[i].cert);
	for (int i = 0; i < pki->n_leaves; i++)
		X509_free(pki->leaves[i].cert);
}
