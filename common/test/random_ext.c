/*
 * random_ext.c
 *		Random extensions of certificates, written byte by byte, as no tool
 *		would write most of them.
 */
#include <string.h>

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "random.h"

/* ---------- DER by hand ---------- */

static void
add_tagged(Bytes *to, unsigned char tag, const void *bytes, size_t len)
{
	unsigned char head[4] = {tag, 0x82, (unsigned char) (len >> 8), (unsigned char) len};

	if (len < 128)
		head[1] = (unsigned char) len;
	add(to, head, len < 128 ? 2 : 4);
	add(to, bytes, len);
}

static void
add_oid(Bytes *to, const char *dotted)
{
	ASN1_OBJECT *object = OBJ_txt2obj(dotted, 1);

	must(object != NULL);
	add_tagged(to, 0x06, OBJ_get0_data(object), OBJ_length(object));
	ASN1_OBJECT_free(object);
}

/* ---------- extensions ---------- */

static void
add_extension(Made *made, int nid, const Bytes *bytes)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	must(value != NULL && ASN1_OCTET_STRING_set(value, bytes->data, (int) bytes->len));
	extension = X509_EXTENSION_create_by_NID(NULL, nid, (int) pick(2), value);
	must(extension != NULL && X509_add_ext(made->cert, extension, -1));
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
}

/* Now and then a wrong length, or something behind. */
static bool
spoil(Bytes *all)
{
	if (pick(25) == 0)
		all->data[1] ^= (unsigned char) (1 + pick(3));
	else if (pick(40) == 0)
		add(all, "\0", 1);
	else
		return false;
	return true;
}

static void
keep_san(Made *made, Bytes *line, const char *type, const void *bytes, size_t len)
{
	San		   *san = &made->sans[made->n_sans];

	add_text(line, " %s:", type);
	add_hex(line, bytes, len);
	if (made->n_sans == COUNT(made->sans))
		return;
	san->type = type;
	memcpy(san->bytes, bytes, len);
	san->len = len;
	made->n_sans++;
}

static void
add_plain_san(Made *made, Bytes *to, Bytes *line, const char *type, const char *bytes, size_t len)
{
	unsigned char tag = strcmp(type, "email") == 0 ? 0x81 : strcmp(type, "DNS") == 0 ? 0x82 :
		strcmp(type, "URI") == 0 ? 0x86 : 0x87;

	add_tagged(to, tag, bytes, len);
	keep_san(made, line, type, bytes, len);
}

static void
add_other_name(Made *made, Bytes *to, Bytes *line)
{
	static const char *const texts[] = {"alice@EXAMPLE", "alice@EXAMPLE", "ren\303\251@x", "bob@EXAMPLE", ""};
	const char *text = PICK(texts);
	const char *oid = pick(4) ? "1.3.6.1.4.1.311.20.2.3" : "1.3.6.1.4.1.99999.3";
	unsigned char tag = pick(10) ? 0x0c : 0x16;
	size_t		len = pick(30) ? strlen(text) : 0;
	Bytes		value = {.len = 0};
	Bytes		other = {.len = 0};

	if (pick(30) == 0)
	{
		text = "ali\0ce";
		len = 6;
	}
	add_tagged(&value, tag, text, len);
	add_oid(&other, oid);
	add_tagged(&other, 0xa0, value.data, value.len);
	add_tagged(to, 0xa0, other.data, other.len);
	add_text(line, " other:%s:%d:", oid, tag);
	add_hex(line, text, len);
	if (made->n_sans < COUNT(made->sans))
	{
		San		   *san = &made->sans[made->n_sans++];

		san->type = "UPN";
		memcpy(san->bytes, text, len);
		san->len = len;
	}
}

