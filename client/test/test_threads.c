/*
 * test_threads.c
 *		Threads that share what may be shared: a bundle, a request, a cache.
 *
 * Each thread has a selector of its own.  Under -fsanitize=thread ("make
 * check-threads") a race is an error even if nothing comes of it.  Threads
 * that connect to a real server are in t/105_client_connect.pl.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "pgcertsel.h"
#include "pki.h"
#include "request.h"
#include "tap.h"

#define N_THREADS 8
#define N_ROUNDS 20

static char *ca_file;
static char *folder;
static char *chains;
static pgcs_bundle *bundle;
static pgcs_request *by_names;
static pgcs_request *by_certificates;
static pgcs_cache *cache;
static pthread_barrier_t start;

/* What one thread found, compared when all have ended. */
typedef struct Worker
{
	pthread_t	thread;
	char		found[4096];
	const char *failed_in;
	int			n_cached;
} Worker;

static pgcs_selector *
new_selector(void)
{
	pgcs_selector *sel = pgcs_selector_new();

	if (sel == NULL || pgcs_add_directory(sel, folder) != PGCS_OK ||
		pgcs_set_user(sel, "alice") != PGCS_OK ||
		pgcs_set_chain_directory(sel, chains) != PGCS_OK ||
		pgcs_set_root_file(sel, ca_file) != PGCS_OK)
		die("no selector");
	return sel;
}

static void
choose(Worker *worker, pgcs_selector *sel, pgcs_bundle *from, const pgcs_request *request)
{
	pgcs_choice *choice = pgcs_select(sel, from, request, NOW);
	char	   *text = NULL;

	if (choice == NULL)
		worker->failed_in = "pgcs_select";
	else if (pgcs_choice_load(sel, choice) != PGCS_OK)
		worker->failed_in = "pgcs_choice_load";
	else if ((text = pgcs_format(sel, choice, PGCS_FORMAT_CONNINFO, NULL, NULL, 0)) == NULL)
		worker->failed_in = "pgcs_format";
	else
		snprintf(worker->found, sizeof(worker->found), "%s", text);
	pgcs_text_free(text);
	pgcs_choice_free(choice);
}

/* Few keys, so that threads meet at each. */
static void
use_cache(Worker *worker, int round)
{
	char		key[16];
	pgcs_request *request;

	snprintf(key, sizeof(key), "host %d", round % 4);
	request = pgcs_cache_get(cache, key);
	if (request == NULL)
		pgcs_cache_put(cache, key, round % 2 ? by_names : by_certificates);
	else
		worker->n_cached += pgcs_request_n_names(request, 0) == 1;
	pgcs_request_free(request);
	if (round % 5 == 4)
		pgcs_cache_forget(cache, key);
}

static void *
work(void *arg)
{
	Worker	   *worker = arg;
	pgcs_selector *sel = new_selector();
	pgcs_bundle *own = pgcs_bundle_ref(bundle);
	char		first[sizeof(worker->found)] = "";

	pthread_barrier_wait(&start);
	for (int round = 0; round < N_ROUNDS && worker->failed_in == NULL; round++)
	{
		choose(worker, sel, own, round % 2 ? by_names : by_certificates);
		if (round == 0)
			memcpy(first, worker->found, sizeof(first));
		else if (strcmp(first, worker->found) != 0)
			worker->failed_in = "a second choice";
		use_cache(worker, round);

		/* some read the files for themselves, and write the same chain */
		if (round % 10 == 9)
		{
			pgcs_bundle_free(own);
			own = pgcs_bundle_load(sel);
			if (own == NULL)
				worker->failed_in = "pgcs_bundle_load";
		}
	}
	pgcs_bundle_free(own);
	pgcs_selector_free(sel);
	return NULL;
}

int
main(void)
{
	static const char *const names[] = {"CN=ca"};
	Cert		ca = make_cert((Wish) {.cn = "ca", .ca = true});
	Cert		intermediate = make_cert((Wish) {.cn = "int", .ca = true, .issuer = &ca});
	Cert		alice = make_cert((Wish) {.cn = "alice", .issuer = &intermediate});
	Cert		bob = make_cert((Wish) {.cn = "bob", .issuer = &ca});
	Worker		workers[N_THREADS] = {0};
	pgcs_selector *sel;
	int			n_cached = 0;

	ca_file = write_cert("ca.crt", &ca);
	test_make_dir("folder");
	folder = test_path("folder");
	chains = test_path("chains");
	free(write_cert("folder/int.pem", &intermediate));
	free(write_cert("folder/alice.crt", &alice));
	free(write_key("folder/alice.key", &alice, NULL));
	free(write_cert("folder/bob.crt", &bob));
	free(write_key("folder/bob.key", &bob, NULL));
	sel = new_selector();
	bundle = pgcs_bundle_load(sel);
	by_names = pgcs_request_from_names(sel, names, 1);
	by_certificates = pgcs_request_from_ca_file(sel, ca_file);
	cache = pgcs_cache_new();
	if (bundle == NULL || by_names == NULL || by_certificates == NULL || cache == NULL ||
		pthread_barrier_init(&start, NULL, N_THREADS + 1) != 0)
		die("%s", pgcs_error(sel));

	for (int i = 0; i < N_THREADS; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			die("could not start a thread");

	/* the caller's own hold on what is shared ends while they work */
	pthread_barrier_wait(&start);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < N_THREADS; i++)
	{
		ok(workers[i].failed_in == NULL, "thread %d: all went well%s%s", i,
		   workers[i].failed_in != NULL ? ", but for " : "",
		   workers[i].failed_in != NULL ? workers[i].failed_in : "");
		has_text(workers[i].found, "/chains/alice-", "thread %d: it chose", i);
		is_text(workers[i].found, workers[0].found, "thread %d: what the others chose", i);
		n_cached += workers[i].n_cached;
	}
	ok(n_cached > 0, "the cache answered %d times", n_cached);

	pgcs_cache_free(cache);
	pgcs_request_free(by_names);
	pgcs_request_free(by_certificates);
	pthread_barrier_destroy(&start);
	free(ca_file);
	free(folder);
	free(chains);
	free_cert(&ca);
	free_cert(&intermediate);
	free_cert(&alice);
	free_cert(&bob);
	return done_testing();
}
