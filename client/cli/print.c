/*
 * print.c
 *		Words for people.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

void
say(const char *format,...)
{
	va_list		args;

	fputs("pgcertsel: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void
print_escaped(FILE *file, const char *bytes)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *text;

	pgcert_buf_escaped(&buf, bytes, strlen(bytes));
	text = pgcert_buf_take(&buf);
	fputs(text != NULL ? text : "(out of memory)", file);
	free(text);
}

/* "FILE: text", the hint in a line of its own. */
void
say_reason(const pgcs_reason *reason)
{
	fputs("pgcertsel: ", stderr);
	if (pgcs_reason_file(reason) != NULL)
	{
		print_escaped(stderr, pgcs_reason_file(reason));
		fputs(": ", stderr);
	}
	fprintf(stderr, "%s\n", pgcs_reason_text(reason));
	if (pgcs_reason_hint(reason)[0] != '\0')
		fprintf(stderr, "pgcertsel: hint: %s\n", pgcs_reason_hint(reason));
}

static bool
wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) &&
		(no_colour == NULL || no_colour[0] == '\0') &&
		term != NULL && strcmp(term, "dumb") != 0;
}

void
print_coloured(Colour colour, const char *text)
{
	static const char *const codes[] = {"32", "33", "31", "2"};

	if (wants_colour())
		printf("\033[%sm%s\033[0m", codes[colour], text);
	else
		fputs(text, stdout);
}

void
print_reason(const pgcs_reason *reason, const char *indent)
{
	static const char *const words[] = {"note:  ", "doubt: ", "fatal: "};
	static const Colour colours[] = {COLOUR_DIM, COLOUR_DOUBT, COLOUR_BAD};
	pgcs_severity severity = pgcs_reason_severity(reason);

	fputs(indent, stdout);
	print_coloured(colours[severity], words[severity]);
	if (pgcs_reason_file(reason) != NULL)
	{
		print_escaped(stdout, pgcs_reason_file(reason));
		fputs(": ", stdout);
	}
	puts(pgcs_reason_text(reason));
	if (pgcs_reason_hint(reason)[0] != '\0')
		printf("%s       do: %s\n", indent, pgcs_reason_hint(reason));
}

void
print_reasons(const pgcs_candidate *candidate, const char *indent,
			  bool (*skip) (const pgcs_reason *reason))
{
	for (int severity = PGCS_FATAL; severity >= PGCS_NOTE; severity--)
		for (size_t i = 0; i < pgcs_candidate_n_reasons(candidate); i++)
		{
			const pgcs_reason *reason = pgcs_candidate_reason(candidate, i);

			if ((int) pgcs_reason_severity(reason) == severity &&
				(skip == NULL || !skip(reason)))
				print_reason(reason, indent);
		}
}

void
print_problems(const pgcs_bundle *bundle)
{
	size_t		n = pgcs_bundle_n_problems(bundle);

	if (n == 0)
		return;
	printf("\nFiles that are no certificate with a key:\n");
	for (size_t i = 0; i < n; i++)
		print_reason(pgcs_bundle_problem(bundle, i), "  ");
}

void
print_request(const pgcs_request *request)
{
	for (size_t h = 0; h < pgcs_request_n_hosts(request); h++)
	{
		const char *host = pgcs_request_host(request, h);
		const char *tls = pgcs_request_tls_version(request, h);
		size_t		n = pgcs_request_n_names(request, h);

		printf("Server%s%s%s%s%s ", host[0] != '\0' ? " " : "", host,
			   tls[0] != '\0' ? " (" : "", tls, tls[0] != '\0' ? ")" : "");
		switch (pgcs_request_answer(request, h))
		{
			case PGCS_ANSWER_NONE:
				printf("could not be asked: %s\n", pgcs_request_host_error(request, h));
				break;
			case PGCS_ANSWER_NO_TLS:
				printf("has no TLS: %s\n", pgcs_request_host_error(request, h));
				break;
			case PGCS_ANSWER_NOT_WANTED:
				printf("does not ask for a certificate\n");
				break;
			case PGCS_ANSWER_UNNAMED:
				printf("asks for a certificate, but names no CA\n");
				break;
			case PGCS_ANSWER_NAMED:
				printf("asks for a certificate of %s %zu CA%s%s:\n",
					   n == 1 ? "this" : "one of these", n, n == 1 ? "" : "s",
					   pgcs_request_knows_cas(request, h)
					   ? ", whose certificates are known" : "");
				for (size_t i = 0; i < n; i++)
					printf("  %s\n", pgcs_request_name(request, h, i));
				break;
		}
	}
}

const char *
date_text(int64_t seconds, char *text, size_t size)
{
	time_t		t = (time_t) seconds;
	struct tm	tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(text, size, "%Y-%m-%d", &tm) == 0)
		snprintf(text, size, "?");
	return text;
}
