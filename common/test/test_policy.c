/*
 * test_policy.c
 *		The policy language: what it takes, and what it says of what it does
 *		not.
 */
#include <stdlib.h>

#include "policy.h"
#include "tap.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const good[] = {
	"exempt",
	" \t\nexempt\n",
	"any",
	"mode=log any",
	"mode = enforce local=reject on_expiry=disconnect any",
	"mode=log local=peer on_expiry=keep cn=alice",
	"cn=alice",
	"cn=%role",
	"cn=\"%role\"",
	"cn=svc-%role.*",
	"cn=*",
	"cn = alice , bob",
	"cn\n=\talice,\nbob",
	"cn!=root,admin",
	"cn=or",
	"cn=any or cn=exempt",
	"cn=a or cn=b or cn=c",
	"cn=\"Smith, John\"",
	"cn=\"a\"\"b\"",
	"cn=\"\\2A\\25\\5C\"",
	"cn=\"Ren\\C3\\A9\"",
	"cn=app_user",
	"dn=\"CN=alice,O=Example\"",
	"dn=\"CN=100\\25,O=Example\"",
	"dn!=\"CN=alice\",\"CN=bob\"",
	"san=DNS:db.example.com",
	"san=DNS:*.example.com,URI:spiffe://example.com/%role",
	"san=IP:10.0.0.1,IP:2001:db8::1",
	"san=email:a@example.com",
	"san=email:a+b@example.com",
	"san=\"UPN:alice@EXAMPLE\"",
	"issuer=\"CN=ca\"",
	"ca=\"CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA\"",
	"ca_key_sha256=" SHA,
	"key_sha256=" SHA "," SHA,
	"cert_sha256=01:23:45:67:89:AB:CD:EF:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef",
	"serial=0a:Bc,7",
	"eku=clientAuth",
	"eku=clientAuth,1.3.6.1.4.1.99999.1 eku!=serverAuth,anyExtendedKeyUsage",
	"policy_oid=2.23.140.1.2.2",
	"key_type=RSA,RSA-PSS,EC,Ed25519,Ed448",
	"key_type!=RSA",
	"min_security_bits=112",
	"max_lifetime=24h",
	"max_lifetime=36525d",
	"min_remaining=1s",
	"tls=1.3",
	"tls=\"1.2\"",
};

