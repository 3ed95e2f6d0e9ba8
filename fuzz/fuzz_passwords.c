/*
 * fuzz_passwords.c
 *		Any bytes as a file of key passwords.
 */
#include "cli.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	static char path[128];
	static FILE *words;
	pgcs_selector *sel = pgcs_selector_new();
	int			status;

	MUST(sel != NULL);
	if (path[0] == '\0')
	{
		snprintf(path, sizeof(path), "%s/passwords", fuzz_dir());

		/* what the command says goes to a file, to look at it */
		words = tmpfile();
		MUST(words != NULL);
	}
	fuzz_write(path, data, size);
	{
		FILE	   *saved = stderr;
		char		line[4096] = "";
		size_t		len;

		rewind(words);
		MUST(ftruncate(fileno(words), 0) == 0);
		stderr = words;
		status = read_password_file(sel, path);
		stderr = saved;
		rewind(words);
		len = fread(line, 1, sizeof(line) - 1, words);

		/* one line of words if it failed, none if not; no secret in it */
		MUST(status == 0 ? len == 0 : status == EXIT_ERROR && len > 0);
		if (len > 0)
		{
			MUST(line[len - 1] == '\n');
			line[len - 1] = '\0';
			fuzz_check_words(line);
			MUST(strstr(line, "swordfish") == NULL);
		}
	}
	pgcs_selector_free(sel);
	return 0;
}
