/*
 * addresses.c
 *		The addresses of a host's name, as hosts of their own.
 *
 * Behind one name there may be several servers, each with CAs of its own, and
 * libpq decides at which address it ends.  So that a server gets the
 * certificate that it was asked about, each address is probed, remembered and
 * connected to for itself, in libpq's order.
 */
#include <stdlib.h>
#include <string.h>

#include <netdb.h>
#include <sys/socket.h>

#include <openssl/rand.h>

#include "connection.h"

bool
pgcs_targets_shuffle(PgcsTarget *targets, size_t n)
{
	for (size_t i = n; i > 1; i--)
	{
		uint32_t	random;
		PgcsTarget	swap;

		if (RAND_bytes((unsigned char *) &random, sizeof(random)) != 1)
			return false;
		swap = targets[i - 1];
		targets[i - 1] = targets[random % i];
		targets[random % i] = swap;
	}
	return true;
}

/*
 * One address of it; the name alone, if the address cannot be written.  What
 * there is no memory for is NULL.
 */
static PgcsTarget
at_address(const PgcsTarget *whole, const struct addrinfo *address)
{
	PgcsTarget	one = {.position = whole->position, .split = true};
	char		text[NI_MAXHOST];

	if (getnameinfo(address->ai_addr, address->ai_addrlen, text, sizeof(text),
					NULL, 0, NI_NUMERICHOST) != 0)
		text[0] = '\0';
	one.host = strdup(whole->host);
	one.hostaddr = strdup(text);
	one.port = strdup(whole->port);
	one.label = strdup(whole->label);
	return one;
}

static bool
is_complete(const PgcsTarget *target)
{
	return target->host != NULL && target->hostaddr != NULL &&
		target->port != NULL && target->label != NULL;
}

/* Of a name that has none, libpq has words of its own. */
static struct addrinfo *
look_up(const PgcsTarget *target)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;

	if (target->hostaddr[0] != '\0' || target->host[0] == '\0' ||
		target->host[0] == '/' || target->host[0] == '@' ||
		getaddrinfo(target->host, NULL, &hints, &list) != 0)
		return NULL;
	return list;
}

bool
pgcs_targets_split(PgcsTarget **targets, size_t *n, size_t at, bool shuffle)
{
	PgcsTarget	whole = (*targets)[at];
	PgcsTarget *longer;
	struct addrinfo *list;
	size_t		n_addresses = 0;
	size_t		i = at;
	bool		ok = true;

	if (whole.split)
		return true;
	(*targets)[at].split = true;
	list = look_up(&whole);
	for (const struct addrinfo *address = list; address != NULL; address = address->ai_next)
		n_addresses++;
	if (n_addresses == 0)
		return true;
	longer = realloc(*targets, (*n + n_addresses - 1) * sizeof(*longer));
	if (longer == NULL)
	{
		freeaddrinfo(list);
		return false;
	}
	*targets = longer;
	memmove(longer + at + n_addresses, longer + at + 1,
			(*n - at - 1) * sizeof(*longer));
	*n += n_addresses - 1;
	for (const struct addrinfo *address = list; address != NULL; address = address->ai_next)
	{
		longer[i] = at_address(&whole, address);
		ok = ok && is_complete(&longer[i]);
		i++;
	}
	freeaddrinfo(list);
	free(whole.host);
	free(whole.hostaddr);
	free(whole.port);
	free(whole.label);
	return ok && (!shuffle || pgcs_targets_shuffle(longer + at, n_addresses));
}
