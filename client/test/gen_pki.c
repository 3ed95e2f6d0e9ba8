/*
 * gen_pki.c
 *		A random PKI for a server and its clients, from a seed.
 *
 *	gen_pki SEED DIRECTORY
 *
 * writes into the directory
 *		trust.pem		the server's ssl_ca_file
 *		bundle/			certificates and keys of clients, in every state
 *		passwords		for pgcertsel's --password-file
 *		manifest		"certificate TAB key TAB password", one pair a line
 *		story			what was made, for whoever wants to know why
 *
 * What goes wrong in real bundles goes wrong here, and often: CAs of one name
 * with another key, cross-signed and expired intermediates, chains that are
 * partial or out of order, purposes, key types, encodings of names, keys that
 * belong to others or are open to all.  The same seed makes the same choices
 * (the keys themselves are new each time).  About one case in twenty cannot be
 * decided from the CA names alone: an untrusted twin, a trusted CA that has
 * expired, an intermediate that is trusted without its root.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "pki.h"
#include "tap.h"

#define MAX_CAS 16
#define MAX_LEAVES 9

typedef struct Ca
{
	Cert		cert;
	const struct Ca *issuer;	/* NULL: a root */
	char		name[32];
	bool		broken;			/* no server accepts what it vouches for */
	bool		trusted;
} Ca;

static uint64_t state;
static Ca	cas[MAX_CAS];
static int	n_cas;
static int	n_roots;
static FILE *story;
static FILE *manifest;
static FILE *passwords;
static int64_t now;

/* xorshift64*: the same on every machine. */
static unsigned int
below(unsigned int n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (unsigned int) ((state * UINT64_C(2685821657736338717)) >> 33) % n;
}

static bool
percent(unsigned int n)
{
	return below(100) < n;
}

static const char *
pick(const char *const *list, size_t n)
{
	return list[below((unsigned int) n)];
}

#define PICK(list) pick(list, sizeof(list) / sizeof(list[0]))

/* ---------- CAs ---------- */

static const char *const key_kinds[] = {
	"ec:prime256v1", "ec:prime256v1", "ec:prime256v1", "ec:prime256v1",
	"ec:prime256v1", "ec:secp384r1", "ec:secp384r1", "ec:secp521r1",
	"ed25519", "ed25519", "rsa:2048", "rsa-pss:2048",
};

/* The same name to OpenSSL, in another string type, case and spacing. */
static void
spell(Wish *wish, const char *name)
{
	static char other[64];

	wish->cn = name;
	if (percent(70))
		return;
	if (percent(50))
	{
		wish->string_type = V_ASN1_PRINTABLESTRING;
		return;
	}
	snprintf(other, sizeof(other), " %s", name);
	for (char *p = other; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char) (*p - 'a' + 'A');
	wish->cn = other;
}

static void
tell_ca(const Ca *ca, const char *what)
{
	fprintf(story, "ca %d %s of %s%s\n", (int) (ca - cas), ca->name,
			ca->issuer != NULL ? ca->issuer->name : "itself", what);
}

static void
make_roots(void)
{
	static const char *const names[] = {"root a", "root b", "root c", "root d"};

	n_roots = 2 + (int) below(3);
	for (int i = 0; i < n_roots; i++)
	{
		Ca		   *ca = &cas[n_cas++];
		Wish		wish = {.ca = true, .key = PICK(key_kinds), .o = "o"};

		/* a few have the name of another, with another key */
		snprintf(ca->name, sizeof(ca->name), "%s",
				 names[i > 0 && percent(5) ? (int) below((unsigned int) i) : i]);
		spell(&wish, ca->name);
		if (percent(5))
		{
			wish.not_before = now - 20 * DAY;
			wish.not_after = now - DAY;
			ca->broken = true;
		}
		wish.no_key_ids = percent(10);
		ca->cert = make_cert(wish);
		tell_ca(ca, wish.not_after != 0 ? ", expired" : "");
	}
}

