/*
 * handshake.c
 *		libpq's own TLS handshake, stopped before the startup packet.
 *
 * libpq resolves the name, negotiates, verifies the server: everything is as
 * it will be for the real connection.  PQconnectPoll() reports
 * CONNECTION_MADE with TLS up before it says anything of PostgreSQL; there it
 * is left.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "connection.h"
#include "selector.h"

/* What a hostile server can make us read after the handshake. */
#define MAX_LISTEN_BYTES (64 * 1024)

int64_t
pgcs_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool
pgcs_wait_socket(int fd, bool for_write, int64_t deadline_ms)
{
	struct pollfd pfd = {.fd = fd, .events = for_write ? POLLOUT : POLLIN};

	for (;;)
	{
		int64_t		left = deadline_ms - pgcs_clock_ms();
		int			n;

		if (left <= 0)
			return false;
		n = poll(&pfd, 1, left > 60000 ? 60000 : (int) left);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return true;		/* the next call on the socket will say why */
	}
}

static void
handshake_fail(PgcsHandshake *handshake)
{
	handshake->state = PGCS_HANDSHAKE_FAILED;
	free(handshake->error);
	handshake->error = pgcs_libpq_words(PQerrorMessage(handshake->conn));
}

bool
pgcs_handshake_start(PgcsHandshake *handshake, const char *conninfo)
{
	*handshake = (PgcsHandshake) {.state = PGCS_HANDSHAKE_WRITING};
	handshake->conn = PQconnectStart(conninfo);
	if (handshake->conn == NULL)
		return false;
	if (PQstatus(handshake->conn) == CONNECTION_BAD)
		handshake_fail(handshake);
	return true;
}

/* Is the connection's socket a Unix socket? */
static bool
is_unix_socket(PGconn *conn)
{
	struct sockaddr_storage address;
	socklen_t	len = sizeof(address);

	return PQsocket(conn) >= 0 &&
		getsockname(PQsocket(conn), (struct sockaddr *) &address, &len) == 0 &&
		address.ss_family == AF_UNIX;
}

/*
 * Has the server answered 'N' to the request for TLS?  Looked up in the
 * socket, since libpq's message for it comes in many languages.
 */
