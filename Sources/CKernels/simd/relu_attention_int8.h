// ReLU attention of an int8 product's queries, keys and values, which are never stored: a task
// computes some heads of one batch element, first sums keys times values while they are made, then
// applies the queries to the sums, of all positions or a band of them.

static bool has_relu_attention_int8(size_t dimension) { return dimension % PANEL == 0; }

// Floats of scratch memory: a block of keys and values, or queries, and two tiles.
static size_t relu_attention_int8_scratch_count(size_t dimension) {
  return relu_keys_count(dimension) + relu_values_count(dimension) + 2 * TILE_ROWS * PANEL;
}

// The panels of one head's queries or keys, from `column` on, for a tile of positions from `row` on, times `weight` (unless null),
// through relu.
INLINE void relu_tile(
    const sana_int8_relu_attention *attention, size_t row, size_t column, size_t rows,
    const float *weight, float *tile, float *output) {
  for (size_t c = 0; c < attention->dimension; c += PANEL) {
    multiply_int8_tile(attention->weights, column + c, attention->rows, row, tile);
    for (size_t r = 0; r < rows; r++) {
      for (size_t v = 0; v < PANEL; v += VECTOR_FLOATS) {
        vfloat x = load(tile + r * PANEL + v);
        if (weight) x *= load(weight + c + v);
        store(output + r * relu_key_width(attention->dimension) + c + v, relu(x));
      }
    }
  }
}

// Adds `length` positions from `row` on to the head's sums. Keys may have been made before.
INLINE void sum_keys_values(
    const sana_int8_relu_attention *attention, size_t head, size_t row, size_t length, float *sums,
    float *keys, float *values, float *tile) {
  const size_t dimension = attention->dimension, width = attention->heads * dimension;
  const size_t key_width = relu_key_width(dimension);
  if (attention->keys) {
    relu_rows(
        length, attention->keys + row * width + head * dimension, width, keys, key_width,
        dimension);
  }
  for (size_t r = 0; r < length; r += TILE_ROWS) {
    if (!attention->keys) {
      relu_tile(
          attention, row + r, width + head * dimension, min_size(TILE_ROWS, length - r), NULL,
          tile, keys + r * key_width);
    }
    for (size_t c = 0; c < dimension; c += PANEL) {
      multiply_int8_tile(
          attention->weights, 2 * width + head * dimension + c, attention->rows, row + r,
          values + c * SUM_BLOCK + r * PANEL);
    }
  }
  sum_block(dimension, length, keys, values, sums, tile);
}

// Applies the queries of a tile of positions from `row` on to the totals.
INLINE void attend_tile(
    const sana_int8_relu_attention *attention, size_t head, size_t row, size_t rows,
    const float *totals, float *queries, float *tile, float *product) {
  const size_t dimension = attention->dimension, width = attention->heads * dimension;
  const float *weight =
      attention->query_weight ? attention->query_weight + head * dimension : NULL;
  relu_tile(attention, row, head * dimension, rows, weight, tile, queries);
  apply_queries(
      dimension, rows, queries, totals, product,
      attention->output + row * width + head * dimension, width);
}

// The sums of positions `position ..< end` of heads `head ..< head_end` of one batch element. The
// state is that of all these heads: totals of each, then sums of each.
static void sum_relu_attention_int8(
    const sana_int8_relu_attention *attention, size_t batch, size_t head, size_t head_end,
    size_t position, size_t end, float *state, float *scratch) {
  const size_t heads = head_end - head;
  const size_t dimension = attention->dimension;
  const size_t positions = attention->positions;
  const size_t sum_count = relu_sum_count(dimension);
  float *sums = current_sums(state, heads * sum_count);
  float *keys = scratch;
  float *values = keys + relu_keys_count(dimension);
  float *tile = values + relu_values_count(dimension);
  __builtin_memset(scratch, 0, relu_attention_int8_scratch_count(dimension) * sizeof(float));
  begin_relu_sums(position, state, heads * sum_count);
  for (size_t p = position; p < end; p += SUM_BLOCK) {
    for (size_t h = 0; h < heads; h++) {
      sum_keys_values(
          attention, head + h, batch * positions + p, min_size(SUM_BLOCK, positions - p),
          sums + h * sum_count, keys, values, tile);
    }
    end_sum_block(p, positions, state, heads * sum_count);
  }
}

// What queries of positions `position ..< end` make of the finished sums.
static void apply_relu_attention_int8(
    const sana_int8_relu_attention *attention, size_t batch, size_t head, size_t head_end,
    size_t position, size_t end, const float *state, float *scratch) {
  const size_t dimension = attention->dimension;
  const size_t sum_count = relu_sum_count(dimension);
  float *queries = scratch;
  float *tile = queries + TILE_ROWS * relu_key_width(dimension);
  __builtin_memset(queries, 0, TILE_ROWS * relu_key_width(dimension) * sizeof(float));
  for (size_t p = position; p < end; p += TILE_ROWS) {
    for (size_t h = 0; h < head_end - head; h++) {
      attend_tile(
          attention, head + h, batch * attention->positions + p, min_size(TILE_ROWS, end - p),
          state + h * sum_count, queries, tile, tile + TILE_ROWS * PANEL);
    }
  }
}
