// int8 convolutions with fewer multiplications: patches and weights are transformed, multiplied point by point, and the sums
// are transformed back. What is quantized are the transformed numbers, so the transforms cost no range:
//   F(2x2, 3x3)  a 4x4 patch gives 2x2 positions of a 3x3 convolution through 16 points instead of 36 taps;
//   upsampling   a 3x3 patch gives the 2x2 positions of one pixel through 9 points instead of 16 taps.

enum {
  MAXIMUM_POINTS = 16,
  // Quantized patches of a block; with the weights of a panel they stay in a 1 MiB second-level cache.
  PATCH_BYTES = 288 * 1024,
};

INLINE size_t form_side(sana_convolution_form form) {
  return form == SANA_CONVOLUTION_WINOGRAD ? 4 : 3;
}

INLINE size_t form_points(sana_convolution_form form) { return form_side(form) * form_side(form); }

// Columns of a weight row that one transformed row is made from: taps of all phases.
INLINE size_t form_taps(sana_convolution_form form) {
  return form == SANA_CONVOLUTION_WINOGRAD ? 9 : 16;
}

// Elements from one quantized patch to the next; not a multiple of what would put a tile's patches into few cache sets.
INLINE size_t patch_stride(size_t channels) {
  const size_t stride = round_up(channels, 64);
  return stride % 512 ? stride : stride + 64;
}

static size_t convolution_int8_block(sana_convolution_form form, size_t channels) {
  const size_t tile = form_points(form) * patch_stride(channels) * sizeof(quantized) * TILE_ROWS;
  const size_t tiles = PATCH_BYTES / tile;
  return (tiles < 1 ? 1 : tiles > 8 ? 8 : tiles) * TILE_ROWS;
}

// Where the results of a tile go.
typedef struct {
  // Of the four, those inside the image.
  bool inside[4];
  // Floats from the start of output and residual.
  size_t place[4];
  // Of an upsampled pixel: floats from the start of the input.
  size_t source;
} tile_targets;

// Scratch memory of a thread.
typedef struct {
  // [point][block][patch_stride]
  quantized *codes;
  // [point][block]
  float *scales;
  // One transformed patch, [point][channels rounded up to vectors]
  float *patch;
  // One patch that reaches beyond the image
  float *border;
  // Sums of a tile, [point][TILE_ROWS][PANEL]
  float *sums;
  // [block]
  tile_targets *targets;
  size_t bytes;
} convolution_scratch;

INLINE convolution_scratch convolution_areas(
    sana_convolution_form form, size_t channels, void *memory) {
  const size_t points = form_points(form), block = convolution_int8_block(form, channels);
  const size_t width = round_up(channels, VECTOR_FLOATS);
  char *next = memory;
  convolution_scratch areas;
#define TAKE(field, count) \
  areas.field = (void *)next; \
  next += round_up((count) * sizeof *areas.field, 64)
  TAKE(codes, points * block * patch_stride(channels));
  TAKE(scales, points * block);
  TAKE(patch, points * width);
  TAKE(border, points * channels);
  TAKE(sums, points * TILE_ROWS * PANEL);
  TAKE(targets, block);
#undef TAKE
  areas.bytes = (size_t)(next - (char *)memory);
  return areas;
}

static size_t convolution_int8_scratch_bytes(sana_convolution_form form, size_t channels) {
  return convolution_areas(form, channels, NULL).bytes;
}

// MARK: Weights

static size_t convolution_int8_packed_bytes(
    sana_convolution_form form, size_t channels, size_t outputs) {
  return round_up(outputs, PANEL) * form_points(form) * round_up(channels, INT8_GROUP);
}

static size_t convolution_int8_packed_rows(sana_convolution_form form, size_t outputs) {
  return round_up(outputs, PANEL) * form_points(form);
}

// Floats for the taps and points of one output channel, and bytes for the codes of a point.
static size_t convolution_int8_pack_bytes(sana_convolution_form form, size_t channels) {
  return channels * ((form_taps(form) + form_points(form)) * sizeof(float) + 1);
}

