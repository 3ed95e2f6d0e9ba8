/*
 * facts_ext.c
 *		The extensions of a certificate, as facts.
 *
 * OpenSSL decodes them.  An extension that is there twice, does not decode,
 * has something behind it, or lists nothing is malformed (RFC 5280, 4.2), which
 * no clause takes for present or absent.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "buf.h"
#include "facts_ext.h"
#include "name.h"
#include "purpose.h"

/* Sets what X509_get_ext_d2i()'s NULL means. */
static PgcertState
missing_state(int critical)
{
	return critical == -1 ? PGCERT_ABSENT : PGCERT_MALFORMED;
}

/*
 * Is the extension one element of DER, and nothing else?  X509_get_ext_d2i()
 * does not look at what stands behind it.
 */
static bool
is_one_element(X509 *leaf, int nid)
{
	X509_EXTENSION *extension = X509_get_ext(leaf, X509_get_ext_by_NID(leaf, nid, -1));
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
	const unsigned char *start;
	const unsigned char *p;
	long		len = 0;
	int			tag;
	int			class;
	int			form;

	if (value == NULL)
		return false;
	start = p = ASN1_STRING_get0_data(value);
	form = ASN1_get_object(&p, &len, &tag, &class, ASN1_STRING_length(value));

	/* neither an error nor a length that is left open */
	return (form & 0x81) == 0 && p + len == start + ASN1_STRING_length(value);
}

static bool
keep_value(PgcertSan *san, const void *bytes, size_t len)
{
	san->value = malloc(len + 1);
	if (san->value == NULL)
		return false;
	if (len > 0)
		memcpy(san->value, bytes, len);
	san->value[len] = '\0';
	san->len = len;
	return true;
}

/* An IA5String holds 7-bit characters; a NUL in it is somebody's trick. */
static bool
is_clean_ia5(const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (bytes[i] == 0 || bytes[i] > 0x7F)
			return false;
	}
	return len > 0;
}

/* dNSName, rfc822Name, uniformResourceIdentifier */
static bool
read_ia5(PgcertSan *san, PgcertSanType type, const ASN1_STRING *value, bool *malformed)
{
	const unsigned char *bytes = ASN1_STRING_get0_data(value);
	size_t		len = (size_t) ASN1_STRING_length(value);

	san->type = type;
	if (!is_clean_ia5(bytes, len))
		*malformed = true;
	return keep_value(san, bytes, len);
}

static bool
read_ip(PgcertSan *san, const ASN1_OCTET_STRING *value, bool *malformed)
{
	int			len = ASN1_STRING_length(value);

	san->type = PGCERT_SAN_IP;
	if (len != 4 && len != 16)
		*malformed = true;
	return keep_value(san, ASN1_STRING_get0_data(value), (size_t) len);
}

/* Microsoft's user principal name is an otherName with a UTF8String. */
static bool
read_other_name(PgcertSan *san, const OTHERNAME *other, bool *malformed)
{
	char	   *oid = pgcert_oid_text(other->type_id);
	bool		ok;

	if (oid == NULL)
		return false;
	if (OBJ_obj2nid(other->type_id) == NID_ms_upn)
	{
		const ASN1_TYPE *value = other->value;

		san->type = PGCERT_SAN_UPN;
		if (value == NULL || value->type != V_ASN1_UTF8STRING ||
			ASN1_STRING_length(value->value.utf8string) == 0 ||
			!pgcert_utf8_is_valid(ASN1_STRING_get0_data(value->value.utf8string),
								  (size_t) ASN1_STRING_length(value->value.utf8string)))
		{
			*malformed = true;
			ok = keep_value(san, "", 0);
		}
		else
			ok = keep_value(san, ASN1_STRING_get0_data(value->value.utf8string),
							(size_t) ASN1_STRING_length(value->value.utf8string));
	}
	else
	{
		san->type = PGCERT_SAN_OTHER;
		ok = keep_value(san, oid, strlen(oid));
	}
	free(oid);
	return ok;
}

/* Kinds that no clause can ask for are kept to be shown. */
static bool
read_shown_only(PgcertSan *san, const GENERAL_NAME *name)
{
	char	   *text = NULL;
	bool		ok;

	san->type = PGCERT_SAN_OTHER;
	if (name->type == GEN_DIRNAME)
		text = pgcert_name_text(name->d.directoryName);
	else if (name->type == GEN_RID)
		text = pgcert_oid_text(name->d.registeredID);
	else
		return keep_value(san, "", 0);
	ok = text != NULL && keep_value(san, text, strlen(text));
	free(text);
	return ok;
}

