/*
 * choose.c
 *		Bundle, request, select, load, confirm: what select, exec and check
 *		have in common.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli.h"

static int
exit_status(const pgcs_selector *sel)
{
	return pgcs_error_code(sel) == PGCS_UNREACHABLE ? EXIT_NO_ANSWER : EXIT_ERROR;
}

/* CA names from a text file, one a line. */
static pgcs_request *
request_from_names_file(Options *options)
{
	char	   *text = read_text_file(options->names_file, false);
	const char **names = NULL;
	size_t		n = 0;
	pgcs_request *request = NULL;

	if (text == NULL)
		return NULL;
	names = calloc(strlen(text) + 1, sizeof(*names));
	if (names == NULL)
		say("out of memory");
	else
	{
		for (char *line = strtok(text, "\r\n"); line != NULL; line = strtok(NULL, "\r\n"))
			if (line[strspn(line, " \t")] != '\0')
				names[n++] = line;
		request = pgcs_request_from_names(options->sel, names, n);
		if (request == NULL)
			say("%s: %s", options->names_file, pgcs_error(options->sel));
	}
	free(names);
	free(text);
	return request;
}

/*
 * The database whose policies count: none, written "", for physical replication,
 * which is a boolean as the server reads one, but for "database".
 */
static const char *
policy_database(const Options *options)
{
	const char *replication = options_value(options->resolved, "replication");

	return replication != NULL && (strchr("tTyY1", replication[0]) != NULL ||
								   strcasecmp(replication, "on") == 0)
		? "" : options_value(options->resolved, "dbname");
}

int
make_request(Options *options, pgcs_request **request)
{
	pgcs_selector *sel = options->sel;

	if (options->names_file != NULL)
	{
		*request = request_from_names_file(options);
		return *request != NULL ? 0 : EXIT_ERROR;
	}
	if (options->ca_file != NULL)
		*request = pgcs_request_from_ca_file(sel, options->ca_file);
	else if (options->names_from != NULL)
		*request = pgcs_request_from_server(sel, options->names_from,
											options_value(options->resolved, "user"),
											policy_database(options));
	else
		*request = pgcs_request_probe(sel, options->keywords, options->values);
	if (*request != NULL)
		return 0;
	say("%s", pgcs_error(sel));
	return exit_status(sel);
}

void
chosen_free(Chosen *chosen)
{
	pgcs_choice_free(chosen->choice);
	pgcs_request_free(chosen->request);
	pgcs_bundle_free(chosen->bundle);
	*chosen = (Chosen) {NULL, NULL, NULL};
}

/* Reads the bundle and selects; again, once, if files change meanwhile. */
static int
select_and_load(Options *options, Chosen *chosen, bool all)
{
	pgcs_selector *sel = options->sel;
	int			result = PGCS_CHANGED;

	for (int i = 0; i < 2 && result == PGCS_CHANGED; i++)
	{
		int64_t		now = (int64_t) time(NULL);

		pgcs_choice_free(chosen->choice);
		pgcs_bundle_free(chosen->bundle);
		chosen->choice = NULL;
		chosen->bundle = all ? pgcs_bundle_load(sel)
			: pgcs_bundle_load_for(sel, chosen->request, now);
		if (chosen->bundle == NULL)
			return pgcs_error_code(sel);
		chosen->choice = all ? pgcs_check(sel, chosen->bundle, chosen->request, now)
			: pgcs_select(sel, chosen->bundle, chosen->request, now);
		if (chosen->choice == NULL)
			return pgcs_error_code(sel);
		result = pgcs_choice_load(sel, chosen->choice);
	}

	/* files that change all the time are not used; the others may do */
	while (result == PGCS_CHANGED)
		result = pgcs_choice_load(sel, chosen->choice);
	return result;
}

static int
choose_from(Options *options, Chosen *chosen, bool all)
{
	pgcs_selector *sel = options->sel;
	int			result = select_and_load(options, chosen, all);

	if (result == PGCS_OK && options->confirm)
	{
		result = pgcs_confirm(sel, chosen->choice, options->keywords,
							  options->values);
		if (result == PGCS_OK)
			result = pgcs_choice_load(sel, chosen->choice);
	}
	return result;
}

int
choose(Options *options, Chosen *chosen, bool all)
{
	int			status;
	int			result;

	*chosen = (Chosen) {NULL, NULL, NULL};
	status = make_request(options, &chosen->request);
	if (status != 0)
		return status;
	for (size_t i = 0; i < pgcs_request_n_hosts(chosen->request); i++)
		if (pgcs_request_answer(chosen->request, i) == PGCS_ANSWER_NONE)
			say("warning: %s could not be asked: %s",
				pgcs_request_host(chosen->request, i),
				pgcs_request_host_error(chosen->request, i));
	result = choose_from(options, chosen, all);
	if (result == PGCS_OK && !all && pgcs_choice_status(chosen->choice) == PGCS_NONE)
		result = choose_from(options, chosen, true);
	if (result == PGCS_OK)
		return (int) pgcs_choice_status(chosen->choice);

	say("%s", pgcs_error(options->sel));
	pgcs_choice_free(chosen->choice);
	chosen->choice = NULL;
	return exit_status(options->sel);
}

