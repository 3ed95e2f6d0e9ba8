/*
 * choose.c
 *		What it costs to choose from a large directory.
 *
 *	choose PGCERTSEL [SIZE]...
 *
 * makes directories of SIZE pairs (10, 100, 1,000 and 10,000) and prints, as
 * measure.h says, pairs of runs that take turns:
 *
 * 5	"pgcertsel select" by a CA's name and a role, beside a program that
 *		reads every certificate of the same directory with PEM_read_bio_X509():
 *		processes from their start to their end, files in the page cache
 * 6	choosing again, from a bundle that is loaded, beside a loop over all
 *		its certificates with X509_NAME_cmp()
 *
 * Figure 5 counts the processor time of the process, user and system, which a
 * busy machine changes less than the time on the clock.
 *
 * The pairs: 500 issuers in turn; P-256 keys, each its own, since making ten
 * thousand RSA keys would take most of an hour; CA:FALSE, keyUsage, EKU and
 * subjectKeyIdentifier, as usual.  Certificates are called c*.pem and keys
 * k*.pem, with numbers that have nothing to do with each other.  Every tenth
 * key is encrypted, and the passwords of all are in a password file.  Each run
 * asks for another role; those whose key is encrypted (one in ten) take
 * longer, since only opening the encrypted keys tells whose they are: they
 * are a figure of their own, "5-encrypted".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "measure.h"
#include "pgcertsel.h"

#define ISSUERS 500
#define PASSWORD "sesame"
#define USUAL_RUNS 31

static char *base;				/* where the directories are */

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static char *printed(const char *format,...) __attribute__((format(printf, 1, 2)));

static char *
printed(const char *format,...)
{
	char	   *text;
	va_list		args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		fail("out of memory");
	va_end(args);
	return text;
}

/* ---------- the directory ---------- */

/* A number below n that is another one for each i: n and 7919 share nothing. */
static int
shuffled(int i, int n)
{
	return (int) (((int64_t) i * 7919 + 13) % n);
}

static bool
is_encrypted(int i)
{
	return i % 10 == 3;
}

static EVP_PKEY *
make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY   *key = NULL;

	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
		EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) != 1 ||
		EVP_PKEY_keygen(ctx, &key) != 1)
		fail("no key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static X509_NAME *
make_name(const char *kind, int i)
{
	X509_NAME  *name = X509_NAME_new();
	char	   *cn = printed("%s %d", kind, i);

	X509_NAME_add_entry_by_txt(name, "C", MBSTRING_UTF8, (const unsigned char *) "CA", -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *) "IDO", -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *) cn, -1, -1, 0);
	free(cn);
	return name;
}

static void
add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX	ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (extension == NULL || X509_add_ext(cert, extension, -1) != 1)
		fail("no extension");
	X509_EXTENSION_free(extension);
}

static X509 *
make_cert(int i, EVP_PKEY *key, EVP_PKEY *signer)
{
	X509	   *cert = X509_new();
	X509_NAME  *subject = make_name("role", i);
	X509_NAME  *issuer = make_name("issuing CA", i % ISSUERS);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), i + 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 90 * 24 * 3600);
	X509_set_pubkey(cert, key);
	X509_set_subject_name(cert, subject);
	X509_set_issuer_name(cert, issuer);
	add_extension(cert, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(cert, NID_key_usage, "critical,digitalSignature");
	add_extension(cert, NID_ext_key_usage, "clientAuth");
	add_extension(cert, NID_subject_key_identifier, "hash");
	if (X509_sign(cert, signer, EVP_sha256()) <= 0)
		fail("no signature");
	X509_NAME_free(subject);
	X509_NAME_free(issuer);
	return cert;
}

static FILE *
create(char *path, int mode)
{
	int			fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
	FILE	   *file = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (file == NULL)
		fail(path);
	free(path);
	return file;
}

static void
close_file(FILE *file)
{
	if (fclose(file) != 0)
		fail("could not write");
}

