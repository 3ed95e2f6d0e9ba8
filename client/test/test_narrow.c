/*
 * test_narrow.c
 *		What is read for one request comes to what reading all of it comes to.
 *
 * Each folder is chosen from twice, for several roles; t/120_random_pki.pl does
 * the same with random ones.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "choice.h"
#include "pki.h"
#include "selector.h"
#include "tap.h"

#define PASSWORD "sesame"

static Cert ca;
static Cert other_ca;
static Cert alice;
static Cert bob;
static Cert carol;
static Cert stranger;			/* of other_ca */
static Cert opaque;				/* its key does not show its public half */
static Cert intermediate;
static Cert expired_intermediate;	/* its key, but other key identifiers */
static Cert below;				/* of the intermediate */

static char folder[64];			/* the present one, below test_dir() */
static char *root_file;			/* NULL: none */

static void
begin(void)
{
	static int	n;

	snprintf(folder, sizeof(folder), "folder%d", ++n);
	test_make_dir(folder);
}

static const char *
in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void
put_cert(const char *name, const Cert *cert)
{
	free(write_cert(in_folder(name), cert));
}

static void
put_key(const char *name, const Cert *cert, const char *password)
{
	free(write_key(in_folder(name), cert, password));
}

static void
put_both(const char *name, const Cert *cert)
{
	free(write_pem(in_folder(name), cert, NULL, cert, (const Cert *) NULL));
}

static void
put_mode(const char *name, const Cert *cert, int mode)
{
	char	   *path = write_key(in_folder(name), cert, NULL);
	FILE	   *file = fopen(path, "r");
	char		text[8192];
	size_t		len = fread(text, 1, sizeof(text) - 1, file);

	text[len] = '\0';
	fclose(file);
	free(path);
	free(write_text(in_folder(name), text, mode));
}

/* A certificate in lines of another length, and with other ends of them. */
static void
put_lines(const char *name, const Cert *cert, int length, const char *end)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *pem;
	long		len;
	char	   *text = NULL;
	size_t		size = 0;
	FILE	   *out = open_memstream(&text, &size);
	int			at = 0;

	PEM_write_bio_X509(bio, cert->x509);
	len = BIO_get_mem_data(bio, &pem);
	fprintf(out, "-----BEGIN CERTIFICATE-----%s", end);
	for (long i = (long) strlen("-----BEGIN CERTIFICATE-----"); i < len && pem[i] != '-'; i++)
	{
		if (pem[i] == '\n')
			continue;
		fputc(pem[i], out);
		if (++at == length)
		{
			fputs(end, out);
			at = 0;
		}
	}
	fprintf(out, "%s-----END CERTIFICATE-----%s", at > 0 ? end : "", end);
	fclose(out);
	free(write_text(in_folder(name), text, 0644));
	free(text);
	BIO_free(bio);
}

/* ---------- both ways ---------- */

typedef struct Setting
{
	const char *user;
	bool		password;		/* is known */
	bool		strict;
	bool		by_name;
	bool		completes;		/* with a chain directory */
} Setting;

/* "alice.crt alice.key rival bob.crt", "none", ... */
static void
describe(const pgcs_choice *choice, char *text, size_t size)
{
	static const char *const words[] = {
		[PGCS_NONE] = "none", [PGCS_AMBIGUOUS] = "ambiguous",
		[PGCS_NO_TLS] = "no TLS", [PGCS_NOT_WANTED] = "not wanted",
	};
	const pgcs_candidate *rival = pgcs_choice_rival(choice);

	if (pgcs_choice_cert_path(choice) == NULL)
		snprintf(text, size, "%s", words[pgcs_choice_status(choice)]);
	else
		snprintf(text, size, "%s %s%s%s%s", strrchr(pgcs_choice_cert_path(choice), '/') + 1,
				 strrchr(pgcs_choice_key_path(choice), '/') + 1,
				 pgcs_choice_is_certain(choice) ? "" : " doubtful",
				 rival != NULL ? " rival " : "",
				 rival != NULL
				 ? strrchr(pgcs_identity_cert_path(pgcs_candidate_identity(rival)), '/') + 1 : "");
}

