// The loops of products of numbers: blocks of output channels, blocks of the depth, tiles of positions, panels. Units are numbers, or
// pairs of 16 bits where an instruction multiplies those.

#if SANA_BF16 || SANA_INT16
#define SANA_PAIRS 1
#define PAIRS(call) call
#else
typedef struct {
  product_scratch blocks;
} product_pairs_scratch;
#define PAIRS(call)
#endif

// The panel of the block's column `column`, of `count` weight rows, elements `first ..< first + depth`.
INLINE void pack_units(
    const bool pairs, const sana_matrix *weight, size_t row, size_t count, size_t width,
    size_t first, size_t depth, size_t column, product_pairs_scratch *scratch) {
  if (pairs) {
    PAIRS(pack_pairs(weight, row, count, width, first, depth, column, scratch));
    return;
  }
  pack_panel(
      weight, row, count, width, first, depth, scratch->blocks.rows,
      scratch->blocks.panels + column * depth);
}

INLINE void gather_units(
    const bool pairs, const sana_product *product, size_t row, size_t count, size_t first,
    size_t depth, product_pairs_scratch *scratch) {
  if (pairs) {
    PAIRS(gather_pairs(product, row, count, first, depth, scratch));
    return;
  }
  gather_strip(product, row, count, first, depth, scratch->blocks.strip);
}

INLINE void multiply_units(
    const bool pairs, size_t units, size_t width, size_t column, product_pairs_scratch *scratch) {
  if (pairs) {
    PAIRS(multiply_pairs(units, width, column, scratch));
    return;
  }
  product_scratch *blocks = &scratch->blocks;
  multiply_tile(
      units, blocks->strip, STRIP_STRIDE, 1, blocks->panels + column * units, width, blocks->tile,
      PANEL);
}

// Positions `row ..< row_end`, output channels `column ..< column_end`. Every sum runs over the depth in the same order
// whatever the ranges, so they may be cut at will. Of numbers, the scratch memory ends with its blocks.
INLINE void multiply_blocks(
    const bool pairs, const sana_product *product, size_t row, size_t row_end, size_t column,
    size_t column_end, product_pairs_scratch *scratch) {
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
            pairs, &product->weight, n + c, min_size(width, columns - c), width, k, length, c,
            scratch);
      }
      for (size_t m = row; m < row_end; m += TILE_ROWS) {
        const size_t rows = min_size(TILE_ROWS, row_end - m);
        row_targets targets;
        find_targets(product, m, rows, &targets);
        gather_units(pairs, product, m, rows, k, length, scratch);
        for (size_t c = 0; c < columns; c += PANEL) {
          const size_t count = min_size(PANEL, columns - c);
          prefetch_targets(product, &targets, rows, n + c);
          multiply_units(
              pairs, units, count <= VECTOR_FLOATS ? VECTOR_FLOATS : PANEL, c, scratch);
          finish_block(
              product, &targets, scratch->blocks.tile, rows, n + c, count, k == 0,
              k + length == depth);
        }
      }
    }
  }
}

static void product(
    const sana_product *product, size_t row, size_t row_end, size_t column, size_t column_end,
    void *memory) {
  multiply_blocks(false, product, row, row_end, column, column_end, memory);
}

#if SANA_PAIRS
static void product_pairs(
    const sana_product *product, size_t row, size_t row_end, size_t column, size_t column_end,
    void *memory) {
  multiply_blocks(true, product, row, row_end, column, column_end, memory);
}
#endif
