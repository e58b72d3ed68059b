#include "sana_bitshuffle.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Every variant below transposes `count` elements, a multiple of 8; bit planes lie `plane_bytes` apart.

// Portable

/// Transposes an 8x8 bit matrix: bit j of byte i becomes bit i of byte j.
static inline uint64_t transpose8(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAu;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCu;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0u;
  return x ^ t ^ (t << 28);
}

static size_t shuffle_portable(const uint8_t *source, uint8_t *planes, size_t plane_bytes,
                               size_t element_bytes, size_t count) {
  for (size_t i = 0; i < count; i += 8) {
    for (size_t byte = 0; byte < element_bytes; byte++) {
      uint64_t bits = 0;
      for (size_t k = 0; k < 8; k++) {
        bits |= (uint64_t)source[(i + k) * element_bytes + byte] << (8 * k);
      }
      bits = transpose8(bits);
      uint8_t *out = planes + 8 * byte * plane_bytes + i / 8;
      for (size_t k = 0; k < 8; k++) out[k * plane_bytes] = (uint8_t)(bits >> (8 * k));
    }
  }
  return count;
}

static size_t unshuffle_portable(const uint8_t *planes, uint8_t *destination, size_t plane_bytes,
                                 size_t element_bytes, size_t count) {
  for (size_t i = 0; i < count; i += 8) {
    for (size_t byte = 0; byte < element_bytes; byte++) {
      const uint8_t *in = planes + 8 * byte * plane_bytes + i / 8;
      uint64_t bits = 0;
      for (size_t k = 0; k < 8; k++) bits |= (uint64_t)in[k * plane_bytes] << (8 * k);
      bits = transpose8(bits);
      for (size_t k = 0; k < 8; k++) {
        destination[(i + k) * element_bytes + byte] = (uint8_t)(bits >> (8 * k));
      }
    }
  }
  return count;
}

#if defined(__x86_64__)

// AVX2: 32 elements at a time. The bytes of equal significance are brought together, then `movemask` takes one bit of each.

__attribute__((target("avx2"))) static size_t shuffle_avx2(const uint8_t *source, uint8_t *planes,
                                                           size_t plane_bytes,
                                                           size_t element_bytes, size_t count) {
  const size_t vectors = count / 32 * 32;
  const __m256i low_bytes = _mm256_set1_epi16(0x00FF);
  for (size_t i = 0; i < vectors; i += 32) {
    __m256i bytes[4];
    const __m256i *in = (const __m256i *)(source + i * element_bytes);
    if (element_bytes == 1) {
      bytes[0] = _mm256_loadu_si256(in);
    } else {
      // Pairs of bytes of 32 elements: one pair for 16-bit elements, two for 32-bit ones.
      __m256i halves[2][2];
      if (element_bytes == 2) {
        halves[0][0] = _mm256_loadu_si256(in);
        halves[0][1] = _mm256_loadu_si256(in + 1);
      } else {
        const __m256i low_halves = _mm256_set1_epi32(0x0000FFFF);
        for (int h = 0; h < 2; h++) {
          const __m256i a = _mm256_loadu_si256(in + 2 * h), b = _mm256_loadu_si256(in + 2 * h + 1);
          halves[0][h] = _mm256_permute4x64_epi64(
              _mm256_packus_epi32(_mm256_and_si256(a, low_halves), _mm256_and_si256(b, low_halves)),
              0xD8);
          halves[1][h] = _mm256_permute4x64_epi64(
              _mm256_packus_epi32(_mm256_srli_epi32(a, 16), _mm256_srli_epi32(b, 16)), 0xD8);
        }
      }
      for (size_t pair = 0; pair < element_bytes / 2; pair++) {
        const __m256i a = halves[pair][0], b = halves[pair][1];
        bytes[2 * pair] = _mm256_permute4x64_epi64(
            _mm256_packus_epi16(_mm256_and_si256(a, low_bytes), _mm256_and_si256(b, low_bytes)),
            0xD8);
        bytes[2 * pair + 1] = _mm256_permute4x64_epi64(
            _mm256_packus_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8)), 0xD8);
      }
    }
    for (size_t byte = 0; byte < element_bytes; byte++) {
      uint8_t *out = planes + 8 * byte * plane_bytes + i / 8;
      __m256i x = bytes[byte];
      for (int bit = 7; bit >= 0; bit--) {
        const uint32_t mask = (uint32_t)_mm256_movemask_epi8(x);
        memcpy(out + (size_t)bit * plane_bytes, &mask, 4);
        x = _mm256_add_epi8(x, x);
      }
    }
  }
  return vectors;
}

