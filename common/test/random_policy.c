/*
 * random_policy.c
 *		Random policies.
 *
 * Policies that are nothing but random refuse everything.  So half of the
 * values are made to fit the certificate, in one of the ways in which the
 * language lets one say it; and now and then a character of the text is
 * changed, to see who takes it for a policy still.
 */
#include <stdio.h>
#include <string.h>

#include "random.h"

static void
put(Bytes *text, const char *words)
{
	add(text, words, strlen(words));
}

/* ---------- values that fit ---------- */

/* Characters of a pattern, with what is special in it escaped. */
static void
put_literal(Bytes *text, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = bytes[i];

		if (c < 0x20 || c > 0x7E || strchr("*%\\", c) != NULL || pick(60) == 0)
			add_text(text, pick(2) ? "\\%02X" : "\\%02x", c);
		else if (c == '"')
			put(text, "\"\"");
		else if (strchr(",+= #;<>", c) != NULL && pick(3) == 0)
			add_text(text, "\\%c", c);
		else
			add(text, &c, 1);
	}
}

/* A pattern that the bytes match, mostly. */
static void
put_pattern_of(Bytes *text, const unsigned char *bytes, size_t len, const char *role)
{
	size_t		role_len = role ? strlen(role) : 0;
	size_t		from = len > 0 ? pick((unsigned) len + 1) : 0;
	size_t		to = from + pick((unsigned) (len - from) + 1);

	/* the role's name wherever it stands */
	for (size_t i = 0; role_len > 0 && i + role_len <= len && pick(3) != 0; i++)
	{
		if (memcmp(bytes + i, role, role_len) != 0)
			continue;
		put_literal(text, bytes, i);
		put(text, "%role");
		if (pick(4) == 0)
			put(text, "*");
		else
			put_literal(text, bytes + i + role_len, len - i - role_len);
		return;
	}
	switch (pick(6))
	{
		case 0:
			put_literal(text, bytes, from);
			put(text, "*");
			break;
		case 1:
			put(text, "*");
			put_literal(text, bytes + from, len - from);
			break;
		case 2:
			put(text, "*");
			put_literal(text, bytes + from, to - from);
			put(text, pick(2) ? "*" : "**");
			break;
		case 3:
			put_literal(text, bytes, from);
			put(text, "*");
			put_literal(text, bytes + to, len - to);
			break;
		case 4:					/* one too many: no such match */
			put_literal(text, bytes, to);
			put(text, "*");
			put_literal(text, bytes + from, len - from);
			break;
		default:
			put_literal(text, bytes, len);
	}
}

static void
put_attribute_value(Bytes *text, const Attribute *attribute)
{
	Bytes		utf8 = {.len = 0};
	bool		binary = attribute->tag == V_ASN1_NUMERICSTRING ||
		memchr(attribute->bytes, '\0', attribute->len) != NULL;

	if ((binary || pick(12) == 0) && attribute->len < 128)
	{
		add_text(text, "#%02x%02x", (unsigned) attribute->tag, (unsigned) attribute->len);
		add_hex(text, attribute->bytes, attribute->len);
		return;
	}
	attribute_text(attribute, &utf8);
	for (size_t i = 0; i < utf8.len; i++)
	{
		unsigned char c = utf8.data[i];

		if (c < 0x20 || c > 0x7E || c == '%')
			add_text(text, pick(2) ? "\\%02X" : "\\%02x", c);
		else if (strchr(",+;<>\\", c) != NULL || ((c == ' ' || c == '#') && (i == 0 || i + 1 == utf8.len)))
			add_text(text, "\\%c", c);
		else if (c == '"')
			put(text, "\\\"\"");
		else if (c == ' ' && pick(3) == 0)
			put(text, "  ");	/* the number of blanks does not matter */
		else if (c >= 'a' && c <= 'z' && pick(8) == 0)
			add_text(text, "%c", c - 'a' + 'A');
		else
			add(text, &c, 1);
	}
}

/* As RFC 4514 writes it, the last RDN first. */
static void
put_name_of(Bytes *text, const Name *name)
{
	static const struct
	{
		const char *oid;
		const char *names[3];
	}			words[] =

	{
		{"2.5.4.3", {"CN", "cn", "2.5.4.3"}},
		{"2.5.4.10", {"O", "o", "2.5.4.10"}},
		{"2.5.4.11", {"OU", "Ou", "2.5.4.11"}},
		{"0.9.2342.19200300.100.1.25", {"DC", "dc", "0.9.2342.19200300.100.1.25"}},
	};

	for (size_t i = name->n; i-- > 0;)
	{
		const Attribute *attribute = &name->attributes[i];

		for (size_t w = 0; w < COUNT(words); w++)
		{
			if (strcmp(words[w].oid, attribute->oid) == 0)
				put(text, words[w].names[pick(2) ? 0 : pick(3)]);
		}
		put(text, "=");
		put_attribute_value(text, attribute);
		if (i > 0)
			put(text, attribute->joined ? "+" : pick(4) ? "," : ", ");
	}
}

