/*
 * test_select.c
 *		The selection rules, one by one, on certificates made for each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "pki.h"
#include "selector.h"
#include "tap.h"

static Cert root1;
static Cert root2;
static Cert twin1;				/* root1's name, another key */
static Cert twin_without_id;	/* the same without a key identifier */
static Cert int1;				/* of root1 */
static Cert int2;				/* of int1 */
static Cert expired_int;		/* of root1 */

/* Settings of a case beyond certificates and names. */
typedef struct Setup
{
	const char *user;
	const char *policy;
	const char *root_file;
	bool		strict;
	bool		prompt;
	int			tls_version;
	int			group;			/* of the key exchange */
	const char *max_tls_version;
	int			level;			/* of the OpenSSL here, if not 0 */
	const uint16_t *sigalgs;
	size_t		n_sigalgs;
} Setup;

/* A bundle in the making. */
static pgcs_selector *sel;
static pgcs_bundle *bundle;
static pgcs_choice *choice;

static void
begin(void)
{
	sel = pgcs_selector_new();
}

static void
finish(void)
{
	pgcs_choice_free(choice);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	choice = NULL;
	bundle = NULL;
}

/* One pair of files with these certificates, leaf first. */
#define HOLD(name, leaf, ...) hold(name, leaf, NULL, \
								   write_pem(name ".crt", NULL, NULL, leaf, ##__VA_ARGS__, (const Cert *) NULL))

static void
hold(const char *name, const Cert *leaf, const char *password, char *path)
{
	char		key_name[64];
	char	   *key;

	snprintf(key_name, sizeof(key_name), "%s.key", name);
	key = write_key(key_name, leaf, password);
	if (pgcs_add_pair(sel, path, key, NULL) != PGCS_OK)
		die("%s", pgcs_error(sel));
	free(key);
	free(path);
}

/* "found alice certain", "none", ..., with the file's name but its suffix. */
static const char *
outcome(void)
{
	static const char *const verdicts[] = {"unusable", "doubtful", "certain"};
	static char text[128];
	const char *path = pgcs_choice_cert_path(choice);

	switch (pgcs_choice_status(choice))
	{
		case PGCS_FOUND:
			snprintf(text, sizeof(text), "found %.*s %s",
					 (int) strcspn(strrchr(path, '/') + 1, "."), strrchr(path, '/') + 1,
					 verdicts[pgcs_candidate_verdict(pgcs_choice_candidate(choice, 0))]);
			return text;
		case PGCS_NONE:
			return "none";
		case PGCS_AMBIGUOUS:
			return "ambiguous";
		case PGCS_NO_TLS:
			return "no TLS";
		case PGCS_NOT_WANTED:
			return "not wanted";
	}
	return "?";
}

/* The codes of the best candidate's reasons, fatal ones and doubts. */
static const char *
reasons(void)
{
	static char text[512];
	const pgcs_candidate *candidate = pgcs_choice_candidate(choice, 0);
	size_t		len = 0;

	text[0] = '\0';
	for (size_t i = 0; candidate != NULL && i < pgcs_candidate_n_reasons(candidate); i++)
	{
		const pgcs_reason *reason = pgcs_candidate_reason(candidate, i);

		if (pgcs_reason_severity(reason) != PGCS_NOTE)
			len += (size_t) snprintf(text + len, sizeof(text) - len, "%s%s",
									 len > 0 ? " " : "", pgcs_reason_code(reason));
	}
	return text;
}

static bool
has_reason(const char *code)
{
	for (size_t c = 0; c < pgcs_choice_n_candidates(choice); c++)
		for (size_t i = 0; i < pgcs_candidate_n_reasons(pgcs_choice_candidate(choice, c)); i++)
			if (strcmp(pgcs_reason_code(pgcs_candidate_reason(pgcs_choice_candidate(choice, c), i)), code) == 0)
				return true;
	return false;
}

/* What was chosen, so that choosing and judging all can be compared. */
static char *
summary(const pgcs_choice *of)
{
	const pgcs_candidate *rival = pgcs_choice_rival(of);
	const char *cert = pgcs_choice_cert_path(of);
	PgcertBuf	buf = PGCERT_BUF_INIT;

	pgcert_buf_printf(&buf, "%d %s %s %d %s", (int) pgcs_choice_status(of),
					  pgcs_choice_text(of), cert != NULL ? cert : "-",
					  pgcs_choice_is_certain(of),
					  rival != NULL
					  ? pgcs_identity_cert_path(pgcs_candidate_identity(rival)) : "-");
	return pgcert_buf_take(&buf);
}

/* Choosing stops early, but comes to what judging all comes to. */
static void
compare_with_select(const pgcs_request *request)
{
	pgcs_choice *chosen = pgcs_select(sel, bundle, request, NOW);
	char	   *got = summary(chosen);
	char	   *want = summary(choice);

	if (strcmp(got, want) != 0)
		is_text(got, want, "choosing and judging all come to the same");
	if (pgcs_choice_n_candidates(chosen) > pgcs_choice_n_candidates(choice))
		ok(false, "choosing judges more than there is");
	free(got);
	free(want);
	pgcs_choice_free(chosen);
}

/* Selects for a server that trusts these, known as certificates or by name. */
static void
run(Setup setup, bool by_certificate, int n_cas, const Cert *const *cas)
{
	pgcs_request *request = pgcs_request_new(1);
	PgcsHost   *host = &request->hosts[0];

	for (int i = 0; i < n_cas; i++)
		if (by_certificate ? !pgcs_host_add_ca(host, cas[i]->x509)
			: !pgcs_host_add_name(host, X509_get_subject_name(cas[i]->x509)))
			die("out of memory");
	host->answer = n_cas > 0 ? PGCS_ANSWER_NAMED : PGCS_ANSWER_UNNAMED;
	host->tls_version = setup.tls_version;
	host->group = setup.group;
	if (setup.n_sigalgs > 0)
	{
		host->sigalgs = malloc(setup.n_sigalgs * sizeof(*host->sigalgs));
		memcpy(host->sigalgs, setup.sigalgs, setup.n_sigalgs * sizeof(*host->sigalgs));
		host->n_sigalgs = setup.n_sigalgs;
	}
	for (size_t i = 0; i < sel->n_policies; i++)
		pgcert_policy_free(sel->policies[i]);
	sel->n_policies = 0;
	if (pgcs_set_user(sel, setup.user) != PGCS_OK ||
		pgcs_set_root_file(sel, setup.root_file) != PGCS_OK ||
		pgcs_set_max_tls_version(sel, setup.max_tls_version) != PGCS_OK ||
		(setup.policy != NULL && pgcs_add_policy(sel, setup.policy) != PGCS_OK))
		die("%s", pgcs_error(sel));
	pgcs_set_strict(sel, setup.strict);
	pgcs_set_prompt_allowed(sel, setup.prompt);
	pgcs_choice_free(choice);
	pgcs_bundle_free(bundle);
	bundle = pgcs_bundle_load(sel);
	if (setup.level != 0)
		bundle->security_level = setup.level;
	choice = pgcs_check(sel, bundle, request, NOW);
	if (choice == NULL)
		die("%s", pgcs_error(sel));
	compare_with_select(request);
	pgcs_request_free(request);
}

#define BY_NAME(setup, ...) \
	run(setup, false, (int) (sizeof((const Cert *[]) {__VA_ARGS__}) / sizeof(const Cert *)), \
		(const Cert *[]) {__VA_ARGS__})
#define BY_CERT(setup, ...) \
	run(setup, true, (int) (sizeof((const Cert *[]) {__VA_ARGS__}) / sizeof(const Cert *)), \
		(const Cert *[]) {__VA_ARGS__})
#define USUAL ((Setup) {0})

/* ---------- rule 1: what libpq would send, and the names ---------- */

static void
test_names(void)
{
	Cert		leaf1 = make_cert((Wish) {.cn = "leaf1", .issuer = &root1});
	Cert		leaf2 = make_cert((Wish) {.cn = "leaf2", .issuer = &root2});
	Cert		deep = make_cert((Wish) {.cn = "deep", .issuer = &int2});
	Cert		small_int = make_cert((Wish) {.cn = "small", .issuer = &root1, .ca = true,
		.key = "rsa:512"});
	Cert		of_small = make_cert((Wish) {.cn = "x", .issuer = &small_int});
	char	   *roots;

	begin();
	HOLD("leaf1", &leaf1);
	HOLD("leaf2", &leaf2);
	BY_NAME(USUAL, &root1);
	is_text(outcome(), "found leaf1 doubtful", "the name of root1");
	is_text(reasons(), "name-only", "a name is no proof");
	BY_NAME(USUAL, &root2);
	is_text(outcome(), "found leaf2 doubtful", "the name of root2");
	BY_CERT(USUAL, &root2);
	is_text(outcome(), "found leaf2 certain", "the certificate of root2");
	BY_NAME(USUAL, &int1);
	is_text(outcome(), "none", "a name that is nobody's");
	is_text(reasons(), "issuer-not-announced", "is the reason");
	is_text(pgcs_choice_text(choice),
			"Server requests a client certificate but no suitable certificate is found from sslcert list provided",
			"in the words of the seed");
	finish();

	begin();
	HOLD("deep", &deep, &int2, &int1);
	BY_NAME(USUAL, &root1);
	is_text(outcome(), "found deep doubtful", "a chain of two intermediates");
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "found deep certain", "verified, too");
	BY_NAME(USUAL, &int1);
	is_text(reasons(), "intermediate-only name-only", "an intermediate's name alone is doubtful");
	BY_CERT(USUAL, &int1);
	is_text(outcome(), "none", "an intermediate's certificate alone does not do");
	finish();

	begin();
	HOLD("deep", &deep, &int1, &int2);
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "found deep certain", "intermediates in another order");
	finish();

	begin();
	HOLD("deep", &deep, &int2);
	BY_NAME(USUAL, &root1);
	is_text(outcome(), "none", "an intermediate is missing");
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "none", "in truth as well");
	BY_CERT(USUAL, &root1, &int1);
	is_text(outcome(), "found deep certain", "unless the server has it");
	pgcs_add_file(sel, roots = write_cert("int1.pem", &int1));
	BY_NAME(USUAL, &root1);
	ok(has_reason("missing-intermediate"), "found elsewhere it is pointed to");
	free(roots);
	finish();

	begin();
	HOLD("deep", &deep);
	roots = write_pem("roots.pem", NULL, NULL, &int2, &int1, &root2, (const Cert *) NULL);
	BY_NAME(((Setup) {.root_file = roots}), &root1);
	is_text(outcome(), "found deep doubtful", "libpq completes a lone leaf from its root file");
	BY_CERT(((Setup) {.root_file = roots}), &root1);
	is_text(outcome(), "found deep certain", "with certainty");
	finish();
	begin();
	HOLD("deep", &deep, &int2);
	BY_CERT(((Setup) {.root_file = roots}), &root1);
	is_text(outcome(), "none", "but not a file with more than the leaf");
	free(roots);
	finish();

	begin();
	HOLD("leaf1", &of_small);
	roots = write_pem("roots.pem", NULL, NULL, &small_int, (const Cert *) NULL);
	BY_NAME(((Setup) {.root_file = roots}), &root1);
	is_text(outcome(), "none", "nor with what OpenSSL refuses to send");
	ok(has_reason("libpq-refuses"), "as it would in the file itself");
	free(roots);
	finish();

	free_cert(&leaf1);
	free_cert(&leaf2);
	free_cert(&deep);
	free_cert(&small_int);
	free_cert(&of_small);
}