/// 32 bytes whose bit k comes from plane k of eight.
__attribute__((target("avx2"))) static inline __m256i gather_bytes_avx2(const uint8_t *in,
                                                                        size_t plane_bytes) {
  const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2,
                                          2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  const __m256i select = _mm256_set1_epi64x((long long)0x8040201008040201);
  __m256i result = _mm256_setzero_si256();
  for (int bit = 0; bit < 8; bit++) {
    int32_t word;
    memcpy(&word, in + (size_t)bit * plane_bytes, 4);
    const __m256i bits =
        _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(word), spread), select);
    const __m256i set = _mm256_cmpeq_epi8(bits, select);
    result = _mm256_or_si256(result, _mm256_and_si256(set, _mm256_set1_epi8((char)(1 << bit))));
  }
  return result;
}

/// Interleaves two vectors byte by byte (or half by half), in order.
__attribute__((target("avx2"))) static inline void interleave8_avx2(__m256i low, __m256i high,
                                                                    __m256i out[2]) {
  const __m256i a = _mm256_unpacklo_epi8(low, high), b = _mm256_unpackhi_epi8(low, high);
  out[0] = _mm256_permute2x128_si256(a, b, 0x20);
  out[1] = _mm256_permute2x128_si256(a, b, 0x31);
}

__attribute__((target("avx2"))) static inline void interleave16_avx2(__m256i low, __m256i high,
                                                                     __m256i out[2]) {
  const __m256i a = _mm256_unpacklo_epi16(low, high), b = _mm256_unpackhi_epi16(low, high);
  out[0] = _mm256_permute2x128_si256(a, b, 0x20);
  out[1] = _mm256_permute2x128_si256(a, b, 0x31);
}

__attribute__((target("avx2"))) static size_t unshuffle_avx2(const uint8_t *planes,
                                                             uint8_t *destination,
                                                             size_t plane_bytes,
                                                             size_t element_bytes, size_t count) {
  const size_t vectors = count / 32 * 32;
  for (size_t i = 0; i < vectors; i += 32) {
    __m256i *out = (__m256i *)(destination + i * element_bytes);
    __m256i bytes[4];
    for (size_t byte = 0; byte < element_bytes; byte++) {
      bytes[byte] = gather_bytes_avx2(planes + 8 * byte * plane_bytes + i / 8, plane_bytes);
    }
    __m256i halves[2][2], words[2];
    switch (element_bytes) {
    case 1:
      _mm256_storeu_si256(out, bytes[0]);
      break;
    case 2:
      interleave8_avx2(bytes[0], bytes[1], halves[0]);
      _mm256_storeu_si256(out, halves[0][0]);
      _mm256_storeu_si256(out + 1, halves[0][1]);
      break;
    default:
      interleave8_avx2(bytes[0], bytes[1], halves[0]);
      interleave8_avx2(bytes[2], bytes[3], halves[1]);
      for (int h = 0; h < 2; h++) {
        interleave16_avx2(halves[0][h], halves[1][h], words);
        _mm256_storeu_si256(out + 2 * h, words[0]);
        _mm256_storeu_si256(out + 2 * h + 1, words[1]);
      }
    }
  }
  return vectors;
}

// AVX-512: 64 elements at a time. A test against one bit gives the bits of a whole vector as a mask, and a masked add sets them.

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