static void
put_san_of(Bytes *text, const San *san, const char *role)
{
	bool		is_ip = strcmp(san->type, "IP") == 0;

	add_text(text, "%s:", san->type);
	if (pick(3) == 0)			/* another of this type */
		put(text, is_ip ? "192.0.2.1" : "zoe*");
	else if (is_ip && san->len == 4)
		add_text(text, "%d.%d.%d.%d", san->bytes[0], san->bytes[1], san->bytes[2], san->bytes[3]);
	else if (is_ip)
		put(text, pick(2) ? "2001:db8::7" : "2001:0DB8:0:0::7");
	else
		put_pattern_of(text, san->bytes, san->len, role);
}

static void
put_sha256(Bytes *text, const unsigned char hash[32])
{
	bool		colons = pick(4) == 0;
	bool		upper = pick(3) == 0;
	bool		no_zero = pick(2) == 0;

	for (int i = 0; i < (pick(60) ? 32 : 31); i++)
	{
		if (i == 0 && hash[0] < 0x10 && no_zero)
			add_text(text, "%x", hash[0]);
		else
			add_text(text, upper ? "%02X" : "%02x", hash[i]);
		if (colons && i < 31)
			put(text, ":");
	}
}

static void
put_hash_of(Bytes *text, const Made *made, bool of_key)
{
	unsigned char hash[32];

	if (of_key)
		key_sha256(made, hash);
	else
		cert_sha256(made, hash);
	put_sha256(text, hash);
}

/* False if there is nothing that could fit. */
static bool
put_fitting(Bytes *text, const char *clause, const Chain *chain, const char *role)
{
	const Made *leaf = &chain->certs[0];
	const Made *ca = chain->n > 1 ? &chain->certs[1 + pick((unsigned) chain->n - 1)] : NULL;

	if (strcmp(clause, "cn") == 0)
	{
		for (size_t i = 0; i < leaf->subject.n; i++)
		{
			Bytes		utf8 = {.len = 0};

			if (strcmp(leaf->subject.attributes[i].oid, "2.5.4.3") != 0)
				continue;
			attribute_text(&leaf->subject.attributes[i], &utf8);
			put_pattern_of(text, utf8.data, utf8.len, role);
			return true;
		}
		return false;
	}
	if (strcmp(clause, "dn") == 0 || strcmp(clause, "issuer") == 0)
	{
		const Name *name = clause[0] == 'd' ? &leaf->subject : &leaf->issuer;

		put_name_of(text, name);
		return name->n > 0;
	}
	if (strcmp(clause, "san") == 0 && leaf->n_sans > 0)
		put_san_of(text, &leaf->sans[pick((unsigned) leaf->n_sans)], role);
	else if (strcmp(clause, "ca") == 0 && ca != NULL)
		put_name_of(text, &ca->subject);
	else if (strcmp(clause, "ca_key_sha256") == 0 && ca != NULL)
		put_hash_of(text, ca, true);
	else if (strcmp(clause, "key_sha256") == 0 || strcmp(clause, "cert_sha256") == 0)
		put_hash_of(text, leaf, clause[0] == 'k');
	else if (strcmp(clause, "serial") == 0)
		add_text(text, "%s%s", pick(3) ? "" : "0", leaf->serial + (leaf->serial[0] == '-'));
	else if (strcmp(clause, "eku") == 0 && leaf->n_ekus > 0)
		put(text, leaf->ekus[pick((unsigned) leaf->n_ekus)]);
	else if (strcmp(clause, "policy_oid") == 0 && leaf->n_oids > 0)
		put(text, leaf->oids[pick((unsigned) leaf->n_oids)]);
	else if (strcmp(clause, "max_lifetime") == 0 && leaf->not_after > leaf->not_before)
		add_text(text, "%llds", (long long) (leaf->not_after - leaf->not_before + (int) pick(3) - 1));
	else if (strcmp(clause, "min_remaining") == 0 && leaf->not_after > RANDOM_NOW)
		add_text(text, "%llds", (long long) (leaf->not_after - RANDOM_NOW + (int) pick(3) - 1));
	else
		return false;
	return true;
}

/* ---------- values that are random, and some that are none ---------- */

/* The last n_wrong of a list are no values at all, and rare. */
#define SOME_OF(list, n_wrong) \
	((list)[pick(25) ? pick(COUNT(list) - (n_wrong)) : pick(COUNT(list))])

