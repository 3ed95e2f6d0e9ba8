/*
 * select.c
 *		pgcertsel select: prints the fragment.
 *
 * A shell drops the exit status of $(...), so whatever goes wrong, what is
 * printed must be safe to use: then it says "send nothing".
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void
print_nothing(Options *options)
{
	char	   *text = NULL;

	if (options->sel != NULL)
		text = pgcs_format(options->sel, NULL, options->format,
						   options->full ? options->keywords : NULL,
						   options->full ? options->values : NULL,
						   options->show_password ? PGCS_SHOW_PASSWORD : 0);

	/* what the format cannot hold is the connection; this it always can */
	if (text == NULL && options->sel != NULL)
		text = pgcs_format(options->sel, NULL, options->format, NULL, NULL, 0);
	if (text == NULL && options->format == PGCS_FORMAT_ENV)
		fputs("export PGSSLCERT='" PGCS_NOTHING "'\nunset PGSSLKEY", stdout);
	else
		fputs(text != NULL ? text : "sslcert='" PGCS_NOTHING "'", stdout);
	fputs(text != NULL && text[0] != '\0' && text[strlen(text) - 1] == '\n' ? "" : "\n",
		  stdout);
	pgcs_text_free(text);
}

static bool
has_pin(const char *key)
{
	return key != NULL && strstr(key, "pin-value=") != NULL;
}

static int
print_choice(Options *options, const Chosen *chosen)
{
	char	   *text = pgcs_format(options->sel, chosen->choice, options->format,
								   options->full ? options->keywords : NULL,
								   options->full ? options->values : NULL,
								   options->show_password ? PGCS_SHOW_PASSWORD : 0);

	if (text == NULL)
	{
		say("%s", pgcs_error(options->sel));
		print_nothing(options);
		return EXIT_ERROR;
	}
	fputs(text, stdout);
	if (text[0] != '\0' && text[strlen(text) - 1] != '\n')
		putchar('\n');
	pgcs_text_free(text);
	if (!options->show_password && pgcs_choice_password(chosen->choice) != NULL)
		say("the key needs its password, which is not printed: use \"pgcertsel exec\", or --show-password");
	else if (!options->show_password && has_pin(pgcs_choice_key_path(chosen->choice)))
		say("the key's PIN is not printed: name a file in its URI (pin-source=file:PATH), use \"pgcertsel exec\", or --show-password");
	if (!options->show_password && options->full &&
		options_value(options->parsed, "password") != NULL)
		say("the connection's password is not printed either");
	return 0;
}

int
command_select(int argc, char **argv)
{
	Options		options;
	Chosen		chosen = {NULL, NULL, NULL};
	int			status = options_parse(&options, argc, argv, "select");

	if (status < 0)
	{
		options_free(&options);
		return 0;
	}
	if (status == 0)
		status = options_prepare(&options);
	if (status == 0)
	{
		status = choose(&options, &chosen, options.format == PGCS_FORMAT_JSON);
		if (chosen.choice != NULL)
		{
			int			printed;

			explain_choice(&options, &chosen);
			printed = print_choice(&options, &chosen);
			if (printed != 0)
				status = printed;
		}
		else
			print_nothing(&options);
	}
	else
		print_nothing(&options);
	if (fflush(stdout) != 0)
	{
		say("could not write the output");
		status = EXIT_ERROR;
	}
	chosen_free(&chosen);
	options_free(&options);
	return status;
}
