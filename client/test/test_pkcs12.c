/*
 * test_pkcs12.c
 *		PKCS#12 files: what is in them, and those that mean harm.
 *
 * What OpenSSL's command can make is made by it in t/140_client_pkcs12.pl.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "bundle.h"
#include "pkcs12.h"
#include "pki.h"
#include "tap.h"

static Cert ca;
static Cert alice;
static Cert bob;

/* A file's bytes. */
typedef struct Bytes
{
	unsigned char *data;
	size_t		len;
} Bytes;

static Bytes
bytes_of(PKCS12 *p12)
{
	Bytes		bytes = {NULL, 0};

	bytes.len = (size_t) i2d_PKCS12(p12, &bytes.data);
	PKCS12_free(p12);
	return bytes;
}

/* Frees the bytes. */
static void
check(Bytes bytes, const char *password, const char *want, const char *what)
{
	static const char *const states[] = {
		"", "wrong password", "unsupported", "too slow", "broken", "no memory"
	};
	PgcsPkcs12	contents;
	char		words[128];
	char		got[256];
	PgcsPkcs12State state = pgcs_pkcs12_open(&contents, bytes.data, bytes.len,
											 password, words, sizeof(words));

	if (state == PGCS_PKCS12_OPENED)
		snprintf(got, sizeof(got), "%d certificates, %zu keys%s",
				 sk_X509_num(contents.certs), contents.n_keys,
				 contents.by_password ? ", by password" : "");
	else
		snprintf(got, sizeof(got), "%s", states[state]);
	is_text(got, want, "%s", what);
	pgcs_pkcs12_free(&contents);
	OPENSSL_free(bytes.data);
}

/* ---------- good ones ---------- */

/* Two certificates with their keys, as Java's key stores have them. */
static PKCS12 *
two_keys(const char *password)
{
	STACK_OF(PKCS7) *safes = NULL;
	STACK_OF(PKCS12_SAFEBAG) *certs = NULL;
	STACK_OF(PKCS12_SAFEBAG) *keys = NULL;
	PKCS12	   *p12;

	PKCS12_add_cert(&certs, ca.x509);
	PKCS12_add_cert(&certs, bob.x509);
	PKCS12_add_cert(&certs, alice.x509);
	PKCS12_add_key(&keys, alice.key, 0, 100, NID_aes_256_cbc, password);
	PKCS12_add_key(&keys, bob.key, 0, 100, -1, password);
	PKCS12_add_safe(&safes, certs, NID_aes_256_cbc, 100, password);
	PKCS12_add_safe(&safes, keys, -1, 0, NULL);
	p12 = PKCS12_add_safes(safes, 0);
	PKCS12_set_mac(p12, password, -1, NULL, 0, 100, EVP_sha256());
	sk_PKCS12_SAFEBAG_pop_free(certs, PKCS12_SAFEBAG_free);
	sk_PKCS12_SAFEBAG_pop_free(keys, PKCS12_SAFEBAG_free);
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return p12;
}

static PKCS12 *
simple(const char *password, int nid_key, int nid_cert, int mac_rounds)
{
	return PKCS12_create(password, "name", alice.key, alice.x509, NULL,
						 nid_key, nid_cert, 100, mac_rounds, 0);
}