static void
make_intermediates(void)
{
	int			n = 1 + (int) below(5);

	for (int i = 0; i < n; i++)
	{
		Ca		   *ca = &cas[n_cas];
		Wish		wish = {.ca = true, .key = PICK(key_kinds)};
		const char *what = "";
		Ca		   *twin = NULL;

		ca->issuer = &cas[below((unsigned int) n_cas)];
		snprintf(ca->name, sizeof(ca->name), "int %d", i);

		/* cross-signed: the name and the key of another intermediate */
		if (n_cas > n_roots && percent(25))
		{
			twin = &cas[n_roots + (int) below((unsigned int) (n_cas - n_roots))];
			if (twin != ca->issuer)
			{
				wish.key_of = &twin->cert;
				memcpy(ca->name, twin->name, sizeof(ca->name));
				what = ", cross-signed";
			}
		}
		wish.cn = ca->name;
		wish.issuer = &ca->issuer->cert;
		switch (below(14))
		{
			case 0:
				wish.not_before = now - 20 * DAY;
				wish.not_after = now - DAY;
				what = ", expired";
				break;
			case 1:
				wish.constraints = "critical,CA:TRUE,pathlen:0";
				what = ", pathlen 0";
				break;
			case 2:
				wish.eku = "serverAuth";
				what = ", serverAuth";
				break;
			case 3:
				wish.constraints = "CA:FALSE";
				what = ", no CA";
				break;
			case 4:
				wish.name_constraints = "critical,permitted;dirName:dir_sect";
				what = ", name constraints";
				break;
			case 5:
				wish.ku = "digitalSignature";
				what = ", keyUsage digitalSignature";
				break;
			case 6:
				wish.sha1 = true;
				what = ", SHA-1";
				break;
			default:
				break;
		}
		ca->cert = make_cert(wish);
		ca->broken = what[0] != '\0' && strcmp(what, ", cross-signed") != 0;
		n_cas++;
		tell_ca(ca, what);
	}
}

static void
write_trust(void)
{
	char	   *path = test_path("trust.pem");
	FILE	   *file = fopen(path, "w");
	int			n = 0;

	while (n == 0)
		for (int i = 0; i < n_cas; i++)
		{
			unsigned int chance = 45;

			/*
			 * Whoever trusts a CA mostly trusts one that works: an
			 * intermediate without its root does not, nor one that has
			 * expired.
			 */
			if (cas[i].issuer != NULL)
				chance = cas[i].issuer->trusted ? 15 : 1;
			if (cas[i].broken)
				chance = chance / 10 + 1;
			if (cas[i].trusted || !percent(chance))
				continue;
			cas[i].trusted = true;
			n++;
			PEM_write_X509(file, cas[i].cert.x509);
			fprintf(story, "trusted ca %d %s\n", i, cas[i].name);
		}
	fclose(file);
	free(path);
}

/* ---------- leaves ---------- */

/* The certificates above a leaf, its issuer first, without the root. */
static int
chain_of(const Ca *issuer, const Ca **chain)
{
	int			n = 0;

	for (; issuer != NULL && issuer->issuer != NULL; issuer = issuer->issuer)
		chain[n++] = issuer;
	return n;
}

static char *
pem_text(X509 *cert)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *data;
	long		len;
	char	   *text;

	PEM_write_bio_X509(bio, cert);
	len = BIO_get_mem_data(bio, &data);
	text = strndup(data, (size_t) len);
	BIO_free(bio);
	return text;
}

static char *
key_text(EVP_PKEY *key, const char *password)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *data;
	long		len;
	char	   *text;

	PEM_write_bio_PKCS8PrivateKey(bio, key, password != NULL ? EVP_aes_128_cbc() : NULL,
								  (char *) password, password != NULL ? (int) strlen(password) : 0,
								  NULL, NULL);
	len = BIO_get_mem_data(bio, &data);
	text = strndup(data, (size_t) len);
	BIO_free(bio);
	return text;
}

static void
append(char **text, const char *more)
{
	char	   *joined;

	if (asprintf(&joined, "%s%s", *text, more) < 0)
		die("out of memory");
	free(*text);
	*text = joined;
}

static void
append_cert(char **text, X509 *cert)
{
	char	   *pem = pem_text(cert);

	append(text, pem);
	free(pem);
}

