/*
 * test_memory.c
 *		Every allocation fails once, in everything that needs no server; what
 *		does is in memory_server.c.
 *
 * Each step is a scenario of its own, with what it starts from made
 * beforehand: bundle, request, select, load, format.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "failing.h"
#include "pki.h"
#include "tap.h"

static char *alice_cert;		/* its intermediate is in another file */
static char *alice_key;
static char *bob_cert;
static char *bob_key;			/* encrypted */
static char *both_pem;			/* certificate and key in one file */
static char *ca_file;
static char *p12_file;
static char *chains;
static char *folder;
static PGresult *names_text;	/* as pg_trusted_ca_names() gives them */
static PGresult *names_binary;
static PGresult *names_only;

/* What later steps start from. */
static pgcs_selector *ready_sel;
static pgcs_bundle *ready_bundle;
static pgcs_request *ready_request;
static pgcs_choice *ready_choice;

/* ---------- selector and bundle ---------- */

static void
run_selector(Trial *trial)
{
	pgcs_selector *sel = pgcs_selector_new();

	if (trial_done(trial, sel != NULL, "pgcs_selector_new", NULL) &&
		trial_done(trial, pgcs_add_directory(sel, "x") == PGCS_OK, "pgcs_add_directory", sel) &&
		trial_done(trial, pgcs_add_file(sel, "/y") == PGCS_OK, "pgcs_add_file", sel) &&
		trial_done(trial, pgcs_add_pair(sel, "a", "b", "c") == PGCS_OK, "pgcs_add_pair", sel) &&
		trial_done(trial, pgcs_add_pair(sel, "a", NULL, NULL) == PGCS_OK, "pgcs_add_pair", sel) &&
		trial_done(trial, pgcs_add_pair(sel, "a", "pkcs11:x", NULL) == PGCS_OK, "pgcs_add_pair", sel) &&
		trial_done(trial, pgcs_add_lists(sel, "a,b", "c,d", ",e") == PGCS_OK, "pgcs_add_lists", sel) &&
		trial_done(trial, pgcs_set_password(sel, "b", "c") == PGCS_OK, "pgcs_set_password", sel) &&
		trial_done(trial, pgcs_set_password(sel, NULL, "d") == PGCS_OK, "pgcs_set_password", sel) &&
		trial_done(trial, pgcs_set_password(sel, "b", "e") == PGCS_OK, "pgcs_set_password", sel) &&
		trial_done(trial, pgcs_set_user(sel, "alice") == PGCS_OK, "pgcs_set_user", sel) &&
		trial_done(trial, pgcs_add_policy(sel, "cn=alice,bob eku=clientAuth or ca=\"CN=ca\"") == PGCS_OK,
				   "pgcs_add_policy", sel) &&
		trial_done(trial, pgcs_set_root_file(sel, "root.crt") == PGCS_OK, "pgcs_set_root_file", sel) &&
		trial_done(trial, pgcs_set_max_tls_version(sel, "TLSv1.2") == PGCS_OK,
				   "pgcs_set_max_tls_version", sel) &&
		trial_done(trial, pgcs_set_chain_directory(sel, "chains") == PGCS_OK,
				   "pgcs_set_chain_directory", sel) &&
		trial_done(trial, pgcs_set_unpack_directory(sel, "unpacked") == PGCS_OK,
				   "pgcs_set_unpack_directory", sel) &&
		pgcs_add_lists(sel, "a,b", "c,d,e", NULL) != PGCS_OK)
	{
		/* an error's own words need memory, too */
		trial_done(trial, pgcs_error_code(sel) == PGCS_INVALID, "pgcs_add_lists", sel);
		trial_add(trial, "%s\n", pgcs_error(sel));
	}
	pgcs_selector_free(sel);
}

static void
load_bundle(Trial *trial, pgcs_selector *sel)
{
	pgcs_bundle *bundle;

	allocator_resume();
	bundle = pgcs_bundle_load(sel);
	if (trial_done(trial, bundle != NULL, "pgcs_bundle_load", sel))
		trial_add_bundle(trial, bundle);
	pgcs_bundle_free(bundle);
	allocator_pause();
	pgcs_selector_free(sel);
}

static void
must(int result, const pgcs_selector *sel)
{
	if (result != PGCS_OK)
		die("%s", pgcs_error(sel));
}

/* Pairs by public key, files that are none, and a chain to complete. */
static void
run_bundle_folder(Trial *trial)
{
	pgcs_selector *sel;

	allocator_pause();
	sel = pgcs_selector_new();
	must(pgcs_add_directory(sel, folder), sel);
	must(pgcs_set_chain_directory(sel, chains), sel);
	load_bundle(trial, sel);
}

