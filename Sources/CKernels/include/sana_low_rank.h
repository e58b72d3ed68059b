#pragma once
#include <stddef.h>

/// Adds a product of two thin matrices to one row: `row += factor * (up * down)`. The same bits on every instruction set.
/// @param up `[rank]`, the row's own
/// @param down `[rank, columns]`
/// @param row `[columns]`
void sana_add_low_rank(
    const float *_Nonnull up, const float *_Nonnull down, size_t rank, size_t columns, float factor,
    float *_Nonnull row);
