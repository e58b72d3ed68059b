// 3x3 convolutions by Winograd's F(2x2, 3x3): a tile of 2x2 outputs from 4x4 inputs with 16 multiplications for each pair of
// channels instead of 36 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", section 4.1). Its transforms only
// add and halve, so it loses little of f32's accuracy.

enum {
  // Of the transformed weights, which then fill half of a 1 MiB second-level cache.
  WINOGRAD_DEPTH = 128,
  WINOGRAD_COLUMNS = 64,
  WINOGRAD_POINTS = 16,
  WINOGRAD_STRIDE = WINOGRAD_DEPTH + 16,
};

typedef struct {
  float weights[WINOGRAD_POINTS][WINOGRAD_COLUMNS * WINOGRAD_DEPTH];
  float inputs[WINOGRAD_POINTS][TILE_ROWS * WINOGRAD_STRIDE];
  float sums[WINOGRAD_POINTS][TILE_ROWS * WINOGRAD_COLUMNS];
  float taps[9][WINOGRAD_DEPTH];
  float transformed[WINOGRAD_POINTS][4 * WINOGRAD_DEPTH];
  float outputs[4 * WINOGRAD_COLUMNS];
  float zeros[WINOGRAD_DEPTH];
} winograd_scratch;

// G w of one column: (w0, (w0 + w1 + w2) / 2, (w0 - w1 + w2) / 2, w2)
INLINE void transform_weight_line(const vfloat *w, size_t step, vfloat *result, size_t result_step) {
  const vfloat outer = w[0] + w[2 * step];
  result[0] = w[0];
  result[result_step] = (outer + w[step]) * 0.5f;
  result[2 * result_step] = (outer - w[step]) * 0.5f;
  result[3 * result_step] = w[2 * step];
}

// B^T d of one column: (d0 - d2, d1 + d2, d2 - d1, d1 - d3)
INLINE void transform_input_line(const vfloat *d, size_t step, vfloat *result, size_t result_step) {
  result[0] = d[0] - d[2 * step];
  result[result_step] = d[step] + d[2 * step];
  result[2 * result_step] = d[2 * step] - d[step];
  result[3 * result_step] = d[step] - d[3 * step];
}

// A^T m of one column: (m0 + m1 + m2, m1 - m2 - m3)
INLINE void transform_sum_line(const vfloat *m, size_t step, vfloat *result, size_t result_step) {
  result[0] = m[0] + m[step] + m[2 * step];
  result[result_step] = m[step] - m[2 * step] - m[3 * step];
}

// G w G^T of four output channels, each point [4][WINOGRAD_DEPTH], zero beyond `count` channels.
static void transform_weights(
    const sana_product *product, size_t row, size_t count, size_t first, size_t depth,
    winograd_scratch *scratch) {
  for (size_t n = 0; n < 4; n++) {
    for (size_t tap = 0; tap < 9; tap++) {
      if (n < count) {
        decode_row(
            &product->weight, row + n, tap * product->channels + first, depth,
            scratch->taps[tap]);
      } else {
        __builtin_memset(scratch->taps[tap], 0, depth * sizeof(float));
      }
    }
    for (size_t k = 0; k < depth; k += VECTOR_FLOATS) {
      vfloat w[9], half[12], u[16];
      UNROLL for (int tap = 0; tap < 9; tap++) w[tap] = load(scratch->taps[tap] + k);
      UNROLL for (int x = 0; x < 3; x++) transform_weight_line(w + x, 3, half + x, 3);
      UNROLL for (int y = 0; y < 4; y++) transform_weight_line(half + 3 * y, 1, u + 4 * y, 1);
      UNROLL for (int point = 0; point < WINOGRAD_POINTS; point++) {
        store(scratch->transformed[point] + n * WINOGRAD_DEPTH + k, u[point]);
      }
    }
  }
}

static void pack_winograd_weights(
    const sana_product *product, size_t row, size_t count, size_t first, size_t depth,
    winograd_scratch *scratch) {
  for (size_t n = 0; n < round_up(count, PANEL); n += 4) {
    transform_weights(
        product, row + n, n < count ? min_size(4, count - n) : 0, first, depth, scratch);
    for (size_t point = 0; point < WINOGRAD_POINTS; point++) {
      transpose_quad(
          scratch->transformed[point], WINOGRAD_DEPTH, depth,
          scratch->weights[point] + n / PANEL * PANEL * depth + n % PANEL, PANEL);
    }
  }
}

typedef struct {
  size_t batch, y, x;
} winograd_tile;

INLINE winograd_tile find_tile(const sana_product *product, size_t index) {
  const size_t across = (product->columns + 1) / 2, down = (product->rows + 1) / 2;
  return (winograd_tile){
      .batch = index / across / down, .y = index / across % down * 2, .x = index % across * 2};
}

