/*-------------------------------------------------------------------------
 *
 * fiber.h
 *	  Functions that can be left in the middle and gone on with, or not.
 *
 * All run in one thread and only when told to, so that a seed decides who
 * does what when.  A fiber that is dropped ends where it stands, like a process
 * that is killed.
 *
 * test/unit/fiber.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_FIBER_H
#define HNSW_FIBER_H

#include "unit.h"

#include <sys/mman.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define FIBER_GUARD_SIZE	4096
#define FIBER_STACK_SIZE	(256 * 1024)

typedef void (*FiberFunction) (void *arg);

typedef struct Fiber
{
	ucontext_t	context;
	ucontext_t	caller;
	char	   *stack;			/* with a guard page at its end */
	FiberFunction function;
	void	   *arg;
	bool		running;		/* begun, not finished, not dropped */
#ifdef __SANITIZE_ADDRESS__
	void	   *shadow;			/* of the fiber's frames */
	void	   *caller_shadow;
	const void *caller_stack;
	size_t		caller_size;
#endif
} Fiber;

/* The one that runs; NULL in the main program */
static Fiber *fiber_current;

static inline void
fiber_create(Fiber *fiber)
{
	memset(fiber, 0, sizeof(Fiber));
	fiber->stack = mmap(NULL, FIBER_GUARD_SIZE + FIBER_STACK_SIZE,
						PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
						-1, 0);
	if (fiber->stack == MAP_FAILED ||
		mprotect(fiber->stack, FIBER_GUARD_SIZE, PROT_NONE) != 0)
		abort();
}

static inline void
fiber_free(Fiber *fiber)
{
	munmap(fiber->stack, FIBER_GUARD_SIZE + FIBER_STACK_SIZE);
}

static inline void
fiber_arrived(Fiber *fiber)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(fiber->shadow, &fiber->caller_stack,
									&fiber->caller_size);
#endif
}

/* Back to where the fiber was resumed; last: and never again. */
static inline void
fiber_leave(Fiber *fiber, bool last)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_start_switch_fiber(last ? NULL : &fiber->shadow,
								   fiber->caller_stack, fiber->caller_size);
#endif
	swapcontext(&fiber->context, &fiber->caller);
	fiber_arrived(fiber);
}

static void
fiber_main(void)
{
	Fiber	   *fiber = fiber_current;

	fiber_arrived(fiber);
	fiber->function(fiber->arg);
	fiber->running = false;
	fiber_leave(fiber, true);
}

/* Makes the fiber ready to run a function. */
static inline void
fiber_start(Fiber *fiber, FiberFunction function, void *arg)
{
	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = fiber->stack + FIBER_GUARD_SIZE;
	fiber->context.uc_stack.ss_size = FIBER_STACK_SIZE;
	fiber->context.uc_link = NULL;
	fiber->function = function;
	fiber->arg = arg;
	fiber->running = true;
#ifdef __SANITIZE_ADDRESS__
	fiber->shadow = NULL;

	/* what ran here before may have been dropped */
	__asan_unpoison_memory_region(fiber->stack + FIBER_GUARD_SIZE,
								  FIBER_STACK_SIZE);
#endif
	makecontext(&fiber->context, fiber_main, 0);
}

/* Runs the fiber until it yields or ends. */
static inline void
fiber_resume(Fiber *fiber)
{
	Assert(fiber->running && fiber_current == NULL);
	fiber_current = fiber;
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_start_switch_fiber(&fiber->caller_shadow,
								   fiber->stack + FIBER_GUARD_SIZE,
								   FIBER_STACK_SIZE);
#endif
	swapcontext(&fiber->caller, &fiber->context);
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(fiber->caller_shadow, NULL, NULL);
#endif
	fiber_current = NULL;
}

/* In a fiber: lets others run. */
static inline void
fiber_yield(void)
{
	fiber_leave(fiber_current, false);
}

#endif							/* HNSW_FIBER_H */
