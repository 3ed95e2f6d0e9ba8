/*
 * test_memory.c
 *		Memory that runs out at every single allocation.
 *
 * The whole of bundle, request, select, load and format is run with the n-th
 * allocation failing, for every n until there is none left to fail.  Each
 * time either everything is as it should be, or the error is reported;
 * nothing crashes, and under a sanitizer that finds leaks, nothing leaks.
 *
 * The same for some of the many allocations that OpenSSL makes on the
 * library's behalf.  OpenSSL does not always say that memory was out, and
 * leaks some itself, so there only a crash, or an error without words, counts,
 * and leaks are not looked for.
 *
 * The linker sends the library's allocations here (--wrap, see Makefile).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "pgcertsel.h"
#include "pki.h"
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

/* OpenSSL makes tens of thousands: fewer and fewer of the later ones fail. */
#define OPENSSL_STEP 16

/* ---------- the allocator ---------- */

static long countdown;			/* 0: nothing fails */
static long n_allocations;		/* since it was set */
static bool failing_openssl;
static bool has_failed;

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t n, size_t size);
extern void *__real_realloc(void *p, size_t size);
extern char *__real_strdup(const char *text);
extern char *__real_strndup(const char *text, size_t n);
extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t n, size_t size);
extern void *__wrap_realloc(void *p, size_t size);
extern char *__wrap_strdup(const char *text);
extern char *__wrap_strndup(const char *text, size_t n);

/* Is it this one that fails? */
static bool
fails(void)
{
	n_allocations++;
	if (countdown == 0 || n_allocations != countdown)
		return false;
	has_failed = true;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return !failing_openssl && fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return !failing_openssl && fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return !failing_openssl && fails() ? NULL : __real_realloc(p, size);
}

char *
__wrap_strdup(const char *text)
{
	return !failing_openssl && fails() ? NULL : __real_strdup(text);
}

char *
__wrap_strndup(const char *text, size_t n)
{
	return !failing_openssl && fails() ? NULL : __real_strndup(text, n);
}

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return failing_openssl && fails() ? NULL : __real_malloc(size);
}

static void *
openssl_realloc(void *p, size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return failing_openssl && fails() ? NULL : __real_realloc(p, size);
}

static void
openssl_free(void *p, const char *file, int line)
{
	(void) file;
	(void) line;
	free(p);
}

/* ---------- what is run ---------- */

static const char *directory;
static const char *cert_path;
static const char *key_path;
static const char *ca_path;
static const char *chains;
static const char *p12_path;

/* What it should come to, found out while nothing failed. */
static char *wanted;

typedef struct Run
{
	pgcs_selector *sel;
	pgcs_bundle *bundle;
	pgcs_request *request;
	pgcs_choice *choice;
	char		text[65536];	/* all that was found, to compare */
	size_t		len;
	const char *failed_in;		/* the call that reported failure */
} Run;

static void
add(Run *run, const char *format,...)
{
	va_list		args;
	int			n;

	va_start(args, format);
	n = vsnprintf(run->text + run->len, sizeof(run->text) - run->len, format, args);
	va_end(args);
	if (n < 0 || (size_t) n >= sizeof(run->text) - run->len)
		die("the buffer of the test is too small");
	run->len += (size_t) n;
}

static bool
done(Run *run, bool success, const char *what)
{
	if (!success && run->failed_in == NULL)
		run->failed_in = what;
	return success;
}

static bool
set_up(Run *run)
{
	pgcs_selector *sel;

	run->sel = sel = pgcs_selector_new();
	return done(run, sel != NULL, "pgcs_selector_new") &&
		done(run, pgcs_add_directory(sel, directory) == PGCS_OK, "pgcs_add_directory") &&
		done(run, pgcs_add_pair(sel, cert_path, key_path, "sesame") == PGCS_OK, "pgcs_add_pair") &&
		done(run, pgcs_add_pair(sel, cert_path, NULL, NULL) == PGCS_OK, "pgcs_add_pair") &&
		done(run, pgcs_add_pair(sel, cert_path, "pkcs11:x", NULL) == PGCS_OK, "pgcs_add_pair") &&
		done(run, pgcs_add_lists(sel, cert_path, key_path, "sesame") == PGCS_OK, "pgcs_add_lists") &&
		done(run, pgcs_set_password(sel, key_path, "sesame") == PGCS_OK, "pgcs_set_password") &&
		done(run, pgcs_set_user(sel, "alice") == PGCS_OK, "pgcs_set_user") &&
		done(run, pgcs_add_policy(sel, "cn=alice or cn=bob") == PGCS_OK, "pgcs_add_policy") &&
		done(run, pgcs_set_root_file(sel, ca_path) == PGCS_OK, "pgcs_set_root_file") &&
		done(run, pgcs_set_chain_directory(sel, chains) == PGCS_OK, "pgcs_set_chain_directory") &&
		done(run, pgcs_set_unpack_directory(sel, chains) == PGCS_OK, "pgcs_set_unpack_directory") &&
		done(run, pgcs_set_password(sel, p12_path, "sesame") == PGCS_OK, "pgcs_set_password");
}

