/*
 * failing.c
 *		Memory that runs out at one allocation after the other.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>
#include <openssl/bio.h>
#include <openssl/err.h>

#include "failing.h"
#include "tap.h"

#if defined(__SANITIZE_ADDRESS__)
#define FINDS_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FINDS_LEAKS 1
#endif
#endif

#ifdef FINDS_LEAKS
#include <sanitizer/lsan_interface.h>
#endif

/*
 * OpenSSL makes thousands of allocations to read one key: about so many of
 * them fail, evenly spread, unless EVERY_ALLOCATION is set ("make
 * check-memory").
 */
#define OPENSSL_TRIES 250

/* Looking for leaks takes a while, and what leaked stays leaked. */
#define LEAK_STEP 64

/* ---------- what libpq allocates ---------- */

extern PGconn *__real_PQconnectStart(const char *conninfo);
extern PQconninfoOption *__real_PQconninfo(PGconn *conn);
extern PQconninfoOption *__real_PQconninfoParse(const char *conninfo, char **message);
extern unsigned char *__real_PQunescapeBytea(const unsigned char *text, size_t *len);
extern PGconn *__wrap_PQconnectStart(const char *conninfo);
extern PQconninfoOption *__wrap_PQconninfo(PGconn *conn);
extern PQconninfoOption *__wrap_PQconninfoParse(const char *conninfo, char **message);
extern unsigned char *__wrap_PQunescapeBytea(const unsigned char *text, size_t *len);

/* Each of these counts as one allocation of ours. */
PGconn *
__wrap_PQconnectStart(const char *conninfo)
{
	return allocator_fails(OWN) ? NULL : __real_PQconnectStart(conninfo);
}

PQconninfoOption *
__wrap_PQconninfo(PGconn *conn)
{
	return allocator_fails(OWN) ? NULL : __real_PQconninfo(conn);
}

PQconninfoOption *
__wrap_PQconninfoParse(const char *conninfo, char **message)
{
	return allocator_fails(OWN) ? NULL : __real_PQconninfoParse(conninfo, message);
}

unsigned char *
__wrap_PQunescapeBytea(const unsigned char *text, size_t *len)
{
	return allocator_fails(OWN) ? NULL : __real_PQunescapeBytea(text, len);
}

/*
 * libpq keeps its connection in its BIO by this function, does not look whether
 * that succeeded, and crashes later: nothing that we could do about.  Being
 * defined here it is what libpq calls, and it does not fail.
 */
__attribute__((visibility("default")))
int
BIO_set_ex_data(BIO *bio, int i, void *data)
{
	bool		was_paused = allocator_is_paused();
	void	   *real = dlsym(RTLD_NEXT, "BIO_set_ex_data");
	int			result;

	allocator_pause();
	result = ((int (*) (BIO *, int, void *)) real) (bio, i, data);
	if (!was_paused)
		allocator_resume();
	return result;
}

void
failing_init(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!allocator_init())
		die("OpenSSL does not take an allocator");
}

/* ---------- what a scenario comes to ---------- */

void
trial_add(Trial *trial, const char *format,...)
{
	va_list		args;
	int			n;

	va_start(args, format);
	n = vsnprintf(trial->text + trial->len, sizeof(trial->text) - trial->len,
				  format, args);
	va_end(args);
	if (n < 0 || (size_t) n >= sizeof(trial->text) - trial->len)
		die("the buffer of the test is too small");
	trial->len += (size_t) n;
}

bool
trial_done(Trial *trial, bool success, const char *call, const pgcs_selector *sel)
{
	if (success || trial->failed_in != NULL)
		return success;
	trial->failed_in = call;
	trial->code = sel != NULL ? pgcs_error_code(sel) : PGCS_NO_MEMORY;
	snprintf(trial->words, sizeof(trial->words), "%s",
			 sel != NULL ? pgcs_error(sel) : "out of memory");
	return false;
}

