/*
 * list.c
 *		pgcertsel list: what is in the bundle, and what is wrong with it.
 */
#include <time.h>

#include "cli.h"

static void
print_identity(const pgcs_identity *identity, int64_t now)
{
	char		from[16];
	char		to[16];
	int64_t		not_after = pgcs_identity_not_after(identity);

	print_escaped(stdout, pgcs_identity_cert_path(identity));
	printf("\n  subject  %s\n  issuer   %s\n", pgcs_identity_subject(identity),
		   pgcs_identity_issuer(identity));
	if (pgcs_identity_sans(identity)[0] != '\0')
		printf("  names    %s\n", pgcs_identity_sans(identity));
	printf("  valid    %s to %s",
		   date_text(pgcs_identity_not_before(identity), from, sizeof(from)),
		   date_text(not_after, to, sizeof(to)));
	if (not_after < now)
		print_coloured(COLOUR_BAD, " (expired)");
	else if (pgcs_identity_not_before(identity) > now)
		print_coloured(COLOUR_BAD, " (not yet)");
	else if (not_after - now < 14 * 24 * 60 * 60)
		print_coloured(COLOUR_DOUBT, " (soon over)");
	printf("\n  key      ");
	print_escaped(stdout, pgcs_identity_key_path(identity));
	printf(" (%s%s)\n", pgcs_identity_key_type(identity),
		   pgcs_identity_key_encrypted(identity) ? ", encrypted" : "");
	printf("  sha256   %s\n", pgcs_identity_fingerprint(identity));
	for (size_t i = 0; i < pgcs_identity_n_reasons(identity); i++)
		print_reason(pgcs_identity_reason(identity, i), "  ");
}

int
command_list(int argc, char **argv)
{
	Options		options;
	pgcs_bundle *bundle = NULL;
	int			status = options_parse(&options, argc, argv, "list");

	if (status == 0)
		status = options_prepare(&options);
	if (status == 0)
	{
		bundle = pgcs_bundle_load(options.sel);
		if (bundle == NULL)
		{
			say("%s", pgcs_error(options.sel));
			status = EXIT_ERROR;
		}
		else
		{
			for (size_t i = 0; i < pgcs_bundle_n_identities(bundle); i++)
			{
				if (i > 0)
					putchar('\n');
				print_identity(pgcs_bundle_identity(bundle, i), (int64_t) time(NULL));
			}
			if (pgcs_bundle_n_identities(bundle) == 0)
				say("there is no certificate with a key");
			print_problems(bundle);
		}
	}
	pgcs_bundle_free(bundle);
	options_free(&options);
	return status < 0 ? 0 : status;
}