static void
describe_reason(Run *run, const pgcs_reason *reason)
{
	add(run, "  %d %s %s %s %s\n", (int) pgcs_reason_severity(reason),
		pgcs_reason_code(reason),
		pgcs_reason_file(reason) != NULL ? pgcs_reason_file(reason) : "-",
		pgcs_reason_text(reason), pgcs_reason_hint(reason));
}

static void
describe(Run *run)
{
	const pgcs_choice *choice = run->choice;

	add(run, "%d %s %s\n", (int) pgcs_choice_status(choice), pgcs_choice_text(choice),
		pgcs_choice_cert_path(choice) != NULL ? pgcs_choice_cert_path(choice) : "-");
	for (size_t i = 0; i < pgcs_choice_n_candidates(choice); i++)
	{
		const pgcs_candidate *candidate = pgcs_choice_candidate(choice, i);
		const pgcs_identity *identity = pgcs_candidate_identity(candidate);

		add(run, "%d %s %s %s %s %s\n", (int) pgcs_candidate_verdict(candidate),
			pgcs_identity_cert_path(identity), pgcs_identity_key_path(identity),
			pgcs_identity_subject(identity), pgcs_identity_issuer(identity),
			pgcs_identity_sans(identity));
		for (size_t j = 0; j < pgcs_candidate_n_reasons(candidate); j++)
			describe_reason(run, pgcs_candidate_reason(candidate, j));
	}
	for (size_t i = 0; i < pgcs_bundle_n_problems(run->bundle); i++)
		describe_reason(run, pgcs_bundle_problem(run->bundle, i));
}

static bool
format_all(Run *run)
{
	static const char *const keywords[] = {"host", "dbname", NULL};
	static const char *const values[] = {"a b", "d", NULL};

	for (int kind = PGCS_FORMAT_CONNINFO; kind <= PGCS_FORMAT_SERVICE; kind++)
	{
		char	   *text = pgcs_format(run->sel, run->choice, (pgcs_format_kind) kind,
									   keywords, values, PGCS_SHOW_PASSWORD);

		if (kind == PGCS_FORMAT_ENV && text == NULL &&
			pgcs_error_code(run->sel) == PGCS_INEXPRESSIBLE)
			continue;			/* a password has no variable */
		if (!done(run, text != NULL, "pgcs_format"))
			return false;
		add(run, "%s\n", text);
		pgcs_text_free(text);
	}
	return true;
}

/* Once, from the beginning to the end, as far as it goes. */
static void
run_once(Run *run, bool by_names)
{
	static const char *const names[] = {"CN=ca", "CN=other,O=x"};
	int			result = PGCS_FAILED;

	*run = (Run) {0};
	if (set_up(run) &&
		done(run, (run->bundle = pgcs_bundle_load(run->sel)) != NULL, "pgcs_bundle_load"))
	{
		run->request = by_names ? pgcs_request_from_names(run->sel, names, 2)
			: pgcs_request_from_ca_file(run->sel, ca_path);
		if (done(run, run->request != NULL, "pgcs_request_from") &&
			done(run, (run->choice = pgcs_select(run->sel, run->bundle, run->request, NOW)) != NULL,
				 "pgcs_select"))
		{
			result = pgcs_choice_load(run->sel, run->choice);
			done(run, result == PGCS_OK, "pgcs_choice_load");
		}
	}
	if (result == PGCS_OK && format_all(run))
		describe(run);
}

static void
clean_up(Run *run)
{
	pgcs_choice_free(run->choice);
	pgcs_request_free(run->request);
	pgcs_bundle_free(run->bundle);
	pgcs_selector_free(run->sel);
	ERR_clear_error();
}

/* ---------- one failure after the other ---------- */

