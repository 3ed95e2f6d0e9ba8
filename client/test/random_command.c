/*
 * random_command.c
 *		The pgcertsel command, asked what the library was asked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connection.h"
#include "random_command.h"
#include "tap.h"

#define MAX_ARGUMENTS 7

/* What it printed, and how it ended. */
typedef struct Answer
{
	int			status;			/* of wait() */
	char		out[8192];
	char		words[8192];
} Answer;

/* ---------- running it ---------- */

static char *
printed(const char *first, const char *second, const char *third)
{
	char	   *text;

	if (asprintf(&text, "%s%s%s", first, second, third) < 0)
		die("out of memory");
	return text;
}

static char *
conninfo(const Parameters *parameters)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *text;

	for (int i = 0; i < parameters->n; i++)
		pgcs_conninfo_add(&buf, parameters->keywords[i], parameters->values[i]);
	text = pgcert_buf_take(&buf);
	if (text == NULL)
		die("out of memory");
	return text;
}

/* The arguments, each to be freed; the last is NULL. */
static void
set_arguments(char **argv, const char *pgcertsel, const Server *server, const Case *c,
			  const char *option)
{
	Parameters	parameters;
	int			n = 0;

	set_parameters(&parameters, server, c);
	argv[n++] = printed(pgcertsel, "", "");
	argv[n++] = printed("select", "", "");
	argv[n++] = conninfo(&parameters);
	argv[n++] = printed("--bundle=", c->bundle, "");
	argv[n++] = printed("--password-file=", c->dir, "/passwords");
	if (option != NULL)
		argv[n++] = printed(option, "", "");
	argv[n] = NULL;
}

static void
read_back(FILE *file, char *text, size_t size)
{
	ssize_t		n = pread(fileno(file), text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	fclose(file);
}

/* What it writes goes to files, which cannot fill as pipes do. */
static void
run(Answer *answer, char **argv)
{
	FILE	   *out = tmpfile();
	FILE	   *words = tmpfile();
	pid_t		child = out != NULL && words != NULL ? fork() : -1;

	if (child < 0)
		die("could not run %s: %s", argv[0], strerror(errno));
	if (child == 0)
	{
		if (dup2(fileno(out), STDOUT_FILENO) >= 0 && dup2(fileno(words), STDERR_FILENO) >= 0)
			execvp(argv[0], argv);
		_exit(127);
	}
	while (waitpid(child, &answer->status, 0) < 0)
		if (errno != EINTR)
			die("could not wait for %s: %s", argv[0], strerror(errno));
	read_back(out, answer->out, sizeof(answer->out));
	read_back(words, answer->words, sizeof(answer->words));
}

/* ---------- what it says ---------- */

/* The value as libpq reads it; NULL if it is not there. */
static const char *
value_of(const PQconninfoOption *parsed, const char *keyword)
{
	for (; parsed != NULL && parsed->keyword != NULL; parsed++)
		if (strcmp(parsed->keyword, keyword) == 0)
			return parsed->val;
	return NULL;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_answer(const Answer *answer, const pgcs_choice *choice)
{
	pgcs_status status = pgcs_choice_status(choice);
	PQconninfoOption *parsed = PQconninfoParse(answer->out, NULL);
	const char *cert = value_of(parsed, "sslcert");
	bool		same = WIFEXITED(answer->status) && WEXITSTATUS(answer->status) == (int) status;

	if (status == PGCS_FOUND)
		same = same && same_text(cert, pgcs_choice_cert_path(choice)) &&
			same_text(value_of(parsed, "sslkey"), pgcs_choice_key_path(choice));
	else
		same = same && same_text(cert, PGCS_NOTHING) && answer->words[0] != '\0';
	PQconninfoFree(parsed);
	return same;
}

bool
command_agrees(const char *pgcertsel, const Server *server, const Case *c,
			   const char *option, const pgcs_choice *choice)
{
	char	   *argv[MAX_ARGUMENTS];
	Answer		answer;
	bool		same;

	set_arguments(argv, pgcertsel, server, c, option);
	run(&answer, argv);
	same = is_answer(&answer, choice);
	if (!same)
	{
		printf("#   the command: wait status %d, %s#   the library: status %d, %s, %s\n",
			   answer.status, answer.out[0] != '\0' ? answer.out : "nothing\n",
			   (int) pgcs_choice_status(choice),
			   pgcs_choice_cert_path(choice) != NULL ? pgcs_choice_cert_path(choice) : "-",
			   pgcs_choice_key_path(choice) != NULL ? pgcs_choice_key_path(choice) : "-");
		for (const char *line = strtok(answer.words, "\n"); line != NULL; line = strtok(NULL, "\n"))
			printf("#     %s\n", line);
	}
	for (int i = 0; argv[i] != NULL; i++)
		free(argv[i]);
	return same;
}
