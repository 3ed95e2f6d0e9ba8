/*
 * random_login.c
 *		What a real server says of every certificate of a folder.
 *
 * Nothing here is pgcertsel's: OpenSSL finds the keys that belong to a file's
 * first certificate, and libpq logs in with each of them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libpq-fe.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "random_login.h"
#include "tap.h"

/* How many logins go on at the same time. */
#define MAX_AT_ONCE 4

static void
set_parameter(Parameters *parameters, const char *keyword, const char *value)
{
	if (parameters->n >= MAX_PARAMETERS - 1)
		die("too many parameters");
	parameters->keywords[parameters->n] = keyword;
	parameters->values[parameters->n++] = value;
}

void
set_parameters(Parameters *parameters, const Server *server, const Case *c)
{
	memset(parameters, 0, sizeof(*parameters));
	set_parameter(parameters, "host", "localhost");
	set_parameter(parameters, "hostaddr", "127.0.0.1");
	set_parameter(parameters, "port", server->port);
	set_parameter(parameters, "user", "alice");
	set_parameter(parameters, "dbname", "postgres");
	set_parameter(parameters, "sslmode", "require");
	set_parameter(parameters, "sslrootcert", c->root_file);
	set_parameter(parameters, "gssencmode", "disable");
	set_parameter(parameters, "connect_timeout", "60");
	if (c->tls_version != NULL)
		set_parameter(parameters, "ssl_max_protocol_version", c->tls_version);
}

void
set_trusted(const Server *server, const Case *c)
{
	char	   *fresh = NULL;
	char		bytes[65536];
	FILE	   *in = fopen(c->ca_file, "rb");
	FILE	   *out;
	size_t		len;

	/* replaced as a whole, since a server may start to read it at any time */
	if (asprintf(&fresh, "%s.new", server->ca_file) < 0 || in == NULL ||
		(out = fopen(fresh, "wb")) == NULL)
		die("could not replace %s: %s", server->ca_file, strerror(errno));
	while ((len = fread(bytes, 1, sizeof(bytes), in)) > 0)
		fwrite(bytes, 1, len, out);
	fclose(in);
	if (fclose(out) != 0 || rename(fresh, server->ca_file) != 0)
		die("could not replace %s: %s", server->ca_file, strerror(errno));
	free(fresh);

	/* a postmaster heeds a signal before it accepts another connection */
	if (kill((pid_t) server->postmaster, SIGHUP) != 0)
		die("the postmaster is gone");
}

/* ---------- what is in the folder ---------- */

typedef struct Held
{
	char	   *path;
	X509	   *first;			/* the certificate that libpq would send */
	EVP_PKEY   *key;
	const char *password;
} Held;

static int
give_password(char *buf, int size, int rwflag, void *arg)
{
	const char *password = arg;

	(void) rwflag;
	if (password == NULL || strlen(password) >= (size_t) size)
		return -1;
	strcpy(buf, password);
	return (int) strlen(password);
}

static void
look_into(Held *held, const Case *c)
{
	BIO		   *bio = BIO_new_file(held->path, "rb");

	for (int i = 0; i < c->n_secrets; i++)
		if (strcmp(c->secrets[i].path, held->path) == 0)
			held->password = c->secrets[i].password;
	if (bio == NULL)
		return;
	held->first = PEM_read_bio_X509_AUX(bio, NULL, give_password, NULL);
	(void) BIO_reset(bio);
	held->key = PEM_read_bio_PrivateKey(bio, NULL, give_password, (void *) held->password);
	(void) BIO_reset(bio);
	if (held->key == NULL)
		held->key = d2i_PrivateKey_bio(bio, NULL);
	BIO_free(bio);
	ERR_clear_error();
}

static void
add_login(Logins *logins, const char *cert, const char *key, const char *password)
{
	if (logins->n == MAX_LOGINS)
		die("too many certificates");
	logins->all[logins->n++] = (Login) {strdup(cert), strdup(key), password, false, NULL};
}

