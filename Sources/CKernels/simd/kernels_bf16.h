// The kernels of bf16 weights, where instructions multiply pairs of 16 bits.

#if SANA_BF16
static const sana_bf16_feed_forward bf16_feed_forward = {
    .row_bytes = bf16_row_bytes,
    .round_rows = round_bf16_rows,
    .can_compute = has_feed_forward_bf16,
    .scratch_bytes = feed_forward_bf16_scratch_bytes,
    .compute = feed_forward_bf16,
};
#endif

#if SANA_PAIRS
static const sana_bf16_kernels bf16_kernels = {
    .least_depth = PAIRS_LEAST_DEPTH,
    .product_scratch_bytes = sizeof(product_pairs_scratch),
    .product = product_pairs,
#if SANA_BF16
    .feed_forward = &bf16_feed_forward,
#endif
};
#define BF16_KERNELS &bf16_kernels
#else
#define BF16_KERNELS NULL
#endif

#if SANA_BF16
// Each instruction is two multiplications and two additions a lane.
static double peak_bf16(size_t rounds, float *result) {
  __m512 sums[PEAK_CHAINS];
  for (int i = 0; i < PEAK_CHAINS; i++) sums[i] = _mm512_set1_ps((float)i);
  __m512i codes = _mm512_set1_epi32((int)float_bits(result[0]));
  for (size_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < PEAK_CHAINS; i++) {
      __asm__ volatile("" : "+v"(codes));
      sums[i] = _mm512_dpbf16_ps(sums[i], (__m512bh)codes, (__m512bh)codes);
    }
  }
  __m512 total = _mm512_setzero_ps();
  for (int i = 0; i < PEAK_CHAINS; i++) total = _mm512_add_ps(total, sums[i]);
  result[0] = sum_lanes((vfloat)total);
  return 4.0 * PEAK_CHAINS * VECTOR_FLOATS * (double)rounds;
}

#define PEAK_BF16 peak_bf16
#elif SANA_INT16
// int8 codes are multiplied as int16, by the same instructions.
#define PEAK_BF16 peak_int8
#else
#define PEAK_BF16 peak_f32
#endif
