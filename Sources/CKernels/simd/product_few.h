// The product of a few rows, bound by memory: every weight is read, and decoded, once.

INLINE void accumulate_dots(
    const int count, const float *const *inputs, const float *const *weights, size_t depth,
    vfloat sums[][4]) {
  vfloat local[4][4];
  UNROLL for (int m = 0; m < count; m++) {
    UNROLL for (int n = 0; n < 4; n++) local[m][n] = sums[m][n];
  }
  size_t k = 0;
  for (; k + VECTOR_FLOATS <= depth; k += VECTOR_FLOATS) {
    UNROLL for (int n = 0; n < 4; n++) {
      const vfloat w = load(weights[n] + k);
      UNROLL for (int m = 0; m < count; m++) local[m][n] += load(inputs[m] + k) * w;
    }
  }
  if (k < depth) {
    UNROLL for (int n = 0; n < 4; n++) {
      const vfloat w = load_up_to(weights[n] + k, depth - k);
      UNROLL for (int m = 0; m < count; m++) {
        local[m][n] += load_up_to(inputs[m] + k, depth - k) * w;
      }
    }
  }
  UNROLL for (int m = 0; m < count; m++) {
    UNROLL for (int n = 0; n < 4; n++) sums[m][n] = local[m][n];
  }
}

// All positions, at most FEW_ROWS, of a linear layer; output channels `column ..< column_end`.
static void product_few(
    const sana_product *product, size_t column, size_t column_end, void *memory) {
  product_scratch *scratch = memory;
  const sana_matrix *weight = &product->weight;
  const size_t depth = weight->columns;
  const size_t rows = product->batch * product->rows * product->columns;
  for (size_t n = column; n < column_end; n += 4) {
    const size_t count = min_size(4, column_end - n);
    vfloat sums[FEW_ROWS][4] = {};
    for (size_t k = 0; k < depth; k += DEPTH_BLOCK) {
      const size_t length = min_size(DEPTH_BLOCK, depth - k);
      const float *weights[4];
      for (size_t i = 0; i < 4; i++) {
        weights[i] = scratch->rows + i * DEPTH_BLOCK;
        decode_row(weight, n + min_size(i, count - 1), k, length, (float *)weights[i]);
      }
      const float *inputs[FEW_ROWS];
      for (size_t m = 0; m < rows; m++) inputs[m] = product->input + m * product->input_stride + k;
      for (size_t m = 0; m < rows;) {
        if (rows - m >= 4) {
          accumulate_dots(4, inputs + m, weights, length, sums + m);
          m += 4;
        } else if (rows - m >= 2) {
          accumulate_dots(2, inputs + m, weights, length, sums + m);
          m += 2;
        } else {
          accumulate_dots(1, inputs + m, weights, length, sums + m);
          m += 1;
        }
      }
    }
    for (size_t m = 0; m < rows; m++) {
      row_targets targets;
      find_targets(product, m, 1, &targets);
      float totals[VECTOR_FLOATS] = {};
      for (size_t i = 0; i < count; i++) totals[i] = sum_lanes(sums[m][i]);
      store_tile(product, &targets, totals, VECTOR_FLOATS, 1, n, count);
    }
  }
}
