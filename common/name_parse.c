/*
 * name_parse.c
 *		Distinguished names: read from RFC 4514 text.
 *
 * OpenSSL writes this form but does not read it.  The text is cut into RDNs
 * and values here; what they mean is left to OpenSSL's X509_NAME.  Values are
 * given to it as UTF8String, because comparison folds string types anyway.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "hex.h"
#include "name.h"
#include "purpose.h"

/* One "type=value", as it stood in the text. */
typedef struct Attribute
{
	X509_NAME_ENTRY *entry;
	bool		joined;			/* followed by '+': the next is of this RDN */
} Attribute;

typedef struct Reader
{
	const char *text;
	size_t		len;
	size_t		pos;			/* of the next byte, from 0 */
	Attribute  *attributes;
	size_t		n_attributes;
	PgcertError *error;
} Reader;

static bool
at_end(const Reader *reader)
{
	return reader->pos >= reader->len;
}

static char
peek(const Reader *reader)
{
	return at_end(reader) ? '\0' : reader->text[reader->pos];
}

static void
skip_blanks(Reader *reader)
{
	while (!at_end(reader) && strchr(" \t\n", peek(reader)) != NULL &&
		   peek(reader) != '\0')
		reader->pos++;
}

/* "CN" or "2.5.4.3", up to and with the '='. */
static ASN1_OBJECT *
read_type(Reader *reader)
{
	size_t		start;
	size_t		len;
	const char *oid;
	char		dotted[128];

	skip_blanks(reader);
	start = reader->pos;
	while (!at_end(reader) &&
		   strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-",
				  peek(reader)) != NULL)
		reader->pos++;
	len = reader->pos - start;
	skip_blanks(reader);
	if (len == 0 || peek(reader) != '=')
	{
		pgcert_error_set(reader->error, start + 1,
						 "name has no attribute type where one is expected");
		pgcert_error_hint(reader->error,
						  "Write names as RFC 4514 does, as in \"CN=alice,O=Example\"; a comma inside a value is written \"\\,\".");
		return NULL;
	}
	reader->pos++;

	oid = pgcert_attribute_oid(reader->text + start, len);
	if (oid == NULL && len < sizeof(dotted))
	{
		memcpy(dotted, reader->text + start, len);
		dotted[len] = '\0';
		if (pgcert_oid_is_valid(dotted))
			oid = dotted;
	}
	if (oid == NULL)
	{
		pgcert_error_set(reader->error, start + 1,
						 "attribute type \"%.*s\" is not recognized",
						 len > 64 ? 64 : (int) len, reader->text + start);
		pgcert_error_hint(reader->error,
						  "Known are CN, O, OU, C, ST, L, DC, UID, emailAddress, serialNumber and others; any attribute can be written as its dotted OID.");
		return NULL;
	}
	return OBJ_txt2obj(oid, 1);
}

/*
 * Can a name hold the value?  Not every type of string can stand in one, and
 * not every string of those types has characters.
 */
static bool
is_readable(const X509_NAME_ENTRY *entry)
{
	X509_NAME  *name = X509_NAME_new();
	X509_NAME  *again = NULL;
	unsigned char *der = NULL;
	const unsigned char *p;
	int			len = -1;

	if (name != NULL && X509_NAME_add_entry(name, entry, -1, 0) == 1)
		len = i2d_X509_NAME(name, &der);
	p = der;
	if (len > 0)
		again = d2i_X509_NAME(NULL, &p, len);
	X509_NAME_free(name);
	X509_NAME_free(again);
	OPENSSL_free(der);
	return again != NULL;
}

/* "#" and hex: the DER of the value itself. */
static X509_NAME_ENTRY *
read_hex_value(Reader *reader, const ASN1_OBJECT *type)
{
	size_t		start = reader->pos;
	X509_NAME_ENTRY *entry = NULL;
	ASN1_TYPE  *any = NULL;
	unsigned char *der = NULL;
	const unsigned char *p;
	size_t		digits = 0;

	reader->pos++;
	while (reader->pos + digits < reader->len &&
		   pgcert_hex_digit(reader->text[reader->pos + digits]) >= 0)
		digits++;
	der = malloc(digits / 2 + 1);
	if (der == NULL)
	{
		pgcert_error_out_of_memory(reader->error);
		return NULL;
	}
	for (size_t i = 0; i < digits / 2; i++)
		der[i] = (unsigned char) (pgcert_hex_digit(reader->text[reader->pos + 2 * i]) << 4 |
								  pgcert_hex_digit(reader->text[reader->pos + 2 * i + 1]));
	p = der;
	if (digits > 0 && digits % 2 == 0 && digits / 2 <= LONG_MAX)
		any = d2i_ASN1_TYPE(NULL, &p, (long) (digits / 2));

	/* only what is kept as an ASN1_STRING can be an attribute value */
	if (any != NULL && p == der + digits / 2 &&
		any->type != V_ASN1_NULL && any->type != V_ASN1_BOOLEAN &&
		any->type != V_ASN1_OBJECT)
		entry = X509_NAME_ENTRY_create_by_OBJ(NULL, type, any->type,
											  any->value.asn1_string->data,
											  any->value.asn1_string->length);

	/* with what a BIT STRING has besides its bytes */
	if (entry != NULL &&
		(ASN1_STRING_copy(X509_NAME_ENTRY_get_data(entry),
						  any->value.asn1_string) != 1 || !is_readable(entry)))
	{
		X509_NAME_ENTRY_free(entry);
		entry = NULL;
	}
	if (entry == NULL)
		pgcert_error_set(reader->error, start + 1,
						 "value after \"#\" is not the hex of a DER string");
	ASN1_TYPE_free(any);
	free(der);
	reader->pos += digits;
	return entry;
}

