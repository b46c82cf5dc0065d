/*
 * checked - arithmetic on sizes that says when it does not fit
 *
 * Each returns true and stores the result, or returns false and stores nothing of meaning.
 */
#ifndef POSTKEEP_BASE_CHECKED_H
#define POSTKEEP_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool
checked_add(size_t a, size_t b, size_t *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

static inline bool
checked_mul(size_t a, size_t b, size_t *product)
{
	return !__builtin_mul_overflow(a, b, product);
}

#endif
