/*
 * choice.c
 *		The choice, and what is to be said of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choice.h"
#include "selector.h"

/* The seed's message, word for word. */
#define NOTHING_SUITABLE \
	"Server requests a client certificate but no suitable certificate is found from sslcert list provided"

static void
set_status(pgcs_choice *choice, pgcs_status status, const char *text)
{
	free(choice->text);
	choice->status = status;
	choice->text = strdup(text);
	if (status != PGCS_FOUND)
		choice->winner = NULL;
}

/* "CN=a (/path/a.crt) and CN=b (/path/b.crt) fit equally well" */
static void
set_rivals_text(pgcs_choice *choice, pgcs_status status, const char *why)
{
	const pgcs_identity *a = choice->winner->identity;
	const pgcs_identity *b = choice->rival->identity;
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *text;

	pgcert_buf_printf(&buf, "\"%s\" (", a->subject);
	pgcert_buf_escaped(&buf, a->cert_path, strlen(a->cert_path));
	pgcert_buf_printf(&buf, ") and \"%s\" (", b->subject);
	pgcert_buf_escaped(&buf, b->cert_path, strlen(b->cert_path));
	pgcert_buf_printf(&buf, ") fit equally well%s", why);
	text = pgcert_buf_take(&buf);
	set_status(choice, status, text != NULL ? text : "");
	if (text == NULL)
	{
		free(choice->text);
		choice->text = NULL;
	}
	free(text);
}

bool
pgcs_choice_decide(pgcs_selector *sel, pgcs_choice *choice)
{
	pgcs_candidate *best;

	if (!pgcs_find_best(sel, choice))
		return false;
	best = choice->n_candidates > 0 ? choice->candidates[0] : NULL;
	choice->winner = NULL;
	choice->rival = NULL;
	if (best == NULL || best->verdict == PGCS_VERDICT_UNUSABLE)
	{
		set_status(choice, PGCS_NONE, NOTHING_SUITABLE);
		return choice->text != NULL;
	}
	choice->winner = best;
	for (size_t i = 1; i < choice->n_candidates && choice->rival == NULL; i++)
		if (pgcs_is_rival(best, choice->candidates[i]))
			choice->rival = choice->candidates[i];
	if (choice->rival == NULL)
		set_status(choice, PGCS_FOUND, "found");
	else if (choice->unnamed && !best->confirmed)
		set_rivals_text(choice, PGCS_AMBIGUOUS,
						", and the server names no CA that would decide: name the role (-U), give its policy, or use --confirm");
	else if (choice->strict)
		set_rivals_text(choice, PGCS_AMBIGUOUS, "");
	else
		set_rivals_text(choice, PGCS_FOUND, "; the first was chosen");
	return choice->text != NULL;
}

/* What the hosts together want: the strictest answer that any gave. */
static pgcs_answer
overall_answer(const pgcs_request *request)
{
	pgcs_answer answer = PGCS_ANSWER_NONE;

	for (size_t i = 0; i < request->n_hosts; i++)
		if (request->hosts[i].answer > answer)
			answer = request->hosts[i].answer;
	return answer;
}

static void
set_no_tls(pgcs_choice *choice, const pgcs_request *request)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *text;

	pgcert_buf_text(&buf, "no TLS, so no certificate can be sent");
	for (size_t i = 0; i < request->n_hosts; i++)
		if (request->hosts[i].error[0] != '\0')
			pgcert_buf_printf(&buf, "; %s: %s", request->hosts[i].label,
							  request->hosts[i].error);
	text = pgcert_buf_take(&buf);
	set_status(choice, PGCS_NO_TLS,
			   text != NULL ? text : "no TLS, so no certificate can be sent");
	free(text);
}