static const char *
random_value(const char *clause)
{
	static const char *const patterns[] = {
		"alice", "bob", "a*", "*e", "*", "%role", "svc-%role.*", "*li*", "al", "a\\2Ab", "\\25role",
		"ren\\C3\\A9", "a\\5Cb", "**", "a*e*", "Alice", "a b", "*aab", "a*a*ab", "123", "%role%role", "*%role*",
		"ren\\C3*", "%roles", "50%", "a\\00", "\\zz", "",
	};
	static const char *const sans[] = {
		"DNS:alice.example.com", "DNS:%role.example.com", "DNS:*.example.com", "DNS:*", "DNS:ALICE.*",
		"DNS:\\2A.example.com", "DNS:%role.*.com", "email:alice@example.com", "email:*", "email:%role@*",
		"URI:spiffe://example.com/%role", "URI:*", "URI:alice.example.com", "IP:10.1.2.3", "IP:10.1.2.4",
		"IP:2001:db8::7", "IP:::1", "UPN:alice@EXAMPLE", "UPN:*", "UPN:%role@*", "UPN:ALICE@*", "DNS:a",
		"UPN:ren\\C3\\A9@x",
		"IP:10.1.2.0/24", "IP:%role", "dns:a", "DNS:", "alice", "IP:10.1.2", "IP:*",
	};
	static const char *const names[] = {
		"CN=one", "CN=two", "cn=ONE", "CN=on e", "CN=on  e", "CN=three", "CN=one,O=CAs", "CN=alice",
		"O=Example,CN=alice", "CN=alice,O=Example", "CN=bob,O=\\20Example\\20\\20Inc\\20",
		"CN=alice, O=example inc", "OU=dev+CN=alice", "OU=dev,CN=alice", "CN=alice+OU=DEV",
		"CN=ren\\C3\\A9", "CN=#0c05616c696365", "2.5.4.3=alice", "CN=a\\5Cb", "CN=\\25role",
		"CN=Ren\\C3\\89", "O=x\\,y\\=z", "CN=alice,CN=alice", "CN=#1203313233", "CN=123",
		"emailAddress=a@b,UID=x", "CN=%role", "CN=", "alice", "", "CX=a", "CN=a,", "CN=\\zz", "CN=a;b", "CN=#0c",
		"CN=\\C3",
	};
	static const char *const hashes[] = {
		"0000000000000000000000000000000000000000000000000000000000000001",
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		"00", "xx", ":00",
	};
	static const char *const serials[] = {
		"1", "01", "0a:0B:0c", "a0b0c", "ff", "00FF", "0", "80", "7",
		"123456789abcdef0123456789abcdef012345678", "g", ":", "1:",
	};
	static const char *const ekus[] = {
		"clientAuth", "clientAuth", "serverAuth", "codeSigning", "anyExtendedKeyUsage",
		"msSmartcardLogin", "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.99999.7", "ipsecIKE", "2.5.29.37.0",
		"clientauth", "1.3.06", "3.1", "1",
	};
	static const char *const oids[] = {
		"1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "2.5.29.32.0", "2.23.140.1.2.2", "1.x", "1.40", "anyPolicy",
	};
	static const char *const types[] = {"RSA", "RSA-PSS", "EC", "Ed25519", "Ed448", "DSA", "rsa"};
	static const char *const bits[] = {
		"1", "60", "81", "112", "113", "128", "129", "192", "193", "224", "256", "512", "0", "513", "x", "-1",
	};
	static const char *const versions[] = {"1.2", "1.3", "1.1", "1", "1.20"};
	static const char *const durations[] = {
		"1s", "3600s", "60m", "1h", "24h", "1d", "86401s", "2d", "30d", "31d", "90d", "36525d", "1000d", "001h",
		"0s", "36526d", "1", "d", "1.5h", "-1d", "1w", "99999999999999999999d",
	};

	if (strcmp(clause, "cn") == 0)
		return SOME_OF(patterns, 6);
	if (strcmp(clause, "san") == 0)
		return SOME_OF(sans, 7);
	if (strcmp(clause, "dn") == 0 || strcmp(clause, "ca") == 0 || strcmp(clause, "issuer") == 0)
		return SOME_OF(names, 10);
	if (strstr(clause, "sha256") != NULL)
		return SOME_OF(hashes, 3);
	if (strcmp(clause, "serial") == 0)
		return SOME_OF(serials, 3);
	if (strcmp(clause, "eku") == 0)
		return SOME_OF(ekus, 4);
	if (strcmp(clause, "policy_oid") == 0)
		return SOME_OF(oids, 3);
	if (strcmp(clause, "key_type") == 0)
		return SOME_OF(types, 2);
	if (strcmp(clause, "min_security_bits") == 0)
		return SOME_OF(bits, 4);
	if (strcmp(clause, "tls") == 0)
		return SOME_OF(versions, 3);
	return SOME_OF(durations, 8);
}

