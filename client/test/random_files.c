/*
 * random_files.c
 *		A random PKI as files: the client's folder, its root file, the
 *		server's CA file.
 *
 * Chains complete, partial, in wrong order and scattered; keys in every form,
 * in the right place and in others; and what else lies about in folders.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/pem.h>

#include "random_pki.h"
#include "tap.h"

#define MAX_CHAIN 12

typedef struct Writer
{
	Case	   *c;
	Pki		   *pki;
	FILE	   *about;
} Writer;

#define R (&w->pki->random)

static char *printed(const char *format,...) __attribute__((format(printf, 1, 2)));

static char *
printed(const char *format,...)
{
	char	   *text;
	va_list		args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		die("out of memory");
	va_end(args);
	return text;
}

/* ---------- one file ---------- */

static void
write_file(const char *path, const char *data, size_t len, int mode)
{
	FILE	   *file = fopen(path, "wb");

	if (file == NULL || fwrite(data, 1, len, file) != len || fclose(file) != 0 ||
		chmod(path, (mode_t) mode) != 0)
		die("could not write %s: %s", path, strerror(errno));
}

/* A CA file that cannot be read is not loaded, and there is no case then. */
static bool
is_ca_file(const Writer *w, const char *path)
{
	return path == w->c->ca_file || path == w->c->root_file;
}

/* Writes what is in the BIO, as editors and systems leave such files. */
static void
write_pem(Writer *w, const char *path, BIO *bio, int mode)
{
	char	   *data;
	long		len = BIO_get_mem_data(bio, &data);
	int			style = random_below(R, 100);
	char	   *text = NULL;
	size_t		size = 0;
	FILE	   *out = open_memstream(&text, &size);

	/* OpenSSL 1.1.1 reads no such file */
	if (style < 6 && OpenSSL_version_num() < 0x30000000L)
		style = 99;
	if (style < 6)
		fputs("\357\273\277", out);
	else if (style < 12)
		fputs("subject=CN = somebody\nissuer=CN = somebody else\n", out);
	else if (style < 14 && !is_ca_file(w, path))
		fputs("-----BEGIN NOTHING-----\n", out);
	for (long i = 0; i < len; i++)
	{
		if (style >= 14 && style < 22 && data[i] == '\n')
			fputc('\r', out);
		fputc(data[i], out);
	}
	if (style >= 22 && style < 25)
		fputs("trailing words\n", out);
	fclose(out);
	write_file(path, text, size, mode);
	fprintf(w->about, "%s: mode %04o%s\n", strrchr(path, '/') + 1, (unsigned) mode,
			style < 6 ? ", byte order mark" : style < 14 ? ", text before"
			: style < 22 ? ", CRLF" : "");
	free(text);
	BIO_free(bio);
}

/* Now and then as "TRUSTED CERTIFICATE", which libpq reads at the top only. */
static void
put_cert(Writer *w, BIO *bio, X509 *cert)
{
	if (chance(R, 2))
	{
		X509	   *copy = X509_dup(cert);

		X509_alias_set1(copy, (const unsigned char *) "alias", 5);
		PEM_write_bio_X509_AUX(bio, copy);
		X509_free(copy);
	}
	else
		PEM_write_bio_X509(bio, cert);
}

/* ---------- keys ---------- */

static void
remember_secret(Writer *w, const char *path, const char *password)
{
	Case	   *c = w->c;

	if (c->n_secrets == MAX_SECRETS)
		die("too many secrets");
	c->secrets[c->n_secrets++] = (Secret) {strdup(path), strdup(password)};
}

static int
key_mode(Writer *w)
{
	int			n = random_below(R, 100);

	if (fault(R, 10))
		return n < 30 ? 0640 : n < 70 ? 0644 : n < 90 ? 0700 : 0000;
	return n < 93 ? 0600 : 0400;
}

/* Appends a key that will be in that file. */
static void
put_key(Writer *w, BIO *bio, EVP_PKEY *key, const char *path)
{
	int			form = random_below(R, 100);
	int			type = EVP_PKEY_base_id(key);
	bool		traditional = type == EVP_PKEY_RSA || type == EVP_PKEY_EC;
	const char *password = "se\\s:ame";

	if (form < 62 || (form >= 90 && !traditional))
		PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	else if (form < 76)
	{
		if (traditional)
			PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
		else
			PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	}
	else
	{
		int			len = (int) strlen(password);

		/* before OpenSSL 3, neither took the password as const */
		if (form < 90)
			PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(),
										  (char *) password, len, NULL, NULL);
		else
			PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_128_cbc(),
												 (unsigned char *) password, len,
												 NULL, NULL);
		if (!fault(R, 25))
			remember_secret(w, path, password);
		fprintf(w->about, "%s: encrypted\n", strrchr(path, '/') + 1);
	}
}