static void
test_good(void)
{
	check(bytes_of(simple("sesame", NID_aes_256_cbc, NID_aes_256_cbc, 100)), "sesame",
		  "1 certificates, 1 keys, by password", "as it usually is");
	check(bytes_of(simple("sesame", NID_aes_256_cbc, NID_aes_256_cbc, 100)), "other",
		  "wrong password", "with a wrong password");
	check(bytes_of(simple("sesame", NID_aes_256_cbc, NID_aes_256_cbc, 100)), NULL,
		  "wrong password", "with none");
	check(bytes_of(simple("", NID_aes_256_cbc, NID_aes_256_cbc, 100)), "other",
		  "1 certificates, 1 keys", "the empty password, and a needless one");
	check(bytes_of(simple(NULL, NID_aes_256_cbc, NID_aes_256_cbc, 100)), NULL,
		  "1 certificates, 1 keys", "no password at all");
	check(bytes_of(simple("sesame", -1, -1, -1)), NULL,
		  "1 certificates, 1 keys", "neither encrypted nor with a MAC");
	check(bytes_of(simple("sesame", NID_aes_256_cbc, -1, -1)), "sesame",
		  "1 certificates, 1 keys, by password", "the key alone encrypted");
	check(bytes_of(simple("sesame", NID_aes_256_cbc, -1, -1)), "other",
		  "wrong password", "and a wrong password");
	check(bytes_of(simple("p\xc3\xa4ss", NID_aes_256_cbc, NID_aes_256_cbc, 100)), "p\xc3\xa4ss",
		  "1 certificates, 1 keys, by password", "a password beyond ASCII");
	check(bytes_of(two_keys("sesame")), "sesame",
		  "3 certificates, 2 keys, by password", "two keys");
}

/* Each certificate that has its key is an identity of its own. */
static void
write_bytes(const char *path, Bytes bytes)
{
	FILE	   *file = fopen(path, "w");

	if (file == NULL || fwrite(bytes.data, 1, bytes.len, file) != bytes.len ||
		fclose(file) != 0)
		die("could not write %s", path);
	OPENSSL_free(bytes.data);
}

static void
test_identities(void)
{
	pgcs_selector *sel = pgcs_selector_new();
	pgcs_bundle *bundle;
	char	   *path = test_path("two.p12");
	char	   *unpacked = test_path("unpacked");

	write_bytes(path, bytes_of(two_keys("sesame")));
	pgcs_add_file(sel, path);
	pgcs_set_password(sel, path, "sesame");
	pgcs_set_unpack_directory(sel, unpacked);
	bundle = pgcs_bundle_load(sel);
	if (bundle == NULL)
		die("no bundle: %s", pgcs_error(sel));
	is_int((long) pgcs_bundle_n_identities(bundle), 2, "two keys are two identities");
	is_int((long) pgcs_bundle_n_problems(bundle), 0, "a CA without its key is no problem");
	is_int((long) bundle->n_cas, 1, "but is known");
	ok(strcmp(pgcs_identity_subject(pgcs_bundle_identity(bundle, 0)),
			  pgcs_identity_subject(pgcs_bundle_identity(bundle, 1))) != 0 &&
	   strcmp(pgcs_identity_cert_path(pgcs_bundle_identity(bundle, 0)),
			  pgcs_identity_cert_path(pgcs_bundle_identity(bundle, 1))) != 0,
	   "each with a file of its own");
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	free(path);
	free(unpacked);
}

