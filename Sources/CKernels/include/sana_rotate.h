#pragma once
#include <stddef.h>

/// Rotates consecutive blocks of a row by the Hadamard matrix in Sylvester's order, divided by the
/// square root of its size: orthogonal and symmetric, so that a second rotation undoes the first.
///
/// In stages, for half = 1, 2, 4 ... below `block`: numbers `half` apart become their sum and their
/// difference, in f32; then all are multiplied by 1 / sqrt(block). Every instruction set gives the
/// same bits.
/// @param block a power of two; numbers behind the last whole block stay as they are
void sana_rotate_row(float *_Nonnull row, size_t count, size_t block);
