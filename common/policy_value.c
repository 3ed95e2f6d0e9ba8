/*
 * policy_value.c
 *		The clauses of the policy language: their names, and what their
 *		values may be.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/tls1.h>

#include "buf.h"
#include "hex.h"
#include "name.h"
#include "policy_value.h"
#include "purpose.h"

#define SECONDS_PER_DAY INT64_C(86400)
#define MAX_DURATION (36525 * SECONDS_PER_DAY)	/* 100 years */

void
pgcert_value_free(PgcertValue *value)
{
	for (size_t i = 0; i < value->n_pieces; i++)
		free(value->pieces[i].bytes);
	free(value->pieces);
	free(value->text);
	free(value->bytes);
	free(value->oid);
	X509_NAME_free(value->name);
}

/* A percent sign has one meaning, and only in a pattern. */
static bool
refuse_percent(const char *text, PgcertError *error)
{
	const char *percent = strchr(text, '%');

	if (percent == NULL)
		return false;
	pgcert_error_set(error, (size_t) (percent - text) + 1,
					 "%% has no meaning here");
	pgcert_error_hint(error, "%%role can be used in cn and san; a literal %% in a name is written \"\\25\".");
	return true;
}

/* ---------- patterns: cn, san ---------- */

static bool
add_piece(PgcertValue *value, PgcertPieceKind kind, PgcertBuf *literal)
{
	PgcertPiece *grown = realloc(value->pieces,
								 (value->n_pieces + 1) * sizeof(PgcertPiece));
	PgcertPiece *piece;

	if (grown == NULL)
		return false;
	value->pieces = grown;
	piece = &grown[value->n_pieces];
	memset(piece, 0, sizeof(*piece));
	piece->kind = kind;
	if (kind == PGCERT_PIECE_LITERAL)
	{
		piece->len = literal->len;
		piece->bytes = pgcert_buf_take(literal);
		if (piece->bytes == NULL)
			return false;
	}
	value->n_pieces++;
	return true;
}

static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_';
}

/*
 * Cuts the text from offset on into literals, "*" and "%role".  What the
 * literals decode to must be UTF-8, as the certificate's side will be.
 */
static bool
read_pattern(PgcertValue *value, size_t offset, size_t len, PgcertError *error)
{
	const char *text = value->text;
	PgcertBuf	literal = PGCERT_BUF_INIT;
	size_t		i = offset;
	bool		ok = false;

	if (offset >= len)
	{
		pgcert_error_set(error, offset + 1, "value is empty");
		return false;
	}
	while (i < len)
	{
		if (text[i] == '*' || text[i] == '%')
		{
			bool		star = (text[i] == '*');

			if (!star && (strncmp(text + i, "%role", 5) != 0 ||
						  is_word_char(text[i + 5])))
			{
				pgcert_error_set(error, i + 1, "%% is not followed by \"role\"");
				pgcert_error_hint(error, "%%role stands for the role's name; a literal %% is written \"\\25\".");
				goto out;
			}
			if (literal.len > 0 && !add_piece(value, PGCERT_PIECE_LITERAL, &literal))
				goto out_of_memory;
			if (!add_piece(value, star ? PGCERT_PIECE_STAR : PGCERT_PIECE_ROLE, NULL))
				goto out_of_memory;
			i += star ? 1 : 5;
		}
		else if (text[i] == '\\')
		{
			unsigned char byte;
			size_t		used = pgcert_unescape(text + i, len - i, &byte);

			if (used == 0)
			{
				pgcert_error_set(error, i + 1,
								 "backslash is not followed by two hex digits or a special character");
				pgcert_error_hint(error, "A literal backslash is written \"\\5C\", a literal * \"\\2A\", a literal %% \"\\25\".");
				goto out;
			}
			if (byte == '\0')
			{
				pgcert_error_set(error, i + 1, "value holds a NUL");
				pgcert_error_hint(error, "A certificate with an embedded NUL satisfies no clause.");
				goto out;
			}
			pgcert_buf_bytes(&literal, &byte, 1);
			i += used;
		}
		else
			pgcert_buf_bytes(&literal, &text[i++], 1);
	}
	if (literal.len > 0 && !add_piece(value, PGCERT_PIECE_LITERAL, &literal))
		goto out_of_memory;
	for (size_t p = 0; p < value->n_pieces; p++)
	{
		if (value->pieces[p].kind == PGCERT_PIECE_LITERAL &&
			!pgcert_utf8_is_valid(value->pieces[p].bytes, value->pieces[p].len))
		{
			pgcert_error_set(error, offset + 1, "value is not valid UTF-8");
			pgcert_error_hint(error, "Characters beyond ASCII are written as their UTF-8 bytes, as in \"\\C3\\A9\".");
			goto out;
		}
	}
	ok = !literal.failed;
	if (ok)
		goto out;
out_of_memory:
	pgcert_error_out_of_memory(error);
out:
	pgcert_buf_free(&literal);
	return ok;
}

