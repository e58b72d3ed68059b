#pragma once
#include <stddef.h>
#include <stdint.h>

/// Widens IEEE half precision; exact.
void sana_f16_to_f32(const uint16_t *_Nonnull input, float *_Nonnull output, size_t count);

/// Widens bfloat16; exact.
void sana_bf16_to_f32(const uint16_t *_Nonnull input, float *_Nonnull output, size_t count);

/// Rounds to IEEE half precision, to nearest, ties to even. What is too large becomes infinite; NaN stays NaN.
void sana_f32_to_f16(const float *_Nonnull input, uint16_t *_Nonnull output, size_t count);

/// Rounds to bfloat16, to nearest, ties to even; NaN stays NaN.
void sana_f32_to_bf16(const float *_Nonnull input, uint16_t *_Nonnull output, size_t count);
