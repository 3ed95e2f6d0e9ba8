/*
 * random_main.c
 *		Measures selection against a real server, on random PKIs.
 *
 * Each case is run three ways: with the server's CAs known by name only, by
 * their certificates, and by name with a handshake to confirm.  A choice is
 * right if the server lets it in, and none is right if it lets nobody in.
 * A fourth way completes chains with what else is held, the certificates being
 * known: there a choice may be one that nobody has tried before.
 * Of every so many cases the command is asked, too, and must say the same.
 *
 *		random_pki --port PORT --postmaster PID --server-ca-file FILE
 *			--server-ca FILE --dir DIR [--seed N] [--first N] [--cases N]
 *			[--even PERCENT] [--command FILE [--every N]] [--keep] [--verbose]
 *
 * Prints a line for each case,
 *
 *		NUMBER LOGINS ACCEPTED WAY=OUTCOME:VERDICT ...
 *
 * and behind it, after "#", words where something is not as it should be.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pgcertsel.h"
#include "random_command.h"
#include "random_login.h"
#include "random_pki.h"
#include "tap.h"

typedef enum Way
{
	BY_NAME,
	BY_CA,
	CONFIRMED,
	COMPLETED,
	N_WAYS,
} Way;

static const char *const way_names[N_WAYS] = {"names", "ca", "confirm", "complete"};

typedef enum Outcome
{
	RIGHT,
	WRONG,						/* chosen, but not let in */
	MISSED,						/* none chosen, though one would be let in */
	FAILED,						/* an error */
} Outcome;

static const char *const outcome_names[] = {"right", "wrong", "missed", "failed"};
static const char *const verdict_names[] = {"unusable", "doubtful", "certain"};

typedef struct Options
{
	Server		server;
	const char *server_ca;
	const char *dir;
	uint64_t	seed;
	uint64_t	first;
	uint64_t	cases;
	const char *pgcertsel;		/* the command; NULL: it is not asked */
	uint64_t	every;			/* how often it is */
	int			keep;
	int			verbose;
} Options;

/* ---------- words ---------- */

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void
print_reasons(const pgcs_choice *choice)
{
	for (size_t i = 0; i < pgcs_choice_n_candidates(choice); i++)
	{
		const pgcs_candidate *candidate = pgcs_choice_candidate(choice, i);
		const pgcs_identity *identity = pgcs_candidate_identity(candidate);

		printf("#     %s, %s: %s\n", base_name(pgcs_identity_cert_path(identity)),
			   base_name(pgcs_identity_key_path(identity)),
			   verdict_names[pgcs_candidate_verdict(candidate)]);
		for (size_t j = 0; j < pgcs_candidate_n_reasons(candidate); j++)
		{
			const pgcs_reason *reason = pgcs_candidate_reason(candidate, j);

			printf("#       %d %s: %s\n", (int) pgcs_reason_severity(reason),
				   pgcs_reason_code(reason), pgcs_reason_text(reason));
		}
	}
}

static void
print_logins(const Logins *logins)
{
	for (int i = 0; i < logins->n; i++)
	{
		const Login *login = &logins->all[i];
		const char *words = login->words != NULL ? login->words : "accepted";
		const char *end = strstr(words, "failed: ");

		words = end != NULL ? end + strlen("failed: ") : words;
		printf("#     server: %s, %s: %.*s\n", base_name(login->cert), base_name(login->key),
			   (int) strcspn(words, "\n"), words);
	}
}

/* ---------- one way ---------- */

/* None was chosen: is it said of each candidate what is wrong with it? */
static bool
is_explained(const pgcs_choice *choice, const pgcs_bundle *bundle)
{
	for (size_t i = 0; i < pgcs_choice_n_candidates(choice); i++)
	{
		const pgcs_candidate *candidate = pgcs_choice_candidate(choice, i);
		bool		fatal = false;

		for (size_t j = 0; j < pgcs_candidate_n_reasons(candidate); j++)
			fatal = fatal ||
				(pgcs_reason_severity(pgcs_candidate_reason(candidate, j)) == PGCS_FATAL &&
				 pgcs_reason_text(pgcs_candidate_reason(candidate, j))[0] != '\0');
		if (!fatal)
			return false;
	}
	return pgcs_choice_n_candidates(choice) > 0 || pgcs_bundle_n_problems(bundle) > 0;
}

