/*
 * complete.c
 *		The missing link: chains completed with what else is held.
 *
 * libpq sends what is in the file and nothing else, so an intermediate that
 * lies in another file might as well not be there.  The completed chain is a
 * file of its own, in a directory that is nobody else's: reused while it is
 * right, replaced as a whole when it is not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "bundle.h"
#include "name.h"

/* No chain that makes sense is longer. */
#define MAX_ADDED 10

/* ---------- what to add ---------- */

static bool
is_among(X509 *cert, X509 *leaf, STACK_OF(X509) *chain)
{
	if (X509_cmp(cert, leaf) == 0)
		return true;
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (X509_cmp(cert, sk_X509_value(chain, i)) == 0)
			return true;
	return false;
}

static bool
is_self_issued(X509 *cert)
{
	return pgcert_name_equal(X509_get_subject_name(cert),
							 X509_get_issuer_name(cert));
}

/* Adds the issuers of one certificate; every one, where several fit. */
static bool
add_issuers(const pgcs_bundle *bundle, pgcs_identity *identity, X509 *cert,
			int *n_added, PgcertBuf *words)
{
	for (size_t i = 0; i < bundle->n_cas && *n_added < MAX_ADDED; i++)
	{
		const PgcsLocalCa *ca = &bundle->cas[i];
		char	   *name;
		bool		fits;

		fits = !is_self_issued(ca->cert) &&
			!is_among(ca->cert, identity->leaf, identity->extra) &&
			X509_check_issued(ca->cert, cert) == X509_V_OK &&
			X509_verify(cert, X509_get0_pubkey(ca->cert)) == 1;
		ERR_clear_error();
		if (!fits)
			continue;
		if (!sk_X509_push(identity->extra, ca->cert))
			return false;
		X509_up_ref(ca->cert);
		name = pgcert_name_text(X509_get_subject_name(ca->cert));
		if (name == NULL)
			return false;
		pgcert_buf_printf(words, "%s\"%s\" from ", (*n_added)++ > 0 ? ", " : "", name);
		pgcert_buf_escaped(words, ca->path, strlen(ca->path));
		free(name);
	}
	return !words->failed;
}

/* DIRECTORY/stem-HASH.crt, the hash being that of the original's path. */
static char *
chain_path(const char *directory, const char *original)
{
	PgcertBuf	buf = PGCERT_BUF_INIT;
	unsigned char digest[EVP_MAX_MD_SIZE];
	const char *name = strrchr(original, '/') + 1;
	const char *dot = strrchr(name, '.');

	if (EVP_Digest(original, strlen(original), digest, NULL, EVP_sha256(), NULL) != 1)
		return NULL;
	pgcert_buf_text(&buf, directory);
	pgcert_buf_text(&buf, "/");
	pgcert_buf_bytes(&buf, name, dot != NULL && dot > name
					 ? (size_t) (dot - name) : strlen(name));
	pgcert_buf_text(&buf, "-");
	pgcert_buf_hex(&buf, digest, 8);
	pgcert_buf_text(&buf, ".crt");
	return pgcert_buf_take(&buf);
}

/* The completed identity, or NULL if there is nothing to add. */
static bool
complete(const pgcs_bundle *bundle, const pgcs_identity *identity,
		 const char *directory, pgcs_identity **result)
{
	PgcertBuf	words = PGCERT_BUF_INIT;
	char	   *path = chain_path(directory, identity->cert_path);
	char	   *text = NULL;
	pgcs_identity *copy = NULL;
	int			n_added = 0;
	bool		ok;

	*result = NULL;
	ok = path != NULL && (copy = pgcs_identity_copy(identity, path)) != NULL &&
		add_issuers(bundle, copy, copy->leaf, &n_added, &words);
	for (int i = 0; ok && i < sk_X509_num(copy->extra); i++)
		ok = add_issuers(bundle, copy, sk_X509_value(copy->extra, i), &n_added, &words);
	if (ok && n_added > 0)
	{
		text = pgcert_buf_take(&words);
		ok = text != NULL;
		if (ok)
		{
			copy->completed = true;
			pgcs_reasons_add(&copy->reasons, PGCS_NOTE, "chain-completed",
							 identity->cert_path, "its chain is completed with %s", text);
			*result = copy;
			copy = NULL;
		}
	}
	pgcs_identity_free(copy);
	pgcert_buf_free(&words);
	free(text);
	free(path);
	return ok;
}

