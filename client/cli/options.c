/*
 * options.c
 *		The options that the subcommands share.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum
{
	OPT_BUNDLE = 256,
	OPT_PASSWORD_FILE,
	OPT_NAMES_FROM,
	OPT_CA_FILE,
	OPT_NAMES_FILE,
	OPT_POLICY,
	OPT_COMPLETE_CHAIN,
	OPT_CONFIRM,
	OPT_FORMAT,
	OPT_FULL,
	OPT_SHOW_PASSWORD,
	OPT_PROMPT,
	OPT_STRICT,
	OPT_TIMEOUT,
	OPT_UNPACK,
	OPT_HELP,
};

static const struct option long_options[] = {
	{"host", required_argument, NULL, 'h'},
	{"port", required_argument, NULL, 'p'},
	{"username", required_argument, NULL, 'U'},
	{"dbname", required_argument, NULL, 'd'},
	{"bundle", required_argument, NULL, OPT_BUNDLE},
	{"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
	{"names-from", required_argument, NULL, OPT_NAMES_FROM},
	{"ca-file", required_argument, NULL, OPT_CA_FILE},
	{"names-file", required_argument, NULL, OPT_NAMES_FILE},
	{"policy", required_argument, NULL, OPT_POLICY},
	{"complete-chain", required_argument, NULL, OPT_COMPLETE_CHAIN},
	{"confirm", no_argument, NULL, OPT_CONFIRM},
	{"format", required_argument, NULL, OPT_FORMAT},
	{"full", no_argument, NULL, OPT_FULL},
	{"show-password", no_argument, NULL, OPT_SHOW_PASSWORD},
	{"prompt", no_argument, NULL, OPT_PROMPT},
	{"strict", no_argument, NULL, OPT_STRICT},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"unpack", required_argument, NULL, OPT_UNPACK},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static const struct
{
	const char *name;
	pgcs_format_kind kind;
}			formats[] =

{
	{"conninfo", PGCS_FORMAT_CONNINFO},
	{"env", PGCS_FORMAT_ENV},
	{"json", PGCS_FORMAT_JSON},
	{"uri", PGCS_FORMAT_URI},
	{"service", PGCS_FORMAT_SERVICE},
};

static void
print_help(const char *command)
{
	printf("Usage: pgcertsel %s%s [OPTION]...%s\n\n", command,
		   strcmp(command, "list") == 0 ? "" : " [CONNINFO]",
		   strcmp(command, "exec") == 0 ? " -- PROGRAM [ARGUMENT]..." : "");
	printf("CONNINFO is libpq's, key=value or URI; sslcert, sslkey and sslpassword may be\n"
		   "comma lists.  Environment and service files count as for libpq.\n\n"
		   "Connection:\n"
		   "  -h, --host=HOST          server, or directory of its Unix socket\n"
		   "  -p, --port=PORT\n"
		   "  -U, --username=ROLE      certificates whose CN is the role come first\n"
		   "  -d, --dbname=DBNAME\n"
		   "      --timeout=SECONDS    how long each host may take (10)\n"
		   "\nWhat is held locally (default: sslcert and sslkey, then ~/.postgresql):\n"
		   "      --bundle=PATH        a directory, or a file; may be repeated\n"
		   "      --password-file=FILE lines KEYFILE:PASSWORD, private like .pgpass\n"
		   "      --prompt             count encrypted keys without a password as usable\n"
		   "      --unpack=DIR         write the chosen PKCS#12 file there, as PEM for libpq\n"
		   "\nWhat the server asks for (default: the server is asked):\n"
		   "      --names-from=CONNINFO  ask pg_trusted_ca_names() there\n"
		   "      --ca-file=FILE       the server's ssl_ca_file, or a copy\n"
		   "      --names-file=FILE    CA names, one a line, as RFC 4514 writes them\n"
		   "      --policy=POLICY      the role's policy, as pg_cert_policy has it\n"
		   "      --complete-chain=DIR write chains that lack an intermediate there, completed\n"
		   "      --confirm            prove the choice by a TLS handshake\n"
		   "      --strict             refuse to choose between equals\n"
		   "\nOutput:\n"
		   "      --format=FORMAT      conninfo, env, json, uri or service; of check: json\n"
		   "      --full               the whole connection, not only the certificate\n"
		   "      --show-password      print passwords as well\n"
		   "      --help               this text\n");
	if (strcmp(command, "exec") == 0)
		printf("\nExit status: that of PROGRAM; 125 if pgcertsel fails, 126 if PROGRAM cannot be\n"
			   "run, 127 if it is not found.\n");
	else
		printf("\nExit status: 0 found, 1 usage or local error, 2 nothing suitable, 3 the server\n"
			   "could not be asked, 4 ambiguous, 5 no TLS, 6 no certificate wanted.\n");
}

const char *
options_value(const PQconninfoOption *list, const char *keyword)
{
	for (; list != NULL && list->keyword != NULL; list++)
		if (strcmp(list->keyword, keyword) == 0)
			return list->val != NULL && list->val[0] != '\0' ? list->val : NULL;
	return NULL;
}

static bool
is_conninfo(const char *text)
{
	return strchr(text, '=') != NULL ||
		strncmp(text, "postgresql://", 13) == 0 ||
		strncmp(text, "postgres://", 11) == 0;
}

/* A whole number from 1 to a day. */
static bool
parse_seconds(const char *text, int *seconds)
{
	char	   *end;
	long		value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 1 || value > 86400)
		return false;
	*seconds = (int) value;
	return true;
}

