/*
 * route.h
 *		The hosts of a connection attempt, one after the other.
 */
#ifndef PGCS_ROUTE_H
#define PGCS_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "connection.h"

typedef struct PgcsRoute
{
	const PQconninfoOption *options;	/* the caller's */
	PgcsTarget *targets;
	size_t		n_targets;
	size_t		n_hosts;		/* of which some have several addresses */
	size_t		at;				/* the target after the present one */
	bool		second_pass;	/* of prefer-standby */
} PgcsRoute;

/* Before the first host.  False with the selector's error set. */
extern bool pgcs_route_init(PgcsRoute *route, pgcs_selector *sel,
							const PQconninfoOption *options);
extern void pgcs_route_free(PgcsRoute *route);

/* Is there any host, or address, left after the present one? */
extern bool pgcs_route_has_next(const PgcsRoute *route);

/* Goes on to it.  False if out of memory. */
extern bool pgcs_route_next(PgcsRoute *route);

/* Past the other addresses of the present host. */
extern void pgcs_route_skip_addresses(PgcsRoute *route);

/* The present one: none before pgcs_route_next(). */
extern const PgcsTarget *pgcs_route_target(const PgcsRoute *route);

/*
 * The parameters as they are, but for the host, the certificate (NULL: none)
 * and which sessions are wanted.  The caller wipes and frees it.
 */
extern char *pgcs_route_conninfo(const PgcsRoute *route, const char *cert,
								 const char *key, const char *password);

/* Whatever the answer of the present host depends on.  The caller frees it. */
extern char *pgcs_route_cache_key(const PgcsRoute *route);

#endif							/* PGCS_ROUTE_H */
