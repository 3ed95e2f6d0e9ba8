/*
 * words.c
 *		What a clause asks and what a certificate has, for people to read.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/tls1.h>

#include "buf.h"
#include "name.h"
#include "purpose.h"
#include "words.h"

#define MAX_WORDS 400

/* Takes the text, cut at a character's boundary if it is long. */
static char *
take_bounded(PgcertBuf *buf)
{
	char	   *text = pgcert_buf_take(buf);
	size_t		cut = MAX_WORDS;

	if (text == NULL || strlen(text) <= MAX_WORDS + 3)
		return text;
	while (cut > 0 && ((unsigned char) text[cut] & 0xC0) == 0x80)
		cut--;
	strcpy(text + cut, "...");
	return text;
}

static void
add_quoted(PgcertBuf *buf, const void *bytes, size_t len)
{
	pgcert_buf_text(buf, "\"");
	pgcert_buf_escaped(buf, bytes, len);
	pgcert_buf_text(buf, "\"");
}

/* The value as it was written, with the role put in. */
static void
add_pattern(PgcertBuf *buf, const PgcertValue *value, const char *role)
{
	const char *s = value->text;

	pgcert_buf_text(buf, "\"");
	while (*s != '\0')
	{
		const char *percent = strchr(s, '%');

		if (percent == NULL || role == NULL)
		{
			pgcert_buf_escaped(buf, s, strlen(s));
			break;
		}
		pgcert_buf_escaped(buf, s, (size_t) (percent - s));
		pgcert_buf_escaped(buf, role, strlen(role));
		s = percent + strlen("%role");
	}
	pgcert_buf_text(buf, "\"");
}

char *
pgcert_words_required(const PgcertClause *clause, const char *role)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	if (clause->negated)
		pgcert_buf_text(&buf, "not ");
	for (size_t i = 0; i < clause->n_values; i++)
	{
		const PgcertValue *value = &clause->values[i];

		if (i > 0)
			pgcert_buf_text(&buf, " or ");
		switch (clause->kind)
		{
			case PGCERT_CLAUSE_MIN_SECURITY_BITS:
			case PGCERT_CLAUSE_MIN_REMAINING:
			case PGCERT_CLAUSE_TLS:
				pgcert_buf_printf(&buf, "at least %s", value->text);
				break;
			case PGCERT_CLAUSE_MAX_LIFETIME:
				pgcert_buf_printf(&buf, "at most %s", value->text);
				break;
			case PGCERT_CLAUSE_CN:
			case PGCERT_CLAUSE_SAN:
				if (value->n_pieces > 0)
					add_pattern(&buf, value, role);
				else
					add_quoted(&buf, value->text, strlen(value->text));
				break;
			default:
				add_quoted(&buf, value->text, strlen(value->text));
				break;
		}
	}
	return take_bounded(&buf);
}

static const char *
state_words(PgcertState state)
{
	switch (state)
	{
		case PGCERT_UNKNOWN_FACT:
			return "not known";
		case PGCERT_ABSENT:
			return "absent";
		case PGCERT_MALFORMED:
			return "malformed";
		case PGCERT_AMBIGUOUS:
			return "ambiguous";
		case PGCERT_PRESENT:
			break;
	}
	return "present";
}

static void
add_name(PgcertBuf *buf, const X509_NAME *name)
{
	char	   *text = pgcert_name_text(name);

	if (text == NULL)
	{
		buf->failed = true;
		return;
	}
	/* the text is escaped already */
	pgcert_buf_printf(buf, "\"%s\"", text);
	free(text);
}

static void
add_sans(PgcertBuf *buf, const PgcertFacts *facts)
{
	for (size_t i = 0; i < facts->n_sans && buf->len <= MAX_WORDS; i++)
	{
		char	   *text = pgcert_san_text(&facts->sans[i]);

		if (text == NULL)
			buf->failed = true;
		else
			pgcert_buf_printf(buf, "%s\"%s\"", i ? ", " : "", text);
		free(text);
	}
}

static void
add_hash(PgcertBuf *buf, PgcertHash *hash, X509 *certificate)
{
	unsigned char bytes[PGCERT_SHA256_LEN];

	if (hash(certificate, bytes))
		pgcert_buf_hex(buf, bytes, sizeof(bytes));
	else
		pgcert_buf_text(buf, "not known");
}

/* The CAs that count for ca (in ssl_ca_file) or for ca_key_sha256 (all). */
static void
add_cas(PgcertBuf *buf, PgcertClauseKind kind, const PgcertFacts *facts)
{
	size_t		before = buf->len;

	for (size_t i = 0; i < facts->n_cas && buf->len <= MAX_WORDS; i++)
	{
		if (kind == PGCERT_CLAUSE_CA && !facts->cas[i].trusted)
			continue;
		if (buf->len > before)
			pgcert_buf_text(buf, ", ");
		if (kind == PGCERT_CLAUSE_CA)
			add_name(buf, X509_get_subject_name(facts->cas[i].certificate));
		else
			add_hash(buf, pgcert_key_sha256, facts->cas[i].certificate);
	}
	if (buf->len == before)
		pgcert_buf_text(buf, "absent");
}

