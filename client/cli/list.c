/*
 * list.c
 *		pgcertsel list: what is in the bundle, and what is wrong with it.
 *
 * What can be said without a server is what a server would say that names no
 * CA at all, so that is whom the bundle is judged for.  What a missing
 * intermediate is, the library says of the completed chains that it could
 * make; none is written.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

/* As wide as the columns before the path. */
#define INDENT "            "

static bool
has_code(const pgcs_candidate *candidate, const char *code)
{
	for (size_t i = 0; i < pgcs_candidate_n_reasons(candidate); i++)
		if (strcmp(pgcs_reason_code(pgcs_candidate_reason(candidate, i)), code) == 0)
			return true;
	return false;
}

/* What depends on the server that it will be, and is not known yet. */
static bool
is_of_server(const pgcs_reason *reason)
{
	static const char *const codes[] = {
		"no-names", "role", "crl-unknown", "policy", "policy-unknown",
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(pgcs_reason_code(reason), codes[i]) == 0)
			return true;
	return false;
}

typedef enum State
{
	GOOD,
	EXPIRING,
	INCOMPLETE,
	DOUBTFUL,
	UNUSABLE,
} State;

static State
state_of(const pgcs_candidate *candidate)
{
	State		state = GOOD;

	for (size_t i = 0; i < pgcs_candidate_n_reasons(candidate); i++)
	{
		const pgcs_reason *reason = pgcs_candidate_reason(candidate, i);
		State		this = GOOD;

		if (is_of_server(reason))
			continue;
		if (pgcs_reason_severity(reason) == PGCS_FATAL)
			this = UNUSABLE;
		else if (pgcs_reason_severity(reason) == PGCS_DOUBT)
			this = DOUBTFUL;
		else if (strcmp(pgcs_reason_code(reason), "expires-soon") == 0)
			this = EXPIRING;
		if (this > state)
			state = this;
	}
	return state;
}

static int
compare_paths(const void *a, const void *b)
{
	const pgcs_identity *x = pgcs_candidate_identity(*(const pgcs_candidate *const *) a);
	const pgcs_identity *y = pgcs_candidate_identity(*(const pgcs_candidate *const *) b);
	int			order = strcmp(pgcs_identity_cert_path(x), pgcs_identity_cert_path(y));

	return order != 0 ? order
		: strcmp(pgcs_identity_key_path(x), pgcs_identity_key_path(y));
}

/* The words of a chain that is completed; NULL: it is another. */
static const pgcs_reason *
completion_words(const pgcs_candidate *candidate, const char *cert_path)
{
	for (size_t i = 0; i < pgcs_candidate_n_reasons(candidate); i++)
	{
		const pgcs_reason *reason = pgcs_candidate_reason(candidate, i);

		if (strcmp(pgcs_reason_code(reason), "chain-completed") == 0 &&
			strcmp(pgcs_reason_file(reason), cert_path) == 0)
			return reason;
	}
	return NULL;
}

/* The chain that could be completed, rather one that could be used then. */
static const pgcs_candidate *
completion_of(const pgcs_choice *choice, const char *cert_path)
{
	const pgcs_candidate *found = NULL;

	for (size_t i = 0; i < pgcs_choice_n_candidates(choice); i++)
	{
		const pgcs_candidate *candidate = pgcs_choice_candidate(choice, i);

		if (completion_words(candidate, cert_path) != NULL &&
			(found == NULL || state_of(found) == UNUSABLE))
			found = candidate;
	}
	return found;
}

static bool
is_not_fatal(const pgcs_reason *reason)
{
	return pgcs_reason_severity(reason) != PGCS_FATAL;
}