/* A file that is replaced in mid-choice: its key must not go with the old certificate. */
static void
test_rotation(void)
{
	pgcs_selector *sel = pgcs_selector_new();
	char	   *path = test_path("rotated.p12");
	char	   *unpacked = test_path("unpacked");
	pgcs_bundle *bundle;
	pgcs_request *request;
	pgcs_choice *choice;

	write_bytes(path, bytes_of(simple(NULL, -1, -1, -1)));
	pgcs_add_file(sel, path);
	pgcs_set_unpack_directory(sel, unpacked);
	bundle = pgcs_bundle_load(sel);
	request = pgcs_request_from_names(sel, NULL, 0);
	if (bundle == NULL || request == NULL ||
		(choice = pgcs_select(sel, bundle, request, NOW)) == NULL)
		die("no choice: %s", pgcs_error(sel));
	is_int(pgcs_choice_status(choice), PGCS_FOUND, "a certificate is chosen");
	write_bytes(path, bytes_of(PKCS12_create(NULL, "name", bob.key, bob.x509, NULL, -1, -1, 1, -1, 0)));
	is_int(pgcs_choice_load(sel, choice), PGCS_CHANGED, "its file is replaced, which is noticed");
	is_int(pgcs_choice_status(choice), PGCS_NONE, "and it is not used");
	ok(access(pgcs_identity_cert_path(pgcs_bundle_identity(bundle, 0)), F_OK) != 0, "nor written");
	pgcs_choice_free(choice);
	pgcs_bundle_free(bundle);

	bundle = pgcs_bundle_load(sel);
	if (bundle == NULL || (choice = pgcs_select(sel, bundle, request, NOW)) == NULL)
		die("no choice: %s", pgcs_error(sel));
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "the next time it is the new one");
	is_text(pgcs_identity_subject(pgcs_bundle_identity(bundle, 0)), "CN=bob", "with its certificate");
	ok(access(pgcs_choice_cert_path(choice), F_OK) == 0, "and it is written");
	pgcs_choice_free(choice);

	/* what is unpacked is another file, but nothing was replaced */
	if (chmod(unpacked, 0777) != 0 ||
		(choice = pgcs_select(sel, bundle, request, NOW)) == NULL)
		die("no choice: %s", pgcs_error(sel));
	is_int(pgcs_choice_load(sel, choice), PGCS_OK, "in a folder that others can write to");
	is_int(pgcs_choice_status(choice), PGCS_NONE, "it is refused, and no change is made of it");
	pgcs_choice_free(choice);
	pgcs_bundle_free(bundle);
	pgcs_request_free(request);
	pgcs_selector_free(sel);
	free(path);
	free(unpacked);
}

/* ---------- those that mean harm ---------- */

/* A DER element; the content's bytes are freed. */
static Bytes
der(int tag, Bytes content)
{
	Bytes		whole = {OPENSSL_malloc(content.len + 5), content.len + 5};

	whole.data[0] = (unsigned char) tag;
	whole.data[1] = 0x83;
	whole.data[2] = (unsigned char) (content.len >> 16);
	whole.data[3] = (unsigned char) (content.len >> 8);
	whole.data[4] = (unsigned char) content.len;
	if (content.len > 0)
		memcpy(whole.data + 5, content.data, content.len);
	OPENSSL_free(content.data);
	return whole;
}

static Bytes
oid(const char *dotted)
{
	ASN1_OBJECT *object = OBJ_txt2obj(dotted, 1);
	Bytes		bytes = {NULL, 0};

	bytes.len = (size_t) i2d_ASN1_OBJECT(object, &bytes.data);
	ASN1_OBJECT_free(object);
	return bytes;
}

static Bytes
join(Bytes a, Bytes b)
{
	Bytes		both = {OPENSSL_malloc(a.len + b.len + 1), a.len + b.len};

	if (a.len > 0)
		memcpy(both.data, a.data, a.len);
	if (b.len > 0)
		memcpy(both.data + a.len, b.data, b.len);
	OPENSSL_free(a.data);
	OPENSSL_free(b.data);
	return both;
}

#define DATA "1.2.840.113549.1.7.1"
#define ENCRYPTED_DATA "1.2.840.113549.1.7.6"
#define SAFE_CONTENTS_BAG "1.2.840.113549.1.12.10.1.6"

/* PKCS#7 data that holds the bytes. */
static Bytes
data(Bytes content)
{
	return der(0x30, join(oid(DATA), der(0xa0, der(0x04, content))));
}

/* A file without a MAC, of an AuthenticatedSafe's content. */
static Bytes
file_of(Bytes safes)
{
	static const unsigned char three[] = {0x02, 0x01, 0x03};
	Bytes		version = {OPENSSL_memdup(three, sizeof(three)), sizeof(three)};

	return der(0x30, join(version, data(der(0x30, safes))));
}

static Bytes
bag_bytes(PKCS12_SAFEBAG *bag)
{
	Bytes		bytes = {NULL, 0};

	bytes.len = (size_t) i2d_PKCS12_SAFEBAG(bag, &bytes.data);
	PKCS12_SAFEBAG_free(bag);
	return bytes;
}