// G w G^T of one channel's taps, `step` floats from tap to tap.
INLINE void transform_winograd_taps(const float *taps, float *points, size_t step) {
  float half[12];
  for (size_t x = 0; x < 3; x++) {
    const float a = taps[x * step], b = taps[(3 + x) * step], c = taps[(6 + x) * step];
    half[x] = a;
    half[3 + x] = 0.5f * (a + b + c);
    half[6 + x] = 0.5f * (a - b + c);
    half[9 + x] = c;
  }
  for (size_t y = 0; y < 4; y++) {
    const float a = half[3 * y], b = half[3 * y + 1], c = half[3 * y + 2];
    points[(4 * y) * step] = a;
    points[(4 * y + 1) * step] = 0.5f * (a + b + c);
    points[(4 * y + 2) * step] = 0.5f * (a - b + c);
    points[(4 * y + 3) * step] = c;
  }
}

// In one dimension the phases are (p, q) = (w0, w1 + w2) and (r, s) = (w0 + w1, w2), and the points w0 = p, w0 + w1 + w2 = p + q,
// w2 = s. Taps are [row phase][column phase][row][column].
INLINE void transform_phases(const float *taps, float *points, size_t step) {
#define TAP(py, px, ky, kx) taps[(8 * (py) + 4 * (px) + 2 * (ky) + (kx)) * step]
  points[0] = TAP(0, 0, 0, 0);
  points[1 * step] = TAP(0, 0, 0, 0) + TAP(0, 0, 0, 1);
  points[2 * step] = TAP(0, 1, 0, 1);
  points[3 * step] = TAP(0, 0, 0, 0) + TAP(0, 0, 1, 0);
  points[4 * step] = (TAP(0, 0, 0, 0) + TAP(0, 0, 0, 1)) + (TAP(0, 0, 1, 0) + TAP(0, 0, 1, 1));
  points[5 * step] = TAP(0, 1, 0, 1) + TAP(0, 1, 1, 1);
  points[6 * step] = TAP(1, 0, 1, 0);
  points[7 * step] = TAP(1, 0, 1, 0) + TAP(1, 0, 1, 1);
  points[8 * step] = TAP(1, 1, 1, 1);
#undef TAP
}

// The points of output channel `n`, `[point][channel]`, divided by the channels' factors.
INLINE void transform_kernels(
    sana_convolution_form form, const sana_matrix *weight, size_t channels, size_t outputs,
    const float *factors, size_t n, float *taps, float *points) {
  if (form == SANA_CONVOLUTION_WINOGRAD) {
    decode_row(weight, n, 0, 9 * channels, taps);
  } else {
    for (size_t phase = 0; phase < 4; phase++) {
      decode_row(weight, phase * outputs + n, 0, 4 * channels, taps + phase * 4 * channels);
    }
  }
  for (size_t k = 0; k < channels; k++) {
    if (form == SANA_CONVOLUTION_WINOGRAD) {
      transform_winograd_taps(taps + k, points + k, channels);
    } else {
      transform_phases(taps + k, points + k, channels);
    }
    for (size_t i = 0; i < form_points(form); i++) points[i * channels + k] /= factors[k];
  }
}

// Packs output channels `row ..< row_end`, where `row` begins a panel. Panels are [point][channels / GROUP][PANEL][GROUP].
static void convolution_int8_pack(
    sana_convolution_form form, const sana_matrix *weight, size_t channels, size_t outputs,
    const float *factors, size_t row, size_t row_end, int8_t *packed, float *scales,
    int32_t *offsets, void *scratch) {
  const size_t points = form_points(form);
  const size_t panel_bytes = int8_panel_bytes(channels);
  float *taps = scratch;
  float *transformed = taps + form_taps(form) * channels;
  int8_t *codes = (int8_t *)(transformed + points * channels);
  for (size_t n = row; n < round_up(row_end, PANEL); n++) {
    const bool exists = n < outputs;
    if (exists) {
      transform_kernels(form, weight, channels, outputs, factors, n, taps, transformed);
    }
    for (size_t point = 0; point < points; point++) {
      const size_t panel = n / PANEL * points + point;
      const size_t place = panel * PANEL + n % PANEL;
      code_int8_row(
          exists ? transformed + point * channels : NULL, channels, n % PANEL,
          packed + panel * panel_bytes, scales + place, offsets + place, codes);
    }
  }
}

