/*
 * format_json.c
 *		The choice for programs: every candidate with its reasons, and the
 *		files that gave none.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "choice.h"
#include "format.h"
#include "json.h"

static const char *
status_word(const pgcs_choice *choice)
{
	if (choice == NULL)
		return "error";
	switch (choice->status)
	{
		case PGCS_FOUND:
			return "found";
		case PGCS_NONE:
			return "none";
		case PGCS_AMBIGUOUS:
			return "ambiguous";
		case PGCS_NO_TLS:
			return "no-tls";
		case PGCS_NOT_WANTED:
			return "not-wanted";
	}
	return "error";
}

static const char *
verdict_word(pgcs_verdict verdict)
{
	switch (verdict)
	{
		case PGCS_VERDICT_CERTAIN:
			return "certain";
		case PGCS_VERDICT_DOUBTFUL:
			return "doubtful";
		case PGCS_VERDICT_UNUSABLE:
			break;
	}
	return "unusable";
}

static void
add_time(PgcertBuf *buf, const char *key, const PgcertFacts *facts, int64_t seconds)
{
	time_t		t = (time_t) seconds;
	struct tm	tm;
	char		text[40];

	if (facts->validity_state == PGCERT_PRESENT && gmtime_r(&t, &tm) != NULL &&
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
		pgcert_buf_printf(buf, "\"%s\": \"%s\"", key, text);
	else
		pgcert_buf_printf(buf, "\"%s\": null", key);
}

void
pgcs_json_reason(PgcertBuf *buf, const pgcs_reason *reason)
{
	static const char *const severities[] = {"note", "doubt", "fatal"};

	pgcert_buf_printf(buf, "{\"code\": \"%s\", \"severity\": \"%s\", \"text\": ",
					  reason->code, severities[reason->severity]);
	pgcs_json_string(buf, reason->text);
	if (reason->hint[0] != '\0')
	{
		pgcert_buf_text(buf, ", \"hint\": ");
		pgcs_json_string(buf, reason->hint);
	}
	if (reason->file != NULL)
	{
		pgcert_buf_text(buf, ", ");
		pgcs_json_path(buf, "file", reason->file);
	}
	pgcert_buf_text(buf, "}");
}

static void
add_candidate(PgcertBuf *buf, const pgcs_candidate *candidate)
{
	const pgcs_identity *identity = candidate->identity;

	pgcert_buf_printf(buf, "    {\"verdict\": \"%s\", ",
					  verdict_word(candidate->verdict));
	pgcs_json_path(buf, "sslcert", identity->cert_path);
	pgcert_buf_text(buf, ", ");
	pgcs_json_path(buf, "sslkey", pgcs_identity_key_path(identity));
	pgcert_buf_text(buf, ",\n     \"subject\": ");
	pgcs_json_string(buf, identity->subject);
	pgcert_buf_text(buf, ", \"issuer\": ");
	pgcs_json_string(buf, identity->issuer);
	pgcert_buf_text(buf, ", \"sans\": ");
	pgcs_json_string(buf, identity->sans);
	pgcert_buf_text(buf, ",\n     ");
	add_time(buf, "not_before", identity->facts, identity->facts->not_before);
	pgcert_buf_text(buf, ", ");
	add_time(buf, "not_after", identity->facts, identity->facts->not_after);
	pgcert_buf_printf(buf, ", \"key_type\": \"%s\", \"key_encrypted\": %s, \"cert_sha256\": \"%s\",\n     \"reasons\": [",
					  pgcs_identity_key_type(identity),
					  identity->key_encrypted ? "true" : "false",
					  identity->fingerprint);
	for (size_t i = 0; i < pgcs_candidate_n_reasons(candidate); i++)
	{
		pgcert_buf_text(buf, i > 0 ? ",\n      " : "\n      ");
		pgcs_json_reason(buf, pgcs_candidate_reason(candidate, i));
	}
	pgcert_buf_text(buf, "]}");
}

void
pgcs_format_json(PgcertBuf *buf, const pgcs_choice *choice, const char *error,
				 bool show_password)
{
	bool		found = choice != NULL && choice->winner != NULL;
	const pgcs_identity *winner = found ? choice->winner->identity : NULL;
	const char *key = NULL;

	if (found)
		key = show_password ? winner->key_path : pgcs_identity_key_path(winner);

	pgcert_buf_printf(buf, "{\n  \"status\": \"%s\",\n  \"text\": ",
					  status_word(choice));
	pgcs_json_string(buf, choice != NULL ? choice->text : error);
	pgcert_buf_printf(buf, ",\n  \"certain\": %s,\n  ",
					  found && pgcs_choice_is_certain(choice) ? "true" : "false");
	pgcs_json_path(buf, "sslcert", found ? winner->cert_path : PGCS_NOTHING);
	pgcert_buf_text(buf, ",\n  ");
	pgcs_json_path(buf, "sslkey", key);
	if (found && show_password && winner->password != NULL)
	{
		pgcert_buf_text(buf, ",\n  ");
		pgcs_json_path(buf, "sslpassword", winner->password);
	}
	pgcert_buf_printf(buf, ",\n  \"password_needed\": %s,\n  \"candidates\": [",
					  found && (winner->key_encrypted || winner->key_shown != NULL)
					  ? "true" : "false");
	for (size_t i = 0; choice != NULL && i < choice->n_candidates; i++)
	{
		pgcert_buf_text(buf, i > 0 ? ",\n" : "\n");
		add_candidate(buf, choice->candidates[i]);
	}
	pgcert_buf_text(buf, "],\n  \"problems\": [");
	for (size_t i = 0; choice != NULL && i < choice->bundle->problems.n; i++)
	{
		pgcert_buf_text(buf, i > 0 ? ",\n    " : "\n    ");
		pgcs_json_reason(buf, choice->bundle->problems.items[i]);
	}
	pgcert_buf_text(buf, "]\n}\n");
}
