/*
 * narrow.c
 *		Which files of the directories can matter for a request.
 *
 * What is read here goes the same way as if the whole directory were read, so
 * leaving out too little costs time only.  A certificate is left out if no
 * issuer in its file is a name that the server announces, nor a CA that leads
 * to one and is held locally, so that a chain could be completed.  A key is
 * left out if it is seen to be no such certificate's.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "name.h"
#include "narrow.h"
#include "source_scan.h"

bool
pgcs_narrow_add_directory(PgcsNarrow *narrow, const char *directory,
						  PgcsReasons *problems)
{
	PgcsEntry  *entries;
	size_t		n;
	int			fd;
	bool		ok = true;

	if (narrow->reader.bytes == NULL && !pgcs_reader_init(&narrow->reader))
		return false;
	if (!pgcs_scan_directory(directory, &entries, &n, problems))
		return !problems->failed;
	if (narrow->n + n > narrow->size)
	{
		PgcsGlance *glances = realloc(narrow->glances,
									  (narrow->n + n) * sizeof(*glances));

		ok = glances != NULL;
		if (ok)
		{
			narrow->glances = glances;
			narrow->size = narrow->n + n;
		}
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < n; i++)
	{
		if (ok && entries[i].regular)
			ok = pgcs_glance(&narrow->glances[narrow->n++], &narrow->reader, fd,
							 entries[i].path, entries[i].name);
		else
			free(entries[i].path);
	}
	if (fd >= 0)
		close(fd);
	free(entries);
	return ok;
}

void
pgcs_narrow_free(PgcsNarrow *narrow)
{
	for (size_t i = 0; i < narrow->n; i++)
		pgcs_glance_free(&narrow->glances[i]);
	free(narrow->glances);
	pgcs_reader_free(&narrow->reader);
}

static bool
take(const pgcs_selector *sel, PgcsGlance *glance, PgcsPool *pool,
	 pgcs_bundle *bundle)
{
	if (glance->taken)
		return true;
	glance->taken = true;
	return pgcs_pool_add(sel, pool, bundle, glance->path, false, NULL);
}

/* ---------- certificates ---------- */

/*
 * The announced names, and the CAs held locally that lead to one of them: a
 * certificate of theirs can be completed to a chain.
 */
static bool
find_wanted(const PgcsNarrow *narrow, const pgcs_bundle *bundle,
			PgcsNameIndex *wanted)
{
	PgcsNameIndex by_issuer = {NULL, 0, 0};
	bool	   *seen = calloc(bundle->n_cas + 1, sizeof(*seen));
	bool		ok = seen != NULL;

	for (size_t i = 0; ok && i < narrow->request->n_hosts; i++)
		for (size_t j = 0; ok && j < narrow->request->hosts[i].n_names; j++)
			ok = pgcs_name_index_add(wanted, narrow->request->hosts[i].names[j].name, 0);
	for (size_t i = 0; ok && i < bundle->n_cas; i++)
		ok = pgcs_name_index_add(&by_issuer,
								 X509_get_issuer_name(bundle->cas[i].cert), i);
	pgcs_name_index_sort(&by_issuer);
	for (size_t i = 0; ok && i < wanted->n; i++)
	{
		PgcsNameEntry entry = wanted->entries[i];
		size_t		position = 0;
		size_t		ca;

		while (ok && pgcs_name_index_next(&by_issuer, entry.name, entry.hash,
										  &position, &ca))
		{
			if (!seen[ca])
				ok = pgcs_name_index_add(wanted,
										 X509_get_subject_name(bundle->cas[ca].cert), 0);
			seen[ca] = true;
		}
	}
	pgcs_name_index_sort(wanted);
	pgcs_name_index_free(&by_issuer);
	free(seen);
	return ok;
}

/* One certificate's issuer, and the file that it is in. */
typedef struct Issued
{
	PgcsBytes	issuer;
	size_t		glance;
} Issued;

static int
compare_bytes(const PgcsBytes *a, const PgcsBytes *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->data, b->data, a->len);
}

static int
compare_issued(const void *a, const void *b)
{
	return compare_bytes(&((const Issued *) a)->issuer,
						 &((const Issued *) b)->issuer);
}

static bool
is_wanted(const PgcsNameIndex *wanted, PgcsBytes der)
{
	X509_NAME  *name = pgcert_name_from_der(der.data, der.len);
	size_t		position = 0;
	size_t		value;
	bool		found;

	found = name != NULL && pgcs_name_index_next(wanted, name, pgcs_name_hash(name),
												 &position, &value);
	X509_NAME_free(name);
	ERR_clear_error();
	return found;
}

