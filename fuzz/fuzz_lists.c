/*
 * fuzz_lists.c
 *		Any bytes as a connection string, its certificate parameters being
 *		comma lists.
 *
 * Input: a conninfo up to a NUL; behind it a password to set.
 */
#include <libpq-fe.h>

#include "fuzz.h"
#include "pgcertsel.h"

static const char *
value(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val;
	return NULL;
}

static void
check(pgcs_selector *sel, int code)
{
	MUST(code == PGCS_OK || code == PGCS_INVALID);
	MUST(code == pgcs_error_code(sel));
	fuzz_check_words(pgcs_error(sel));
	MUST((code == PGCS_OK) == (pgcs_error(sel)[0] == '\0'));
}

/* The same parameters as pgcs_resolve() takes them. */
static void
resolve(pgcs_selector *sel, const PQconninfoOption *parsed)
{
	const char *keywords[128];
	const char *values[128];
	size_t		n = 0;
	PQconninfoOption *resolved;

	for (const PQconninfoOption *o = parsed; o->keyword != NULL; o++)
		if (o->val != NULL && strcmp(o->keyword, "service") != 0)
		{
			keywords[n] = o->keyword;
			values[n++] = o->val;
		}
	keywords[n] = values[n] = NULL;
	resolved = pgcs_resolve(sel, keywords, values);
	check(sel, resolved == NULL ? pgcs_error_code(sel) : PGCS_OK);
	if (resolved != NULL)
		for (size_t i = 0; i < n; i++)
		{
			const char *got = value(resolved, keywords[i]);

			/* what was given is what counts, unless it means "nothing" */
			MUST(values[i][0] == '\0' || got != NULL);
			MUST(values[i][0] == '\0' || strcmp(got, values[i]) == 0);
		}
	PQconninfoFree(resolved);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;

	/* nothing from outside */
	setenv("HOME", fuzz_dir(), 1);
	MUST(chdir(fuzz_dir()) == 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	FuzzInput	input = {data, size};
	char	   *text = fuzz_text(&input, '\0');
	char	   *password = fuzz_text(&input, '\0');
	char	   *message = NULL;
	PQconninfoOption *parsed = PQconninfoParse(text, &message);
	pgcs_selector *sel = pgcs_selector_new();

	MUST(sel != NULL);
	if (parsed != NULL)
	{
		const char *certs = value(parsed, "sslcert");
		const char *keys = value(parsed, "sslkey");
		int			code = pgcs_add_lists(sel, certs, keys, value(parsed, "sslpassword"));
		pgcs_bundle *bundle;

		check(sel, code);
		if (keys != NULL)
			check(sel, pgcs_set_password(sel, keys, password));
		if (value(parsed, "ssl_max_protocol_version") != NULL)
			check(sel, pgcs_set_max_tls_version(sel, value(parsed, "ssl_max_protocol_version")));
		if (value(parsed, "user") != NULL)
			check(sel, pgcs_set_user(sel, value(parsed, "user")));
		resolve(sel, parsed);

		/* files of these names are not there; the words for it are */
		bundle = code == PGCS_OK ? pgcs_bundle_load(sel) : NULL;
		if (bundle != NULL)
			for (size_t i = 0; i < pgcs_bundle_n_problems(bundle); i++)
			{
				fuzz_check_words(pgcs_reason_text(pgcs_bundle_problem(bundle, i)));
				fuzz_check_words(pgcs_reason_hint(pgcs_bundle_problem(bundle, i)));
			}
		pgcs_bundle_free(bundle);
	}
	PQconninfoFree(parsed);
	PQfreemem(message);
	pgcs_selector_free(sel);
	free(password);
	free(text);
	return 0;
}
