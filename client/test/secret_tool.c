/*
 * secret_tool.c
 *		Is a secret left in memory after the library has used it?  For
 *		t/153_client_secrets.pl.
 *
 *	secret_tool CERT KEY CAFILE PASSWORD
 *
 * The key's password comes as hex with each byte XOR 0x5a, so that this program
 * does not hold it itself.  It chooses the certificate, opens the key, writes
 * the choice with its password, and frees everything; then it looks through all
 * of its writable memory, and prints how often the password was there "before"
 * the end and "after".
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "pgcertsel.h"

#define MASK 0x5a
#define MAX_LEN 256

static unsigned char masked[MAX_LEN];
static size_t masked_len;
static char maps[256 * 1024];

static void
take_secret(const char *hex)
{
	for (; hex[0] != '\0' && hex[1] != '\0' && masked_len < MAX_LEN; hex += 2)
	{
		unsigned int byte = 0;

		sscanf(hex, "%2x", &byte);
		masked[masked_len++] = (unsigned char) byte;
	}
}

static long
count_in(const volatile unsigned char *from, const volatile unsigned char *to)
{
	long		n = 0;

	for (; from + masked_len <= to; from++)
	{
		size_t		i = 0;

		while (i < masked_len && (from[i] ^ MASK) == masked[i])
			i++;
		n += i == masked_len;
	}
	return n;
}

/*
 * In every writable part of the address space, stack and heap among them.  From
 * 3.6 on, OpenSSL leaves a copy on the stack when it opens a key, until other
 * calls write over it; that is not ours to wipe.
 */
static long
count(void)
{
	FILE	   *file = fopen("/proc/self/maps", "r");
	size_t		len = fread(maps, 1, sizeof(maps) - 1, file);
	long		n = 0;

	maps[len] = '\0';
	fclose(file);
	for (const char *line = maps; line != NULL && *line != '\0';)
	{
		unsigned long from;
		unsigned long to;
		char		mode[5];

		const char *end = line + strcspn(line, "\n");
		bool		is_stack = end - line > 7 && strncmp(end - 7, "[stack]", 7) == 0;

		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && strncmp(mode, "rw", 2) == 0 &&
			!(is_stack && OpenSSL_version_num() >= 0x30600000L))
			n += count_in((const unsigned char *) from, (const unsigned char *) to);
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return n;
}

static int
fail(const pgcs_selector *sel)
{
	printf("error: %s\n", pgcs_error(sel));
	return 1;
}

int
main(int argc, char **argv)
{
	pgcs_selector *sel = pgcs_selector_new();
	char		password[MAX_LEN + 1] = "";
	pgcs_bundle *bundle;
	pgcs_request *request;
	pgcs_choice *choice;
	char	   *text;
	long		before;
	int			result;

	if (argc != 5 || sel == NULL)
		return 2;
	take_secret(argv[4]);
	for (size_t i = 0; i < masked_len; i++)
		password[i] = (char) (masked[i] ^ MASK);
	result = pgcs_add_pair(sel, argv[1], argv[2], password);
	if (result == PGCS_OK)
		result = pgcs_add_lists(sel, argv[1], argv[2], password);
	if (result == PGCS_OK)
		result = pgcs_set_password(sel, argv[2], password);
	OPENSSL_cleanse(password, sizeof(password));
	if (result != PGCS_OK || (bundle = pgcs_bundle_load(sel)) == NULL ||
		(request = pgcs_request_from_ca_file(sel, argv[3])) == NULL ||
		(choice = pgcs_select(sel, bundle, request, (int64_t) time(NULL))) == NULL ||
		pgcs_choice_load(sel, choice) != PGCS_OK)
		return fail(sel);
	for (int kind = PGCS_FORMAT_CONNINFO; kind <= PGCS_FORMAT_SERVICE; kind++)
	{
		text = pgcs_format(sel, choice, (pgcs_format_kind) kind, NULL, NULL, PGCS_SHOW_PASSWORD);
		if (text == NULL && pgcs_error_code(sel) != PGCS_INEXPRESSIBLE)
			return fail(sel);
		pgcs_text_free(text);
	}
	printf("%s\n", pgcs_choice_text(choice));
	before = count();
	pgcs_choice_free(choice);
	pgcs_request_free(request);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	printf("before %ld after %ld\n", before, count());
	return 0;
}