static void
print_identity(const pgcs_candidate *candidate, const pgcs_candidate *completion)
{
	static const char *const words[] = {
		"good", "expiring", "incomplete", "doubtful", "unusable"
	};
	static const Colour colours[] = {
		COLOUR_GOOD, COLOUR_DOUBT, COLOUR_DOUBT, COLOUR_DOUBT, COLOUR_BAD
	};
	const pgcs_identity *identity = pgcs_candidate_identity(candidate);
	State		state = state_of(candidate);
	char		from[16];
	char		to[16];

	if (completion != NULL && state < INCOMPLETE)
		state = INCOMPLETE;
	print_coloured(colours[state], words[state]);
	printf("%*s%s  %-8s ", (int) (12 - strlen(words[state])), "",
		   date_text(pgcs_identity_not_after(identity), to, sizeof(to)),
		   pgcs_identity_key_type(identity));
	print_escaped(stdout, pgcs_identity_cert_path(identity));
	printf("\n" INDENT "subject  %s\n" INDENT "issuer   %s\n",
		   pgcs_identity_subject(identity), pgcs_identity_issuer(identity));
	if (pgcs_identity_sans(identity)[0] != '\0')
		printf(INDENT "names    %s\n", pgcs_identity_sans(identity));
	printf(INDENT "valid    %s to %s\n" INDENT "key      ",
		   date_text(pgcs_identity_not_before(identity), from, sizeof(from)), to);
	print_escaped(stdout, pgcs_identity_key_path(identity));
	printf("%s\n" INDENT "sha256   %s\n",
		   pgcs_identity_key_encrypted(identity) ? " (encrypted)" : "",
		   pgcs_identity_fingerprint(identity));
	print_reasons(candidate, INDENT, is_of_server);
	if (completion != NULL)
	{
		printf(INDENT);
		print_coloured(COLOUR_DIM, "note:  ");
		printf("a server that knows the root alone refuses it, but %s\n",
			   pgcs_reason_text(completion_words(completion, pgcs_identity_cert_path(identity))));
		if (state_of(completion) == UNUSABLE)
			print_reasons(completion, INDENT, is_not_fatal);
		else
			printf(INDENT "       do: append that to the certificate's file, or use --complete-chain\n");
	}
}

static void
print_list(const pgcs_bundle *bundle, const pgcs_choice *choice,
		   const pgcs_candidate **candidates)
{
	size_t		n = 0;
	size_t		n_completed = 0;
	size_t		n_unusable = 0;

	for (size_t i = 0; i < pgcs_choice_n_candidates(choice); i++)
		if (has_code(pgcs_choice_candidate(choice, i), "chain-completed"))
			n_completed++;
		else if (!has_code(pgcs_choice_candidate(choice, i), "chain-alternative"))
			candidates[n++] = pgcs_choice_candidate(choice, i);
	if (n > 0)
	{
		qsort(candidates, n, sizeof(*candidates), compare_paths);
		printf("STATE       UNTIL       KEY      CERTIFICATE\n");
	}
	for (size_t i = 0; i < n; i++)
	{
		const pgcs_identity *identity = pgcs_candidate_identity(candidates[i]);

		print_identity(candidates[i], n_completed == 0 ? NULL
					   : completion_of(choice, pgcs_identity_cert_path(identity)));
		n_unusable += state_of(candidates[i]) == UNUSABLE;
	}
	if (n == 0)
		say("there is no certificate with a key");
	else
		printf("\n%zu certificate%s with a key, %zu of them unusable\n", n,
			   n == 1 ? "" : "s", n_unusable);
	print_problems(bundle);
}

/* The bundle, judged for a server that names no CA.  An exit status. */
static int
list(Options *options)
{
	pgcs_selector *sel = options->sel;
	pgcs_bundle *bundle = NULL;
	pgcs_request *request = NULL;
	pgcs_choice *choice = NULL;
	const pgcs_candidate **candidates = NULL;
	int			status = EXIT_ERROR;

	if (pgcs_set_chain_directory(sel, PGCS_NOTHING) != PGCS_OK ||
		(bundle = pgcs_bundle_load(sel)) == NULL ||
		(request = pgcs_request_from_names(sel, NULL, 0)) == NULL ||
		(choice = pgcs_check(sel, bundle, request, (int64_t) time(NULL))) == NULL)
		say("%s", pgcs_error(sel));
	else if ((candidates = calloc(pgcs_choice_n_candidates(choice) + 1,
								  sizeof(*candidates))) == NULL)
		say("out of memory");
	else
	{
		print_list(bundle, choice, candidates);
		status = say_unread_sources(options, bundle) ? EXIT_ERROR : EXIT_FOUND;
	}
	free(candidates);
	pgcs_choice_free(choice);
	pgcs_request_free(request);
	pgcs_bundle_free(bundle);
	return status;
}

int
command_list(int argc, char **argv)
{
	Options		options;
	int			status = options_parse(&options, argc, argv, "list");

	if (status == 0)
		status = options_prepare(&options);
	if (status == 0)
		status = list(&options);
	options_free(&options);
	return status < 0 ? 0 : status;
}
