/*
 * fuzz_format.c
 *		Any bytes as the values of connection parameters: what is written is
 *		read back by libpq, or by a shell, as the same.
 *
 * Input: a byte that says which format, then for each parameter a byte that
 * says which, and a value up to a NUL.
 */
#include <libpq-fe.h>

#include "fuzz.h"
#include "pgcertsel.h"

#define MAX_PARAMETERS 8

static PQconninfoOption *defaults;
static size_t n_defaults;
static char service_file[128];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	setenv("HOME", fuzz_dir(), 1);
	MUST(chdir(fuzz_dir()) == 0);
	snprintf(service_file, sizeof(service_file), "%s/service", fuzz_dir());
	setenv("PGSERVICEFILE", service_file, 1);
	defaults = PQconndefaults();
	MUST(defaults != NULL);
	while (defaults[n_defaults].keyword != NULL)
		n_defaults++;
	return 0;
}

static const PQconninfoOption *
find(const PQconninfoOption *options, const char *keyword)
{
	while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0)
		options++;
	return options->keyword != NULL ? options : NULL;
}

/* Is it one that the choice decides? */
static bool
is_certificate(const char *keyword)
{
	return strcmp(keyword, "sslcert") == 0 || strcmp(keyword, "sslkey") == 0 ||
		strcmp(keyword, "sslpassword") == 0 || strcmp(keyword, "sslcertmode") == 0;
}

static void
check_options(const PQconninfoOption *read, const char *const *keywords,
			  const char *const *values)
{
	for (size_t i = 0; keywords[i] != NULL; i++)
	{
		const char *got = find(read, keywords[i])->val;

		if (!is_certificate(keywords[i]))
			MUST(got != NULL ? strcmp(got, values[i]) == 0 : values[i][0] == '\0');
	}
	MUST(strcmp(find(read, "sslcert")->val, PGCS_NOTHING) == 0);
}

static void
read_libpq(const char *text, const char *const *keywords, const char *const *values)
{
	char	   *message = NULL;
	PQconninfoOption *read = PQconninfoParse(text, &message);

	if (read == NULL)
		fprintf(stderr, "%s\n%s\n", text, message);
	MUST(read != NULL);
	check_options(read, keywords, values);
	PQconninfoFree(read);
}

static void
read_service(pgcs_selector *sel, const char *text, const char *const *keywords,
			 const char *const *values)
{
	static const char *const ask[] = {"service", NULL};
	static const char *const name[] = {"pgcertsel", NULL};
	PQconninfoOption *read;

	fuzz_write(service_file, text, strlen(text));
	read = pgcs_resolve(sel, ask, name);

	/* libpq looks at some values, too, and may not like them */
	if (read != NULL)
		for (size_t i = 0; keywords[i] != NULL; i++)
			if (!is_certificate(keywords[i]) && values[i][0] != '\0')
			{
				const char *got = find(read, keywords[i])->val;

				MUST(got != NULL && strcmp(got, values[i]) == 0);
			}
	PQconninfoFree(read);
}

/* Reads lines "export NAME='...'" as a shell does. */
static void
read_shell(const char *text, const char *const *keywords, const char *const *values)
{
	const char *p = text;

	for (size_t i = 0; keywords[i] != NULL; i++)
	{
		const char *variable = find(defaults, keywords[i])->envvar;
		char		start[128];
		size_t		n = 0;

		if (is_certificate(keywords[i]))
			continue;
		if (values[i][0] == '\0')
		{
			snprintf(start, sizeof(start), "unset %s\n", variable);
			MUST(strncmp(p, start, strlen(start)) == 0);
			p += strlen(start);
			continue;
		}
		snprintf(start, sizeof(start), "export %s=", variable);
		MUST(strncmp(p, start, strlen(start)) == 0);
		p += strlen(start);
		while (*p != '\n')
		{
			MUST(*p == '\'' || strncmp(p, "\\'", 2) == 0);
			if (*p == '\\')
			{
				MUST(values[i][n++] == '\'');
				p += 2;
				continue;
			}
			for (p++; *p != '\''; p++)
				MUST(*p != '\0' && values[i][n++] == *p);
			p++;
		}
		MUST(values[i][n] == '\0');
		p++;
	}
	MUST(strcmp(p, "export PGSSLCERT='" PGCS_NOTHING "'\nunset PGSSLKEY\n") == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	FuzzInput	input = {data, size};
	pgcs_format_kind kind = fuzz_byte(&input) % 5;
	const char *keywords[MAX_PARAMETERS + 1] = {NULL};
	const char *values[MAX_PARAMETERS + 1] = {NULL};
	size_t		n = 0;
	pgcs_selector *sel = pgcs_selector_new();
	char	   *text;

	MUST(sel != NULL);
	while (n < MAX_PARAMETERS && input.size > 1)
	{
		const char *keyword = defaults[fuzz_byte(&input) % n_defaults].keyword;
		char	   *value = fuzz_text(&input, '\0');
		bool		again = false;

		for (size_t i = 0; i < n; i++)
			again |= strcmp(keywords[i], keyword) == 0;
		if (again)
			free(value);
		else
		{
			keywords[n] = keyword;
			values[n++] = value;
		}
	}
	text = pgcs_format(sel, NULL, kind, keywords, values, PGCS_SHOW_PASSWORD);
	fuzz_check_words(pgcs_error(sel));
	if (text == NULL)
		MUST(pgcs_error_code(sel) == PGCS_INEXPRESSIBLE &&
			 (kind == PGCS_FORMAT_ENV || kind == PGCS_FORMAT_SERVICE));
	else if (kind == PGCS_FORMAT_CONNINFO || kind == PGCS_FORMAT_URI)
		read_libpq(text, keywords, values);
	else if (kind == PGCS_FORMAT_SERVICE)
		read_service(sel, text, keywords, values);
	else if (kind == PGCS_FORMAT_ENV)
		read_shell(text, keywords, values);
	pgcs_text_free(text);
	for (size_t i = 0; i < n; i++)
		free((char *) values[i]);
	pgcs_selector_free(sel);
	return 0;
}