bool
pgcert_facts_read_sans(PgcertFacts *facts, X509 *leaf)
{
	int			critical = -1;
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
	bool		malformed = false;
	bool		ok = true;
	int			n;

	if (names == NULL)
	{
		facts->san_state = missing_state(critical);
		return true;
	}
	n = sk_GENERAL_NAME_num(names);
	facts->sans = calloc((size_t) n + 1, sizeof(PgcertSan));
	if (facts->sans == NULL)
		ok = false;
	for (int i = 0; ok && i < n; i++)
	{
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		PgcertSan  *san = &facts->sans[facts->n_sans];

		switch (name->type)
		{
			case GEN_DNS:
				ok = read_ia5(san, PGCERT_SAN_DNS, name->d.dNSName, &malformed);
				break;
			case GEN_EMAIL:
				ok = read_ia5(san, PGCERT_SAN_EMAIL, name->d.rfc822Name, &malformed);
				break;
			case GEN_URI:
				ok = read_ia5(san, PGCERT_SAN_URI, name->d.uniformResourceIdentifier,
							  &malformed);
				break;
			case GEN_IPADD:
				ok = read_ip(san, name->d.iPAddress, &malformed);
				break;
			case GEN_OTHERNAME:
				ok = read_other_name(san, name->d.otherName, &malformed);
				break;
			default:
				ok = read_shown_only(san, name);
				break;
		}
		if (ok)
			facts->n_sans++;
	}
	malformed = malformed || n == 0 || !is_one_element(leaf, NID_subject_alt_name);
	facts->san_state = malformed ? PGCERT_MALFORMED : PGCERT_PRESENT;
	GENERAL_NAMES_free(names);
	return ok;
}

bool
pgcert_facts_read_ekus(PgcertFacts *facts, X509 *leaf)
{
	int			critical = -1;
	EXTENDED_KEY_USAGE *ekus = X509_get_ext_d2i(leaf, NID_ext_key_usage, &critical, NULL);
	bool		ok = true;
	int			n;

	if (ekus == NULL)
	{
		facts->eku_state = missing_state(critical);
		return true;
	}
	n = sk_ASN1_OBJECT_num(ekus);
	facts->ekus = calloc((size_t) n + 1, sizeof(char *));
	if (facts->ekus == NULL)
		ok = false;
	for (int i = 0; ok && i < n; i++)
	{
		facts->ekus[i] = pgcert_oid_text(sk_ASN1_OBJECT_value(ekus, i));
		if (facts->ekus[i] == NULL)
			ok = false;
		else
			facts->n_ekus++;
	}
	facts->eku_state = n == 0 || !is_one_element(leaf, NID_ext_key_usage) ? PGCERT_MALFORMED : PGCERT_PRESENT;
	EXTENDED_KEY_USAGE_free(ekus);
	return ok;
}

bool
pgcert_facts_read_policy_oids(PgcertFacts *facts, X509 *leaf)
{
	int			critical = -1;
	CERTIFICATEPOLICIES *policies = X509_get_ext_d2i(leaf, NID_certificate_policies,
													 &critical, NULL);
	bool		ok = true;
	int			n;

	if (policies == NULL)
	{
		facts->policy_state = missing_state(critical);
		return true;
	}
	n = sk_POLICYINFO_num(policies);
	facts->policy_oids = calloc((size_t) n + 1, sizeof(char *));
	if (facts->policy_oids == NULL)
		ok = false;
	for (int i = 0; ok && i < n; i++)
	{
		facts->policy_oids[i] = pgcert_oid_text(sk_POLICYINFO_value(policies, i)->policyid);
		if (facts->policy_oids[i] == NULL)
			ok = false;
		else
			facts->n_policy_oids++;
	}
	facts->policy_state = n == 0 || !is_one_element(leaf, NID_certificate_policies) ? PGCERT_MALFORMED : PGCERT_PRESENT;
	CERTIFICATEPOLICIES_free(policies);
	return ok;
}

const char *
pgcert_san_type_name(PgcertSanType type)
{
	switch (type)
	{
		case PGCERT_SAN_DNS:
			return "DNS";
		case PGCERT_SAN_EMAIL:
			return "email";
		case PGCERT_SAN_URI:
			return "URI";
		case PGCERT_SAN_IP:
			return "IP";
		case PGCERT_SAN_UPN:
			return "UPN";
		case PGCERT_SAN_OTHER:
			break;
	}
	return "other";
}

char *
pgcert_san_text(const PgcertSan *san)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;

	pgcert_buf_printf(&buf, "%s:", pgcert_san_type_name(san->type));
	if (san->type == PGCERT_SAN_IP && san->len == 4)
		pgcert_buf_printf(&buf, "%d.%d.%d.%d", san->value[0], san->value[1],
						  san->value[2], san->value[3]);
	else if (san->type == PGCERT_SAN_IP && san->len == 16)
	{
		/* as OpenSSL prints it: eight groups, nothing left out */
		for (int i = 0; i < 16; i += 2)
			pgcert_buf_printf(&buf, "%s%x", i ? ":" : "",
							  san->value[i] << 8 | san->value[i + 1]);
	}
	else if (san->type == PGCERT_SAN_IP)
		pgcert_buf_hex(&buf, san->value, san->len);
	else
		pgcert_buf_escaped(&buf, san->value, san->len);
	return pgcert_buf_take(&buf);
}
