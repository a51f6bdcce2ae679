/*-------------------------------------------------------------------------
 *
 * unit.h
 *	  What every C unit test needs: TAP output, seeded random numbers.
 *
 * test/unit/unit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_UNIT_H
#define HNSW_UNIT_H

#include "portable.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	unit_tests;
static int	unit_failures;
static uint64 unit_random_state;

/* One TAP line; the text may hold printf conversions. */
#define unit_ok(condition, ...) \
	do { \
		bool		unit_ok_ = (condition); \
		unit_tests++; \
		if (!unit_ok_) \
			unit_failures++; \
		printf("%sok %d - ", unit_ok_ ? "" : "not ", unit_tests); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		if (!unit_ok_) \
			printf("# at %s:%d\n", __FILE__, __LINE__); \
		fflush(stdout); \
	} while (0)

/* splitmix64 */
static inline uint64
unit_random(void)
{
	uint64		z = (unit_random_state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Uniform in [0, n) */
static inline uint32
unit_random_below(uint32 n)
{
	return (uint32) ((unit_random() >> 32) * n >> 32);
}

/* Uniform in [0, 1) */
static inline double
unit_random_double(void)
{
	return (unit_random() >> 11) * (1.0 / 9007199254740992.0);
}

/* Standard normal (Box and Muller) */
static inline double
unit_random_normal(void)
{
	double		u = 1.0 - unit_random_double();
	double		v = unit_random_double();

	return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

/* The seed is the first argument, so that a failure can be repeated. */
static inline void
unit_start(int argc, char **argv)
{
	unit_random_state = argc > 1 ? strtoull(argv[1], NULL, 10) : 20240229;
	printf("# seed %llu\n", (unsigned long long) unit_random_state);
}

static inline int
unit_finish(void)
{
	printf("1..%d\n", unit_tests);
	return unit_failures == 0 ? 0 : 1;
}

#endif							/* HNSW_UNIT_H */
