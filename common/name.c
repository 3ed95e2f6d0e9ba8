/*
 * name.c
 *		Distinguished names: written as text, compared, taken from DER.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "buf.h"
#include "name.h"
#include "purpose.h"

bool
pgcert_name_equal(const X509_NAME *a, const X509_NAME *b)
{
	/* X509_NAME_cmp() answers -2 for an error, which is not equality */
	return a != NULL && b != NULL && X509_NAME_cmp(a, b) == 0;
}

X509_NAME *
pgcert_name_from_der(const unsigned char *der, size_t len)
{
	const unsigned char *p = der;
	X509_NAME  *name;

	if (len == 0 || len > LONG_MAX)
		return NULL;
	name = d2i_X509_NAME(NULL, &p, (long) len);
	if (name != NULL && p != der + len)
	{
		X509_NAME_free(name);
		return NULL;
	}
	return name;
}

/*
 * The string types that OpenSSL's canonical form folds.  A value of another
 * type is equal only to a value of the same type, so it is written as hex
 * with its type; so are empty values and embedded NULs, to be seen for what
 * they are.
 */
static bool
is_folded_type(int type)
{
	return type == V_ASN1_UTF8STRING || type == V_ASN1_BMPSTRING ||
		type == V_ASN1_UNIVERSALSTRING || type == V_ASN1_PRINTABLESTRING ||
		type == V_ASN1_T61STRING || type == V_ASN1_IA5STRING ||
		type == V_ASN1_VISIBLESTRING;
}

/* The characters of a value, escaped as RFC 4514, 2.4 asks. */
static void
add_string(PgcertBuf *buf, const unsigned char *value, size_t len)
{
	size_t		start = 0;

	for (size_t i = 0; i < len; i++)
	{
		bool		special = strchr("\"+,;<>\\", value[i]) != NULL && value[i] != '\0';

		if (!special && value[i] == '#')
			special = (i == 0);
		if (!special && value[i] == ' ')
			special = (i == 0 || i == len - 1);
		if (special)
		{
			pgcert_buf_escaped(buf, value + start, i - start);
			pgcert_buf_text(buf, "\\");
			pgcert_buf_bytes(buf, value + i, 1);
			start = i + 1;
		}
	}
	pgcert_buf_escaped(buf, value + start, len - start);
}

static void
add_value(PgcertBuf *buf, const ASN1_STRING *value)
{
	unsigned char *bytes = NULL;
	int			len = -1;

	if (is_folded_type(ASN1_STRING_type(value)))
		len = ASN1_STRING_to_UTF8(&bytes, value);
	if (len > 0 && memchr(bytes, '\0', (size_t) len) == NULL)
		add_string(buf, bytes, (size_t) len);
	else
	{
		unsigned char *der = NULL;
		ASN1_TYPE  *any = ASN1_TYPE_new();
		int			der_len = -1;

		/* the value with its type; an unknown one is printed empty-handed */
		if (any != NULL &&
			ASN1_TYPE_set1(any, ASN1_STRING_type(value), value) == 1)
			der_len = i2d_ASN1_TYPE(any, &der);
		pgcert_buf_text(buf, "#");
		if (der_len > 0)
			pgcert_buf_hex(buf, der, (size_t) der_len);
		OPENSSL_free(der);
		ASN1_TYPE_free(any);
	}
	OPENSSL_free(bytes);
}

char *
pgcert_name_text(const X509_NAME *name)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	int			previous_set = -1;

	for (int i = X509_NAME_entry_count(name) - 1; i >= 0; i--)
	{
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		int			set = X509_NAME_ENTRY_set(entry);
		char	   *oid = pgcert_oid_text(X509_NAME_ENTRY_get_object(entry));
		const char *short_name;

		if (oid == NULL)
		{
			pgcert_buf_free(&buf);
			return NULL;
		}
		if (previous_set != -1)
			pgcert_buf_text(&buf, set == previous_set ? "+" : ",");
		previous_set = set;
		short_name = pgcert_attribute_name(oid);
		pgcert_buf_text(&buf, short_name ? short_name : oid);
		pgcert_buf_text(&buf, "=");
		add_value(&buf, X509_NAME_ENTRY_get_data(entry));
		free(oid);
	}
	return pgcert_buf_take(&buf);
}
