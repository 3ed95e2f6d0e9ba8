/*
 * pki.c
 *		Certificates and keys for table tests, made by OpenSSL on the spot.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "pki.h"
#include "tap.h"

int64_t		test_now = NOW;

static char directory[1024];

static EVP_PKEY *
make_key(const Wish *wish)
{
	const char *kind = wish->key != NULL ? wish->key : "ec:prime256v1";
	const char *detail = strchr(kind, ':') != NULL ? strchr(kind, ':') + 1 : "";
	EVP_PKEY_CTX *ctx;
	EVP_PKEY   *key = NULL;
	int			id = EVP_PKEY_EC;

	if (strncmp(kind, "rsa-pss:", 8) == 0)
		id = EVP_PKEY_RSA_PSS;
	else if (strncmp(kind, "rsa:", 4) == 0)
		id = EVP_PKEY_RSA;
	else if (strcmp(kind, "ed25519") == 0)
		id = EVP_PKEY_ED25519;
	ctx = EVP_PKEY_CTX_new_id(id, NULL);
	if (EVP_PKEY_keygen_init(ctx) != 1)
		die("no key generator");
	if (id == EVP_PKEY_EC
		? EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, OBJ_txt2nid(detail)) != 1 ||
		EVP_PKEY_CTX_set_ec_param_enc(ctx, OPENSSL_EC_NAMED_CURVE) != 1
		: id != EVP_PKEY_ED25519 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, atoi(detail)) != 1)
		die("no such key: %s", kind);
	if (EVP_PKEY_keygen(ctx, &key) != 1)
		die("could not make a key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	static const char sections[] = "[dir_sect]\nO=constrained\n";
	X509V3_CTX	ctx;
	X509_EXTENSION *extension;
	CONF	   *conf;
	BIO		   *bio;

	if (value == NULL)
		return;
	conf = NCONF_new(NULL);
	bio = BIO_new_mem_buf(sections, -1);
	NCONF_load_bio(conf, bio, NULL);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	extension = X509V3_EXT_nconf_nid(conf, &ctx, nid, value);
	if (extension == NULL)
		die("extension \"%s\" cannot be made", value);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	BIO_free(bio);
	NCONF_free(conf);
}

Cert
make_cert(Wish wish)
{
	static long serial = 1000;
	Cert		cert = {X509_new(), NULL};
	X509_NAME  *name = X509_get_subject_name(cert.x509);
	X509	   *issuer = wish.issuer != NULL ? wish.issuer->x509 : cert.x509;
	EVP_PKEY   *signer;

	if (wish.key_of != NULL)
	{
		EVP_PKEY_up_ref(wish.key_of->key);
		cert.key = wish.key_of->key;
	}
	else
		cert.key = make_key(&wish);
	X509_set_version(cert.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial++);
	ASN1_TIME_set(X509_getm_notBefore(cert.x509),
				  (time_t) (wish.not_before != 0 ? wish.not_before : test_now - 10 * DAY));
	ASN1_TIME_set(X509_getm_notAfter(cert.x509),
				  (time_t) (wish.not_after != 0 ? wish.not_after : test_now + 100 * DAY));
	X509_set_pubkey(cert.x509, cert.key);
	if (wish.o != NULL)
		X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
								   (const unsigned char *) wish.o, -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN",
							   wish.string_type != 0 ? wish.string_type : MBSTRING_UTF8,
							   (const unsigned char *) wish.cn,
							   wish.string_type == V_ASN1_BMPSTRING ? 2 : -1, -1, 0);
	X509_set_issuer_name(cert.x509, X509_get_subject_name(issuer));
	add_extension(cert.x509, issuer, NID_basic_constraints,
				  wish.constraints != NULL ? wish.constraints
				  : wish.ca ? "critical,CA:TRUE" : "CA:FALSE");
	add_extension(cert.x509, issuer, NID_key_usage,
				  wish.ku != NULL ? wish.ku : wish.ca ? "keyCertSign,cRLSign" : NULL);
	add_extension(cert.x509, issuer, NID_ext_key_usage,
				  wish.eku != NULL ? (wish.eku[0] != '\0' ? wish.eku : NULL)
				  : wish.ca ? NULL : "clientAuth");
	add_extension(cert.x509, issuer, NID_subject_alt_name, wish.san);
	add_extension(cert.x509, issuer, NID_name_constraints, wish.name_constraints);
	if (!wish.no_key_ids)
	{
		add_extension(cert.x509, issuer, NID_subject_key_identifier, "hash");
		if (wish.issuer != NULL && X509_get_ext_by_NID(issuer, NID_subject_key_identifier, -1) >= 0)
			add_extension(cert.x509, issuer, NID_authority_key_identifier, "keyid");
	}
	signer = wish.issuer != NULL ? wish.issuer->key : cert.key;
	if (X509_sign(cert.x509, signer,
				  EVP_PKEY_id(signer) == EVP_PKEY_ED25519 ? NULL
				  : wish.sha1 ? EVP_sha1() : EVP_sha256()) <= 0)
		die("could not sign");
	return cert;
}

void
free_cert(Cert *cert)
{
	X509_free(cert->x509);
	EVP_PKEY_free(cert->key);
	*cert = (Cert) {NULL, NULL};
}

/* ---------- files ---------- */

