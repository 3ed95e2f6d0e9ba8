/*
 * test_pairing.c
 *		Finding each certificate of a bundle its key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle.h"
#include "pki.h"
#include "tap.h"

static Cert ca;
static Cert alice;
static Cert bob;
static Cert renewed;			/* alice's key again */

/* "a.crt=a.key;..." then " ! code file;...", names without the directory. */
static void
describe_bundle(const pgcs_bundle *bundle, char *text, size_t size)
{
	size_t		len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < pgcs_bundle_n_identities(bundle); i++)
	{
		const pgcs_identity *identity = pgcs_bundle_identity(bundle, i);

		len += (size_t) snprintf(text + len, size - len, "%s=%s",
								 strrchr(pgcs_identity_cert_path(identity), '/') + 1,
								 strrchr(pgcs_identity_key_path(identity), '/') + 1);
		for (size_t j = 0; j < pgcs_identity_n_reasons(identity); j++)
			len += (size_t) snprintf(text + len, size - len, " %s",
									 pgcs_reason_code(pgcs_identity_reason(identity, j)));
		len += (size_t) snprintf(text + len, size - len, ";");
	}
	for (size_t i = 0; i < pgcs_bundle_n_problems(bundle); i++)
		len += (size_t) snprintf(text + len, size - len, " ! %s %s",
								 pgcs_reason_code(pgcs_bundle_problem(bundle, i)),
								 strrchr(pgcs_reason_file(pgcs_bundle_problem(bundle, i)), '/') + 1);
}

static int	n_dirs;

/* Starts a new directory; files are made in it by name. */
static char *
new_dir(void)
{
	char		name[32];
	char	   *path;

	snprintf(name, sizeof(name), "d%d", ++n_dirs);
	path = test_path(name);
	if (mkdir(path, 0700) != 0)
		die("could not make %s", path);
	return path;
}

static void
put(char *(*write_it) (const char *, const Cert *), const char *name, const Cert *cert)
{
	char		full[64];

	snprintf(full, sizeof(full), "d%d/%s", n_dirs, name);
	free(write_it(full, cert));
}

static char *
plain_key(const char *name, const Cert *cert)
{
	return write_key(name, cert, NULL);
}

static char *
open_key(const char *name, const Cert *cert)
{
	char	   *path = write_key(name, cert, NULL);

	chmod(path, 0644);
	return path;
}

static char *
locked_key(const char *name, const Cert *cert)
{
	return write_key(name, cert, "sesame");
}