// MARK: Patches

typedef struct {
  size_t batch, y, x;
} convolution_tile;

// Tiles of 2x2 results, counted through rows and batch; y and x are those of the first result.
INLINE convolution_tile find_convolution_tile(const sana_convolution *layer, size_t index) {
  const bool winograd = layer->form == SANA_CONVOLUTION_WINOGRAD;
  const size_t across = winograd ? (layer->width + 1) / 2 : layer->width;
  const size_t down = winograd ? (layer->height + 1) / 2 : layer->height;
  return (convolution_tile){
      .batch = index / across / down, .y = index / across % down * 2, .x = index % across * 2};
}

// B^T d: line `y` of what `side` lines of a patch are transformed to, for one column.
INLINE vfloat transform_line(const bool winograd, int y, const vfloat *d) {
  if (winograd) return y == 1 ? d[1] + d[2] : y == 2 ? d[2] - d[1] : y == 0 ? d[0] - d[2] : d[1] - d[3];
  return y == 1 ? d[1] : d[y] - d[1];
}

// B^T d B of one patch of pixels `channels` apart in lines `line` apart, times the channels' factors, and the largest magnitude of
// each point, as the bits of a float: so infinities and NaN win, and make the scale, and with it every result of the tile,
// infinite or NaN.
INLINE void transform_patch(
    const bool winograd, const float *pixels, size_t line, size_t channels, const float *factors,
    float *patch, float *magnitudes) {
  const int side = winograd ? 4 : 3;
  const size_t width = round_up(channels, VECTOR_FLOATS);
  vint largest[MAXIMUM_POINTS];
  UNROLL for (int i = 0; i < side * side; i++) largest[i] = splat_int(0);
  for (size_t k = 0; k < channels; k += VECTOR_FLOATS) {
    const size_t valid = min_size(VECTOR_FLOATS, channels - k);
    vfloat columns[4][4];
    UNROLL for (int y = 0; y < side; y++) {
      const float *source = pixels + (size_t)y * line + k;
      // The columns that the next patch has not in common with this one.
      __builtin_prefetch(source + (size_t)(side + 1) * channels);
      if (winograd) __builtin_prefetch(source + (size_t)(side + 2) * channels);
      UNROLL for (int x = 0; x < side; x++) {
        columns[x][y] = valid == VECTOR_FLOATS ? load(source + (size_t)x * channels)
                                               : load_first(source + (size_t)x * channels, valid);
      }
    }
    const vfloat factor = load(factors + k);
    UNROLL for (int y = 0; y < side; y++) {
      vfloat half[4];
      UNROLL for (int x = 0; x < side; x++) half[x] = transform_line(winograd, y, columns[x]);
      UNROLL for (int x = 0; x < side; x++) {
        const int i = y * side + x;
        const vfloat v = transform_line(winograd, x, half) * factor;
        store(patch + (size_t)i * width + k, v);
        largest[i] = __builtin_elementwise_max(largest[i], (vint)v & 0x7fffffff);
      }
    }
  }
  UNROLL for (int i = 0; i < side * side; i++) {
    magnitudes[i] = float_of_bits((uint32_t)__builtin_reduce_max(largest[i]));
  }
}

