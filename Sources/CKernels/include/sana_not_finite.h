#pragma once
#include <stddef.h>

// How many of `count` numbers are NaN or infinite, those in f64 once they are rounded to f32. They
// need not be aligned to anything.

size_t sana_count_not_finite_f16(const void *_Nonnull numbers, size_t count);
size_t sana_count_not_finite_bf16(const void *_Nonnull numbers, size_t count);
size_t sana_count_not_finite_f32(const void *_Nonnull numbers, size_t count);
size_t sana_count_not_finite_f64(const void *_Nonnull numbers, size_t count);
