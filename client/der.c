/*
 * der.c
 *		A look into a certificate or key without decoding it.
 *
 * ASN1_get_object() reads each header and sees to it that the element ends
 * where what holds it does, so no step leaves the bytes that were given; and
 * each step goes forward.  Indefinite lengths, which DER forbids, are not
 * followed.
 */
#include <limits.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>

#include "der.h"

typedef struct Element
{
	int			tag;
	int			class;
	PgcsBytes	content;
} Element;

/*
 * Takes the next element off the front.  False at the end, too.  rest must not
 * be within *element.
 */
static bool
next(PgcsBytes *rest, Element *element)
{
	const unsigned char *p = rest->data;
	long		len;
	int			result;

	if (rest->len == 0 || rest->len > LONG_MAX)
		return false;
	result = ASN1_get_object(&p, &len, &element->tag, &element->class,
							 (long) rest->len);
	if ((result & 0x81) != 0)
	{
		ERR_clear_error();
		return false;
	}
	element->content = (PgcsBytes) {p, (size_t) len};
	rest->len -= (size_t) (p + len - rest->data);
	rest->data = p + len;
	return true;
}

static bool
is_universal(const Element *element, int tag)
{
	return element->class == V_ASN1_UNIVERSAL && element->tag == tag;
}

static bool
is_context(const Element *element, int tag)
{
	return element->class == V_ASN1_CONTEXT_SPECIFIC && element->tag == tag;
}

/* The next element must be of that universal type. */
static bool
expect(PgcsBytes *rest, int tag, Element *element)
{
	return next(rest, element) && is_universal(element, tag);
}

/* ---------- certificates ---------- */

/* What X509_check_ca() looks at; see there. */
typedef struct Purposes
{
	bool		version3;
	bool		constraints;	/* has basicConstraints */
	bool		is_ca;			/* some basicConstraints may say CA:TRUE */
	bool		key_usage;
	bool		signs;			/* some keyUsage has keyCertSign */
	bool		ns_type;		/* has Netscape's nsCertType */
} Purposes;

static bool
is_oid(PgcsBytes oid, const char *bytes, size_t len)
{
	return oid.len == len && memcmp(oid.data, bytes, len) == 0;
}

#define IS_OID(oid, bytes) is_oid(oid, bytes, sizeof(bytes) - 1)

/* Extension ::= SEQUENCE { OID, BOOLEAN DEFAULT FALSE, OCTET STRING } */
static bool
look_at_extension(PgcsBytes extension, Purposes *purposes)
{
	Element		oid;
	Element		element;
	PgcsBytes	value;

	if (!expect(&extension, V_ASN1_OBJECT, &oid) || !next(&extension, &element))
		return false;
	if (is_universal(&element, V_ASN1_BOOLEAN) && !next(&extension, &element))
		return false;
	if (!is_universal(&element, V_ASN1_OCTET_STRING))
		return false;
	value = element.content;
	if (IS_OID(oid.content, "\x55\x1d\x13"))
	{
		Element		constraints;

		purposes->constraints = true;
		if (!expect(&value, V_ASN1_SEQUENCE, &constraints))
			return false;

		/*
		 * CA:FALSE is the default, so it is empty.  What cannot be read is
		 * absent for OpenSSL 1.1.1, which may then take it for a CA's.
		 */
		if (constraints.content.len > 0)
			purposes->is_ca = true;
	}
	else if (IS_OID(oid.content, "\x55\x1d\x0f"))
	{
		purposes->key_usage = true;
		if (!expect(&value, V_ASN1_BIT_STRING, &element))
			return false;

		/* the number of unused bits, then bit 5 of the rest; broken as above */
		if (element.content.len < 2 || (element.content.data[1] & 0x04) != 0)
			purposes->signs = true;
	}
	else if (IS_OID(oid.content, "\x60\x86\x48\x01\x86\xf8\x42\x01\x01"))
		purposes->ns_type = true;
	return true;
}

