/*
 * confirm.c
 *		Asks the server itself: a handshake with the certificate, and nothing
 *		more.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "choice.h"
#include "connection.h"
#include "selector.h"

/*
 * Each refusal leaves a line in the server's log, and a server that refuses
 * so many will refuse the others.
 */
#define MAX_TRIES 32

typedef enum Proof
{
	ACCEPTED,
	REJECTED,
	NOT_ASKED,					/* no TLS, or no certificate wanted */
	REPLACED,					/* libpq loaded another certificate, or none */
	NOT_SENT,					/* OpenSSL had no signature to go with it */
	NOT_LOADED,					/* libpq could not load the key */
	NO_ANSWER,					/* the server could not be reached */
	NO_MEMORY,
} Proof;

/* Does the host ask for a certificate, or get beyond that, without one? */
static bool
is_there(const PgcsTarget *target, const PQconninfoOption *options, int timeout_ms)
{
	char	   *conninfo = pgcs_target_conninfo(target, options, NULL, NULL, NULL);
	PgcsHandshake handshake;
	bool		there = false;

	if (conninfo != NULL && pgcs_handshake_start(&handshake, conninfo))
	{
		pgcs_handshake_run(&handshake, timeout_ms);
		there = handshake.state == PGCS_HANDSHAKE_DONE ||
			(handshake.ssl != NULL && pgcs_handshake_was_asked(&handshake));
		pgcs_handshake_end(&handshake);
	}
	pgcs_secret_free(conninfo);
	return there;
}

/* libpq opens the files anew, and sends none if it finds none. */
static bool
was_loaded(const PgcsHandshake *handshake, X509 *cert)
{
	X509	   *loaded = SSL_get_certificate(handshake->ssl);

	return loaded != NULL && X509_cmp(loaded, cert) == 0;
}

/*
 * Whoever sends a certificate signs.  Where the server allows no signature
 * that the key can make, OpenSSL sends an empty list instead, with which a
 * server that demands nothing is content.
 */
static bool
was_sent(const PgcsHandshake *handshake)
{
	int			digest;

	return SSL_get_signature_nid(handshake->ssl, &digest) == 1;
}

/* One candidate before one host; *words says why it was not accepted. */
static Proof
try_host(const pgcs_selector *sel, const pgcs_identity *identity,
		 const PgcsTarget *target, const PQconninfoOption *options, char **words)
{
	PgcsHandshake handshake;
	char	   *conninfo;
	bool		timed_out;
	Proof		proof;
	int			timeout_ms = pgcs_effective_timeout(sel, options);

	*words = NULL;
	if (pgcs_target_without_tls(target, options) != NULL)
		return NOT_ASKED;
	conninfo = pgcs_target_conninfo(target, options, identity->cert_path,
									identity->key_path, identity->password);
	if (conninfo == NULL)
		return NO_MEMORY;
	if (!pgcs_handshake_start(&handshake, conninfo))
	{
		pgcs_secret_free(conninfo);
		return NO_MEMORY;
	}
	pgcs_secret_free(conninfo);
	pgcs_handshake_run(&handshake, timeout_ms);
	switch (handshake.state)
	{
		case PGCS_HANDSHAKE_DONE:
			if (!pgcs_handshake_was_asked(&handshake))
				proof = NOT_ASKED;
			else if (!was_loaded(&handshake, identity->leaf))
				proof = REPLACED;
			else if (!was_sent(&handshake))
				proof = NOT_SENT;
			else if (pgcs_handshake_listen(&handshake, timeout_ms, words, &timed_out))
				proof = ACCEPTED;
			else
				proof = timed_out ? NO_ANSWER : REJECTED;
			break;
		case PGCS_HANDSHAKE_NO_TLS:
			proof = NOT_ASKED;
			break;
		default:

			/*
			 * Before the server has asked, a failure says nothing about the
			 * certificate, unless libpq could not load it: then no SSL object
			 * came about although the server was reached.
			 */
			proof = pgcs_handshake_was_refused(&handshake) ? REJECTED : NO_ANSWER;
			*words = handshake.error;
			handshake.error = NULL;
			break;
	}
	pgcs_handshake_end(&handshake);

	/* what a file holds was loaded before; an engine's key libpq alone can */
	if (proof == NO_ANSWER && pgcs_files_changed(identity))
		proof = REPLACED;
	else if (proof == NO_ANSWER && identity->key_by_engine &&
			 is_there(target, options, timeout_ms))
		proof = NOT_LOADED;
	return proof;
}

/*
 * The candidate before every host.  REJECTED, with a reason added, by one is
 * enough, and so is a key that libpq cannot load, or that it cannot sign with.
 */
