/*
 * narrow.c
 *		Which files of the directories can matter for a request.
 *
 * What is read here goes the same way as if the whole directory were read, so
 * leaving out too little costs time only.  A file's first certificate is the
 * one that libpq would send, the others are its chain; if any may be a CA's,
 * the file is read.  Otherwise it is left out unless the first one's issuer is
 * a name that the server announces, or a CA that leads to one and is held
 * locally, so that a chain could be completed.  A key is left out if it is
 * seen to be no such certificate's.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "name.h"
#include "narrow.h"
#include "source_scan.h"

/* Room for the glances of one more directory, and for its listing. */
static bool
make_room(PgcsNarrow *narrow, size_t n)
{
	PgcsGlance *glances = realloc(narrow->glances, (narrow->n + n) * sizeof(*glances));
	PgcsListing *listings;

	if (glances == NULL)
		return false;
	narrow->glances = glances;
	listings = realloc(narrow->listings, (narrow->n_listings + 1) * sizeof(*listings));
	if (listings == NULL)
		return false;
	narrow->listings = listings;
	return true;
}

bool
pgcs_narrow_add_directory(PgcsNarrow *narrow, const char *directory,
						  PgcsReasons *problems)
{
	PgcsListing listing;
	int			fd;
	bool		ok = true;

	if (narrow->reader.bytes == NULL && !pgcs_reader_init(&narrow->reader))
		return false;
	if (!pgcs_scan_directory(directory, &listing, problems))
		return !problems->failed;
	if (listing.n == 0)
	{
		pgcs_listing_free(&listing);
		return true;
	}
	if (!make_room(narrow, listing.n))
	{
		pgcs_listing_free(&listing);
		return false;
	}
	narrow->listings[narrow->n_listings++] = listing;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; ok && i < listing.n; i++)
	{
		PgcsGlance *glance = &narrow->glances[narrow->n];

		if (!listing.entries[i].regular)
			continue;
		ok = pgcs_glance(glance, &narrow->reader, fd, listing.entries[i].name);
		glance->directory = directory;
		narrow->n++;
	}
	if (fd >= 0)
		close(fd);
	return ok;
}

void
pgcs_narrow_free(PgcsNarrow *narrow)
{
	for (size_t i = 0; i < narrow->n_listings; i++)
		pgcs_listing_free(&narrow->listings[i]);
	free(narrow->listings);
	free(narrow->glances);
	pgcs_reader_free(&narrow->reader);
}

static bool
take(const pgcs_selector *sel, PgcsGlance *glance, PgcsPool *pool,
	 pgcs_bundle *bundle)
{
	char	   *path;
	bool		ok;

	if (glance->taken)
		return true;
	glance->taken = true;
	path = pgcs_path_in(glance->directory, glance->name);
	ok = path != NULL && pgcs_pool_add(sel, pool, bundle, path, false, NULL);
	free(path);
	return ok;
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

/* Each name is decoded once, however many certificates it issued. */
static bool
is_wanted(PgcsIssuer *issuer, const PgcsNameIndex *wanted)
{
	X509_NAME  *name;
	size_t		position = 0;
	size_t		value;

	if (!issuer->asked)
	{
		name = pgcert_name_from_der(issuer->name.data, issuer->name.len);
		issuer->asked = true;
		issuer->wanted = name != NULL &&
			pgcs_name_index_next(wanted, name, pgcs_name_hash(name), &position, &value);
		X509_NAME_free(name);
		ERR_clear_error();
	}
	return issuer->wanted;
}

static bool
take_issued(PgcsNarrow *narrow, const PgcsNameIndex *wanted, PgcsPool *pool,
			pgcs_bundle *bundle)
{
	bool		ok = true;

	for (size_t i = 0; ok && i < narrow->n; i++)
	{
		PgcsGlance *glance = &narrow->glances[i];

		if (glance->issuer != NULL && is_wanted(glance->issuer, wanted))
			ok = take(narrow->sel, glance, pool, bundle);
	}
	return ok;
}

/* ---------- keys ---------- */

/* The public keys of the certificates that were taken, as their hashes. */
typedef struct PublicKeys
{
	uint64_t   *hashes;
	size_t		n;
} PublicKeys;

static int
compare_hashes(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static bool
find_public_keys(const PgcsPool *pool, PublicKeys *keys)
{
	keys->n = 0;
	keys->hashes = calloc(pool->n + 1, sizeof(*keys->hashes));
	if (keys->hashes == NULL)
		return false;
	for (size_t i = 0; i < pool->n; i++)
	{
		X509	   *leaf = pool->files[i]->leaf;
		const ASN1_BIT_STRING *bits = leaf != NULL ? X509_get0_pubkey_bitstr(leaf) : NULL;
		PgcsBytes	public;

		if (bits != NULL &&
			pgcs_der_public_key(ASN1_STRING_get0_data(bits),
								(size_t) ASN1_STRING_length(bits), &public))
			keys->hashes[keys->n++] = pgcs_glance_hash(public);
	}
	if (keys->n > 1)
		qsort(keys->hashes, keys->n, sizeof(*keys->hashes), compare_hashes);
	return true;
}

/*
 * Is a certificate of the same stem among those that were taken?  The files
 * of one stem lie near each other: see find_by_stem() in pairing.c.
 */
static bool
has_certificate_of_stem(const PgcsNarrow *narrow, size_t key)
{
	const char *name = narrow->glances[key].name;
	size_t		len = pgcs_stem_len(name);
	size_t		i = key;

	while (i > 0 && strncmp(narrow->glances[i - 1].name, name, len) == 0)
		i--;
	for (; i < narrow->n && strncmp(narrow->glances[i].name, name, len) == 0; i++)
		if (narrow->glances[i].taken && pgcs_same_stem(narrow->glances[i].name, name))
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
			fits = bsearch(&glance->public, keys.hashes, keys.n, sizeof(*keys.hashes),
						   compare_hashes) != NULL;
		if (fits)
			ok = take(narrow->sel, glance, pool, bundle);
	}
	free(keys.hashes);
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

/* False: no memory. */
static bool
is_closed(const PgcsNarrow *narrow, const PgcsGlance *glance, bool *closed)
{
	char	   *path;

	*closed = glance->key == PGCS_GLANCE_OPAQUE && !glance->taken;
	if (glance->key != PGCS_GLANCE_ENCRYPTED || glance->taken)
		return true;
	path = pgcs_path_in(glance->directory, glance->name);
	if (path == NULL)
		return false;
	*closed = pgcs_selector_password(narrow->sel, path) != NULL;
	free(path);
	return true;
}

bool
pgcs_narrow_has_closed(const PgcsNarrow *narrow, bool *found)
{
	*found = false;
	for (size_t i = 0; i < narrow->n && !*found; i++)
		if (!is_closed(narrow, &narrow->glances[i], found))
			return false;
	return true;
}

bool
pgcs_narrow_take_closed(PgcsNarrow *narrow, PgcsPool *pool, pgcs_bundle *bundle)
{
	bool		ok = true;

	for (size_t i = 0; ok && i < narrow->n; i++)
	{
		PgcsGlance *glance = &narrow->glances[i];
		bool		closed;

		ok = is_closed(narrow, glance, &closed);
		if (ok && closed)
			ok = take(narrow->sel, glance, pool, bundle);
	}
	return ok;
}
