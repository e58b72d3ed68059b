#pragma once
#include <stddef.h>
#include <stdint.h>

// Round-to-nearest symmetric quantization of stored weights, and how much it changes them. Every instruction set gives the
// same bits: a quantized file does not depend on the machine that made it.

/// Quantizes `rows` rows of `columns` numbers, each row cut into groups of `group` columns (the last may be short) with a
/// scale of its own: scale = largest magnitude / limit, code = round half to even(value / scale).
///
/// A group whose scale would be subnormal becomes zeros with scale 0.
/// @param limit the largest code: 127 for int8, 7 for int4
/// @param codes `[rows, columns]`
/// @param scales `[rows, ceil(columns / group)]`
/// @return the first row that holds a NaN or an infinity, where the work stops; `rows` when there is none
size_t sana_quantize_rows(
    const float *_Nonnull input, size_t rows, size_t columns, size_t group, int limit,
    int8_t *_Nonnull codes, float *_Nonnull scales);

/// value = code * scale, the inverse of `sana_quantize_rows` but for rounding.
void sana_dequantize_rows(
    const int8_t *_Nonnull codes, const float *_Nonnull scales, size_t rows, size_t columns,
    size_t group, float *_Nonnull output);

/// Packs codes -7...7 two a byte, low nibble first, as code + 8; each row begins at a whole byte.
void sana_pack_int4(
    const int8_t *_Nonnull codes, size_t rows, size_t columns, uint8_t *_Nonnull packed);

/// The inverse of `sana_pack_int4`.
void sana_unpack_int4(
    const uint8_t *_Nonnull packed, size_t rows, size_t columns, int8_t *_Nonnull codes);

/// The largest magnitude; infinity where one is infinite, NaN where there is a NaN, 0 for nothing.
float sana_largest_magnitude(const float *_Nonnull input, size_t count);

/// Sums over the elements of a tensor before (x) and after (y) a change of encoding.
typedef struct {
  /// Of x^2, (x - y)^2, x y and y^2.
  double signal, noise, product, energy;
  /// The largest |x - y|; NaN where a difference is NaN.
  float largest_error;
  /// Elements that were not zero and became zero.
  uint64_t rounded_to_zero;
  /// Elements whose bits are others.
  uint64_t changed;
} sana_distortion;

/// The sums over `count` elements.
sana_distortion sana_measure_distortion(
    const float *_Nonnull original, const float *_Nonnull decoded, size_t count);