static bool
may_be_ca_of(const Purposes *purposes)
{
	if (purposes->key_usage && !purposes->signs)
		return false;
	if (purposes->constraints)
		return purposes->is_ca;
	return !purposes->version3 || purposes->key_usage || purposes->ns_type;
}

/* TBSCertificate, from behind the version on: RFC 5280, 4.1. */
bool
pgcs_der_certificate(const unsigned char *der, size_t len, PgcsBytes *issuer,
					 bool *may_be_ca)
{
	PgcsBytes	rest = {der, len};
	Purposes	purposes = {0};
	Element		element;
	Element		name;

	if (!expect(&rest, V_ASN1_SEQUENCE, &element))
		return false;
	rest = element.content;
	if (!expect(&rest, V_ASN1_SEQUENCE, &element))
		return false;
	rest = element.content;
	if (!next(&rest, &element))
		return false;
	if (is_context(&element, 0))
	{
		Element		version;

		if (!expect(&element.content, V_ASN1_INTEGER, &version))
			return false;
		purposes.version3 = version.content.len == 1 && version.content.data[0] == 2;
		if (!next(&rest, &element))
			return false;
	}
	if (!is_universal(&element, V_ASN1_INTEGER) ||	/* serialNumber */
		!expect(&rest, V_ASN1_SEQUENCE, &element))	/* signature */
		return false;
	issuer->data = rest.data;
	if (!expect(&rest, V_ASN1_SEQUENCE, &name))
		return false;
	issuer->len = (size_t) (rest.data - issuer->data);
	if (!expect(&rest, V_ASN1_SEQUENCE, &element) ||	/* validity */
		!expect(&rest, V_ASN1_SEQUENCE, &element) ||	/* subject */
		!expect(&rest, V_ASN1_SEQUENCE, &element))	/* subjectPublicKeyInfo */
		return false;
	while (rest.len > 0)
	{
		PgcsBytes	extensions;

		if (!next(&rest, &element))
			return false;
		if (!is_context(&element, 3))
			continue;
		if (!expect(&element.content, V_ASN1_SEQUENCE, &name))
			return false;
		for (extensions = name.content; extensions.len > 0;)
			if (!expect(&extensions, V_ASN1_SEQUENCE, &element) ||
				!look_at_extension(element.content, &purposes))
				return false;
	}
	*may_be_ca = may_be_ca_of(&purposes);
	return true;
}

/* ---------- keys ---------- */

/* An RSA key's modulus; else, the bytes themselves: the point of an EC key. */
bool
pgcs_der_public_key(const unsigned char *bits, size_t len, PgcsBytes *public)
{
	PgcsBytes	rest = {bits, len};
	Element		element;

	if (len == 0)
		return false;
	*public = rest;
	if (bits[0] != (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED))
		return true;
	if (!expect(&rest, V_ASN1_SEQUENCE, &element))
		return false;
	rest = element.content;
	if (!expect(&rest, V_ASN1_INTEGER, &element))
		return false;
	*public = element.content;
	return true;
}

/*
 * RSAPrivateKey (RFC 8017, A.1.2) or ECPrivateKey (RFC 5915): version, then
 * an RSA key's modulus, or an EC key's number, and the point in [1].
 */
static bool
public_of(PgcsBytes key, PgcsBytes *public)
{
	Element		element;

	if (!expect(&key, V_ASN1_INTEGER, &element) || !next(&key, &element))
		return false;
	if (is_universal(&element, V_ASN1_INTEGER))
	{
		*public = element.content;
		return true;
	}
	if (!is_universal(&element, V_ASN1_OCTET_STRING))
		return false;
	while (next(&key, &element))
		if (is_context(&element, 1))
		{
			key = element.content;
			if (!expect(&key, V_ASN1_BIT_STRING, &element) ||
				element.content.len < 2)
				return false;

			/* behind the number of unused bits */
			*public = (PgcsBytes) {element.content.data + 1, element.content.len - 1};
			return true;
		}
	return false;
}

