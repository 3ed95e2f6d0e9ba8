/*
 * test_lists.c
 *		Comma lists, pairs, and what the selector says of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine_key.h"
#include "pgcertsel.h"
#include "pki.h"
#include "selector.h"
#include "tap.h"

typedef struct Case
{
	const char *certs;
	const char *keys;
	const char *passwords;
	const char *want;			/* "cert key password;..." or an error */
} Case;

/* Paths are below /x, which does not exist, so that no path is whole. */
static const Case cases[] = {
	{"/x/a", "/x/b", NULL, "/x/a /x/b -;"},
	{"/x/a", "/x/b", "", "/x/a /x/b -;"},
	{"/x/a", "/x/b", "pw", "/x/a /x/b pw;"},
	{"/x/a", "/x/b", "p,w", "/x/a /x/b p,w;"},
	{"/x/a", "/x/b", ",", "/x/a /x/b ,;"},
	{"/x/a", NULL, "p,w", "/x/a - p,w;"},
	{"/x/a", "", NULL, "/x/a - -;"},
	{"/x/a,/x/b", "/x/c,/x/d", NULL, "/x/a /x/c -;/x/b /x/d -;"},
	{"/x/a,/x/b", "/x/c,/x/d", ",pw", "/x/a /x/c -;/x/b /x/d pw;"},
	{"/x/a,/x/b", "/x/c,/x/d", "pw,", "/x/a /x/c pw;/x/b /x/d -;"},
	{"/x/a,/x/b,/x/c", "/x/d,/x/e,/x/f", ",pw,", "/x/a /x/d -;/x/b /x/e pw;/x/c /x/f -;"},
	{"/x/a,/x/b", NULL, NULL, "/x/a - -;/x/b - -;"},
	{"/x/a,/x/b", "/x/c,pkcs11:object=key", NULL, "/x/a /x/c -;/x/b pkcs11:object=key -;"},
	{"/x/a", "pkcs11:pkcs11:object=a,b", NULL, "/x/a pkcs11:pkcs11:object=a,b -;"},
	{"/x/a", "/x/c,pkcs11:object=a", NULL, "could not match 2 sslkey to 1 sslcert values"},
	{"/x/a,/x/b", "/x/c,pkcs11:object=a,b", NULL, "could not match 3 sslkey to 2 sslcert values"},
	{"/x/a,/x/b", "/x/c,/x/d", ",password,", "could not match 3 sslpassword to 2 sslkey values"},
	{"/x/a,/x/b", "/x/c,/x/d", "pw", "could not match 1 sslpassword to 2 sslkey values"},
	{"/x/a,/x/b", "/x/c", NULL, "could not match 1 sslkey to 2 sslcert values"},
	{"/x/a", "/x/c,/x/d", NULL, "could not match 2 sslkey to 1 sslcert values"},
	{"/x/a,,/x/b", "/x/c,/x/d,/x/e", NULL, "sslcert list is empty at position 2"},
	{"/x/a,", "/x/c,/x/d", NULL, "sslcert list is empty at position 2"},
	{"/x/a,/x/b", ",/x/c", NULL, "sslkey list is empty at position 1"},
	{"", "/x/b", NULL, "sslcert is empty"},
	{NULL, "/x/b", NULL, "sslcert is empty"},
};

/* The selector's sources in one line. */
static void
describe(const pgcs_selector *sel, char *text, size_t size)
{
	size_t		len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sel->n_sources; i++)
		len += (size_t) snprintf(text + len, size - len, "%s %s %s;",
								 sel->sources[i].path,
								 sel->sources[i].key != NULL ? sel->sources[i].key : "-",
								 sel->sources[i].password != NULL ? sel->sources[i].password : "-");
}

/* What is shown of keys, and of words that quote one. */
static void
test_pins(void)
{
	static const char *const pins[][2] = {
		{"pkcs11:pkcs11:object=a;type=private", "pkcs11:pkcs11:object=a;type=private"},
		{"pkcs11:pkcs11:object=a?pin-value=12", "pkcs11:pkcs11:object=a"},
		{"pkcs11:pkcs11:object=a?pin-value=12&module-name=x", "pkcs11:pkcs11:object=a?module-name=x"},
		{"pkcs11:pkcs11:object=a?module-name=x&pin-value=12", "pkcs11:pkcs11:object=a?module-name=x"},
		{"pkcs11:pkcs11:object=a?x=y&pin-value=12&z=1", "pkcs11:pkcs11:object=a?x=y&z=1"},
		{"pkcs11:pkcs11:object=a;pin-value=12;type=private", "pkcs11:pkcs11:object=a;type=private"},
		{"pkcs11:pkcs11:object=a;pin-value=12", "pkcs11:pkcs11:object=a"},
		{"pkcs11:pkcs11:object=a;pin-value=12?x=y", "pkcs11:pkcs11:object=a?x=y"},
		{"pkcs11:pkcs11:pin-value=12;object=a", "pkcs11:pkcs11:object=a"},
		{"pkcs11:pin-value=12", "pkcs11:"},
		{"pkcs11:x?pin-value=1&pin-value=2;pin-value=3", "pkcs11:x"},
		{"pkcs11:x?pin-value=a b\"c'd,e", "pkcs11:x"},
		{"pkcs11:x?pin-value=", "pkcs11:x"},
		{"pkcs11:x?pin-source=file:/pin-value=1", "pkcs11:x?pin-source=file:/pin-value=1"},
		{"", ""},
	};
	char	   *got;

	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++)
	{
		got = pgcs_engine_key_shown(pins[i][0]);
		is_text(got, pins[i][1], "%s", pins[i][0]);
		free(got);
	}
	got = pgcs_words_without_pin("no key \"pkcs11:object=a?pin-value=12\" in engine \"x:pin-value=3;b\": no");
	is_text(got, "no key \"pkcs11:object=a\" in engine \"x:b\": no", "words keep what follows a quoted key");
	free(got);
	ok(pgcs_is_engine_key("a:b") && pgcs_is_engine_key("a:/b,c:d") && !pgcs_is_engine_key("/a:b") &&
	   !pgcs_is_engine_key("a/b:c") && !pgcs_is_engine_key("a,b:c") && !pgcs_is_engine_key("a") &&
	   !pgcs_is_engine_key(""), "an engine's name has neither slash nor comma");
}