static bool
parse_format(const char *text, pgcs_format_kind *kind)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(text, formats[i].name) == 0)
		{
			*kind = formats[i].kind;
			return true;
		}
	return false;
}

/* Has the subcommand this format?  0 or an exit status. */
static int
check_format(pgcs_format_kind kind, const char *command)
{
	if (strcmp(command, "list") == 0 || strcmp(command, "names") == 0)
	{
		say("%s prints text, and has no --format", command);
		return EXIT_ERROR;
	}
	if (strcmp(command, "check") == 0 && kind != PGCS_FORMAT_JSON &&
		kind != PGCS_FORMAT_CONNINFO)
	{
		say("check prints a table, or json");
		return EXIT_ERROR;
	}
	return 0;
}

/* One option; 0, an exit status, or -1 for --help. */
static int
take_option(Options *options, int option, const char *argument, const char *command)
{
	switch (option)
	{
		case 'h':
			options->host = argument;
			break;
		case 'p':
			options->port = argument;
			break;
		case 'U':
			options->user = argument;
			break;
		case 'd':
			if (is_conninfo(argument))
				options->conninfo = argument;
			else
				options->dbname = argument;
			break;
		case OPT_BUNDLE:
			options->bundles[options->n_bundles++] = argument;
			break;
		case OPT_PASSWORD_FILE:
			options->password_file = argument;
			break;
		case OPT_NAMES_FROM:
			options->names_from = argument;
			break;
		case OPT_CA_FILE:
			options->ca_file = argument;
			break;
		case OPT_NAMES_FILE:
			options->names_file = argument;
			break;
		case OPT_POLICY:
			options->policy = argument;
			break;
		case OPT_COMPLETE_CHAIN:
			options->chain_directory = argument;
			break;
		case OPT_CONFIRM:
			options->confirm = true;
			break;
		case OPT_FORMAT:
			if (!parse_format(argument, &options->format))
			{
				say("format \"%s\" does not exist; there are conninfo, env, json, uri and service",
					argument);
				return EXIT_ERROR;
			}
			return check_format(options->format, command);
		case OPT_FULL:
			options->full = true;
			break;
		case OPT_SHOW_PASSWORD:
			options->show_password = true;
			break;
		case OPT_PROMPT:
			options->prompt = true;
			break;
		case OPT_STRICT:
			options->strict = true;
			break;
		case OPT_TIMEOUT:
			if (!parse_seconds(argument, &options->timeout_s))
			{
				say("timeout \"%s\" is not a number of seconds from 1 to 86400",
					argument);
				return EXIT_ERROR;
			}
			break;
		case OPT_UNPACK:
			options->unpack_directory = argument;
			break;
		case OPT_HELP:
			print_help(command);
			return -1;
		default:
			/* getopt has said what is wrong */
			say("try \"pgcertsel %s --help\"", command);
			return EXIT_ERROR;
	}
	return 0;
}

int
options_parse(Options *options, int argc, char **argv, const char *command)
{
	int			option;
	int			own_argc = argc;
	int			status;

	*options = (Options) {.format = PGCS_FORMAT_CONNINFO};
	options->sel = pgcs_selector_new();
	options->bundles = calloc((size_t) argc + 1, sizeof(*options->bundles));
	if (options->sel == NULL || options->bundles == NULL)
	{
		say("out of memory");
		return EXIT_ERROR;
	}

	/* what follows "--" is the program's, whatever it looks like */
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
		{
			own_argc = i;
			if (i + 1 < argc)
				options->program = argv + i + 1;
			break;
		}
	argv[0] = "pgcertsel";		/* for getopt's messages */
	optind = 1;
	while ((option = getopt_long(own_argc, argv, "h:p:U:d:", long_options, NULL)) != -1)
	{
		status = take_option(options, option, optarg, command);
		if (status != 0)
			return status;
	}
	for (int i = optind; i < own_argc; i++)
	{
		if (i > optind || (is_conninfo(argv[i]) ? options->conninfo : options->dbname) != NULL)
		{
			say("too many arguments: CONNINFO is one");
			return EXIT_ERROR;
		}
		if (is_conninfo(argv[i]))
			options->conninfo = argv[i];
		else
			options->dbname = argv[i];
	}
	if (options->program != NULL && strcmp(command, "exec") != 0)
	{
		say("only \"pgcertsel exec\" runs a program");
		return EXIT_ERROR;
	}
	if ((options->names_from != NULL) + (options->ca_file != NULL) +
		(options->names_file != NULL) > 1)
	{
		say("--names-from, --ca-file and --names-file exclude each other");
		return EXIT_ERROR;
	}
	return 0;
}

void
options_free(Options *options)
{
	PQconninfoFree(options->parsed);
	PQconninfoFree(options->resolved);
	free(options->keywords);
	free(options->values);
	free(options->bundles);
	pgcs_selector_free(options->sel);
	*options = (Options) {0};
}
