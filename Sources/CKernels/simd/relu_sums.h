// What ReLU attention sums over all positions, keys times values and keys, and what queries make of the sums.

enum {
  // Positions that are summed in registers. Longer sums are sums of sums, of as many, so that rounding grows with the square root of
  // the levels rather than with the length.
  SUM_BLOCK = 60,
};
_Static_assert(SUM_BLOCK % TILE_ROWS == 0, "a block of keys and values is made of whole tiles");

INLINE size_t relu_key_width(size_t dimension) { return round_up(dimension, TILE_ROWS); }

INLINE size_t relu_value_width(size_t dimension) { return round_up(dimension, PANEL); }

// Floats of the sums of a head: of k v, as [panel of v][channel of k][PANEL], then of k.
INLINE size_t relu_sum_count(size_t dimension) {
  return relu_key_width(dimension) * (relu_value_width(dimension) + 1);
}

// Floats that are kept of a head while its sums are made, [totals, sums]: the totals are what
// queries are applied to in the end.
static size_t relu_state_count(size_t dimension) { return 2 * relu_sum_count(dimension); }

// The sums that blocks are added to, behind `sum_count` totals.
INLINE float *current_sums(float *state, size_t sum_count) { return state + sum_count; }

// Sums begin at an image's first position.
INLINE void begin_relu_sums(size_t position, float *state, size_t sum_count) {
  if (position == 0) __builtin_memset(state, 0, 2 * sum_count * sizeof(float));
}

// Floats of a block of keys, [SUM_BLOCK][key width], and of values, [panel][SUM_BLOCK][PANEL].
INLINE size_t relu_keys_count(size_t dimension) { return SUM_BLOCK * relu_key_width(dimension); }

INLINE size_t relu_values_count(size_t dimension) {
  return SUM_BLOCK * relu_value_width(dimension);
}

INLINE void add_to(float *totals, const float *sums, size_t count) {
  for (size_t i = 0; i < count; i++) totals[i] += sums[i];
}

// `count` channels through relu.
INLINE void relu_row(const float *input, float *output, size_t count) {
  for (size_t i = 0; i < count; i += VECTOR_FLOATS) {
    store_up_to(output + i, relu(load_up_to(input + i, count - i)), count - i);
  }
}

INLINE void relu_rows(
    size_t rows, const float *input, size_t input_stride, float *output, size_t output_stride,
    size_t count) {
  for (size_t r = 0; r < rows; r++) {
    relu_row(input + r * input_stride, output + r * output_stride, count);
  }
}

// Position `row` of a block's values.
INLINE void store_value(size_t dimension, const float *value, size_t row, float *values) {
  for (size_t c = 0; c < dimension; c += VECTOR_FLOATS) {
    float *panel = values + c / PANEL * PANEL * SUM_BLOCK;
    store_up_to(
        panel + row * PANEL + c % PANEL, load_up_to(value + c, dimension - c), dimension - c);
  }
}

// Adds the first `length` positions of a block to a head's sums. The keys have been through relu.
INLINE void sum_block(
    size_t dimension, size_t length, const float *keys, const float *values, float *sums,
    float *tile) {
  const size_t key_width = relu_key_width(dimension);
  const size_t value_width = relu_value_width(dimension);
  for (size_t i = 0; i < dimension; i += TILE_ROWS) {
    for (size_t c = 0; c < value_width; c += PANEL) {
      multiply_tile(length, keys + i, 1, key_width, values + c * SUM_BLOCK, PANEL, tile, PANEL);
      add_to(sums + (c / PANEL * key_width + i) * PANEL, tile, TILE_ROWS * PANEL);
    }
  }
  float *key_sums = sums + key_width * value_width;
  for (size_t i = 0; i < dimension; i += VECTOR_FLOATS) {
    const size_t count = dimension - i;
    vfloat sum = splat(0);
    for (size_t r = 0; r < length; r++) sum += load_up_to(keys + r * key_width + i, count);
    store_up_to(key_sums + i, load_up_to(key_sums + i, count) + sum, count);
  }
}

// Adds the sums to the totals after every SUM_BLOCK blocks, and after the last of `positions`; the
// block that ends began at `position`.
INLINE void end_sum_block(size_t position, size_t positions, float *state, size_t sum_count) {
  const size_t end = position + SUM_BLOCK;
  if (end % (SUM_BLOCK * SUM_BLOCK) != 0 && end < positions) return;
  float *sums = current_sums(state, sum_count);
  add_to(state, sums, sum_count);
  __builtin_memset(sums, 0, sum_count * sizeof(float));
}

// The results of up to TILE_ROWS queries, [TILE_ROWS][key width], which have been through relu.
INLINE void apply_queries(
    size_t dimension, size_t rows, const float *queries, const float *totals, float *tile,
    float *output, size_t output_stride) {
  const size_t key_width = relu_key_width(dimension);
  const float *key_totals = totals + key_width * relu_value_width(dimension);
  float inverses[TILE_ROWS];
  for (size_t r = 0; r < rows; r++) {
    vfloat sum = splat(0);
    for (size_t i = 0; i < dimension; i += VECTOR_FLOATS) {
      const size_t count = dimension - i;
      sum += load_up_to(queries + r * key_width + i, count) * load_up_to(key_totals + i, count);
    }
    inverses[r] = 1.0f / (sum_lanes(sum) + 1e-15f);
  }
  for (size_t c = 0; c < dimension; c += PANEL) {
    multiply_tile(dimension, queries, key_width, 1, totals + c * key_width, PANEL, tile, PANEL);
    const size_t count = min_size(PANEL, dimension - c);
    for (size_t r = 0; r < rows; r++) {
      float *row = output + r * output_stride + c;
      for (size_t v = 0; v < count; v += VECTOR_FLOATS) {
        store_up_to(row + v, load(tile + r * PANEL + v) * inverses[r], count - v);
      }
    }
  }
}
