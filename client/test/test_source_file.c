/*
 * test_source_file.c
 *		Reading files as libpq will, and refusing those that it would refuse.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "bundle.h"
#include "pki.h"
#include "tap.h"

static Cert ca;
static Cert alice;

/* The text of PEM files, for files that are put together by hand. */
static char *
pem_of(const Cert *cert, bool key)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *text;
	char	   *data;
	long		len;

	if (key)
		PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_X509(bio, cert->x509);
	len = BIO_get_mem_data(bio, &data);
	text = strndup(data, (size_t) len);
	BIO_free(bio);
	return text;
}

static char *
crlf(const char *text)
{
	char	   *result = malloc(2 * strlen(text) + 1);
	char	   *to = result;

	for (; *text != '\0'; text++)
	{
		if (*text == '\n')
			*to++ = '\r';
		*to++ = *text;
	}
	*to = '\0';
	return result;
}

/* ---------- what is in a file ---------- */

/* "leaf CN=alice extra 1 key encrypted", or the codes of what is wrong. */
static void
describe_file(const PgcsFile *file, char *text, size_t size)
{
	size_t		len = 0;
	const char *key = "";

	if (file->key_state != PGCS_KEY_NONE)
		key = file->key_encrypted ? " key encrypted" : " key";
	text[0] = '\0';
	if (file->leaf != NULL)
	{
		char		cn[64] = "";

		X509_NAME_get_text_by_NID(X509_get_subject_name(file->leaf),
								  NID_commonName, cn, sizeof(cn));
		len += (size_t) snprintf(text, size, "leaf %s extra %d", cn,
								 sk_X509_num(file->extra));
	}
	len += (size_t) snprintf(text + len, size - len, "%s", key);
	for (size_t i = 0; i < file->reasons.n; i++)
		len += (size_t) snprintf(text + len, size - len, " %s",
								 file->reasons.items[i]->code);
	if (file->reasons.failed)
		snprintf(text + len, size - len, " no memory");
}

/* Frees the path. */
static void
check_file_at(const char *what, char *path, const char *want)
{
	PgcsFile   *file = pgcs_file_read(path, true);
	char		got[256];

	describe_file(file, got, sizeof(got));
	is_text(got, want, "%s", what);
	pgcs_file_free(file);
	free(path);
}

static void
check_file(const char *what, const char *text, const char *want)
{
	char		words[128];

	snprintf(words, sizeof(words), "a file with %s", what);
	check_file_at(words, write_text("file", text, 0600), want);
}