AVX512 static size_t shuffle_avx512(const uint8_t *source, uint8_t *planes, size_t plane_bytes,
                                    size_t element_bytes, size_t count) {
  const size_t vectors = count / 64 * 64;
  for (size_t i = 0; i < vectors; i += 64) {
    const uint8_t *in = source + i * element_bytes;
    uint8_t *out = planes + i / 8;
    switch (element_bytes) {
    case 1: {
      const __m512i x = _mm512_loadu_si512(in);
      for (int bit = 0; bit < 8; bit++) {
        const uint64_t mask = _mm512_test_epi8_mask(x, _mm512_set1_epi8((char)(1 << bit)));
        memcpy(out + (size_t)bit * plane_bytes, &mask, 8);
      }
      break;
    }
    case 2: {
      const __m512i x = _mm512_loadu_si512(in), y = _mm512_loadu_si512(in + 64);
      for (int bit = 0; bit < 16; bit++) {
        const __m512i select = _mm512_set1_epi16((short)(1 << bit));
        const uint64_t mask = _mm512_test_epi16_mask(x, select) |
                              (uint64_t)_mm512_test_epi16_mask(y, select) << 32;
        memcpy(out + (size_t)bit * plane_bytes, &mask, 8);
      }
      break;
    }
    default: {
      const __m512i x = _mm512_loadu_si512(in), y = _mm512_loadu_si512(in + 64);
      const __m512i z = _mm512_loadu_si512(in + 128), w = _mm512_loadu_si512(in + 192);
      for (int bit = 0; bit < 32; bit++) {
        const __m512i select = _mm512_set1_epi32((int)(1u << bit));
        const uint64_t mask = _mm512_test_epi32_mask(x, select) |
                              (uint64_t)_mm512_test_epi32_mask(y, select) << 16 |
                              (uint64_t)_mm512_test_epi32_mask(z, select) << 32 |
                              (uint64_t)_mm512_test_epi32_mask(w, select) << 48;
        memcpy(out + (size_t)bit * plane_bytes, &mask, 8);
      }
    }
    }
  }
  return vectors;
}

AVX512 static size_t unshuffle_avx512(const uint8_t *planes, uint8_t *destination,
                                      size_t plane_bytes, size_t element_bytes, size_t count) {
  const size_t vectors = count / 64 * 64;
  for (size_t i = 0; i < vectors; i += 64) {
    const uint8_t *in = planes + i / 8;
    uint8_t *out = destination + i * element_bytes;
    uint64_t mask;
    switch (element_bytes) {
    case 1: {
      __m512i x = _mm512_setzero_si512();
      for (int bit = 0; bit < 8; bit++) {
        memcpy(&mask, in + (size_t)bit * plane_bytes, 8);
        x = _mm512_mask_add_epi8(x, mask, x, _mm512_set1_epi8((char)(1 << bit)));
      }
      _mm512_storeu_si512(out, x);
      break;
    }
    case 2: {
      __m512i x = _mm512_setzero_si512(), y = x;
      for (int bit = 0; bit < 16; bit++) {
        memcpy(&mask, in + (size_t)bit * plane_bytes, 8);
        const __m512i value = _mm512_set1_epi16((short)(1 << bit));
        x = _mm512_mask_add_epi16(x, (__mmask32)mask, x, value);
        y = _mm512_mask_add_epi16(y, (__mmask32)(mask >> 32), y, value);
      }
      _mm512_storeu_si512(out, x);
      _mm512_storeu_si512(out + 64, y);
      break;
    }
    default: {
      __m512i x = _mm512_setzero_si512(), y = x, z = x, w = x;
      for (int bit = 0; bit < 32; bit++) {
        memcpy(&mask, in + (size_t)bit * plane_bytes, 8);
        const __m512i value = _mm512_set1_epi32((int)(1u << bit));
        x = _mm512_mask_add_epi32(x, (__mmask16)mask, x, value);
        y = _mm512_mask_add_epi32(y, (__mmask16)(mask >> 16), y, value);
        z = _mm512_mask_add_epi32(z, (__mmask16)(mask >> 32), z, value);
        w = _mm512_mask_add_epi32(w, (__mmask16)(mask >> 48), w, value);
      }
      _mm512_storeu_si512(out, x);
      _mm512_storeu_si512(out + 64, y);
      _mm512_storeu_si512(out + 128, z);
      _mm512_storeu_si512(out + 192, w);
    }
    }
  }
  return vectors;
}

