// ReLU attention of an int8 product's queries, keys and values, which are never stored: a task computes some heads of one batch
// element, first sums keys times values while they are made, then applies the queries to the sums.

enum {
  // Positions that are summed in registers; see linear_attention.h.
  INT8_SUM_BLOCK = 60,
};

INLINE size_t relu_key_width(size_t dimension) { return round_up(dimension, TILE_ROWS); }

// Floats of the sums of a head: of k v, as [panel of v][channel of k][PANEL], then of k.
INLINE size_t relu_sum_count(size_t dimension) {
  return relu_key_width(dimension) * (dimension + 1);
}

static bool has_relu_attention_int8(size_t dimension) { return dimension % PANEL == 0; }

// Floats of scratch memory: sums and totals of every head; a block of k and v, a strip of q, a tile.
static size_t relu_attention_int8_scratch_count(size_t dimension, size_t heads) {
  return heads * 2 * relu_sum_count(dimension) + INT8_SUM_BLOCK * relu_key_width(dimension) +
         INT8_SUM_BLOCK * dimension + TILE_ROWS * relu_key_width(dimension) +
         2 * TILE_ROWS * PANEL;
}

// The panels of one head's queries or keys, from `column` on, for a tile of positions from `row` on, times `weight` (unless null),
// through relu.
INLINE void relu_tile(
    const sana_int8_relu_attention *attention, size_t row, size_t column, size_t rows,
    const float *weight, float *tile, float *output, size_t output_stride) {
  for (size_t c = 0; c < attention->dimension; c += PANEL) {
    multiply_int8_tile(attention->weights, column + c, attention->rows, row, tile);
    for (size_t r = 0; r < rows; r++) {
      for (size_t v = 0; v < PANEL; v += VECTOR_FLOATS) {
        vfloat x = load(tile + r * PANEL + v);
        if (weight) x *= load(weight + c + v);
        store(output + r * output_stride + c + v, relu(x));
      }
    }
  }
}

// The keys of one head that were made before, from `row` on, through relu.
INLINE void relu_keys(
    const sana_int8_relu_attention *attention, size_t head, size_t row, size_t rows,
    float *output) {
  const size_t dimension = attention->dimension, width = attention->heads * dimension;
  for (size_t r = 0; r < rows; r++) {
    const float *keys = attention->keys + (row + r) * width + head * dimension;
    for (size_t i = 0; i < dimension; i += VECTOR_FLOATS) {
      store(output + r * relu_key_width(dimension) + i, relu(load(keys + i)));
    }
  }
}

// Adds relu(k) v and relu(k) of `length` positions from `row` on to the head's sums.
INLINE void sum_keys_values(
    const sana_int8_relu_attention *attention, size_t head, size_t row, size_t length, float *sums,
    float *keys, float *values, float *tile) {
  const size_t dimension = attention->dimension;
  const size_t key_width = relu_key_width(dimension);
  const size_t key_column = (attention->heads + head) * dimension;
  const size_t value_column = (2 * attention->heads + head) * dimension;
  if (attention->keys) relu_keys(attention, head, row, length, keys);
  for (size_t r = 0; r < length; r += TILE_ROWS) {
    if (!attention->keys) {
      relu_tile(
          attention, row + r, key_column, min_size(TILE_ROWS, length - r), NULL, tile,
          keys + r * key_width, key_width);
    }
    for (size_t c = 0; c < dimension; c += PANEL) {
      multiply_int8_tile(
          attention->weights, value_column + c, attention->rows, row + r,
          values + c * INT8_SUM_BLOCK + r * PANEL);
    }
  }
  for (size_t i = 0; i < dimension; i += TILE_ROWS) {
    for (size_t c = 0; c < dimension; c += PANEL) {
      multiply_tile(
          length, keys + i, 1, key_width, values + c * INT8_SUM_BLOCK, PANEL, tile, PANEL);
      add_to(sums + (c / PANEL * key_width + i) * PANEL, tile, TILE_ROWS * PANEL);
    }
  }
  float *key_sums = sums + key_width * dimension;
  for (size_t i = 0; i < dimension; i += VECTOR_FLOATS) {
    vfloat sum = splat(0);
    for (size_t r = 0; r < length; r++) sum += load(keys + r * key_width + i);
    store(key_sums + i, load(key_sums + i) + sum);
  }
}

// Applies the queries of a tile of positions from `row` on to the totals.
INLINE void apply_queries(
    const sana_int8_relu_attention *attention, size_t head, size_t row, size_t rows,
    const float *totals, float *queries, float *tile, float *product) {
  const size_t dimension = attention->dimension;
  const size_t key_width = relu_key_width(dimension);
  const float *key_totals = totals + key_width * dimension;
  const float *weight =
      attention->query_weight ? attention->query_weight + head * dimension : NULL;
  relu_tile(attention, row, head * dimension, rows, weight, tile, queries, key_width);
  float inverses[TILE_ROWS];
  for (size_t r = 0; r < rows; r++) {
    vfloat sum = splat(0);
    for (size_t i = 0; i < dimension; i += VECTOR_FLOATS) {
      sum += load(queries + r * key_width + i) * load(key_totals + i);
    }
    inverses[r] = 1.0f / (sum_lanes(sum) + 1e-15f);
  }
  for (size_t c = 0; c < dimension; c += PANEL) {
    multiply_tile(dimension, queries, key_width, 1, totals + c * key_width, PANEL, product, PANEL);
    for (size_t r = 0; r < rows; r++) {
      float *output = attention->output + (row + r) * attention->heads * dimension +
                      head * dimension + c;
      for (size_t v = 0; v < PANEL; v += VECTOR_FLOATS) {
        store(output + v, load(product + r * PANEL + v) * inverses[r]);
      }
    }
  }
}

// Heads `head ..< head_end` of one batch element.
static void relu_attention_int8(
    const sana_int8_relu_attention *attention, size_t batch, size_t head, size_t head_end,
    float *scratch) {
  const size_t heads = head_end - head;
  const size_t dimension = attention->dimension;
  const size_t positions = attention->positions;
  const size_t sum_count = relu_sum_count(dimension);
  float *totals = scratch;
  float *sums = totals + heads * sum_count;
  float *keys = sums + heads * sum_count;
  float *values = keys + INT8_SUM_BLOCK * relu_key_width(dimension);
  float *queries = values + INT8_SUM_BLOCK * dimension;
  float *tile = queries + TILE_ROWS * relu_key_width(dimension);
  __builtin_memset(
      scratch, 0, relu_attention_int8_scratch_count(dimension, heads) * sizeof(float));

  size_t blocks = 0;
  for (size_t p = 0; p < positions; p += INT8_SUM_BLOCK) {
    const size_t length = min_size(INT8_SUM_BLOCK, positions - p);
    for (size_t h = 0; h < heads; h++) {
      sum_keys_values(
          attention, head + h, batch * positions + p, length, sums + h * sum_count, keys, values,
          tile);
    }
    if (++blocks == INT8_SUM_BLOCK || p + INT8_SUM_BLOCK >= positions) {
      add_to(totals, sums, heads * sum_count);
      __builtin_memset(sums, 0, heads * sum_count * sizeof(float));
      blocks = 0;
    }
  }
  for (size_t p = 0; p < positions; p += TILE_ROWS) {
    for (size_t h = 0; h < heads; h++) {
      apply_queries(
          attention, head + h, batch * positions + p, min_size(TILE_ROWS, positions - p),
          totals + h * sum_count, queries, tile, tile + TILE_ROWS * PANEL);
    }
  }
}
