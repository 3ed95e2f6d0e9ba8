/*
 * main.c
 *		pgcertsel: the certificate that a PostgreSQL server will accept.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

typedef struct Command
{
	const char *name;
	int			(*run) (int argc, char **argv);
	const char *arguments;
	const char *summary;
} Command;

static const Command commands[] = {
	{"select", command_select, "[CONNINFO] [OPTION]...",
	"print the connection parameters that send the right certificate"},
	{"exec", command_exec, "[CONNINFO] [OPTION]... -- PROGRAM [ARGUMENT]...",
	"run a libpq program with the right certificate"},
	{"names", command_names, "[CONNINFO] [OPTION]...",
	"print the CA names that the server announces"},
	{"list", command_list, "[OPTION]...",
	"show what is in the bundle, and what is wrong with it"},
	{"check", command_check, "[CONNINFO] [OPTION]...",
	"show the verdict on every candidate, with reasons"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
print_help(void)
{
	printf("pgcertsel chooses the client certificate that a PostgreSQL server will accept.\n\n"
		   "Usage:\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  pgcertsel %-6s %s\n%19s%s\n", commands[i].name,
			   commands[i].arguments, "", commands[i].summary);
	printf("\n\"pgcertsel COMMAND --help\" lists the options; pgcertsel(1) tells all.\n");
}

int
main(int argc, char **argv)
{
	if (argc < 2)
	{
		say("no command given");
		say("try \"pgcertsel --help\"");
		return EXIT_ERROR;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)
	{
		print_help();
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
	{
		/*
		 * libpq's, since some of its habits changed over time, and ours with
		 * them
		 */
		printf("pgcertsel %s (libpq %d.%d)\n", pgcs_version(),
			   PQlibVersion() / 10000, PQlibVersion() % 10000);
		return 0;
	}
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	say("command \"%s\" does not exist", argv[1]);
	say("try \"pgcertsel --help\"");
	return EXIT_ERROR;
}