static const struct
{
	const char *text;
	size_t		position;
	const char *clause;
	const char *message;
}			bad[] = {
	{"", 1, "", "policy is empty"},
	{" \n\t ", 1, "", "policy is empty"},
	{"alice", 1, "", "clause is expected here"},
	{"colour=red", 1, "colour", "clause \"colour\" is not recognized"},
	{"CN=alice", 1, "CN", "clause \"CN\" is not recognized"},
	{"cn=alice eku=clientAuth color=red", 25, "color", "clause \"color\" is not recognized"},
	{"any_thing", 1, "", "clause is expected here"},
	{"Any", 1, "", "clause is expected here"},
	{"cn", 1, "", "clause is expected here"},
	{"cn=", 4, "cn", "value is missing"},
	{"cn=,", 4, "cn", "value is missing"},
	{"cn=a,", 6, "cn", "value is missing"},
	{"cn=a,,b", 6, "cn", "value is missing"},
	{"cn==a", 4, "cn", "value is missing"},
	{"cn!a", 1, "", "clause is expected here"},
	{"cn<a", 1, "", "clause is expected here"},
	{"cn=\"\"", 4, "cn", "value is empty"},
	{"cn=a or", 8, "", "clause is missing at the end"},
	{"or cn=a", 1, "", "clause is expected here"},
	{"cn=a or or cn=b", 9, "", "clause is expected here"},
	{"cn=a OR cn=b", 6, "", "clause is expected here"},
	{"cn=a and cn=b", 6, "", "clause is expected here"},
	{"cn=a any", 6, "", "clause is expected here"},
	{"cn=a or any", 9, "", "clause is expected here"},
	{"any cn=a", 5, "", "nothing may stand behind \"any\""},
	{"any or cn=a", 5, "", "nothing may stand behind \"any\""},
	{"exempt any", 8, "", "nothing may stand behind \"exempt\""},
	{"mode=log exempt", 10, "", "\"exempt\" takes no settings"},
	{"cn=a exempt", 6, "", "clause is expected here"},
	{"cn=\"a\"eku=clientAuth", 7, "", "blank is missing before this clause"},
	{"cn=\"a\"or eku=clientAuth", 7, "", "blank is missing before this clause"},
	{"cn=\"alice", 4, "cn", "quoted value is not closed"},
	{"cn=\"alice\"\"", 4, "cn", "quoted value is not closed"},
	{"cn=al(ce", 6, "cn", "unexpected character ("},
	{"cn='alice'", 4, "cn", "unexpected character '"},
	{"cn=a\\2A", 5, "cn", "unexpected character \\"},
	{"cn=a;eku=clientAuth", 5, "cn", "unexpected character ;"},
	{"cn=%user", 4, "cn", "% is not followed by \"role\""},
	{"cn=%role_x", 4, "cn", "% is not followed by \"role\""},
	{"cn=%rolex", 4, "cn", "% is not followed by \"role\""},
	{"cn=a%", 5, "cn", "% is not followed by \"role\""},
	{"cn=\"a\"\"%x\"", 8, "cn", "% is not followed by \"role\""},
	{"cn=\"\\q\"", 5, "cn", "backslash is not followed by two hex digits or a special character"},
	{"cn=\"a\\4\"", 6, "cn", "backslash is not followed by two hex digits or a special character"},
	{"cn=\"a\\00b\"", 6, "cn", "value holds a NUL"},
	{"cn=\"\\FF\"", 5, "cn", "value is not valid UTF-8"},
	{"dn=CN=alice", 4, "dn", "name is not quoted"},
	{"ca=rootCA1", 4, "ca", "name is not quoted"},
	{"issuer=x", 8, "issuer", "name is not quoted"},
	{"dn=\"alice\"", 5, "dn", "name has no attribute type where one is expected"},
	{"dn=\"CN=%role\"", 8, "dn", "% has no meaning here"},
	{"dn=\"CX=alice\"", 5, "dn", "attribute type \"CX\" is not recognized"},
	{"ca=\"CN=a\", \"O=b,QQ=c\"", 17, "ca", "attribute type \"QQ\" is not recognized"},
	{"dn=\" \"", 5, "dn", "name is empty"},
	{"san=db.example.com", 5, "san", "\"db.example.com\" does not begin with a type and a colon"},
	{"san=dns:db", 5, "san", "\"dns:db\" does not begin with a type and a colon"},
	{"san=DNS:", 9, "san", "value is empty"},
	{"san=IP:10.0.0.*", 8, "san", "\"10.0.0.*\" is not an IP address"},
	{"san=IP:10.0.0.0/8", 8, "san", "\"10.0.0.0/8\" is not an IP address"},
	{"san=IP:%role", 8, "san", "% has no meaning here"},
	{"san=DNS:a,alice", 11, "san", "\"alice\" does not begin with a type and a colon"},
	{"ca_key_sha256=1234", 15, "ca_key_sha256", "\"1234\" is not a SHA-256 hash"},
	{"key_sha256=" SHA "00", 12, "key_sha256", "\"" SHA "00\" is not a SHA-256 hash"},
	{"cert_sha256=%role", 13, "cert_sha256", "\"%role\" is not a SHA-256 hash"},
	{"serial=0x1f", 8, "serial", "\"0x1f\" is not a serial number"},
	{"serial=-1", 8, "serial", "\"-1\" is not a serial number"},
	{"eku=clientauth", 5, "eku", "extended key usage \"clientauth\" is not recognized"},
	{"eku=\"a\tb\nc\"", 6, "eku", "extended key usage \"a\\09b\\0Ac\" is not recognized"},
	{"eku=1.3.6.01", 5, "eku", "extended key usage \"1.3.6.01\" is not recognized"},
	{"eku=1", 5, "eku", "extended key usage \"1\" is not recognized"},
	{"eku=clientAuth,foo", 16, "eku", "extended key usage \"foo\" is not recognized"},
	{"policy_oid=clientAuth", 12, "policy_oid", "\"clientAuth\" is not a dotted OID"},
	{"key_type=rsa", 10, "key_type", "key type \"rsa\" is not recognized"},
	{"min_security_bits=0", 19, "min_security_bits", "\"0\" is not a number from 1 to 512"},
	{"min_security_bits=513", 19, "min_security_bits", "\"513\" is not a number from 1 to 512"},
	{"min_security_bits=112x", 19, "min_security_bits", "\"112x\" is not a number from 1 to 512"},
	{"min_security_bits=99999999999999999999", 19, "min_security_bits", "\"99999999999999999999\" is not a number from 1 to 512"},
	{"min_security_bits!=112", 18, "min_security_bits", "clause takes = only"},
	{"min_security_bits=112,128", 22, "min_security_bits", "more than one value is given"},
	{"max_lifetime=0d", 14, "max_lifetime", "\"0d\" is not a duration"},
	{"max_lifetime=1dx", 14, "max_lifetime", "\"1dx\" is not a duration"},
	{"max_lifetime=1w", 14, "max_lifetime", "\"1w\" is not a duration"},
	{"max_lifetime=1.5d", 14, "max_lifetime", "\"1.5d\" is not a duration"},
	{"max_lifetime=-1d", 14, "max_lifetime", "\"-1d\" is not a duration"},
	{"max_lifetime=90", 14, "max_lifetime", "\"90\" is not a duration"},
	{"max_lifetime=d", 14, "max_lifetime", "\"d\" is not a duration"},
	{"max_lifetime=36526d", 14, "max_lifetime", "\"36526d\" is not a duration"},
	{"min_remaining=1D", 15, "min_remaining", "\"1D\" is not a duration"},
	{"tls=1.1", 5, "tls", "TLS version \"1.1\" is not recognized"},
	{"tls=TLSv1.3", 5, "tls", "TLS version \"TLSv1.3\" is not recognized"},
	{"tls=1.2,1.3", 8, "tls", "more than one value is given"},
	{"tls!=1.2", 4, "tls", "clause takes = only"},
	{"mode=log", 9, "", "settings have no policy behind them"},
	{"mode=loud any", 6, "mode", "value of setting \"mode\" is not recognized"},
	{"mode=\"log\" any", 6, "mode", "value of setting \"mode\" is not recognized"},
	{"mode!=log any", 5, "mode", "setting takes = only"},
	{"mode=log,enforce any", 9, "mode", "more than one value is given"},
	{"mode=log mode=log any", 10, "mode", "setting \"mode\" is given twice"},
	{"local=trust any", 7, "local", "value of setting \"local\" is not recognized"},
	{"on_expiry=log any", 11, "on_expiry", "value of setting \"on_expiry\" is not recognized"},
	{"cn=a mode=log", 6, "mode", "setting \"mode\" stands behind a clause"},
	{"cn=a or local=peer cn=b", 9, "local", "setting \"local\" stands behind a clause"},
	{"cn=Ren\303\251", 7, "", "policy holds a byte that is not printable ASCII: 0xc3"},
	{"cn=a\r\n", 5, "", "policy holds a byte that is not printable ASCII: 0x0d"},
	{"cn=a\001", 5, "", "policy holds a byte that is not printable ASCII: 0x01"},
};

