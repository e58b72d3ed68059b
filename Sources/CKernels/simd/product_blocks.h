// The loops of products of numbers: blocks of output channels, blocks of the depth, tiles of positions, panels.

#if SANA_BF16
typedef struct {
  product_scratch blocks;
  // Positions before they are rounded.
  float patch[2 * DEPTH_BLOCK];
} product_bf16_scratch;
#endif

// A panel of `count` weight rows, elements `first ..< first + depth`.
INLINE void pack_units(
    const bool pairs, const sana_matrix *weight, size_t row, size_t count, size_t width,
    size_t first, size_t depth, float *rows, float *panel) {
#if SANA_BF16
  if (pairs) {
    pack_bf16_panel(
        weight, row, count, width, first, depth, (bf16_pair *)rows, (bf16_pair *)panel);
    return;
  }
#endif
  (void)pairs;
  pack_panel(weight, row, count, width, first, depth, rows, panel);
}

INLINE void gather_units(
    const bool pairs, const sana_product *product, size_t row, size_t count, size_t first,
    size_t depth, float *patch, float *strip) {
#if SANA_BF16
  if (pairs) {
    gather_bf16_strip(product, row, count, first, depth, patch, (bf16_pair *)strip);
    return;
  }
#endif
  (void)pairs, (void)patch;
  gather_strip(product, row, count, first, depth, strip);
}

INLINE void multiply_units(
    const bool pairs, size_t units, const float *strip, const float *panel, size_t width,
    float *tile) {
#if SANA_BF16
  if (pairs) {
    multiply_bf16_tile(
        units, (const bf16_pair *)strip, STRIP_STRIDE, (const bf16_pair *)panel, width, tile);
    return;
  }
#endif
  (void)pairs;
  multiply_tile(units, strip, STRIP_STRIDE, 1, panel, width, tile, PANEL);
}

// Positions `row ..< row_end`, output channels `column ..< column_end`. Every sum runs over the depth in the same order
// whatever the ranges, so they may be cut at will.
INLINE void multiply_blocks(
    const bool pairs, const sana_product *product, size_t row, size_t row_end, size_t column,
    size_t column_end, product_scratch *scratch, float *patch) {
  const size_t depth = product->weight.columns, unit = pairs ? 2 : 1;
  const size_t blocks = (depth + unit * DEPTH_BLOCK - 1) / (unit * DEPTH_BLOCK);
  const size_t block = round_up((depth + blocks - 1) / blocks, 4);

  for (size_t n = column; n < column_end; n += COLUMN_BLOCK) {
    const size_t columns = min_size(COLUMN_BLOCK, column_end - n);
    for (size_t k = 0; k < depth; k += block) {
      const size_t length = min_size(block, depth - k), units = (length + unit - 1) / unit;
      for (size_t c = 0; c < columns; c += PANEL) {
        const size_t width = columns - c <= VECTOR_FLOATS ? VECTOR_FLOATS : PANEL;
        pack_units(
            pairs, &product->weight, n + c, min_size(width, columns - c), width, k, length,
            scratch->rows, scratch->panels + c * units);
      }
      for (size_t m = row; m < row_end; m += TILE_ROWS) {
        const size_t rows = min_size(TILE_ROWS, row_end - m);
        row_targets targets;
        find_targets(product, m, rows, &targets);
        gather_units(pairs, product, m, rows, k, length, patch, scratch->strip);
        for (size_t c = 0; c < columns; c += PANEL) {
          const size_t count = min_size(PANEL, columns - c);
          prefetch_targets(product, &targets, rows, n + c);
          multiply_units(
              pairs, units, scratch->strip, scratch->panels + c * units,
              count <= VECTOR_FLOATS ? VECTOR_FLOATS : PANEL, scratch->tile);
          finish_block(
              product, &targets, scratch->tile, rows, n + c, count, k == 0, k + length == depth);
        }
      }
    }
  }
}

static void product(
    const sana_product *product, size_t row, size_t row_end, size_t column, size_t column_end,
    void *memory) {
  multiply_blocks(false, product, row, row_end, column, column_end, memory, NULL);
}

#if SANA_BF16
static void product_bf16(
    const sana_product *product, size_t row, size_t row_end, size_t column, size_t column_end,
    void *memory) {
  product_bf16_scratch *scratch = memory;
  multiply_blocks(
      true, product, row, row_end, column, column_end, &scratch->blocks, scratch->patch);
}
#endif