bool
pgcs_complete_chains(pgcs_bundle *bundle, const char *directory)
{
	size_t		n = bundle->n_identities;

	for (size_t i = 0; i < n; i++)
	{
		pgcs_identity *completed;

		if (pgcs_reasons_have_fatal(&bundle->identities[i]->reasons))
			continue;
		if (!complete(bundle, bundle->identities[i], directory, &completed))
			return false;
		if (completed != NULL && !pgcs_bundle_add_identity(bundle, completed))
			return false;
	}
	return true;
}

/* ---------- writing it ---------- */

static bool
refuse(PgcsReasons *reasons, const char *path, const char *what)
{
	pgcs_reasons_add(reasons, PGCS_FATAL, "chain-not-written", path,
					 "could not write the completed chain: %s", what);
	return false;
}

static char *
chain_pem(const pgcs_identity *identity, size_t *len)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *data;
	char	   *copy = NULL;
	bool		ok = bio != NULL && PEM_write_bio_X509(bio, identity->leaf) == 1;

	for (int i = 0; ok && i < sk_X509_num(identity->extra); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(identity->extra, i)) == 1;
	if (ok)
	{
		*len = (size_t) BIO_get_mem_data(bio, &data);
		copy = malloc(*len + 1);
		if (copy != NULL)
			memcpy(copy, data, *len);
	}
	BIO_free(bio);
	ERR_clear_error();
	return copy;
}

/* Opens the directory, if it is private; -1 with a reason added. */
static int
open_private_directory(const char *path, const char *directory, PgcsReasons *reasons)
{
	struct stat st;
	int			fd;

	if (mkdir(directory, 0700) != 0 && errno != EEXIST)
	{
		refuse(reasons, path, strerror(errno));
		return -1;
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
	{
		refuse(reasons, path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
	{
		refuse(reasons, path, st.st_uid != geteuid()
			   ? "the directory belongs to another user"
			   : "the directory has group or world access; it should be private (0700)");
		close(fd);
		return -1;
	}
	return fd;
}

/* Is this very content there, in a private file? */
static bool
is_written(int directory, const char *name, const char *content, size_t len)
{
	struct stat st;
	char	   *found = NULL;
	bool		same = false;
	int			fd = openat(directory, name,
							O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0 &&
		st.st_size == (off_t) len && (found = malloc(len)) != NULL)
		same = read(fd, found, len) == (ssize_t) len &&
			memcmp(found, content, len) == 0;
	free(found);
	if (fd >= 0)
		close(fd);
	return same;
}

/* Replaces the file as a whole, so that no reader sees half of it. */
static bool
replace(int directory, const char *name, const char *content, size_t len)
{
	char		temporary[64];
	size_t		done = 0;
	int			fd;
	int			error;

	snprintf(temporary, sizeof(temporary), ".pgcertsel.%ld", (long) getpid());
	fd = openat(directory, temporary,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
	{
		/* left behind by a process of the same number that was killed */
		unlinkat(directory, temporary, 0);
		fd = openat(directory, temporary,
					O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
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
		renameat(directory, temporary, directory, name) == 0)
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

bool
pgcs_write_chain(const pgcs_identity *identity, PgcsReasons *reasons)
{
	const char *path = identity->cert_path;
	const char *name = strrchr(path, '/') + 1;
	char	   *directory = strndup(path, (size_t) (name - path - 1));
	size_t		len = 0;
	char	   *content = chain_pem(identity, &len);
	int			fd = -1;
	bool		ok = false;

	if (directory == NULL || content == NULL)
		reasons->failed = true;
	else if ((fd = open_private_directory(path, directory, reasons)) >= 0)
	{
		ok = is_written(fd, name, content, len) || replace(fd, name, content, len);
		if (!ok)
			refuse(reasons, path, strerror(errno));
		close(fd);
	}
	free(directory);
	free(content);
	return ok;
}