static char *
broken_key(const char *name, const Cert *cert)
{
	(void) cert;
	return write_text(name, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
}

static void
check_dir(const char *what, char *dir, const char *password, const char *want)
{
	pgcs_selector *sel = pgcs_selector_new();
	pgcs_bundle *bundle;
	char		got[2048];

	pgcs_add_directory(sel, dir);
	if (password != NULL)
		pgcs_set_password(sel, NULL, password);
	bundle = pgcs_bundle_load(sel);
	describe_bundle(bundle, got, sizeof(got));
	is_text(got, want, "%s", what);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	free(dir);
}

static void
test_pairing(void)
{
	char	   *dir;
	char	   *path;
	char		name[64];

	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(plain_key, "alice.key", &alice);
	put(write_cert, "bob.crt", &bob);
	put(plain_key, "bob.key", &bob);
	check_dir("the same stem", dir, NULL, "alice.crt=alice.key;bob.crt=bob.key;");

	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(plain_key, "bob.key", &alice);
	put(write_cert, "bob.crt", &bob);
	put(plain_key, "alice.key", &bob);
	check_dir("stems that lie", dir, NULL, "alice.crt=bob.key;bob.crt=alice.key;");

	dir = new_dir();
	put(write_cert, "one-cert.pem", &alice);
	put(plain_key, "one-key.pem", &alice);
	check_dir("no common stem at all", dir, NULL, "one-cert.pem=one-key.pem;");

	dir = new_dir();
	put(write_cert, "old.crt", &alice);
	put(write_cert, "new.crt", &renewed);
	put(plain_key, "old.key", &alice);
	check_dir("one key, two certificates", dir, NULL, "new.crt=old.key;old.crt=old.key;");

	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(plain_key, "alice.key", &bob);
	check_dir("another's key under the name", dir, NULL,
			  " ! key-mismatch alice.crt ! no-certificate alice.key");

	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(write_cert, "ca.crt", &ca);
	put(plain_key, "bob.key", &bob);
	check_dir("neither has the other half; a CA needs none", dir, NULL,
			  " ! no-key alice.crt ! no-certificate bob.key");

	dir = new_dir();
	snprintf(name, sizeof(name), "%s/chain.pem", strrchr(dir, '/') + 1);
	free(write_pem(name, NULL, NULL, &ca, &alice, (const Cert *) NULL));
	check_dir("but not so what stands behind a CA's", dir, NULL, " ! no-key chain.pem");

	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(locked_key, "alice.key", &alice);
	check_dir("an encrypted key of the same stem", dir, NULL,
			  "alice.crt=alice.key key-encrypted;");
	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(locked_key, "alice.key", &alice);
	check_dir("and with a password", dir, "sesame", "alice.crt=alice.key;");
	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(locked_key, "alice.key", &alice);
	check_dir("and with a wrong one", dir, "nope", "alice.crt=alice.key key-password-wrong;");
	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(locked_key, "alice.key", &alice);
	put(plain_key, "copy.key", &alice);
	check_dir("a copy that is not encrypted serves as well", dir, NULL,
			  "alice.crt=copy.key; ! key-encrypted alice.key");
	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(open_key, "alice.key", &alice);
	put(plain_key, "copy.key", &alice);
	check_dir("so does one that only the owner can read", dir, NULL, "alice.crt=copy.key;");
	dir = new_dir();
	snprintf(name, sizeof(name), "d%d/alice.pem", n_dirs);
	path = write_pem(name, &alice, NULL, &alice, (const Cert *) NULL);
	chmod(path, 0644);
	free(path);
	put(open_key, "a-copy.key", &alice);
	put(plain_key, "copy.key", &alice);
	check_dir("also where certificate and key are one file", dir, NULL, "alice.pem=copy.key;");
	dir = new_dir();
	put(write_cert, "alice:1.crt", &alice);
	put(plain_key, "alice:1.key", &alice);
	put(plain_key, "copy.key", &alice);
	check_dir("and one without a colon in its name", dir, NULL, "alice:1.crt=copy.key;");
	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(open_key, "alice.key", &alice);
	put(open_key, "copy.key", &alice);
	check_dir("if both are wrong, the one of the same stem", dir, NULL,
			  "alice.crt=alice.key key-mode;");
	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(plain_key, "alice:1.key", &alice);
	check_dir("a colon is what libpq takes for an engine's", dir, NULL,
			  "alice.crt=alice:1.key key-path-colon;");
	dir = new_dir();
	put(write_cert, "alice.crt", &alice);
	put(broken_key, "alice.key", &alice);
	check_dir("a key that cannot be decoded", dir, NULL,
			  " ! no-key alice.crt ! key-unusable alice.key");
	dir = new_dir();
	put(write_cert, "ca.crt", &ca);
	put(plain_key, "cakey.pem", &ca);
	check_dir("a CA's key has any name", dir, NULL, "ca.crt=cakey.pem ca-certificate;");
	dir = new_dir();
	put(write_cert, "ca.crt", &ca);
	put(plain_key, "ca.key", &ca);
	check_dir("a CA with its key is doubtful", dir, NULL, "ca.crt=ca.key ca-certificate;");

	dir = new_dir();
	snprintf(name, sizeof(name), "d%d/all.pem", n_dirs);
	free(write_pem(name, &alice, NULL, &alice, &ca, (const Cert *) NULL));
	check_dir("all in one file", dir, NULL, "all.pem=all.pem;");
	dir = new_dir();
	snprintf(name, sizeof(name), "d%d/all.pem", n_dirs);
	free(write_pem(name, &alice, NULL, &ca, &alice, (const Cert *) NULL));
	check_dir("the wrong certificate first", dir, NULL, " ! leaf-not-first all.pem");

	dir = new_dir();
	put(write_cert, ".alice.crt", &alice);
	put(plain_key, ".alice.key", &alice);
	check_dir("names with a leading dot", dir, NULL, "");

	/* a pair that was given is a row, whatever is wrong with it */
	path = write_cert("pair.crt", &alice);
	{
		pgcs_selector *sel = pgcs_selector_new();
		pgcs_bundle *bundle;
		char	   *key = write_key("pair.key", &bob, NULL);

		pgcs_add_pair(sel, path, key, NULL);
		pgcs_add_pair(sel, path, "pkcs11:object=x", NULL);
		bundle = pgcs_bundle_load(sel);
		is_int((long) pgcs_bundle_n_identities(bundle), 2, "two pairs are two rows");
		is_text(pgcs_reason_code(pgcs_identity_reason(pgcs_bundle_identity(bundle, 0), 0)),
				"key-mismatch", "another's key");
		is_text(pgcs_reason_code(pgcs_identity_reason(pgcs_bundle_identity(bundle, 1), 0)),
				"key-unverified", "an engine's key");
		ok(pgcs_bundle_ref(bundle) == bundle, "a bundle has several holders");
		pgcs_bundle_free(bundle);
		is_text(pgcs_identity_subject(pgcs_bundle_identity(bundle, 0)), "CN=alice",
				"and lives until the last has gone");
		pgcs_bundle_free(bundle);
		pgcs_selector_free(sel);
		free(key);
	}
	free(path);

	/* sslcert and sslpassword, sslkey left out */
	path = write_cert("lonely.crt", &alice);
	{
		pgcs_selector *sel = pgcs_selector_new();
		pgcs_bundle *bundle;
		char	   *key = write_key("lonely.key", &alice, "sesame");
		char		got[2048];

		pgcs_add_lists(sel, path, NULL, "sesame");
		bundle = pgcs_bundle_load(sel);
		describe_bundle(bundle, got, sizeof(got));
		is_text(got, "lonely.crt=lonely.key;", "a password is for the key that is found as well");
		pgcs_bundle_free(bundle);
		pgcs_selector_free(sel);
		free(key);
	}
	free(path);
}

int
main(void)
{
	ca = make_cert((Wish) {.cn = "ca", .ca = true});
	alice = make_cert((Wish) {.cn = "alice", .issuer = &ca});
	bob = make_cert((Wish) {.cn = "bob", .issuer = &ca});
	renewed = make_cert((Wish) {.cn = "alice", .issuer = &ca, .key_of = &alice});
	test_pairing();
	free_cert(&ca);
	free_cert(&alice);
	free_cert(&bob);
	free_cert(&renewed);
	return done_testing();
}
