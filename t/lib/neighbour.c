/*
 * neighbour.c
 *		A library that uses ClientAuthentication_hook as well, for tests.
 *
 * It says who logs in and what it was told of it.  In the folder that
 * NEIGHBOUR_DIR names, a file "hold" lets it wait, in a login that has come so
 * far, until the file is gone; with a file "refuse" it turns the login away;
 * and with "swallow" it does not pass the call on, as it should.  NAME is its
 * name, by which two of them are told apart: the files are "hold-NAME" and so
 * on.
 */
#include "postgres.h"

#include <unistd.h>

#include "fmgr.h"
#include "libpq/auth.h"
#include "miscadmin.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static ClientAuthentication_hook_type previous = NULL;

static bool
is_told_to(const char *what)
{
	const char *dir = getenv("NEIGHBOUR_DIR");
	char		path[MAXPGPATH];

	snprintf(path, sizeof(path), "%s/%s-%s", dir ? dir : "", what, NAME);
	return access(path, F_OK) == 0;
}

static void
client_authentication(Port *port, int status)
{
	if (previous && !is_told_to("swallow"))
		previous(port, status);
	ereport(LOG,
			(errmsg("neighbour %s: role \"%s\", status %d",
					NAME, port->user_name, status)));
	while (is_told_to("hold"))
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10000);
	}
	if (is_told_to("refuse"))
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("neighbour %s turns you away", NAME)));
}

void
_PG_init(void)
{
	previous = ClientAuthentication_hook;
	ClientAuthentication_hook = client_authentication;
}