#endif

// Dispatch

/// Returns how many elements, from the first on, it dealt with.
typedef size_t variant(const uint8_t *source, uint8_t *destination, size_t plane_bytes,
                       size_t element_bytes, size_t count);

static variant *shuffle_variant(sana_isa isa, size_t element_bytes) {
#if defined(__x86_64__)
  if (element_bytes <= 4 && isa < SANA_ISA_NEON) {
    if (isa >= SANA_ISA_AVX512) return shuffle_avx512;
    if (isa == SANA_ISA_AVX2) return shuffle_avx2;
  }
#endif
  (void)isa, (void)element_bytes;
  return shuffle_portable;
}

static variant *unshuffle_variant(sana_isa isa, size_t element_bytes) {
#if defined(__x86_64__)
  if (element_bytes <= 4 && isa < SANA_ISA_NEON) {
    if (isa >= SANA_ISA_AVX512) return unshuffle_avx512;
    if (isa == SANA_ISA_AVX2) return unshuffle_avx2;
  }
#endif
  (void)isa, (void)element_bytes;
  return unshuffle_portable;
}

// The planes of a chunk often lie a power of two apart, so that one small piece of each evicts the others from the first-level
// cache. A tile whose planes are one cache line long goes through a compact buffer instead.
enum { line = 64, tile_elements = 8 * line, planes_limit = 64 };

void sana_bitshuffle_with(sana_isa isa, const void *source, void *destination, size_t count,
                          size_t element_bytes) {
  const uint8_t *in = source;
  uint8_t *out = destination;
  const size_t elements = count / element_bytes / 8 * 8, plane_bytes = elements / 8;
  variant *shuffle = shuffle_variant(isa, element_bytes);
  size_t done = 0;
  for (; done + tile_elements <= elements; done += tile_elements) {
    _Alignas(64) uint8_t tile[planes_limit * line];
    shuffle(in + done * element_bytes, tile, line, element_bytes, tile_elements);
    for (size_t plane = 0; plane < 8 * element_bytes; plane++) {
      memcpy(out + plane * plane_bytes + done / 8, tile + plane * line, line);
    }
  }
  done += shuffle(in + done * element_bytes, out + done / 8, plane_bytes, element_bytes,
                  elements - done);
  shuffle_portable(in + done * element_bytes, out + done / 8, plane_bytes, element_bytes,
                   elements - done);
  const size_t whole = elements * element_bytes;
  memcpy(out + whole, in + whole, count - whole);
}

void sana_bitunshuffle_with(sana_isa isa, const void *source, void *destination, size_t count,
                            size_t element_bytes) {
  const uint8_t *in = source;
  uint8_t *out = destination;
  const size_t elements = count / element_bytes / 8 * 8, plane_bytes = elements / 8;
  variant *unshuffle = unshuffle_variant(isa, element_bytes);
  size_t done = 0;
  for (; done + tile_elements <= elements; done += tile_elements) {
    _Alignas(64) uint8_t tile[planes_limit * line];
    for (size_t plane = 0; plane < 8 * element_bytes; plane++) {
      memcpy(tile + plane * line, in + plane * plane_bytes + done / 8, line);
    }
    unshuffle(tile, out + done * element_bytes, line, element_bytes, tile_elements);
  }
  done += unshuffle(in + done / 8, out + done * element_bytes, plane_bytes, element_bytes,
                    elements - done);
  unshuffle_portable(in + done / 8, out + done * element_bytes, plane_bytes, element_bytes,
                     elements - done);
  const size_t whole = elements * element_bytes;
  memcpy(out + whole, in + whole, count - whole);
}

void sana_bitshuffle(const void *source, void *destination, size_t count, size_t element_bytes) {
  sana_bitshuffle_with(sana_cpu_isa(), source, destination, count, element_bytes);
}

void sana_bitunshuffle(const void *source, void *destination, size_t count, size_t element_bytes) {
  sana_bitunshuffle_with(sana_cpu_isa(), source, destination, count, element_bytes);
}
