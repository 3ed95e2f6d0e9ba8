/*
 * short_memory.c
 *		OpenSSL's memory runs out while the server asks a login's policies.
 *
 * Loaded by LD_PRELOAD, since OpenSSL takes an allocator only before its first
 * allocation, and behind pg_cert_policy in shared_preload_libraries, so that
 * its hook calls the other.  A login says by its application_name what fails
 * meanwhile, "fail N" the N-th allocation, "fail N on" all from it on; the log
 * then has how many there were.
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "fmgr.h"
#include "libpq/auth.h"

/* no other program than the server has them */
#pragma weak ClientAuthentication_hook
#pragma weak emit_log_hook

PG_MODULE_MAGIC;

void		_PG_init(void);

static ClientAuthentication_hook_type previous = NULL;
static bool counting = false;
static int	first;				/* 0: none */
static bool all_from_it;
static int	count;

static bool
fails(void)
{
	if (!counting)
		return false;
	count++;
	return first > 0 && (count == first || (count > first && all_from_it));
}

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	return fails() ? NULL : malloc(size);
}

static void *
openssl_realloc(void *memory, size_t size, const char *file, int line)
{
	return fails() ? NULL : realloc(memory, size);
}

static void
openssl_free(void *memory, const char *file, int line)
{
	free(memory);
}

__attribute__((constructor))
static void
take_over(void)
{
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		abort();
}

static void
stop(void)
{
	if (counting)
		write_stderr("short memory: %d allocations\n", count);
	counting = false;
}

/* What ends a login goes to the client through OpenSSL. */
static void
emit_log(ErrorData * error)
{
	if (error->elevel >= FATAL)
		stop();
}

static void
client_authentication(Port *port, int status)
{
	char		on[3] = "";

	if (port->application_name == NULL ||
		sscanf(port->application_name, "fail %d %2s", &first, on) < 1)
	{
		previous(port, status);
		return;
	}
	all_from_it = strcmp(on, "on") == 0;
	count = 0;
	counting = true;
	previous(port, status);
	stop();
}

void
_PG_init(void)
{
	previous = ClientAuthentication_hook;
	ClientAuthentication_hook = client_authentication;
	emit_log_hook = emit_log;
}