static void
write_key(Writer *w, const char *path, EVP_PKEY *key)
{
	BIO		   *bio = BIO_new(BIO_s_mem());

	if (chance(R, 4))
	{
		char	   *data;
		long		len;

		i2d_PrivateKey_bio(bio, key);
		len = BIO_get_mem_data(bio, &data);
		write_file(path, data, (size_t) len, key_mode(w));
		fprintf(w->about, "%s: DER\n", strrchr(path, '/') + 1);
		BIO_free(bio);
		return;
	}
	put_key(w, bio, key, path);
	write_pem(w, path, bio, key_mode(w));
}

/* ---------- chains ---------- */

/* A certificate of the same CA: itself, or one that has its name and key. */
static int
any_certificate_of(Writer *w, int ca)
{
	const Member *cas = w->pki->cas;

	for (int i = 0; i < w->pki->n_cas; i++)
		if (i != ca && cas[i].key == cas[ca].key && cas[i].issuer >= 0 && chance(R, 20))
			return i;
	return ca;
}

/* The leaf and its intermediates, and maybe the root: as it should be. */
static int
chain_of(Writer *w, int leaf, X509 **chain, bool with_root)
{
	const Pki  *pki = w->pki;
	int			n = 0;

	chain[n++] = pki->leaves[leaf].cert;
	for (int ca = pki->leaves[leaf].issuer; ca >= 0 && n < MAX_CHAIN - 1; ca = pki->cas[ca].issuer)
	{
		ca = any_certificate_of(w, ca);
		if (pki->cas[ca].issuer < 0 && !with_root)
			break;
		chain[n++] = pki->cas[ca].cert;
	}
	return n;
}

static void
swap(X509 **a, X509 **b)
{
	X509	   *c = *a;

	*a = *b;
	*b = c;
}

/* The certificates of one file, in one of the ways in which they are found. */
static int
arrange(Writer *w, int leaf, X509 **chain)
{
	bool		with_root = chance(R, 15);
	int			n = chain_of(w, leaf, chain, with_root);
	const char *words = with_root ? "with its root" : "its chain";

	if (fault(R, 15))
	{
		n = 1;
		words = "alone";
	}
	else if (n > 1 && fault(R, 4))
	{
		int			gone = 1 + random_below(R, n - 1);

		memmove(chain + gone, chain + gone + 1, (size_t) (n - gone - 1) * sizeof(*chain));
		n--;
		words = "one of its chain missing";
	}
	else if (n > 2 && fault(R, 6))
	{
		swap(&chain[1], &chain[n - 1]);
		words = "its chain in another order";
	}
	else if (n > 1 && fault(R, 3))
	{
		swap(&chain[0], &chain[n - 1]);
		words = "its chain in wrong order, the leaf last";
	}
	else if (fault(R, 8))
	{
		/* something of another */
		chain[n++] = w->pki->cas[random_below(R, w->pki->n_cas)].cert;
		if (n > 2 && chance(R, 50))
			swap(&chain[1], &chain[n - 1]);
		words = "its chain and one more CA";
	}
	else if (fault(R, 3))
	{
		chain[n++] = w->pki->leaves[random_below(R, w->pki->n_leaves)].cert;
		words = "its chain and a leaf";
	}
	fprintf(w->about, "  leaf %d, %s (%d)\n", leaf, words, n);
	return n;
}

static void
put_chain(Writer *w, BIO *bio, int leaf)
{
	X509	   *chain[MAX_CHAIN + 1];
	int			n = arrange(w, leaf, chain);

	for (int i = 0; i < n; i++)
		put_cert(w, bio, chain[i]);
}

/* ---------- the client's folder ---------- */

static char *
stem(Writer *w, int leaf)
{
	const char *dir = w->c->bundle;

	if (chance(R, 90))
		return printed("%s/client%d", dir, leaf);
	switch (random_below(R, 4))
	{
		case 0:
			return printed("%s/with a blank %d", dir, leaf);
		case 1:
			return printed("%s/quote'd \\%d", dir, leaf);
		case 2:
			return printed("%s/a,b,%d", dir, leaf);
		default:
			return printed("%s/colon:%d", dir, leaf);
	}
}