/* ---------- rule 2: what the server's OpenSSL would accept ---------- */

static void
test_certificates(void)
{
	static const struct
	{
		const char *what;
		Wish		wish;
		const char *want;
		const char *why;
	}			cases[] =

	{
		{"the usual", {.eku = "clientAuth"}, "found x certain", ""},
		{"no extendedKeyUsage", {.eku = ""}, "found x certain", ""},
		{"serverAuth", {.eku = "serverAuth"}, "none", "purpose"},
		{"serverAuth and clientAuth", {.eku = "serverAuth,clientAuth"}, "found x certain", ""},
		{"anyExtendedKeyUsage alone", {.eku = "anyExtendedKeyUsage"}, "none", "purpose"},
		{"digitalSignature", {.ku = "digitalSignature"}, "found x certain", ""},
		{"keyAgreement", {.ku = "keyAgreement"}, "found x certain", ""},
		{"keyEncipherment", {.ku = "keyEncipherment"}, "none", "purpose"},
		{"nonRepudiation", {.ku = "nonRepudiation"}, "none", "purpose"},
		{"expired", {.not_before = NOW - 9 * DAY, .not_after = NOW - DAY}, "none", "expired"},
		{"not yet valid", {.not_before = NOW + DAY, .not_after = NOW + 9 * DAY}, "none", "not-yet-valid"},
		{"a CN of two-byte characters", {.cn = "\0x", .string_type = V_ASN1_BMPSTRING}, "none", "cn-embedded-nul"},
		{"a CA", {.ca = true, .ku = "digitalSignature,keyCertSign"}, "found x doubtful", "ca-certificate"},
		{"RSA", {.key = "rsa:2048"}, "found x certain", ""},
		{"P-384", {.key = "ec:secp384r1"}, "found x certain", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Wish		wish = cases[i].wish;
		Cert		leaf;

		wish.issuer = &root1;
		if (wish.cn == NULL)
			wish.cn = "x";
		leaf = make_cert(wish);
		begin();
		HOLD("x", &leaf);
		BY_CERT(USUAL, &root1);
		is_text(outcome(), cases[i].want, "%s, CA certificate known", cases[i].what);
		is_text(reasons(), cases[i].why, "for this reason");
		BY_NAME(USUAL, &root1);
		if (strcmp(cases[i].want, "none") == 0)
		{
			is_text(outcome(), "none", "%s, name known", cases[i].what);
			ok(has_reason(cases[i].why), "for the same reason");
		}
		else
			is_text(outcome(), "found x doubtful", "%s, name known", cases[i].what);
		finish();
		free_cert(&leaf);
	}
}

static void
test_chains(void)
{
	Cert		of_expired = make_cert((Wish) {.cn = "x", .issuer = &expired_int});
	Cert		no_path = make_cert((Wish) {.cn = "nopath", .issuer = &root1, .ca = true,
		.constraints = "critical,CA:TRUE,pathlen:0"});
	Cert		sub = make_cert((Wish) {.cn = "sub", .issuer = &no_path, .ca = true});
	Cert		of_sub = make_cert((Wish) {.cn = "x", .issuer = &sub});
	Cert		not_ca = make_cert((Wish) {.cn = "notca", .issuer = &root1});
	Cert		of_not_ca = make_cert((Wish) {.cn = "x", .issuer = &not_ca});
	Cert		by_twin = make_cert((Wish) {.cn = "x", .issuer = &twin1});
	Cert		by_nameless = make_cert((Wish) {.cn = "x", .issuer = &twin_without_id});
	Cert		self = make_cert((Wish) {.cn = "self"});
	Cert		fake = make_cert((Wish) {.cn = "root1", .ca = true, .issuer = &root2});
	Cert		by_fake = make_cert((Wish) {.cn = "x", .issuer = &fake});
	Cert		by_root = make_cert((Wish) {.cn = "x", .issuer = &root1});
	char	   *path;

	begin();
	HOLD("x", &of_expired, &expired_int);
	BY_NAME(USUAL, &root1);
	is_text(reasons(), "expired", "an intermediate that has expired");
	finish();
	begin();
	HOLD("x", &of_sub, &sub, &no_path);
	BY_NAME(USUAL, &root1);
	is_text(reasons(), "chain", "a path that is too long");
	finish();
	begin();
	HOLD("x", &of_not_ca, &not_ca);
	BY_NAME(USUAL, &root1);
	is_text(outcome(), "none", "an issuer that is no CA");
	finish();

	begin();
	HOLD("x", &by_twin);
	BY_NAME(USUAL, &root1);
	is_text(outcome(), "found x doubtful", "a twin's certificate, by name");
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "none", "and by certificate");
	BY_CERT(USUAL, &root1, &twin1);
	is_text(outcome(), "found x certain", "and with both");
	path = write_cert("twin.crt", &root1);
	pgcs_add_file(sel, path);
	BY_NAME(USUAL, &root1);
	is_text(reasons(), "ca-twin name-only", "a local copy of the CA tells that it did not issue it");
	finish();
	begin();
	HOLD("x", &by_nameless);
	pgcs_add_file(sel, path);
	BY_NAME(USUAL, &root1);
	is_text(reasons(), "ca-twin name-only", "also where no key identifier tells them apart");
	free(path);
	finish();

	/* an intermediate of root1's name, which another candidate brings along */
	begin();
	HOLD("a_forged", &by_fake, &fake);
	HOLD("b_right", &by_root);
	BY_NAME(USUAL, &root1, &root2);
	ok(!has_reason("ca-twin") && !has_reason("intermediate-only"),
	   "an intermediate in one file is not held against another");
	finish();

	begin();
	HOLD("self", &self);
	BY_NAME(USUAL, &self);
	is_text(outcome(), "found self doubtful", "self-signed, its own name announced");
	BY_CERT(USUAL, &self);
	is_text(outcome(), "found self certain", "and as a certificate");
	BY_NAME(USUAL, &root1);
	is_text(outcome(), "none", "but not otherwise");
	finish();

	free_cert(&of_expired);
	free_cert(&no_path);
	free_cert(&sub);
	free_cert(&of_sub);
	free_cert(&not_ca);
	free_cert(&of_not_ca);
	free_cert(&by_twin);
	free_cert(&by_nameless);
	free_cert(&self);
	free_cert(&fake);
	free_cert(&by_fake);
	free_cert(&by_root);
}

