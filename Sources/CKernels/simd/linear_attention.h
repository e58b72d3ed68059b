// ReLU attention that sums keys times values over all positions first.

enum {
  // Positions that are summed in registers; longer sums are sums of sums, so that rounding grows with the square root of the
  // levels rather than with the length.
  SUM_BLOCK = 64,
};

// Floats of scratch memory: totals and sums of k v and k, one block of k and v, queries, a tile.
static size_t linear_attention_scratch_count(size_t dimension) {
  const size_t key_width = round_up(dimension, TILE_ROWS);
  const size_t value_width = round_up(dimension, PANEL);
  return (2 * key_width + SUM_BLOCK) * value_width + (SUM_BLOCK + 3) * key_width +
         TILE_ROWS * key_width + TILE_ROWS * PANEL;
}

INLINE void add_to(float *totals, const float *sums, size_t count) {
  for (size_t i = 0; i < count; i++) totals[i] += sums[i];
}

static void linear_attention(const sana_linear_attention *head, float *scratch) {
  const size_t dimension = head->dimension;
  const size_t key_width = round_up(dimension, TILE_ROWS);
  const size_t value_width = round_up(dimension, PANEL);
  // Sums of k v, as [panel of v][channel of k][PANEL], and of k, which follow.
  const size_t sum_count = key_width * value_width + key_width;
  float *totals = scratch;
  float *sums = totals + sum_count;
  float *values = sums + sum_count;
  float *keys = values + SUM_BLOCK * value_width;
  float *queries = keys + SUM_BLOCK * key_width;
  float *tile = queries + TILE_ROWS * key_width;
  float *block_sums = tile + TILE_ROWS * PANEL;
  __builtin_memset(scratch, 0, linear_attention_scratch_count(dimension) * sizeof(float));

  size_t blocks = 0;
  for (size_t p = 0; p < head->positions; p += SUM_BLOCK) {
    const size_t length = min_size(SUM_BLOCK, head->positions - p);
    __builtin_memset(block_sums, 0, key_width * sizeof(float));
    for (size_t j = 0; j < length; j++) {
      const float *key = head->key + (p + j) * head->stride;
      const float *value = head->value + (p + j) * head->stride;
      for (size_t i = 0; i < dimension; i++) {
        const float x = key[i] < 0 ? 0 : key[i];
        keys[j * key_width + i] = x;
        block_sums[i] += x;
      }
      for (size_t c = 0; c < dimension; c += PANEL) {
        float *row = values + c * SUM_BLOCK + j * PANEL;
        const size_t count = min_size(PANEL, dimension - c);
        for (size_t i = 0; i < count; i++) row[i] = value[c + i];
      }
    }
    for (size_t i = 0; i < dimension; i += TILE_ROWS) {
      for (size_t c = 0; c < value_width; c += PANEL) {
        multiply_tile(length, keys + i, 1, key_width, values + c * SUM_BLOCK, PANEL, tile, PANEL);
        add_to(sums + (c / PANEL * key_width + i) * PANEL, tile, TILE_ROWS * PANEL);
      }
    }
    add_to(sums + key_width * value_width, block_sums, key_width);
    if (++blocks == SUM_BLOCK || p + SUM_BLOCK >= head->positions) {
      add_to(totals, sums, sum_count);
      __builtin_memset(sums, 0, sum_count * sizeof(float));
      blocks = 0;
    }
  }

  const float *key_totals = totals + key_width * value_width;
  for (size_t p = 0; p < head->positions; p += TILE_ROWS) {
    const size_t rows = min_size(TILE_ROWS, head->positions - p);
    float denominators[TILE_ROWS];
    for (size_t r = 0; r < rows; r++) {
      const float *query = head->query + (p + r) * head->stride;
      vfloat sum = splat(0);
      for (size_t i = 0; i < dimension; i += VECTOR_FLOATS) {
        const size_t count = min_size(VECTOR_FLOATS, dimension - i);
        const vfloat q = relu(load_up_to(query + i, count));
        store_up_to(queries + r * key_width + i, q, count);
        sum += q * load_up_to(key_totals + i, count);
      }
      denominators[r] = sum_lanes(sum) + 1e-15f;
    }
    for (size_t c = 0; c < dimension; c += PANEL) {
      multiply_tile(
          dimension, queries, key_width, 1, totals + c * key_width, PANEL, tile, PANEL);
      const size_t count = min_size(PANEL, dimension - c);
      for (size_t r = 0; r < rows; r++) {
        float *output = head->output + (p + r) * head->output_stride + c;
        for (size_t i = 0; i < count; i++) output[i] = tile[r * PANEL + i] / denominators[r];
      }
    }
  }
}
