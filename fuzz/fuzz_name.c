/*
 * fuzz_name.c
 *		Any bytes as a distinguished name, in RFC 4514's text and in DER; each
 *		name that comes of it is written and read back as the same.
 */
#include <openssl/err.h>

#include "fuzz.h"
#include "name.h"

static void
check_read_back(const X509_NAME *name)
{
	PgcertError error = {0};
	char	   *text = pgcert_name_text(name);
	unsigned char *der = NULL;
	int			len = i2d_X509_NAME((X509_NAME *) name, &der);
	X509_NAME  *again;

	fuzz_check_words(text);

	/* the empty name has a text, but is no name that a text may ask for */
	again = pgcert_name_parse(text, strlen(text), &error);
	MUST((again == NULL) == (text[0] == '\0'));
	if (again != NULL)
	{
		char	   *text_again = pgcert_name_text(again);

		MUST(pgcert_name_equal(name, again));
		MUST(text_again != NULL && strcmp(text, text_again) == 0);
		free(text_again);
	}
	X509_NAME_free(again);

	MUST(len > 0);
	again = pgcert_name_from_der(der, (size_t) len);
	MUST(again != NULL && pgcert_name_equal(name, again));
	X509_NAME_free(again);
	OPENSSL_free(der);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	char	   *copy = malloc(size > 0 ? size : 1);
	PgcertError error = {0};
	X509_NAME  *name;

	MUST(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	name = pgcert_name_parse(copy, size, &error);
	if (name != NULL)
		check_read_back(name);
	else
	{
		MUST(error.message[0] != '\0' && error.position <= size + 1);
		fuzz_check_words(error.message);
		fuzz_check_words(error.hint);
	}
	X509_NAME_free(name);

	name = pgcert_name_from_der((unsigned char *) copy, size);
	if (name != NULL)
		check_read_back(name);
	X509_NAME_free(name);
	free(copy);
	ERR_clear_error();
	return 0;
}
