/*
 * wipe.c
 *		Uses the library with passwords and keys, and stops where a test wants
 *		to look at its memory.
 *
 *	wipe BUNDLE PASSWORDS CA-FILE UNPACK-DIRECTORY
 *
 * PASSWORDS has lines "KEYFILE:PASSWORD"; what is read of it is wiped here.
 * At each stop it prints a word, and goes on when it reads a line.
 *
 * OpenSSL leaves some numbers of keys in memory that it frees, so here it gets
 * an allocator that wipes: what is left then is the library's fault.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "pgcertsel.h"

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return malloc(size);
}

static void
openssl_free(void *memory, const char *file, int line)
{
	(void) file;
	(void) line;
	if (memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

static void *
openssl_realloc(void *memory, size_t size, const char *file, int line)
{
	void	   *moved = malloc(size);
	size_t		had = memory != NULL ? malloc_usable_size(memory) : 0;

	if (moved != NULL && had > 0)
		memcpy(moved, memory, had < size ? had : size);
	if (moved != NULL)
		openssl_free(memory, file, line);
	return moved;
}

static void
stop(const char *word)
{
	char		c = '\0';

	dprintf(STDOUT_FILENO, "%s\n", word);
	while (c != '\n')
		if (read(STDIN_FILENO, &c, 1) != 1)
			exit(3);
}

static void
must(int condition, const pgcs_selector *sel)
{
	if (condition)
		return;
	dprintf(STDERR_FILENO, "%s\n", pgcs_error(sel));
	exit(2);
}

/* No stdio: its buffers would keep what was read. */
static void
give_passwords(pgcs_selector *sel, const char *path)
{
	char		text[4096];
	int			fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t		len = read(fd, text, sizeof(text) - 1);
	char	   *next = text;
	char	   *line;

	must(len > 0, sel);
	close(fd);
	text[len] = '\0';
	while ((line = strsep(&next, "\n")) != NULL && *line != '\0')
	{
		char	   *colon = strchr(line, ':');

		*colon = '\0';
		must(pgcs_set_password(sel, line, colon + 1) == PGCS_OK, sel);
	}
	explicit_bzero(text, sizeof(text));
}

int
main(int argc, char **argv)
{
	pgcs_selector *sel;
	pgcs_bundle *bundle;
	pgcs_request *request;

	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		return 1;
	sel = pgcs_selector_new();
	if (argc != 5 || sel == NULL)
		return 1;
	must(pgcs_add_directory(sel, argv[1]) == PGCS_OK, sel);
	give_passwords(sel, argv[2]);
	must(pgcs_set_unpack_directory(sel, argv[4]) == PGCS_OK, sel);
	must((bundle = pgcs_bundle_load(sel)) != NULL, sel);
	must((request = pgcs_request_from_ca_file(sel, argv[3])) != NULL, sel);
	stop("bundle");

	/* each of them in turn */
	for (size_t i = 0; i < pgcs_bundle_n_identities(bundle); i++)
	{
		const pgcs_identity *identity = pgcs_bundle_identity(bundle, i);
		const char *name = pgcs_identity_subject(identity) + strlen("CN=");
		pgcs_choice *choice;
		char	   *text;

		must(pgcs_set_user(sel, name) == PGCS_OK, sel);
		must((choice = pgcs_select(sel, bundle, request, (int64_t) time(NULL))) != NULL, sel);
		must(pgcs_choice_load(sel, choice) == PGCS_OK, sel);
		must(pgcs_choice_status(choice) == PGCS_FOUND, sel);
		dprintf(STDOUT_FILENO, "# %s: %s\n", name, pgcs_choice_cert_path(choice));
		for (int format = 0; format < 2; format++)
		{
			must((text = pgcs_format(sel, choice, format ? PGCS_FORMAT_JSON : PGCS_FORMAT_CONNINFO,
									 NULL, NULL, PGCS_SHOW_PASSWORD)) != NULL, sel);
			pgcs_text_free(text);
		}
		pgcs_choice_free(choice);
	}
	stop("chosen");
	pgcs_request_free(request);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	stop("freed");
	return 0;
}