static void
write_leaf(Writer *w, int leaf)
{
	const Member *member = &w->pki->leaves[leaf];
	char	   *name = stem(w, leaf);
	char	   *cert_path;
	char	   *key_path;
	BIO		   *bio = BIO_new(BIO_s_mem());
	int			way = random_below(R, 94);

	if (way < 16)
	{
		/* all in one file */
		cert_path = printed("%s.pem", name);
		key_path = strdup(cert_path);
		if (chance(R, 50))
		{
			put_chain(w, bio, leaf);
			put_key(w, bio, member->key, cert_path);
		}
		else
		{
			put_key(w, bio, member->key, cert_path);
			put_chain(w, bio, leaf);
		}
		write_pem(w, cert_path, bio, key_mode(w));
	}
	else
	{
		bool		elsewhere = way >= 78;
		bool		taken = fault(R, 6);	/* the key beside it is another's */

		cert_path = printed("%s.crt", name);
		put_chain(w, bio, leaf);
		write_pem(w, cert_path, bio, 0644);
		if (taken)
		{
			key_path = printed("%s.key", name);
			write_key(w, key_path,
					  w->pki->leaves[random_below(R, w->pki->n_leaves)].key);
			fprintf(w->about, "  key of another\n");
			free(key_path);
			elsewhere = chance(R, 60);
		}
		key_path = elsewhere
			? printed("%s/keys-%d.pem", w->c->bundle, (leaf * 7 + 3) % 10)
			: printed("%s.key", name);
		if (!taken || elsewhere)
		{
			if (!fault(R, 3))
				write_key(w, key_path, member->key);
			else
				fprintf(w->about, "  no key\n");
		}
	}

	/* a copy of the key, or of the certificate in another form */
	if (chance(R, 7))
	{
		free(key_path);
		key_path = printed("%s/copy-%d.key", w->c->bundle, leaf);
		write_key(w, key_path, member->key);
	}
	if (chance(R, 12))
	{
		free(cert_path);
		cert_path = chance(R, 50) ? printed("%s-chain.crt", name)
			: printed("%s/also-%d.pem", w->c->bundle, leaf);
		bio = BIO_new(BIO_s_mem());
		put_chain(w, bio, leaf);
		write_pem(w, cert_path, bio, 0644);
	}
	free(cert_path);
	free(key_path);
	free(name);
}

/* CA certificates that lie about, and some with their keys. */
static void
write_cas(Writer *w)
{
	for (int i = 0; i < w->pki->n_cas; i++)
	{
		const Member *ca = &w->pki->cas[i];
		char	   *path;
		BIO		   *bio;

		if (!chance(R, ca->issuer < 0 ? 30 : 25))
			continue;
		path = printed("%s/ca-%d.%s", w->c->bundle, i, PICK(R, "crt", "pem"));
		bio = BIO_new(BIO_s_mem());
		put_cert(w, bio, ca->cert);
		if (chance(R, 10))
		{
			char	   *key_path = printed("%s/%s%d.key", w->c->bundle,
										   PICK(R, "ca-", "cakey-"), i);

			write_key(w, key_path, ca->key);
			free(key_path);
		}
		write_pem(w, path, bio, 0644);
		free(path);
	}
}

static void
write_noise(Writer *w)
{
	static const char *const texts[] = {
		"", "not PEM at all\n", "\0\0\0\0", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	};
	char	   *path;

	if (chance(R, 25))
	{
		path = printed("%s/%s", w->c->bundle, PICK(R, "README", "z.crt", "a.key"));
		write_pem(w, path, BIO_new_mem_buf(texts[random_below(R, 6)], -1), 0600);
		free(path);
	}
	if (chance(R, 10))
	{
		path = printed("%s/lonely.key", w->c->bundle);
		write_key(w, path, pool_key(KEY_P256, 47));
		free(path);
	}
	if (chance(R, 8))
	{
		X509	   *cert = w->pki->leaves[0].cert;
		unsigned char *der = NULL;
		int			len = i2d_X509(cert, &der);

		path = printed("%s/der.crt", w->c->bundle);
		write_file(path, (const char *) der, (size_t) len, 0644);
		OPENSSL_free(der);
		free(path);
	}
	if (chance(R, 8))
	{
		/* a file that is right but for its last certificate */
		BIO		   *bio = BIO_new(BIO_s_mem());

		path = printed("%s/broken-end.pem", w->c->bundle);
		put_chain(w, bio, 0);
		BIO_puts(bio, texts[3]);
		put_key(w, bio, w->pki->leaves[0].key, path);
		write_pem(w, path, bio, 0600);
		free(path);
	}
}

/* ---------- the rest ---------- */

