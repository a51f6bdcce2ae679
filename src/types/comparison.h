/*-------------------------------------------------------------------------
 *
 * comparison.h
 *	  The SQL functions behind the comparison operators of a type.
 *
 * src/types/comparison.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNSW_COMPARISON_H
#define HNSW_COMPARISON_H

#define COMPARISON_FUNCTION(name, result) \
PG_FUNCTION_INFO_V1(name); \
Datum \
name(PG_FUNCTION_ARGS) \
{ \
	return result; \
} \
extern int	no_such_variable

/*
 * Defines all of them for a type; order is an expression of fcinfo, -1, 0 or
 * 1, as the first argument is less than, equal to or greater than the second.
 */
#define COMPARISON_FUNCTIONS(type, order) \
COMPARISON_FUNCTION(type##_lt, BoolGetDatum((order) < 0)); \
COMPARISON_FUNCTION(type##_le, BoolGetDatum((order) <= 0)); \
COMPARISON_FUNCTION(type##_eq, BoolGetDatum((order) == 0)); \
COMPARISON_FUNCTION(type##_ne, BoolGetDatum((order) != 0)); \
COMPARISON_FUNCTION(type##_ge, BoolGetDatum((order) >= 0)); \
COMPARISON_FUNCTION(type##_gt, BoolGetDatum((order) > 0)); \
COMPARISON_FUNCTION(type##_cmp, Int32GetDatum(order))

#endif							/* HNSW_COMPARISON_H */
