/*
 * source_file.c
 *		The bytes of a file, read so that nothing in a directory can block
 *		or flood the reader, and libpq's rules for files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "source_file.h"

void
pgcs_stamp_set(PgcsStamp *stamp, const struct stat *st)
{
	*stamp = (PgcsStamp) {
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mode = st->st_mode,
		.uid = st->st_uid,
#ifdef __APPLE__
		.mtime = st->st_mtimespec,
		.ctime = st->st_ctimespec,
#else
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
#endif
	};
}

bool
pgcs_stamp_equal(const PgcsStamp *a, const PgcsStamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
		a->mode == b->mode && a->uid == b->uid &&
		a->mtime.tv_sec == b->mtime.tv_sec &&
		a->mtime.tv_nsec == b->mtime.tv_nsec &&
		a->ctime.tv_sec == b->ctime.tv_sec &&
		a->ctime.tv_nsec == b->ctime.tv_nsec;
}

void
pgcs_openssl_forget(bool *no_memory)
{
	unsigned long code;

	while ((code = ERR_get_error()) != 0)
		if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
			*no_memory = true;
}

void
pgcs_openssl_words(char *words, size_t size, bool *no_memory)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	snprintf(words, size, "%s",
			 reason != NULL ? reason : "OpenSSL does not say why");
	pgcs_openssl_forget(no_memory);
}

void
pgcs_file_errno(PgcsReasons *reasons, pgcs_severity severity,
				const char *path, int error)
{
	const char *code = "file-unreadable";

	if (error == ENOENT || error == ENOTDIR)
		code = "file-missing";
	pgcs_reasons_add(reasons, severity, code, path,
					 "could not open file: %s", strerror(error));
}

/* Anything but a regular file could block, or never end. */
static bool
check_kind(const struct stat *st, const char *path, pgcs_severity severity,
		   PgcsReasons *reasons)
{
	const char *kind = "a special file";

	if (S_ISREG(st->st_mode))
		return true;
	if (S_ISDIR(st->st_mode))
	{
		pgcs_reasons_add(reasons, severity, "file-directory", path,
						 "is a directory, not a file");
		return false;
	}
	if (S_ISFIFO(st->st_mode))
		kind = "a FIFO";
	else if (S_ISSOCK(st->st_mode))
		kind = "a socket";
	else if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		kind = "a device";
	pgcs_reasons_add(reasons, severity, "file-special", path,
					 "is %s, not a regular file", kind);
	return false;
}

bool
pgcs_read_bytes(const char *path, size_t max, pgcs_severity severity,
				unsigned char **data, size_t *len, PgcsStamp *stamp,
				PgcsReasons *reasons)
{
	struct stat st;
	unsigned char *bytes = NULL;
	size_t		size = 0;
	size_t		n = 0;
	int			fd = -1;
	bool		ok = false;

	/* Opening alone can have effects on a device, so look before. */
	if (stat(path, &st) != 0)
	{
		pgcs_file_errno(reasons, severity, path, errno);
		return false;
	}
	if (!check_kind(&st, path, severity, reasons))
		return false;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
	{
		pgcs_file_errno(reasons, severity, path, errno);
		goto out;
	}
	if (!check_kind(&st, path, severity, reasons))
		goto out;
	if (st.st_size > (off_t) max)
	{
		pgcs_reasons_add(reasons, severity, "file-too-large", path,
						 "is larger than %zu bytes, so it was not read", max);
		goto out;
	}

	/* One byte more than it should have, so that growth is noticed. */
	size = (size_t) st.st_size + 1;
	bytes = malloc(size + 1);
	if (bytes == NULL)
	{
		reasons->failed = true;
		goto out;
	}
	while (n < size)
	{
		ssize_t		r = read(fd, bytes + n, size - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
		{
			pgcs_reasons_add(reasons, severity, "file-unreadable", path,
							 "could not read file: %s", strerror(errno));
			goto out;
		}
		n += (size_t) r;

		/* so much as it has, where more was asked for: that is its end */
		if (r == 0 || n == (size_t) st.st_size)
			break;
	}
	if (n > (size_t) st.st_size)
	{
		pgcs_reasons_add(reasons, severity, "file-unreadable", path,
						 "grew while it was being read");
		goto out;
	}
	if (n == 0)
	{
		pgcs_reasons_add(reasons, severity, "file-empty", path, "is empty");
		goto out;
	}
	bytes[n] = '\0';
	pgcs_stamp_set(stamp, &st);
	*data = bytes;
	*len = n;
	bytes = NULL;
	ok = true;
out:
	if (bytes != NULL)
	{
		OPENSSL_cleanse(bytes, n);
		free(bytes);
	}
	if (fd >= 0)
		close(fd);
	return ok;
}

/*
 * As pgtls_open_client() has it: a file of root's may be readable by its
 * group, any other by its owner alone.  Whose it is does not matter.
 */
bool
pgcs_check_key_mode(PgcsReasons *reasons, const char *path, mode_t mode,
					uid_t uid)
{
	PgcertBuf	printable = PGCERT_BUF_INIT;
	char	   *name;

	if (uid == 0 ? (mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0
		: (mode & (S_IRWXG | S_IRWXO)) == 0)
		return true;
	pgcs_reasons_add(reasons, PGCS_FATAL, "key-mode", path,
					 "private key file has group or world access (mode %04o), so libpq refuses it",
					 (unsigned int) (mode & 07777));
	pgcert_buf_escaped(&printable, path, strlen(path));
	name = pgcert_buf_take(&printable);
	if (name == NULL)
		reasons->failed = true;
	else
		pgcs_reasons_hint(reasons, "chmod 0600 %s", name);
	free(name);
	return false;
}

void
pgcs_file_forget(PgcsFile *file)
{
	if (file->data != NULL)
	{
		OPENSSL_cleanse(file->data, file->data_len);
		free(file->data);
	}
	file->data = NULL;
	file->data_len = 0;
}

void
pgcs_file_free(PgcsFile *file)
{
	if (file == NULL)
		return;
	pgcs_file_forget(file);
	free(file->path);
	X509_free(file->leaf);
	sk_X509_pop_free(file->extra, X509_free);
	pgcs_reasons_free(&file->reasons);
	free(file);
}