static void
add_reason(Trial *trial, const pgcs_reason *reason)
{
	trial_add(trial, "  %d %s %s %s %s\n", (int) pgcs_reason_severity(reason),
			  pgcs_reason_code(reason),
			  pgcs_reason_file(reason) != NULL ? pgcs_reason_file(reason) : "-",
			  pgcs_reason_text(reason), pgcs_reason_hint(reason));
}

static void
add_identity(Trial *trial, const pgcs_identity *identity)
{
	trial_add(trial, "%s %s %s %s %s %s %s %lld %lld %d\n",
			  pgcs_identity_cert_path(identity), pgcs_identity_key_path(identity),
			  pgcs_identity_subject(identity), pgcs_identity_issuer(identity),
			  pgcs_identity_sans(identity), pgcs_identity_fingerprint(identity),
			  pgcs_identity_key_type(identity),
			  (long long) pgcs_identity_not_before(identity),
			  (long long) pgcs_identity_not_after(identity),
			  pgcs_identity_key_encrypted(identity));
}

void
trial_add_bundle(Trial *trial, const pgcs_bundle *bundle)
{
	for (size_t i = 0; i < pgcs_bundle_n_identities(bundle); i++)
	{
		const pgcs_identity *identity = pgcs_bundle_identity(bundle, i);

		add_identity(trial, identity);
		for (size_t j = 0; j < pgcs_identity_n_reasons(identity); j++)
			add_reason(trial, pgcs_identity_reason(identity, j));
	}
	for (size_t i = 0; i < pgcs_bundle_n_problems(bundle); i++)
		add_reason(trial, pgcs_bundle_problem(bundle, i));
}

void
trial_add_request(Trial *trial, const pgcs_request *request)
{
	for (size_t host = 0; host < pgcs_request_n_hosts(request); host++)
	{
		trial_add(trial, "%s %d %s %s %d\n", pgcs_request_host(request, host),
				  (int) pgcs_request_answer(request, host),
				  pgcs_request_host_error(request, host),
				  pgcs_request_tls_version(request, host),
				  pgcs_request_knows_cas(request, host));
		for (size_t i = 0; i < pgcs_request_n_names(request, host); i++)
		{
			size_t		len;

			(void) pgcs_request_name_der(request, host, i, &len);
			trial_add(trial, "  %s (%zu)\n", pgcs_request_name(request, host, i), len);
		}
	}
}

void
trial_add_choice(Trial *trial, const pgcs_choice *choice)
{
	trial_add(trial, "%d %s %s %s %d\n", (int) pgcs_choice_status(choice),
			  pgcs_choice_text(choice),
			  pgcs_choice_cert_path(choice) != NULL ? pgcs_choice_cert_path(choice) : "-",
			  pgcs_choice_password(choice) != NULL ? pgcs_choice_password(choice) : "-",
			  pgcs_choice_is_certain(choice));
	if (pgcs_choice_status(choice) == PGCS_FOUND)
		snprintf(trial->chosen, sizeof(trial->chosen), "%s %s %s%s",
				 pgcs_choice_cert_path(choice), pgcs_choice_key_path(choice),
				 pgcs_choice_password(choice) != NULL ? "with a password" : "",
				 pgcs_choice_is_certain(choice) ? ", certain" : "");
	for (size_t i = 0; i < pgcs_choice_n_candidates(choice); i++)
	{
		const pgcs_candidate *candidate = pgcs_choice_candidate(choice, i);

		trial_add(trial, "%d ", (int) pgcs_candidate_verdict(candidate));
		add_identity(trial, pgcs_candidate_identity(candidate));
		for (size_t j = 0; j < pgcs_candidate_n_reasons(candidate); j++)
			add_reason(trial, pgcs_candidate_reason(candidate, j));
	}
}

/* ---------- one failure after the other ---------- */

/* How memory runs out. */
typedef struct Way
{
	Whose		whose;
	bool		for_good;		/* all from the one on */
	const char *words;
} Way;

