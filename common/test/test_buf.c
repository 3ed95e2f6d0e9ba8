/*
 * test_buf.c
 *		Escaping, UTF-8, hex.
 */
#include <stdlib.h>

#include "buf.h"
#include "hex.h"
#include "purpose.h"
#include "tap.h"

#define BYTES(s) s, sizeof(s) - 1

static const struct
{
	const char *bytes;
	size_t		len;
	const char *want;
	bool		utf8;
}			escapes[] = {
	{BYTES("plain text"), "plain text", true},
	{BYTES(""), "", true},
	{BYTES("a\nb"), "a\\0Ab", true},
	{BYTES("\x1b[0m"), "\\1B[0m", true},
	{BYTES("\x7f"), "\\7F", true},
	{BYTES("a\0b"), "a\\00b", false},
	{BYTES("\xc3\xa9"), "\xc3\xa9", true},
	{BYTES("\xc2\x85"), "\\C2\\85", true},	/* C1: next line */
	{BYTES("\xe2\x80\xae"), "\\E2\\80\\AE", true},	/* right-to-left override */
	{BYTES("\xe2\x80\x8b"), "\\E2\\80\\8B", true},	/* zero-width space */
	{BYTES("\xe2\x81\xa6"), "\\E2\\81\\A6", true},	/* isolate */
	{BYTES("\xd8\x9c"), "\\D8\\9C", true},	/* Arabic letter mark */
	{BYTES("\xef\xbb\xbf"), "\\EF\\BB\\BF", true},	/* byte order mark */
	{BYTES("\xe2\x82\xac"), "\xe2\x82\xac", true},	/* euro */
	{BYTES("\xf0\x9f\x94\x91"), "\xf0\x9f\x94\x91", true},
	{BYTES("\xff"), "\\FF", false},
	{BYTES("\xc3"), "\\C3", false},
	{BYTES("\xc0\x80"), "\\C0\\80", false}, /* overlong */
	{BYTES("\xe0\x80\x80"), "\\E0\\80\\80", false},
	{BYTES("\xed\xa0\x80"), "\\ED\\A0\\80", false}, /* surrogate */
	{BYTES("\xf4\x90\x80\x80"), "\\F4\\90\\80\\80", false}, /* past U+10FFFF */
	{BYTES("\xf5\x80\x80\x80"), "\\F5\\80\\80\\80", false},
};

static const struct
{
	const char *text;
	const char *want;			/* NULL: refused */
}			hexes[] = {
	{"00ff", "00ff"}, {"A0:b1", "a0b1"}, {"abc", "0abc"}, {"0", "00"},
	{"", NULL}, {":", NULL}, {":aa", NULL}, {"aa:", NULL}, {"xy", NULL}, {"0x12", NULL},
	{"aa bb", NULL},
};

static const struct
{
	const char *oid;
	bool		valid;
}			oids[] = {
	{"1.3.6.1.5.5.7.3.2", true}, {"2.5.29.37.0", true}, {"0.9", true}, {"2.999.1", true},
	{"1.3.6.1.4.1.99999999999999999999.1", true},
	{"1", false}, {"", false}, {".", false}, {"1.", false}, {".1", false}, {"1..2", false},
	{"3.1", false}, {"1.40", false}, {"1.02", false}, {"10.1", false}, {"1.2.x", false},
	{"clientAuth", false}, {" 1.2", false}, {"1.2 ", false}, {"-1.2", false},
};

int
main(void)
{
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
	{
		PgcertBuf	buf = PGCERT_BUF_INIT;
		char	   *text;

		pgcert_buf_escaped(&buf, escapes[i].bytes, escapes[i].len);
		text = pgcert_buf_take(&buf);
		is(text, escapes[i].want, escapes[i].want);
		ok(pgcert_utf8_is_valid(escapes[i].bytes, escapes[i].len) == escapes[i].utf8,
		   "... %s UTF-8 without NUL", escapes[i].utf8 ? "is" : "is not");
		free(text);
	}
	for (size_t i = 0; i < sizeof(hexes) / sizeof(hexes[0]); i++)
	{
		PgcertBuf	buf = PGCERT_BUF_INIT;
		unsigned char bytes[16];
		size_t		len;
		char	   *text = NULL;

		if (pgcert_hex_decode(hexes[i].text, strlen(hexes[i].text), bytes, &len))
		{
			pgcert_buf_hex(&buf, bytes, len);
			text = pgcert_buf_take(&buf);
		}
		is(text, hexes[i].want, hexes[i].text);
		free(text);
	}
	for (size_t i = 0; i < sizeof(oids) / sizeof(oids[0]); i++)
		ok(pgcert_oid_is_valid(oids[i].oid) == oids[i].valid, "\"%s\" is%s an OID",
		   oids[i].oid, oids[i].valid ? "" : " not");
	is(pgcert_purpose_oid("clientAuth"), "1.3.6.1.5.5.7.3.2", "clientAuth has its OID");
	is(pgcert_purpose_oid("clientauth"), NULL, "the case of a purpose matters");
	is(pgcert_purpose_name("1.3.6.1.5.5.7.3.1"), "serverAuth", "serverAuth has its name");
	is(pgcert_purpose_name("1.2.3"), "1.2.3", "others keep their OID");

	{
		PgcertBuf	buf = PGCERT_BUF_INIT;
		char	   *text;

		for (int i = 0; i < 1000; i++)
			pgcert_buf_printf(&buf, "%d,", i);
		text = pgcert_buf_take(&buf);
		ok(text != NULL && strlen(text) == 3890, "a text grows as needed");
		free(text);
		text = pgcert_buf_take(&buf);
		is(text, "", "a buffer that was taken is empty");
		free(text);
	}
	return done_testing();
}