/* One GeneralName, mostly a good one. */
static void
add_general_name(Made *made, Bytes *to, Bytes *line)
{
	static const char *const hosts[] = {
		"alice.example.com", "Alice.Example.COM", "bob.example.com", "example.com",
		"*.example.com", "a",
	};
	static const char *const mails[] = {"alice@example.com", "ALICE@example.com", "bob@x"};
	static const char *const uris[] = {
		"spiffe://example.com/alice", "https://a/", "alice.example.com",
	};
	const char *text;
	static const char *const kinds[] = {"DNS", "email", "URI"};

	switch (pick(16))
	{
		case 0:
		case 1:
		case 2:
		case 3:
			text = PICK(hosts);
			add_plain_san(made, to, line, "DNS", text, strlen(text));
			break;
		case 4:
		case 5:
			text = PICK(mails);
			add_plain_san(made, to, line, "email", text, strlen(text));
			break;
		case 6:
		case 7:
			text = PICK(uris);
			add_plain_san(made, to, line, "URI", text, strlen(text));
			break;
		case 8:
		case 9:
			add_plain_san(made, to, line, "IP", pick(3) ? "\12\1\2\3" : "\12\1\2\4", 4);
			break;
		case 10:
			add_plain_san(made, to, line, "IP", "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 16);
			break;
		case 11:				/* with a mask, or short, an embedded NUL, no
								 * ASCII, nothing */
			if (pick(3) != 0)
				break;
			if (pick(4) == 0)
				add_plain_san(made, to, line, "IP", "\12\1\2\3\xff\xff\xff\0", pick(2) ? 8 : 5);
			else if (pick(3) == 0)
				add_plain_san(made, to, line, PICK(kinds), "alice\0x", 7);
			else if (pick(2) == 0)
				add_plain_san(made, to, line, PICK(kinds), "ren\303\251", 5);
			else
				add_plain_san(made, to, line, PICK(kinds), "", 0);
			break;
		case 12:				/* a directory name, a registered id */
			if (pick(2))
				add_tagged(to, 0xa4, "\x30\0", 2);
			else
				add_tagged(to, 0x88, "\x2a\3", 2);
			add_text(line, " none");
			break;
		default:
			add_other_name(made, to, line);
	}
}

static void
finish_extension(Made *made, int nid, const char *word, Bytes *list, const Bytes *line, bool spoilt)
{
	Bytes		all = {.len = 0};

	add_tagged(&all, 0x30, list->data, list->len);
	spoilt = spoil(&all) || spoilt;
	add_extension(made, nid, &all);
	add_text(&made->extensions, "%s %s%s\n", word, spoilt ? "broken" : "good",
			 line->len > 0 ? (const char *) line->data : "");
}

void
add_sans(Made *made)
{
	Bytes		list = {.len = 0};
	Bytes		line = {.len = 0};

	for (unsigned n = pick(12) ? 1 + pick(4) : 0; n > 0; n--)
		add_general_name(made, &list, &line);
	finish_extension(made, NID_subject_alt_name, "san", &list, &line, false);
}

void
add_ekus(Made *made)
{
	static const char *const purposes[] = {
		"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.3",
		"1.3.6.1.4.1.311.20.2.2", "2.5.29.37.0", "1.3.6.1.4.1.99999.7",
	};
	Bytes		list = {.len = 0};
	Bytes		line = {.len = 0};
	bool		spoilt = false;

	for (unsigned n = pick(12) ? 1 + pick(3) : 0; n > 0; n--)
	{
		const char *oid = PICK(purposes);

		add_oid(&list, oid);
		add_text(&line, " %s", oid);
		if (made->n_ekus < COUNT(made->ekus))
			made->ekus[made->n_ekus++] = oid;
	}
	if (pick(30) == 0)
	{
		add_tagged(&list, 0x02, "\1", 1);	/* a number, no purpose */
		spoilt = true;
	}
	finish_extension(made, NID_ext_key_usage, "eku", &list, &line, spoilt);
}

void
add_policies(Made *made)
{
	static const char *const oids[] = {
		"1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "2.5.29.32.0", "2.23.140.1.2.2",
	};
	Bytes		list = {.len = 0};
	Bytes		line = {.len = 0};
	bool		spoilt = false;

	for (unsigned n = pick(12) ? 1 + pick(3) : 0; n > 0; n--)
	{
		const char *oid = PICK(oids);
		Bytes		one = {.len = 0};

		add_oid(&one, oid);
		add_tagged(&list, 0x30, one.data, one.len);
		add_text(&line, " %s", oid);
		if (made->n_oids < COUNT(made->oids))
			made->oids[made->n_oids++] = oid;
	}
	if (pick(30) == 0)
	{
		add_oid(&list, PICK(oids)); /* without its sequence */
		spoilt = true;
	}
	finish_extension(made, NID_certificate_policies, "policies", &list, &line, spoilt);
}
