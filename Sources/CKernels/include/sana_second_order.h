#pragma once
#include <stddef.h>
#include <stdint.h>

// Rounding of weights by the second moments of what they multiply (GPTQ, arXiv 2210.17323): a
// number that is rounded moves those behind it in its row, so that the product moves less. Every
// instruction set gives the same bits for the same order of calls.

/// target[i][k] += sign * sum_j left[i][j] * right[j][k], of `rows` x `columns` sums of `depth`
/// products; strides in floats.
void sana_add_product(
    float *_Nonnull target, size_t target_stride, const float *_Nonnull left, size_t left_stride,
    const float *_Nonnull right, size_t right_stride, size_t rows, size_t columns, size_t depth,
    float sign);

/// Columns that are rounded before the sums of their errors reach the columns behind them.
#define SANA_ROUNDING_BLOCK 64

/// Rounds columns `column ..< column + count` of one row, `count` at most a block, to codes.
/// @param original the row's numbers in these columns
/// @param moved those numbers with what earlier errors added to them; receives more of it
/// @param factors `[count, count]`, the strict upper triangle: what an error adds to later columns
/// @param group columns that share a scale; those of a group that begins here are scaled by what
/// they have become, others by what `scales` holds
/// @param limit the largest code
/// @param scales of the groups that these columns belong to, from the first one's on
/// @param errors original - code * scale
void sana_round_block(
    const float *_Nonnull original, float *_Nonnull moved, const float *_Nonnull factors,
    size_t factor_stride, size_t column, size_t count, size_t group, int limit,
    int8_t *_Nonnull codes, float *_Nonnull scales, float *_Nonnull errors);

/// Factors the last `count` rows and columns of a symmetric matrix, of which the upper triangle is
/// given, into R R^T with R upper triangular, in place; what lies below the diagonal is not used.
/// @return 0 where a pivot is not positive, 1 otherwise
int sana_factor_block(float *_Nonnull matrix, size_t stride, size_t count);

/// Solves X R^T = B for `rows` rows of B, in place, with R the upper triangular block.
void sana_solve_block(
    float *_Nonnull rows_of_b, size_t stride, size_t rows, const float *_Nonnull block,
    size_t block_stride, size_t count);
