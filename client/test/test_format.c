/*
 * test_format.c
 *		What is written, read back by libpq and by a shell.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "bundle.h"
#include "choice.h"
#include "json.h"
#include "pki.h"
#include "selector.h"
#include "tap.h"

/* Paths that a format could stumble over. */
static const char *const names[] = {
	"plain",
	"with blank",
	" leading and trailing ",
	"quote'quote",
	"\"double\"",
	"back\\slash",
	"\\'both\\'",
	"per%cent%41",
	"question?and&equals=hash#",
	"dollar$HOME`id`$(id)",
	"new\nline",
	"tab\tand\rreturn",
	"latin\xe9not-utf8",
	"utf8-\xc3\xa9",
	"comma,comma",
	"[bracket]",
	"*",
	"~",
};

/* A FOUND choice of these paths; no file is behind it. */
static pgcs_choice *
make_choice(const char *cert, const char *key, const char *password)
{
	pgcs_choice *choice = calloc(1, sizeof(*choice));
	pgcs_candidate *candidate = calloc(1, sizeof(*candidate));
	pgcs_identity *identity = calloc(1, sizeof(*identity));
	pgcs_selector *sel = pgcs_selector_new();

	identity->cert_path = strdup(cert);
	identity->key_path = strdup(key);
	identity->password = password != NULL ? strdup(password) : NULL;
	identity->subject = strdup("CN=\"x\\\"");
	identity->issuer = strdup("CN=y");
	identity->sans = strdup("");
	identity->facts = pgcert_facts_new(PGCERT_LINK_TLS, 0);
	candidate->identity = identity;
	candidate->verdict = PGCS_VERDICT_CERTAIN;
	choice->candidates = malloc(sizeof(*choice->candidates));
	choice->candidates[0] = candidate;
	choice->n_candidates = 1;
	choice->winner = candidate;
	choice->text = strdup("found");

	/* with a file that is not there */
	pgcs_add_file(sel, "/dev/null/a \"b\"");
	choice->bundle = pgcs_bundle_load(sel);
	pgcs_selector_free(sel);
	if (choice->bundle == NULL)
		die("no bundle");
	return choice;
}

static void
free_choice(pgcs_choice *choice)
{
	pgcs_identity_free((pgcs_identity *) choice->candidates[0]->identity);
	pgcs_choice_free(choice);
}

static const char *
option(const PQconninfoOption *options, const char *keyword)
{
	for (; options != NULL && options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val;
	return NULL;
}

/* conninfo and uri: libpq reads the same bytes. */
static void
check_libpq(pgcs_selector *sel, const char *path, pgcs_format_kind kind, const char *what)
{
	char		cert[256];
	char		key[256];
	pgcs_choice *choice;
	char	   *text;
	char	   *error = NULL;
	PQconninfoOption *options;

	snprintf(cert, sizeof(cert), "/d/%s.crt", path);
	snprintf(key, sizeof(key), "/d/%s.key", path);
	choice = make_choice(cert, key, path);
	text = pgcs_format(sel, choice, kind, NULL, NULL, PGCS_SHOW_PASSWORD);
	options = PQconninfoParse(text, &error);
	is_text(option(options, "sslcert"), cert, "%s: sslcert", what);
	is_text(option(options, "sslkey"), key, "%s: sslkey", what);
	is_text(option(options, "sslpassword"), path, "%s: sslpassword", what);
	PQconninfoFree(options);
	PQfreemem(error);
	pgcs_text_free(text);
	free_choice(choice);
}

/* env: a shell reads the same bytes. */
static void
check_env(pgcs_selector *sel, const char *path)
{
	pgcs_choice *choice;
	char	   *text;
	char	   *command;
	char		cert[256];
	char		got[512];
	size_t		n;
	FILE	   *shell;

	snprintf(cert, sizeof(cert), "/d/%s", path);
	choice = make_choice(cert, "/k", NULL);
	text = pgcs_format(sel, choice, PGCS_FORMAT_ENV, NULL, NULL, 0);
	if (asprintf(&command, "%sprintf %%s \"$PGSSLCERT\"", text) < 0)
		die("out of memory");
	shell = popen(command, "r");
	n = fread(got, 1, sizeof(got) - 1, shell);
	got[n] = '\0';
	pclose(shell);
	is_text(got, cert, "env");
	free(command);
	pgcs_text_free(text);
	free_choice(choice);
}

/* service: the same bytes, or a refusal. */
static void
check_service(pgcs_selector *sel, const char *path)
{
	pgcs_choice *choice = make_choice(path, "/k", NULL);
	char	   *text = pgcs_format(sel, choice, PGCS_FORMAT_SERVICE, NULL, NULL, 0);
	size_t		len = strlen(path);
	bool		can = strpbrk(path, "\r\n") == NULL && path[len - 1] != ' ';

	if (!can)
	{
		ok(text == NULL && pgcs_error_code(sel) == PGCS_INEXPRESSIBLE, "service refuses it");
		has_text(pgcs_error(sel), "sslcert ", "and says what");
	}
	else
	{
		static const char *const keywords[] = {"service", NULL};
		static const char *const values[] = {"pgcertsel", NULL};
		char	   *file = write_text("service", text != NULL ? text : "", 0600);
		PQconninfoOption *options;

		setenv("PGSERVICEFILE", file, 1);
		options = pgcs_resolve(sel, keywords, values);
		is_text(option(options, "sslcert"), path, "service");
		PQconninfoFree(options);
		free(file);
	}
	pgcs_text_free(text);
	free_choice(choice);
}

static void
check_text(pgcs_selector *sel, const pgcs_choice *choice, pgcs_format_kind kind,
		   const char *const *keywords, const char *const *values, int flags,
		   const char *want, const char *what)
{
	char	   *text = pgcs_format(sel, choice, kind, keywords, values, flags);

	is_text(text, want, "%s", what);
	pgcs_text_free(text);
}

static void
check_json_string(const char *text, const char *want)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *got;

	pgcs_json_string(&buf, text);
	got = pgcert_buf_take(&buf);
	is_text(got, want, "JSON string");
	free(got);
}