static void
test_files(void)
{
	char	   *cert = pem_of(&alice, false);
	char	   *ca_cert = pem_of(&ca, false);
	char	   *key = pem_of(&alice, true);
	char		text[32768];
	char	   *with_crlf;
	char	   *path;
	PgcsFile   *file;
	unsigned char digest[PGCERT_SHA256_LEN];

	check_file("a certificate", cert, "leaf alice extra 0");
	check_file("a key", key, " key");
	snprintf(text, sizeof(text), "%s%s%s", cert, ca_cert, key);
	check_file("certificate, chain and key", text, "leaf alice extra 1 key");
	with_crlf = crlf(text);
	check_file("CRLF", with_crlf, "leaf alice extra 1 key");
	free(with_crlf);
	snprintf(text, sizeof(text), "%s%s%s", key, cert, ca_cert);
	check_file("the key first", text, "leaf alice extra 1 key");
	snprintf(text, sizeof(text), "Bag Attributes\n    x: y\nsubject=x\n%s\nmore words\n%s", cert, ca_cert);
	check_file("words before each block", text, "leaf alice extra 1");
	snprintf(text, sizeof(text), "-----BEGIN TRUSTED CERTIFICATE-----%s", cert + 27);
	*strstr(text + 40, "-----END CERTIFICATE-----") = '\0';
	strcat(text, "-----END TRUSTED CERTIFICATE-----\n");
	check_file("a TRUSTED certificate", text, "leaf alice extra 0");
	check_file("nothing", "\n", " file-not-pem");
	check_file("words", "hello\n", " file-not-pem");
	snprintf(text, sizeof(text), "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", cert);
	check_file("a broken second certificate", text, "leaf alice extra 0 libpq-refuses");
	check_file("a broken certificate",
			   "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", " libpq-refuses");
	check_file("an empty block", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
			   " file-not-pem");
	check_file("an empty block, and CRLF", "-----BEGIN X-----\r\n-----END X-----\r\n\r\n",
			   " file-not-pem");
	snprintf(text, sizeof(text), "%s-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", cert);
	check_file("an empty second block", text, "leaf alice extra 0 libpq-refuses");
	snprintf(text, sizeof(text), "%s-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n%s", key, cert);
	check_file("an empty block in between", text, " key");
	snprintf(text, sizeof(text), "-----BEGIN X-----\n\n%0100d\n-----END X-----\n%s", 0, cert);
	check_file("a long line behind a header", text, " file-not-pem");
	check_file("a block of empty lines", "-----BEGIN CERTIFICATE-----\n\nMIIBcDCC\n\nYYYY\n-----END CERTIFICATE-----\n",
			   " file-not-pem");
	check_file("a certificate without its end", "-----BEGIN CERTIFICATE-----\nMIIB\n", " file-not-pem");
	free(cert);
	free(ca_cert);
	free(key);

	path = write_key("locked.key", &alice, "sesame");
	file = pgcs_file_read(path, true);
	describe_file(file, text, sizeof(text));
	is_text(text, " key encrypted", "an encrypted key");
	pgcs_file_open_key(file, NULL);
	is_int(file->key_state, PGCS_KEY_NO_PASSWORD, "without a password");
	pgcs_file_open_key(file, "wrong");
	is_int(file->key_state, PGCS_KEY_WRONG_PASSWORD, "with a wrong one");
	pgcs_file_open_key(file, "sesame");
	is_int(file->key_state, PGCS_KEY_OPENED, "with the right one");
	ok(pgcs_public_sha256(alice.x509, digest) &&
	   memcmp(digest, file->public_sha256, sizeof(digest)) == 0,
	   "it is known by its public key");
	pgcs_file_free(file);
	free(path);
}

/* What a key shows of itself is what comes out when it is opened. */
static void
test_shown(void)
{
	static const char *const kinds[] = {"ec:prime256v1", "ec:secp521r1", "rsa:512", "rsa:1024",
	"rsa:2048", "rsa-pss:2048"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		Cert		cert = make_cert((Wish) {.cn = "x", .issuer = &ca, .key = kinds[i]});
		char	   *path = write_key("shown.key", &cert, NULL);
		PgcsFile   *file = pgcs_file_read(path, true);
		unsigned char digest[PGCERT_SHA256_LEN];

		ok(file->key_shown && file->key_state == PGCS_KEY_UNREAD &&
		   pgcs_shown_sha256(cert.x509, digest) &&
		   memcmp(digest, file->public_sha256, sizeof(digest)) == 0,
		   "a key of %s shows its public key", kinds[i]);
		pgcs_file_open_key(file, NULL);
		ok(file->key_state == PGCS_KEY_OPENED &&
		   memcmp(digest, file->public_sha256, sizeof(digest)) == 0, "and has it");
		pgcs_file_free(file);
		free(path);
		free_cert(&cert);
	}
}

/* ---------- files that cannot be used ---------- */

static void
test_bad_files(void)
{
	char	   *path = test_path("fifo");

	if (mkfifo(path, 0600) != 0)
		die("could not make a FIFO");
	check_file_at("a FIFO is not opened", path, " file-special");
	check_file_at("nor is a device", strdup("/dev/zero"), " file-special");
	test_make_dir("folder");
	check_file_at("a directory", test_path("folder"), " file-directory");
	check_file_at("no file", test_path("missing"), " file-missing");
	check_file_at("a file in no directory", test_path("fifo/x"), " file-missing");
	path = test_path("loop");
	if (symlink("loop", path) != 0)
		die("could not make a link");
	check_file_at("a link to itself", path, " file-unreadable");
	if (geteuid() != 0)
		check_file_at("a file that may not be read", write_text("closed", "hello\n", 0000),
					  " file-unreadable");
	check_file_at("an empty file", write_text("empty", "", 0600), " file-empty");
	path = write_text("large", "", 0600);
	if (truncate(path, PGCS_MAX_FILE_SIZE + 1) != 0)
		die("could not make a large file");
	check_file_at("a file of more than 1 MB", path, " file-too-large");
	path = write_text("full", "", 0600);
	if (truncate(path, PGCS_MAX_FILE_SIZE) != 0)
		die("could not make a large file");
	check_file_at("a file of 1 MB is read", path, " file-not-pem");
}

