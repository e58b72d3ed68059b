// The kernels with bf16 instructions, where there are any.

#if SANA_BF16
static const sana_bf16_kernels bf16_kernels = {
    .product_scratch_bytes = sizeof(product_bf16_scratch),
    .product = product_bf16,
    .row_bytes = bf16_row_bytes,
    .round_rows = round_bf16_rows,
    .has_feed_forward = has_feed_forward_bf16,
    .feed_forward_scratch_bytes = feed_forward_bf16_scratch_bytes,
    .feed_forward = feed_forward_bf16,
};

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

#define BF16_KERNELS &bf16_kernels
#define PEAK_BF16 peak_bf16
#else
#define BF16_KERNELS NULL
#define PEAK_BF16 peak_f32
#endif