static Wish
wish_leaf(const Ca *issuer, char *what, size_t size)
{
	static const char *const names[] = {"alice", "bob", "postgres", "postgres"};
	static const struct
	{
		const char *eku;
		const char *ku;
		const char *what;
	}			purposes[] =

	{
		{"serverAuth", NULL, ", serverAuth"},
		{"serverAuth,clientAuth", NULL, ", both purposes"},
		{"anyExtendedKeyUsage", NULL, ", any purpose"},
		{"", NULL, ", no extendedKeyUsage"},
		{"", "keyEncipherment", ", keyEncipherment"},
		{"clientAuth", "keyAgreement", ", keyAgreement"},
		{"clientAuth", "digitalSignature", ", digitalSignature"},
		{"clientAuth", "nonRepudiation", ", nonRepudiation"},
	};
	Wish		wish = {.cn = PICK(names), .issuer = &issuer->cert, .key = PICK(key_kinds)};
	unsigned int p = below(16);

	what[0] = '\0';
	if (p < sizeof(purposes) / sizeof(purposes[0]))
	{
		wish.eku = purposes[p].eku;
		wish.ku = purposes[p].ku;
		snprintf(what, size, "%s", purposes[p].what);
	}
	switch (below(14))
	{
		case 0:
			wish.not_before = now - 20 * DAY;
			wish.not_after = now - DAY;
			snprintf(what + strlen(what), size - strlen(what), ", expired");
			break;
		case 1:
			wish.not_before = now + DAY;
			wish.not_after = now + 90 * DAY;
			snprintf(what + strlen(what), size - strlen(what), ", not yet valid");
			break;
		case 2:
			wish.key = "rsa:1024";
			snprintf(what + strlen(what), size - strlen(what), ", RSA 1024");
			break;
		case 3:
			wish.sha1 = true;
			snprintf(what + strlen(what), size - strlen(what), ", SHA-1");
			break;
		case 4:
			wish.cn = "\0p\0g";
			wish.string_type = V_ASN1_BMPSTRING;
			snprintf(what + strlen(what), size - strlen(what), ", BMPString");
			break;
		default:
			break;
	}
	if (percent(15))
		wish.san = "DNS:client.example";
	wish.not_before = wish.not_before != 0 ? wish.not_before : now - (int64_t) (1 + below(30)) * DAY;
	wish.not_after = wish.not_after != 0 ? wish.not_after : now + (int64_t) (20 + below(300)) * DAY;
	return wish;
}

/* The text of a certificate file: chain complete, partial, or out of order. */
static char *
chain_text(const Cert *leaf, const Ca *issuer, char *what, size_t size)
{
	const Ca   *chain[MAX_CAS];
	int			n = chain_of(issuer, chain);
	char	   *text = strdup("");
	unsigned int layout = below(12);

	if (percent(10))
		append(&text, "Bag Attributes\n    friendlyName: x\nsubject=CN = x\n\n");
	if (layout == 0 && n > 0)
	{
		/* the intermediate first: no leaf for libpq */
		append_cert(&text, chain[0]->cert.x509);
		append_cert(&text, leaf->x509);
		snprintf(what + strlen(what), size - strlen(what), "; leaf not first");
		return text;
	}
	append_cert(&text, leaf->x509);
	if (layout == 1)
		snprintf(what + strlen(what), size - strlen(what), "; leaf alone");
	else if (layout == 2 && n > 1)
	{
		append_cert(&text, chain[0]->cert.x509);
		snprintf(what + strlen(what), size - strlen(what), "; partial chain");
	}
	else if (layout == 3)
	{
		for (int i = n; i-- > 0;)
			append_cert(&text, chain[i]->cert.x509);
		snprintf(what + strlen(what), size - strlen(what), "; reversed chain");
	}
	else
		for (int i = 0; i < n; i++)
			append_cert(&text, chain[i]->cert.x509);
	if (layout == 4)
	{
		append_cert(&text, cas[below((unsigned int) n_cas)].cert.x509);
		snprintf(what + strlen(what), size - strlen(what), "; a stray CA");
	}
	if (layout == 5 && n_roots > 0)
	{
		const Ca   *top = n > 0 ? chain[n - 1]->issuer : issuer;

		append_cert(&text, top->cert.x509);
		snprintf(what + strlen(what), size - strlen(what), "; with its root");
	}
	return text;
}

static char *
with_crlf(char *text)
{
	char	   *result = malloc(2 * strlen(text) + 1);
	char	   *to = result;

	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p == '\n')
			*to++ = '\r';
		*to++ = *p;
	}
	*to = '\0';
	free(text);
	return result;
}