/* Does the server name what is in its CA file, so that it has read it? */
static bool
is_named(const pgcs_request *request, const pgcs_request *file)
{
	size_t		n = 0;

	for (size_t i = 0; i < pgcs_request_n_names(request, 0); i++)
	{
		size_t		len;
		size_t		file_len;
		const unsigned char *name = pgcs_request_name_der(request, 0, i, &len);

		/* in the file's order, but what is there twice is named once */
		for (; n < pgcs_request_n_names(file, 0); n++)
		{
			const unsigned char *there = pgcs_request_name_der(file, 0, n, &file_len);

			if (len == file_len && memcmp(name, there, len) == 0)
				break;
		}
	}
	return pgcs_request_n_names(request, 0) > 0 && n < pgcs_request_n_names(file, 0);
}

static Outcome
fail(const pgcs_selector *sel, const char *what)
{
	printf("#   %s: %s\n", what, pgcs_error(sel));
	return FAILED;
}

static Outcome
judge(const Options *options, const Case *c, Logins *logins, const pgcs_bundle *bundle,
	  const pgcs_choice *whole, const pgcs_choice *choice, Way way, bool *doubtful)
{
	const Login *login;
	Outcome		outcome;

	*doubtful = !pgcs_choice_is_certain(choice);
	if (pgcs_choice_status(choice) == PGCS_NONE)
	{
		*doubtful = false;
		if (!is_explained(whole, bundle))
		{
			printf("#   %s: none, but it does not say why\n", way_names[way]);
			print_reasons(whole);
			return FAILED;
		}
		outcome = logins->n_accepted == 0 ? RIGHT : MISSED;
	}
	else if (pgcs_choice_status(choice) == PGCS_FOUND)
	{
		login = try_one(logins, &options->server, c, pgcs_choice_cert_path(choice),
						pgcs_choice_key_path(choice));
		outcome = login->accepted ? RIGHT : WRONG;
	}
	else
	{
		printf("#   %s: %s\n", way_names[way], pgcs_choice_text(choice));
		return FAILED;
	}
	if (options->verbose || (outcome != RIGHT && way != BY_NAME))
	{
		printf("#   %s: %s, chosen %s\n", way_names[way], outcome_names[outcome],
			   outcome == WRONG ? base_name(pgcs_choice_cert_path(choice)) : "none");
		print_reasons(whole);
	}
	return outcome;
}

/*
 * What is read and judged in part must come to what the whole comes to.  Where
 * there are copies of a key, which of them is a matter of what was opened; that
 * it can be used is seen when the choice is loaded.
 */
static bool
is_same(const pgcs_choice *choice, const pgcs_choice *whole)
{
	const pgcs_choice *both[] = {choice, whole};
	char		text[2][4096];

	for (int i = 0; i < 2; i++)
	{
		const char *cert = pgcs_choice_cert_path(both[i]);
		bool		has_key = pgcs_choice_key_path(both[i]) != NULL &&
			pgcs_choice_key_path(both[i])[0] != '\0';
		const pgcs_candidate *rival = pgcs_choice_rival(both[i]);

		snprintf(text[i], sizeof(text[i]), "%d %s %s %d %s %s", (int) pgcs_choice_status(both[i]),
				 cert != NULL ? cert : "-", has_key ? "key" : "-",
				 pgcs_choice_is_certain(both[i]),
				 rival != NULL ? pgcs_identity_cert_path(pgcs_candidate_identity(rival)) : "-",
				 pgcs_choice_text(both[i]));
	}
	if (strcmp(text[0], text[1]) == 0)
		return true;
	printf("#   in part:   %s\n#   the whole: %s\n", text[0], text[1]);
	return false;
}