static void
make_directory(int n)
{
	EVP_PKEY   *signer = make_key();
	char	   *dir = printed("%s/%d", base, n);
	FILE	   *passwords = create(printed("%s/%d.passwords", base, n), 0600);

	if (mkdir(dir, 0700) != 0)
		fail(dir);
	for (int i = 0; i < n; i++)
	{
		EVP_PKEY   *key = make_key();
		X509	   *cert = make_cert(i, key, signer);
		int			k = shuffled(i, n);
		FILE	   *file = create(printed("%s/c%06d.pem", dir, i), 0644);

		PEM_write_X509(file, cert);
		close_file(file);
		file = create(printed("%s/k%06d.pem", dir, k), 0600);
		PEM_write_PKCS8PrivateKey(file, key, is_encrypted(i) ? EVP_aes_256_cbc() : NULL,
								  is_encrypted(i) ? PASSWORD : NULL,
								  is_encrypted(i) ? (int) strlen(PASSWORD) : 0, NULL, NULL);
		close_file(file);
		if (is_encrypted(i))
			fprintf(passwords, "%s/k%06d.pem:%s\n", dir, k, PASSWORD);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
	close_file(passwords);
	EVP_PKEY_free(signer);
	free(dir);
}

static int
remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void) st;
	(void) kind;
	(void) ftw;
	return remove(path);
}

