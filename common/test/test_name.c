/*
 * test_name.c
 *		Distinguished names: read, written, compared.
 */
#include <stdlib.h>

#include "name.h"
#include "tap.h"

/* text -> what pgcert_name_text() makes of it, or NULL and the error */
static const struct
{
	const char *text;
	const char *want;
	size_t		position;
	const char *message;
}			readings[] = {
	{"CN=alice", "CN=alice", 0, NULL},
	{"cn=alice,o=Example", "CN=alice,O=Example", 0, NULL},
	{" CN = alice ,  O = Example ", "CN=alice,O=Example", 0, NULL},
	{"CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA", "CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA", 0, NULL},
	{"CN=a+UID=b,O=c", NULL, 0, NULL},	/* order within a set is DER's */
	{"emailAddress=a@b.example,CN=x", "emailAddress=a@b.example,CN=x", 0, NULL},
	{"2.5.4.3=alice", "CN=alice", 0, NULL},
	{"1.2.3.4=odd", "1.2.3.4=odd", 0, NULL},
	{"CN=Smith\\, John", "CN=Smith\\, John", 0, NULL},
	{"CN=Smith\\2C John", "CN=Smith\\, John", 0, NULL},
	{"CN=\\ x\\ ", "CN=\\ x\\ ", 0, NULL},
	{"CN=\\#x", "CN=\\#x", 0, NULL},
	{"CN=a#b", "CN=a#b", 0, NULL},
	{"CN=a\\\\b", "CN=a\\\\b", 0, NULL},
	{"CN=Ren\\C3\\A9", "CN=Ren\303\251", 0, NULL},
	{"CN=Ren\303\251", "CN=Ren\303\251", 0, NULL},
	{"CN=a\\0Ab", "CN=a\\0Ab", 0, NULL},
	{"CN=a\\1B[31mb", "CN=a\\1B[31mb", 0, NULL},
	{"CN=\\E2\\80\\AEb", "CN=\\E2\\80\\AEb", 0, NULL},
	{"CN=#0c05616c696365", "CN=alice", 0, NULL},
	{"CN=#1303414243", "CN=ABC", 0, NULL},
	{"CN=#1203313233", "CN=#1203313233", 0, NULL},	/* NumericString is not
													 * folded */
	{"CN=#0303036f60", "CN=#0303036f60", 0, NULL},	/* a BIT STRING, 3 bits
													 * unused */
	{"CN=#0c00", "CN=#0c00", 0, NULL},
	{"CN=#0c03610062", "CN=#0c03610062", 0, NULL},	/* an embedded NUL shows */

	{"", NULL, 1, "name is empty"},
	{"   ", NULL, 1, "name is empty"},
	{"alice", NULL, 1, "name has no attribute type where one is expected"},
	{"CN", NULL, 1, "name has no attribute type where one is expected"},
	{"=x", NULL, 1, "name has no attribute type where one is expected"},
	{"CN=a,", NULL, 6, "name has no attribute type where one is expected"},
	{"CN=a,,O=b", NULL, 6, "name has no attribute type where one is expected"},
	{"CN=Smith, John", NULL, 11, "name has no attribute type where one is expected"},
	{"CN=", NULL, 4, "name has an empty value"},
	{"CN=,O=b", NULL, 4, "name has an empty value"},
	{"CX=a", NULL, 1, "attribute type \"CX\" is not recognized"},
	{"O=a,1.02=a", NULL, 5, "attribute type \"1.02\" is not recognized"},
	{"9.9=a", NULL, 1, "attribute type \"9.9\" is not recognized"},
	{"CN=a\\zb", NULL, 5, "backslash is not followed by two hex digits or a special character"},
	{"CN=a\\", NULL, 5, "backslash is not followed by two hex digits or a special character"},
	{"CN=a\"b", NULL, 5, "character \" must be escaped in a name"},
	{"CN=a;O=b", NULL, 5, "character ; must be escaped in a name"},
	{"CN=<a", NULL, 4, "character < must be escaped in a name"},
	{"CN=a\\00b", NULL, 4, "value is not valid UTF-8, or holds a NUL"},
	{"CN=\\C3x", NULL, 4, "value is not valid UTF-8, or holds a NUL"},
	{"CN=\\ED\\A0\\80", NULL, 4, "value is not valid UTF-8, or holds a NUL"},
	{"CN=#", NULL, 4, "value after \"#\" is not the hex of a DER string"},
	{"CN=#0", NULL, 4, "value after \"#\" is not the hex of a DER string"},
	{"CN=#0c05616c", NULL, 4, "value after \"#\" is not the hex of a DER string"},
	{"CN=#0500", NULL, 4, "value after \"#\" is not the hex of a DER string"},
	/* an end-of-contents, an INTEGER, half a character of a BMPString */
	{"CN=#0000", NULL, 4, "value after \"#\" is not the hex of a DER string"},
	{"CN=#020101", NULL, 4, "value after \"#\" is not the hex of a DER string"},
	{"CN=#1e0161", NULL, 4, "value after \"#\" is not the hex of a DER string"},
	{"CN=#0c016162", NULL, 4, "value after \"#\" is not the hex of a DER string"},
	{"CN=#0c0161zz", NULL, 11, "name has a stray character after a value"},
};