static Bytes
nested(int depth)
{
	Bytes		bag = bag_bytes(PKCS12_SAFEBAG_create_cert(alice.x509));

	for (int i = 0; i < depth; i++)
		bag = der(0x30, join(oid(SAFE_CONTENTS_BAG), der(0xa0, der(0x30, bag))));
	return file_of(data(der(0x30, bag)));
}

/* A key that claims to be encrypted that way. */
static Bytes
key_encrypted_by(X509_ALGOR *algorithm)
{
	X509_SIG   *sig = X509_SIG_new();
	X509_ALGOR *own;
	ASN1_OCTET_STRING *digest;

	X509_SIG_getm(sig, &own, &digest);
	X509_ALGOR_copy(own, algorithm);
	ASN1_OCTET_STRING_set(digest, (const unsigned char *) "0123456789abcdef", 16);
	X509_ALGOR_free(algorithm);
	return file_of(data(der(0x30, bag_bytes(PKCS12_SAFEBAG_create0_pkcs8(sig)))));
}

static X509_ALGOR *
pbes1(int nid, int rounds)
{
	return PKCS5_pbe_set(nid, rounds, NULL, 8);
}

static X509_ALGOR *
pbes2(int rounds)
{
	return PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), rounds, NULL, 8, NULL, NID_hmacWithSHA256);
}

static void
test_hostile(void)
{
	time_t		start = time(NULL);
	Bytes		nothing = {NULL, 0};
	Bytes		bytes;
	X509_ALGOR *algorithm;
	int			type;
	const void *value;

	check(nested(0), NULL, "1 certificates, 0 keys", "a bag");
	check(nested(3), NULL, "1 certificates, 0 keys", "a bag in bags");
	check(nested(4), NULL, "broken", "a bag in too many of them");
	check(nested(2000), NULL, "broken", "and in thousands");
	check(file_of(nothing), NULL, "broken", "nothing at all");
	check(file_of(der(0x30, oid(DATA))), NULL, "broken", "data without content");
	check(file_of(der(0x30, oid(ENCRYPTED_DATA))), NULL, "broken", "encrypted data without content");
	bytes = file_of(data(der(0x30, der(0x30, nothing))));
	check(bytes, NULL, "broken", "a bag without anything");

	check(key_encrypted_by(pbes1(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 1000)), "sesame",
		  "wrong password", "a key that no password opens");
	check(key_encrypted_by(pbes1(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 2000000000)), "sesame",
		  "too slow", "two billion rounds");
	check(key_encrypted_by(pbes2(2000000000)), "sesame", "too slow", "of PBKDF2 as well");
	check(key_encrypted_by(PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 8, NULL, 1024, 8, 1)), "sesame",
		  "wrong password", "scrypt as people use it");
	check(key_encrypted_by(PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 8, NULL, 16384, 8, 100)), "sesame",
		  "too slow", "scrypt a hundred times over");

	/* a number of rounds that is none */
	algorithm = pbes1(NID_pbe_WithSHA1And3_Key_TripleDES_CBC, 1000);
	X509_ALGOR_get0(NULL, &type, &value, algorithm);
	if (type != V_ASN1_SEQUENCE)
		die("parameters of another kind");
	ASN1_STRING_get0_data(value);
	{
		ASN1_STRING *sequence = (ASN1_STRING *) value;
		unsigned char changed[64];
		int			len = ASN1_STRING_length(sequence);

		/* the last element is the number 1000, made negative */
		memcpy(changed, ASN1_STRING_get0_data(sequence), (size_t) len);
		changed[len - 2] = 0x83;
		ASN1_STRING_set(sequence, changed, len);
	}
	check(key_encrypted_by(algorithm), "sesame", "too slow", "a negative number of rounds");

	bytes = bytes_of(simple("sesame", NID_aes_256_cbc, NID_aes_256_cbc, 100));
	bytes.len /= 2;
	check(bytes, "sesame", "broken", "half a file");
	ok(time(NULL) - start < 30, "and all of that takes no time");
}

