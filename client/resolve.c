/*
 * resolve.c
 *		What libpq would connect with, found out by libpq itself.
 *
 * Only libpq knows how arguments, service file, environment and defaults come
 * together, and no function of it tells without connecting.  So it is given
 * two connections that fail before the first packet: one with a port that is
 * no number, which tells everything but the port, and one to a Unix socket
 * below /dev/null, which tells the port.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "selector.h"

/* MAXPGPATH etc. do not matter here: the values are libpq's own. */
const char *
pgcs_option(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val != NULL && options->val[0] != '\0'
				? options->val : NULL;
	return NULL;
}

void
pgcs_conninfo_add(PgcertBuf *buf, const char *keyword, const char *value)
{
	if (buf->len > 0)
		pgcert_buf_text(buf, " ");
	pgcert_buf_text(buf, keyword);
	pgcert_buf_text(buf, "='");
	for (const char *p = value; *p != '\0'; p++)
	{
		if (*p == '\'' || *p == '\\')
			pgcert_buf_bytes(buf, "\\", 1);
		pgcert_buf_bytes(buf, p, 1);
	}
	pgcert_buf_text(buf, "'");
}

/*
 * Connects to nowhere.  The connection's state is BAD, but its options are
 * there, unless libpq could not even put them together.
 */
static PGconn *
fail_to_connect(pgcs_selector *sel, const char *const *keywords,
				const char *const *values, bool for_port)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	char	   *conninfo;
	PGconn	   *conn;

	for (size_t i = 0; keywords != NULL && keywords[i] != NULL; i++)
		if (values[i] != NULL)
			pgcs_conninfo_add(&buf, keywords[i], values[i]);
	if (for_port)
	{
		pgcs_conninfo_add(&buf, "host", PGCS_NOTHING);
		pgcs_conninfo_add(&buf, "hostaddr", "");
	}
	else
		pgcs_conninfo_add(&buf, "port", "none");
	conninfo = pgcert_buf_take(&buf);
	if (conninfo == NULL)
	{
		pgcs_fail_memory(sel);
		return NULL;
	}
	conn = PQconnectStart(conninfo);
	pgcs_secret_free(conninfo);
	if (conn == NULL)
		pgcs_fail_memory(sel);
	return conn;
}

static PQconninfoOption *
find_option(PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options;
	return NULL;
}

PQconninfoOption *
pgcs_resolve(pgcs_selector *sel, const char *const *keywords,
			 const char *const *values)
{
	PGconn	   *conn = NULL;
	PGconn	   *port_conn = NULL;
	PQconninfoOption *options = NULL;
	PQconninfoOption *port_options = NULL;
	PQconninfoOption *to;
	PQconninfoOption *from;
	char	   *value;
	const char *host;

	pgcs_clear_error(sel);
	port_conn = fail_to_connect(sel, keywords, values, true);
	if (port_conn == NULL)
		goto out;

	/* Options that were put together have the host that was asked for. */
	port_options = PQconninfo(port_conn);
	if (port_options == NULL)
	{
		pgcs_fail_memory(sel);
		goto out;
	}
	host = pgcs_option(port_options, "host");
	if (host == NULL || strcmp(host, PGCS_NOTHING) != 0)
	{
		char	   *words = pgcs_libpq_words(PQerrorMessage(port_conn));

		if (words == NULL)
			pgcs_fail_memory(sel);
		else
			pgcs_fail(sel, PGCS_INVALID, "%s", words);
		free(words);
		goto out;
	}
	conn = fail_to_connect(sel, keywords, values, false);
	if (conn == NULL)
		goto out;
	options = PQconninfo(conn);
	if (options == NULL)
	{
		pgcs_fail_memory(sel);
		goto out;
	}
	to = find_option(options, "port");
	from = find_option(port_options, "port");
	if (to != NULL && from != NULL)
	{
		value = from->val != NULL ? strdup(from->val) : NULL;
		if (from->val != NULL && value == NULL)
		{
			PQconninfoFree(options);
			options = NULL;
			pgcs_fail_memory(sel);
			goto out;
		}
		free(to->val);
		to->val = value;
	}
out:
	PQconninfoFree(port_options);
	PQfinish(port_conn);
	PQfinish(conn);
	return options;
}

/* ---------- hosts ---------- */

void
pgcs_targets_free(PgcsTarget *targets, size_t n)
{
	if (targets == NULL)
		return;
	for (size_t i = 0; i < n; i++)
	{
		free(targets[i].host);
		free(targets[i].hostaddr);
		free(targets[i].port);
		free(targets[i].label);
	}
	free(targets);
}

static size_t
count_elements(const char *list)
{
	size_t		n = 1;

	if (list == NULL)
		return 0;
	for (; *list != '\0'; list++)
		n += *list == ',';
	return n;
}

/* Element i of a comma list; of a list of one, always that one. */
static char *
element(const char *list, size_t n, size_t i)
{
	if (list == NULL)
		return strdup("");
	for (size_t skip = n == 1 ? 0 : i; skip > 0; skip--)
		list += strcspn(list, ",") + 1;
	return strndup(list, strcspn(list, ","));
}

