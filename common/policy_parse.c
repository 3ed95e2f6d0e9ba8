/*
 * policy_parse.c
 *		The policy language: text in, tree out.
 *
 * The grammar is in policy.h; the parser asks for one token after the other
 * and never looks back.
 */
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "policy_token.h"
#include "policy_value.h"

static void
set_clause(PgcertError *error, const char *name)
{
	strncpy(error->clause, name, sizeof(error->clause) - 1);
	error->clause[sizeof(error->clause) - 1] = '\0';
}

/* Reads the values of a clause; the token is the first of them. */
static bool
parse_values(PgcertParser *parser, const PgcertClauseSpec *spec, PgcertClause *clause)
{
	for (;;)
	{
		PgcertToken token = parser->token;
		PgcertValue *grown;
		PgcertValue *value;
		size_t		len;

		if (token.kind != TOKEN_WORD && token.kind != TOKEN_STRING)
		{
			pgcert_error_set(parser->error, token.start + 1, "value is missing");
			return false;
		}
		grown = realloc(clause->values, (clause->n_values + 1) * sizeof(PgcertValue));
		if (grown == NULL)
		{
			pgcert_error_out_of_memory(parser->error);
			return false;
		}
		clause->values = grown;
		value = &grown[clause->n_values];
		memset(value, 0, sizeof(*value));
		value->text = pgcert_token_text(parser, &len);
		if (value->text == NULL)
			return false;
		clause->n_values++;

		if (spec->quoted && token.kind == TOKEN_WORD)
		{
			pgcert_error_set(parser->error, token.start + 1, "name is not quoted");
			pgcert_error_hint(parser->error, "Write %s=\"...\", since a name has commas of its own.", spec->name);
			return false;
		}
		if (len == 0)
		{
			pgcert_error_set(parser->error, token.start + 1, "value is empty");
			return false;
		}
		if (!spec->read(value, len, parser->error))
		{
			parser->error->position = pgcert_token_position(parser, &token,
															parser->error->position);
			return false;
		}
		if (!pgcert_token_advance(parser))
			return false;
		if (parser->token.kind != TOKEN_COMMA)
			return true;
		if (spec->single)
		{
			pgcert_error_set(parser->error, parser->token.start + 1,
							 "more than one value is given");
			return false;
		}
		if (!pgcert_token_advance(parser))
			return false;
	}
}

/* Reads a clause; the token is its name, and an operator follows. */
static bool
parse_clause(PgcertParser *parser, PgcertAlternative *alternative)
{
	char		name[32] = "";
	size_t		start = parser->token.start;
	size_t		len = parser->token.end - start;
	const PgcertClauseSpec *spec;
	PgcertClause *grown;
	PgcertClause *clause;

	if (len < sizeof(name))
		memcpy(name, parser->text + start, len);
	spec = pgcert_clause_spec(name);
	if (spec == NULL)
	{
		if (strcmp(name, "mode") == 0 || strcmp(name, "local") == 0 ||
			strcmp(name, "on_expiry") == 0)
		{
			pgcert_error_set(parser->error, start + 1,
							 "setting \"%s\" stands behind a clause", name);
			pgcert_error_hint(parser->error, "Settings come first and hold for the whole policy.");
		}
		else
		{
			pgcert_error_set(parser->error, start + 1,
							 "clause \"%.*s\" is not recognized",
							 len > 64 ? 64 : (int) len, parser->text + start);
			pgcert_error_hint(parser->error,
							  "The clauses are cn, dn, san, ca, ca_key_sha256, issuer, key_sha256, cert_sha256, serial, eku, policy_oid, key_type, min_security_bits, max_lifetime, min_remaining and tls.");
		}
		set_clause(parser->error, name);
		return false;
	}

	grown = realloc(alternative->clauses,
					(alternative->n_clauses + 1) * sizeof(PgcertClause));
	if (grown == NULL)
	{
		pgcert_error_out_of_memory(parser->error);
		return false;
	}
	alternative->clauses = grown;
	clause = &grown[alternative->n_clauses++];
	memset(clause, 0, sizeof(*clause));
	clause->kind = spec->kind;
	clause->position = start + 1;

	if (!pgcert_token_advance(parser))
		return false;
	clause->negated = (parser->token.kind == TOKEN_NOT_EQUAL);
	if (clause->negated && spec->single)
	{
		pgcert_error_set(parser->error, parser->token.start + 1,
						 "clause takes = only");
		set_clause(parser->error, name);
		return false;
	}
	if (!pgcert_token_advance(parser) || !parse_values(parser, spec, clause))
	{
		set_clause(parser->error, name);
		return false;
	}
	return true;
}