static void
choose(const Setting *setting, bool whole, char *text, size_t size)
{
	static const char *const names[] = {"CN=ca"};
	pgcs_selector *sel = pgcs_selector_new();
	char	   *path = test_path(folder);
	char	   *chains = test_path("chains");
	pgcs_request *request;
	pgcs_bundle *bundle;
	pgcs_choice *choice;

	if (setting->by_name)
		request = pgcs_request_from_names(sel, names, 1);
	else
	{
		request = pgcs_request_new(1);
		request->hosts[0].answer = PGCS_ANSWER_NAMED;
		pgcs_host_add_ca(&request->hosts[0], ca.x509);
	}
	pgcs_add_directory(sel, path);
	pgcs_set_root_file(sel, root_file);
	pgcs_set_user(sel, setting->user);
	pgcs_set_strict(sel, setting->strict);
	if (setting->password)
		pgcs_set_password(sel, NULL, PASSWORD);
	if (setting->completes && pgcs_set_chain_directory(sel, chains) != PGCS_OK)
		die("%s", pgcs_error(sel));
	bundle = whole ? pgcs_bundle_load(sel) : pgcs_bundle_load_for(sel, request, NOW);
	if (bundle == NULL)
		die("%s: %s", folder, pgcs_error(sel));
	choice = whole ? pgcs_check(sel, bundle, request, NOW)
		: pgcs_select(sel, bundle, request, NOW);
	if (choice == NULL)
		die("%s", pgcs_error(sel));
	describe(choice, text, size);
	pgcs_choice_free(choice);
	pgcs_bundle_free(bundle);
	pgcs_request_free(request);
	pgcs_selector_free(sel);
	free(path);
	free(chains);
}

/* For each role and setting; want is what comes out for alice by the CA. */
static void
end(const char *what, const char *want)
{
	static const char *const users[] = {"alice", "bob", NULL};
	char		got[256];
	char		all[256];
	bool		same = true;

	for (int i = 0; i < 48; i++)
	{
		Setting		setting = {users[i / 16], (i & 1) == 0, (i & 2) != 0, (i & 4) != 0, (i & 8) != 0};

		choose(&setting, true, all, sizeof(all));
		choose(&setting, false, got, sizeof(got));
		if (i == 0)
			is_text(got, want, "%s", what);
		if (strcmp(got, all) == 0)
			continue;
		printf("#   %s, password %d, strict %d, by name %d, completed %d: in part \"%s\", the whole \"%s\"\n",
			   setting.user != NULL ? setting.user : "any role", setting.password, setting.strict,
			   setting.by_name, setting.completes, got, all);
		same = false;
	}
	ok(same, "as if all had been read");
}

/* ---------- the folders ---------- */

static void
test_lines(void)
{
	static const int lengths[] = {64, 76, 63, 2, 1, 100000};
	static const char *const ends[] = {"\n", "\r\n", "\n\n", " \n"};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (size_t j = 0; j < sizeof(ends) / sizeof(ends[0]); j++)
		{
			char		got[256];
			char		what[320];
			char		all[256];
			const Setting setting = {.user = "alice"};

			begin();
			put_lines("a.crt", &alice, lengths[i], ends[j]);
			put_key("k.pem", &alice, NULL);
			choose(&setting, true, all, sizeof(all));
			choose(&setting, false, got, sizeof(got));
			snprintf(what, sizeof(what), "lines of %d, end %zu: %s", lengths[i], j, all);
			is_text(got, all, "%s", what);
		}
}

