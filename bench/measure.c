/*
 * measure.c
 *		See measure.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "measure.h"

int64_t
measure_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t
measure_once(const Work *work)
{
	int64_t		start = measure_now();

	for (int i = 0; i < work->times; i++)
		work->run(work->context);
	return (measure_now() - start) / work->times;
}

void
measure_print(const char *figure, const char *name, long size,
			  int64_t ours, int64_t other)
{
	printf("%s|%s|%ld|%lld|%lld\n", figure, name, size,
		   (long long) ours, (long long) other);
}

void
measure_pairs(const char *figure, const char *name, long size, int n,
			  const Work *ours, const Work *other)
{
	measure_once(ours);
	measure_once(other);
	for (int i = 0; i < n; i++)
	{
		int64_t		ours_ns;
		int64_t		other_ns;

		if (i % 2 == 0)
		{
			ours_ns = measure_once(ours);
			other_ns = measure_once(other);
		}
		else
		{
			other_ns = measure_once(other);
			ours_ns = measure_once(ours);
		}
		measure_print(figure, name, size, ours_ns, other_ns);
	}
	fflush(stdout);
}

void
measure_fail(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}