/* ---------- the mode of a key file ---------- */

static void
test_modes(void)
{
	static const struct
	{
		mode_t		mode;
		uid_t		uid;
		bool		want;
	}			cases[] =

	{
		{0600, 1000, true}, {0400, 1000, true}, {0700, 1000, true},
		{0640, 1000, false}, {0604, 1000, false}, {0660, 1000, false},
		{0600, 0, true}, {0640, 0, true}, {0440, 0, true},
		{0660, 0, false}, {0650, 0, false}, {0644, 0, false}, {0641, 0, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		PgcsReasons reasons = {0};

		ok(pgcs_check_key_mode(&reasons, "/k", cases[i].mode, cases[i].uid) == cases[i].want,
		   "mode %04o of %s is %s", (unsigned int) cases[i].mode,
		   cases[i].uid == 0 ? "root" : "a user", cases[i].want ? "accepted" : "refused");
		ok(pgcs_reasons_have(&reasons, "key-mode") == !cases[i].want, "with a reason");
		pgcs_reasons_free(&reasons);
	}
}

/* ---------- long paths ---------- */

/* A path of so many bytes below the directory of the tests. */
static char *
path_of_length(size_t len)
{
	char		path[2048];
	size_t		n = (size_t) snprintf(path, sizeof(path), "%s", test_dir());

	while (n < len)
	{
		size_t		part = len - n - 1 > 200 ? 100 : len - n - 1;

		path[n] = '/';
		memset(path + n + 1, 'x', part);
		n += 1 + part;
		path[n] = '\0';
		if (n < len && mkdir(path, 0700) != 0 && errno != EEXIST)
			die("could not make %s", path);
	}
	return strdup(path);
}

static void
check_lengths(const char *what, size_t cert_len, size_t key_len, const char *want)
{
	pgcs_selector *sel = pgcs_selector_new();
	pgcs_bundle *bundle;
	char	   *cert = path_of_length(cert_len);
	char	   *key = path_of_length(key_len);
	char	   *from_cert = write_cert("short.crt", &alice);
	char	   *from_key = write_key("short.key", &alice, NULL);
	const pgcs_identity *identity;
	char		got[256] = "";

	if (rename(from_cert, cert) != 0 || rename(from_key, key) != 0)
		die("could not name a file %s", cert);
	pgcs_add_pair(sel, cert, key, NULL);
	bundle = pgcs_bundle_load(sel);
	identity = pgcs_bundle_identity(bundle, 0);
	for (size_t i = 0; i < pgcs_identity_n_reasons(identity); i++)
	{
		const pgcs_reason *reason = pgcs_identity_reason(identity, i);

		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s of the %s;",
				 pgcs_reason_code(reason),
				 strcmp(pgcs_reason_file(reason), cert) == 0 ? "certificate" : "key");
	}
	is_text(got, want, "%s", what);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	unlink(cert);
	unlink(key);
	free(cert);
	free(key);
	free(from_cert);
	free(from_key);
}

static void
test_lengths(void)
{
	check_lengths("paths that libpq just keeps", PGCS_MAX_PATH_LEN, PGCS_MAX_PATH_LEN - 1, "");
	check_lengths("a certificate's path that is too long", PGCS_MAX_PATH_LEN + 1, 500,
				  "path-too-long of the certificate;");
	check_lengths("a key's path that is too long", 500, PGCS_MAX_PATH_LEN + 1,
				  "path-too-long of the key;");
}

int
main(void)
{
	ca = make_cert((Wish) {.cn = "ca", .ca = true});
	alice = make_cert((Wish) {.cn = "alice", .issuer = &ca});
	test_files();
	test_bad_files();
	test_shown();
	test_modes();
	test_lengths();
	free_cert(&ca);
	free_cert(&alice);
	return done_testing();
}
