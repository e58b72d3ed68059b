// Patches of the image, transformed and quantized for an int16 convolution.

#if SANA_INT16
// As many channels of line `y` of B^T d B as a vector has, times the channels' factors, which become the next six vectors of `points`. Their
// magnitudes raise `largest` as the bits of floats: so infinities and NaN win. Pixel [i][x] of the patch is `lines[i][columns[x]]`.
INLINE void transform_square_channels(
    const int y, const float *const *lines, const size_t *columns, const float *factors,
    size_t count, float *points, vint *largest) {
  vfloat half[SQUARE_PATCH];
  UNROLL for (int x = 0; x < SQUARE_PATCH; x++) {
    vfloat d[SQUARE_PATCH];
    UNROLL for (int i = 0; i < SQUARE_PATCH; i++) d[i] = load_up_to(lines[i] + columns[x], count);
    half[x] = transform_six_pixels(y, d);
  }
  const vfloat factor = load(factors);
  UNROLL for (int x = 0; x < SQUARE_PATCH; x++) {
    const vfloat v = transform_six_pixels(x, half) * factor;
    store(points + x * VECTOR_FLOATS, v);
    largest[x] = __builtin_elementwise_max(largest[x], (vint)v & 0x7fffffff);
  }
}

// All channels of a line.
INLINE void transform_square_line(
    const int y, const convolution_patch *patch, const float *factors, float *points,
    vint *largest) {
  const size_t channels = patch->channels;
  const float *lines[SQUARE_PATCH];
  size_t columns[SQUARE_PATCH];
  UNROLL for (size_t i = 0; i < SQUARE_PATCH; i++) {
    lines[i] = patch->pixels + i * patch->line;
    columns[i] = i * channels;
    KEEP_ADDRESS(lines[i]);
    KEEP_ADDRESS(columns[i]);
  }
  UNROLL for (int x = 0; x < SQUARE_PATCH; x++) largest[x] = splat_int(0);
  const size_t next = SQUARE * channels;
  size_t k = 0;
  for (; k + VECTOR_FLOATS <= channels; k += VECTOR_FLOATS) {
    // The columns that the next patch has not in common with this one.
    UNROLL for (int x = SQUARE_PATCH - SQUARE; x < SQUARE_PATCH; x++) {
      __builtin_prefetch(lines[y] + next + columns[x]);
    }
    transform_square_channels(y, lines, columns, factors + k, VECTOR_FLOATS, points, largest);
    UNROLL for (int i = 0; i < SQUARE_PATCH; i++) lines[i] += VECTOR_FLOATS;
    points += SQUARE_PATCH * VECTOR_FLOATS;
  }
  if (k < channels) {
    transform_square_channels(y, lines, columns, factors + k, channels - k, points, largest);
  }
}

// Codes of one of the six points of a line. What lies beyond the channels meets weights of zero.
INLINE void quantize_square_point(
    const float *points, size_t channels, float factor, int16_pair *codes) {
  for (size_t k = 0; k < channels; k += 2 * VECTOR_FLOATS) {
    const float *source = points + k * SQUARE_PATCH;
    const __m256i packed = pack_codes(
        load(source) * factor, load(source + SQUARE_PATCH * VECTOR_FLOATS) * factor);
    __builtin_memcpy(codes + k / 2, &packed, sizeof packed);
  }
}

// Transforms and quantizes a line of a patch. A magnitude that is infinite or NaN makes the scale, and with it every result of the tile,
// infinite or NaN.
INLINE void quantize_square_line(
    const int y, const convolution_patch *patch, const float *factors, float limit,
    const square_scratch *scratch, size_t tile) {
  const size_t channels = patch->channels;
  vint largest[SQUARE_PATCH];
  transform_square_line(y, patch, factors, scratch->points, largest);
  for (size_t x = 0; x < SQUARE_PATCH; x++) {
    const size_t row = ((size_t)y * SQUARE_PATCH + x) * SQUARE_BLOCK + tile;
    const float magnitude = float_of_bits((uint32_t)__builtin_reduce_max(largest[x]));
    const float inverse = limit / magnitude;
    const bool vanishes = inverse == __builtin_inff();
    scratch->scales[row] = vanishes ? 0 : magnitude / limit;
    quantize_square_point(
        scratch->points + x * VECTOR_FLOATS, channels, vanishes ? 0 : inverse,
        scratch->codes + row * square_stride(channels));
  }
}

// Apart from the block's other work, which would leave its loops too few registers.
static __attribute__((noinline)) void quantize_square(
    const sana_convolution *layer, convolution_tile tile, float limit, size_t index,
    const square_scratch *scratch) {
  const convolution_patch patch =
      find_patch(layer, SQUARE_PATCH, tile.batch, tile.y - 1, tile.x - 1, scratch->border);
  UNROLL for (int y = 0; y < SQUARE_PATCH; y++) {
    quantize_square_line(y, &patch, layer->weight.coding.factors, limit, scratch, index);
  }
}
#endif