static void
add_duration(PgcertBuf *buf, int64_t seconds)
{
	static const struct
	{
		int64_t		seconds;
		char		unit;
	}			units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	const char *blank = "";

	if (seconds < 0)
	{
		pgcert_buf_text(buf, "-");
		seconds = -seconds;
	}
	if (seconds == 0)
		pgcert_buf_text(buf, "0s");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
	{
		if (seconds < units[i].seconds)
			continue;
		pgcert_buf_printf(buf, "%s%lld%c", blank,
						  (long long) (seconds / units[i].seconds), units[i].unit);
		seconds %= units[i].seconds;
		blank = " ";
	}
}

char *
pgcert_words_tls(int version)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	switch (version)
	{
		case 0:
			pgcert_buf_text(&buf, "not known");
			break;
		case TLS1_VERSION:
			pgcert_buf_text(&buf, "TLSv1");
			break;
		case TLS1_1_VERSION:
			pgcert_buf_text(&buf, "TLSv1.1");
			break;
		case TLS1_2_VERSION:
			pgcert_buf_text(&buf, "TLSv1.2");
			break;
		case TLS1_3_VERSION:
			pgcert_buf_text(&buf, "TLSv1.3");
			break;
		default:
			pgcert_buf_printf(&buf, "0x%04x", (unsigned int) version);
			break;
	}
	return pgcert_buf_take(&buf);
}

char *
pgcert_words_found(PgcertClauseKind kind, const PgcertFacts *facts, int64_t now)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	PgcertState state = PGCERT_PRESENT;

	switch (kind)
	{
		case PGCERT_CLAUSE_CN:
			state = facts->cn_state;
			if (state == PGCERT_PRESENT)
				add_quoted(&buf, facts->cn, facts->cn_len);
			break;
		case PGCERT_CLAUSE_DN:
			state = facts->subject_state;
			if (state == PGCERT_PRESENT)
				add_name(&buf, X509_get_subject_name(facts->certificate));
			break;
		case PGCERT_CLAUSE_ISSUER:
			state = facts->issuer_state;
			if (state == PGCERT_PRESENT)
				add_name(&buf, X509_get_issuer_name(facts->certificate));
			break;
		case PGCERT_CLAUSE_SAN:
			state = facts->san_state;
			if (state == PGCERT_PRESENT)
				add_sans(&buf, facts);
			break;
		case PGCERT_CLAUSE_CA:
		case PGCERT_CLAUSE_CA_KEY_SHA256:
			state = facts->chain_state;
			if (state == PGCERT_PRESENT)
				add_cas(&buf, kind, facts);
			break;
		case PGCERT_CLAUSE_KEY_SHA256:
			add_hash(&buf, pgcert_key_sha256, facts->certificate);
			break;
		case PGCERT_CLAUSE_CERT_SHA256:
			add_hash(&buf, pgcert_cert_sha256, facts->certificate);
			break;
		case PGCERT_CLAUSE_SERIAL:
			state = facts->serial_state;
			if (state == PGCERT_PRESENT && facts->serial_len == 0)
				pgcert_buf_text(&buf, "00");
			else if (state == PGCERT_PRESENT)
				pgcert_buf_hex(&buf, facts->serial, facts->serial_len);
			break;
		case PGCERT_CLAUSE_EKU:
			state = facts->eku_state;
			for (size_t i = 0; i < facts->n_ekus && buf.len <= MAX_WORDS; i++)
				pgcert_buf_printf(&buf, "%s\"%s\"", i ? ", " : "",
								  pgcert_purpose_name(facts->ekus[i]));
			break;
		case PGCERT_CLAUSE_POLICY_OID:
			state = facts->policy_state;
			for (size_t i = 0; i < facts->n_policy_oids && buf.len <= MAX_WORDS; i++)
				pgcert_buf_printf(&buf, "%s\"%s\"", i ? ", " : "", facts->policy_oids[i]);
			break;
		case PGCERT_CLAUSE_KEY_TYPE:
			pgcert_buf_text(&buf, facts->key_type ? facts->key_type : "another type");
			break;
		case PGCERT_CLAUSE_MIN_SECURITY_BITS:
			if (facts->security_bits > 0)
				pgcert_buf_printf(&buf, "%d", facts->security_bits);
			else
				pgcert_buf_text(&buf, "not known");
			break;
		case PGCERT_CLAUSE_MAX_LIFETIME:
			state = facts->validity_state;
			if (state == PGCERT_PRESENT)
				add_duration(&buf, facts->not_after - facts->not_before);
			break;
		case PGCERT_CLAUSE_MIN_REMAINING:
			state = facts->validity_state;
			if (state == PGCERT_PRESENT)
				add_duration(&buf, facts->not_after - now);
			break;
		case PGCERT_CLAUSE_TLS:
			pgcert_buf_free(&buf);
			return pgcert_words_tls(facts->tls_version);
	}
	if (state != PGCERT_PRESENT)
	{
		pgcert_buf_free(&buf);
		pgcert_buf_text(&buf, state_words(state));
	}
	return take_bounded(&buf);
}

const char *
pgcert_words_certificate(const PgcertFacts *facts)
{
	if (facts->link == PGCERT_LINK_PLAIN)
		return "no TLS";
	if (facts->link == PGCERT_LINK_GSS)
		return "GSS encryption";
	if (!facts->has_certificate)
		return "no certificate";
	return "a certificate";
}
