/*
 * check.c
 *		pgcertsel check: every candidate with its verdict and reasons.
 */
#include <string.h>

#include "cli.h"

static const char *const verdict_words[] = {"unusable", "doubtful", "certain"};
static const Colour verdict_colours[] = {COLOUR_BAD, COLOUR_DOUBT, COLOUR_GOOD};

static void
print_candidate(const Chosen *chosen, const pgcs_candidate *candidate,
				bool is_winner)
{
	const pgcs_identity *identity = pgcs_candidate_identity(candidate);
	pgcs_verdict verdict = pgcs_candidate_verdict(candidate);
	char		date[16];
	size_t		n_hosts = pgcs_request_n_hosts(chosen->request);

	fputs(is_winner ? "* " : "  ", stdout);
	print_coloured(verdict_colours[verdict], verdict_words[verdict]);
	printf("%*s", (int) (10 - strlen(verdict_words[verdict])), "");
	print_escaped(stdout, pgcs_identity_cert_path(identity));
	printf("\n            %s, of %s, until %s\n", pgcs_identity_subject(identity),
		   pgcs_identity_issuer(identity),
		   date_text(pgcs_identity_not_after(identity), date, sizeof(date)));
	for (size_t h = 0; n_hosts > 1 && h < n_hosts; h++)
		printf("            %s: %s\n", pgcs_request_host(chosen->request, h),
			   verdict_words[pgcs_candidate_host_verdict(candidate, h)]);
	print_reasons(candidate, "            ", NULL);
}

static void
print_table(const Chosen *chosen)
{
	bool		found = pgcs_choice_status(chosen->choice) == PGCS_FOUND;

	print_request(chosen->request);
	printf(pgcs_choice_n_candidates(chosen->choice) > 0
		   ? "\n  VERDICT   CERTIFICATE\n" : "\n");
	for (size_t i = 0; i < pgcs_choice_n_candidates(chosen->choice); i++)
		print_candidate(chosen, pgcs_choice_candidate(chosen->choice, i),
						found && i == 0);
	print_problems(chosen->bundle);
}

int
command_check(int argc, char **argv)
{
	Options		options;
	Chosen		chosen = {NULL, NULL, NULL};
	int			status = options_parse(&options, argc, argv, "check");

	if (status == 0)
		status = options_prepare(&options);
	if (status == 0)
	{
		status = choose(&options, &chosen, true);
		if (chosen.choice != NULL)
		{
			if (options.format == PGCS_FORMAT_JSON)
			{
				char	   *text = pgcs_format(options.sel, chosen.choice,
											   PGCS_FORMAT_JSON, NULL, NULL, 0);

				if (text == NULL)
				{
					say("%s", pgcs_error(options.sel));
					status = EXIT_ERROR;
				}
				else
					fputs(text, stdout);
				pgcs_text_free(text);
			}
			else
				print_table(&chosen);
			if (pgcs_choice_status(chosen.choice) != PGCS_FOUND ||
				pgcs_choice_rival(chosen.choice) != NULL)
				say("%s", pgcs_choice_text(chosen.choice));
		}
	}
	chosen_free(&chosen);
	options_free(&options);
	return status < 0 ? 0 : status;
}
