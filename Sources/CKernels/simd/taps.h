// The second half of a 3x3 convolution with few outputs, whose products of pixels and taps were made before.

// The sums of TILE_ROWS or fewer positions `x ..< x + count` of image row `y`.
INLINE void sum_taps_of_tile(
    const sana_product *convolution, const float *products, size_t first, size_t y, size_t x,
    size_t count, float *tile) {
  const size_t outputs = convolution->weight.rows, width = convolution->width;
  const size_t stride = outputs * 9;
  for (size_t r = 0; r < count; r++) {
    for (size_t o = 0; o < outputs; o++) tile[r * PANEL + o] = 0;
    for (size_t ky = 0; ky < 3; ky++) {
      // Outside of the image the unsigned number is too large.
      const size_t source_y = y + ky - 1;
      if (source_y >= convolution->height) continue;
      for (size_t kx = 0; kx < 3; kx++) {
        const size_t source_x = x + r + kx - 1;
        if (source_x >= width) continue;
        const float *terms =
            products + ((source_y - first) * width + source_x) * stride + ky * 3 + kx;
        for (size_t o = 0; o < outputs; o++) tile[r * PANEL + o] += terms[o * 9];
      }
    }
  }
}

// Rows `row ..< row_end` of one image; `products` are those of its rows from `first` on, `[position][output][tap]`.
static void sum_taps(
    const sana_product *convolution, const float *products, size_t first, size_t batch, size_t row,
    size_t row_end) {
  float tile[TILE_ROWS * PANEL];
  const size_t width = convolution->width;
  for (size_t y = row; y < row_end; y++) {
    for (size_t x = 0; x < width; x += TILE_ROWS) {
      const size_t count = min_size(TILE_ROWS, width - x);
      sum_taps_of_tile(convolution, products, first, y, x, count, tile);
      row_targets targets;
      find_targets(convolution, (batch * convolution->rows + y) * width + x, count, &targets);
      store_tile(convolution, &targets, tile, PANEL, count, 0, convolution->weight.rows);
    }
  }
}