static bool
server_declined(PGconn *conn)
{
	char		answer;

	return PQsocket(conn) >= 0 &&
		recv(PQsocket(conn), &answer, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
		answer == 'N';
}

/*
 * Holds back what is sent.  A server that refuses can be so quick that the
 * whole handshake, its failure included, takes place within one call of
 * PQconnectPoll(), and libpq's SSL object comes and goes unseen.  With the
 * first packet held back until the call is over, it cannot.
 */
static void
set_cork(PGconn *conn, int on)
{
#ifdef TCP_CORK
	if (PQsocket(conn) >= 0)
		(void) setsockopt(PQsocket(conn), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
#else
	(void) conn;
	(void) on;
#endif
}

/* OpenSSL is about to tell the server that it has had enough. */
static void
watch_alerts(int is_sent, int version, int type, const void *bytes, size_t len,
			 SSL *ssl, void *handshake)
{
	(void) version;
	(void) ssl;
	if (is_sent && type == SSL3_RT_ALERT && len == 2 &&
		((const unsigned char *) bytes)[0] == SSL3_AL_FATAL)
		((PgcsHandshake *) handshake)->own_alert = true;
}

void
pgcs_handshake_step(PgcsHandshake *handshake)
{
	PGconn	   *conn = handshake->conn;
	PostgresPollingStatusType status;
	SSL		   *ssl;
	bool		declined;

	if (handshake->state != PGCS_HANDSHAKE_READING &&
		handshake->state != PGCS_HANDSHAKE_WRITING)
		return;
	declined = PQstatus(conn) == CONNECTION_SSL_STARTUP &&
		PQsslStruct(conn, "OpenSSL") == NULL && server_declined(conn);
	set_cork(conn, handshake->ssl == NULL);
	status = PQconnectPoll(conn);
	set_cork(conn, 0);

	/* A failing handshake frees libpq's SSL, and with it what was asked. */
	ssl = PQsslStruct(conn, "OpenSSL");
	if (ssl != NULL && ssl != handshake->ssl)
	{
		SSL_free(handshake->ssl);
		SSL_up_ref(ssl);
		handshake->ssl = ssl;
		SSL_set_msg_callback(ssl, watch_alerts);
		SSL_set_msg_callback_arg(ssl, handshake);
	}
	if (status == PGRES_POLLING_FAILED)
	{
		handshake_fail(handshake);
		if (declined)
			handshake->state = PGCS_HANDSHAKE_NO_TLS;
		return;
	}
	if (PQstatus(conn) == CONNECTION_MADE && PQsslInUse(conn))
		handshake->state = PGCS_HANDSHAKE_DONE;
	else if (PQstatus(conn) == CONNECTION_MADE && is_unix_socket(conn))
		handshake->state = PGCS_HANDSHAKE_NO_TLS;
	else if (PQstatus(conn) == CONNECTION_AWAITING_RESPONSE ||
			 status == PGRES_POLLING_OK)
	{
		/*
		 * Never go on without TLS.  With sslmode=require only a libpq older
		 * than November 2024 comes here: it would read what a server sends
		 * that answers with an error, before TLS, and so may be anybody's.
		 */
		handshake->state = PGCS_HANDSHAKE_FAILED;
		free(handshake->error);
		handshake->error = strdup("the server answered the request for TLS with an error");
	}
	else
		handshake->state = status == PGRES_POLLING_READING
			? PGCS_HANDSHAKE_READING : PGCS_HANDSHAKE_WRITING;
}

void
pgcs_handshake_run(PgcsHandshake *handshake, int timeout_ms)
{
	int64_t		deadline = pgcs_clock_ms() + timeout_ms;

	while (handshake->state == PGCS_HANDSHAKE_READING ||
		   handshake->state == PGCS_HANDSHAKE_WRITING)
	{
		if (!pgcs_wait_socket(PQsocket(handshake->conn),
							  handshake->state == PGCS_HANDSHAKE_WRITING,
							  deadline))
		{
			pgcs_handshake_time_out(handshake);
			return;
		}
		pgcs_handshake_step(handshake);
	}
}

void
pgcs_handshake_time_out(PgcsHandshake *handshake)
{
	handshake->state = PGCS_HANDSHAKE_FAILED;
	handshake->timed_out = true;
	free(handshake->error);
	handshake->error = strdup("timeout expired");
}

void
pgcs_handshake_end(PgcsHandshake *handshake)
{
	if (handshake->ssl != NULL)
		SSL_set_msg_callback(handshake->ssl, NULL);
	PQfinish(handshake->conn);
	SSL_free(handshake->ssl);
	free(handshake->error);
	*handshake = (PgcsHandshake) {.state = PGCS_HANDSHAKE_FAILED};
	ERR_clear_error();
}

bool
pgcs_handshake_was_asked(const PgcsHandshake *handshake)
{
	const unsigned char *types;

	if (handshake->ssl == NULL)
		return false;

	/*
	 * The extension is mandatory in TLS 1.3's CertificateRequest and a field
	 * of TLS 1.2's, and a server sends it nowhere else.
	 */
	return SSL_get_sigalgs(handshake->ssl, -1, NULL, NULL, NULL, NULL, NULL) > 0 ||
		SSL_get0_certificate_types(handshake->ssl, &types) > 0;
}

bool
pgcs_handshake_was_refused(const PgcsHandshake *handshake)
{
	/*
	 * The request comes before libpq has read all of it, and before it has
	 * verified the server's signature and name, so a failure after it may be
	 * libpq's own.
	 */
	return handshake->state == PGCS_HANDSHAKE_FAILED &&
		!handshake->timed_out && !handshake->own_alert &&
		pgcs_handshake_was_asked(handshake) &&
		!SSL_is_init_finished(handshake->ssl) &&
		((SSL_get_verify_mode(handshake->ssl) & SSL_VERIFY_PEER) == 0 ||
		 SSL_get_verify_result(handshake->ssl) == X509_V_OK);
}

bool
pgcs_handshake_listen(PgcsHandshake *handshake, int timeout_ms, char **error,
					  bool *timed_out)
{
	SSL		   *ssl = handshake->ssl;
	int			fd = PQsocket(handshake->conn);
	int64_t		deadline = pgcs_clock_ms() + timeout_ms;
	size_t		total = 0;

	*error = NULL;
	*timed_out = false;
	ERR_clear_error();

	/*
	 * A TLS 1.3 server that accepts says nothing, so it must be given a
	 * reason to speak: our end of the connection is over.
	 */
	SSL_shutdown(ssl);
	ERR_clear_error();
	shutdown(fd, SHUT_WR);
	while (total < MAX_LISTEN_BYTES)
	{
		char		bytes[1024];
		int			n;
		int			kind;
		unsigned long code;

		errno = 0;
		n = SSL_read(ssl, bytes, sizeof(bytes));
		if (n > 0)
		{
			total += (size_t) n;
			continue;
		}
		kind = SSL_get_error(ssl, n);
		if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
		{
			if (pgcs_wait_socket(fd, kind == SSL_ERROR_WANT_WRITE, deadline))
				continue;
			*timed_out = true;
			*error = strdup("the server did not end the connection in time");
			return false;
		}
		code = ERR_peek_error();
		ERR_clear_error();
		if (kind == SSL_ERROR_ZERO_RETURN)
			return true;
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
		if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return true;
#endif
		if (kind == SSL_ERROR_SYSCALL && code == 0 && (errno == 0 || n == 0))
			return true;
		if (kind == SSL_ERROR_SSL && code != 0)
		{
			const char *words = ERR_reason_error_string(code);

			*error = strdup(words != NULL ? words : "TLS alert");
		}
		else
			*error = strdup(errno != 0 ? strerror(errno) : "connection was lost");
		return false;
	}
	*error = strdup("the server sent more than a TLS handshake needs");
	return false;
}