static void
make_leaf(int number, Cert *leaf, const Cert *others)
{
	const Ca   *issuer = &cas[below((unsigned int) n_cas)];
	char		what[256];
	Wish		wish = wish_leaf(issuer, what, sizeof(what));
	char		name[64];
	char	   *text;
	char	   *key;
	char	   *cert_path;
	char	   *key_path;
	const char *password = NULL;
	int			mode = 0600;
	bool		known = true;

	*leaf = make_cert(wish);
	text = chain_text(leaf, issuer, what, sizeof(what));
	if (percent(10))
		text = with_crlf(text);
	if (percent(15))
	{
		password = "secret";
		known = percent(70);
		snprintf(what + strlen(what), sizeof(what) - strlen(what), "; encrypted%s",
				 known ? "" : ", password not known");
	}
	key = key_text(leaf->key, password);
	if (number > 0 && percent(7))
	{
		free(key);
		key = key_text(others[below((unsigned int) number)].key, NULL);
		password = NULL;
		snprintf(what + strlen(what), sizeof(what) - strlen(what), "; key of another");
	}
	if (percent(7))
	{
		mode = 0644;
		snprintf(what + strlen(what), sizeof(what) - strlen(what), "; open key");
	}
	if (percent(15))
	{
		/* everything in one file */
		append(&text, key);
		snprintf(name, sizeof(name), "bundle/c%d.pem", number);
		cert_path = write_text(name, text, mode);
		key_path = strdup(cert_path);
	}
	else
	{
		snprintf(name, sizeof(name), "bundle/c%d.crt", number);
		cert_path = write_text(name, text, 0644);
		snprintf(name, sizeof(name), "bundle/%s%d.key", percent(80) ? "c" : "key", number);
		key_path = write_text(name, key, mode);
	}
	if (password != NULL && known)
		fprintf(passwords, "%s:%s\n", key_path, password);
	if (known)
		fprintf(manifest, "%s\t%s\t%s\n", cert_path, key_path, password != NULL ? password : "");
	fprintf(story, "leaf %d CN=%s of %s (ca %d), %s%s\n", number,
			wish.string_type == V_ASN1_BMPSTRING ? "?" : wish.cn, issuer->name,
			(int) (issuer - cas), wish.key, what);
	free(cert_path);
	free(key_path);
	free(text);
	free(key);
}

static FILE *
open_file(const char *name)
{
	char	   *path = test_path(name);
	FILE	   *file = fopen(path, "w");

	if (file == NULL)
		die("could not write %s", path);
	chmod(path, 0600);
	free(path);
	return file;
}

int
main(int argc, char **argv)
{
	Cert		leaves[MAX_LEAVES];
	int			n_leaves;
	char	   *path;

	if (argc != 3)
		die("usage: gen_pki SEED DIRECTORY");
	state = (strtoull(argv[1], NULL, 10) + 1) * UINT64_C(0x9E3779B97F4A7C15);
	for (int i = 0; i < 10; i++)
		below(2);
	now = (int64_t) time(NULL);
	test_now = now;
	test_use_dir(argv[2]);
	path = test_path("bundle");
	if (mkdir(path, 0700) != 0)
		die("could not make %s", path);
	free(path);
	story = open_file("story");
	manifest = open_file("manifest");
	passwords = open_file("passwords");

	make_roots();
	make_intermediates();
	write_trust();
	n_leaves = 3 + (int) below(MAX_LEAVES - 2);
	for (int i = 0; i < n_leaves; i++)
		make_leaf(i, &leaves[i], leaves);

	/* now and then a CA lies about, and noise always does */
	for (int i = 0; i < n_cas; i++)
		if (percent(25))
		{
			char		name[32];

			snprintf(name, sizeof(name), "bundle/ca%d.pem", i);
			free(write_cert(name, &cas[i].cert));
			fprintf(story, "bundle holds ca %d\n", i);
		}
	free(write_text("bundle/README", "not a certificate\n", 0644));
	fclose(story);
	fclose(manifest);
	fclose(passwords);
	for (int i = 0; i < n_leaves; i++)
		free_cert(&leaves[i]);
	for (int i = 0; i < n_cas; i++)
		free_cert(&cas[i].cert);
	return 0;
}