typedef struct SettingWord
{
	const char *setting;
	const char *word;
	int			value;
} SettingWord;

static const SettingWord setting_words[] = {
	{"mode", "enforce", PGCERT_MODE_ENFORCE},
	{"mode", "log", PGCERT_MODE_LOG},
	{"local", "peer", PGCERT_LOCAL_PEER},
	{"local", "allow", PGCERT_LOCAL_ALLOW},
	{"local", "reject", PGCERT_LOCAL_REJECT},
	{"on_expiry", "keep", PGCERT_ON_EXPIRY_KEEP},
	{"on_expiry", "disconnect", PGCERT_ON_EXPIRY_DISCONNECT},
};

#define N_SETTING_WORDS (sizeof(setting_words) / sizeof(setting_words[0]))

static const char *
setting_at(const PgcertParser *parser)
{
	for (size_t i = 0; i < N_SETTING_WORDS; i++)
	{
		if (pgcert_token_is(parser, setting_words[i].setting) && pgcert_token_has_operator(parser))
			return setting_words[i].setting;
	}
	return NULL;
}

/* Gives a setting its value; false if it has one already. */
static bool
assign_setting(PgcertPolicy *policy, const char *setting, int value)
{
	if (strcmp(setting, "mode") == 0)
	{
		if (policy->mode != PGCERT_MODE_UNSET)
			return false;
		policy->mode = (PgcertMode) value;
	}
	else if (strcmp(setting, "local") == 0)
	{
		if (policy->local != PGCERT_LOCAL_UNSET)
			return false;
		policy->local = (PgcertLocal) value;
	}
	else
	{
		if (policy->on_expiry != PGCERT_ON_EXPIRY_UNSET)
			return false;
		policy->on_expiry = (PgcertOnExpiry) value;
	}
	return true;
}

static bool
parse_setting(PgcertParser *parser, PgcertPolicy *policy, const char *setting)
{
	size_t		start = parser->token.start;
	const SettingWord *found = NULL;

	if (!pgcert_token_advance(parser))
		return false;
	if (parser->token.kind != TOKEN_EQUAL)
	{
		pgcert_error_set(parser->error, parser->token.start + 1, "setting takes = only");
		set_clause(parser->error, setting);
		return false;
	}
	if (!pgcert_token_advance(parser))
		return false;
	for (size_t i = 0; i < N_SETTING_WORDS; i++)
	{
		if (strcmp(setting_words[i].setting, setting) == 0 &&
			pgcert_token_is(parser, setting_words[i].word))
			found = &setting_words[i];
	}
	if (found == NULL)
	{
		pgcert_error_set(parser->error, parser->token.start + 1,
						 "value of setting \"%s\" is not recognized", setting);
		pgcert_error_hint(parser->error, "Settings are mode=enforce|log, local=peer|allow|reject and on_expiry=keep|disconnect.");
		set_clause(parser->error, setting);
		return false;
	}
	if (!assign_setting(policy, setting, found->value))
	{
		pgcert_error_set(parser->error, start + 1, "setting \"%s\" is given twice", setting);
		set_clause(parser->error, setting);
		return false;
	}
	if (!pgcert_token_advance(parser))
		return false;
	if (parser->token.kind == TOKEN_COMMA)
	{
		pgcert_error_set(parser->error, parser->token.start + 1,
						 "more than one value is given");
		set_clause(parser->error, setting);
		return false;
	}
	return true;
}

/* Between one clause and what follows a blank must stand. */
static bool
check_blank(PgcertParser *parser)
{
	if (parser->token.kind == TOKEN_END ||
		parser->token.start > parser->previous_end)
		return true;
	pgcert_error_set(parser->error, parser->token.start + 1,
					 "blank is missing before this clause");
	return false;
}

static PgcertAlternative *
add_alternative(PgcertParser *parser, PgcertPolicy *policy)
{
	PgcertAlternative *grown = realloc(policy->alternatives,
									   (policy->n_alternatives + 1) * sizeof(PgcertAlternative));

	if (grown == NULL)
	{
		pgcert_error_out_of_memory(parser->error);
		return NULL;
	}
	policy->alternatives = grown;
	memset(&grown[policy->n_alternatives], 0, sizeof(PgcertAlternative));
	return &grown[policy->n_alternatives++];
}

