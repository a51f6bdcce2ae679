/*-------------------------------------------------------------------------
 *
 * assertion.c
 *	  Where a failed Assert() goes.
 *
 * The function has one argument more before PostgreSQL 16.  This file includes
 * no header that declares it, and the first argument is always the condition.
 *
 * test/fuzz/assertion.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>

extern void ExceptionalCondition(const char *condition);

void
ExceptionalCondition(const char *condition)
{
	fprintf(stderr, "Assert(%s) failed\n", condition);
	abort();
}
