/*
 * test_select.c
 *		The selection rules about names, rank and what is held here, one by one,
 *		on certificates made for each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "selection.h"
#include "tap.h"

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

/* What was loaded once is not loaded again, as long as nothing has touched it. */
static void
test_load_again(void)
{
	Cert		alice = make_cert((Wish) {.cn = "alice", .issuer = &root1});
	Cert		bob = make_cert((Wish) {.cn = "bob", .issuer = &root1});
	Cert		older = make_cert((Wish) {.cn = "older", .issuer = &root1, .not_before = -3600});
	char	   *path;

	begin();
	HOLD("alice", &alice);
	HOLD("bob", &bob);
	HOLD("older", &older);
	BY_CERT(((Setup) {.user = "alice"}), &root1);
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "files that were just written can be loaded");
	ok(!choice->winner->identity->loads, "but another change would look alike");
	sleep(5);
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "a while later they still can");
	ok(choice->winner->identity->loads, "and that is remembered");
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "so that it need not be done again");
	is_text(outcome(), "found alice certain", "for the same");

	path = test_path("alice.key");
	remove(path);
	free(path);
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "the key is gone");
	is_text(outcome(), "found bob certain", "so the next best is taken");
	ok(choice->winner->identity->loads, "and remembered");
	free(write_cert("bob.crt", &alice));
	is_int(pgcs_choice_load(sel, choice), PGCS_CHANGED, "a certificate that changes is noticed");
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "another one loads");
	ok(choice->winner->identity->loads, "and is remembered");
	free(write_key("older.key", &bob, NULL));
	is_int(pgcs_choice_load(sel, choice), PGCS_CHANGED, "a key that changes is noticed");
	free(write_cert("bob.crt", &bob));
	BY_CERT(((Setup) {.user = "alice"}), &root1);
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "a new bundle");
	ok(!choice->winner->identity->loads, "has nothing to remember");
	finish();
	free_cert(&alice);
	free_cert(&bob);
	free_cert(&older);
}

/* What is no request is refused before anything is opened or asked. */
static void
test_no_request(void)
{
	pgcs_selector *no_sel = pgcs_selector_new();
	const char *const names[] = {"CN=x"};
	pgcs_request *named;

	ok(pgcs_request_from_ca_file(no_sel, NULL) == NULL, "no CA file");
	is_int(pgcs_error_code(no_sel), PGCS_INVALID, "is an argument that is wrong");
	is_text(pgcs_error(no_sel), "path is empty", "with words");
	ok(pgcs_request_from_ca_file(no_sel, "") == NULL, "nor is an empty path one");
	is_int(pgcs_error_code(no_sel), PGCS_INVALID, "which is the same");
	ok(pgcs_request_from_server(no_sel, "nosuch=1", NULL, NULL) == NULL, "parameters that libpq does not know");
	is_int(pgcs_error_code(no_sel), PGCS_INVALID, "are wrong, too, and not a server that does not answer");
	is_text(pgcs_error(no_sel), "could not ask for the names: invalid connection option \"nosuch\"", "in libpq's words");

	named = pgcs_request_from_names(no_sel, names, 1);
	ok(named != NULL && pgcs_request_name_der(named, 0, 0, NULL) != NULL, "a name without its length");
	ok(named != NULL && pgcs_request_name_der(named, 1, 0, NULL) == NULL, "a host that is not there");
	pgcs_request_free(named);
	pgcs_selector_free(no_sel);
}

int
main(void)
{
	make_cas();
	test_no_request();
	test_names();
	test_tops();
	test_local_ca();
	test_rank();
	test_load();
	test_load_again();
	free_cas();
	return done_testing();
}
