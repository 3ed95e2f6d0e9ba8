/*
 * clock.c
 *		A wall clock that can be set, for tests: loaded by LD_PRELOAD, it adds
 *		the seconds that stand in the file CLOCK_SHIFT, a number of 64 bits.
 *
 * The file is shared memory of all processes that have it, so a change of it
 * is a change of time for all of them at once.  The monotonic clock goes on as
 * it is, as it does when a real clock is set.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift = NULL;

static void find_shift(void) __attribute__((constructor));

static void
find_shift(void)
{
	const char *path = getenv("CLOCK_SHIFT");
	int			fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void	   *memory;

	if (fd < 0)
		return;
	memory = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (memory != MAP_FAILED)
		shift = memory;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			result = (int) syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && shift != NULL &&
		(clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += *shift;
	return result;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;

	(void) zone;
	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *result)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	if (result != NULL)
		*result = now.tv_sec;
	return now.tv_sec;
}
