/*
 * names.c
 *		pgcertsel names: the CA names that a server announces.
 */
#include "cli.h"

/* The status of what no host named. */
static int
status_without_names(const pgcs_request *request)
{
	pgcs_answer best = PGCS_ANSWER_NONE;

	for (size_t i = 0; i < pgcs_request_n_hosts(request); i++)
		if (pgcs_request_answer(request, i) > best)
			best = pgcs_request_answer(request, i);
	switch (best)
	{
		case PGCS_ANSWER_NONE:
			return EXIT_NO_ANSWER;
		case PGCS_ANSWER_NO_TLS:
			return PGCS_NO_TLS;
		case PGCS_ANSWER_NOT_WANTED:
			return PGCS_NOT_WANTED;
		default:
			return 0;
	}
}

static void
explain(const pgcs_request *request, size_t host)
{
	const char *label = pgcs_request_host(request, host);
	const char *error = pgcs_request_host_error(request, host);
	const char *who = label[0] != '\0' ? label : "the server";

	switch (pgcs_request_answer(request, host))
	{
		case PGCS_ANSWER_NONE:
			say("%s could not be asked: %s", who, error);
			break;
		case PGCS_ANSWER_NO_TLS:
			say("%s: no TLS, so no certificate can be sent: %s", who, error);
			break;
		case PGCS_ANSWER_NOT_WANTED:
			say("%s does not ask for a client certificate", who);
			break;
		case PGCS_ANSWER_UNNAMED:
			say("%s asks for a client certificate, but names no CA", who);
			break;
		case PGCS_ANSWER_NAMED:
			break;
	}
}

int
command_names(int argc, char **argv)
{
	Options		options;
	pgcs_request *request = NULL;
	int			status = options_parse(&options, argc, argv, "names");

	if (status == 0)
		status = options_prepare(&options);
	if (status == 0)
		status = make_request(&options, &request);
	if (status == 0)
	{
		size_t		n = pgcs_request_n_hosts(request);

		for (size_t h = 0; h < n; h++)
		{
			explain(request, h);
			if (n > 1 && pgcs_request_n_names(request, h) > 0)
				printf("# %s\n", pgcs_request_host(request, h));
			for (size_t i = 0; i < pgcs_request_n_names(request, h); i++)
				puts(pgcs_request_name(request, h, i));
		}
		status = status_without_names(request);
	}
	pgcs_request_free(request);
	options_free(&options);
	return status < 0 ? 0 : status;
}