static bool
read_cn(PgcertValue *value, size_t len, PgcertError *error)
{
	return read_pattern(value, 0, len, error);
}

static bool
read_ip(PgcertValue *value, size_t offset, PgcertError *error)
{
	const char *text = value->text + offset;
	unsigned char address[16];
	size_t		len = 0;

	if (refuse_percent(value->text, error))
		return false;
	if (inet_pton(AF_INET, text, address) == 1)
		len = 4;
	else if (inet_pton(AF_INET6, text, address) == 1)
		len = 16;
	else
	{
		pgcert_error_set(error, offset + 1, "\"%.64s\" is not an IP address", text);
		pgcert_error_hint(error, "An address is written in full, without wildcards or a network mask.");
		return false;
	}
	value->bytes = malloc(len);
	if (value->bytes == NULL)
	{
		pgcert_error_out_of_memory(error);
		return false;
	}
	memcpy(value->bytes, address, len);
	value->bytes_len = len;
	return true;
}

static bool
read_san(PgcertValue *value, size_t len, PgcertError *error)
{
	static const PgcertSanType types[] = {
		PGCERT_SAN_DNS, PGCERT_SAN_EMAIL, PGCERT_SAN_URI,
		PGCERT_SAN_IP, PGCERT_SAN_UPN,
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		const char *name = pgcert_san_type_name(types[i]);
		size_t		name_len = strlen(name);

		if (strncmp(value->text, name, name_len) != 0 ||
			value->text[name_len] != ':')
			continue;
		value->san_type = types[i];
		if (types[i] == PGCERT_SAN_IP)
			return read_ip(value, name_len + 1, error);
		return read_pattern(value, name_len + 1, len, error);
	}
	pgcert_error_set(error, 1, "\"%.64s\" does not begin with a type and a colon",
					 value->text);
	pgcert_error_hint(error, "The types are DNS, email, URI, IP and UPN, as in DNS:db.example.com.");
	return false;
}

/* ---------- names: dn, issuer, ca ---------- */

static bool
read_name(PgcertValue *value, size_t len, PgcertError *error)
{
	if (refuse_percent(value->text, error))
		return false;
	value->name = pgcert_name_parse(value->text, len, error);
	return value->name != NULL;
}

/* ---------- bytes: hashes, serial ---------- */

static bool
read_hex(PgcertValue *value, size_t len, PgcertError *error)
{
	value->bytes = malloc(len / 2 + 1);
	if (value->bytes == NULL)
	{
		pgcert_error_out_of_memory(error);
		return false;
	}
	return pgcert_hex_decode(value->text, len, value->bytes, &value->bytes_len);
}

static bool
read_sha256(PgcertValue *value, size_t len, PgcertError *error)
{
	if (read_hex(value, len, error) && value->bytes_len == PGCERT_SHA256_LEN)
		return true;
	pgcert_error_set(error, 1, "\"%.80s\" is not a SHA-256 hash", value->text);
	pgcert_error_hint(error, "A hash is 64 hex digits; colons between them and case do not matter.");
	return false;
}

static bool
read_serial(PgcertValue *value, size_t len, PgcertError *error)
{
	size_t		zeros = 0;

	if (!read_hex(value, len, error))
	{
		pgcert_error_set(error, 1, "\"%.80s\" is not a serial number", value->text);
		pgcert_error_hint(error, "A serial number is written in hex, as \"openssl x509 -serial\" prints it.");
		return false;
	}
	while (zeros < value->bytes_len && value->bytes[zeros] == 0)
		zeros++;
	value->bytes_len -= zeros;
	memmove(value->bytes, value->bytes + zeros, value->bytes_len);
	return true;
}

/* ---------- object identifiers: eku, policy_oid ---------- */

static bool
keep_oid(PgcertValue *value, const char *oid, PgcertError *error)
{
	value->oid = strdup(oid);
	if (value->oid == NULL)
		pgcert_error_out_of_memory(error);
	return value->oid != NULL;
}

static bool
read_eku(PgcertValue *value, size_t len, PgcertError *error)
{
	const char *oid = pgcert_purpose_oid(value->text);

	(void) len;
	if (oid == NULL && pgcert_oid_is_valid(value->text))
		oid = value->text;
	if (oid != NULL)
		return keep_oid(value, oid, error);
	pgcert_error_set(error, 1, "extended key usage \"%.80s\" is not recognized",
					 value->text);
	pgcert_error_hint(error, "Use a name such as clientAuth or serverAuth (case matters), or a dotted OID.");
	return false;
}

static bool
read_policy_oid(PgcertValue *value, size_t len, PgcertError *error)
{
	(void) len;
	if (pgcert_oid_is_valid(value->text))
		return keep_oid(value, value->text, error);
	pgcert_error_set(error, 1, "\"%.80s\" is not a dotted OID", value->text);
	pgcert_error_hint(error, "An OID is written as numbers and dots, as in 1.3.6.1.4.1.99999.1.");
	return false;
}

/* ---------- words and numbers ---------- */