static void
test_keys(void)
{
	begin();
	put_cert("a.crt", &alice);
	put_key("a.key", &alice, NULL);
	put_cert("b.crt", &bob);
	put_key("b.key", &bob, NULL);
	put_cert("s.crt", &stranger);
	put_key("s.key", &stranger, NULL);
	end("keys beside their certificates", "a.crt a.key");

	begin();
	put_cert("a.crt", &alice);
	put_key("1.pem", &alice, NULL);
	put_cert("b.crt", &bob);
	put_key("2.pem", &bob, NULL);
	put_key("a.key", &stranger, NULL);
	put_cert("s.crt", &stranger);
	end("keys elsewhere, and another's beside", "a.crt 1.pem");

	begin();
	put_both("a.pem", &alice);
	put_both("b.pem", &bob);
	end("in one file", "a.pem a.pem");

	begin();
	put_cert("a.crt", &alice);
	put_key("1.pem", &alice, PASSWORD);
	put_key("2.pem", &bob, PASSWORD);
	put_key("3.pem", &carol, PASSWORD);
	put_cert("b.crt", &bob);
	put_key("4.pem", &stranger, NULL);
	end("encrypted, elsewhere", "a.crt 1.pem");

	begin();
	put_cert("a.crt", &alice);
	put_key("1.pem", &alice, PASSWORD);
	put_key("2.pem", &alice, NULL);
	put_cert("b.crt", &bob);
	put_key("b.key", &bob, PASSWORD);
	put_key("0.pem", &bob, NULL);
	end("a copy without a password goes before", "a.crt 2.pem");

	begin();
	put_cert("a.crt", &alice);
	put_mode("1.pem", &alice, 0644);
	put_key("2.pem", &alice, NULL);
	put_cert("b.crt", &bob);
	put_mode("b.key", &bob, 0644);
	put_key("c.pem", &bob, PASSWORD);
	end("and so does one that libpq opens", "a.crt 2.pem");

	begin();
	put_cert("a.crt", &alice);
	put_mode("a.key", &alice, 0644);
	put_key("z:1.pem", &alice, NULL);
	put_key("y.pem", &alice, PASSWORD);
	put_key("x.pem", &alice, PASSWORD);
	put_cert("b.crt", &bob);
	put_key("b.pem", &bob, NULL);
	end("or that can be opened with a password", "a.crt x.pem");

	begin();
	put_cert("a.crt", &alice);
	put_cert("b.crt", &bob);
	put_key("b.key", &bob, NULL);
	put_cert("c.crt", &carol);
	put_key("9.pem", &carol, PASSWORD);
	end("a key that is nowhere", "b.crt b.key rival c.crt");

	begin();
	put_cert("a.crt", &alice);
	put_mode("a.key", &alice, 0644);
	put_cert("b.crt", &bob);
	put_mode("1.pem", &bob, 0644);
	put_cert("c.crt", &carol);
	put_key("2.pem", &carol, NULL);
	end("the best two have keys that libpq refuses", "c.crt 2.pem");

	begin();
	put_cert("a.crt", &alice);
	put_cert("a2.crt", &alice);
	put_key("k.pem", &alice, NULL);
	put_both("b.pem", &bob);
	put_cert("b2.crt", &bob);
	end("a key for several files", "a.crt k.pem");

	begin();
	free(write_pem(in_folder("a.pem"), &bob, NULL, &alice, (const Cert *) NULL));
	free(write_pem(in_folder("b.pem"), &alice, NULL, &bob, (const Cert *) NULL));
	end("each in the other's file", "a.pem b.pem");
}

static void
test_certificates(void)
{
	begin();
	put_both("0.pem", &stranger);
	put_cert("1.crt", &stranger);
	put_both("a.pem", &alice);
	put_both("b.pem", &bob);
	end("others of the same name come first", "a.pem a.pem");

	begin();
	put_both("0.pem", &stranger);
	free(write_pem(in_folder("a.pem"), &below, NULL, &below, &intermediate, (const Cert *) NULL));
	end("the intermediate in the same file", "a.pem a.pem");

	begin();
	put_both("0.pem", &stranger);
	free(write_pem(in_folder("s.pem"), &stranger, NULL, &stranger, &alice, (const Cert *) NULL));
	free(write_pem(in_folder("a.pem"), &alice, NULL, &alice, &stranger, (const Cert *) NULL));
	end("another leaf behind the first", "a.pem a.pem");

	begin();
	put_both("0.pem", &stranger);
	put_cert("a.crt", &opaque);
	put_key("1.pem", &opaque, NULL);
	put_key("2.pem", &bob, PASSWORD);
	end("a key that does not show whose it is", "a.crt 1.pem");
}

