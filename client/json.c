/*
 * json.c
 *		JSON, written.
 */
#include <string.h>

#include "json.h"

void
pgcs_json_string(PgcertBuf *buf, const char *text)
{
	pgcert_buf_text(buf, "\"");
	for (const unsigned char *p = (const unsigned char *) text; *p != '\0'; p++)
	{
		if (*p == '"' || *p == '\\')
			pgcert_buf_printf(buf, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			pgcert_buf_printf(buf, "\\u%04x", *p);
		else
			pgcert_buf_bytes(buf, p, 1);
	}
	pgcert_buf_text(buf, "\"");
}

void
pgcs_json_path(PgcertBuf *buf, const char *key, const char *path)
{
	pgcert_buf_printf(buf, "\"%s\": ", key);
	if (path == NULL)
		pgcert_buf_text(buf, "null");
	else if (pgcert_utf8_is_valid(path, strlen(path)))
		pgcs_json_string(buf, path);
	else
	{
		pgcert_buf_printf(buf, "null, \"%s_hex\": \"", key);
		pgcert_buf_hex(buf, (const unsigned char *) path, strlen(path));
		pgcert_buf_text(buf, "\"");
	}
}
