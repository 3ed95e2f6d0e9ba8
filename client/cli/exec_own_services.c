/*
 * exec_own_services.c
 *		The user's own services, for a program that may name one of them.
 *
 * PGSERVICEFILE hides the file that the user has, so what is in it goes along
 * behind the connection's own section.  Each section gets the password of the
 * chosen key as its last line: the first line of a keyword wins, so what a
 * service says itself stays.  (The certificate and the key come from the
 * environment, for all of them.)
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

/* Where libpq would look, if there is anything to be read. */
static bool
find_file(char *path, size_t size)
{
	const char *named = getenv("PGSERVICEFILE");
	struct stat st;

	if (named != NULL && named[0] != '\0')
	{
		if ((size_t) snprintf(path, size, "%s", named) >= size)
			return false;
	}
	else if (!home_path(path, size, ".pg_service.conf"))
		return false;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
begins_with(const char *line, size_t len, const char *text)
{
	return len >= strlen(text) && strncmp(line, text, strlen(text)) == 0;
}

void
add_own_services(PgcertBuf *file, const char *addition)
{
	char		path[4096];
	char	   *text;
	bool		in_section = false;
	bool		own_key = false;	/* the section has a key of its own */

	if (!find_file(path, sizeof(path)) ||
		(text = read_text_file(path, false)) == NULL)
		return;
	for (const char *line = text; *line != '\0';)
	{
		size_t		len;

		/* as libpq does; lines before the first section mean nothing */
		while (isspace((unsigned char) *line))
			line++;
		len = strcspn(line, "\n");
		if (*line == '[')
		{
			if (in_section && !own_key)
				pgcert_buf_text(file, addition);
			in_section = true;
			own_key = false;
		}
		if (begins_with(line, len, "sslkey=") || begins_with(line, len, "sslpassword="))
			own_key = true;
		if (in_section)
		{
			pgcert_buf_bytes(file, line, len);
			pgcert_buf_text(file, "\n");
		}
		line += len;
	}
	if (in_section && !own_key)
		pgcert_buf_text(file, addition);
	pgcs_text_free(text);
}
