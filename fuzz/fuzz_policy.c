/*
 * fuzz_policy.c
 *		Any bytes as a policy; what parses is printed from its meaning, and
 *		must be read back as the same.
 */
#include <openssl/err.h>

#include "fuzz.h"
#include "name.h"
#include "policy.h"

/* Every byte that could mean something is written by its number. */
static void
print_literal(PgcertBuf *buf, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		pgcert_buf_printf(buf, "\\%02X", (unsigned char) bytes[i]);
}

static void
print_name(PgcertBuf *buf, const X509_NAME *name)
{
	char	   *text = pgcert_name_text(name);

	MUST(text != NULL);
	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p == '"')
			pgcert_buf_text(buf, "\"\"");
		else if (*p == '%' || (unsigned char) *p >= 0x7f)
			pgcert_buf_printf(buf, "\\%02X", (unsigned char) *p);
		else
			pgcert_buf_bytes(buf, p, 1);
	}
	free(text);
}

static void
print_address(PgcertBuf *buf, const PgcertValue *value)
{
	for (size_t i = 0; i < value->bytes_len; i += value->bytes_len == 4 ? 1 : 2)
	{
		if (value->bytes_len == 4)
			pgcert_buf_printf(buf, "%s%d", i > 0 ? "." : "", value->bytes[i]);
		else
			pgcert_buf_printf(buf, "%s%x", i > 0 ? ":" : "",
							  value->bytes[i] << 8 | value->bytes[i + 1]);
	}
}

static void
print_value(PgcertBuf *buf, PgcertClauseKind kind, const PgcertValue *value)
{
	pgcert_buf_text(buf, "\"");
	if (kind == PGCERT_CLAUSE_SAN)
		pgcert_buf_printf(buf, "%s:", pgcert_san_type_name(value->san_type));
	if (kind == PGCERT_CLAUSE_SAN && value->san_type == PGCERT_SAN_IP)
		print_address(buf, value);
	else if (value->n_pieces > 0)
	{
		for (size_t i = 0; i < value->n_pieces; i++)
		{
			const PgcertPiece *piece = &value->pieces[i];

			if (piece->kind == PGCERT_PIECE_LITERAL)
				print_literal(buf, piece->bytes, piece->len);
			else
				pgcert_buf_text(buf, piece->kind == PGCERT_PIECE_STAR ? "*" : "%role");
		}
	}
	else if (value->name != NULL)
		print_name(buf, value->name);
	else if (value->oid != NULL)
		pgcert_buf_text(buf, value->oid);
	else if (kind == PGCERT_CLAUSE_SERIAL && value->bytes_len == 0)
		pgcert_buf_text(buf, "0");
	else if (value->bytes != NULL)
		pgcert_buf_hex(buf, value->bytes, value->bytes_len);
	else if (kind == PGCERT_CLAUSE_TLS || kind == PGCERT_CLAUSE_KEY_TYPE)
		pgcert_buf_text(buf, value->text);
	else
		pgcert_buf_printf(buf, "%lld%s", (long long) value->number,
						  kind == PGCERT_CLAUSE_MIN_SECURITY_BITS ? "" : "s");
	pgcert_buf_text(buf, "\"");
}

static char *
print_policy(const PgcertPolicy *policy)
{
	static const char *const modes[] = {"", "mode=enforce ", "mode=log "};
	static const char *const locals[] = {"", "local=peer ", "local=allow ", "local=reject "};
	static const char *const ends[] = {"", "on_expiry=keep ", "on_expiry=disconnect "};
	PgcertBuf	buf = PGCERT_BUF_INIT;

	if (policy->exempt)
		pgcert_buf_text(&buf, "exempt");
	pgcert_buf_text(&buf, modes[policy->mode]);
	pgcert_buf_text(&buf, locals[policy->local]);
	pgcert_buf_text(&buf, ends[policy->on_expiry]);
	if (policy->any)
		pgcert_buf_text(&buf, "any");
	for (size_t i = 0; i < policy->n_alternatives; i++)
	{
		const PgcertAlternative *alternative = &policy->alternatives[i];

		if (i > 0)
			pgcert_buf_text(&buf, "or ");
		for (size_t j = 0; j < alternative->n_clauses; j++)
		{
			const PgcertClause *clause = &alternative->clauses[j];

			pgcert_buf_printf(&buf, "%s%s", pgcert_clause_name(clause->kind),
							  clause->negated ? "!=" : "=");
			for (size_t k = 0; k < clause->n_values; k++)
			{
				pgcert_buf_text(&buf, k > 0 ? "," : "");
				print_value(&buf, clause->kind, &clause->values[k]);
			}
			pgcert_buf_text(&buf, " ");
		}
	}
	return pgcert_buf_take(&buf);
}

