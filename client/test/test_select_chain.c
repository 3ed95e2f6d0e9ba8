/*
 * test_select_chain.c
 *		The selection rule about what the server's OpenSSL would accept, on
 *		certificates made for each case.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selection.h"
#include "tap.h"

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
	run(USUAL, false, 0, NULL);
	is_text(reasons(), "expired", "also for a server that names no CA");
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

/* The level of the OpenSSL here stands in for the server's. */
static void
test_strength(void)
{
	Cert		weak = make_cert((Wish) {.cn = "weak", .ca = true, .key = "rsa:1024"});
	Cert		leaf = make_cert((Wish) {.cn = "leaf", .issuer = &weak});
	Cert		weak192 = make_cert((Wish) {.cn = "weak192", .ca = true, .key = "ec:prime192v1"});
	Cert		leaf192 = make_cert((Wish) {.cn = "leaf192", .issuer = &weak192});
	Cert		other = make_cert((Wish) {.cn = "other", .issuer = &root1});
	Cert		tiny = make_cert((Wish) {.cn = "tiny", .issuer = &root1, .key = "rsa:512"});
	Cert		old = make_cert((Wish) {.cn = "old", .issuer = &root1, .sha1 = true});
	Cert		old_int = make_cert((Wish) {.cn = "old_int", .issuer = &root1, .ca = true, .sha1 = true});
	Cert		below = make_cert((Wish) {.cn = "below", .issuer = &old_int});
	char	   *path;

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

	/* a root's key can be seen by what it signed, and in a copy of the root */
	begin();
	HOLD("leaf", &leaf);
	BY_NAME(((Setup) {.level = 2}), &weak);
	is_text(outcome(), "none", "a root of RSA that is too weak, known by its name");
	is_text(reasons(), "weak name-only", "is why");
	ok(pgcs_choice_candidate(choice, 0)->presumed, "but that, too, is presumed");
	BY_NAME(((Setup) {.level = 1}), &weak);
	is_text(outcome(), "found leaf doubtful", "strong enough here");
	is_text(reasons(), "weak name-only", "but it is said");
	run((Setup) {.level = 2}, false, 0, NULL);
	is_text(outcome(), "none", "and where the server names no CA");
	finish();
	begin();
	HOLD("leaf192", &leaf192);
	BY_NAME(((Setup) {.level = 2}), &weak192);
	is_text(outcome(), "found leaf192 doubtful", "a curve does not show in a signature");
	path = write_cert("weak192.crt", &weak192);
	pgcs_add_file(sel, path);
	BY_NAME(((Setup) {.level = 2}), &weak192);
	is_text(outcome(), "none", "but in the root's own certificate");
	is_text(reasons(), "weak name-only", "for this reason");
	free(path);
	finish();

	begin();
	HOLD("tiny", &tiny);
	BY_CERT(((Setup) {.level = 2}), &root1);
	is_text(outcome(), "none", "a key that is too small for libpq to send it");
	is_text(reasons(), "libpq-refuses", "and no word on what a server would say");
	finish();

	/* a name for an anchor has no signature, but what it stands for has */
	begin();
	HOLD("old", &old);
	BY_NAME(((Setup) {.level = 2}), &root1);
	is_text(outcome(), "none", "a leaf that is signed with SHA-1");
	ok(has_reason("weak") || has_reason("libpq-refuses"), "is refused by libpq or the server");
	finish();
	begin();
	HOLD("below", &below, &old_int);
	BY_NAME(((Setup) {.level = 2}), &root1);
	is_text(outcome(), "none", "an intermediate that is signed with SHA-1");
	ok(has_reason("weak") || has_reason("libpq-refuses"), "for the same reason");
	finish();
	free_cert(&weak);
	free_cert(&leaf);
	free_cert(&weak192);
	free_cert(&leaf192);
	free_cert(&other);
	free_cert(&tiny);
	free_cert(&old);
	free_cert(&old_int);
	free_cert(&below);
}

int
main(void)
{
	make_cas();
	test_certificates();
	test_chains();
	test_sigalgs();
	test_strength();
	free_cas();
	return done_testing();
}
