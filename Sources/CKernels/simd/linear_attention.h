// ReLU attention by sums, of queries, keys and values in memory: first the sums of some positions
// after others, then what the queries make of the finished sums.

// Floats of scratch memory: a block of keys and values, or queries, and a tile.
static size_t linear_attention_scratch_count(size_t dimension) {
  return relu_keys_count(dimension) + relu_values_count(dimension) + TILE_ROWS * PANEL;
}

static void sum_linear_attention(
    const sana_linear_attention *head, size_t position, size_t end, float *sums, float *scratch) {
  const size_t dimension = head->dimension;
  const size_t key_width = relu_key_width(dimension);
  float *keys = scratch;
  float *values = keys + relu_keys_count(dimension);
  float *tile = values + relu_values_count(dimension);
  __builtin_memset(scratch, 0, linear_attention_scratch_count(dimension) * sizeof(float));
  begin_relu_sums(position, sums, relu_sum_count(dimension));
  for (size_t p = position; p < end; p += SUM_BLOCK) {
    const size_t length = min_size(SUM_BLOCK, head->positions - p);
    for (size_t j = 0; j < length; j++) {
      relu_row(head->key + (p + j) * head->key_stride, keys + j * key_width, dimension);
      store_value(dimension, head->value + (p + j) * head->key_stride, j, values);
    }
    sum_block(dimension, length, keys, values, current_sums(sums, relu_sum_count(dimension)), tile);
    end_sum_block(p, head->positions, sums, relu_sum_count(dimension));
  }
}

static void apply_linear_attention(
    const sana_linear_attention *head, size_t position, size_t end, const float *sums,
    float *scratch) {
  const size_t dimension = head->dimension;
  const size_t key_width = relu_key_width(dimension);
  float *queries = scratch;
  float *tile = queries + TILE_ROWS * key_width;
  __builtin_memset(queries, 0, TILE_ROWS * key_width * sizeof(float));
  for (size_t p = position; p < end; p += TILE_ROWS) {
    const size_t rows = min_size(TILE_ROWS, end - p);
    relu_rows(
        rows, head->query + p * head->query_stride, head->query_stride, queries, key_width,
        dimension);
    apply_queries(
        dimension, rows, queries, sums, tile, head->output + p * head->output_stride,
        head->output_stride);
  }
}
