#pragma once
#include "sana_cpu.h"
#include <stddef.h>
#include <stdint.h>

// Bitshuffle: a chunk of n elements of e bytes (e = 1, 2, 4 or 8) becomes 8e bit planes of floor(n/8) bytes each; the bytes
// of the last n mod 8 elements, and bytes that make no whole element, follow as they are. Plane k (0 is the least
// significant bit of byte 0, elements are little-endian) holds bit k of every element; element i is bit i%8 of byte i/8.
//
// Source and destination must not overlap and hold `count` bytes each.

/// Gathers bits of equal significance.
void sana_bitshuffle(const void *source, void *destination, size_t count, size_t element_bytes);

/// The inverse of `sana_bitshuffle`.
void sana_bitunshuffle(const void *source, void *destination, size_t count, size_t element_bytes);

/// The same with a chosen instruction set, which the processor must have.
void sana_bitshuffle_with(sana_isa isa, const void *source, void *destination, size_t count,
                          size_t element_bytes);
void sana_bitunshuffle_with(sana_isa isa, const void *source, void *destination, size_t count,
                            size_t element_bytes);