PgcsTarget *
pgcs_targets(pgcs_selector *sel, const PQconninfoOption *options, size_t *n)
{
	const char *hosts = pgcs_option(options, "host");
	const char *addresses = pgcs_option(options, "hostaddr");
	const char *ports = pgcs_option(options, "port");
	size_t		n_hosts = count_elements(hosts);
	size_t		n_addresses = count_elements(addresses);
	size_t		n_ports = count_elements(ports);
	PgcsTarget *targets;

	*n = n_addresses > 0 ? n_addresses : n_hosts > 0 ? n_hosts : 1;
	if (n_addresses > 0 && n_hosts > 0 && n_addresses != n_hosts)
	{
		pgcs_fail(sel, PGCS_INVALID,
				  "could not match %zu host names to %zu hostaddr values",
				  n_hosts, n_addresses);
		return NULL;
	}
	if (n_ports > 1 && n_ports != *n)
	{
		pgcs_fail(sel, PGCS_INVALID,
				  "could not match %zu port numbers to %zu hosts", n_ports, *n);
		return NULL;
	}
	targets = calloc(*n, sizeof(*targets));
	if (targets == NULL)
	{
		pgcs_fail_memory(sel);
		return NULL;
	}
	for (size_t i = 0; i < *n; i++)
	{
		PgcsTarget *target = &targets[i];
		PgcertBuf	label = PGCERT_BUF_INIT;
		const char *shown;

		target->position = i;
		/* a list of one host with several addresses does not exist */
		target->host = hosts != NULL && n_hosts == *n ? element(hosts, *n, i)
			: strdup("");
		target->hostaddr = element(addresses, *n, i);
		target->port = element(ports, n_ports, i);
		if (target->host == NULL || target->hostaddr == NULL ||
			target->port == NULL)
			goto no_memory;
		shown = target->host[0] != '\0' ? target->host : target->hostaddr;
		if (shown[0] == '\0')
			shown = "local socket";
		pgcert_buf_escaped(&label, shown, strlen(shown));
		pgcert_buf_text(&label, ":");
		pgcert_buf_escaped(&label, target->port, strlen(target->port));
		target->label = pgcert_buf_take(&label);
		if (target->label == NULL)
			goto no_memory;
	}
	return targets;

no_memory:
	pgcs_targets_free(targets, *n);
	pgcs_fail_memory(sel);
	return NULL;
}

const char *
pgcs_target_without_tls(const PgcsTarget *target, const PQconninfoOption *options)
{
	const char *sslmode = pgcs_option(options, "sslmode");
	const char *gssencmode = pgcs_option(options, "gssencmode");

	if (target->hostaddr[0] == '\0' &&
		(target->host[0] == '/' || target->host[0] == '@'))
		return "a Unix socket carries no TLS";
	if (sslmode != NULL && strcmp(sslmode, "disable") == 0)
		return "sslmode=disable asks for none";
	if (gssencmode != NULL && strcmp(gssencmode, "require") == 0)
		return "gssencmode=require asks for GSS encryption instead";
	return NULL;
}

/* Parameters that a connection for TLS alone does not need or must not have. */
static bool
is_replaced(const char *keyword)
{
	static const char *const replaced[] = {
		"host", "hostaddr", "port", "sslmode", "sslcert", "sslkey",
		"sslpassword", "sslcertmode", "gssencmode", "password", "service",
		"servicefile", "target_session_attrs", "load_balance_hosts",
		"require_auth", "channel_binding",
	};

	for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
		if (strcmp(keyword, replaced[i]) == 0)
			return true;
	return false;
}

/*
 * The modes that TLS has to be asked for.  One that libpq does not know is left
 * to it to refuse: it may be meant for one that verifies the server.
 */
static bool
may_do_without_tls(const char *sslmode)
{
	return sslmode == NULL || strcmp(sslmode, "disable") == 0 ||
		strcmp(sslmode, "allow") == 0 || strcmp(sslmode, "prefer") == 0;
}

char *
pgcs_target_conninfo(const PgcsTarget *target, const PQconninfoOption *options,
					 const char *cert, const char *key, const char *password)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	const char *sslmode = pgcs_option(options, "sslmode");

	for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
		if (option->val != NULL && option->val[0] != '\0' &&
			!is_replaced(option->keyword))
			pgcs_conninfo_add(&buf, option->keyword, option->val);
	pgcs_conninfo_add(&buf, "host", target->host);
	pgcs_conninfo_add(&buf, "hostaddr", target->hostaddr);
	pgcs_conninfo_add(&buf, "port", target->port);

	/* GSS encryption would come first, and carries no certificate. */
	pgcs_conninfo_add(&buf, "gssencmode", "disable");
	pgcs_conninfo_add(&buf, "sslmode", may_do_without_tls(sslmode) ? "require" : sslmode);
	pgcs_conninfo_add(&buf, "sslcert", cert != NULL ? cert : PGCS_NOTHING);
	if (key != NULL)
		pgcs_conninfo_add(&buf, "sslkey", key);
	pgcs_conninfo_add(&buf, "sslpassword", password != NULL ? password : "");
	return pgcert_buf_take(&buf);
}

int
pgcs_effective_timeout(const pgcs_selector *sel, const PQconninfoOption *options)
{
	const char *text = pgcs_option(options, "connect_timeout");
	long		seconds = text != NULL ? strtol(text, NULL, 10) : 0;

	if (sel->timeout_ms > 0)
		return sel->timeout_ms;
	if (seconds <= 0 || seconds > 24 * 60 * 60)
		return PGCS_DEFAULT_TIMEOUT_MS;

	/* libpq does not wait less than two seconds either */
	return (int) (seconds < 2 ? 2 : seconds) * 1000;
}