static bool
read_key_type(PgcertValue *value, size_t len, PgcertError *error)
{
	static const char *const types[] = {"RSA", "RSA-PSS", "EC", "Ed25519", "Ed448"};

	(void) len;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		if (strcmp(value->text, types[i]) == 0)
			return true;
	}
	pgcert_error_set(error, 1, "key type \"%.80s\" is not recognized", value->text);
	pgcert_error_hint(error, "The key types are RSA, RSA-PSS, EC, Ed25519 and Ed448.");
	return false;
}

/*
 * Reads decimal digits at the start, and returns how many there were.  Values
 * past what any clause allows stay at a number that all of them refuse.
 */
static size_t
read_digits(PgcertValue *value)
{
	size_t		i = 0;

	while (value->text[i] >= '0' && value->text[i] <= '9')
	{
		if (value->number <= MAX_DURATION)
			value->number = value->number * 10 + (value->text[i] - '0');
		i++;
	}
	return i;
}

static bool
read_bits(PgcertValue *value, size_t len, PgcertError *error)
{
	if (read_digits(value) == len && value->number >= 1 && value->number <= 512)
		return true;
	pgcert_error_set(error, 1, "\"%.80s\" is not a number from 1 to 512", value->text);
	pgcert_error_hint(error, "112 refuses SHA-1 and RSA keys of 1024 bits.");
	return false;
}

static bool
read_duration(PgcertValue *value, size_t len, PgcertError *error)
{
	size_t		digits = read_digits(value);
	int64_t		unit = 0;

	if (digits > 0 && digits + 1 == len)
	{
		switch (value->text[digits])
		{
			case 's':
				unit = 1;
				break;
			case 'm':
				unit = 60;
				break;
			case 'h':
				unit = 3600;
				break;
			case 'd':
				unit = SECONDS_PER_DAY;
				break;
		}
	}
	if (unit > 0 && value->number > 0 && value->number <= MAX_DURATION / unit)
	{
		value->number *= unit;
		return true;
	}
	pgcert_error_set(error, 1, "\"%.80s\" is not a duration", value->text);
	pgcert_error_hint(error, "A duration is a positive whole number and s, m, h or d, as in 90d, and at most 100 years.");
	return false;
}

static bool
read_tls(PgcertValue *value, size_t len, PgcertError *error)
{
	(void) len;
	if (strcmp(value->text, "1.2") == 0)
		value->number = TLS1_2_VERSION;
	else if (strcmp(value->text, "1.3") == 0)
		value->number = TLS1_3_VERSION;
	else
	{
		pgcert_error_set(error, 1, "TLS version \"%.80s\" is not recognized", value->text);
		pgcert_error_hint(error, "The versions are 1.2 and 1.3.");
		return false;
	}
	return true;
}

/* ---------- the table ---------- */

static const PgcertClauseSpec clause_specs[] = {
	{"cn", PGCERT_CLAUSE_CN, false, false, read_cn},
	{"dn", PGCERT_CLAUSE_DN, false, true, read_name},
	{"san", PGCERT_CLAUSE_SAN, false, false, read_san},
	{"ca", PGCERT_CLAUSE_CA, false, true, read_name},
	{"ca_key_sha256", PGCERT_CLAUSE_CA_KEY_SHA256, false, false, read_sha256},
	{"issuer", PGCERT_CLAUSE_ISSUER, false, true, read_name},
	{"key_sha256", PGCERT_CLAUSE_KEY_SHA256, false, false, read_sha256},
	{"cert_sha256", PGCERT_CLAUSE_CERT_SHA256, false, false, read_sha256},
	{"serial", PGCERT_CLAUSE_SERIAL, false, false, read_serial},
	{"eku", PGCERT_CLAUSE_EKU, false, false, read_eku},
	{"policy_oid", PGCERT_CLAUSE_POLICY_OID, false, false, read_policy_oid},
	{"key_type", PGCERT_CLAUSE_KEY_TYPE, false, false, read_key_type},
	{"min_security_bits", PGCERT_CLAUSE_MIN_SECURITY_BITS, true, false, read_bits},
	{"max_lifetime", PGCERT_CLAUSE_MAX_LIFETIME, true, false, read_duration},
	{"min_remaining", PGCERT_CLAUSE_MIN_REMAINING, true, false, read_duration},
	{"tls", PGCERT_CLAUSE_TLS, true, false, read_tls},
};

#define N_CLAUSE_SPECS (sizeof(clause_specs) / sizeof(clause_specs[0]))

const PgcertClauseSpec *
pgcert_clause_spec(const char *name)
{
	for (size_t i = 0; i < N_CLAUSE_SPECS; i++)
	{
		if (strcmp(clause_specs[i].name, name) == 0)
			return &clause_specs[i];
	}
	return NULL;
}

const char *
pgcert_clause_name(PgcertClauseKind kind)
{
	for (size_t i = 0; i < N_CLAUSE_SPECS; i++)
	{
		if (clause_specs[i].kind == kind)
			return clause_specs[i].name;
	}
	return "?";
}