static void
test_good(void)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		PgcertError error;
		PgcertPolicy *policy = pgcert_policy_parse(good[i], &error);

		ok(policy != NULL, "%s%s%s", good[i], policy ? "" : ": ", policy ? "" : error.message);
		pgcert_policy_free(policy);
	}
}

static void
test_bad(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		PgcertError error;
		PgcertPolicy *policy = pgcert_policy_parse(bad[i].text, &error);

		if (!ok(policy == NULL && strcmp(error.message, bad[i].message) == 0 &&
				strcmp(error.clause, bad[i].clause) == 0 &&
				error.position == bad[i].position,
				"%s: %s", bad[i].text, bad[i].message))
			printf("# got \"%s\" at %zu, clause \"%s\"\n",
				   policy ? "(accepted)" : error.message, error.position, error.clause);
		pgcert_policy_free(policy);
	}
}

/* Every text cut short anywhere, and with any byte changed, is survived. */
static void
test_mangled(void)
{
	size_t		survived = 0;
	size_t		tried = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
	{
		size_t		len = strlen(good[i]);

		for (size_t at = 0; at < len; at++)
		{
			for (int c = 0; c < 256; c += 3)
			{
				PgcertError error;
				char	   *text = strdup(good[i]);
				PgcertPolicy *policy;

				text[at] = (char) c;
				policy = pgcert_policy_parse(text, &error);
				tried++;
				if (policy != NULL ||
					(error.message[0] != '\0' && error.position <= strlen(text) + 1))
					survived++;
				pgcert_policy_free(policy);
				free(text);
			}
		}
	}
	ok(survived == tried && tried > 10000, "%zu of %zu mangled texts are read or explained",
	   survived, tried);
}