static void
fail_each(bool by_names, const char *what)
{
	Run		   *run = calloc(1, sizeof(*run));
	long		n = 0;
	long		n_bad = 0;
	bool		more = true;

	while (more && n_bad < 10)
	{
		bool		reported;
		int			code;

		n += failing_openssl ? 1 + n / OPENSSL_STEP : 1;
		n_allocations = 0;
		has_failed = false;
		countdown = n;
		run_once(run, by_names);
		countdown = 0;
		more = has_failed;
		reported = run->failed_in != NULL;
		code = run->sel != NULL ? pgcs_error_code(run->sel) : PGCS_NO_MEMORY;
		if (!more && reported)
			ok(false, "%s: nothing failed, and yet %s did: %s", what, run->failed_in,
			   pgcs_error(run->sel));
		if (more && reported && code != PGCS_NO_MEMORY && !failing_openssl)
		{
			n_bad++;
			ok(false, "%s: allocation %ld failed, and %s says another error: %s",
			   what, n, run->failed_in, pgcs_error(run->sel));
		}
		if (reported && run->sel != NULL && pgcs_error(run->sel)[0] == '\0')
		{
			n_bad++;
			ok(false, "%s: allocation %ld failed, and %s has no words", what, n,
			   run->failed_in);
		}
		if (!reported && !failing_openssl && strcmp(run->text, wanted) != 0)
		{
			n_bad++;
			ok(false, "%s: allocation %ld failed, was not reported, and changed the result",
			   what, n);
			printf("# %s\n", run->text);
		}
		clean_up(run);
#ifdef FINDS_LEAKS
		/* which takes a while, so not each time: what leaked stays leaked */
		if ((n % 16 == 0 || !more) && __lsan_do_recoverable_leak_check() != 0)
		{
			n_bad++;
			ok(false, "%s: allocation %ld failed, and something leaked, at this or the 15 before", what, n);
		}
#endif
	}
	free(run);
	ok(n > 100 && n_bad == 0, "%s: allocations up to number %ld may fail", what, n);
}

static void
find_wanted(bool by_names)
{
	Run		   *run = calloc(1, sizeof(*run));

	/* twice: what OpenSSL makes once and keeps is there then */
	for (int i = 0; i < 2; i++)
	{
		run_once(run, by_names);
		if (run->failed_in != NULL)
			die("%s failed: %s", run->failed_in, pgcs_error(run->sel));
		free(wanted);
		wanted = strdup(run->text);
		clean_up(run);
	}
	free(run);
}

/* The newest, so that it is chosen, and unpacked. */
static char *
write_pkcs12(const char *name, const Cert *cert)
{
	char	   *path = test_path(name);
	FILE	   *file = fopen(path, "w");
	PKCS12	   *p12 = PKCS12_create("sesame", NULL, cert->key, cert->x509, NULL,
									NID_aes_256_cbc, NID_aes_256_cbc, 1, 1, 0);

	if (file == NULL || p12 == NULL || i2d_PKCS12_fp(file, p12) != 1 || fclose(file) != 0)
		die("could not write %s", path);
	PKCS12_free(p12);
	return path;
}

int
main(void)
{
	Cert		ca;
	Cert		int1;
	Cert		alice;
	Cert		bob;
	Cert		carol;
	bool		with_openssl =
		CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1;

	ca = make_cert((Wish) {.cn = "ca", .ca = true});
	int1 = make_cert((Wish) {.cn = "int", .ca = true, .issuer = &ca});
	alice = make_cert((Wish) {.cn = "alice", .issuer = &int1, .san = "DNS:alice"});
	bob = make_cert((Wish) {.cn = "bob", .issuer = &ca});
	carol = make_cert((Wish) {.cn = "alice", .issuer = &int1, .not_before = NOW - DAY});
	ca_path = write_cert("ca.crt", &ca);
	p12_path = write_pkcs12("carol.p12", &carol);
	free(write_cert("int.pem", &int1));
	free(write_cert("alice.crt", &alice));
	free(write_key("alice.key", &alice, NULL));
	cert_path = write_cert("bob.crt", &bob);
	key_path = write_key("bob.key", &bob, "sesame");
	free(write_text("noise.txt", "words\n", 0600));
	directory = test_dir();
	chains = test_path("chains");

	for (int by_names = 0; by_names < 2; by_names++)
	{
		find_wanted(by_names);
		failing_openssl = false;
		fail_each(by_names, by_names ? "by names" : "by certificates");
#ifdef FINDS_LEAKS
		continue;				/* it would find those of OpenSSL */
#endif
		if (!with_openssl)
			continue;
		failing_openssl = true;
		fail_each(by_names, by_names ? "by names, in OpenSSL" : "by certificates, in OpenSSL");
		failing_openssl = false;
	}
	free(wanted);
	free((char *) ca_path);
	free((char *) cert_path);
	free((char *) key_path);
	free((char *) chains);
	free((char *) p12_path);
	free_cert(&ca);
	free_cert(&int1);
	free_cert(&alice);
	free_cert(&bob);
	free_cert(&carol);
	return done_testing();
}