int
main(void)
{
	pgcs_selector *sel;
	char		got[4096];
	char		want[4096];
	char	   *comma_cert;
	char	   *comma_key;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const Case *c = &cases[i];
		int			result;

		sel = pgcs_selector_new();
		result = pgcs_add_lists(sel, c->certs, c->keys, c->passwords);
		if (result == PGCS_OK)
			describe(sel, got, sizeof(got));
		is_text(result == PGCS_OK ? got : pgcs_error(sel), c->want,
				"\"%s\" \"%s\" \"%s\"", c->certs != NULL ? c->certs : "",
				c->keys != NULL ? c->keys : "", c->passwords != NULL ? c->passwords : "");
		ok((result == PGCS_OK) == (c->want[0] == '/'), "and its result");
		pgcs_selector_free(sel);
	}

	test_pins();

	/* an existing whole path is one path */
	comma_cert = write_text("a,b.crt", "x", 0600);
	comma_key = write_text("a,b.key", "x", 0600);
	sel = pgcs_selector_new();
	is_int(pgcs_add_lists(sel, comma_cert, comma_key, "p,q"), PGCS_OK, "paths with commas");
	describe(sel, got, sizeof(got));
	snprintf(want, sizeof(want), "%s %s p,q;", comma_cert, comma_key);
	is_text(got, want, "are one path each, and the password is whole");
	pgcs_selector_free(sel);

	/* paths become absolute, links and dots are left alone */
	if (chdir(test_dir()) != 0)
		die("could not change directory");
	sel = pgcs_selector_new();
	is_int(pgcs_add_pair(sel, "x/../y.crt", "./z.key", NULL), PGCS_OK, "relative paths");
	describe(sel, got, sizeof(got));
	snprintf(want, sizeof(want), "%s/x/../y.crt %s/z.key -;", test_dir(), test_dir());
	is_text(got, want, "become absolute");
	pgcs_selector_free(sel);
	sel = pgcs_selector_new();
	pgcs_add_directory(sel, ".");
	pgcs_add_directory(sel, "./");
	pgcs_add_directory(sel, "././x");
	describe(sel, got, sizeof(got));
	snprintf(want, sizeof(want), "%s - -;%s - -;%s/x - -;", test_dir(), test_dir(), test_dir());
	is_text(got, want, "so does the current directory");
	is_int(pgcs_add_pair(sel, "", "z", NULL), PGCS_INVALID, "an empty path is an error");
	is_text(pgcs_error(sel), "path is empty", "with words");
	is_int(pgcs_add_directory(sel, NULL), PGCS_INVALID, "so is none");

	/* passwords: a key's own before that for all, the latest first */
	pgcs_set_password(sel, NULL, "any");
	pgcs_set_password(sel, "/k/own", "old");
	pgcs_set_password(sel, "/k/own", "new");
	is_text(pgcs_selector_password(sel, "/k/own"), "new", "a key's own password");
	is_text(pgcs_selector_password(sel, "/k/other"), "any", "and that for all others");
	is_int(pgcs_set_password(sel, "/k/own", ""), PGCS_INVALID, "an empty password is none");

	is_int(pgcs_add_policy(sel, "cn=%role"), PGCS_OK, "a policy");
	is_int(pgcs_add_policy(sel, "cn=\"x"), PGCS_INVALID, "a policy that is none");
	has_text(pgcs_error(sel), "policy is not valid at position", "says where");
	is_int(pgcs_add_policy(sel, NULL), PGCS_INVALID, "no policy at all");
	is_int(pgcs_set_user(sel, "alice"), PGCS_OK, "no error");
	is_text(pgcs_error(sel), "", "leaves no words behind");
	pgcs_selector_free(sel);
	pgcs_selector_free(NULL);
	free(comma_cert);
	free(comma_key);
	return done_testing();
}