/* What is wrong with a file, as the bundle has it. */
static void
check_problem(Bytes bytes, const char *password, bool unpack, const char *want,
			  const char *what)
{
	pgcs_selector *sel = pgcs_selector_new();
	pgcs_bundle *bundle;
	char	   *path = test_path("problem.p12");
	char	   *unpacked = test_path("unpacked");

	write_bytes(path, bytes);
	pgcs_add_file(sel, path);
	if (password != NULL)
		pgcs_set_password(sel, path, password);
	if (unpack)
		pgcs_set_unpack_directory(sel, unpacked);
	bundle = pgcs_bundle_load(sel);
	if (bundle == NULL)
		die("no bundle: %s", pgcs_error(sel));
	is_int((long) pgcs_bundle_n_problems(bundle), 1, "%s is a problem", what);
	is_text(pgcs_reason_code(pgcs_bundle_problem(bundle, 0)), want, "with its code");
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	free(path);
	free(unpacked);
}

static void
test_problems(void)
{
	static char long_password[PEM_BUFSIZE + 1];

	check_problem(bytes_of(simple("sesame", NID_aes_256_cbc, NID_aes_256_cbc, 100)), "sesame",
				  false, "pkcs12", "a file that is not to be unpacked");
	check_problem(bytes_of(simple("sesame", NID_aes_256_cbc, NID_aes_256_cbc, 100)), NULL,
				  true, "key-encrypted", "one without a password");
	check_problem(bytes_of(simple("sesame", NID_aes_256_cbc, NID_aes_256_cbc, 100)), "other",
				  true, "key-password-wrong", "one with a wrong password");
	memset(long_password, 'x', sizeof(long_password) - 1);
	check_problem(bytes_of(simple(long_password, NID_aes_256_cbc, NID_aes_256_cbc, 100)), long_password,
				  true, "pkcs12-unreadable", "a password longer than libpq's");
	check_problem(key_encrypted_by(pbes2(2000000000)), "sesame", true,
				  "pkcs12-unreadable", "one that takes too long to open");
	check_problem(nested(4), NULL, true, "pkcs12-unreadable", "one that cannot be decoded");
}

/* Bytes changed at random, by a fixed seed: whatever it is, it ends. */
static void
test_random(void)
{
	Bytes		good = bytes_of(simple("sesame", -1, -1, -1));
	uint32_t	seed = 1;
	int			n_opened = 0;

	for (int i = 0; i < 3000; i++)
	{
		PgcsPkcs12	contents;
		char		words[128];
		unsigned char *copy = OPENSSL_memdup(good.data, good.len);

		for (int j = 0; j < 1 + i % 3; j++)
		{
			seed = seed * 1664525 + 1013904223;
			copy[(seed >> 8) % good.len] = (unsigned char) (seed >> 24);
		}
		if (pgcs_pkcs12_open(&contents, copy, good.len, NULL, words, sizeof(words)) == PGCS_PKCS12_OPENED)
			n_opened++;
		pgcs_pkcs12_free(&contents);
		OPENSSL_free(copy);
	}
	ok(n_opened > 0 && n_opened < 3000, "%d of 3000 files changed at random can be opened", n_opened);
	OPENSSL_free(good.data);
}

int
main(void)
{
	ca = make_cert((Wish) {.cn = "ca", .ca = true});
	alice = make_cert((Wish) {.cn = "alice", .issuer = &ca});
	bob = make_cert((Wish) {.cn = "bob", .issuer = &ca});
	test_good();
	test_identities();
	test_problems();
	test_rotation();
	test_hostile();
	test_random();
	free_cert(&ca);
	free_cert(&alice);
	free_cert(&bob);
	return done_testing();
}