static void
test_sigalgs(void)
{
	static const uint16_t rsa_only[] = {0x0804, 0x0401};
	static const uint16_t p256_only[] = {0x0403};
	Cert		p256 = make_cert((Wish) {.cn = "x", .issuer = &root1});
	Cert		p384 = make_cert((Wish) {.cn = "x", .issuer = &root1, .key = "ec:secp384r1"});
	Cert		k256 = make_cert((Wish) {.cn = "x", .issuer = &root1, .key = "ec:secp256k1"});
	Cert		rsa = make_cert((Wish) {.cn = "x", .issuer = &root1, .key = "rsa:2048"});
	const struct
	{
		const Cert *cert;
		Setup		setup;
		const char *want;
	}			cases[] =

	{
		{&p256, {.sigalgs = rsa_only, .n_sigalgs = 2}, "signature-algorithm"},
		{&rsa, {.sigalgs = rsa_only, .n_sigalgs = 2}, ""},
		{&rsa, {.sigalgs = rsa_only + 1, .n_sigalgs = 1, .tls_version = TLS1_2_VERSION}, ""},
		{&rsa, {.sigalgs = rsa_only + 1, .n_sigalgs = 1, .tls_version = TLS1_3_VERSION}, "signature-algorithm"},
		{&p256, {.sigalgs = p256_only, .n_sigalgs = 1, .tls_version = TLS1_3_VERSION}, ""},
		{&p384, {.sigalgs = p256_only, .n_sigalgs = 1, .tls_version = TLS1_3_VERSION}, "signature-algorithm"},
		{&p384, {.sigalgs = p256_only, .n_sigalgs = 1, .tls_version = TLS1_2_VERSION}, "curve"},
		{&p384, {.sigalgs = p256_only, .n_sigalgs = 1, .tls_version = TLS1_2_VERSION, .group = NID_secp384r1}, ""},
		{&p256, {.tls_version = TLS1_2_VERSION, .group = NID_X9_62_prime256v1}, ""},
		{&p256, {.tls_version = TLS1_2_VERSION, .group = NID_X25519}, ""},
		{&p256, {.tls_version = TLS1_2_VERSION, .group = NID_secp384r1}, "curve"},
		{&p384, {.tls_version = TLS1_2_VERSION, .group = NID_X25519}, "curve"},
		{&p384, {.max_tls_version = "TLSv1.2"}, "curve"},
		{&p256, {.max_tls_version = "tlsv1.2"}, ""},
		{&p384, {.max_tls_version = "TLSv1.3"}, ""},
		{&p384, {.tls_version = 0}, ""},
		{&k256, {.tls_version = 0}, "curve"},
		{&rsa, {.tls_version = TLS1_2_VERSION}, ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		begin();
		HOLD("x", cases[i].cert);
		BY_CERT(cases[i].setup, &root1);
		is_text(reasons(), cases[i].want, "signature algorithms, case %zu", i + 1);
		finish();
	}
	free_cert(&p256);
	free_cert(&p384);
	free_cert(&k256);
	free_cert(&rsa);
	begin();
	is_int(pgcs_set_max_tls_version(sel, "TLSv9"), PGCS_INVALID, "a version that is none");
	finish();
}

/* ---------- the CA certificates that are held here ---------- */

static void
test_tops(void)
{
	Cert		deep = make_cert((Wish) {.cn = "deep", .issuer = &int2});
	Cert		leaf = make_cert((Wish) {.cn = "leaf", .issuer = &root2});
	Cert		cross = make_cert((Wish) {.cn = "root2", .issuer = &root1, .key_of = &root2,
		.ca = true});
	Cert		old_cross = make_cert((Wish) {.cn = "root2", .issuer = &root1, .key_of = &root2,
		.ca = true, .not_before = test_now - 9 * DAY, .not_after = test_now - DAY});
	Cert		old_root = make_cert((Wish) {.cn = "root2", .key_of = &root2,
		.ca = true, .not_before = test_now - 9 * DAY, .not_after = test_now - DAY});
	Cert		alice = make_cert((Wish) {.cn = "alice", .issuer = &int1});
	Cert		forged_int = make_cert((Wish) {.cn = "int1", .issuer = &twin1, .ca = true});
	Cert		forged = make_cert((Wish) {.cn = "alice", .issuer = &forged_int});
	Cert		by_twin = make_cert((Wish) {.cn = "x", .issuer = &twin1});
	char	   *path;

	begin();
	HOLD("deep", &deep, &int2);
	BY_NAME(USUAL, &int2);
	is_text(reasons(), "intermediate-only name-only", "an intermediate without its issuer is doubtful");
	BY_NAME(USUAL, &int2, &root1);
	is_text(reasons(), "intermediate-only name-only", "also with the root, if the link between is not there");
	BY_NAME(USUAL, &int2, &int1);
	is_text(outcome(), "found deep doubtful", "an issuer that is not held may be a root");
	BY_NAME(USUAL, &int2, &int1, &root1);
	is_text(outcome(), "found deep doubtful", "the whole chain is named");
	is_text(reasons(), "name-only", "of which only a part is held");
	finish();

	begin();
	HOLD("leaf", &leaf, &cross);
	BY_NAME(USUAL, &root2);
	is_text(reasons(), "intermediate-only name-only",
			"cross-signed: as far as is held, root2 is an intermediate");
	path = write_cert("root2.crt", &root2);
	pgcs_add_file(sel, path);
	BY_NAME(USUAL, &root2);
	is_text(reasons(), "name-only", "it is a root to whoever holds that");
	finish();
	begin();
	HOLD("leaf", &leaf, &old_cross);
	pgcs_add_file(sel, path);
	free(path);
	BY_NAME(USUAL, &root2);
	is_text(reasons(), "name-only", "the server uses its own, not an expired one that is sent");
	BY_CERT(USUAL, &root2);
	is_text(outcome(), "found leaf certain", "as it does");
	finish();

	begin();
	HOLD("leaf", &leaf, &old_root);
	BY_NAME(USUAL, &root2);
	is_text(outcome(), "found leaf doubtful", "the root is held, and has expired");
	is_text(reasons(), "expired name-only", "but the server may have another");
	finish();

	begin();
	HOLD("forged", &forged, &forged_int);
	HOLD("alice", &alice, &int1);
	pgcs_add_file(sel, path = write_cert("root1.crt", &root1));
	BY_NAME(USUAL, &root1);
	is_text(outcome(), "found alice doubtful", "a forged intermediate in another's file");
	is_text(reasons(), "name-only", "is not held against the good one");
	BY_NAME(USUAL, &root1, &int1);
	is_text(outcome(), "found alice doubtful", "also where its name is announced");
	is_text(reasons(), "name-only", "and known to be an intermediate's");
	finish();

	begin();
	HOLD("leaf", &by_twin);
	pgcs_add_file(sel, path);
	free(path);
	BY_NAME(USUAL, &root1);
	is_text(reasons(), "ca-twin name-only", "a root of the name did not issue it");
	pgcs_add_file(sel, path = write_cert("twin1.crt", &twin1));
	BY_NAME(USUAL, &root1);
	is_text(outcome(), "found leaf doubtful", "two roots of the name are held");
	is_text(reasons(), "ca-twin name-only", "and only one issued it");
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "none", "the certificates tell");
	BY_CERT(USUAL, &twin1);
	is_text(outcome(), "found leaf certain", "which it is");
	free(path);
	finish();

	free_cert(&deep);
	free_cert(&leaf);
	free_cert(&cross);
	free_cert(&old_cross);
	free_cert(&old_root);
	free_cert(&alice);
	free_cert(&forged_int);
	free_cert(&forged);
	free_cert(&by_twin);
}