static pgcs_choice *
choose(pgcs_selector *sel, pgcs_bundle *bundle, const pgcs_request *request,
	   int64_t now, bool all)
{
	pgcs_choice *choice = calloc(1, sizeof(*choice));
	pgcs_answer answer = overall_answer(request);

	pgcs_clear_error(sel);
	if (choice == NULL)
		goto no_memory;
	choice->bundle = pgcs_bundle_ref(bundle);
	choice->request = pgcs_request_ref((pgcs_request *) request);
	choice->now = now;
	if (sel->user != NULL && (choice->user = strdup(sel->user)) == NULL)
		goto no_memory;
	choice->strict = sel->strict;
	choice->policy_known = sel->n_policies + request->n_policies > 0;
	for (size_t i = 0; i < request->n_hosts; i++)
		if (request->hosts[i].answer == PGCS_ANSWER_UNNAMED)
			choice->unnamed = true;
	if (!pgcs_line_up(choice, all) ||
		(all && !pgcs_judge_waiting(sel, choice)) ||
		!pgcs_choice_decide(sel, choice))
		goto no_memory;
	if (answer == PGCS_ANSWER_NO_TLS)
		set_no_tls(choice, request);
	else if (answer == PGCS_ANSWER_NOT_WANTED)
		set_status(choice, PGCS_NOT_WANTED,
				   "the server does not ask for a client certificate");
	else if (answer == PGCS_ANSWER_NONE)
		set_status(choice, PGCS_NONE, "no host could be asked");
	if (choice->text == NULL)
		goto no_memory;
	return choice;

no_memory:
	pgcs_choice_free(choice);
	pgcs_fail_memory(sel);
	return NULL;
}

pgcs_choice *
pgcs_select(pgcs_selector *sel, pgcs_bundle *bundle, const pgcs_request *request,
			int64_t now)
{
	return choose(sel, bundle, request, now, false);
}

pgcs_choice *
pgcs_check(pgcs_selector *sel, pgcs_bundle *bundle, const pgcs_request *request,
		   int64_t now)
{
	return choose(sel, bundle, request, now, true);
}

void
pgcs_choice_free(pgcs_choice *choice)
{
	if (choice == NULL)
		return;
	for (size_t i = 0; i < choice->n_candidates; i++)
		pgcs_candidate_free(choice->candidates[i]);
	free(choice->candidates);
	free(choice->bounds);
	free(choice->waiting);
	free(choice->user);
	free(choice->text);
	pgcs_request_free(choice->request);
	pgcs_bundle_free(choice->bundle);
	free(choice);
}

/* ---------- accessors: see pgcertsel.h ---------- */

pgcs_status
pgcs_choice_status(const pgcs_choice *choice)
{
	return choice->status;
}

const char *
pgcs_choice_text(const pgcs_choice *choice)
{
	return choice->text;
}

const char *
pgcs_choice_cert_path(const pgcs_choice *choice)
{
	return choice->winner != NULL ? choice->winner->identity->cert_path : NULL;
}

const char *
pgcs_choice_key_path(const pgcs_choice *choice)
{
	return choice->winner != NULL ? choice->winner->identity->key_path : NULL;
}

const char *
pgcs_choice_password(const pgcs_choice *choice)
{
	return choice->winner != NULL ? choice->winner->identity->password : NULL;
}

int
pgcs_choice_is_certain(const pgcs_choice *choice)
{
	return choice->winner != NULL &&
		choice->winner->verdict == PGCS_VERDICT_CERTAIN;
}

const pgcs_candidate *
pgcs_choice_rival(const pgcs_choice *choice)
{
	return choice->rival;
}

size_t
pgcs_choice_n_candidates(const pgcs_choice *choice)
{
	return choice->n_candidates;
}

const pgcs_candidate *
pgcs_choice_candidate(const pgcs_choice *choice, size_t i)
{
	return i < choice->n_candidates ? choice->candidates[i] : NULL;
}

pgcs_verdict
pgcs_candidate_verdict(const pgcs_candidate *candidate)
{
	return candidate->verdict;
}

pgcs_verdict
pgcs_candidate_host_verdict(const pgcs_candidate *candidate, size_t host)
{
	return host < candidate->n_hosts ? candidate->host_verdicts[host]
		: PGCS_VERDICT_UNUSABLE;
}

const pgcs_identity *
pgcs_candidate_identity(const pgcs_candidate *candidate)
{
	return candidate->identity;
}

size_t
pgcs_candidate_n_reasons(const pgcs_candidate *candidate)
{
	return candidate->identity->reasons.n + candidate->reasons.n;
}

const pgcs_reason *
pgcs_candidate_reason(const pgcs_candidate *candidate, size_t i)
{
	size_t		own = candidate->identity->reasons.n;

	if (i < own)
		return candidate->identity->reasons.items[i];
	return i - own < candidate->reasons.n ? candidate->reasons.items[i - own] : NULL;
}