/* Whoever opens a FIFO wakes who waits at its other end. */
static void
test_fifo(void)
{
	char	   *path;
	pid_t		writer;

	begin();
	path = test_path(in_folder("a.fifo"));
	put_both("a.pem", &alice);
	if (mkfifo(path, 0600) != 0 || (writer = fork()) < 0)
		die("no FIFO, or no process");
	if (writer == 0)
		_exit(open(path, O_WRONLY) < 0);
	usleep(200 * 1000);
	end("a FIFO beside it", "a.pem a.pem");
	usleep(200 * 1000);
	ok(waitpid(writer, NULL, WNOHANG) == 0, "which nobody has opened");
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	free(path);
}

static void
test_completed(void)
{
	const Setting completes = {.user = "alice", .password = true, .completes = true};
	char		got[256];

	begin();
	put_cert("a.crt", &below);
	put_cert("i.crt", &intermediate);
	put_key("1.pem", &bob, PASSWORD);
	put_key("2.pem", &below, PASSWORD);
	end("an intermediate in another file", "none");
	choose(&completes, false, got, sizeof(got));
	ok(strncmp(got, "a-", 2) == 0 && strstr(got, ".crt 2.pem") != NULL,
	   "completed, and its key is found: %s", got);

	begin();
	put_cert("a.crt", &below);
	put_cert("i.crt", &intermediate);
	put_key("1.pem", &bob, PASSWORD);
	put_both("b.pem", &bob);
	end("and its key is nowhere", "b.pem b.pem");
	choose(&completes, false, got, sizeof(got));
	is_text(got, "b.pem b.pem", "completed or not");

	/* the root file is read before the directory or after it */
	begin();
	put_cert("a.crt", &below);
	put_key("a.key", &below, NULL);
	put_cert("i.crt", &intermediate);
	root_file = write_cert("roots.pem", &expired_intermediate);
	end("an expired intermediate in the root file", "none");
	choose(&completes, false, got, sizeof(got));
	ok(strncmp(got, "a-", 2) == 0 && strstr(got, ".crt a.key") != NULL,
	   "completed with the other: %s", got);
	free(root_file);
	root_file = NULL;
}

int
main(void)
{
	ca = make_cert((Wish) {.cn = "ca", .ca = true});
	other_ca = make_cert((Wish) {.cn = "other", .ca = true});
	alice = make_cert((Wish) {.cn = "alice", .issuer = &ca});
	bob = make_cert((Wish) {.cn = "bob", .issuer = &ca});
	carol = make_cert((Wish) {.cn = "carol", .issuer = &ca, .key = "rsa:2048"});
	opaque = make_cert((Wish) {.cn = "alice", .issuer = &ca, .key = "ed25519"});
	stranger = make_cert((Wish) {.cn = "alice", .issuer = &other_ca});
	intermediate = make_cert((Wish) {.cn = "intermediate", .ca = true, .issuer = &ca});
	expired_intermediate = make_cert((Wish) {.cn = "intermediate", .ca = true, .issuer = &ca,
		.key_of = &intermediate, .no_key_ids = true, .not_after = NOW - 1});
	below = make_cert((Wish) {.cn = "alice", .issuer = &intermediate});
	test_lines();
	test_keys();
	test_certificates();
	test_fifo();
	test_completed();
	free_cert(&ca);
	free_cert(&other_ca);
	free_cert(&alice);
	free_cert(&bob);
	free_cert(&carol);
	free_cert(&stranger);
	free_cert(&opaque);
	free_cert(&intermediate);
	free_cert(&expired_intermediate);
	free_cert(&below);
	return done_testing();
}
