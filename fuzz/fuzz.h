/*
 * fuzz.h
 *		What the fuzz targets share.
 *
 * A target is one program that libFuzzer feeds with bytes.  It fails, besides
 * by what the sanitizers see, where a MUST does not hold.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <unistd.h>

#include "buf.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t * data, size_t size);
extern int	LLVMFuzzerInitialize(int *argc, char ***argv);

#define MUST(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", \
					__FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* Input that is taken apart from its front. */
typedef struct FuzzInput
{
	const		uint8_t *data;
	size_t		size;
} FuzzInput;

/* One byte, 0 when there are no more. */
static inline unsigned char
fuzz_byte(FuzzInput *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

/*
 * The bytes up to the next end, or the rest, as a text of its own size, so
 * that ASan sees who reads past it.  No text of C has a NUL, so a NUL ends it
 * as well.  The caller frees it.
 */
static inline char *
fuzz_text(FuzzInput *input, char end)
{
	size_t		len = 0;
	char	   *text;

	while (len < input->size && input->data[len] != '\0' &&
		   input->data[len] != (uint8_t) end)
		len++;
	text = malloc(len + 1);
	MUST(text != NULL);
	if (len > 0)
		memcpy(text, input->data, len);
	text[len] = '\0';
	len += len < input->size;
	input->data += len;
	input->size -= len;
	return text;
}

/* Words for people are UTF-8 in one line: no control character, C1 included. */
static inline void
fuzz_check_words(const char *words)
{
	const unsigned char *p = (const unsigned char *) words;

	MUST(words != NULL);
	MUST(pgcert_utf8_is_valid(words, strlen(words)));
	for (; *p != '\0'; p++)
	{
		MUST(*p >= 0x20 && *p != 0x7f);
		MUST(!(*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f));
	}
}

/* A directory of this process, in memory where there is any. */
static inline const char *
fuzz_dir(void)
{
	static char dir[64];

	if (dir[0] == '\0')
	{
		snprintf(dir, sizeof(dir), "/dev/shm/fuzz-XXXXXX");
		if (mkdtemp(dir) == NULL)
		{
			snprintf(dir, sizeof(dir), "/tmp/fuzz-XXXXXX");
			MUST(mkdtemp(dir) != NULL);
		}
	}
	return dir;
}

/* Writes a file there, private to its owner. */
static inline void
fuzz_write(const char *path, const void *data, size_t size)
{
	int			fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t) size);
	close(fd);
}

#endif							/* FUZZ_H */