int
main(void)
{
	static const char *const keywords[] = {"host", "dbname", "sslcert", "sslcertmode", "password", "sslpassword", NULL};
	static const char *const values[] = {"h", "d'b", "old,list", "disable", "secret", "a,b", NULL};
	static const char *const no_variable[] = {"keepalives_idle", NULL};
	static const char *const ten[] = {"10", NULL};
	pgcs_selector *sel = pgcs_selector_new();
	pgcs_choice *choice;
	char	   *text;
	char		long_path[1200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		check_libpq(sel, names[i], PGCS_FORMAT_CONNINFO, "conninfo");
		check_libpq(sel, names[i], PGCS_FORMAT_URI, "uri");
		check_env(sel, names[i]);
		check_service(sel, names[i]);
	}

	/* nothing, in every format */
	check_text(sel, NULL, PGCS_FORMAT_CONNINFO, NULL, NULL, 0,
			   "sslcert='/dev/null/none'", "nothing as conninfo");
	check_text(sel, NULL, PGCS_FORMAT_ENV, NULL, NULL, 0,
			   "export PGSSLCERT='/dev/null/none'\nunset PGSSLKEY\n", "nothing as env");
	check_text(sel, NULL, PGCS_FORMAT_URI, NULL, NULL, 0,
			   "postgresql://?sslcert=/dev/null/none", "nothing as uri");
	check_text(sel, NULL, PGCS_FORMAT_SERVICE, NULL, NULL, 0,
			   "[pgcertsel]\nsslcert=/dev/null/none\n", "nothing as service");
	text = pgcs_format(sel, NULL, PGCS_FORMAT_JSON, NULL, NULL, 0);
	has_text(text, "\"status\": \"error\"", "nothing as json");
	has_text(text, "\"sslcert\": \"/dev/null/none\"", "sends nothing");
	has_text(text, "\"candidates\": [],\n  \"problems\": []\n}\n", "and knows of no files");
	pgcs_text_free(text);

	/* the whole connection, its own certificate parameters replaced */
	choice = make_choice("/c", "/k", "keypw");
	check_text(sel, choice, PGCS_FORMAT_CONNINFO, keywords, values, 0,
			   "host='h' dbname='d\\'b' sslcert='/c' sslkey='/k'", "the whole connection");
	check_text(sel, choice, PGCS_FORMAT_CONNINFO, keywords, values, PGCS_SHOW_PASSWORD,
			   "host='h' dbname='d\\'b' password='secret' sslcert='/c' sslkey='/k' sslpassword='keypw'",
			   "with passwords");
	check_text(sel, choice, PGCS_FORMAT_ENV, keywords, values, 0,
			   "export PGHOST='h'\nexport PGDATABASE='d'\\''b'\nexport PGSSLCERT='/c'\nexport PGSSLKEY='/k'\n",
			   "as env");
	check_text(sel, NULL, PGCS_FORMAT_CONNINFO, keywords, values, 0,
			   "host='h' dbname='d\\'b' sslcert='/dev/null/none'", "and with nothing");
	ok(pgcs_format(sel, choice, PGCS_FORMAT_ENV, no_variable, ten, 0) == NULL &&
	   pgcs_error_code(sel) == PGCS_INEXPRESSIBLE, "what has no variable");
	has_text(pgcs_error(sel), "keepalives_idle has no environment variable", "is said");
	ok(pgcs_format(sel, choice, PGCS_FORMAT_ENV, NULL, NULL, PGCS_SHOW_PASSWORD) == NULL,
	   "a key's password is such");
	text = pgcs_format(sel, choice, PGCS_FORMAT_JSON, NULL, NULL, 0);
	has_text(text, "\"subject\": \"CN=\\\"x\\\\\\\"\"", "JSON escapes");
	ok(strstr(text, "keypw") == NULL, "JSON without the password");
	has_text(text, "\n  \"problems\": [\n    {\"code\": \"file-missing\", \"severity\": \"fatal\", \"text\": \"could not open file: Not a directory\", \"file\": \"/dev/null/a \\\"b\\\"\"}]\n}\n",
			 "JSON with what is wrong with files");
	pgcs_text_free(text);
	text = pgcs_format(sel, choice, PGCS_FORMAT_JSON, NULL, NULL, PGCS_SHOW_PASSWORD);
	has_text(text, "\"sslpassword\": \"keypw\"", "JSON with it");
	pgcs_text_free(text);
	free_choice(choice);

	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	choice = make_choice(long_path, "/k", NULL);
	ok(pgcs_format(sel, choice, PGCS_FORMAT_SERVICE, NULL, NULL, 0) == NULL &&
	   pgcs_error_code(sel) == PGCS_INEXPRESSIBLE, "a line too long for a service file");
	free_choice(choice);

	check_json_string("a\"b\\c\nd\x7f\xc3\xa9", "\"a\\\"b\\\\c\\u000ad\\u007f\xc3\xa9\"");
	choice = make_choice("/latin\xe9", "/k", NULL);
	text = pgcs_format(sel, choice, PGCS_FORMAT_JSON, NULL, NULL, 0);
	has_text(text, "\"sslcert\": null, \"sslcert_hex\": \"2f6c6174696ee9\"", "a path that is not UTF-8");
	pgcs_text_free(text);
	free_choice(choice);
	pgcs_selector_free(sel);
	return done_testing();
}