/* ---------- words ---------- */

static bool
is_below_require(const Options *options)
{
	const char *sslmode = options_value(options->resolved, "sslmode");

	return sslmode == NULL || (strcmp(sslmode, "require") != 0 &&
							   strncmp(sslmode, "verify-", 7) != 0);
}

/* The reasons against each candidate, since none fits. */
static void
explain_none(const Chosen *chosen)
{
	size_t		n = pgcs_choice_n_candidates(chosen->choice);

	for (size_t i = 0; i < n; i++)
	{
		const pgcs_candidate *candidate = pgcs_choice_candidate(chosen->choice, i);
		const pgcs_identity *identity = pgcs_candidate_identity(candidate);

		for (size_t j = 0; j < pgcs_candidate_n_reasons(candidate); j++)
		{
			const pgcs_reason *reason = pgcs_candidate_reason(candidate, j);
			bool		own_file = pgcs_reason_file(reason) != NULL;

			if (pgcs_reason_severity(reason) != PGCS_FATAL &&
				strcmp(pgcs_reason_code(reason), "missing-intermediate") != 0 &&
				strcmp(pgcs_reason_code(reason), "unpacked") != 0)
				continue;
			fputs("pgcertsel: ", stderr);
			print_escaped(stderr, own_file ? pgcs_reason_file(reason)
						  : pgcs_identity_cert_path(identity));
			fprintf(stderr, ": %s\n", pgcs_reason_text(reason));
			if (pgcs_reason_hint(reason)[0] != '\0')
				fprintf(stderr, "pgcertsel: hint: %s\n", pgcs_reason_hint(reason));
		}
	}
	for (size_t i = 0; i < pgcs_bundle_n_problems(chosen->bundle); i++)
	{
		const pgcs_reason *problem = pgcs_bundle_problem(chosen->bundle, i);

		if (pgcs_reason_severity(problem) == PGCS_FATAL)
			say_reason(problem);
	}
	if (n == 0 && pgcs_bundle_n_problems(chosen->bundle) == 0)
		say("there is no certificate to choose from; name some with --bundle or sslcert");
}

/* Was this path given with --bundle? */
static bool
is_bundle(const Options *options, const char *path)
{
	for (size_t i = 0; i < options->n_bundles; i++)
	{
		const char *bundle = options->bundles[i];
		size_t		len = strlen(path);

		/* a path that was not absolute is the end of one that is now */
		if (strncmp(bundle, "./", 2) == 0)
			bundle += 2;
		if (strlen(bundle) <= len &&
			strcmp(path + len - strlen(bundle), bundle) == 0 &&
			(bundle[0] == '/') == (strlen(bundle) == len))
			return true;
	}
	return false;
}

static bool
say_if_unread(const Options *options, const pgcs_reason *reason)
{
	static const char *const codes[] = {
		"file-missing", "file-unreadable", "file-special", "file-too-large",
	};
	const char *file = pgcs_reason_file(reason);

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(pgcs_reason_code(reason), codes[i]) == 0 && file != NULL &&
			is_bundle(options, file))
		{
			say_reason(reason);
			return true;
		}
	return false;
}

bool
say_unread_sources(const Options *options, const pgcs_bundle *bundle)
{
	bool		any = false;

	for (size_t i = 0; i < pgcs_bundle_n_problems(bundle); i++)
		any |= say_if_unread(options, pgcs_bundle_problem(bundle, i));
	return any;
}

void
explain_choice(const Options *options, const Chosen *chosen)
{
	const pgcs_choice *choice = chosen->choice;

	if (pgcs_choice_status(choice) != PGCS_FOUND)
	{
		say("%s", pgcs_choice_text(choice));
		if (pgcs_choice_status(choice) == PGCS_NONE)
			explain_none(chosen);
		return;
	}
	say_unread_sources(options, chosen->bundle);
	if (pgcs_choice_rival(choice) != NULL)
		say("warning: %s", pgcs_choice_text(choice));
	if (!pgcs_choice_is_certain(choice) && is_below_require(options))
		say("warning: the choice is not certain, and if the server refuses it, sslmode=%s may go on without encryption; use sslmode=require or better, or --confirm",
			options_value(options->resolved, "sslmode") != NULL
			? options_value(options->resolved, "sslmode") : "prefer");
}
