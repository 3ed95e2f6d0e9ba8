/*
 * fuzz_bundle.c
 *		Any bytes as the files of a bundle, all the way: read, paired, judged
 *		against a CA file of any bytes, opened as libpq would, written.
 *
 * Input: a byte of flags, then up to four files, each behind a line of its
 * own that holds only "=".  The fourth is the CA file.
 */
#include <openssl/err.h>

#include "fuzz.h"
#include "pgcertsel.h"

#define NOW INT64_C(1780272000)
#define N_FILES 4

static const char *const names[N_FILES] = {"a.crt", "a.key", "b.pem", "ca.pem"};
static char paths[N_FILES][128];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	setenv("HOME", fuzz_dir(), 1);
	for (int i = 0; i < N_FILES; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%s", fuzz_dir(), names[i]);
	return 0;
}

/* Bytes up to the next line "=", which is taken off too. */
static void
write_next(FuzzInput *input, const char *path)
{
	const		uint8_t *end = memmem(input->data, input->size, "\n=\n", 3);
	size_t		len = end != NULL ? (size_t) (end - input->data) + 1 : input->size;

	fuzz_write(path, input->data, len);
	if (end != NULL)
		len += 2;
	input->data += len;
	input->size -= len;
}

static void
check_reason(const pgcs_reason *reason)
{
	MUST(pgcs_reason_code(reason)[0] != '\0');
	MUST(pgcs_reason_severity(reason) <= PGCS_FATAL);
	fuzz_check_words(pgcs_reason_text(reason));
	fuzz_check_words(pgcs_reason_hint(reason));
}

static void
check_bundle(const pgcs_bundle *bundle)
{
	for (size_t i = 0; i < pgcs_bundle_n_problems(bundle); i++)
		check_reason(pgcs_bundle_problem(bundle, i));
	for (size_t i = 0; i < pgcs_bundle_n_identities(bundle); i++)
	{
		const pgcs_identity *identity = pgcs_bundle_identity(bundle, i);

		MUST(pgcs_identity_cert_path(identity) != NULL);
		fuzz_check_words(pgcs_identity_subject(identity));
		fuzz_check_words(pgcs_identity_issuer(identity));
		fuzz_check_words(pgcs_identity_sans(identity));
		MUST(strlen(pgcs_identity_fingerprint(identity)) == 64);
		(void) pgcs_identity_not_after(identity);
		(void) pgcs_identity_key_encrypted(identity);
		for (size_t j = 0; j < pgcs_identity_n_reasons(identity); j++)
			check_reason(pgcs_identity_reason(identity, j));
	}
}

static void
check_choice(pgcs_selector *sel, pgcs_choice *choice)
{
	for (size_t i = 0; i < pgcs_choice_n_candidates(choice); i++)
	{
		const pgcs_candidate *candidate = pgcs_choice_candidate(choice, i);

		for (size_t j = 0; j < pgcs_candidate_n_reasons(candidate); j++)
			check_reason(pgcs_candidate_reason(candidate, j));
	}
	for (int kind = PGCS_FORMAT_CONNINFO; kind <= PGCS_FORMAT_SERVICE; kind++)
	{
		char	   *text = pgcs_format(sel, choice, kind, NULL, NULL, 0);

		MUST(text != NULL || pgcs_error_code(sel) == PGCS_INEXPRESSIBLE);
		MUST(text == NULL || strstr(text, "swordfish") == NULL);
		pgcs_text_free(text);
	}
	fuzz_check_words(pgcs_choice_text(choice));
	MUST((pgcs_choice_status(choice) == PGCS_FOUND) == (pgcs_choice_cert_path(choice) != NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	FuzzInput	input = {data, size};
	unsigned char flags = fuzz_byte(&input);
	pgcs_selector *sel = pgcs_selector_new();
	pgcs_bundle *bundle;
	pgcs_request *request;
	pgcs_choice *choice;

	MUST(sel != NULL);
	for (int i = 0; i < N_FILES; i++)
		write_next(&input, paths[i]);
	if (flags & 1)
		MUST(pgcs_add_directory(sel, fuzz_dir()) == PGCS_OK);
	else
	{
		MUST(pgcs_add_pair(sel, paths[0], flags & 2 ? NULL : paths[1],
						   flags & 4 ? "swordfish" : NULL) == PGCS_OK);
		MUST(pgcs_add_file(sel, paths[2]) == PGCS_OK);
	}
	if (flags & 8)
		MUST(pgcs_set_password(sel, NULL, "swordfish") == PGCS_OK);
	if (flags & 16)
		MUST(pgcs_set_root_file(sel, paths[3]) == PGCS_OK);
	if (flags & 32)
		MUST(pgcs_set_user(sel, "alice") == PGCS_OK);
	if (flags & 64)
		MUST(pgcs_add_policy(sel, "cn=%role eku=clientAuth ca=\"CN=one\"") == PGCS_OK);

	bundle = pgcs_bundle_load(sel);
	fuzz_check_words(pgcs_error(sel));
	request = pgcs_request_from_ca_file(sel, paths[3]);
	fuzz_check_words(pgcs_error(sel));
	if (bundle != NULL)
		check_bundle(bundle);
	if (request == NULL)
	{
		static const char *const known[] = {"CN=one", "CN=mid,O=Example"};

		request = pgcs_request_from_names(sel, known, 2);
		MUST(request != NULL);
	}
	if (bundle != NULL)
	{
		choice = pgcs_select(sel, bundle, request, NOW);
		MUST(choice != NULL);
		check_choice(sel, choice);
		(void) pgcs_choice_load(sel, choice);
		check_choice(sel, choice);
		pgcs_choice_free(choice);
	}
	for (size_t i = 0; i < pgcs_request_n_names(request, 0); i++)
		fuzz_check_words(pgcs_request_name(request, 0, i));
	pgcs_request_free(request);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	MUST(ERR_peek_error() == 0);
	return 0;
}
