// Products of small integers added to int32: one instruction, or two.

// How many neighbouring elements of the depth one instruction multiplies and adds, and how a quantized activation is held.
#if SANA_VNNI
enum { INT8_GROUP = 4, INT8_OFFSET = 128 };
typedef uint8_t quantized;
#elif SANA_NEON_DOTPROD
enum { INT8_GROUP = 4, INT8_OFFSET = 0 };
typedef int8_t quantized;
#elif SANA_NEON_I8MM
enum { INT8_GROUP = 8, INT8_OFFSET = 0 };
typedef int8_t quantized;
#elif SANA_AVX512 || SANA_AVX2
enum { INT8_GROUP = 2, INT8_OFFSET = 0 };
typedef int16_t quantized;
#else
enum { INT8_GROUP = 1, INT8_OFFSET = 0 };
typedef int16_t quantized;
#endif

// Makes both vectors before either is used. Where products and sums are instructions of their own that share pipes, as on Zen 3, a product
// and its sum in turn take the pipes from each other: two products, then two sums are a tenth faster.
#if SANA_AVX2
#define MAKE_BOTH(first, second) __asm__ volatile("" : "+x"(first), "+x"(second))
#else
#define MAKE_BOTH(first, second) (void)(first), (void)(second)
#endif

// The sums of a group of each lane.
INLINE vint add_products(vint sums, vint codes, vint weights) {
#if SANA_VNNI
  return (vint)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)codes, (__m512i)weights);
#elif SANA_NEON_DOTPROD
  return (vint)vdotq_s32((int32x4_t)sums, (int8x16_t)codes, (int8x16_t)weights);
#elif SANA_NEON_I8MM
  return (vint)vmmlaq_s32((int32x4_t)sums, (int8x16_t)codes, (int8x16_t)weights);
#elif SANA_AVX512
  return sums + (vint)_mm512_madd_epi16((__m512i)codes, (__m512i)weights);
#elif SANA_AVX2
  return sums + (vint)_mm256_madd_epi16((__m256i)codes, (__m256i)weights);
#else
  return sums + codes * weights;
#endif
}

// Adds the products of some codes with two vectors of weights.
INLINE void add_two_products(vint sums[2], vint codes, const vint weights[2]) {
#if SANA_AVX2
  vint first = add_products(splat_int(0), codes, weights[0]);
  vint second = add_products(splat_int(0), codes, weights[1]);
  MAKE_BOTH(first, second);
  sums[0] += first;
  sums[1] += second;
#else
  UNROLL for (int v = 0; v < 2; v++) sums[v] = add_products(sums[v], codes, weights[v]);
#endif
}
