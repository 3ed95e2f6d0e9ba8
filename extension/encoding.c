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

text *
pgcp_text_from_utf8(const char *utf8)
{
	StringInfoData escaped;

	if (GetDatabaseEncoding() == PG_UTF8 && pg_verify_mbstr(PG_UTF8, utf8,
															strlen(utf8), true))
		return cstring_to_text(utf8);

	initStringInfo(&escaped);
	for (const char *p = utf8; *p; p++)
	{
		if (IS_HIGHBIT_SET(*p))
			appendStringInfo(&escaped, "\\%02X", (unsigned char) *p);
		else
			appendStringInfoChar(&escaped, *p);
	}
	return cstring_to_text_with_len(escaped.data, escaped.len);
}
