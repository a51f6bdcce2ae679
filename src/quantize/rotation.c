/*-------------------------------------------------------------------------
 *
 * rotation.c
 *	  A random orthogonal transform that costs O(n log n).
 *
 * A dense random rotation of 768 coordinates is 590,000 multiplications and
 * 2.4 MB of state.  This one is four rounds of
 *
 *	 - a flip of random signs,
 *	 - a Hadamard transform of 2^k coordinates, 2^k the largest power of two
 *	   that fits: of the first ones in rounds 0 and 2, of the last ones in
 *	   rounds 1 and 3,
 *	 - when 2^k is not all of them, after rounds 1 and 3 a Kac step:
 *	   coordinates i and i + dim / 2 become their sum and difference over
 *	   sqrt(2), which carries what one half holds into the other.
 *
 * Why not a Kac step after every round, as is usual: after round 0 it would
 * move a lone coordinate that the first transform did not reach half way to
 * where the second does not reach it either, and so on.  At 1008 dimensions
 * a sixteenth of such a vector's energy ended in each of two coordinates,
 * eight standard deviations out (fourth moment up to 18 where a Gaussian has
 * 3; now at most 3.6).  Transforms of both ends first leave nothing behind.
 *
 * Each step is orthogonal, so the whole is.  The scale of a round (2^(-k/2)
 * within the Hadamard transform, sqrt(1/2) for the Kac step) is multiplied
 * into the signs: it commutes with the steps that follow.
 *
 * src/quantize/rotation.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include <math.h>

#include "distance/distance.h"
#include "port/pg_bitutils.h"
#include "quantize/rotation.h"

#define ROTATION_ROUNDS 4

/* Loops over fixed runs of this length are what compilers vectorize at -O2 */
#define RUN 8

struct Rotation
{
	int			dim;
	int			log2n;			/* 2^log2n coordinates are transformed */
	float		factors[FLEXIBLE_ARRAY_MEMBER];	/* dim for each round: sign
												 * times scale */
};

/* The next word of a splitmix64 sequence. */
static uint64
next_word(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Where the Hadamard transform of a round begins. */
static int
round_start(const Rotation *rotation, int round)
{
	return (round & 1) ? rotation->dim - (1 << rotation->log2n) : 0;
}

/* Does the round end with a Kac step? */
static bool
round_mixes(const Rotation *rotation, int round)
{
	return (round & 1) && rotation->dim != (1 << rotation->log2n);
}

static void
fill_round(Rotation *rotation, int round, uint64 *state)
{
	float	   *factors = rotation->factors + (Size) round * rotation->dim;
	int			start = round_start(rotation, round);
	int			end = start + (1 << rotation->log2n);
	double		mix_scale = round_mixes(rotation, round) ? sqrt(0.5) : 1.0;
	double		hadamard_scale = exp2(-0.5 * rotation->log2n);
	uint64		signs = 0;

	for (int i = 0; i < rotation->dim; i++)
	{
		double		scale = mix_scale;

		if (i % 64 == 0)
			signs = next_word(state);
		if (i >= start && i < end)
			scale *= hadamard_scale;
		factors[i] = (float) ((signs & 1) ? -scale : scale);
		signs >>= 1;
	}
}

Rotation *
rotation_create(int dim, uint64 seed)
{
	Rotation   *rotation;
	uint64		state = seed;

	Assert(dim >= 16 && dim % 16 == 0);

	rotation = palloc(offsetof(Rotation, factors) +
					  sizeof(float) * ROTATION_ROUNDS * dim);
	rotation->dim = dim;
	rotation->log2n = pg_leftmost_one_pos32((uint32) dim);

	for (int round = 0; round < ROTATION_ROUNDS; round++)
		fill_round(rotation, round, &state);
	return rotation;
}

void
rotation_free(Rotation *rotation)
{
	pfree(rotation);
}

static void
multiply(float *pg_restrict x, const float *pg_restrict factors, int n)
{
	for (int i = 0; i < n; i += RUN)
	{
		for (int j = 0; j < RUN; j++)
			x[i + j] *= factors[i + j];
	}
}

/* Sums into a, differences into b */
static void
mix_halves(float *pg_restrict a, float *pg_restrict b, int n)
{
	for (int i = 0; i < n; i += RUN)
	{
		for (int j = 0; j < RUN; j++)
		{
			float		sum = a[i + j] + b[i + j];
			float		difference = a[i + j] - b[i + j];

			a[i + j] = sum;
			b[i + j] = difference;
		}
	}
}

void
rotation_apply(const Rotation *rotation, float *x)
{
	int			dim = rotation->dim;

	for (int round = 0; round < ROTATION_ROUNDS; round++)
	{
		multiply(x, rotation->factors + (Size) round * dim, dim);
		distance_kernels->hadamard_f32(x + round_start(rotation, round),
									   rotation->log2n);
		if (round_mixes(rotation, round))
			mix_halves(x, x + dim / 2, dim / 2);
	}
}