// B^T d B of one tile: row `r` of every point's strip.
INLINE void transform_input(
    const sana_product *product, winograd_tile tile, size_t first, size_t depth, size_t r,
    winograd_scratch *scratch) {
  const float *pixels[WINOGRAD_POINTS];
  for (size_t i = 0; i < WINOGRAD_POINTS; i++) {
    const size_t y = tile.y + i / 4 - 1, x = tile.x + i % 4 - 1;
    // Before the first row or column the unsigned number is huge.
    const bool inside = y < product->height && x < product->width;
    pixels[i] = inside ? product->input +
                             ((tile.batch * product->height + y) * product->width + x) *
                                 product->input_stride +
                             first
                       : scratch->zeros;
  }
  for (size_t k = 0; k < depth; k += VECTOR_FLOATS) {
    vfloat d[16], half[16], v[16];
    UNROLL for (int i = 0; i < 16; i++) d[i] = load(pixels[i] + k);
    UNROLL for (int x = 0; x < 4; x++) transform_input_line(d + x, 4, half + x, 4);
    UNROLL for (int y = 0; y < 4; y++) transform_input_line(half + 4 * y, 1, v + 4 * y, 1);
    UNROLL for (int point = 0; point < WINOGRAD_POINTS; point++) {
      store(scratch->inputs[point] + r * WINOGRAD_STRIDE + k, v[point]);
    }
  }
}

// A^T m A of one tile, stored with the epilogue or, before the last block of the depth, as partial sums.
INLINE void store_winograd_tile(
    const sana_product *product, winograd_tile tile, size_t r, size_t column, size_t count,
    bool is_first, bool is_last, winograd_scratch *scratch) {
  row_targets targets;
  size_t pixels[4], rows = 0;
  for (size_t i = 0; i < 4; i++) {
    const size_t y = tile.y + i / 2, x = tile.x + i % 2;
    if (y >= product->rows || x >= product->columns) continue;
    targets.output[rows] = tile.batch * product->output_batch_stride +
                           y * product->output_row_stride + x * product->output_column_stride;
    targets.batch[rows] = tile.batch;
    pixels[rows++] = i;
  }
  for (size_t c = 0; c < count; c += VECTOR_FLOATS) {
    vfloat m[16], half[8], results[4];
    UNROLL for (int i = 0; i < 16; i++) {
      m[i] = load(scratch->sums[i] + r * WINOGRAD_COLUMNS + c);
    }
    UNROLL for (int x = 0; x < 4; x++) transform_sum_line(m + x, 4, half + x, 4);
    UNROLL for (int y = 0; y < 2; y++) transform_sum_line(half + 4 * y, 1, results + 2 * y, 1);
    for (size_t i = 0; i < rows; i++) {
      store(scratch->outputs + i * WINOGRAD_COLUMNS + c, results[pixels[i]]);
    }
  }
  exchange_partial_sums(
      product, &targets, scratch->outputs, WINOGRAD_COLUMNS, rows, column, count, is_first,
      is_last);
  if (is_last) {
    store_tile(product, &targets, scratch->outputs, WINOGRAD_COLUMNS, rows, column, count);
  }
}

static bool has_winograd(const sana_product *product) {
  return product->kernel == 3 && product->stride == 1 && product->top == 1 && product->left == 1 &&
         product->rows == product->height && product->columns == product->width &&
         product->channels >= 64 && product->channels % 16 == 0 && product->weight.rows >= 32;
}

// Tiles `tile ..< tile_end`, counted through rows and batch; output channels `column ..< column_end`.
static void winograd(
    const sana_product *product, size_t tile, size_t tile_end, size_t column, size_t column_end,
    void *memory) {
  winograd_scratch *scratch = memory;
  const size_t depth = product->channels;
  __builtin_memset(scratch->zeros, 0, sizeof scratch->zeros);
  for (size_t n = column; n < column_end; n += WINOGRAD_COLUMNS) {
    const size_t columns = min_size(WINOGRAD_COLUMNS, column_end - n);
    for (size_t k = 0; k < depth; k += WINOGRAD_DEPTH) {
      const size_t length = min_size(WINOGRAD_DEPTH, depth - k);
      pack_winograd_weights(product, n, columns, k, length, scratch);
      for (size_t t = tile; t < tile_end; t += TILE_ROWS) {
        const size_t count = min_size(TILE_ROWS, tile_end - t);
        for (size_t r = 0; r < TILE_ROWS; r++) {
          transform_input(
              product, find_tile(product, t + min_size(r, count - 1)), k, length, r, scratch);
        }
        for (size_t point = 0; point < WINOGRAD_POINTS; point++) {
          for (size_t c = 0; c < columns; c += PANEL) {
            multiply_tile(
                length, scratch->inputs[point], WINOGRAD_STRIDE, 1,
                scratch->weights[point] + c * length, PANEL, scratch->sums[point] + c,
                WINOGRAD_COLUMNS);
          }
        }
        for (size_t r = 0; r < count; r++) {
          store_winograd_tile(
              product, find_tile(product, t + r), r, n, columns, k == 0, k + length == depth,
              scratch);
        }
      }
    }
  }
}
