// Products and rounding for second-order methods; see sana_second_order.h.

enum { PRODUCT_STRIP = 6 };

// `count` rows of sums, of two vectors of columns. No sum depends on how many rows there are.
INLINE void add_product_strip(
    const int count, float *target, size_t target_stride, const float *left, size_t left_stride,
    const float *right, size_t right_stride, size_t columns, size_t depth, float sign) {
  vfloat sums[PRODUCT_STRIP][2] = {};
  const size_t second = columns > VECTOR_FLOATS ? columns - VECTOR_FLOATS : 0;
  const size_t first = min_size(columns, VECTOR_FLOATS);
  for (size_t j = 0; j < depth; j++) {
    const float *row = right + j * right_stride;
    const vfloat a = load_up_to(row, first);
    const vfloat b = second > 0 ? load_up_to(row + VECTOR_FLOATS, second) : splat(0);
    UNROLL for (int i = 0; i < count; i++) {
      const float x = left[i * left_stride + j];
      sums[i][0] += x * a;
      sums[i][1] += x * b;
    }
  }
  UNROLL for (int i = 0; i < count; i++) {
    float *place = target + i * target_stride;
    store_up_to(place, load_up_to(place, first) + sign * sums[i][0], first);
    if (second > 0) {
      store_up_to(
          place + VECTOR_FLOATS, load_up_to(place + VECTOR_FLOATS, second) + sign * sums[i][1],
          second);
    }
  }
}

static void add_product(
    float *target, size_t target_stride, const float *left, size_t left_stride, const float *right,
    size_t right_stride, size_t rows, size_t columns, size_t depth, float sign) {
  for (size_t k = 0; k < columns; k += 2 * VECTOR_FLOATS) {
    const size_t width = min_size(2 * VECTOR_FLOATS, columns - k);
    size_t i = 0;
    for (; i + PRODUCT_STRIP <= rows; i += PRODUCT_STRIP) {
      add_product_strip(
          PRODUCT_STRIP, target + i * target_stride + k, target_stride, left + i * left_stride,
          left_stride, right + k, right_stride, width, depth, sign);
    }
    for (; i < rows; i++) {
      add_product_strip(
          1, target + i * target_stride + k, target_stride, left + i * left_stride, left_stride,
          right + k, right_stride, width, depth, sign);
    }
  }
}

static void round_block(
    const float *original, float *moved, const float *factors, size_t factor_stride, size_t column,
    size_t count, size_t group, int limit, int8_t *codes, float *scales, float *errors) {
  const size_t first_group = column / group;
  for (size_t j = 0; j < count; j++) {
    float *scale = scales + (column + j) / group - first_group;
    if ((column + j) % group == 0 && group <= count - j) {
      *scale = largest_magnitude(moved + j, group) / (float)limit;
      if (*scale < 0x1p-126f) *scale = 0;
    }
    codes[j] = *scale > 0 ? quantize_scalar(moved[j], *scale, (float)limit) : 0;
    const float error = original[j] - (float)codes[j] * *scale;
    errors[j] = error;
    const float *row = factors + j * factor_stride;
    size_t k = j + 1;
    for (; k + VECTOR_FLOATS <= count; k += VECTOR_FLOATS) {
      store(moved + k, load(moved + k) + error * load(row + k));
    }
    for (; k < count; k++) moved[k] += error * row[k];
  }
}

static int factor_block(float *matrix, size_t stride, size_t count) {
  for (size_t n = count; n-- > 0;) {
    const float pivot = matrix[n * stride + n];
    if (!(pivot > 0)) return 0;
    const float root = __builtin_sqrtf(pivot);
    matrix[n * stride + n] = root;
    for (size_t i = 0; i < n; i++) matrix[i * stride + n] /= root;
    for (size_t i = 0; i < n; i++) {
      const float x = matrix[i * stride + n];
      for (size_t k = i; k < n; k++) matrix[i * stride + k] -= x * matrix[k * stride + n];
    }
  }
  return 1;
}

static void solve_block(
    float *b, size_t stride, size_t rows, const float *block, size_t block_stride, size_t count) {
  for (size_t i = 0; i < rows; i++) {
    float *row = b + i * stride;
    for (size_t n = count; n-- > 0;) {
      float sum = row[n];
      for (size_t k = n + 1; k < count; k++) sum -= row[k] * block[n * block_stride + k];
      row[n] = sum / block[n * block_stride + n];
    }
  }
}
