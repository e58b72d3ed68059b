// Products of numbers: weights are packed panel by panel into scratch memory, positions are gathered strip by strip; see product_blocks.h for the
// order. Here the parts of f32 products.

enum {
  // Of the packed weights, which then fill half of a 1 MiB second-level cache. Blocks and strides count units of four bytes: a number,
  // or a pair of bf16.
  DEPTH_BLOCK = 512,
  COLUMN_BLOCK = 256,
  // Rows of a strip lie in different cache sets, whatever the depth.
  STRIP_STRIDE = DEPTH_BLOCK + 16,
  FEW_ROWS = 8,
};

typedef struct {
  float panels[COLUMN_BLOCK * DEPTH_BLOCK];
  float strip[TILE_ROWS * STRIP_STRIDE];
  float rows[4 * DEPTH_BLOCK];
  float tile[TILE_ROWS * PANEL];
} product_scratch;

// [depth][width] from `count` weight rows; columns beyond them are zero.
static void pack_panel(
    const sana_matrix *weight, size_t row, size_t count, size_t width, size_t first, size_t depth,
    float *rows, float *panel) {
  for (size_t n = 0; n < width; n += 4) {
    const size_t valid = n < count ? min_size(4, count - n) : 0;
    for (size_t i = 0; i < 4; i++) {
      float *decoded = rows + i * DEPTH_BLOCK;
      if (i < valid) {
        decode_row(weight, row + n + i, first, depth, decoded);
      } else {
        __builtin_memset(decoded, 0, depth * sizeof(float));
      }
    }
    transpose_quad(rows, DEPTH_BLOCK, depth, panel + n, width);
  }
}

// Elements `first ..< end` of the patch that the output position (b, y, x) reads. A kernel row is contiguous in the image.
INLINE void gather_patch(
    const sana_product *product, size_t b, size_t y, size_t x, size_t first, size_t end,
    float *patch) {
  const size_t channels = product->channels;
  const size_t run = product->kernel * channels;
  const ptrdiff_t column = (ptrdiff_t)(x * product->stride) - (ptrdiff_t)product->left;
  // The part of a kernel row that lies inside the image.
  const size_t inside_begin = column < 0 ? min_size((size_t)-column * channels, run) : 0;
  const ptrdiff_t room = (ptrdiff_t)product->width - column;
  const size_t inside_end = room <= 0 ? 0 : min_size((size_t)room * channels, run);
  while (first < end) {
    const size_t kernel_row = first / run;
    const size_t begin = first - kernel_row * run;
    const size_t length = min_size(run - begin, end - first);
    const size_t line = y * product->stride + kernel_row;
    if (line < product->top || line - product->top >= product->height ||
        inside_begin >= inside_end) {
      __builtin_memset(patch, 0, length * sizeof(float));
    } else {
      const float *source =
          product->input +
          ((ptrdiff_t)((b * product->height + line - product->top) * product->width) + column) *
              (ptrdiff_t)channels;
      const size_t stop = begin + length;
      const size_t from = inside_begin < begin ? begin : min_size(inside_begin, stop);
      const size_t to = inside_end < from ? from : min_size(inside_end, stop);
      __builtin_memset(patch, 0, (from - begin) * sizeof(float));
      __builtin_memcpy(patch + (from - begin), source + from, (to - from) * sizeof(float));
      __builtin_memset(patch + (to - begin), 0, (stop - to) * sizeof(float));
    }
    first += length;
    patch += length;
  }
}

// Elements `first ..< first + depth` of the patch of one position.
INLINE void gather_position(
    const sana_product *product, size_t position, size_t first, size_t depth, float *patch) {
  const size_t line = position / product->columns;
  gather_patch(
      product, line / product->rows, line % product->rows, position % product->columns, first,
      first + depth, patch);
}

INLINE void gather_strip(
    const sana_product *product, size_t row, size_t count, size_t first, size_t depth,
    float *strip) {
  for (size_t r = 0; r < TILE_ROWS; r++) {
    if (r >= count) {
      __builtin_memset(strip + r * STRIP_STRIDE, 0, depth * sizeof(float));
      continue;
    }
    if (product->kernel == 1 && product->stride == 1) {
      __builtin_memcpy(
          strip + r * STRIP_STRIDE, product->input + (row + r) * product->input_stride + first,
          depth * sizeof(float));
      continue;
    }
    gather_position(product, row + r, first, depth, strip + r * STRIP_STRIDE);
  }
}

// Adds what earlier depth blocks left in the output, or, on all but the last block, leaves the sums there.
INLINE void exchange_partial_sums(
    const sana_product *product, const row_targets *targets, float *tile, size_t tile_stride,
    size_t rows, size_t column, size_t count, bool is_first, bool is_last) {
  for (size_t r = 0; r < rows; r++) {
    float *output = product->output + targets->output[r] + column;
    float *sums = tile + r * tile_stride;
    if (!is_first) {
      for (size_t c = 0; c < count; c++) sums[c] += output[c];
    }
    if (!is_last) __builtin_memcpy(output, sums, count * sizeof(float));
  }
}

// Stores the sums of one depth block, or on the last block the results.
INLINE void finish_block(
    const sana_product *product, const row_targets *targets, float *tile, size_t rows,
    size_t column, size_t count, bool is_first, bool is_last) {
  if (!is_first || !is_last) {
    exchange_partial_sums(
        product, targets, tile, PANEL, rows, column, count, is_first, is_last);
  }
  if (is_last) store_tile(product, targets, tile, PANEL, rows, column, count);
}