/* The level of the OpenSSL here stands in for the server's. */
static void
test_strength(void)
{
	Cert		weak = make_cert((Wish) {.cn = "weak", .ca = true, .key = "rsa:1024"});
	Cert		leaf = make_cert((Wish) {.cn = "leaf", .issuer = &weak});
	Cert		other = make_cert((Wish) {.cn = "other", .issuer = &root1});
	Cert		tiny = make_cert((Wish) {.cn = "tiny", .issuer = &root1, .key = "rsa:512"});

	begin();
	HOLD("leaf", &leaf);
	BY_CERT(((Setup) {.level = 2}), &weak);
	is_text(outcome(), "none", "a CA that is too weak for the OpenSSL here");
	is_text(reasons(), "weak", "is why");
	ok(pgcs_choice_candidate(choice, 0)->presumed, "but the server may ask for less");
	BY_CERT(((Setup) {.level = 1}), &weak);
	is_text(outcome(), "found leaf doubtful", "strong enough here, but not for every server");
	HOLD("other", &other);
	BY_CERT(((Setup) {.level = 1}), &weak, &root1);
	is_text(outcome(), "found other certain", "a stronger one goes before");
	finish();

	begin();
	HOLD("tiny", &tiny);
	BY_CERT(((Setup) {.level = 2}), &root1);
	is_text(outcome(), "none", "a key that is too small for libpq to send it");
	is_text(reasons(), "libpq-refuses", "and no word on what a server would say");
	finish();
	free_cert(&weak);
	free_cert(&leaf);
	free_cert(&other);
	free_cert(&tiny);
}