static bool
is_said_by_command(const Options *options, const Case *c, Way way, const pgcs_choice *choice)
{
	char	   *ca_file;
	bool		same;

	if (asprintf(&ca_file, "--ca-file=%s", c->ca_file) < 0)
		die("out of memory");
	same = command_agrees(options->pgcertsel, &options->server, c,
						  way == BY_CA ? ca_file : way == CONFIRMED ? "--confirm" : NULL,
						  choice);
	free(ca_file);
	return same;
}

static void
complete_chains(pgcs_selector *sel, const Case *c)
{
	char	   *directory;

	if (asprintf(&directory, "%s/chains", c->dir) < 0 ||
		pgcs_set_chain_directory(sel, directory) != PGCS_OK)
		die("out of memory");
	free(directory);
}

static Outcome
run_way(const Options *options, const Case *c, Logins *logins, Way way, bool ask_command,
		bool *doubtful)
{
	pgcs_selector *sel = pgcs_selector_new();
	pgcs_bundle *bundle = NULL;
	pgcs_bundle *whole_bundle = NULL;
	pgcs_request *request = NULL;
	pgcs_choice *choice = NULL;
	pgcs_choice *whole = NULL;
	Parameters	parameters;
	Outcome		outcome;
	int64_t		now = (int64_t) time(NULL);

	*doubtful = false;
	set_parameters(&parameters, &options->server, c);
	pgcs_add_directory(sel, c->bundle);
	pgcs_set_root_file(sel, c->root_file);
	pgcs_set_max_tls_version(sel, c->tls_version);
	pgcs_set_user(sel, "alice");
	for (int i = 0; i < c->n_secrets; i++)
		pgcs_set_password(sel, c->secrets[i].path, c->secrets[i].password);

	if (way == COMPLETED)
		complete_chains(sel, c);
	if (way == BY_CA || way == COMPLETED)
		request = pgcs_request_from_ca_file(sel, c->ca_file);
	else
		request = pgcs_request_probe(sel, parameters.keywords, parameters.values);
	if (request == NULL)
		outcome = fail(sel, "no request");
	else if ((whole_bundle = pgcs_bundle_load(sel)) == NULL ||
			 (bundle = pgcs_bundle_load_for(sel, request, now)) == NULL)
		outcome = fail(sel, "no bundle");
	else if ((whole = pgcs_check(sel, whole_bundle, request, now)) == NULL ||
			 (choice = pgcs_select(sel, bundle, request, now)) == NULL)
		outcome = fail(sel, "no choice");
	else if (!is_same(choice, whole))
		outcome = fail(sel, "reading a part comes to something else");
	else if (pgcs_choice_load(sel, choice) != PGCS_OK)
		outcome = fail(sel, "the choice cannot be loaded");
	else if (way == CONFIRMED &&
			 pgcs_confirm(sel, choice, parameters.keywords, parameters.values) != PGCS_OK)
		outcome = fail(sel, "the choice cannot be confirmed");
	else if (way == CONFIRMED && pgcs_choice_status(choice) == PGCS_NONE &&
			 pgcs_confirm(sel, whole, parameters.keywords, parameters.values) != PGCS_OK)
		outcome = fail(sel, "the choice from the whole cannot be confirmed");
	else if (ask_command && way != COMPLETED && !is_said_by_command(options, c, way, choice))
		outcome = fail(sel, "the command says something else");
	else
		outcome = judge(options, c, logins, whole_bundle, whole,
						pgcs_choice_status(choice) == PGCS_NONE ? whole : choice,
						way, doubtful);
	pgcs_choice_free(choice);
	pgcs_choice_free(whole);
	pgcs_request_free(request);
	pgcs_bundle_free(bundle);
	pgcs_bundle_free(whole_bundle);
	pgcs_selector_free(sel);
	return outcome;
}

/* ---------- one case ---------- */

/* A server goes on with the old CA file if it cannot read the new one. */
static void
check_trusted(const Options *options, const Case *c)
{
	pgcs_selector *sel = pgcs_selector_new();
	Parameters	parameters;
	pgcs_request *request;
	pgcs_request *file;

	set_parameters(&parameters, &options->server, c);
	request = pgcs_request_probe(sel, parameters.keywords, parameters.values);
	file = request != NULL ? pgcs_request_from_ca_file(sel, c->ca_file) : NULL;
	if (file == NULL)
		die("%s", pgcs_error(sel));
	if (!is_named(request, file))
		die("the server does not name what is in %s", c->ca_file);
	pgcs_request_free(request);
	pgcs_request_free(file);
	pgcs_selector_free(sel);
}