static void
find_logins(Logins *logins, const Case *c)
{
	struct dirent **entries;
	int			n = scandir(c->bundle, &entries, NULL, alphasort);
	Held	   *held;

	if (n < 0)
		die("could not read %s", c->bundle);
	held = calloc((size_t) n, sizeof(*held));
	for (int i = 0; i < n; i++)
	{
		if (asprintf(&held[i].path, "%s/%s", c->bundle, entries[i]->d_name) < 0)
			die("out of memory");
		if (entries[i]->d_name[0] != '.')
			look_into(&held[i], c);
		free(entries[i]);
	}
	free(entries);
	for (int i = 0; i < n; i++)
		for (int j = 0; held[i].first != NULL && j < n; j++)
			if (held[j].key != NULL &&
				X509_check_private_key(held[i].first, held[j].key) == 1)
				add_login(logins, held[i].path, held[j].path, held[j].password);
	ERR_clear_error();
	for (int i = 0; i < n; i++)
	{
		X509_free(held[i].first);
		EVP_PKEY_free(held[i].key);
		free(held[i].path);
	}
	free(held);
}

/* ---------- what the server says ---------- */

static PGconn *
begin_login(const Login *login, const Server *server, const Case *c)
{
	Parameters	parameters;

	set_parameters(&parameters, server, c);
	set_parameter(&parameters, "sslcert", login->cert);
	set_parameter(&parameters, "sslkey", login->key);
	if (login->password != NULL)
		set_parameter(&parameters, "sslpassword", login->password);
	return PQconnectStartParams(parameters.keywords, parameters.values, 0);
}

static void
end_login(Logins *logins, Login *login, PGconn *conn)
{
	login->accepted = PQstatus(conn) == CONNECTION_OK;
	if (login->accepted)
		logins->n_accepted++;
	else
		login->words = strdup(PQerrorMessage(conn));
	PQfinish(conn);
}

static void
log_in(Logins *logins, int first, const Server *server, const Case *c)
{
	PGconn	   *conns[MAX_AT_ONCE];
	PostgresPollingStatusType wants[MAX_AT_ONCE];
	int			numbers[MAX_AT_ONCE];
	int			n = 0;
	int			next = first;

	while (next < logins->n || n > 0)
	{
		struct pollfd fds[MAX_AT_ONCE];

		while (next < logins->n && n < MAX_AT_ONCE)
		{
			conns[n] = begin_login(&logins->all[next], server, c);
			wants[n] = PQstatus(conns[n]) == CONNECTION_BAD ? PGRES_POLLING_FAILED
				: PGRES_POLLING_WRITING;
			numbers[n++] = next++;
		}
		for (int i = 0; i < n; i++)
			fds[i] = (struct pollfd) {PQsocket(conns[i]),
				wants[i] == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};
		if (poll(fds, (nfds_t) n, 60000) <= 0)
			die("the server does not answer");
		for (int i = n - 1; i >= 0; i--)
		{
			if (fds[i].revents != 0 && wants[i] != PGRES_POLLING_FAILED)
				wants[i] = PQconnectPoll(conns[i]);
			if (wants[i] != PGRES_POLLING_OK && wants[i] != PGRES_POLLING_FAILED)
				continue;
			end_login(logins, &logins->all[numbers[i]], conns[i]);
			n--;
			conns[i] = conns[n];
			wants[i] = wants[n];
			numbers[i] = numbers[n];
		}
	}
}

void
try_all(Logins *logins, const Server *server, const Case *c)
{
	memset(logins, 0, sizeof(*logins));
	find_logins(logins, c);
	log_in(logins, 0, server, c);
}

const Login *
try_one(Logins *logins, const Server *server, const Case *c,
		const char *cert, const char *key)
{
	const char *password = NULL;

	for (int i = 0; i < logins->n; i++)
		if (strcmp(logins->all[i].cert, cert) == 0 &&
			strcmp(logins->all[i].key, key) == 0)
			return &logins->all[i];
	for (int i = 0; i < c->n_secrets; i++)
		if (strcmp(c->secrets[i].path, key) == 0)
			password = c->secrets[i].password;
	add_login(logins, cert, key, password);
	log_in(logins, logins->n - 1, server, c);
	return &logins->all[logins->n - 1];
}

void
free_logins(Logins *logins)
{
	for (int i = 0; i < logins->n; i++)
	{
		free(logins->all[i].cert);
		free(logins->all[i].key);
		free(logins->all[i].words);
	}
}