/* ---------- rules 5 to 7: rank, role, policy, no names ---------- */

static void
test_rank(void)
{
	Cert		alice = make_cert((Wish) {.cn = "alice", .issuer = &root1});
	Cert		bob = make_cert((Wish) {.cn = "bob", .issuer = &root1,
		.not_before = NOW - DAY});
	Cert		renewed = make_cert((Wish) {.cn = "alice", .issuer = &root1,
		.not_before = NOW - 2 * DAY});
	Cert		longer = make_cert((Wish) {.cn = "alice", .issuer = &root1,
		.not_after = NOW + 300 * DAY});
	Cert		stronger = make_cert((Wish) {.cn = "alice", .issuer = &root1,
		.key = "ec:secp384r1"});
	Cert		other_san = make_cert((Wish) {.cn = "alice", .issuer = &root1,
		.san = "DNS:other"});

	begin();
	HOLD("alice", &alice);
	HOLD("bob", &bob);
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "found bob certain", "two identities: the later notBefore");
	ok(pgcs_choice_rival(choice) != NULL, "but it is reported");
	BY_CERT(((Setup) {.strict = true}), &root1);
	is_text(outcome(), "ambiguous", "and refused under strict");
	has_text(pgcs_choice_text(choice), "\"CN=bob\"", "with the names");
	BY_CERT(((Setup) {.user = "alice", .strict = true}), &root1);
	is_text(outcome(), "found alice certain", "the role decides");
	ok(pgcs_choice_rival(choice) == NULL, "without a word");
	BY_CERT(((Setup) {.user = "Alice", .strict = true}), &root1);
	is_text(outcome(), "ambiguous", "bytewise");
	BY_CERT(((Setup) {.policy = "cn=alice", .strict = true}), &root1);
	is_text(outcome(), "found alice certain", "a policy decides");
	BY_CERT(((Setup) {.user = "bob", .policy = "cn=alice"}), &root1);
	is_text(outcome(), "found alice certain", "over the role");
	BY_CERT(((Setup) {.user = "carol", .policy = "cn=%role"}), &root1);
	is_text(outcome(), "none", "or rules out all");
	BY_CERT(((Setup) {.policy = "ca=\"CN=root1\" eku=clientAuth", .user = "alice"}), &root1);
	is_text(outcome(), "found alice certain", "a policy on the CA, known");
	BY_CERT(((Setup) {.policy = "ca=\"CN=root2\"", .user = "alice"}), &root1);
	is_text(outcome(), "none", "and false");
	BY_NAME(((Setup) {.policy = "ca=\"CN=root2\"", .user = "alice"}), &root1);
	is_text(outcome(), "found alice doubtful", "and unknown, which does not rule out");
	ok(has_reason("policy-unknown"), "but is said");
	run(USUAL, false, 0, NULL);
	is_text(outcome(), "ambiguous", "no names: two identities");
	run(((Setup) {.user = "alice"}), false, 0, NULL);
	is_text(outcome(), "found alice doubtful", "no names, but a role");
	run(((Setup) {.policy = "cn=bob"}), false, 0, NULL);
	is_text(outcome(), "found bob doubtful", "no names, but a policy");
	finish();

	begin();
	HOLD("alice", &alice);
	run(USUAL, false, 0, NULL);
	is_text(outcome(), "found alice doubtful", "no names: the only one");
	is_text(reasons(), "no-names", "is doubtful");
	HOLD("renewed", &renewed);
	BY_CERT(((Setup) {.strict = true}), &root1);
	is_text(outcome(), "found renewed certain", "a renewal is no rival");
	run(((Setup) {.strict = true}), false, 0, NULL);
	is_text(outcome(), "found renewed doubtful", "nor without names");
	finish();

	begin();
	HOLD("alice", &alice);
	HOLD("longer", &longer);
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "found longer certain", "then the later notAfter");
	finish();
	begin();
	HOLD("alice", &alice);
	HOLD("stronger", &stronger);
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "found stronger certain", "then the stronger key");
	finish();
	begin();
	HOLD("b", &alice);
	HOLD("a", &alice);
	BY_CERT(((Setup) {.strict = true}), &root1);
	is_text(outcome(), "found a certain", "then the path");
	finish();
	begin();
	HOLD("alice", &alice);
	HOLD("other", &other_san);
	BY_CERT(((Setup) {.strict = true}), &root1);
	is_text(outcome(), "ambiguous", "other alternative names are another identity");
	finish();

	free_cert(&alice);
	free_cert(&bob);
	free_cert(&renewed);
	free_cert(&longer);
	free_cert(&stronger);
	free_cert(&other_san);
}