static int
remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void) st;
	(void) kind;
	(void) ftw;
	return remove(path);
}

static void
run_case(const Options *options, uint64_t number)
{
	static Pki	pki;
	static Logins logins;
	Case		c;
	char	   *dir;
	char		line[192] = "";
	bool		keep = options->keep;
	bool		ask_command = options->pgcertsel != NULL && number % options->every == 0;

	if (asprintf(&dir, "%s/case-%llu", options->dir, (unsigned long long) number) < 0)
		die("out of memory");
	random_pki(&pki, options->seed, number);
	write_case(&c, &pki, dir, options->server_ca);
	set_trusted(&options->server, &c);
	check_trusted(options, &c);
	try_all(&logins, &options->server, &c);
	for (int way = 0; way < N_WAYS; way++)
	{
		bool		doubtful;
		Outcome		outcome = run_way(options, &c, &logins, (Way) way, ask_command,
									  &doubtful);
		size_t		len = strlen(line);

		snprintf(line + len, sizeof(line) - len, " %s=%s:%s", way_names[way],
				 outcome_names[outcome], doubtful ? "doubtful" : "certain");
		keep = keep || (outcome != RIGHT && (way != BY_NAME || !doubtful));
	}
	if (keep || options->verbose)
		print_logins(&logins);
	printf("%llu %d %d%s\n", (unsigned long long) number, logins.n, logins.n_accepted, line);
	if (keep)
		printf("#   kept: %s\n", dir);
	else
		nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	fflush(stdout);
	free_logins(&logins);
	free_case(&c);
	random_pki_free(&pki);
	free(dir);
}

int
main(int argc, char **argv)
{
	static const struct option known[] = {
		{"port", required_argument, NULL, 'p'},
		{"postmaster", required_argument, NULL, 'P'},
		{"server-ca-file", required_argument, NULL, 'f'},
		{"server-ca", required_argument, NULL, 'a'},
		{"dir", required_argument, NULL, 'd'},
		{"seed", required_argument, NULL, 's'},
		{"first", required_argument, NULL, 'i'},
		{"cases", required_argument, NULL, 'n'},
		{"even", required_argument, NULL, 'e'},
		{"command", required_argument, NULL, 'c'},
		{"every", required_argument, NULL, 'E'},
		{"keep", no_argument, NULL, 'k'},
		{"verbose", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	Options		options = {.seed = 1, .first = 1, .cases = 1, .every = 1};
	int			option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
	{
		switch (option)
		{
			case 'p':
				options.server.port = optarg;
				break;
			case 'P':
				options.server.postmaster = atol(optarg);
				break;
			case 'f':
				options.server.ca_file = optarg;
				break;
			case 'a':
				options.server_ca = optarg;
				break;
			case 'd':
				options.dir = optarg;
				break;
			case 's':
				options.seed = strtoull(optarg, NULL, 10);
				break;
			case 'i':
				options.first = strtoull(optarg, NULL, 10);
				break;
			case 'n':
				options.cases = strtoull(optarg, NULL, 10);
				break;
			case 'e':
				random_even(atoi(optarg));
				break;
			case 'c':
				options.pgcertsel = optarg;
				break;
			case 'E':
				options.every = strtoull(optarg, NULL, 10);
				break;
			case 'k':
				options.keep = 1;
				break;
			case 'v':
				options.verbose = 1;
				break;
			default:
				return 1;
		}
	}
	if (options.server.port == NULL || options.server.postmaster <= 1 ||
		options.server.ca_file == NULL || options.server_ca == NULL || options.dir == NULL ||
		options.every == 0)
		die("--port, --postmaster, --server-ca-file, --server-ca and --dir are needed");
	for (uint64_t i = 0; i < options.cases; i++)
		run_case(&options, options.first + i);
	pool_free();
	return 0;
}