static Proof
try_candidate(pgcs_selector *sel, pgcs_candidate *candidate,
			  const PgcsTarget *targets, size_t n, const PQconninfoOption *options)
{
	Proof		sum = NOT_ASKED;

	for (size_t i = 0; i < n; i++)
	{
		char	   *words;
		Proof		proof = try_host(sel, candidate->identity, &targets[i],
									 options, &words);

		if (proof == REJECTED)
			pgcs_reasons_add(&candidate->reasons, PGCS_FATAL, "refused-by-server",
							 NULL, "%s refused it: %s", targets[i].label,
							 words != NULL ? words : "no reason given");
		else if (proof == NOT_LOADED)
			pgcs_reasons_add(&candidate->reasons, PGCS_FATAL, "key-unusable",
							 NULL, "libpq cannot load the key: %s",
							 words != NULL ? words : "no reason given");
		else if (proof == NOT_SENT)
			pgcs_reasons_add(&candidate->reasons, PGCS_FATAL, "signature-algorithm",
							 NULL, "libpq sends no certificate to %s, which allows no signature that its key can make",
							 targets[i].label);
		else if (proof == NO_ANSWER && sum != ACCEPTED)
			pgcs_fail(sel, PGCS_UNREACHABLE, "could not confirm with %s: %s",
					  targets[i].label, words != NULL ? words : "no reason given");
		free(words);
		if (proof == NOT_LOADED || proof == NOT_SENT)
			proof = REJECTED;
		if (proof == REJECTED || proof == REPLACED || proof == NO_MEMORY)
			return proof;
		if (proof == ACCEPTED || sum == NOT_ASKED)
			sum = proof;
	}
	return sum;
}

/* What is ruled out by what holds for most servers comes last, but it comes. */
static bool
is_worth_trying(const pgcs_choice *choice)
{
	return choice->n_candidates > 0 &&
		(choice->candidates[0]->verdict != PGCS_VERDICT_UNUSABLE ||
		 choice->candidates[0]->presumed);
}

int
pgcs_confirm(pgcs_selector *sel, pgcs_choice *choice,
			 const char *const *keywords, const char *const *values)
{
	PQconninfoOption *options = NULL;
	PgcsTarget *targets = NULL;
	size_t		n = 0;
	int			tries = 0;
	int			result = PGCS_OK;

	pgcs_clear_error(sel);
	if (choice->status != PGCS_FOUND && choice->status != PGCS_AMBIGUOUS &&
		(choice->status != PGCS_NONE || !is_worth_trying(choice)))
		return PGCS_OK;
	options = pgcs_resolve(sel, keywords, values);
	if (options == NULL)
		return sel->error_code;
	targets = pgcs_targets(sel, options, &n);
	if (targets == NULL)
	{
		result = sel->error_code;
		goto out;
	}
	for (;;)
	{
		pgcs_candidate *candidate;
		Proof		proof;

		if (!is_worth_trying(choice))
			break;
		candidate = choice->candidates[0];
		if (tries == MAX_TRIES)
		{
			result = pgcs_fail(sel, PGCS_FAILED,
							   "the server refused the best %d candidates; the others were not tried",
							   MAX_TRIES);
			break;
		}

		/* libpq sends nothing if the file is not there, and is let in */
		switch (pgcs_load_candidate(sel, candidate))
		{
			case PGCS_LOAD_DONE:
				break;
			case PGCS_LOAD_REFUSED:
				pgcs_candidate_conclude(candidate);
				if (!pgcs_find_best(sel, choice))
				{
					result = pgcs_fail_memory(sel);
					goto out;
				}
				continue;
			case PGCS_LOAD_CHANGED:
				result = pgcs_fail(sel, PGCS_CHANGED,
								   "certificate or key changed while it was being confirmed");
				goto out;
			case PGCS_LOAD_NO_MEMORY:
				result = pgcs_fail_memory(sel);
				goto out;
		}
		tries++;
		proof = try_candidate(sel, candidate, targets, n, options);
		switch (proof)
		{
			case REPLACED:
				result = pgcs_fail(sel, PGCS_CHANGED,
								   "certificate or key changed while it was being confirmed");
				goto out;
			case ACCEPTED:
				candidate->confirmed = true;
				pgcs_reasons_add(&candidate->reasons, PGCS_NOTE,
								 "accepted-by-server", NULL,
								 "the server's TLS accepted it");
				break;
			case REJECTED:
			case NOT_LOADED:
			case NOT_SENT:
			case NOT_ASKED:
				break;
			case NO_ANSWER:
				result = sel->error_code;
				goto out;
			case NO_MEMORY:
				result = pgcs_fail_memory(sel);
				goto out;
		}
		if (candidate->reasons.failed)
		{
			result = pgcs_fail_memory(sel);
			goto out;
		}
		pgcs_candidate_conclude(candidate);
		if (proof != REJECTED)
			break;
		if (!pgcs_find_best(sel, choice))
		{
			result = pgcs_fail_memory(sel);
			goto out;
		}
	}
	if (!pgcs_choice_decide(sel, choice))
		result = pgcs_fail_memory(sel);
out:
	pgcs_targets_free(targets, n);
	PQconninfoFree(options);
	ERR_clear_error();
	return result;
}