/* ---------- rules 3 and 8: keys, load, and nothing at all ---------- */

static void
test_load(void)
{
	Cert		alice = make_cert((Wish) {.cn = "alice", .issuer = &root1});
	Cert		bob = make_cert((Wish) {.cn = "bob", .issuer = &root1});
	char	   *path;
	char	   *key;

	begin();
	hold("alice", &alice, "sesame", write_cert("alice.crt", &alice));
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "none", "an encrypted key without a password");
	BY_CERT(((Setup) {.prompt = true}), &root1);
	is_text(outcome(), "found alice doubtful", "is usable where a prompt is allowed");
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "and loaded without one");
	is_text(outcome(), "found alice doubtful", "as it is");
	ok(pgcs_choice_password(choice) == NULL, "it has no password");
	key = test_path("alice.key");
	pgcs_set_password(sel, key, "sesame");
	free(key);
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "found alice certain", "with its password");
	is_text(pgcs_choice_password(choice), "sesame", "which is handed on");
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "and opens it");
	finish();

	/* the winner is gone: the next best takes its place */
	begin();
	HOLD("alice", &alice);
	HOLD("bob", &bob);
	BY_CERT(((Setup) {.user = "alice"}), &root1);
	path = test_path("alice.key");
	remove(path);
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "the winner's key is gone");
	is_text(outcome(), "found bob certain", "so the next best is taken");
	ok(has_reason("file-missing"), "and the reason is said");
	free(path);
	path = test_path("bob.crt");
	remove(path);
	pgcs_choice_load(sel, choice);
	is_text(outcome(), "none", "until none is left");
	free(path);
	finish();

	/* rotation: another certificate under the same name */
	begin();
	HOLD("alice", &alice);
	BY_CERT(USUAL, &root1);
	free(write_cert("alice.crt", &bob));
	is_int(pgcs_choice_load(sel, choice), PGCS_CHANGED, "the certificate has changed");
	is_text(outcome(), "none", "so it is not used");
	finish();
	begin();
	HOLD("alice", &alice);
	BY_CERT(USUAL, &root1);
	free(write_key("alice.key", &bob, NULL));
	is_int(pgcs_choice_load(sel, choice), PGCS_CHANGED, "the key has changed");
	finish();

	begin();
	BY_CERT(USUAL, &root1);
	is_text(outcome(), "none", "an empty bundle");
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "has nothing to load");
	finish();
	free_cert(&alice);
	free_cert(&bob);
}