/* Runs it with allocation n failing; 0: none. */
static void
run_once(const Scenario *scenario, Trial *trial, const Way *way, long n)
{
	trial->len = 0;
	trial->text[0] = '\0';
	trial->chosen[0] = '\0';
	trial->failed_in = NULL;
	trial->code = PGCS_OK;
	trial->words[0] = '\0';
	allocator_fail(way->whose, n, way->for_good);
	allocator_resume();
	scenario->run(trial);
	allocator_pause();
	ERR_clear_error();
}

/*
 * Whatever is wrong with a run in which an allocation failed.  OpenSSL does
 * not always say that it was memory, and then something may be taken for
 * broken that is not; but nothing may ever be chosen that would not have been.
 */
static const char *
what_is_wrong(const Trial *trial, const Trial *wanted, Whose whose)
{
	if (trial->failed_in == NULL && whose == OPENSSL)
		return trial->chosen[0] == '\0' || strcmp(trial->chosen, wanted->chosen) == 0
			? NULL : "changed the choice";
	if (trial->failed_in == NULL)
		return strcmp(trial->text, wanted->text) == 0
			? NULL : "was not reported, and changed the result";
	if (trial->code >= 0)
		return "was reported without a code";
	if (trial->words[0] == '\0')
		return "was reported without words";
	if (whose == OWN && trial->code != PGCS_NO_MEMORY)
		return "was reported as another error";
	return NULL;
}

static void
fail_each(const Scenario *scenario, Trial *trial, const Trial *wanted, const Way *way)
{
	long		step;
	long		n_tries = 0;
	long		n_reported = 0;
	long		n_bad = 0;

	run_once(scenario, trial, way, 0);
	step = way->whose == OWN || getenv("EVERY_ALLOCATION") != NULL ? 1
		: 1 + allocator_count() / OPENSSL_TRIES;
	for (long n = 1; n_bad < 10; n += step)
	{
		const char *wrong;

		run_once(scenario, trial, way, n);
		if (!allocator_has_failed())
			break;
		n_tries++;
		n_reported += trial->failed_in != NULL;
		wrong = what_is_wrong(trial, wanted, way->whose);
		if (wrong != NULL)
		{
			n_bad++;
			ok(false, "%s: %s, allocation %ld, %s", scenario->name, way->words, n, wrong);
			printf("# %s: %d: %s\n", trial->failed_in != NULL ? trial->failed_in : "",
				   trial->code, trial->words);
		}
#ifdef FINDS_LEAKS
		if (n_tries % LEAK_STEP == 0 && __lsan_do_recoverable_leak_check() != 0)
		{
			n_bad++;
			ok(false, "%s: %s, allocation %ld, or one of the %d before, leaks",
			   scenario->name, way->words, n, LEAK_STEP);
		}
#endif
	}
#ifdef FINDS_LEAKS
	if (__lsan_do_recoverable_leak_check() != 0)
	{
		n_bad++;
		ok(false, "%s: %s: leaks", scenario->name, way->words);
	}
#endif
	ok(n_bad == 0, "%s: %s (%ld, of which %ld are reported)",
	   scenario->name, way->words, n_tries, n_reported);
}

void
failing_each(const Scenario *scenario)
{
	static const Way ways[] = {
		{OWN, false, "one of the library's allocations fails"},
		{OWN, true, "the library's allocations fail from one on"},
		{OPENSSL, false, "one of OpenSSL's allocations fails"},
		{OPENSSL, true, "OpenSSL's allocations fail from one on"},
	};
	Trial	   *trial = calloc(1, sizeof(*trial));
	Trial	   *wanted = calloc(1, sizeof(*wanted));

	/* twice: what OpenSSL makes once and keeps is there then */
	for (int i = 0; i < 2; i++)
	{
		run_once(scenario, wanted, &ways[0], 0);
		if (wanted->failed_in != NULL)
			die("%s: %s failed: %s", scenario->name, wanted->failed_in, wanted->words);
	}
	for (int i = 0; i < 4; i++)
		fail_each(scenario, trial, wanted, &ways[i]);
	free(wanted);
	free(trial);
}
