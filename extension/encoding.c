/*
 * encoding.c
 *		Text in UTF-8, as certificates hold it, in the database's encoding.
 *
 * Where the database is not in UTF-8, each byte beyond ASCII is written as
 * RFC 4514 writes it (\C3\A9).  That can be shown in every encoding, always
 * means the same, and may be copied into a policy as it stands.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "pgcp.h"

static char *
escape_bytes(const char *bytes)
{
	StringInfoData escaped;

	initStringInfo(&escaped);
	for (const char *p = bytes; *p; p++)
	{
		if (IS_HIGHBIT_SET(*p))
			appendStringInfo(&escaped, "\\%02X", (unsigned char) *p);
		else
			appendStringInfoChar(&escaped, *p);
	}
	return escaped.data;
}

text *
pgcp_text_from_utf8(const char *utf8)
{
	if (GetDatabaseEncoding() == PG_UTF8 &&
		pg_verify_mbstr(PG_UTF8, utf8, strlen(utf8), true))
		return cstring_to_text(utf8);
	return cstring_to_text(escape_bytes(utf8));
}

/*
 * A name of a role or a database.  It is in the encoding of the database it
 * was made in, or in none at all if a client made it up: as it is, if it can
 * be text here.
 */
Name
pgcp_name_from_bytes(const char *bytes)
{
	Name		name = palloc0(sizeof(NameData));

	if (pg_verify_mbstr(GetDatabaseEncoding(), bytes, strlen(bytes), true))
		strlcpy(NameStr(*name), bytes, NAMEDATALEN);
	else
		pgcp_copy_utf8(NameStr(*name), escape_bytes(bytes), NAMEDATALEN);
	return name;
}

/* Copies UTF-8 into a buffer of fixed size, cut with "..." if need be. */
void
pgcp_copy_utf8(char *buffer, const char *utf8, size_t size)
{
	size_t		len = strlen(utf8);

	if (len >= size)
	{
		len = size - sizeof("...");
		while (len > 0 && ((unsigned char) utf8[len] & 0xC0) == 0x80)
			len--;
		memcpy(buffer, utf8, len);
		strcpy(buffer + len, "...");
	}
	else
		memcpy(buffer, utf8, len + 1);
}

/* Bytes as lower-case hex. */
text *
pgcp_hex_text(const unsigned char *bytes, size_t len)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	pgcert_buf_hex(&buf, bytes, len);
	return cstring_to_text(pgcp_take_text(pgcert_buf_take(&buf)));
}
