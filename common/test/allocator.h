/*
 * allocator.h
 *		Memory that runs out when told.
 *
 * The linker sends the allocations of what is tested here (--wrap, see the
 * Makefiles), and OpenSSL is handed an allocator of its own.
 */
#ifndef PGCERT_TEST_ALLOCATOR_H
#define PGCERT_TEST_ALLOCATOR_H

#include <stdbool.h>

/* Whose allocations fail. */
typedef enum Whose
{
	OWN,
	OPENSSL,
} Whose;

/*
 * Before anything else: OpenSSL takes an allocator only once.  False if it
 * does not.  Nothing fails, or is counted, before allocator_resume().
 */
extern bool allocator_init(void);

/*
 * Of those counted from now on, the n-th fails, or all from it on; 0: none.
 */
extern void allocator_fail(Whose whose, long n, bool for_good);

/* How many there were since then; did any fail? */
extern long allocator_count(void);
extern bool allocator_has_failed(void);

/* No allocation fails, or is counted, between these two. */
extern void allocator_pause(void);
extern void allocator_resume(void);
extern bool allocator_is_paused(void);

/* For allocators that are wrapped elsewhere: counts, and tells if it fails. */
extern bool allocator_fails(Whose whose);

#endif							/* PGCERT_TEST_ALLOCATOR_H */
