// What happens to the sums of a product on their way to memory.

// Where the rows of a strip go.
typedef struct {
  // Floats from the start of output and residual.
  size_t output[TILE_ROWS];
  size_t batch[TILE_ROWS];
} row_targets;

INLINE void find_targets(const sana_product *product, size_t row, size_t count, row_targets *targets) {
  size_t x = row % product->columns;
  size_t y = row / product->columns % product->rows;
  size_t b = row / product->columns / product->rows;
  for (size_t r = 0; r < count; r++) {
    targets->output[r] = b * product->output_batch_stride + y * product->output_row_stride +
                         x * product->output_column_stride;
    targets->batch[r] = b;
    if (++x == product->columns) {
      x = 0;
      if (++y == product->rows) {
        y = 0;
        b++;
      }
    }
  }
}

INLINE vfloat finish_vector(
    const sana_epilogue *epilogue, vfloat sum, const float *gate, const float *residual,
    size_t column, size_t count) {
  if (epilogue->bias) sum += load_up_to(epilogue->bias + column, count);
  sum = activate(sum, epilogue->activation);
  if (gate) sum *= load_up_to(gate + column, count);
  if (residual) sum += load_up_to(residual + column, count);
  return sum;
}

// Brings a panel's channels of one position, `place` floats from the start of output and residual, into the cache.
INLINE void prefetch_place(const float *output, const float *residual, size_t place) {
  for (size_t c = 0; c < PANEL; c += 16) {
    __builtin_prefetch(output + place + c, 1);
    if (residual) __builtin_prefetch(residual + place + c);
  }
}

// Brings what a tile of `rows` rows from `column` on will meet in memory into the cache, while its sums are made.
INLINE void prefetch_targets(
    const sana_product *product, const row_targets *targets, size_t rows, size_t column) {
  for (size_t r = 0; r < rows; r++) {
    prefetch_place(product->output, product->epilogue.residual, targets->output[r] + column);
  }
}

// Stores `count` columns from `column` on of `rows` rows of sums.
static void store_tile(
    const sana_product *product, const row_targets *targets, const float *tile, size_t tile_stride,
    size_t rows, size_t column, size_t count) {
  const sana_epilogue *epilogue = &product->epilogue;
  for (size_t r = 0; r < rows; r++) {
    const float *sums = tile + r * tile_stride;
    const float *gate =
        epilogue->gate ? epilogue->gate + targets->batch[r] * epilogue->gate_stride : NULL;
    const float *residual = epilogue->residual ? epilogue->residual + targets->output[r] : NULL;
    float *output = product->output + targets->output[r] + column;
    size_t c = 0;
    for (; c + VECTOR_FLOATS <= count; c += VECTOR_FLOATS) {
      store(
          output + c, finish_vector(
                          epilogue, load(sums + c), gate, residual, column + c, VECTOR_FLOATS));
    }
    if (c < count) {
      store_up_to(
          output + c,
          finish_vector(epilogue, load(sums + c), gate, residual, column + c, count - c),
          count - c);
    }
  }
}