static int
remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void) st;
	(void) kind;
	(void) ftw;
	return remove(path);
}

static void
remove_directory(void)
{
	nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *
test_dir(void)
{
	if (directory[0] == '\0')
	{
		const char *tmp = getenv("TMPDIR");

		snprintf(directory, sizeof(directory), "%.40s/pgcs_XXXXXX",
				 tmp != NULL && strlen(tmp) <= 40 ? tmp : "/tmp");
		if (mkdtemp(directory) == NULL)
			die("could not make a directory");
		atexit(remove_directory);
	}
	return directory;
}

void
test_use_dir(const char *path)
{
	snprintf(directory, sizeof(directory), "%s", path);
}

char *
test_path(const char *name)
{
	char	   *path;

	if (asprintf(&path, "%s/%s", test_dir(), name) < 0)
		die("out of memory");
	return path;
}

void
test_make_dir(const char *name)
{
	char	   *path = test_path(name);

	if (mkdir(path, 0700) != 0)
		die("could not make %s", path);
	free(path);
}

static FILE *
create(const char *path, int mode)
{
	FILE	   *file = fopen(path, "w");

	if (file == NULL || chmod(path, (mode_t) mode) != 0)
		die("could not write %s", path);
	return file;
}

char *
write_text(const char *name, const char *text, int mode)
{
	char	   *path = test_path(name);
	FILE	   *file = create(path, mode);

	fputs(text, file);
	fclose(file);
	return path;
}

static void
put_key(FILE *file, const Cert *cert, const char *password)
{
	if (PEM_write_PKCS8PrivateKey(file, cert->key,
								  password != NULL ? EVP_aes_128_cbc() : NULL,
								  (char *) password, password != NULL ? (int) strlen(password) : 0,
								  NULL, NULL) != 1)
		die("could not write a key");
}

char *
write_pem(const char *name, const Cert *key, const char *password,...)
{
	char	   *path = test_path(name);
	FILE	   *file = create(path, 0600);
	const Cert *cert;
	va_list		args;

	va_start(args, password);
	while ((cert = va_arg(args, const Cert *)) != NULL)
		PEM_write_X509(file, cert->x509);
	va_end(args);
	if (key != NULL)
		put_key(file, key, password);
	fclose(file);
	return path;
}

char *
write_key(const char *name, const Cert *cert, const char *password)
{
	return write_pem(name, cert, password, (const Cert *) NULL);
}

char *
write_cert(const char *name, const Cert *cert)
{
	return write_pem(name, NULL, NULL, cert, (const Cert *) NULL);
}