/* The same, only as far as it matters for a name. */
static void
run_bundle_for(Trial *trial)
{
	static const char *const names[] = {"CN=ca"};
	pgcs_selector *sel;
	pgcs_request *request;
	pgcs_bundle *bundle;

	allocator_pause();
	sel = pgcs_selector_new();
	must(pgcs_add_directory(sel, folder), sel);
	must(pgcs_set_chain_directory(sel, chains), sel);
	request = pgcs_request_from_names(sel, names, 1);
	if (request == NULL)
		die("%s", pgcs_error(sel));
	allocator_resume();
	bundle = pgcs_bundle_load_for(sel, request, NOW);
	if (trial_done(trial, bundle != NULL, "pgcs_bundle_load_for", sel))
		trial_add_bundle(trial, bundle);
	pgcs_bundle_free(bundle);
	allocator_pause();
	pgcs_request_free(request);
	pgcs_selector_free(sel);
}

static void
run_bundle_pairs(Trial *trial)
{
	pgcs_selector *sel;

	allocator_pause();
	sel = pgcs_selector_new();
	must(pgcs_add_pair(sel, bob_cert, bob_key, "sesame"), sel);
	must(pgcs_add_pair(sel, alice_cert, bob_key, "sesame"), sel);
	must(pgcs_add_pair(sel, alice_cert, NULL, NULL), sel);
	must(pgcs_add_pair(sel, alice_cert, "pkcs11:x", NULL), sel);
	must(pgcs_add_file(sel, both_pem), sel);
	must(pgcs_set_root_file(sel, ca_file), sel);
	load_bundle(trial, sel);
}

/* PKCS#12, to be unpacked. */
static pgcs_selector *
new_unpacking_selector(void)
{
	pgcs_selector *sel = pgcs_selector_new();

	must(pgcs_add_file(sel, p12_file), sel);
	must(pgcs_set_password(sel, p12_file, "sesame"), sel);
	must(pgcs_set_unpack_directory(sel, chains), sel);
	return sel;
}

static void
run_bundle_pkcs12(Trial *trial)
{
	pgcs_selector *sel;

	allocator_pause();
	sel = new_unpacking_selector();
	load_bundle(trial, sel);
}

static void
run_load_pkcs12(Trial *trial)
{
	pgcs_selector *sel;
	pgcs_bundle *bundle;
	pgcs_choice *choice;

	allocator_pause();
	sel = new_unpacking_selector();
	bundle = pgcs_bundle_load(sel);
	choice = bundle != NULL ? pgcs_select(sel, bundle, ready_request, NOW) : NULL;
	if (choice == NULL)
		die("%s", pgcs_error(sel));
	allocator_resume();
	if (trial_done(trial, pgcs_choice_load(sel, choice) == PGCS_OK, "pgcs_choice_load", sel))
		trial_add_choice(trial, choice);
	allocator_pause();
	pgcs_choice_free(choice);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
}

/* ---------- request ---------- */

static void
finish_request(Trial *trial, pgcs_request *request, const char *call)
{
	if (trial_done(trial, request != NULL, call, ready_sel))
		trial_add_request(trial, request);
	pgcs_request_free(request);
}

static void
run_request_names(Trial *trial)
{
	static const char *const names[] = {"CN=ca", "CN=other+OU=x,O=\\C3\\A4"};

	finish_request(trial, pgcs_request_from_names(ready_sel, names, 2), "pgcs_request_from_names");
}

static void
run_request_ca_file(Trial *trial)
{
	finish_request(trial, pgcs_request_from_ca_file(ready_sel, ca_file), "pgcs_request_from_ca_file");
}

static void
run_request_result(Trial *trial)
{
	finish_request(trial, pgcs_request_from_result(ready_sel, names_text), "pgcs_request_from_result");
	finish_request(trial, pgcs_request_from_result(ready_sel, names_binary), "pgcs_request_from_result");
	finish_request(trial, pgcs_request_from_result(ready_sel, names_only), "pgcs_request_from_result");
}

static void
run_resolve(Trial *trial)
{
	static const char *const keywords[] = {"host", "port", "sslcert", NULL};
	static const char *const values[] = {"a b,c", "1,2", "x'\\", NULL};
	PQconninfoOption *options = pgcs_resolve(ready_sel, keywords, values);

	if (!trial_done(trial, options != NULL, "pgcs_resolve", ready_sel))
		return;
	for (PQconninfoOption *option = options; option->keyword != NULL; option++)
		trial_add(trial, "%s=%s\n", option->keyword, option->val != NULL ? option->val : "");
	PQconninfoFree(options);
}

