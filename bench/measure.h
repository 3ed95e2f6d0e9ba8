/*
 * measure.h
 *		Times two pieces of work in turn, and prints what each run took.
 *
 * One line a pair, "figure|case|size|ours|other", in nanoseconds; report.pl
 * makes medians and ratios of them.  The two take turns at going first, so
 * that a machine whose speed drifts is as unfair to one as to the other.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>

typedef struct Work
{
	void		(*run) (void *context);
	void	   *context;
	int			times;			/* runs in one measurement, which is divided
								 * by them; for what is too short for the
								 * clock */
} Work;

extern int64_t measure_now(void);
extern int64_t measure_once(const Work *work);

/* Prints one pair. */
extern void measure_print(const char *figure, const char *name, long size,
						  int64_t ours, int64_t other);

/* Measures n pairs, after one of each that does not count. */
extern void measure_pairs(const char *figure, const char *name, long size,
						  int n, const Work *ours, const Work *other);

/* Says what went wrong and ends the program: a benchmark has no plan B. */
extern void measure_fail(const char *format,...)
			__attribute__((format(printf, 1, 2), noreturn));

#endif							/* MEASURE_H */
