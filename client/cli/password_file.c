/*
 * password_file.c
 *		Key passwords from a file: KEYFILE:PASSWORD, as in .pgpass.
 *
 * "\:" is a colon and "\\" a backslash, in both fields; the first bare colon
 * ends the path.  Lines that begin with # are comments.  Like .pgpass the
 * file must be private, but here an open one is an error, not ignored: its
 * passwords would be missed later, and nobody would know why.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "cli.h"

#define MAX_TEXT_FILE (4 * 1024 * 1024)

static void
say_file(const char *path, const char *words)
{
	fputs("pgcertsel: ", stderr);
	print_escaped(stderr, path);
	fprintf(stderr, ": %s\n", words);
}

char *
read_text_file(const char *path, bool private_file)
{
	struct stat st;
	char	   *text = NULL;
	size_t		len = 0;
	int			fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
	{
		say_file(path, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_TEXT_FILE)
	{
		say_file(path, S_ISREG(st.st_mode) ? "is too large" : "is not a regular file");
		goto fail;
	}
	if (private_file && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
	{
		say_file(path, "has group or world access; permissions should be u=rw (0600) or less");
		goto fail;
	}
	text = malloc((size_t) st.st_size + 1);
	if (text == NULL)
	{
		say_file(path, "out of memory");
		goto fail;
	}
	while (len < (size_t) st.st_size)
	{
		ssize_t		n = read(fd, text + len, (size_t) st.st_size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
		{
			say_file(path, strerror(errno));
			goto fail;
		}
		if (n == 0)
			break;
		len += (size_t) n;
	}
	text[len] = '\0';
	if (strlen(text) != len)
	{
		say_file(path, "holds a NUL byte");
		goto fail;
	}
	close(fd);
	return text;

fail:
	if (text != NULL)
		OPENSSL_cleanse(text, len);
	free(text);
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Takes a field off a line, in place; stops at a bare colon if asked to. */
static char *
take_field(char **line, bool to_colon)
{
	char	   *field = *line;
	char	   *to = field;
	char	   *from = field;

	while (*from != '\0' && !(to_colon && *from == ':'))
	{
		if (*from == '\\' && (from[1] == ':' || from[1] == '\\'))
			from++;
		*to++ = *from++;
	}
	*line = *from == ':' && to_colon ? from + 1 : NULL;
	*to = '\0';
	return field;
}

int
read_password_file(pgcs_selector *sel, const char *path)
{
	char	   *text = read_text_file(path, true);
	size_t		size;
	int			number = 0;
	int			status = 0;
	char	   *next;

	if (text == NULL)
		return EXIT_ERROR;
	size = strlen(text);
	for (char *line = text; line != NULL && status == 0; line = next)
	{
		char	   *rest;
		char	   *key;
		size_t		len = strcspn(line, "\n");

		next = line[len] == '\n' ? line + len + 1 : NULL;
		line[len] = '\0';
		if (len > 0 && line[len - 1] == '\r')
			line[len - 1] = '\0';
		number++;
		if (line[0] == '\0' || line[0] == '#')
			continue;
		rest = line;
		key = take_field(&rest, true);
		if (rest == NULL || rest[0] == '\0' || key[0] == '\0')
		{
			fputs("pgcertsel: ", stderr);
			print_escaped(stderr, path);
			fprintf(stderr, ": line %d is not KEYFILE:PASSWORD\n", number);
			status = EXIT_ERROR;
		}
		else if (pgcs_set_password(sel, key, take_field(&rest, false)) != PGCS_OK)
		{
			say("%s", pgcs_error(sel));
			status = EXIT_ERROR;
		}
	}
	OPENSSL_cleanse(text, size);
	free(text);
	return status;
}
