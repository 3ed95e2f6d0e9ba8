/*
 * exec.c
 *		pgcertsel exec: runs any libpq program with the right certificate.
 *
 * The program gets the whole connection through libpq's environment
 * variables.  Some parameters have none, sslpassword above all; those go into
 * a service file that exists in memory only (see exec_service.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Values of the choice replace the connection's own. */
typedef struct Plan
{
	const Options *options;
	const Chosen *chosen;
	PgcertBuf	service;		/* lines of the service file */
	PgcertBuf	addition;		/* those that other services get, too */
	bool		needs_service;
} Plan;

static bool
is_explicit(const Options *options, const char *keyword)
{
	for (size_t i = 0; options->keywords[i] != NULL; i++)
		if (strcmp(options->keywords[i], keyword) == 0)
			return true;
	return false;
}

static const char *
planned_value(const Plan *plan, const PQconninfoOption *option)
{
	const pgcs_choice *choice = plan->chosen->choice;
	const char *cert = pgcs_choice_cert_path(choice);

	if (strcmp(option->keyword, "sslcert") == 0)
		return cert != NULL ? cert : PGCS_NOTHING;
	if (strcmp(option->keyword, "sslkey") == 0)
		return pgcs_choice_key_path(choice);
	if (strcmp(option->keyword, "sslpassword") == 0)
		return pgcs_choice_password(choice);

	/* a service is resolved by now, and would win over the environment */
	if (strcmp(option->keyword, "service") == 0)
		return NULL;

	/* libpq 19 can be told where services are; the program may have its own */
	if (strcmp(option->keyword, "servicefile") == 0 && option->envvar == NULL)
		return NULL;

	/* libpq's default, which -U of the program should still change */
	if (strcmp(option->keyword, "dbname") == 0 && option->val != NULL &&
		!is_explicit(plan->options, "dbname") && getenv("PGDATABASE") == NULL &&
		options_value(plan->options->resolved, "user") != NULL &&
		strcmp(option->val, options_value(plan->options->resolved, "user")) == 0)
		return NULL;
	return option->val;
}

static void
add_line(PgcertBuf *buf, const char *keyword, const char *value)
{
	pgcert_buf_printf(buf, "%s=", keyword);
	pgcert_buf_text(buf, value);
	pgcert_buf_text(buf, "\n");
}

/* A service file has no quoting: what it cannot hold is refused. */
static bool
add_service_line(Plan *plan, const char *keyword, const char *value)
{
	size_t		len = strlen(value);

	if (strpbrk(value, "\r\n") != NULL || strchr(" \t\v\f", value[len - 1]) != NULL ||
		len + strlen(keyword) > 1000)
	{
		say("%s cannot be handed over: it has no environment variable, and a service file cannot hold newlines, trailing blanks or more than 1000 bytes",
			keyword);
		return false;
	}
	add_line(&plan->service, keyword, value);
	if (strcmp(keyword, "sslpassword") == 0)
		add_line(&plan->addition, keyword, value);
	plan->needs_service = true;
	return !plan->service.failed && !plan->addition.failed;
}

/* One parameter into the environment, or into the service file. */
static bool
hand_over(Plan *plan, const PQconninfoOption *option)
{
	const char *value = planned_value(plan, option);
	bool		is_default;

	if (value == NULL || value[0] == '\0')
		return option->envvar == NULL || unsetenv(option->envvar) == 0;
	is_default = option->compiled != NULL && strcmp(option->compiled, value) == 0;
	if (option->envvar != NULL)
	{
		if (is_default && getenv(option->envvar) == NULL)
			return true;
		if (setenv(option->envvar, value, 1) == 0)
			return true;
		say("could not set %s: %s", option->envvar, strerror(errno));
		return false;
	}
	return is_default || add_service_line(plan, option->keyword, value);
}

int
exec_error(const char *program, int error)
{
	fputs("pgcertsel: could not run ", stderr);
	print_escaped(stderr, program);
	fprintf(stderr, ": %s\n", strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static int
run(Plan *plan, char **program)
{
	char	   *content = NULL;
	char	   *addition = NULL;
	int			status = EXIT_EXEC_FAILED;

	pgcert_buf_text(&plan->service, "[" EXEC_SERVICE "]\n");
	for (const PQconninfoOption *o = plan->options->resolved; o->keyword != NULL; o++)
		if (!hand_over(plan, o))
			goto out;
	if (!plan->needs_service)
	{
		if (unsetenv("PGSERVICE") == 0)
			execvp(program[0], program);
		status = exec_error(program[0], errno);
		goto out;
	}
	addition = pgcert_buf_take(&plan->addition);
	if (addition != NULL)
		add_own_services(&plan->service, addition);
	content = pgcert_buf_take(&plan->service);
	if (addition == NULL || content == NULL)
		say("out of memory");
	else
		status = exec_with_service(program, content);
out:
	pgcert_buf_free(&plan->service);
	pgcert_buf_free(&plan->addition);
	pgcs_text_free(content);
	pgcs_text_free(addition);
	return status;
}

/* With these the program is run all the same, and sends nothing. */
static bool
may_run(const Options *options, int status)
{
	if (status == EXIT_FOUND)
		return true;
	return !options->strict &&
		(status == PGCS_NONE || status == PGCS_NO_TLS || status == PGCS_NOT_WANTED);
}

int
command_exec(int argc, char **argv)
{
	Options		options;
	Chosen		chosen = {NULL, NULL, NULL};
	int			status = options_parse(&options, argc, argv, "exec");

	if (status < 0)
	{
		options_free(&options);
		return 0;
	}
	if (status == 0 && options.program == NULL)
	{
		say("no program given: pgcertsel exec [CONNINFO] [OPTION]... -- PROGRAM [ARGUMENT]...");
		status = EXIT_ERROR;
	}
	if (status == 0)
		status = options_prepare(&options);
	if (status != 0)
	{
		options_free(&options);
		return EXIT_EXEC_FAILED;
	}
	status = choose(&options, &chosen, false);
	if (chosen.choice != NULL)
	{
		if (status != PGCS_NOT_WANTED || options.strict)
			explain_choice(&options, &chosen);
	}
	if (chosen.choice != NULL && may_run(&options, status))
	{
		Plan		plan = {&options, &chosen, PGCERT_BUF_INIT, PGCERT_BUF_INIT, false};

		fflush(stdout);
		fflush(stderr);
		status = run(&plan, options.program);
	}
	else
		status = EXIT_EXEC_FAILED;
	chosen_free(&chosen);
	options_free(&options);
	return status;
}