static void
test_tree(void)
{
	PgcertError error;
	PgcertPolicy *policy;
	char		text[PGCERT_POLICY_MAX_LEN + 2];

	policy = pgcert_policy_parse("mode=log local=reject on_expiry=disconnect "
								 "cn=%role.* eku!=serverAuth or ca=\"CN=a\",\"CN=b\"", &error);
	if (!ok(policy != NULL, "a policy of two alternatives is read"))
		return;
	ok(policy->mode == PGCERT_MODE_LOG && policy->local == PGCERT_LOCAL_REJECT &&
	   policy->on_expiry == PGCERT_ON_EXPIRY_DISCONNECT, "... with its settings");
	ok(policy->n_alternatives == 2 && policy->alternatives[0].n_clauses == 2 &&
	   policy->alternatives[1].n_clauses == 1, "... and its clauses");
	ok(policy->alternatives[0].clauses[0].values[0].n_pieces == 3 &&
	   policy->alternatives[0].clauses[0].values[0].pieces[0].kind == PGCERT_PIECE_ROLE &&
	   policy->alternatives[0].clauses[0].values[0].pieces[2].kind == PGCERT_PIECE_STAR,
	   "... the pattern in pieces");
	ok(policy->alternatives[0].clauses[1].negated &&
	   policy->alternatives[0].clauses[1].position == 55, "... != and where it stands");
	ok(policy->alternatives[1].clauses[0].n_values == 2, "... both names of a list");
	pgcert_policy_free(policy);

	policy = pgcert_policy_parse("issuer=\"CN=a\" or ca=\"CN=b\"", &error);
	ok(policy != NULL && pgcert_policy_trusts_issuer_alone(policy), "issuer alone is noticed");
	pgcert_policy_free(policy);
	policy = pgcert_policy_parse("issuer=\"CN=a\" ca=\"CN=b\"", &error);
	ok(policy != NULL && !pgcert_policy_trusts_issuer_alone(policy), "issuer with ca is fine");
	pgcert_policy_free(policy);
	policy = pgcert_policy_parse("issuer=\"CN=a\" ca!=\"CN=b\"", &error);
	ok(policy != NULL && pgcert_policy_trusts_issuer_alone(policy), "... but not with ca!=");
	pgcert_policy_free(policy);
	policy = pgcert_policy_parse("cn=%role,alice", &error);
	ok(policy != NULL && pgcert_policy_has_literal_cn(policy), "a literal cn is noticed");
	pgcert_policy_free(policy);
	policy = pgcert_policy_parse("cn=%role,a* cn!=bob", &error);
	ok(policy != NULL && !pgcert_policy_has_literal_cn(policy), "patterns are none");
	pgcert_policy_free(policy);

	memset(text, ' ', sizeof(text));
	memcpy(text, "any", 3);
	text[PGCERT_POLICY_MAX_LEN] = '\0';
	policy = pgcert_policy_parse(text, &error);
	ok(policy != NULL, "%d bytes are read", PGCERT_POLICY_MAX_LEN);
	pgcert_policy_free(policy);
	text[PGCERT_POLICY_MAX_LEN] = ' ';
	text[PGCERT_POLICY_MAX_LEN + 1] = '\0';
	policy = pgcert_policy_parse(text, &error);
	ok(policy == NULL, "one more is not");
	is(error.message, "policy is too long: 1501 bytes, at most 1500 are allowed", "... with the lengths");
	pgcert_policy_free(policy);
	pgcert_policy_free(NULL);
}

int
main(void)
{
	test_good();
	test_bad();
	test_mangled();
	test_tree();
	return done_testing();
}