bool
pgcs_der_private_key(const unsigned char *der, size_t len, PgcsBytes *public)
{
	PgcsBytes	rest = {der, len};
	PgcsBytes	key;
	Element		element;

	if (!expect(&rest, V_ASN1_SEQUENCE, &element))
		return false;
	key = rest = element.content;

	/* PrivateKeyInfo (RFC 5958): version, algorithm, and the above */
	if (!expect(&rest, V_ASN1_INTEGER, &element) || !next(&rest, &element))
		return false;
	if (is_universal(&element, V_ASN1_SEQUENCE))
	{
		if (!expect(&rest, V_ASN1_OCTET_STRING, &element))
			return false;
		rest = element.content;
		if (!expect(&rest, V_ASN1_SEQUENCE, &element))
			return false;
		key = element.content;
	}
	return public_of(key, public);
}

/* ---------- SubjectPublicKeyInfo ---------- */

/* What goes before so many bytes of content; at most 4 bytes. */
static unsigned char *
put_header(unsigned char *p, int tag, size_t len)
{
	*p++ = (unsigned char) tag;
	if (len >= 0x100)
	{
		*p++ = 0x82;
		*p++ = (unsigned char) (len >> 8);
	}
	else if (len >= 0x80)
		*p++ = 0x81;
	*p++ = (unsigned char) len;
	return p;
}

static size_t
header_len(size_t len)
{
	return len >= 0x100 ? 4 : len >= 0x80 ? 3 : 2;
}

/* RSAPrivateKey: version, modulus, exponent, and so on. */
static bool
rsa_public_of(PgcsBytes key, PgcsBytes *numbers)
{
	Element		element;

	if (!expect(&key, V_ASN1_INTEGER, &element))
		return false;
	*numbers = key;
	if (!expect(&key, V_ASN1_INTEGER, &element) ||
		!expect(&key, V_ASN1_INTEGER, &element))
		return false;
	numbers->len = (size_t) (key.data - numbers->data);
	return true;
}

/* PrivateKeyInfo and SubjectPublicKeyInfo have the AlgorithmIdentifier alike. */
bool
pgcs_der_spki(const unsigned char *der, size_t len, unsigned char *spki,
			  size_t *spki_len)
{
	const int	sequence = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
	PgcsBytes	rest = {der, len};
	PgcsBytes	algorithm;
	PgcsBytes	public;
	Element		element;
	unsigned char *p = spki;
	size_t		bits_len;
	bool		is_rsa;

	if (len > 0xFF00 || !expect(&rest, V_ASN1_SEQUENCE, &element))
		return false;
	rest = element.content;
	if (!expect(&rest, V_ASN1_INTEGER, &element))
		return false;
	algorithm = rest;
	if (!expect(&rest, V_ASN1_SEQUENCE, &element))
		return false;
	algorithm.len = (size_t) (rest.data - algorithm.data);
	if (!expect(&rest, V_ASN1_OCTET_STRING, &element))
		return false;
	rest = element.content;
	if (!expect(&rest, V_ASN1_SEQUENCE, &element))
		return false;
	is_rsa = rsa_public_of(element.content, &public);
	if (!is_rsa && !public_of(element.content, &public))
		return false;

	bits_len = 1 + public.len + (is_rsa ? header_len(public.len) : 0);
	p = put_header(p, sequence, algorithm.len + header_len(bits_len) + bits_len);
	memcpy(p, algorithm.data, algorithm.len);
	p = put_header(p + algorithm.len, V_ASN1_BIT_STRING, bits_len);
	*p++ = 0;					/* no unused bits */
	if (is_rsa)
		p = put_header(p, sequence, public.len);
	memcpy(p, public.data, public.len);
	*spki_len = (size_t) (p + public.len - spki);
	return true;
}