/* One or more clauses, up to "or" or the end. */
static bool
parse_alternative(PgcertParser *parser, PgcertPolicy *policy)
{
	PgcertAlternative *alternative = add_alternative(parser, policy);

	if (alternative == NULL)
		return false;
	do
	{
		if (parser->token.kind != TOKEN_WORD || !pgcert_token_has_operator(parser))
		{
			const char *what = parser->token.kind == TOKEN_END ?
				"clause is missing at the end" : "clause is expected here";

			pgcert_error_set(parser->error, parser->token.start + 1, "%s", what);
			if (pgcert_token_is(parser, "any") || pgcert_token_is(parser, "exempt"))
				pgcert_error_hint(parser->error, "\"any\" and \"exempt\" stand alone.");
			else
				pgcert_error_hint(parser->error, "A clause is a name, = or !=, and a value, as in eku=clientAuth.");
			return false;
		}
		if (!parse_clause(parser, alternative) || !check_blank(parser))
			return false;
	} while (parser->token.kind != TOKEN_END && !(pgcert_token_is(parser, "or") && !pgcert_token_has_operator(parser)));
	return true;
}

static bool
parse_keyword_end(PgcertParser *parser, const char *keyword)
{
	if (!pgcert_token_advance(parser))
		return false;
	if (parser->token.kind == TOKEN_END)
		return true;
	pgcert_error_set(parser->error, parser->token.start + 1,
					 "nothing may stand behind \"%s\"", keyword);
	return false;
}

static bool
parse_policy(PgcertParser *parser, PgcertPolicy *policy)
{
	const char *setting;
	bool		has_settings = false;

	if (!pgcert_token_advance(parser))
		return false;
	if (parser->token.kind == TOKEN_END)
	{
		pgcert_error_set(parser->error, 1, "policy is empty");
		pgcert_error_hint(parser->error, "\"any\" asks for a verified certificate and nothing more; NULL removes a policy.");
		return false;
	}
	while ((setting = setting_at(parser)) != NULL)
	{
		has_settings = true;
		if (!parse_setting(parser, policy, setting) || !check_blank(parser))
			return false;
	}
	if (pgcert_token_is(parser, "exempt") && !pgcert_token_has_operator(parser))
	{
		if (has_settings)
		{
			pgcert_error_set(parser->error, parser->token.start + 1,
							 "\"exempt\" takes no settings");
			return false;
		}
		policy->exempt = true;
		return parse_keyword_end(parser, "exempt");
	}
	if (pgcert_token_is(parser, "any") && !pgcert_token_has_operator(parser))
	{
		policy->any = true;
		return parse_keyword_end(parser, "any");
	}
	if (has_settings && parser->token.kind == TOKEN_END)
	{
		pgcert_error_set(parser->error, parser->token.start + 1,
						 "settings have no policy behind them");
		pgcert_error_hint(parser->error, "Add clauses, or \"any\" for any verified certificate.");
		return false;
	}
	for (;;)
	{
		if (!parse_alternative(parser, policy))
			return false;
		if (parser->token.kind == TOKEN_END)
			return true;
		if (!pgcert_token_advance(parser))	/* "or" */
			return false;
	}
}

/* What can be said before reading: length, and the characters. */
static bool
check_text(const char *text, PgcertError *error)
{
	size_t		len = strlen(text);

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if ((c >= 0x20 && c <= 0x7E) || c == '\t' || c == '\n')
			continue;
		pgcert_error_set(error, i + 1,
						 "policy holds a byte that is not printable ASCII: 0x%02x", c);
		pgcert_error_hint(error, "Write other characters as RFC 4514 does, as their UTF-8 bytes in a quoted value: \"\\C3\\A9\".");
		return false;
	}
	if (len > PGCERT_POLICY_MAX_LEN)
	{
		pgcert_error_set(error, 0, "policy is too long: %zu bytes, at most %d are allowed",
						 len, PGCERT_POLICY_MAX_LEN);
		pgcert_error_hint(error, "Put what several roles share into the policy of a group role.");
		return false;
	}
	return true;
}

PgcertPolicy *
pgcert_policy_parse(const char *text, PgcertError *error)
{
	PgcertParser parser = {.text = text, .error = error};
	PgcertPolicy *policy;

	memset(error, 0, sizeof(*error));
	if (!check_text(text, error))
		return NULL;
	policy = calloc(1, sizeof(*policy));
	if (policy == NULL)
	{
		pgcert_error_out_of_memory(error);
		return NULL;
	}
	if (!parse_policy(&parser, policy))
	{
		pgcert_policy_free(policy);
		return NULL;
	}
	return policy;
}
