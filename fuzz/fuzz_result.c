/*
 * fuzz_result.c
 *		Any bytes as the rows of pg_trusted_ca_names(), as an application hands
 *		them over: in binary and as text, which must come to the same.
 *
 * Input: a byte that tells the columns, then the names, in DER or as text,
 * each behind its length in two bytes.
 */
#include <libpq-fe.h>

#include "fuzz.h"
#include "pgcertsel.h"

#define MAX_ROWS 16

static PGresult *
make_result(FuzzInput input, unsigned char columns, bool binary)
{
	/* a lying server may leave either out, or name the wrong ones */
	PGresAttDesc attributes[3] = {
		{.name = "position", .typid = 23, .typlen = 4},
		{.name = columns & 1 ? "name_der" : "other", .format = binary, .typid = 17, .typlen = -1},
		{.name = columns & 2 ? "name" : "another", .format = binary, .typid = 25, .typlen = -1},
	};
	PGresult   *result = PQmakeEmptyPGresult(NULL, columns & 4 ? PGRES_COMMAND_OK : PGRES_TUPLES_OK);
	int			der_column = columns & 8 ? 2 : 1;

	MUST(result != NULL && PQsetResultAttrs(result, 3, attributes));
	for (int row = 0; row < MAX_ROWS && input.size > 2; row++)
	{
		size_t		len = (size_t) fuzz_byte(&input) << 8;
		char	   *bytes;

		len |= fuzz_byte(&input);
		if (len > input.size)
			len = input.size;
		bytes = malloc(len > 0 ? len : 1);
		MUST(bytes != NULL);
		memcpy(bytes, input.data, len);
		for (int column = 0; column < 3; column++)
		{

			if (column == der_column && !binary)
			{
				char	   *hex = malloc(2 * len + 3);

				MUST(hex != NULL);
				strcpy(hex, "\\x");
				for (size_t i = 0; i < len; i++)
					sprintf(hex + 2 + 2 * i, "%02x", (unsigned char) bytes[i]);
				MUST(PQsetvalue(result, row, column, hex, (int) (2 * len + 2)));
				free(hex);
			}
			else if (column == 0 || (column != der_column && len > 0 && bytes[0] == 0))
				MUST(PQsetvalue(result, row, column, NULL, -1));
			else
				MUST(PQsetvalue(result, row, column, bytes, (int) len));
		}
		free(bytes);
		input.data += len;
		input.size -= len;
	}
	return result;
}

static void
check_same(const pgcs_request *a, const pgcs_request *b)
{
	MUST(pgcs_request_n_names(a, 0) == pgcs_request_n_names(b, 0));
	MUST(pgcs_request_answer(a, 0) == pgcs_request_answer(b, 0));
	for (size_t i = 0; i < pgcs_request_n_names(a, 0); i++)
	{
		size_t		len_a;
		size_t		len_b;
		const unsigned char *der_a = pgcs_request_name_der(a, 0, i, &len_a);
		const unsigned char *der_b = pgcs_request_name_der(b, 0, i, &len_b);

		MUST(len_a == len_b && memcmp(der_a, der_b, len_a) == 0);
		MUST(strcmp(pgcs_request_name(a, 0, i), pgcs_request_name(b, 0, i)) == 0);
		fuzz_check_words(pgcs_request_name(a, 0, i));
	}
}

/* Names that were read as DER are written as text, and found as such. */
static void
check_as_text(pgcs_selector *sel, const pgcs_request *request)
{
	const char *names[MAX_ROWS];
	size_t		n = pgcs_request_n_names(request, 0);
	pgcs_request *again;

	for (size_t i = 0; i < n; i++)
	{
		names[i] = pgcs_request_name(request, 0, i);
		if (names[i][0] == '\0')
			return;				/* the empty name has no text */
	}
	again = pgcs_request_from_names(sel, names, n);
	MUST(again != NULL && pgcs_request_n_names(again, 0) == n);
	for (size_t i = 0; i < n; i++)
		MUST(strcmp(pgcs_request_name(again, 0, i), names[i]) == 0);
	pgcs_request_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	FuzzInput	input = {data, size};
	unsigned char columns = fuzz_byte(&input);
	pgcs_selector *sel = pgcs_selector_new();
	PGresult   *binary = make_result(input, columns, true);
	PGresult   *text = make_result(input, columns, false);
	pgcs_request *a;
	pgcs_request *b;

	MUST(sel != NULL);
	a = pgcs_request_from_result(sel, binary);
	fuzz_check_words(pgcs_error(sel));
	MUST((a == NULL) == (pgcs_error(sel)[0] != '\0'));
	b = pgcs_request_from_result(sel, text);
	fuzz_check_words(pgcs_error(sel));

	/* as text the DER column is hex, which only the right one may be */
	if (!(columns & 8))
	{
		MUST((a == NULL) == (b == NULL));
		if (a != NULL)
		{
			check_same(a, b);
			check_as_text(sel, a);
		}
	}
	pgcs_request_free(a);
	pgcs_request_free(b);
	PQclear(binary);
	PQclear(text);
	pgcs_selector_free(sel);
	return 0;
}
