/*
 * hex.c
 *		Hex digits, and the backslash escapes of RFC 4514.
 */
#include <string.h>

#include "hex.h"

int
pgcert_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t
pgcert_unescape(const char *text, size_t len, unsigned char *byte)
{
	if (len >= 3 && pgcert_hex_digit(text[1]) >= 0 && pgcert_hex_digit(text[2]) >= 0)
	{
		*byte = (unsigned char) (pgcert_hex_digit(text[1]) << 4 |
								 pgcert_hex_digit(text[2]));
		return 3;
	}
	/* RFC 4514, section 3: special, or one of escaped's own characters */
	if (len >= 2 && text[1] != '\0' && strchr("\"+,;<> #=\\", text[1]) != NULL)
	{
		*byte = (unsigned char) text[1];
		return 2;
	}
	return 0;
}

bool
pgcert_hex_decode(const char *text, size_t len,
				  unsigned char *bytes, size_t *bytes_len)
{
	size_t		n_digits = 0;
	size_t		digit = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (pgcert_hex_digit(text[i]) >= 0)
			n_digits++;
		else if (text[i] != ':' || i == 0 || i == len - 1)
			return false;
	}
	if (n_digits == 0)
		return false;
	if (n_digits % 2 == 1)
		digit = 1;
	*bytes_len = (n_digits + 1) / 2;
	memset(bytes, 0, *bytes_len);
	for (size_t i = 0; i < len; i++)
	{
		int			value = pgcert_hex_digit(text[i]);

		if (value < 0)
			continue;
		bytes[digit / 2] |= (unsigned char) (digit % 2 == 0 ? value << 4 : value);
		digit++;
	}
	return true;
}
