#include "sana_quantize.h"

#include "sana_kernels.h"

size_t sana_quantize_rows(
    const float *input, size_t rows, size_t columns, size_t group, int limit, int8_t *codes,
    float *scales) {
  return sana_kernels_for(sana_cpu_isa())
      ->quantize_rows(input, rows, columns, group, limit, codes, scales);
}

void sana_dequantize_rows(
    const int8_t *codes, const float *scales, size_t rows, size_t columns, size_t group,
    float *output) {
  sana_kernels_for(sana_cpu_isa())->dequantize_rows(codes, scales, rows, columns, group, output);
}

float sana_largest_magnitude(const float *input, size_t count) {
  return sana_kernels_for(sana_cpu_isa())->largest_magnitude(input, count);
}

sana_distortion sana_measure_distortion(
    const float *original, const float *decoded, size_t count) {
  return sana_kernels_for(sana_cpu_isa())->measure_distortion(original, decoded, count);
}

void sana_pack_int4(const int8_t *codes, size_t rows, size_t columns, uint8_t *packed) {
  for (size_t row = 0; row < rows; row++, codes += columns) {
    for (size_t pair = 0; pair < columns / 2; pair++) {
      *packed++ = (uint8_t)((codes[2 * pair] + 8) | (codes[2 * pair + 1] + 8) << 4);
    }
    // The unused nibble of an odd row is a zero's.
    if (columns % 2) *packed++ = (uint8_t)((codes[columns - 1] + 8) | 8 << 4);
  }
}

void sana_unpack_int4(const uint8_t *packed, size_t rows, size_t columns, int8_t *codes) {
  for (size_t row = 0; row < rows; row++, codes += columns) {
    for (size_t pair = 0; pair < columns / 2; pair++, packed++) {
      codes[2 * pair] = (int8_t)((*packed & 15) - 8);
      codes[2 * pair + 1] = (int8_t)((*packed >> 4) - 8);
    }
    if (columns % 2) codes[columns - 1] = (int8_t)((*packed++ & 15) - 8);
  }
}
