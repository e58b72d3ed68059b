// ReLU attention by sums, of queries, keys and values in memory.

// Floats of scratch memory: totals and sums, a block of keys and values, queries, a tile.
static size_t linear_attention_scratch_count(size_t dimension) {
  return 2 * relu_sum_count(dimension) + relu_keys_count(dimension) +
         relu_values_count(dimension) + TILE_ROWS * relu_key_width(dimension) + TILE_ROWS * PANEL;
}

static void linear_attention(const sana_linear_attention *head, float *scratch) {
  const size_t dimension = head->dimension;
  const size_t key_width = relu_key_width(dimension);
  const size_t sum_count = relu_sum_count(dimension);
  float *totals = scratch;
  float *sums = totals + sum_count;
  float *keys = sums + sum_count;
  float *values = keys + relu_keys_count(dimension);
  float *queries = values + relu_values_count(dimension);
  float *tile = queries + TILE_ROWS * key_width;
  __builtin_memset(scratch, 0, linear_attention_scratch_count(dimension) * sizeof(float));

  size_t blocks = 0;
  for (size_t p = 0; p < head->positions; p += SUM_BLOCK) {
    const size_t length = min_size(SUM_BLOCK, head->positions - p);
    for (size_t j = 0; j < length; j++) {
      const size_t offset = (p + j) * head->stride;
      relu_row(head->key + offset, keys + j * key_width, dimension);
      store_value(dimension, head->value + offset, j, values);
    }
    sum_block(dimension, length, keys, values, sums, tile);
    end_sum_block(&blocks, p + SUM_BLOCK >= head->positions, totals, sums, sum_count);
  }

  for (size_t p = 0; p < head->positions; p += TILE_ROWS) {
    const size_t rows = min_size(TILE_ROWS, head->positions - p);
    relu_rows(
        rows, head->query + p * head->stride, head->stride, queries, key_width, dimension);
    apply_queries(
        dimension, rows, queries, totals, tile, head->output + p * head->output_stride,
        head->output_stride);
  }
}