/* sslrootcert, from which libpq completes a lone leaf. */
static void
write_roots(Writer *w, const char *server_ca)
{
	BIO		   *bio;
	BIO		   *in;
	char		bytes[4096];
	int			n;

	if (chance(R, 60))
		return;
	bio = BIO_new(BIO_s_mem());
	in = BIO_new_file(server_ca, "rb");
	if (in == NULL)
		die("could not read %s", server_ca);
	while ((n = BIO_read(in, bytes, sizeof(bytes))) > 0)
		BIO_write(bio, bytes, n);
	BIO_free(in);
	fprintf(w->about, "root file:");
	for (int i = 0; i < w->pki->n_cas; i++)
		if (chance(R, 40))
		{
			put_cert(w, bio, w->pki->cas[i].cert);
			fprintf(w->about, " CA %d", i);
		}
	fputc('\n', w->about);
	write_pem(w, w->c->root_file, bio, 0644);
}

static void
write_trusted(Writer *w)
{
	BIO		   *bio = BIO_new(BIO_s_mem());

	fprintf(w->about, "server's CA file:");
	for (int i = 0; i < w->pki->n_trusted; i++)
	{
		for (int j = 0; j < w->pki->n_cas; j++)
			if (w->pki->cas[j].cert == w->pki->trusted[i])
				fprintf(w->about, " CA %d", j);
		for (int j = 0; j < w->pki->n_leaves; j++)
			if (w->pki->leaves[j].cert == w->pki->trusted[i])
				fprintf(w->about, " leaf %d", j);
		PEM_write_bio_X509(bio, w->pki->trusted[i]);
	}
	fputc('\n', w->about);
	write_pem(w, w->c->ca_file, bio, 0644);
}

/* For pgcertsel --password-file. */
static void
write_passwords(Writer *w)
{
	char	   *path = printed("%s/passwords", w->c->dir);
	char	   *text = NULL;
	size_t		size = 0;
	FILE	   *out = open_memstream(&text, &size);

	for (int i = 0; i < w->c->n_secrets; i++)
	{
		const char *parts[] = {w->c->secrets[i].path, w->c->secrets[i].password};

		for (int j = 0; j < 2; j++)
		{
			for (const char *p = parts[j]; *p != '\0'; p++)
				fprintf(out, "%s%c", *p == ':' || *p == '\\' ? "\\" : "", *p);
			fputc(j == 0 ? ':' : '\n', out);
		}
	}
	fclose(out);
	write_file(path, text, size, 0600);
	free(text);
	free(path);
}

static void
describe(Writer *w, const char *kind, const Member *members, int n)
{
	for (int i = 0; i < n; i++)
	{
		char	   *subject = X509_NAME_oneline(X509_get_subject_name(members[i].cert), NULL, 0);

		if (members[i].issuer < 0)
			fprintf(w->about, "%s %d: %s, self-signed%s\n", kind, i, subject, members[i].about);
		else
			fprintf(w->about, "%s %d: %s, of CA %d%s\n", kind, i, subject,
					members[i].issuer, members[i].about);
		OPENSSL_free(subject);
	}
}

void
write_case(Case *c, Pki *pki, const char *dir, const char *server_ca)
{
	Writer		w = {c, pki, NULL};
	char	   *about = printed("%s/about.txt", dir);

	*c = (Case) {.dir = strdup(dir)};
	c->bundle = printed("%s/bundle", dir);
	c->ca_file = printed("%s/ca.crt", dir);
	c->root_file = printed("%s/root.crt", dir);
	if (mkdir(dir, 0755) != 0 || mkdir(c->bundle, 0755) != 0 ||
		(w.about = fopen(about, "w")) == NULL)
		die("could not make %s: %s", dir, strerror(errno));
	describe(&w, "CA", pki->cas, pki->n_cas);
	describe(&w, "leaf", pki->leaves, pki->n_leaves);
	for (int i = 0; i < pki->n_leaves; i++)
		write_leaf(&w, i);
	write_cas(&w);
	write_noise(&w);
	write_roots(&w, server_ca);
	write_trusted(&w);
	write_passwords(&w);
	if (chance(&pki->random, 20))
		c->tls_version = "TLSv1.2";
	fprintf(w.about, "at most %s\n", c->tls_version != NULL ? c->tls_version : "TLSv1.3");
	fclose(w.about);
	free(about);
}

void
free_case(Case *c)
{
	for (int i = 0; i < c->n_secrets; i++)
	{
		free(c->secrets[i].path);
		free(c->secrets[i].password);
	}
	free(c->dir);
	free(c->bundle);
	free(c->ca_file);
	free(c->root_file);
}