/* A string with RFC 4514's escapes, up to an unescaped separator. */
static X509_NAME_ENTRY *
read_string_value(Reader *reader, const ASN1_OBJECT *type)
{
	size_t		start = reader->pos;
	size_t		len = 0;
	size_t		kept = 0;		/* length without unescaped blanks at the end */
	unsigned char *value = malloc(reader->len - reader->pos + 1);
	X509_NAME_ENTRY *entry = NULL;

	if (value == NULL)
	{
		pgcert_error_out_of_memory(reader->error);
		return NULL;
	}
	while (!at_end(reader) && peek(reader) != ',' && peek(reader) != '+')
	{
		char		c = peek(reader);

		if (c == '\\')
		{
			size_t		used = pgcert_unescape(reader->text + reader->pos,
											   reader->len - reader->pos,
											   &value[len]);

			if (used == 0)
			{
				pgcert_error_set(reader->error, reader->pos + 1,
								 "backslash is not followed by two hex digits or a special character");
				pgcert_error_hint(reader->error, "A backslash itself is written \"\\\\\" or \"\\5C\".");
				goto out;
			}
			reader->pos += used;
			kept = ++len;
			continue;
		}
		if (strchr("\";<>", c) != NULL)
		{
			pgcert_error_set(reader->error, reader->pos + 1,
							 "character %c must be escaped in a name", c);
			pgcert_error_hint(reader->error, "Put a backslash before it.");
			goto out;
		}
		value[len++] = (unsigned char) c;
		if (c != ' ' && c != '\t' && c != '\n')
			kept = len;
		reader->pos++;
	}
	len = kept;
	if (len == 0)
		pgcert_error_set(reader->error, start + 1, "name has an empty value");
	else if (!pgcert_utf8_is_valid(value, len))
		pgcert_error_set(reader->error, start + 1, "value is not valid UTF-8, or holds a NUL");
	else
	{
		entry = X509_NAME_ENTRY_create_by_OBJ(NULL, type, V_ASN1_UTF8STRING,
											  value, (int) len);
		if (entry == NULL)
			pgcert_error_out_of_memory(reader->error);
	}
out:
	free(value);
	return entry;
}

/* Reads one "type=value" and the separator behind it. */
static bool
read_attribute(Reader *reader, bool *more)
{
	ASN1_OBJECT *type = read_type(reader);
	Attribute  *grown;
	X509_NAME_ENTRY *entry;

	if (type == NULL)
		return false;
	skip_blanks(reader);
	if (peek(reader) == '#')
		entry = read_hex_value(reader, type);
	else
		entry = read_string_value(reader, type);
	ASN1_OBJECT_free(type);
	if (entry == NULL)
		return false;

	grown = realloc(reader->attributes,
					(reader->n_attributes + 1) * sizeof(Attribute));
	if (grown == NULL)
	{
		X509_NAME_ENTRY_free(entry);
		pgcert_error_out_of_memory(reader->error);
		return false;
	}
	reader->attributes = grown;
	grown[reader->n_attributes].entry = entry;
	skip_blanks(reader);
	*more = !at_end(reader);
	grown[reader->n_attributes].joined = (peek(reader) == '+');
	reader->n_attributes++;
	if (*more && peek(reader) != ',' && peek(reader) != '+')
	{
		pgcert_error_set(reader->error, reader->pos + 1,
						 "name has a stray character after a value");
		return false;
	}
	reader->pos++;
	return true;
}

/* RFC 4514 writes the last RDN first, so the list is taken from its end. */
static X509_NAME *
build_name(Reader *reader)
{
	X509_NAME  *name = X509_NAME_new();
	bool		ok = (name != NULL);

	for (size_t i = reader->n_attributes; ok && i-- > 0;)
	{
		int			set = reader->attributes[i].joined ? -1 : 0;

		ok = X509_NAME_add_entry(name, reader->attributes[i].entry, -1, set) == 1;
	}
	/* encoding now fixes the canonical form, so that readers can share it */
	if (ok && i2d_X509_NAME(name, NULL) > 0)
		return name;
	X509_NAME_free(name);
	pgcert_error_out_of_memory(reader->error);
	return NULL;
}

X509_NAME *
pgcert_name_parse(const char *text, size_t len, PgcertError *error)
{
	Reader		reader = {.text = text, .len = len, .error = error};
	X509_NAME  *name = NULL;
	bool		more = true;

	skip_blanks(&reader);
	if (at_end(&reader))
	{
		pgcert_error_set(error, 1, "name is empty");
		return NULL;
	}
	while (more)
	{
		if (!read_attribute(&reader, &more))
			goto out;
	}
	name = build_name(&reader);
out:
	for (size_t i = 0; i < reader.n_attributes; i++)
		X509_NAME_ENTRY_free(reader.attributes[i].entry);
	free(reader.attributes);
	return name;
}
