/*
 * attribute.c
 *		The attribute types of distinguished names, by name.
 *
 * RFC 4514's table, and the short names that OpenSSL prints for the others.
 * The list is our own, so that a policy means the same with every OpenSSL;
 * any other attribute is written as its dotted OID.
 */
#include <stdbool.h>
#include <string.h>

#include "attribute.h"

typedef struct Attribute
{
	const char *name;
	const char *oid;
} Attribute;

static const Attribute attributes[] = {
	/* RFC 4514, section 3 */
	{"CN", "2.5.4.3"},
	{"L", "2.5.4.7"},
	{"ST", "2.5.4.8"},
	{"O", "2.5.4.10"},
	{"OU", "2.5.4.11"},
	{"C", "2.5.4.6"},
	{"STREET", "2.5.4.9"},
	{"DC", "0.9.2342.19200300.100.1.25"},
	{"UID", "0.9.2342.19200300.100.1.1"},
	/* OpenSSL's short names; RFC 4519, 5280 and 2985 define the types */
	{"SN", "2.5.4.4"},
	{"serialNumber", "2.5.4.5"},
	{"title", "2.5.4.12"},
	{"description", "2.5.4.13"},
	{"businessCategory", "2.5.4.15"},
	{"postalCode", "2.5.4.17"},
	{"name", "2.5.4.41"},
	{"GN", "2.5.4.42"},
	{"initials", "2.5.4.43"},
	{"generationQualifier", "2.5.4.44"},
	{"x500UniqueIdentifier", "2.5.4.45"},
	{"dnQualifier", "2.5.4.46"},
	{"pseudonym", "2.5.4.65"},
	{"organizationIdentifier", "2.5.4.97"},
	{"emailAddress", "1.2.840.113549.1.9.1"},
	{"unstructuredName", "1.2.840.113549.1.9.2"},
	{"jurisdictionL", "1.3.6.1.4.1.311.60.2.1.1"},
	{"jurisdictionST", "1.3.6.1.4.1.311.60.2.1.2"},
	{"jurisdictionC", "1.3.6.1.4.1.311.60.2.1.3"},
};

#define N_ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

static char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* Not strncasecmp(): in a Turkish locale "I" is not the capital of "i". */
static bool
is_same_type(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (ascii_lower(a[i]) != ascii_lower(b[i]))
			return false;
	}
	return true;
}

const char *
pgcert_attribute_oid(const char *name, size_t len)
{
	for (size_t i = 0; i < N_ATTRIBUTES; i++)
	{
		if (strlen(attributes[i].name) == len &&
			is_same_type(attributes[i].name, name, len))
			return attributes[i].oid;
	}
	return NULL;
}

const char *
pgcert_attribute_name(const char *oid)
{
	for (size_t i = 0; i < N_ATTRIBUTES; i++)
	{
		if (strcmp(attributes[i].oid, oid) == 0)
			return attributes[i].name;
	}
	return NULL;
}
