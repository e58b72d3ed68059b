// Rotation of blocks of a row by a normalized Hadamard matrix (see sana_rotate.h), which spreads a
// few large numbers over their block. The sums are added in one order on every instruction set.

#if VECTOR_FLOATS == 16
#define EXCHANGED_1(x) __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define EXCHANGED_2(x) __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define EXCHANGED_4(x) __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
#define EXCHANGED_8(x) __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#elif VECTOR_FLOATS == 8
#define EXCHANGED_1(x) __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6)
#define EXCHANGED_2(x) __builtin_shufflevector(x, x, 2, 3, 0, 1, 6, 7, 4, 5)
#define EXCHANGED_4(x) __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3)
#else
#define EXCHANGED_1(x) __builtin_shufflevector(x, x, 1, 0, 3, 2)
#define EXCHANGED_2(x) __builtin_shufflevector(x, x, 2, 3, 0, 1)
#endif

// The sign bit in the lanes whose number has the bit `distance`.
INLINE vint rotation_signs(const int distance) {
  vint signs;
  UNROLL for (int i = 0; i < VECTOR_FLOATS; i++) signs[i] = i & distance ? INT32_MIN : 0;
  return signs;
}

// Lanes `distance` apart: their sum in the lower one, their difference in the upper one.
#define ROTATION_STAGE(x, distance) \
  (EXCHANGED_##distance(x) + (vfloat)((vint)(x) ^ rotation_signs(distance)))

// The stages within a vector.
INLINE vfloat rotate_lanes(vfloat x) {
  x = ROTATION_STAGE(x, 1);
  x = ROTATION_STAGE(x, 2);
#if VECTOR_FLOATS >= 8
  x = ROTATION_STAGE(x, 4);
#endif
#if VECTOR_FLOATS >= 16
  x = ROTATION_STAGE(x, 8);
#endif
  return x;
}

INLINE float rotation_factor(size_t block) {
  // 1 / sqrt(block), of powers of two.
  float factor = 1;
  for (; block >= 4; block /= 4) factor *= 0.5f;
  return block == 2 ? factor * 0x1.6a09e6p-1f : factor;
}

// Sums and differences of what lies `from`, twice `from` ... apart in a block.
INLINE void rotate_scalars(float *x, size_t from, size_t block) {
  for (size_t half = from; half < block; half *= 2) {
    for (size_t i = 0; i < block; i += 2 * half) {
      for (size_t k = i; k < i + half; k++) {
        const float a = x[k], b = x[k + half];
        x[k] = a + b;
        x[k + half] = a - b;
      }
    }
  }
}

INLINE void rotate_vectors(float *x, size_t block, float factor) {
  const vfloat factors = splat(factor);
  for (size_t i = 0; i < block; i += VECTOR_FLOATS) store(x + i, rotate_lanes(load(x + i)));
  for (size_t half = VECTOR_FLOATS; half < block; half *= 2) {
    const bool is_last = 2 * half == block;
    for (size_t i = 0; i < block; i += 2 * half) {
      for (size_t k = i; k < i + half; k += VECTOR_FLOATS) {
        const vfloat a = load(x + k), b = load(x + k + half);
        const vfloat sum = a + b, difference = a - b;
        store(x + k, is_last ? sum * factors : sum);
        store(x + k + half, is_last ? difference * factors : difference);
      }
    }
  }
  if (block == VECTOR_FLOATS) store(x, load(x) * factors);
}

// Whole blocks of `count` numbers.
static void rotate_row(float *x, size_t count, size_t block) {
  const float factor = rotation_factor(block);
  if (block < 2) return;
  for (size_t i = 0; i + block <= count; i += block) {
    if (block >= VECTOR_FLOATS) {
      rotate_vectors(x + i, block, factor);
    } else {
      rotate_scalars(x + i, 1, block);
      for (size_t k = i; k < i + block; k++) x[k] *= factor;
    }
  }
}
