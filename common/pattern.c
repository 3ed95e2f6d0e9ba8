/*
 * pattern.c
 *		The patterns of cn and san, matched.
 *
 * Between two stars stands a run of literal bytes, and the leftmost place
 * where a run fits is always good enough.  So each run is searched for once,
 * from where the one before it ended, and nothing is ever tried twice.
 */
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

/* ASCII only, whatever the locale. */
static unsigned char
fold(unsigned char c, bool ignore_case)
{
	if (ignore_case && c >= 'A' && c <= 'Z')
		return (unsigned char) (c - 'A' + 'a');
	return c;
}

static bool
equal_bytes(const unsigned char *a, const unsigned char *b, size_t len, bool ignore_case)
{
	if (!ignore_case)
		return len == 0 || memcmp(a, b, len) == 0;
	for (size_t i = 0; i < len; i++)
	{
		if (fold(a[i], true) != fold(b[i], true))
			return false;
	}
	return true;
}

/* A run of pieces without a star between them, put together. */
typedef struct Run
{
	unsigned char *bytes;
	size_t		len;
} Run;

static size_t
piece_len(const PgcertPiece *piece, const char *role)
{
	return piece->kind == PGCERT_PIECE_ROLE ? strlen(role) : piece->len;
}

/* Puts pieces from..to-1 together. */
static bool
make_run(const PgcertValue *value, size_t from, size_t to, const char *role, Run *run)
{
	run->len = 0;
	for (size_t i = from; i < to; i++)
		run->len += piece_len(&value->pieces[i], role);
	run->bytes = malloc(run->len + 1);
	if (run->bytes == NULL)
		return false;
	run->len = 0;
	for (size_t i = from; i < to; i++)
	{
		const PgcertPiece *piece = &value->pieces[i];
		size_t		len = piece_len(piece, role);

		if (len > 0)
			memcpy(run->bytes + run->len,
				   piece->kind == PGCERT_PIECE_ROLE ? role : piece->bytes, len);
		run->len += len;
	}
	return true;
}

/*
 * Finds the run at or behind *pos; at *pos only if first, at the very end
 * only if last.  Moves *pos behind it.
 */
static bool
place_run(const Run *run, bool first, bool last, const unsigned char *bytes,
		  size_t len, size_t *pos, bool ignore_case)
{
	size_t		start = *pos;

	if (run->len > len - *pos)
		return false;
	if (last)
	{
		start = len - run->len;
		if (first && start != *pos)
			return false;
	}
	for (; start + run->len <= len; start++)
	{
		if (equal_bytes(bytes + start, run->bytes, run->len, ignore_case))
		{
			*pos = start + run->len;
			return true;
		}
		if (first || last)
			return false;
	}
	return false;
}

PgcertMatch
pgcert_pattern_match(const PgcertValue *value, const char *role,
					 const void *bytes, size_t len, bool ignore_case)
{
	size_t		pos = 0;
	size_t		from = 0;

	for (size_t i = 0; i < value->n_pieces; i++)
	{
		if (value->pieces[i].kind == PGCERT_PIECE_ROLE && role == NULL)
			return PGCERT_MATCH_UNKNOWN;
	}
	for (;;)
	{
		size_t		to = from;
		Run			run;
		bool		found;

		while (to < value->n_pieces && value->pieces[to].kind != PGCERT_PIECE_STAR)
			to++;
		if (!make_run(value, from, to, role, &run))
			return PGCERT_MATCH_FAILED;
		found = place_run(&run, from == 0, to == value->n_pieces,
						  bytes, len, &pos, ignore_case);
		free(run.bytes);
		if (!found)
			return PGCERT_MATCH_NO;
		if (to == value->n_pieces)
			return PGCERT_MATCH_YES;
		from = to + 1;
	}
}