/* Are these the same name? */
static const struct
{
	const char *a;
	const char *b;
	bool		same;
}			comparisons[] = {
	{"CN=alice,O=Example", "CN=alice,O=Example", true},
	{"CN=ALICE,O=example", "cn=alice, o=EXAMPLE", true},
	{"CN=a  b", "CN=a b", true},
	{"CN=#1305616c696365", "CN=alice", true},	/* PrintableString */
	{"CN=#1e0a0061006c006900630065", "CN=alice", true}, /* BMPString */
	{"CN=#1605616c696365", "CN=#0c05616c696365", true}, /* IA5String */
	{"CN=a+O=b", "O=b+CN=a", true},
	{"2.5.4.10=x", "O=x", true},

	{"CN=alice", "CN=alicf", false},
	{"CN=alice,O=a", "O=a,CN=alice", false},
	{"CN=a+O=b", "CN=a,O=b", false},
	{"CN=a,O=b", "CN=a\\,O=b", false},
	{"CN=a", "CN=a,O=b", false},
	{"CN=a", "OU=a", false},
	{"CN=#0c03610062", "CN=#0c0161", false},	/* a NUL ends nothing */
	{"CN=#1203313233", "CN=123", false},
	{"CN=\\C3\\A9", "CN=e", false},
	{"CN=\\C3\\A9", "CN=\\C3\\89", false},	/* only ASCII case is folded */
	{"emailAddress=a@b", "CN=a@b", false},
};

static void
test_readings(void)
{
	for (size_t i = 0; i < sizeof(readings) / sizeof(readings[0]); i++)
	{
		PgcertError error = {0};
		X509_NAME  *name = pgcert_name_parse(readings[i].text, strlen(readings[i].text), &error);

		if (readings[i].message != NULL)
		{
			ok(name == NULL && strcmp(error.message, readings[i].message) == 0 &&
			   error.position == readings[i].position,
			   "%s: %s at %zu", readings[i].text, error.message, error.position);
		}
		else if (ok(name != NULL, "%s is read", readings[i].text))
		{
			char	   *text = pgcert_name_text(name);
			X509_NAME  *again = pgcert_name_parse(text, strlen(text), &error);

			if (readings[i].want != NULL)
				is(text, readings[i].want, "... and written");
			ok(pgcert_name_equal(name, again), "... and read again from %s", text);
			X509_NAME_free(again);
			free(text);
		}
		X509_NAME_free(name);
	}
}

static void
test_comparisons(void)
{
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
	{
		PgcertError error;
		X509_NAME  *a = pgcert_name_parse(comparisons[i].a, strlen(comparisons[i].a), &error);
		X509_NAME  *b = pgcert_name_parse(comparisons[i].b, strlen(comparisons[i].b), &error);

		ok(a != NULL && b != NULL && pgcert_name_equal(a, b) == comparisons[i].same,
		   "%s %s %s", comparisons[i].a, comparisons[i].same ? "is" : "is not", comparisons[i].b);
		X509_NAME_free(a);
		X509_NAME_free(b);
	}
	ok(!pgcert_name_equal(NULL, NULL), "nothing equals nothing");
}

static void
test_der(void)
{
	static const unsigned char der[] = "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x";
	X509_NAME  *name = pgcert_name_from_der(der, sizeof(der) - 1);
	X509_NAME  *empty = pgcert_name_from_der((const unsigned char *) "\x30\x00", 2);
	char	   *text;

	ok(name != NULL, "a DER name is read");
	text = name ? pgcert_name_text(name) : NULL;
	is(text, "CN=x", "... as what it is");
	free(text);
	ok(pgcert_name_from_der(der, sizeof(der)) == NULL, "a byte behind it is refused");
	ok(pgcert_name_from_der(der, sizeof(der) - 2) == NULL, "a byte too few is refused");
	ok(pgcert_name_from_der(der, 0) == NULL, "no bytes are refused");
	text = empty ? pgcert_name_text(empty) : NULL;
	is(text, "", "the empty name is the empty text");
	free(text);
	X509_NAME_free(empty);
	X509_NAME_free(name);
}

int
main(void)
{
	test_readings();
	test_comparisons();
	test_der();
	return done_testing();
}
