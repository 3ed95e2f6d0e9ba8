/*
 * fuzz_ca_list.c
 *		Any bytes as the CA list of a TLS server: a real handshake of OpenSSL
 *		with itself, whose server writes for a name what the input says; then
 *		a choice is made for what the client took from it.
 *
 * Input: a byte of flags, then the names, each behind its length in two
 * bytes.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "connection.h"
#include "fuzz.h"
#include "pgcertsel.h"
#include "request.h"

#define NOW INT64_C(1780272000)
#define DAY INT64_C(86400)
#define MAX_NAMES 64

static SSL_CTX *server_ctx;
static SSL_CTX *client_ctx;
static pgcs_selector *selector;
static pgcs_bundle *bundle;

/* What the server shall write instead of each name. */
static struct
{
	const X509_NAME *name;
	const		uint8_t *bytes;
	size_t		len;
}			lies[MAX_NAMES];
static size_t n_lies;

/*
 * libssl calls this one, as the program comes before libcrypto.  A name that
 * is no lie is written as ever.
 */
int
i2d_X509_NAME(const X509_NAME *name, unsigned char **out)
{
	for (size_t i = 0; i < n_lies; i++)
		if (lies[i].name == name)
		{
			if (out != NULL && lies[i].len > 0)
			{
				memcpy(*out, lies[i].bytes, lies[i].len);
				*out += lies[i].len;
			}
			return (int) lies[i].len;
		}
	return ASN1_item_i2d((const ASN1_VALUE *) name, out, ASN1_ITEM_rptr(X509_NAME));
}

static X509 *
make_cert(const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509	   *cert = X509_new();
	X509_NAME  *name = X509_NAME_new();
	X509_EXTENSION *extension;
	X509V3_CTX	ctx;

	MUST(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
									(const unsigned char *) cn, -1, -1, 0));
	MUST(X509_set_version(cert, 2) && X509_set_subject_name(cert, name) &&
		 X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : name) &&
		 ASN1_INTEGER_set(X509_get_serialNumber(cert), 7) &&
		 ASN1_TIME_set(X509_getm_notBefore(cert), (time_t) (NOW - DAY)) != NULL &&
		 ASN1_TIME_set(X509_getm_notAfter(cert), (time_t) (NOW + DAY)) != NULL &&
		 X509_set_pubkey(cert, key));
	X509V3_set_ctx(&ctx, issuer != NULL ? issuer : cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
									issuer != NULL ? "CA:FALSE" : "critical,CA:TRUE");
	MUST(extension != NULL && X509_add_ext(cert, extension, -1));
	MUST(X509_sign(cert, issuer_key != NULL ? issuer_key : key, EVP_sha256()) > 0);
	X509_EXTENSION_free(extension);
	X509_NAME_free(name);
	return cert;
}

/* A bundle of one certificate and its CA. */
static void
make_bundle(X509 *cert, X509 *ca, EVP_PKEY *key)
{
	char		path[128];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/alice.pem", fuzz_dir());
	fuzz_write(path, "", 0);
	file = fopen(path, "w");
	MUST(file != NULL && PEM_write_X509(file, cert) && PEM_write_X509(file, ca) &&
		 PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
	fclose(file);
	selector = pgcs_selector_new();
	MUST(selector != NULL && pgcs_add_file(selector, path) == PGCS_OK);
	bundle = pgcs_bundle_load(selector);
	MUST(bundle != NULL && pgcs_bundle_n_identities(bundle) == 1);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	EVP_PKEY   *key = EVP_EC_gen("P-256");
	EVP_PKEY   *ca_key = EVP_EC_gen("P-256");
	X509	   *ca = make_cert("one", ca_key, NULL, NULL);
	X509	   *cert = make_cert("alice", key, ca, ca_key);

	(void) argc;
	(void) argv;
	server_ctx = SSL_CTX_new(TLS_server_method());
	client_ctx = SSL_CTX_new(TLS_client_method());
	MUST(server_ctx != NULL && client_ctx != NULL &&
		 SSL_CTX_use_certificate(server_ctx, cert) == 1 &&
		 SSL_CTX_use_PrivateKey(server_ctx, key) == 1);
	SSL_CTX_set_verify(server_ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(server_ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(server_ctx, SSL_OP_NO_TICKET);
	make_bundle(cert, ca, key);
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return 0;
}

/* Names for the server to announce; what it will write is kept as lies. */
static STACK_OF(X509_NAME) *
take_lies(FuzzInput *input)
{
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	MUST(names != NULL);
	for (n_lies = 0; n_lies < MAX_NAMES && input->size > 2; n_lies++)
	{
		X509_NAME  *name = X509_NAME_new();
		size_t		len = (size_t) fuzz_byte(input) << 8;

		len |= fuzz_byte(input);
		if (len > input->size)
			len = input->size;
		MUST(name != NULL && sk_X509_NAME_push(names, name) > 0);
		lies[n_lies].name = name;
		lies[n_lies].bytes = input->data;
		lies[n_lies].len = len;
		input->data += len;
		input->size -= len;
	}
	return names;
}

static bool
shake_hands(SSL *client, SSL *server)
{
	int			a = 0;
	int			b = 0;

	for (int i = 0; i < 10 && (a != 1 || b != 1); i++)
	{
		if (a != 1)
			a = SSL_do_handshake(client);
		if (a != 1 && SSL_get_error(client, a) != SSL_ERROR_WANT_READ)
			return false;
		if (b != 1)
			b = SSL_do_handshake(server);
		if (b != 1 && SSL_get_error(server, b) != SSL_ERROR_WANT_READ)
			return false;
	}
	return a == 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	FuzzInput	input = {data, size};
	unsigned char flags = fuzz_byte(&input);
	SSL		   *server = SSL_new(server_ctx);
	SSL		   *client = SSL_new(client_ctx);
	BIO		   *one = NULL;
	BIO		   *two = NULL;
	PgcsHandshake handshake = {.state = PGCS_HANDSHAKE_FAILED};
	pgcs_request *request = pgcs_request_new(1);
	pgcs_choice *choice;

	MUST(server != NULL && client != NULL && request != NULL);
	MUST(BIO_new_bio_pair(&one, 1 << 16, &two, 1 << 16) == 1);
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, two, two);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	if (flags & 1)
		SSL_set_max_proto_version(client, TLS1_2_VERSION);
	if (flags & 2)
		SSL_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_set0_CA_list(server, take_lies(&input));

	handshake.ssl = client;
	handshake.error = strdup("the handshake failed");
	if (shake_hands(client, server))
		handshake.state = PGCS_HANDSHAKE_DONE;
	ERR_clear_error();
	MUST(pgcs_host_take_answer(&request->hosts[0], &handshake));
	n_lies = 0;
	free(handshake.error);

	MUST(handshake.state != PGCS_HANDSHAKE_DONE || pgcs_host_wants(&request->hosts[0]));
	for (size_t i = 0; i < pgcs_request_n_names(request, 0); i++)
		fuzz_check_words(pgcs_request_name(request, 0, i));
	if (pgcs_request_answer(request, 0) != PGCS_ANSWER_NONE)
	{
		choice = pgcs_select(selector, bundle, request, NOW);
		MUST(choice != NULL);
		fuzz_check_words(pgcs_choice_text(choice));

		/* named, and not by this CA's name: never sent */
		MUST(pgcs_choice_status(choice) == PGCS_NONE ||
			 pgcs_choice_status(choice) == PGCS_FOUND);
		pgcs_choice_free(choice);
	}
	pgcs_request_free(request);
	SSL_free(client);
	SSL_free(server);
	ERR_clear_error();
	return 0;
}