// Quantizes one transformed patch; row `r` of every point.
INLINE void quantize_patch(
    size_t points, size_t channels, size_t block, size_t r, const float *magnitudes,
    const convolution_scratch *scratch) {
  const size_t width = round_up(channels, VECTOR_FLOATS), stride = patch_stride(channels);
  for (size_t point = 0; point < points; point++) {
    const float inverse = 127.0f / magnitudes[point];
    const bool vanishes = inverse == __builtin_inff();
    scratch->scales[point * block + r] = vanishes ? 0 : magnitudes[point] / 127.0f;
    const vfloat factor = splat(vanishes ? 0 : inverse);
    const float *source = scratch->patch + point * width;
    quantized *codes = scratch->codes + (point * block + r) * stride;
    for (size_t k = 0; k < channels; k += VECTOR_FLOATS) {
      // What lies beyond the channels meets weights of zero.
      store_codes(codes + k, load(source + k) * factor);
    }
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

INLINE void quantize_tile(
    const bool winograd, const sana_convolution *layer, convolution_tile tile, size_t block,
    size_t r, const convolution_scratch *scratch) {
  const size_t side = winograd ? 4 : 3, step = winograd ? 1 : 2;
  const size_t top = tile.y / step - 1, left = tile.x / step - 1;
  const float *pixels =
      layer->input + ((tile.batch * layer->height + top) * layer->width + left) * layer->channels;
  size_t line = layer->width * layer->channels;
  // Before the first row or column the unsigned number is huge, and its sum with the side small.
  if (top >= layer->height || left >= layer->width || top + side > layer->height ||
      left + side > layer->width) {
    gather_border(layer, side, tile.batch, top, left, scratch->border);
    pixels = scratch->border;
    line = side * layer->channels;
  }
  float magnitudes[MAXIMUM_POINTS];
  transform_patch(
      winograd, pixels, line, layer->channels, layer->weight.factors, scratch->patch, magnitudes);
  quantize_patch(side * side, layer->channels, block, r, magnitudes, scratch);
}

// MARK: Results

INLINE void transform_sums(const bool winograd, const vfloat *m, vfloat *results) {
  if (winograd) {
    vfloat half[8];
    UNROLL for (int x = 0; x < 4; x++) {
      half[x] = m[x] + m[4 + x] + m[8 + x];
      half[4 + x] = m[4 + x] - m[8 + x] - m[12 + x];
    }
    UNROLL for (int y = 0; y < 2; y++) {
      const vfloat *h = half + 4 * y;
      results[2 * y] = h[0] + h[1] + h[2];
      results[2 * y + 1] = h[1] - h[2] - h[3];
    }
  } else {
    vfloat half[6];
    UNROLL for (int x = 0; x < 3; x++) {
      half[x] = m[x] + m[3 + x];
      half[3 + x] = m[3 + x] + m[6 + x];
    }
    UNROLL for (int y = 0; y < 2; y++) {
      results[2 * y] = half[3 * y] + half[3 * y + 1];
      results[2 * y + 1] = half[3 * y + 1] + half[3 * y + 2];
    }
  }
}

INLINE tile_targets find_tile_targets(const sana_convolution *layer, convolution_tile tile) {
  const size_t scale = layer->form == SANA_CONVOLUTION_WINOGRAD ? 1 : 2;
  const size_t height = layer->height * scale, width = layer->width * scale;
  tile_targets targets;
  for (size_t i = 0; i < 4; i++) {
    const size_t y = tile.y + i / 2, x = tile.x + i % 2;
    targets.inside[i] = y < height && x < width;
    targets.place[i] = ((tile.batch * height + y) * width + x) * layer->outputs;
  }
  targets.source = ((tile.batch * layer->height + tile.y / scale) * layer->width + tile.x / scale) *
                   layer->channels;
  return targets;
}

// Every input channel is there four times for each output channel, twice, or once.
static bool has_shortcut(size_t channels, size_t outputs) {
  return channels == outputs || channels == 2 * outputs || channels == 4 * outputs;
}

// The shortcut of phase `i` of one pixel: output channel c is input channel (4 c + i) / repeats.
INLINE vfloat shortcut_values(
    const sana_convolution *layer, const float *pixel, size_t i, size_t column, size_t count) {
  const size_t step = layer->channels / layer->outputs;
  const float *source = pixel + column * step + i * step / 4;
  if (step == 1) return count >= VECTOR_FLOATS ? load(source) : load_first(source, count);
  float values[VECTOR_FLOATS] = {0};
  if (step == 2 && count >= VECTOR_FLOATS) {
    UNROLL for (size_t c = 0; c < VECTOR_FLOATS; c++) values[c] = source[2 * c];
  } else {
    for (size_t c = 0; c < min_size(count, VECTOR_FLOATS); c++) values[c] = source[c * step];
  }
  return load(values);
}

// Transforms the sums of a tile back and stores `count` channels from `column` on.
INLINE void store_results(
    const bool winograd, const sana_convolution *layer, const float *sums,
    const tile_targets *targets, size_t column, size_t count) {
  const int points = winograd ? 16 : 9;
  for (size_t c = 0; c < count; c += VECTOR_FLOATS) {
    const size_t valid = min_size(VECTOR_FLOATS, count - c);
    vfloat m[MAXIMUM_POINTS], values[4];
    UNROLL for (int i = 0; i < points; i++) m[i] = load(sums + i * TILE_ROWS * PANEL + c);
    transform_sums(winograd, m, values);
    UNROLL for (int i = 0; i < 4; i++) {
      if (!targets->inside[i]) continue;
      const float *residual =
          layer->epilogue.residual ? layer->epilogue.residual + targets->place[i] : NULL;
      vfloat value =
          finish_vector(&layer->epilogue, values[i], NULL, residual, column + c, valid);
      if (!winograd && layer->has_shortcut) {
        value += shortcut_values(
            layer, layer->input + targets->source, (size_t)i, column + c, valid);
      }
      float *target = layer->output + targets->place[i] + column + c;
      if (valid == VECTOR_FLOATS) {
        store(target, value);
      } else {
        store_first(target, value, valid);
      }
    }
  }
}

INLINE void convolve_block(
    const bool winograd, const sana_convolution *layer, size_t tile, size_t tiles, size_t block,
    const convolution_scratch *scratch) {
  const size_t points = winograd ? 16 : 9, outputs = layer->outputs;
  const size_t stride = patch_stride(layer->channels);
  const size_t groups = round_up(layer->channels, INT8_GROUP) / INT8_GROUP;
  const size_t panel_bytes = int8_panel_bytes(layer->channels);
  for (size_t r = 0; r < round_up(tiles, TILE_ROWS); r++) {
    // What fills up the last rows repeats the last tile and is not stored.
    const convolution_tile place = find_convolution_tile(layer, tile + min_size(r, tiles - 1));
    quantize_tile(winograd, layer, place, block, r, scratch);
    scratch->targets[r] = find_tile_targets(layer, place);
  }
  for (size_t n = 0; n < outputs; n += PANEL) {
    const size_t count = min_size(PANEL, outputs - n);
    for (size_t r = 0; r < tiles; r += TILE_ROWS) {
      for (size_t point = 0; point < points; point++) {
        const size_t panel = n / PANEL * points + point;
        multiply_int8_panel(
            groups, scratch->codes + (point * block + r) * stride, stride,
            scratch->scales + point * block + r, layer->weight.codes + panel * panel_bytes,
            layer->weight.scales + panel * PANEL, layer->weight.offsets + panel * PANEL,
            scratch->sums + point * TILE_ROWS * PANEL);
      }
      for (size_t i = r; i < min_size(r + TILE_ROWS, tiles); i++) {
        store_results(
            winograd, layer, scratch->sums + (i - r) * PANEL, scratch->targets + i, n, count);
      }
    }
  }
}

// Tiles of 2x2 results `tile ..< tile_end`, all output channels.
static void convolution_int8(
    const sana_convolution *layer, size_t tile, size_t tile_end, void *memory) {
  const size_t block = convolution_int8_block(layer->form, layer->channels);
  const convolution_scratch scratch =
      convolution_areas(layer->form, layer->channels, memory);
  for (size_t t = tile; t < tile_end; t += block) {
    const size_t tiles = min_size(block, tile_end - t);
    if (layer->form == SANA_CONVOLUTION_WINOGRAD) {
      convolve_block(true, layer, t, tiles, block, &scratch);
    } else {
      convolve_block(false, layer, t, tiles, block, &scratch);
    }
  }
}
