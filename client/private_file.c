/*
 * private_file.c
 *		Files that nobody else can read, in a directory that nobody else can
 *		enter.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "buf.h"
#include "private_file.h"

static const char *
name_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

char *
pgcs_private_path(const char *directory, const char *original, const char *which,
				  const char *suffix)
{
	PgcertBuf	hashed = PGCERT_BUF_INIT;
	PgcertBuf	buf = PGCERT_BUF_INIT;
	unsigned char digest[EVP_MAX_MD_SIZE];
	const char *name = name_of(original);
	const char *dot = strrchr(name, '.');
	char	   *text;
	bool		ok;

	pgcert_buf_text(&hashed, original);
	if (which != NULL)
		pgcert_buf_printf(&hashed, "\n%s", which);
	text = pgcert_buf_take(&hashed);
	ok = text != NULL &&
		EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1;
	free(text);
	if (!ok)
		return NULL;
	pgcert_buf_text(&buf, directory);
	pgcert_buf_text(&buf, "/");
	pgcert_buf_bytes(&buf, name, dot != NULL && dot > name
					 ? (size_t) (dot - name) : strlen(name));
	pgcert_buf_text(&buf, "-");
	pgcert_buf_hex(&buf, digest, 8);
	pgcert_buf_text(&buf, suffix);
	return pgcert_buf_take(&buf);
}

int
pgcs_private_directory(const char *path, const char **why)
{
	char	   *directory = strndup(path, (size_t) (name_of(path) - path - 1));
	struct stat st;
	int			fd = -1;

	*why = NULL;
	if (directory == NULL)
		return -1;
	if (mkdir(directory, 0700) != 0 && errno != EEXIST)
		*why = strerror(errno);
	else if ((fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
			 fstat(fd, &st) != 0)
		*why = strerror(errno);
	else if (st.st_uid != geteuid())
		*why = "the directory belongs to another user";
	else if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		*why = "the directory has group or world access; it should be private (0700)";
	free(directory);
	if (*why != NULL && fd >= 0)
	{
		close(fd);
		fd = -1;
	}
	return fd;
}

char *
pgcs_private_read(int directory, const char *path, size_t max, size_t *len)
{
	struct stat st;
	char	   *found = NULL;
	int			fd = openat(directory, name_of(path),
							O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 &&
		st.st_size > 0 && st.st_size <= (off_t) max &&
		(found = malloc((size_t) st.st_size)) != NULL)
	{
		*len = (size_t) st.st_size;
		if (read(fd, found, *len) != (ssize_t) *len)
		{
			pgcs_private_free(found, *len);
			found = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return found;
}

bool
pgcs_private_replace(int directory, const char *path, const char *content, size_t len)
{
	char		temporary[64];
	uint64_t	random;
	size_t		done = 0;
	int			fd;
	int			error;

	/* by chance, since other threads and processes may be at it, too */
	if (RAND_bytes((unsigned char *) &random, sizeof(random)) != 1)
	{
		ERR_clear_error();
		errno = EIO;
		return false;
	}
	snprintf(temporary, sizeof(temporary), ".pgcertsel.%016" PRIx64, random);
	fd = openat(directory, temporary,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	while (done < len)
	{
		ssize_t		n = write(fd, content + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			goto fail;
		done += (size_t) n;
	}
	if (fsync(fd) == 0 &&
		renameat(directory, temporary, directory, name_of(path)) == 0)
	{
		close(fd);
		return true;
	}
fail:
	error = errno;
	close(fd);
	unlinkat(directory, temporary, 0);
	errno = error;
	return false;
}

void
pgcs_private_free(char *content, size_t len)
{
	if (content != NULL)
		OPENSSL_cleanse(content, len);
	free(content);
}
