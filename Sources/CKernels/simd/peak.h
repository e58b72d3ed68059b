// What the arithmetic units can do: independent multiply-adds that never leave the registers.

// Enough for the latency of an instruction; sixteen registers also hold what is multiplied, and products before they are added.
enum { PEAK_CHAINS = 10 };

// Returns the floating-point operations done; the results go where the compiler cannot drop them.
static double peak_f32(size_t rounds, float *result) {
  vfloat sums[PEAK_CHAINS];
  for (int i = 0; i < PEAK_CHAINS; i++) sums[i] = splat((float)i);
  const vfloat factor = splat(result[0]), term = splat(result[1]);
  for (size_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < PEAK_CHAINS; i++) sums[i] = sums[i] * factor + term;
  }
  vfloat total = splat(0);
  for (int i = 0; i < PEAK_CHAINS; i++) total += sums[i];
  result[0] = sum_lanes(total);
  return 2.0 * PEAK_CHAINS * VECTOR_FLOATS * (double)rounds;
}

#if defined(__x86_64__)
#define VECTOR_REGISTER(x) "+v"(x)
#elif defined(__aarch64__)
#define VECTOR_REGISTER(x) "+w"(x)
#else
#define VECTOR_REGISTER(x) "+m"(x)
#endif

static double peak_int8(size_t rounds, float *result) {
  vint sums[PEAK_CHAINS] = {};
  vint codes = splat_int((int32_t)result[0]);
  const vint weights[2] = {splat_int((int32_t)result[0]), splat_int((int32_t)result[1])};
  for (size_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < PEAK_CHAINS; i += 2) {
      // Something else for every two chains and round, as far as the compiler knows, or two products would do for all.
      __asm__ volatile("" : VECTOR_REGISTER(codes));
      add_two_products(&sums[i], codes, weights);
    }
  }
  vint total = splat_int(0);
  for (int i = 0; i < PEAK_CHAINS; i++) total += sums[i];
  result[0] = (float)total[0];
  return 2.0 * PEAK_CHAINS * VECTOR_FLOATS * INT8_GROUP * (double)rounds;
}
