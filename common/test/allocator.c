/*
 * allocator.c
 *		Memory that runs out when told.
 */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "allocator.h"

static Whose failing;
static long first;				/* from 1; 0: none */
static bool all_from_it;
static long count;
static bool has_failed;
static bool paused = true;

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t n, size_t size);
extern void *__real_realloc(void *p, size_t size);
extern char *__real_strdup(const char *text);
extern char *__real_strndup(const char *text, size_t n);
extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t n, size_t size);
extern void *__wrap_realloc(void *p, size_t size);
extern char *__wrap_strdup(const char *text);
extern char *__wrap_strndup(const char *text, size_t n);

bool
allocator_fails(Whose whose)
{
	if (paused || whose != failing)
		return false;
	count++;
	if (first == 0 || count < first || (count > first && !all_from_it))
		return false;
	has_failed = true;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return allocator_fails(OWN) ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return allocator_fails(OWN) ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *p, size_t size)
{
	return allocator_fails(OWN) ? NULL : __real_realloc(p, size);
}

char *
__wrap_strdup(const char *text)
{
	return allocator_fails(OWN) ? NULL : __real_strdup(text);
}

char *
__wrap_strndup(const char *text, size_t n)
{
	return allocator_fails(OWN) ? NULL : __real_strndup(text, n);
}

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return allocator_fails(OPENSSL) ? NULL : __real_malloc(size);
}

static void *
openssl_realloc(void *p, size_t size, const char *file, int line)
{
	(void) file;
	(void) line;
	return allocator_fails(OPENSSL) ? NULL : __real_realloc(p, size);
}

static void
openssl_free(void *p, const char *file, int line)
{
	(void) file;
	(void) line;
	free(p);
}

bool
allocator_init(void)
{
	return CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1;
}

void
allocator_fail(Whose whose, long n, bool for_good)
{
	failing = whose;
	first = n;
	all_from_it = for_good;
	count = 0;
	has_failed = false;
}

long
allocator_count(void)
{
	return count;
}

bool
allocator_has_failed(void)
{
	return has_failed;
}

void
allocator_pause(void)
{
	paused = true;
}

void
allocator_resume(void)
{
	paused = false;
}

bool
allocator_is_paused(void)
{
	return paused;
}
