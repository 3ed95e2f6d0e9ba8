/*
 * route.c
 *		The hosts of a connection attempt, one after the other.
 *
 * The order is libpq's: as written, or random, and twice if a standby is
 * preferred; each host is looked up when its turn comes.
 */
#include <stdlib.h>
#include <string.h>

#include "route.h"
#include "selector.h"

static bool
prefers_standby(const PgcsRoute *route)
{
	const char *attrs = pgcs_option(route->options, "target_session_attrs");

	return attrs != NULL && strcmp(attrs, "prefer-standby") == 0 &&
		route->n_hosts > 1;
}

static bool
balances(const PgcsRoute *route)
{
	const char *balance = pgcs_option(route->options, "load_balance_hosts");

	return balance != NULL && strcmp(balance, "random") == 0;
}

bool
pgcs_route_init(PgcsRoute *route, pgcs_selector *sel, const PQconninfoOption *options)
{
	*route = (PgcsRoute) {.options = options};
	route->targets = pgcs_targets(sel, options, &route->n_targets);
	if (route->targets == NULL)
		return false;
	route->n_hosts = route->n_targets;
	if (balances(route) && !pgcs_targets_shuffle(route->targets, route->n_targets))
	{
		pgcs_fail(sel, PGCS_FAILED, "no random numbers for load_balance_hosts");
		return false;
	}
	return true;
}

void
pgcs_route_free(PgcsRoute *route)
{
	pgcs_targets_free(route->targets, route->n_targets);
	*route = (PgcsRoute) {0};
}

const PgcsTarget *
pgcs_route_target(const PgcsRoute *route)
{
	return &route->targets[route->at - 1];
}

bool
pgcs_route_has_next(const PgcsRoute *route)
{
	return route->at < route->n_targets ||
		(prefers_standby(route) && !route->second_pass);
}

bool
pgcs_route_next(PgcsRoute *route)
{
	if (route->at == route->n_targets)
	{
		route->second_pass = true;
		route->at = 0;
	}
	route->at++;
	return pgcs_targets_split(&route->targets, &route->n_targets, route->at - 1,
							  balances(route));
}

void
pgcs_route_skip_addresses(PgcsRoute *route)
{
	size_t		position = pgcs_route_target(route)->position;

	while (route->at < route->n_targets &&
		   route->targets[route->at].position == position)
		route->at++;
}

static void
add_host(PgcertBuf *buf, const PgcsTarget *target)
{
	pgcs_conninfo_add(buf, "host", target->host);
	pgcs_conninfo_add(buf, "hostaddr", target->hostaddr);
	pgcs_conninfo_add(buf, "port", target->port);
}

char *
pgcs_route_conninfo(const PgcsRoute *route, const char *cert, const char *key,
					const char *password)
{
	static const char *const replaced[] = {
		"host", "hostaddr", "port", "sslcert", "sslkey", "sslpassword",
		"service", "servicefile", "target_session_attrs",
	};
	PgcertBuf	buf = PGCERT_BUF_INIT;
	const char *attrs = pgcs_option(route->options, "target_session_attrs");

	for (const PQconninfoOption *option = route->options; option->keyword != NULL; option++)
	{
		bool		is_replaced = false;

		for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
			is_replaced = is_replaced || strcmp(option->keyword, replaced[i]) == 0;
		if (!is_replaced && option->val != NULL && option->val[0] != '\0')
			pgcs_conninfo_add(&buf, option->keyword, option->val);
	}
	add_host(&buf, pgcs_route_target(route));
	pgcs_conninfo_add(&buf, "sslcert", cert != NULL ? cert : PGCS_NOTHING);
	pgcs_conninfo_add(&buf, "sslpassword", password != NULL ? password : "");
	if (cert != NULL)
		pgcs_conninfo_add(&buf, "sslkey", key);

	/* a standby is preferred among all hosts, not at each of them */
	if (prefers_standby(route))
		attrs = route->second_pass ? "any" : "standby";
	if (attrs != NULL)
		pgcs_conninfo_add(&buf, "target_session_attrs", attrs);
	return pgcert_buf_take(&buf);
}

/* The server may announce other CAs by the name that it is asked for. */
char *
pgcs_route_cache_key(const PgcsRoute *route)
{
	static const char *const keywords[] = {
		"sslmode", "sslrootcert", "sslnegotiation", "sslsni",
		"ssl_min_protocol_version", "ssl_max_protocol_version",
	};
	PgcertBuf	buf = PGCERT_BUF_INIT;

	add_host(&buf, pgcs_route_target(route));
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
	{
		const char *value = pgcs_option(route->options, keywords[i]);

		pgcs_conninfo_add(&buf, keywords[i], value != NULL ? value : "");
	}
	return pgcert_buf_take(&buf);
}
