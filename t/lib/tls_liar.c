/*
 * tls_liar.c
 *		A TLS server that announces what it likes: the CA names that it writes
 *		are bytes of a file, whatever they are.
 *
 *	tls_liar --cert CHAIN --key KEY [--tls 1.0|1.2|1.3] [--demand]
 *			[--after close|hang|talk] [--ca FILE] --names FILE...
 *
 * Prints its port, then serves until it is killed; each client gets the next
 * FILE, the first one again after the last.  Its lines are "COUNT HEX": so
 * many times these bytes as a name.  With --ca, a certificate must come from
 * there; otherwise any will do.  --after says what is done once TLS is up:
 * wait for the end and close, never close, or talk without end.
 *
 * OpenSSL would not write such names.  But libssl calls i2d_X509_NAME(), and
 * this program comes before libcrypto.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define MAX_LIES 70000
#define MAX_FILES 4

static struct
{
	const X509_NAME *name;
	const unsigned char *bytes;
	long		len;
}			lies[MAX_LIES];
static int	n_lies;

static void
die(const char *what)
{
	fprintf(stderr, "tls_liar: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

/* as <openssl/x509.h> has it */
#if OPENSSL_VERSION_NUMBER < 0x30000000L
#define CONST
#else
#define CONST const
#endif

int
i2d_X509_NAME(CONST X509_NAME *name, unsigned char **out)
{
	/* libssl asks in order, twice for each */
	static int	next;

	for (int i = 0; i < n_lies; i++)
	{
		int			at = (next + i) % n_lies;

		if (lies[at].name != name)
			continue;
		next = at;
		if (out != NULL)
		{
			if (lies[at].len > 0)
				memcpy(*out, lies[at].bytes, (size_t) lies[at].len);
			*out += lies[at].len;
		}
		return (int) lies[at].len;
	}
	return ASN1_item_i2d((CONST ASN1_VALUE *) name, out, ASN1_ITEM_rptr(X509_NAME));
}

static STACK_OF(X509_NAME) *
read_lies(const char *path)
{
	static char line[200000];
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	FILE	   *file = fopen(path, "r");

	if (file == NULL || names == NULL)
		die(path);
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char	   *hex;
		long		count = strtol(line, &hex, 10);
		long		len = 0;
		unsigned char *bytes = NULL;

		hex += strspn(hex, " ");
		hex[strcspn(hex, "\n")] = '\0';
		if (hex[0] != '\0' && (bytes = OPENSSL_hexstr2buf(hex, &len)) == NULL)
			die(path);
		for (; count > 0 && n_lies < MAX_LIES; count--)
		{
			lies[n_lies].name = X509_NAME_new();
			lies[n_lies].bytes = bytes;
			lies[n_lies].len = len;
			if (lies[n_lies].name == NULL ||
				!sk_X509_NAME_push(names, (X509_NAME *) lies[n_lies].name))
				die("out of memory");
			n_lies++;
		}
	}
	fclose(file);
	return names;
}

static int
take_any(int ok, X509_STORE_CTX *ctx)
{
	(void) ok;
	(void) ctx;
	return 1;
}

static void
serve(SSL_CTX *ctx, int fd, const char *after)
{
	SSL		   *ssl = SSL_new(ctx);
	char		bytes[4096];

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		die("SSL_new");
	if (SSL_accept(ssl) != 1)
	{
		/* the alert is out; the client shall be able to read it */
		shutdown(fd, SHUT_WR);
		while (read(fd, bytes, sizeof(bytes)) > 0)
			;
		return;
	}
	if (strcmp(after, "talk") == 0)
	{
		memset(bytes, 'x', sizeof(bytes));
		while (SSL_write(ssl, bytes, sizeof(bytes)) > 0)
			;
		return;
	}
	while (SSL_read(ssl, bytes, sizeof(bytes)) > 0)
		;
	if (strcmp(after, "hang") == 0)
		sleep(60);
	SSL_shutdown(ssl);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"cert", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'},
		{"tls", required_argument, NULL, 't'},
		{"demand", no_argument, NULL, 'd'},
		{"after", required_argument, NULL, 'a'},
		{"ca", required_argument, NULL, 'C'},
		{"names", required_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	len = sizeof(address);
	SSL_CTX    *ctx = SSL_CTX_new(TLS_server_method());
	const char *files[MAX_FILES];
	int			n_files = 0;
	int			mode = SSL_VERIFY_PEER;
	int			version = 0;
	const char *after = "close";
	const char *ca = NULL;
	int			listener = socket(AF_INET, SOCK_STREAM, 0);
	int			option;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	if (ctx == NULL)
		die("SSL_CTX_new");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option)
		{
			case 'c':
				if (SSL_CTX_use_certificate_chain_file(ctx, optarg) != 1)
					die(optarg);
				break;
			case 'k':
				if (SSL_CTX_use_PrivateKey_file(ctx, optarg, SSL_FILETYPE_PEM) != 1)
					die(optarg);
				break;
			case 't':
				version = strcmp(optarg, "1.0") == 0 ? TLS1_VERSION
					: strcmp(optarg, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
				break;
			case 'd':
				mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
				break;
			case 'a':
				after = optarg;
				break;
			case 'C':
				ca = optarg;
				break;
			case 'n':
				if (n_files < MAX_FILES)
					files[n_files++] = optarg;
				break;
			default:
				return 1;
		}
	if (version != 0 && (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
						 SSL_CTX_set_max_proto_version(ctx, version) != 1))
		die("version");
	if (version == TLS1_VERSION)
		SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_set_verify(ctx, mode, ca == NULL ? take_any : NULL);
	if (ca != NULL && SSL_CTX_load_verify_locations(ctx, ca, NULL) != 1)
		die(ca);
	if (listener < 0 || bind(listener, (struct sockaddr *) &address, len) != 0 ||
		listen(listener, 20) != 0 ||
		getsockname(listener, (struct sockaddr *) &address, &len) != 0)
		die("could not listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (int i = 0;; i++)
	{
		int			fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return 1;
		if (fork() == 0)
		{
			close(listener);
			alarm(60);
			if (n_files > 0)
				SSL_CTX_set0_CA_list(ctx, read_lies(files[i % n_files]));
			serve(ctx, fd, after);
			return 0;
		}
		close(fd);
	}
}
