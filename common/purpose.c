/*
 * purpose.c
 *		Extended key usage purposes and other object identifiers by name.
 *
 * OpenSSL's own table grows from release to release; a label that was valid
 * on one server must be valid on every other, so the names stand here.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/objects.h>

#include "purpose.h"

typedef struct Purpose
{
	const char *name;			/* OpenSSL's short name */
	const char *oid;
} Purpose;

static const Purpose purposes[] = {
	/* RFC 5280, 4.2.1.12 */
	{"anyExtendedKeyUsage", PGCERT_OID_ANY_EKU},
	{"serverAuth", "1.3.6.1.5.5.7.3.1"},
	{"clientAuth", "1.3.6.1.5.5.7.3.2"},
	{"codeSigning", "1.3.6.1.5.5.7.3.3"},
	{"emailProtection", "1.3.6.1.5.5.7.3.4"},
	{"timeStamping", "1.3.6.1.5.5.7.3.8"},
	{"OCSPSigning", "1.3.6.1.5.5.7.3.9"},
	/* others that certificates in the field carry */
	{"ipsecEndSystem", "1.3.6.1.5.5.7.3.5"},
	{"ipsecTunnel", "1.3.6.1.5.5.7.3.6"},
	{"ipsecUser", "1.3.6.1.5.5.7.3.7"},
	{"DVCS", "1.3.6.1.5.5.7.3.10"},
	{"ipsecIKE", "1.3.6.1.5.5.7.3.17"}, /* RFC 4945 */
	{"secureShellClient", "1.3.6.1.5.5.7.3.21"},	/* RFC 6187 */
	{"secureShellServer", "1.3.6.1.5.5.7.3.22"},
	{"pkInitClientAuth", "1.3.6.1.5.2.3.4"},	/* RFC 4556 */
	{"pkInitKDC", "1.3.6.1.5.2.3.5"},
	{"msSmartcardLogin", "1.3.6.1.4.1.311.20.2.2"},
	{"msEFS", "1.3.6.1.4.1.311.10.3.4"},
};

#define N_PURPOSES (sizeof(purposes) / sizeof(purposes[0]))

const char *
pgcert_purpose_oid(const char *name)
{
	for (size_t i = 0; i < N_PURPOSES; i++)
	{
		if (strcmp(purposes[i].name, name) == 0)
			return purposes[i].oid;
	}
	return NULL;
}

const char *
pgcert_purpose_name(const char *oid)
{
	for (size_t i = 0; i < N_PURPOSES; i++)
	{
		if (strcmp(purposes[i].oid, oid) == 0)
			return purposes[i].name;
	}
	return oid;
}

/*
 * Only the one canonical spelling is an OID, because OIDs are compared as
 * text; whether the numbers can be encoded is OpenSSL's to say.
 */
bool
pgcert_oid_is_valid(const char *oid)
{
	ASN1_OBJECT *object;
	const char *s = oid;
	int			n_arcs = 0;

	for (;;)
	{
		size_t		digits = strspn(s, "0123456789");

		if (digits == 0 || (digits > 1 && s[0] == '0'))
			return false;
		n_arcs++;
		s += digits;
		if (*s == '\0')
			break;
		if (*s++ != '.')
			return false;
	}
	if (n_arcs < 2 || oid[0] > '2')
		return false;
	object = OBJ_txt2obj(oid, 1);
	if (object == NULL)
		return false;
	ASN1_OBJECT_free(object);
	return true;
}

char *
pgcert_oid_text(const ASN1_OBJECT *object)
{
	char		small[128];
	char	   *text;
	int			len;

	len = OBJ_obj2txt(small, sizeof(small), object, 1);
	if (len < 0)
		len = 0;
	text = malloc((size_t) len + 1);
	if (text == NULL)
		return NULL;
	if ((size_t) len < sizeof(small))
		memcpy(text, small, (size_t) len);
	else
		OBJ_obj2txt(text, len + 1, object, 1);
	text[len] = '\0';
	return text;
}
