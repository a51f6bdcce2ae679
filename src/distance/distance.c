/*-------------------------------------------------------------------------
 *
 * distance.c
 *	  Choice of the distance kernels by CPU.
 *
 * src/distance/distance.c
 *
 *-------------------------------------------------------------------------
 */
#include "portable.h"

#include "distance/kernels.h"

#ifdef HNSW_KERNELS_X86
#include <cpuid.h>
#endif

#if defined(HNSW_KERNELS_NEON_DOT) && defined(__linux__)
#include <sys/auxv.h>

/* The kernel's ABI; older C libraries do not name it. */
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif
#endif

#define MAX_KERNEL_SETS 4

static const DistanceKernels *supported[MAX_KERNEL_SETS];
static int	supported_count = 0;

/* Never NULL, so that a caller that runs before distance_init() is correct. */
const DistanceKernels *distance_kernels = &distance_kernels_portable;

#ifdef HNSW_KERNELS_X86

/* Not every compiler's __builtin_cpu_supports() knows this one. */
static bool
cpu_has_f16c(void)
{
	unsigned int eax,
				ebx,
				ecx,
				edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C) != 0;
}

/*
 * __builtin_cpu_supports() answers for the CPU and the operating system
 * together: it says no when the wide registers are not saved on a context
 * switch.  Each function lists everything that its set is compiled with.
 */
static bool
cpu_has_avx2(void)
{
	return __builtin_cpu_supports("avx2") &&
		__builtin_cpu_supports("fma") &&
		cpu_has_f16c() &&
		__builtin_cpu_supports("popcnt");
}

static bool
cpu_has_avx512(void)
{
	return cpu_has_avx2() &&
		__builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512vnni");
}

static bool
cpu_has_avx512_popcnt(void)
{
	return cpu_has_avx512() && __builtin_cpu_supports("avx512vpopcntdq");
}

#endif							/* HNSW_KERNELS_X86 */

#ifdef HNSW_KERNELS_NEON_DOT
static bool
cpu_has_neon_dot(void)
{
#if defined(__ARM_FEATURE_DOTPROD)
	return true;
#elif defined(__linux__)
	return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
	return false;
#endif
}
#endif							/* HNSW_KERNELS_NEON_DOT */

static void
add_supported(const DistanceKernels *kernels)
{
	Assert(supported_count < MAX_KERNEL_SETS);
	supported[supported_count++] = kernels;
}

/*
 * The compiled-in sets that this CPU can run, portable first, best last.
 */
const DistanceKernels *const *
distance_supported_kernels(int *count)
{
	if (supported_count == 0)
	{
		add_supported(&distance_kernels_portable);
#ifdef HNSW_KERNELS_X86
		__builtin_cpu_init();
		if (cpu_has_avx2())
			add_supported(&distance_kernels_avx2);
		if (cpu_has_avx512())
			add_supported(&distance_kernels_avx512);
		if (cpu_has_avx512_popcnt())
			add_supported(&distance_kernels_avx512_popcnt);
#endif
#ifdef HNSW_KERNELS_NEON
		add_supported(&distance_kernels_neon);
#endif
#ifdef HNSW_KERNELS_NEON_DOT
		if (cpu_has_neon_dot())
			add_supported(&distance_kernels_neon_dot);
#endif
	}

	*count = supported_count;
	return supported;
}

/*
 * Picks the best set that this CPU runs.
 */
void
distance_init(void)
{
	int			count;
	const DistanceKernels *const *sets = distance_supported_kernels(&count);

	distance_kernels = sets[count - 1];
}

/*
 * Forces a set by name; false when the name is unknown or not runnable here.
 */
bool
distance_use_kernels(const char *name)
{
	int			count;
	const DistanceKernels *const *sets = distance_supported_kernels(&count);

	for (int i = 0; i < count; i++)
	{
		if (strcmp(sets[i]->name, name) == 0)
		{
			distance_kernels = sets[i];
			return true;
		}
	}
	return false;
}