/* A result as libpq keeps it, without a server that sent it. */
static PGresult *
make_result(const char *column, int format, const char *value, int len)
{
	PGresAttDesc attribute = {.name = (char *) column, .format = format, .typid = 17, .typlen = -1};
	PGresult   *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

	if (result == NULL || !PQsetResultAttrs(result, 1, &attribute) ||
		!PQsetvalue(result, 0, 0, (char *) value, len))
		die("could not make a PGresult");
	return result;
}

static void
make_results(const Cert *ca)
{
	unsigned char *der = NULL;
	int			len = i2d_X509_NAME(X509_get_subject_name(ca->x509), &der);
	char		hex[1024] = "\\x";

	for (int i = 0; i < len && i < 500; i++)
		snprintf(hex + 2 + 2 * i, 3, "%02x", der[i]);
	names_text = make_result("name_der", 0, hex, 2 + 2 * len);
	names_binary = make_result("name_der", 1, (const char *) der, len);
	names_only = make_result("name", 0, "CN=ca", 5);
	OPENSSL_free(der);
}

/* ---------- select, load, format ---------- */

static void
run_select(Trial *trial)
{
	pgcs_choice *choice = pgcs_select(ready_sel, ready_bundle, ready_request, NOW);

	if (trial_done(trial, choice != NULL, "pgcs_select", ready_sel))
		trial_add_choice(trial, choice);
	pgcs_choice_free(choice);
}

static void
run_load(Trial *trial)
{
	pgcs_choice *choice;

	allocator_pause();
	choice = pgcs_select(ready_sel, ready_bundle, ready_request, NOW);
	if (choice == NULL)
		die("%s", pgcs_error(ready_sel));
	allocator_resume();
	if (trial_done(trial, pgcs_choice_load(ready_sel, choice) == PGCS_OK, "pgcs_choice_load", ready_sel))
		trial_add_choice(trial, choice);
	pgcs_choice_free(choice);
}

static void
run_format(Trial *trial)
{
	static const char *const keywords[] = {"host", "dbname", NULL};
	static const char *const values[] = {"a b", "d", NULL};

	for (int kind = PGCS_FORMAT_CONNINFO; kind <= PGCS_FORMAT_SERVICE; kind++)
		for (int whole = 0; whole < 2; whole++)
		{
			char	   *text = pgcs_format(ready_sel, ready_choice, (pgcs_format_kind) kind,
										   whole ? keywords : NULL, whole ? values : NULL,
										   PGCS_SHOW_PASSWORD);

			if (kind == PGCS_FORMAT_ENV && text == NULL &&
				pgcs_error_code(ready_sel) == PGCS_INEXPRESSIBLE)
				continue;		/* a password has no variable */
			if (!trial_done(trial, text != NULL, "pgcs_format", ready_sel))
				return;
			trial_add(trial, "%s\n", text);
			pgcs_text_free(text);
		}
}

/* The selector, bundle and so on that the later steps start from. */
static void
make_ready(bool by_names)
{
	static const char *const names[] = {"CN=ca"};

	ready_sel = pgcs_selector_new();
	must(pgcs_add_pair(ready_sel, bob_cert, bob_key, "sesame"), ready_sel);
	must(pgcs_add_directory(ready_sel, folder), ready_sel);
	must(pgcs_set_chain_directory(ready_sel, chains), ready_sel);
	must(pgcs_set_root_file(ready_sel, ca_file), ready_sel);
	must(pgcs_set_user(ready_sel, by_names ? "alice" : "bob"), ready_sel);
	must(pgcs_add_policy(ready_sel, "cn=%role ca=\"CN=ca\""), ready_sel);
	ready_bundle = pgcs_bundle_load(ready_sel);
	ready_request = by_names ? pgcs_request_from_names(ready_sel, names, 1)
		: pgcs_request_from_ca_file(ready_sel, ca_file);
	if (ready_bundle == NULL || ready_request == NULL)
		die("%s", pgcs_error(ready_sel));
	ready_choice = pgcs_select(ready_sel, ready_bundle, ready_request, NOW);
	if (ready_choice == NULL)
		die("%s", pgcs_error(ready_sel));
	must(pgcs_choice_load(ready_sel, ready_choice), ready_sel);
	ok(pgcs_choice_status(ready_choice) == PGCS_FOUND, "a certificate is found, by %s",
	   by_names ? "names" : "certificates");
}