/* ---------- clauses and policies ---------- */

static bool
is_word(const Bytes *value)
{
	return value->len > 0 && strspn((const char *) value->data,
									"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
									"0123456789._:/@*%+-") == value->len;
}

/* "quoted" means that an unquoted one is an error. */
static void
put_value(Bytes *text, const char *clause, bool quoted, const Chain *chain, const char *role)
{
	Bytes		value = {.len = 0};

	if (pick(2) || !put_fitting(&value, clause, chain, role))
	{
		value.len = 0;
		put(&value, random_value(clause));
	}
	if (is_word(&value) && (quoted ? pick(100) == 0 : pick(3) != 0))
		add(text, value.data, value.len);
	else
	{
		put(text, "\"");
		add(text, value.data, value.len);
		put(text, "\"");
	}
}

static void
put_clause(Bytes *text, const Chain *chain, const char *role)
{
	static const char *const clauses[] = {
		"cn", "dn", "san", "ca", "ca_key_sha256", "issuer", "key_sha256", "cert_sha256", "serial",
		"eku", "policy_oid", "key_type", "min_security_bits", "max_lifetime", "min_remaining", "tls",
		"colour",
	};
	static const char *const blanks[] = {"", "", "", "", " ", "\t", "\n "};
	unsigned	which = pick(200) ? pick(16) : 16;
	const char *clause = clauses[which];
	bool		single = which >= 12;
	bool		quoted = which == 1 || which == 3 || which == 5;

	add_text(text, "%s%s%s%s", clause, PICK(blanks), pick(single ? 80 : 3) ? "=" : "!=", PICK(blanks));
	put_value(text, clause, quoted, chain, role);
	for (int n = 0; n < 4 && pick(single ? 80 : 3) == 0; n++)
	{
		add_text(text, "%s,%s", PICK(blanks), PICK(blanks));
		put_value(text, clause, quoted, chain, role);
	}
}

static void
put_settings(Bytes *text)
{
	static const char *const settings[] = {
		"mode=log ", "mode=enforce ", "local=peer ", "local=allow ", "local=reject ",
		"on_expiry=keep ", "on_expiry = disconnect\n", "local=maybe ", "mode=\"log\" ", "mode!=log ", "mode=log,enforce ",
	};

	for (int n = 0; n < 3 && pick(4) == 0; n++)
		put(text, SOME_OF(settings, 4));
}

static void
put_alternatives(Bytes *text, const Chain *chain, const char *role)
{
	static const char *const ors[] = {"or ", "or\t", "or\n", "or ", "or ", "or", "OR ", "|| "};

	for (unsigned a = 0; a < 4; a++)
	{
		if (a > 0)
			put(text, SOME_OF(ors, 3));
		for (unsigned n = 1 + pick(pick(2) ? 1 : 3); n > 0; n--)
		{
			put_clause(text, chain, role);
			if (n > 1 || pick(3) == 0)
				put(text, pick(80) ? " " : "");
		}
		if (pick(3) != 0)
			return;
		if (text->data[text->len - 1] != ' ')
			put(text, pick(80) ? " " : "");
	}
}

/* Another character somewhere, or one less, or one more. */
static void
change_character(Bytes *text)
{
	static const char characters[] = "\"\\%*,+=! \t\n:;#<>-_.or019aA~\001\177\303";
	size_t		at = text->len > 0 ? pick((unsigned) text->len) : 0;
	char		c = characters[pick(sizeof(characters) - 1)];
	Bytes		changed = {.len = 0};
	unsigned	how = pick(3);

	add(&changed, text->data, at);
	if (how != 0)
		add(&changed, &c, 1);
	if (how != 2 && at < text->len)
		at++;
	add(&changed, text->data + at, text->len - at);
	*text = changed;
}

void
make_policy(const Chain *chain, const char *role, Bytes *text)
{
	text->len = 0;
	text->data[0] = '\0';
	put_settings(text);
	if (pick(40) == 0)
		put(text, pick(2) ? "any" : "exempt");
	if (text->len == 0 || text->data[text->len - 1] <= ' ' ? pick(60) != 0 : pick(20) == 0)
		put_alternatives(text, chain, role);
	if (pick(12) == 0)
		change_character(text);

	/* as long as a policy may be, and a byte more or less */
	if (pick(100) == 0 && text->len < 1400)
	{
		static const char *const kinds[] = {" ", "\n", "\t"};
		size_t		len = 1499 + pick(3);
		const char *blank = PICK(kinds);

		while (text->len < len)
			put(text, blank);
	}
}
