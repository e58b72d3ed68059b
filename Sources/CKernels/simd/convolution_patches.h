// Patches of the image, transformed and quantized for an int8 convolution.

// B^T d: line `y` of what `side` lines of a patch are transformed to, for one column.
INLINE vfloat transform_line(const bool winograd, int y, const vfloat *d) {
  if (winograd) return y == 1 ? d[1] + d[2] : y == 2 ? d[2] - d[1] : y == 0 ? d[0] - d[2] : d[1] - d[3];
  return y == 1 ? d[1] : d[y] - d[1];
}

// Where a patch lies: pixels `channels` apart in lines `line` apart.
typedef struct {
  const float *pixels;
  size_t line, channels;
} convolution_patch;

// Channels `k ..< k + count` of line `y` of B^T d B of one patch, times the channels' factors: the next four vectors of `points`. Their
// magnitudes raise `largest` as the bits of floats: so infinities and NaN win.
INLINE void transform_patch_channels(
    const bool winograd, const int y, const convolution_patch *patch, const float *factors,
    size_t k, size_t count, float *points, vint *largest) {
  const int side = winograd ? 4 : 3;
  vfloat half[4];
  UNROLL for (int x = 0; x < side; x++) {
    const float *column = patch->pixels + (size_t)x * patch->channels + k;
    vfloat d[4];
    UNROLL for (int i = 0; i < side; i++) d[i] = load_up_to(column + (size_t)i * patch->line, count);
    half[x] = transform_line(winograd, y, d);
  }
  const vfloat factor = load(factors + k);
  UNROLL for (int x = 0; x < side; x++) {
    const vfloat v = transform_line(winograd, x, half) * factor;
    store(points + x * VECTOR_FLOATS, v);
    largest[x] = __builtin_elementwise_max(largest[x], (vint)v & 0x7fffffff);
  }
}

// All channels of a line, [channels / VECTOR_FLOATS][4][VECTOR_FLOATS].
INLINE void transform_patch_line(
    const bool winograd, const int y, const convolution_patch *patch, const float *factors,
    float *points, vint *largest) {
  const size_t channels = patch->channels;
  // The columns that the next patch has not in common with this one.
  const float *next = patch->pixels + (size_t)y * patch->line + (winograd ? 5 : 4) * channels;
  UNROLL for (int x = 0; x < 4; x++) largest[x] = splat_int(0);
  size_t k = 0;
  for (; k + VECTOR_FLOATS <= channels; k += VECTOR_FLOATS, points += 4 * VECTOR_FLOATS) {
    if (winograd) __builtin_prefetch(next + k - channels);
    __builtin_prefetch(next + k);
    transform_patch_channels(winograd, y, patch, factors, k, VECTOR_FLOATS, points, largest);
  }
  if (k < channels) {
    transform_patch_channels(winograd, y, patch, factors, k, channels - k, points, largest);
  }
}

// The largest lane of each of four vectors.
INLINE quad_int largest_lanes(const vint *x) {
  quad_int largest[4];
  UNROLL for (int i = 0; i < 4; i++) {
    quad_int parts[VECTOR_FLOATS / 4];
    __builtin_memcpy(parts, x + i, sizeof parts);
    largest[i] = parts[0];
    UNROLL for (int part = 1; part < VECTOR_FLOATS / 4; part++) {
      largest[i] = __builtin_elementwise_max(largest[i], parts[part]);
    }
  }
#define LANE_PAIRS(a, b) \
  __builtin_elementwise_max( \
      __builtin_shufflevector(a, b, 0, 4, 1, 5), __builtin_shufflevector(a, b, 2, 6, 3, 7))
  const quad_int first = LANE_PAIRS(largest[0], largest[1]), last = LANE_PAIRS(largest[2], largest[3]);
#undef LANE_PAIRS
  return __builtin_elementwise_max(
      __builtin_shufflevector(first, last, 0, 1, 4, 5),
      __builtin_shufflevector(first, last, 2, 3, 6, 7));
}