static void
forget_ready(void)
{
	pgcs_choice_free(ready_choice);
	pgcs_request_free(ready_request);
	pgcs_bundle_free(ready_bundle);
	pgcs_selector_free(ready_sel);
}

/* Encrypted with one iteration: each of the usual thousands allocates. */
static char *
write_quick_key(const char *name, const Cert *cert, const char *password)
{
	char	   *path = write_text(name, "", 0600);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(cert->key);
	X509_SIG   *sig = PKCS8_encrypt(-1, EVP_aes_128_cbc(), password, (int) strlen(password),
									NULL, 0, 1, info);
	FILE	   *file = fopen(path, "w");

	if (sig == NULL || file == NULL || PEM_write_PKCS8(file, sig) != 1)
		die("could not write %s", path);
	fclose(file);
	X509_SIG_free(sig);
	PKCS8_PRIV_KEY_INFO_free(info);
	return path;
}

/* One iteration each, for the same reason. */
static char *
write_pkcs12(const char *name, const Cert *cert)
{
	char	   *path = test_path(name);
	FILE	   *file = fopen(path, "w");
	PKCS12	   *p12 = PKCS12_create("sesame", NULL, cert->key, cert->x509, NULL,
									NID_aes_256_cbc, NID_aes_256_cbc, 1, 1, 0);

	if (file == NULL || p12 == NULL || i2d_PKCS12_fp(file, p12) != 1 || fclose(file) != 0)
		die("could not write %s", path);
	PKCS12_free(p12);
	return path;
}

static char *
in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "folder/%s", name);
	return path;
}

int
main(void)
{
	static const Scenario alone[] = {
		{"selector", run_selector},
		{"bundle from a folder", run_bundle_folder},
		{"bundle for a name", run_bundle_for},
		{"bundle from pairs", run_bundle_pairs},
		{"bundle from PKCS#12", run_bundle_pkcs12},
	};
	static const Scenario requests[] = {
		{"request from names", run_request_names},
		{"request from a CA file", run_request_ca_file},
		{"request from results", run_request_result},
		{"resolve", run_resolve},
	};
	static const Scenario steps[][4] = {
		{
			{"select by certificates", run_select},
			{"load an encrypted key", run_load},
			{"format with a password", run_format},
			{"load and unpack PKCS#12", run_load_pkcs12},
		},
		{
			{"select by names", run_select},
			{"load a completed chain", run_load},
			{"format", run_format},
		},
	};
	Cert		ca;
	Cert		intermediate;
	Cert		alice;
	Cert		bob;

	failing_init();
	ca = make_cert((Wish) {.cn = "ca", .ca = true});
	intermediate = make_cert((Wish) {.cn = "int", .ca = true, .issuer = &ca});
	alice = make_cert((Wish) {.cn = "alice", .issuer = &intermediate, .san = "DNS:alice"});
	bob = make_cert((Wish) {.cn = "bob", .issuer = &ca});
	folder = test_path("folder");
	test_make_dir("folder");
	ca_file = write_cert("ca.crt", &ca);
	free(write_cert(in_folder("int.pem"), &intermediate));
	alice_cert = write_cert(in_folder("alice.crt"), &alice);
	alice_key = write_key(in_folder("a.key"), &alice, NULL);
	free(write_text(in_folder("noise.txt"), "words\n", 0600));
	bob_cert = write_cert("bob.crt", &bob);
	bob_key = write_quick_key("bob.key", &bob, "sesame");
	p12_file = write_pkcs12("bob.p12", &bob);
	both_pem = write_pem("both.pem", &alice, NULL, &alice, &intermediate, (const Cert *) NULL);
	chains = test_path("chains");
	make_results(&ca);

	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++)
		failing_each(&alone[i]);
	for (int by_names = 0; by_names < 2; by_names++)
	{
		make_ready(by_names);
		for (size_t i = 0; by_names && i < sizeof(requests) / sizeof(requests[0]); i++)
			failing_each(&requests[i]);
		for (size_t i = 0; i < 4 && steps[by_names][i].name != NULL; i++)
			failing_each(&steps[by_names][i]);
		forget_ready();
	}

	PQclear(names_text);
	PQclear(names_binary);
	PQclear(names_only);
	free(alice_cert);
	free(alice_key);
	free(bob_cert);
	free(bob_key);
	free(both_pem);
	free(p12_file);
	free(ca_file);
	free(chains);
	free(folder);
	free_cert(&ca);
	free_cert(&intermediate);
	free_cert(&alice);
	free_cert(&bob);
	return done_testing();
}