/* ---------- what a local copy of the CA says ---------- */

static void
test_local_ca(void)
{
	Cert		strict = make_cert((Wish) {.cn = "strict", .ca = true,
		.constraints = "critical,CA:TRUE,pathlen:0"});
	Cert		below = make_cert((Wish) {.cn = "below", .issuer = &strict, .ca = true});
	Cert		leaf = make_cert((Wish) {.cn = "leaf", .issuer = &below});
	Cert		old = make_cert((Wish) {.cn = "old", .ca = true,
		.not_before = test_now - 90 * DAY, .not_after = test_now - DAY});
	Cert		of_old = make_cert((Wish) {.cn = "x", .issuer = &old});
	char	   *path;

	begin();
	HOLD("leaf", &leaf, &below);
	BY_NAME(USUAL, &strict);
	is_text(outcome(), "found leaf doubtful", "nothing tells against it but that a name is no proof");
	path = write_cert("strict.crt", &strict);
	pgcs_add_file(sel, path);
	free(path);
	BY_NAME(USUAL, &strict);
	is_text(outcome(), "none", "the CA's certificate forbids it: a renewed one will, too");
	ok(has_reason("local-ca-disagrees"), "which is the reason");
	ok(pgcs_choice_candidate(choice, 0)->presumed, "and a handshake may try it all the same");
	finish();

	begin();
	HOLD("x", &of_old);
	path = write_cert("old.crt", &old);
	pgcs_add_file(sel, path);
	free(path);
	BY_NAME(USUAL, &old);
	is_text(outcome(), "found x doubtful", "a copy that is out of date is a doubt only");
	finish();
	free_cert(&strict);
	free_cert(&below);
	free_cert(&leaf);
	free_cert(&old);
	free_cert(&of_old);
}

int
main(void)
{
	root1 = make_cert((Wish) {.cn = "root1", .ca = true});
	root2 = make_cert((Wish) {.cn = "root2", .ca = true});
	twin1 = make_cert((Wish) {.cn = "root1", .ca = true});
	twin_without_id = make_cert((Wish) {.cn = "root1", .ca = true, .no_key_ids = true});
	int1 = make_cert((Wish) {.cn = "int1", .ca = true, .issuer = &root1});
	int2 = make_cert((Wish) {.cn = "int2", .ca = true, .issuer = &int1});
	expired_int = make_cert((Wish) {.cn = "expired", .ca = true, .issuer = &root1,
		.not_before = NOW - 9 * DAY, .not_after = NOW - DAY});
	test_names();
	test_certificates();
	test_chains();
	test_tops();
	test_local_ca();
	test_strength();
	test_sigalgs();
	test_rank();
	test_load();
	free_cert(&root1);
	free_cert(&root2);
	free_cert(&twin1);
	free_cert(&twin_without_id);
	free_cert(&int1);
	free_cert(&int2);
	free_cert(&expired_int);
	return done_testing();
}