// Codes of one of the four points of a line.
INLINE void quantize_point(const float *points, size_t channels, float factor, quantized *codes) {
  size_t k = 0;
  for (; k + 4 * VECTOR_FLOATS <= channels; k += 4 * VECTOR_FLOATS) {
    vfloat x[4];
    UNROLL for (size_t i = 0; i < 4; i++) x[i] = load(points + 4 * (k + i * VECTOR_FLOATS)) * factor;
    store_four_codes(codes + k, x);
  }
  // What lies beyond the channels meets weights of zero.
  for (; k < channels; k += VECTOR_FLOATS) store_codes(codes + k, load(points + 4 * k) * factor);
}

// Transforms and quantizes a line of a patch: rows `row`, `row + block`, ... of the codes. A magnitude that is infinite or NaN makes
// the scale, and with it every result of the tile, infinite or NaN.
INLINE void quantize_patch_line(
    const bool winograd, const int y, const convolution_patch *patch, const float *factors,
    const convolution_scratch *scratch, size_t row, size_t block) {
  vint largest[4];
  transform_patch_line(winograd, y, patch, factors, scratch->points, largest);
  const quad magnitudes = (quad)largest_lanes(largest);
  const quad inverses = 127.0f / magnitudes, scales = magnitudes / 127.0f;
  const quad_int vanish = inverses == __builtin_inff();
  const quad multipliers = (quad)((quad_int)inverses & ~vanish);
  const quad row_scales = (quad)((quad_int)scales & ~vanish);
  const size_t stride = patch_stride(patch->channels);
  UNROLL for (int x = 0; x < (winograd ? 4 : 3); x++, row += block) {
    scratch->scales[row] = row_scales[x];
    quantize_point(
        scratch->points + x * VECTOR_FLOATS, patch->channels, multipliers[x],
        scratch->codes + row * stride);
  }
}

// A patch that reaches beyond the image, with zeros there.
INLINE void gather_border(
    const sana_convolution *layer, size_t side, size_t batch, size_t top, size_t left,
    float *border) {
  const size_t channels = layer->channels;
  for (size_t i = 0; i < side * side; i++, border += channels) {
    // Before the first row or column the unsigned number is huge.
    const size_t y = top + i / side, x = left + i % side;
    if (y < layer->height && x < layer->width) {
      __builtin_memcpy(
          border, layer->input + ((batch * layer->height + y) * layer->width + x) * channels,
          channels * sizeof(float));
    } else {
      __builtin_memset(border, 0, channels * sizeof(float));
    }
  }
}

// The patch whose first pixel is [top, left], in `border` if it reaches beyond the image.
INLINE convolution_patch find_patch(
    const sana_convolution *layer, size_t side, size_t batch, size_t top, size_t left,
    float *border) {
  // Before the first row or column the unsigned number is huge, and its sum with the side small.
  if (top < layer->height && left < layer->width && top + side <= layer->height &&
      left + side <= layer->width) {
    return (convolution_patch){
        .pixels = layer->input +
                  ((batch * layer->height + top) * layer->width + left) * layer->channels,
        .line = layer->width * layer->channels,
        .channels = layer->channels,
    };
  }
  gather_border(layer, side, batch, top, left, border);
  return (convolution_patch){
      .pixels = border, .line = side * layer->channels, .channels = layer->channels};
}

INLINE void quantize_tile(
    const bool winograd, const sana_convolution *layer, convolution_tile tile, size_t block,
    size_t r, const convolution_scratch *scratch) {
  const size_t side = winograd ? 4 : 3, step = winograd ? 1 : 2;
  const convolution_patch patch = find_patch(
      layer, side, tile.batch, tile.y / step - 1, tile.x / step - 1, scratch->border);
  UNROLL for (int y = 0; y < (int)side; y++) {
    const size_t row = (size_t)y * side * block + r;
    quantize_patch_line(winograd, y, &patch, layer->weight.coding.factors, scratch, row, block);
  }
}