static void
check_same_value(const PgcertValue *a, const PgcertValue *b)
{
	MUST(a->san_type == b->san_type && a->number == b->number);
	MUST((a->name == NULL) == (b->name == NULL));
	MUST(a->name == NULL || pgcert_name_equal(a->name, b->name));
	MUST(a->bytes_len == b->bytes_len);
	MUST(a->bytes_len == 0 || memcmp(a->bytes, b->bytes, a->bytes_len) == 0);
	MUST((a->oid == NULL) == (b->oid == NULL));
	MUST(a->oid == NULL || strcmp(a->oid, b->oid) == 0);
	MUST(a->n_pieces == b->n_pieces);
	for (size_t i = 0; i < a->n_pieces; i++)
	{
		const PgcertPiece *x = &a->pieces[i];
		const PgcertPiece *y = &b->pieces[i];

		MUST(x->kind == y->kind);
		MUST(x->kind != PGCERT_PIECE_LITERAL ||
			 (x->len == y->len && memcmp(x->bytes, y->bytes, x->len) == 0));
	}
}

static void
check_same(const PgcertPolicy *a, const PgcertPolicy *b)
{
	MUST(a->exempt == b->exempt && a->any == b->any && a->mode == b->mode &&
		 a->local == b->local && a->on_expiry == b->on_expiry);
	MUST(pgcert_policy_trusts_issuer_alone(a) == pgcert_policy_trusts_issuer_alone(b));
	MUST(pgcert_policy_has_literal_cn(a) == pgcert_policy_has_literal_cn(b));
	MUST(a->n_alternatives == b->n_alternatives);
	for (size_t i = 0; i < a->n_alternatives; i++)
	{
		const PgcertAlternative *x = &a->alternatives[i];
		const PgcertAlternative *y = &b->alternatives[i];

		MUST(x->n_clauses == y->n_clauses);
		for (size_t j = 0; j < x->n_clauses; j++)
		{
			MUST(x->clauses[j].kind == y->clauses[j].kind &&
				 x->clauses[j].negated == y->clauses[j].negated &&
				 x->clauses[j].n_values == y->clauses[j].n_values);
			for (size_t k = 0; k < x->clauses[j].n_values; k++)
				check_same_value(&x->clauses[j].values[k], &y->clauses[j].values[k]);
		}
	}
}

/* What the design says of every policy that was accepted. */
static void
check_sound(const char *text, const PgcertPolicy *policy)
{
	MUST(strlen(text) <= PGCERT_POLICY_MAX_LEN);
	for (const char *p = text; *p != '\0'; p++)
		MUST((*p >= 0x20 && *p < 0x7f) || *p == '\t' || *p == '\n');
	MUST(policy->exempt + policy->any + (policy->n_alternatives > 0) == 1);
	MUST(!policy->exempt || (policy->mode == PGCERT_MODE_UNSET &&
							 policy->local == PGCERT_LOCAL_UNSET &&
							 policy->on_expiry == PGCERT_ON_EXPIRY_UNSET));
	for (size_t i = 0; i < policy->n_alternatives; i++)
	{
		MUST(policy->alternatives[i].n_clauses > 0);
		for (size_t j = 0; j < policy->alternatives[i].n_clauses; j++)
			MUST(policy->alternatives[i].clauses[j].n_values > 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	FuzzInput	input = {data, size};
	char	   *text = fuzz_text(&input, '\0');
	PgcertError error = {0};
	PgcertPolicy *policy = pgcert_policy_parse(text, &error);

	if (policy == NULL)
	{
		MUST(error.message[0] != '\0' && !pgcert_error_is_no_memory(&error));
		MUST(error.position <= strlen(text) + 1);
		fuzz_check_words(error.message);
		fuzz_check_words(error.hint);
		fuzz_check_words(error.clause);
	}
	else
	{
		char	   *printed = print_policy(policy);
		PgcertPolicy *again;

		MUST(printed != NULL);
		check_sound(text, policy);
		if (strlen(printed) <= PGCERT_POLICY_MAX_LEN)
		{
			again = pgcert_policy_parse(printed, &error);
			if (again == NULL)
				fprintf(stderr, "%s\n%s at %zu\n", printed, error.message, error.position);
			MUST(again != NULL);
			check_same(policy, again);
			pgcert_policy_free(again);
		}
		free(printed);
	}
	pgcert_policy_free(policy);
	free(text);
	ERR_clear_error();
	return 0;
}
