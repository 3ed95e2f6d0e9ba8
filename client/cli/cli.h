/*
 * cli.h
 *		What the subcommands of pgcertsel share.
 *
 * Data goes to stdout, words to stderr.  The library is used through its
 * public header alone; what it must not look at (the environment, the home
 * directory) is looked at here.
 */
#ifndef PGCERTSEL_CLI_H
#define PGCERTSEL_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <libpq-fe.h>

#include "buf.h"
#include "pgcertsel.h"

/* Exit statuses; those of a choice are its pgcs_status. */
#define EXIT_FOUND 0
#define EXIT_ERROR 1
#define EXIT_NO_ANSWER 3
#define EXIT_EXEC_FAILED 125	/* as env(1) and its like have it */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

typedef struct Options
{
	/* as given */
	const char *conninfo;
	const char *host;
	const char *port;
	const char *user;
	const char *dbname;
	const char **bundles;
	size_t		n_bundles;
	const char *password_file;
	const char *names_from;
	const char *ca_file;
	const char *names_file;
	const char *policy;
	const char *chain_directory;
	const char *unpack_directory;
	pgcs_format_kind format;
	bool		full;
	bool		show_password;
	bool		confirm;
	bool		strict;
	bool		prompt;
	int			timeout_s;
	char	  **program;		/* of exec, or NULL */

	/* made of it */
	pgcs_selector *sel;
	PQconninfoOption *parsed;	/* of the conninfo text */
	const char **keywords;		/* explicit parameters, NULL-terminated */
	const char **values;
	PQconninfoOption *resolved; /* with service file, environment, defaults */
} Options;

/* options.c */

/*
 * Reads the arguments of a subcommand.  0, or an exit status with words
 * printed; -1 if --help was printed.
 */
extern int	options_parse(Options *options, int argc, char **argv,
						  const char *command);
extern void options_free(Options *options);
extern const char *options_value(const PQconninfoOption *list, const char *keyword);

/* prepare.c */

/* Resolves the connection and fills the selector.  0 or an exit status. */
extern int	options_prepare(Options *options);

/* A path at home, as libpq understands home; false if there is none. */
extern bool home_path(char *path, size_t size, const char *name);

/* password_file.c: 0 or an exit status. */
extern int	read_password_file(pgcs_selector *sel, const char *path);

/* A whole text file of moderate size; NULL with words printed. */
extern char *read_text_file(const char *path, bool private_file);

/* choose.c */

typedef struct Chosen
{
	pgcs_bundle *bundle;
	pgcs_request *request;
	pgcs_choice *choice;
} Chosen;

/* Asks for the request as the options say.  0 or an exit status. */
extern int	make_request(Options *options, pgcs_request **request);

/*
 * The whole chain: request, bundle, select, load, and confirm if asked for.
 * With all, every certificate is read and judged; otherwise that is done only
 * if none was found, so that it can be said why.  Returns an exit status;
 * chosen->choice is NULL if it never came to one.
 */
extern int	choose(Options *options, Chosen *chosen, bool all);
extern void chosen_free(Chosen *chosen);

/*
 * Says on stderr which of the sources that the user named could not be read;
 * true if there are any.
 */
extern bool say_unread_sources(const Options *options, const pgcs_bundle *bundle);

/* Says on stderr what the user should know of the choice. */
extern void explain_choice(const Options *options, const Chosen *chosen);

/* print.c */
extern void say(const char *format,...) PGCERT_PRINTF(1, 2);
extern void say_reason(const pgcs_reason *reason);
extern void print_escaped(FILE *file, const char *bytes);

/* Colour around a word, where stdout is a terminal that wants it. */
typedef enum Colour
{
	COLOUR_GOOD,
	COLOUR_DOUBT,
	COLOUR_BAD,
	COLOUR_DIM,
} Colour;

extern void print_coloured(Colour colour, const char *text);

/* One indented line for a reason, for list and check. */
extern void print_reason(const pgcs_reason *reason, const char *indent);

/* All of a candidate, what is fatal first; those that skip() names are not. */
extern void print_reasons(const pgcs_candidate *candidate, const char *indent,
						  bool (*skip) (const pgcs_reason *reason));
extern void print_request(const pgcs_request *request);
extern void print_problems(const pgcs_bundle *bundle);

/* "2026-11-21", in a buffer of at least 16 bytes. */
extern const char *date_text(int64_t seconds, char *text, size_t size);

/* exec_own_services.c */

/*
 * Appends the services that the program could name otherwise, each with what
 * the choice adds to it.  Nothing is appended where there are none.
 */
extern void add_own_services(PgcertBuf *file, const char *addition);

/* exec_service.c */

/* The connection's name in the service file that a program is given. */
#define EXEC_SERVICE "pgcertsel-exec"

/*
 * Runs the program as a child that reads content as its service file, and
 * ends as the program ends.  Returns only if that cannot be done.
 */
extern int	exec_with_service(char **program, const char *content);

/* Says why a program could not be run; its exit status. */
extern int	exec_error(const char *program, int error);

/* the subcommands */
extern int	command_select(int argc, char **argv);
extern int	command_exec(int argc, char **argv);
extern int	command_names(int argc, char **argv);
extern int	command_list(int argc, char **argv);
extern int	command_check(int argc, char **argv);

#endif							/* PGCERTSEL_CLI_H */