static void
remove_all(void)
{
	nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---------- the other: reads every certificate ---------- */

static size_t
read_every(const char *dir, X509 **keep)
{
	DIR		   *d = opendir(dir);
	struct dirent *entry;
	size_t		n = 0;

	if (d == NULL)
		fail(dir);
	while ((entry = readdir(d)) != NULL)
	{
		char		path[4096];
		BIO		   *bio;
		X509	   *cert;

		if (entry->d_name[0] != 'c')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		bio = BIO_new_file(path, "r");
		cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
		if (cert == NULL)
			fail(path);
		BIO_free(bio);
		if (keep != NULL)
			keep[n] = cert;
		else
			X509_free(cert);
		n++;
	}
	closedir(d);
	return n;
}

/* ---------- figure 5 ---------- */

/* The processor time of a process that must end well, in nanoseconds. */
static int64_t
run_process(const char *const *args)
{
	pid_t		pid = fork();
	struct rusage usage;
	int			status;

	if (pid == 0)
	{
		int			fd = open("/dev/null", O_WRONLY);

		dup2(fd, STDOUT_FILENO);
		execv(args[0], (char *const *) args);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0)
		fail(args[0]);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000000) +
		(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * INT64_C(1000);
}

static void
measure_cold(const char *program, const char *self, int size, bool encrypted, int runs)
{
	char	   *dir = printed("%s/%d", base, size);
	char	   *names = printed("%s/names", base);
	char	   *passwords = printed("%s/%d.passwords", base, size);
	const char *choosing[] = {
		program, "select", NULL, "--bundle", dir, "--names-file", names,
		"--password-file", passwords, "--show-password", NULL
	};
	const char *reading[] = {self, "--read-every", dir, NULL};

	/* the first of each warms up, and does not count */
	for (int r = -1; r < runs; r++)
	{
		int			role = (r + 1) * 7 % size;
		FILE	   *file;
		char	   *conninfo;
		int64_t		times[2];

		while (is_encrypted(role) != encrypted)
			role = (role + 1) % size;
		unlink(names);
		file = create(strdup(names), 0600);
		fprintf(file, "CN=issuing CA %d,O=IDO,C=CA\n", role % ISSUERS);
		close_file(file);
		conninfo = printed("host=localhost sslmode=require user='role %d'", role);
		choosing[2] = conninfo;
		for (int turn = 0; turn < 2; turn++)
		{
			bool		is_ours = (turn + r) % 2 != 0;

			times[is_ours] = run_process(is_ours ? choosing : reading);
		}
		if (r >= 0)
			measure_print(encrypted ? "5-encrypted" : "5", "choosing from a directory",
						  size, times[true], times[false]);
		free(conninfo);
	}
	free(dir);
	free(names);
	free(passwords);
}

/* ---------- figure 6 ---------- */

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void
choose_again(pgcs_selector *sel, pgcs_bundle *bundle, const pgcs_request *request, int64_t now)
{
	pgcs_choice *choice = pgcs_select(sel, bundle, request, now);

	if (choice == NULL || pgcs_choice_status(choice) != PGCS_FOUND)
		fail("nothing was chosen");
	pgcs_choice_free(choice);
}

static void
measure_again(int size, int runs)
{
	enum
	{
		TIMES = 200
	};
	char	   *dir = printed("%s/%d", base, size);
	pgcs_selector *sel = pgcs_selector_new();
	X509	  **certs = calloc((size_t) size, sizeof(*certs));
	int64_t		now = (int64_t) time(NULL);
	pgcs_bundle *bundle;
	size_t		n = read_every(dir, certs);
	volatile size_t found = 0;

	pgcs_add_directory(sel, dir);
	bundle = pgcs_bundle_load(sel);
	if (bundle == NULL)
		fail("no bundle");
	for (int r = -1; r < runs; r++)
	{
		int			role = (r + 1) * 7 % size;
		const char *names[1];
		char	   *user;
		X509_NAME  *name;
		pgcs_request *request;
		int64_t		start;
		int64_t		times[2];

		while (is_encrypted(role))
			role = (role + 1) % size;
		name = make_name("issuing CA", role % ISSUERS);
		names[0] = printed("CN=issuing CA %d,O=IDO,C=CA", role % ISSUERS);
		user = printed("role %d", role);
		pgcs_set_user(sel, user);
		request = pgcs_request_from_names(sel, names, 1);
		for (int turn = 0; turn < 2; turn++)
		{
			bool		is_ours = (turn + r) % 2 != 0;

			start = now_ns();
			for (int t = 0; t < TIMES; t++)
			{
				if (is_ours)
					choose_again(sel, bundle, request, now);
				else
					for (size_t i = 0; i < n; i++)
						if (X509_NAME_cmp(X509_get_issuer_name(certs[i]), name) == 0)
							found++;
			}
			times[is_ours] = (now_ns() - start) / TIMES;
		}
		if (r >= 0)
			measure_print("6", "choosing again, by names", size, times[true], times[false]);
		pgcs_request_free(request);
		X509_NAME_free(name);
		free((char *) names[0]);
		free(user);
	}
	for (size_t i = 0; i < n; i++)
		X509_free(certs[i]);
	free(certs);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	free(dir);
}

int
main(int argc, char **argv)
{
	static const int usual[] = {10, 100, 1000, 10000};
	const char *tmpdir = getenv("TMPDIR");
	int			sizes[16];
	int			n = 0;

	if (argc == 3 && strcmp(argv[1], "--read-every") == 0)
		return read_every(argv[2], NULL) > 0 ? 0 : 1;
	if (argc < 2)
	{
		fprintf(stderr, "usage: choose PGCERTSEL [SIZE]...\n");
		return 1;
	}
	for (int i = 2; i < argc && n < 16; i++)
		sizes[n++] = atoi(argv[i]);
	for (size_t i = 0; argc == 2 && i < sizeof(usual) / sizeof(usual[0]); i++)
		sizes[n++] = usual[i];

	base = printed("%s/choose_XXXXXX", tmpdir != NULL ? tmpdir : "/tmp");
	if (mkdtemp(base) == NULL)
		fail(base);
	atexit(remove_all);
	for (int i = 0; i < n; i++)
	{
		int			runs = sizes[i] < 5000 ? USUAL_RUNS : 9;

		if (sizes[i] < 10)
			continue;
		make_directory(sizes[i]);
		measure_cold(argv[1], argv[0], sizes[i], false, runs);
		measure_cold(argv[1], argv[0], sizes[i], true, 3);
		measure_again(sizes[i], runs);
	}
	return 0;
}