/* Each name is decoded once, however many certificates it issued. */
static bool
take_issued(PgcsNarrow *narrow, const PgcsNameIndex *wanted, PgcsPool *pool,
			pgcs_bundle *bundle)
{
	Issued	   *issued;
	size_t		n = 0;
	bool		is_live = false;
	bool		ok = true;

	for (size_t i = 0; i < narrow->n; i++)
		n += narrow->glances[i].n_issuers;
	issued = calloc(n + 1, sizeof(*issued));
	if (issued == NULL)
		return false;
	n = 0;
	for (size_t i = 0; i < narrow->n; i++)
		for (size_t j = 0; j < narrow->glances[i].n_issuers; j++)
			issued[n++] = (Issued) {narrow->glances[i].issuers[j], i};
	if (n > 1)
		qsort(issued, n, sizeof(*issued), compare_issued);
	for (size_t i = 0; ok && i < n; i++)
	{
		if (i == 0 || compare_issued(&issued[i - 1], &issued[i]) != 0)
			is_live = is_wanted(wanted, issued[i].issuer);
		if (is_live)
			ok = take(narrow->sel, &narrow->glances[issued[i].glance], pool, bundle);
	}
	free(issued);
	return ok;
}

/* ---------- keys ---------- */

/* The public keys of the certificates that were taken. */
typedef struct PublicKeys
{
	PgcsBytes  *keys;
	size_t		n;
} PublicKeys;

static int
compare_keys(const void *a, const void *b)
{
	return compare_bytes(a, b);
}

static bool
find_public_keys(const PgcsPool *pool, PublicKeys *keys)
{
	keys->n = 0;
	keys->keys = calloc(pool->n + 1, sizeof(*keys->keys));
	if (keys->keys == NULL)
		return false;
	for (size_t i = 0; i < pool->n; i++)
	{
		X509	   *leaf = pool->files[i]->leaf;
		const ASN1_BIT_STRING *bits = leaf != NULL ? X509_get0_pubkey_bitstr(leaf) : NULL;

		if (bits != NULL &&
			pgcs_der_public_key(ASN1_STRING_get0_data(bits),
								(size_t) ASN1_STRING_length(bits),
								&keys->keys[keys->n]))
			keys->n++;
	}
	if (keys->n > 1)
		qsort(keys->keys, keys->n, sizeof(*keys->keys), compare_keys);
	return true;
}

/*
 * Is a certificate of the same stem among those that were taken?  The files
 * of one stem lie near each other: see find_by_stem() in pairing.c.
 */
static bool
has_certificate_of_stem(const PgcsNarrow *narrow, size_t key)
{
	const char *path = narrow->glances[key].path;
	size_t		len = pgcs_stem_len(path);

	for (size_t i = key; i-- > 0 && strncmp(narrow->glances[i].path, path, len) == 0;)
		if (narrow->glances[i].taken && pgcs_same_stem(narrow->glances[i].path, path))
			return true;
	for (size_t i = key + 1; i < narrow->n &&
		 strncmp(narrow->glances[i].path, path, len) == 0; i++)
		if (narrow->glances[i].taken && pgcs_same_stem(narrow->glances[i].path, path))
			return true;
	return false;
}

static bool
take_keys(PgcsNarrow *narrow, PgcsPool *pool, pgcs_bundle *bundle)
{
	PublicKeys	keys;
	bool		ok = find_public_keys(pool, &keys);

	for (size_t i = 0; ok && i < narrow->n; i++)
	{
		PgcsGlance *glance = &narrow->glances[i];
		bool		fits = false;

		if (glance->key == PGCS_GLANCE_NO_KEY || glance->taken)
			continue;
		if (glance->key != PGCS_GLANCE_PUBLIC)
			fits = has_certificate_of_stem(narrow, i);
		else if (keys.n > 0)
			fits = bsearch(&glance->public, keys.keys, keys.n, sizeof(*keys.keys),
						   compare_keys) != NULL;
		if (fits)
			ok = take(narrow->sel, glance, pool, bundle);
	}
	free(keys.keys);
	return ok;
}

bool
pgcs_narrow_take(PgcsNarrow *narrow, PgcsPool *pool, pgcs_bundle *bundle)
{
	PgcsNameIndex wanted = {NULL, 0, 0};
	bool		ok = true;

	for (size_t i = 0; ok && i < narrow->n; i++)
		if (narrow->glances[i].unclear || narrow->glances[i].may_be_ca)
			ok = take(narrow->sel, &narrow->glances[i], pool, bundle);
	ok = ok && find_wanted(narrow, bundle, &wanted) &&
		take_issued(narrow, &wanted, pool, bundle) &&
		take_keys(narrow, pool, bundle);
	pgcs_name_index_free(&wanted);
	return ok;
}

static bool
is_closed(const PgcsNarrow *narrow, const PgcsGlance *glance)
{
	if (glance->taken)
		return false;
	return glance->key == PGCS_GLANCE_OPAQUE ||
		(glance->key == PGCS_GLANCE_ENCRYPTED &&
		 pgcs_selector_password(narrow->sel, glance->path) != NULL);
}

bool
pgcs_narrow_has_closed(const PgcsNarrow *narrow)
{
	for (size_t i = 0; i < narrow->n; i++)
		if (is_closed(narrow, &narrow->glances[i]))
			return true;
	return false;
}

bool
pgcs_narrow_take_closed(PgcsNarrow *narrow, PgcsPool *pool, pgcs_bundle *bundle)
{
	bool		ok = true;

	for (size_t i = 0; ok && i < narrow->n; i++)
		if (is_closed(narrow, &narrow->glances[i]))
			ok = take(narrow->sel, &narrow->glances[i], pool, bundle);
	return ok;
}
