// int16 convolutions block by block: quantize the patches of many tiles, multiply them point by point with a few panels, store results.

#if SANA_INT16
// One of `count` equal parts of what is multiplied next.
INLINE void prefetch_part(const int16_pair *start, size_t pairs, size_t index, size_t count) {
  enum { LINE = 64 / sizeof(int16_pair) };
  const size_t part = round_up((pairs + count - 1) / count, LINE);
  for (size_t i = 0; i < part; i += LINE) __builtin_prefetch(start + index * part + i);
}

// sums[r][c] = row_scales[r] * scales[c] * (exact sum), for TILE_ROWS rows of codes and one packed panel. Apart from its callers, whose own
// addresses would leave the inner loop too few registers.
static __attribute__((noinline)) void multiply_square_panel(
    size_t pairs, const int16_pair *codes, size_t stride, const float *row_scales,
    const int16_pair *panel, const float *scales, float *sums) {
  const int16_pair *rows[TILE_ROWS];
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    rows[r] = codes + r * stride;
    KEEP_ADDRESS(rows[r]);
  }
  vint totals[TILE_ROWS][2];
  // The panel was brought near while the one before it was multiplied.
  sum_pairs(2, false, rows, 0, pairs, panel, totals);
  UNROLL for (int v = 0; v < 2; v++) {
    const vfloat scale = load(scales + v * VECTOR_FLOATS);
    UNROLL for (int r = 0; r < TILE_ROWS; r++) {
      store(
          sums + r * SQUARE_POINTS * SQUARE_COLUMNS + v * VECTOR_FLOATS,
          scaled_sum(totals[r][v], row_scales[r], scale));
    }
  }
}

// The sums of output channels `column ..< column_end` of all points of `tiles` tiles.
INLINE void multiply_squares(
    const sana_convolution *layer, size_t tiles, size_t column, size_t column_end,
    const square_scratch *scratch) {
  const size_t pairs = channel_pairs(layer->channels), stride = square_stride(layer->channels);
  const int16_pair *packed = (const int16_pair *)(const void *)layer->weight.codes;
  const size_t parts = SQUARE_BLOCK / TILE_ROWS;
  for (size_t point = 0; point < SQUARE_POINTS; point++) {
    const int16_pair *codes = scratch->codes + point * SQUARE_BLOCK * stride;
    const int16_pair *next = scratch->codes + (point + 1) % SQUARE_POINTS * SQUARE_BLOCK * stride;
    for (size_t c = column; c < column_end; c += PANEL) {
      const size_t panel = square_panel(layer->outputs, c, point), part = (c - column) / PANEL;
      for (size_t t = 0; t < tiles; t += TILE_ROWS) {
        prefetch_part(
            next, SQUARE_BLOCK * stride, part * parts + t / TILE_ROWS,
            SQUARE_COLUMNS / PANEL * parts);
        prefetch_part(packed + (panel + 1) * pairs * PANEL, pairs * PANEL, t / TILE_ROWS, parts);
        multiply_square_panel(
            pairs, codes + t * stride, stride, scratch->scales + point * SQUARE_BLOCK + t,
            packed + panel * pairs * PANEL, layer->weight.scales + panel * PANEL,
            scratch->sums + (t * SQUARE_POINTS + point) * SQUARE_COLUMNS + (c - column));
      }
    }
  }
}

// Transforms the sums of a tile back and stores `count` channels from `column` on. The lines of the next tile come from memory meanwhile.
static __attribute__((noinline)) void store_square(
    const sana_convolution *layer, convolution_tile tile, const float *sums, size_t column,
    size_t count) {
  const sana_epilogue *epilogue = &layer->epilogue;
  const size_t line = layer->width * layer->outputs;
  const size_t down = min_size(SQUARE, layer->height - tile.y);
  const size_t across = min_size(SQUARE, layer->width - tile.x);
  const size_t first =
      (tile.batch * layer->height + tile.y) * line + tile.x * layer->outputs + column;
  for (size_t c = 0; c < count; c += VECTOR_FLOATS) {
    const size_t valid = min_size(VECTOR_FLOATS, count - c);
    vfloat half[SQUARE][SQUARE_PATCH];
    UNROLL for (size_t x = 0; x < SQUARE_PATCH; x++) {
      vfloat m[SQUARE_PATCH], results[SQUARE];
      UNROLL for (size_t y = 0; y < SQUARE_PATCH; y++) {
        m[y] = load(sums + (SQUARE_PATCH * y + x) * SQUARE_COLUMNS + c);
      }
      transform_six_sums(m, results);
      UNROLL for (size_t y = 0; y < SQUARE; y++) half[y][x] = results[y];
    }
    for (size_t y = 0; y < down; y++) {
      const size_t place = first + y * line + c;
      if (c % PANEL == 0) {
        UNROLL for (size_t x = SQUARE; x < 2 * SQUARE; x++) {
          prefetch_place(layer->output, epilogue->residual, place + x * layer->outputs);
        }
      }
      vfloat values[SQUARE];
      transform_six_sums(half[y], values);
      if (epilogue->bias) {
        const vfloat bias = load_up_to(epilogue->bias + column + c, valid);
        UNROLL for (int x = 0; x < SQUARE; x++) values[x] += bias;
      }
      activate_four(values, epilogue->activation);
      for (size_t x = 0; x < across; x++) {
        const size_t target = place + x * layer->outputs;
        vfloat value = values[x];
        if (epilogue->residual) value += load_up_to(epilogue->residual + target, valid);
        store_up_to(layer->output + target, value, valid);
      }
    }
  }
}

// Tiles of 4x4 results `tile ..< tile_end`, all output channels.
static void convolution_int16(
    const sana_convolution *layer, size_t tile, size_t tile_end, void *memory) {
  const square_scratch scratch = square_areas(layer->channels, memory);
  const float limit = largest_code(layer->channels);
  for (; tile < tile_end; tile += SQUARE_BLOCK) {
    const size_t tiles = min_size(SQUARE_BLOCK, tile_end - tile);
    for (size_t t = 0; t < round_up(tiles, TILE_ROWS); t++) {
      // What fills up the last rows repeats the last tile and is not stored.
      quantize_square(layer, find_square(layer, tile + min_size(t, tiles - 1)), limit, t, &scratch);
    }
    for (size_t n = 0; n < layer->outputs; n += SQUARE_COLUMNS) {
      const size_t end = min_size(n + SQUARE_COLUMNS, layer->outputs);
      multiply_squares(layer, tiles, n, end, &scratch);
      for (size_t t = 0; t < tiles; t++) {
        store_square(
            layer, find_square(layer, tile + t),
            scratch.sums + t * SQUARE_POINTS * SQUARE_COLUMNS, n, end - n);
      }
    }
  }
}
#endif
