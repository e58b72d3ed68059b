// The Mix-FFN up to its last product: product of int8 or bf16, activation, depthwise 3x3, gate. The
// wide hidden activations stay in the second-level cache: a task computes some channels, the gating
// ones with the gated ones, of one image or a band of its rows from top to bottom. From band to
// band the last hidden activations stay, so that each is computed once.

enum {
  // Channels of a task, of each half.
  FEED_FORWARD_CHANNELS = 2 * PANEL,
  FEED_FORWARD_WIDTH = 2 * FEED_FORWARD_CHANNELS,
  FEED_FORWARD_PIXELS = 4,
};

// Image rows of hidden activations that are held: three, and what a tile computes ahead of them. A row is at its number modulo these.
INLINE size_t feed_forward_lines(size_t image_width) {
  return 3 + (TILE_ROWS + image_width - 2) / image_width;
}

static size_t feed_forward_hidden_bytes(size_t image_width) {
  return feed_forward_lines(image_width) * image_width * FEED_FORWARD_WIDTH * sizeof(float);
}

static size_t feed_forward_scratch_bytes(void) { return TILE_ROWS * PANEL * sizeof(float); }

// Tiles begin at multiples of TILE_ROWS, and end behind the row below.
static size_t feed_forward_position(size_t image_width, size_t image_height, size_t row) {
  const size_t positions = image_width * image_height;
  if (row == 0) return 0;
  return min_size(round_up(min_size((row + 1) * image_width, positions), TILE_ROWS), positions);
}

// `channels` counts one half.
static bool has_feed_forward(size_t channels) { return channels % PANEL == 0; }

// What the first product multiplies.
typedef struct {
  const sana_int8_rows *rows;
  const sana_int8_matrix *weights;
#if SANA_BF16
  // Rounded rows; where null, the product is one of int8.
  const bf16_pair *rounded;
  size_t inputs;
  // The weights of the task: [half][panel of channels][pairs][PANEL].
  const bf16_pair *panels;
#endif
} feed_forward_product;

// The tile of TILE_ROWS positions from `row` on and the panel at `column`, which is the task's `c` of one half.
INLINE void multiply_feed_forward_tile(
    const feed_forward_product *product, size_t row, size_t column, size_t half, size_t c,
    float *tile) {
#if SANA_BF16
  if (product->rounded) {
    const size_t stride = bf16_row_stride(product->inputs), pairs = (product->inputs + 1) / 2;
    multiply_bf16_tile(
        pairs, product->rounded + row * stride, stride,
        product->panels + (half * FEED_FORWARD_CHANNELS + c) * pairs, PANEL, tile);
    return;
  }
#else
  (void)half, (void)c;
#endif
  multiply_int8_tile(product->weights, column, product->rows, row, tile);
}

// Where a task holds its hidden activations: positions modulo `count`.
typedef struct {
  float *rows;
  size_t count;
} hidden_positions;

// Bias and activation of `count` positions from `position` on, of a panel that begins at `channel` of the hidden ones. `activation` is
// a constant where it is inlined.
INLINE void store_hidden(
    const hidden_positions *hidden, const float *tile, size_t position, size_t count,
    size_t channel, const float *bias, const sana_activation activation) {
  const size_t first = position % hidden->count;
  for (size_t v = 0; v < PANEL; v += VECTOR_FLOATS) {
    const vfloat offset = bias ? load(bias + v) : splat(0);
    for (size_t r = 0; r < count; r++) {
      const size_t place = first + r < hidden->count ? first + r : first + r - hidden->count;
      store(
          hidden->rows + place * FEED_FORWARD_WIDTH + channel + v,
          activate(load(tile + r * PANEL + v) + offset, activation));
    }
  }
}

// Products, bias and activation of `count` positions from `position` on, which are rows from `row` on.
INLINE void expand_tile(
    const sana_feed_forward *layer, const feed_forward_product *product, size_t row,
    size_t position, size_t count, size_t channel, size_t channels,
    const hidden_positions *hidden, float *tile) {
  for (size_t half = 0; half < 2; half++) {
    for (size_t c = 0; c < channels; c += PANEL) {
      const size_t column = half * layer->channels + channel + c;
      const float *bias = layer->bias ? layer->bias + column : NULL;
      const size_t target = half * FEED_FORWARD_CHANNELS + c;
      multiply_feed_forward_tile(product, row, column, half, c, tile);
      if (layer->activation == SANA_ACTIVATION_SILU) {
        store_hidden(hidden, tile, position, count, target, bias, SANA_ACTIVATION_SILU);
      } else {
        store_hidden(hidden, tile, position, count, target, bias, layer->activation);
      }
    }
  }
}

// Depthwise sums of one vector of channels at `pixels` neighbouring pixels, the first at `x`; `lines` are the image rows above,
// here and below, null outside of the image. A single pixel may lie at the image's side.
INLINE void feed_forward_sums(
    const int pixels, const float *const *lines, size_t x, size_t image_width,
    const float *weights, size_t weight_stride, vfloat start, vfloat *sums) {
  UNROLL for (int p = 0; p < pixels; p++) sums[p] = start;
  for (size_t ky = 0; ky < 3; ky++) {
    if (!lines[ky]) continue;
    const float *line = lines[ky] + x * FEED_FORWARD_WIDTH;
    const float *w = weights + ky * 3 * weight_stride;
    if (pixels == 1) {
      if (x > 0) sums[0] += load(line - FEED_FORWARD_WIDTH) * load(w);
      sums[0] += load(line) * load(w + weight_stride);
      if (x + 1 < image_width) {
        sums[0] += load(line + FEED_FORWARD_WIDTH) * load(w + 2 * weight_stride);
      }
      continue;
    }
    vfloat columns[FEED_FORWARD_PIXELS + 2];
    UNROLL for (int i = 0; i < pixels + 2; i++) {
      columns[i] = load(line + (i - 1) * FEED_FORWARD_WIDTH);
    }
    UNROLL for (int kx = 0; kx < 3; kx++) {
      const vfloat weight = load(w + (size_t)kx * weight_stride);
      UNROLL for (int p = 0; p < pixels; p++) sums[p] += columns[p + kx] * weight;
    }
  }
}

INLINE void gate_pixels(
    const sana_feed_forward *layer, const int pixels, const float *const *lines, size_t x,
    size_t channel, size_t channels, float *output) {
  for (size_t c = 0; c < channels; c += VECTOR_FLOATS) {
    vfloat results[2][FEED_FORWARD_PIXELS];
    UNROLL for (int half = 0; half < 2; half++) {
      const size_t first = (size_t)half * layer->channels + channel + c;
      const float *shifted[3];
      UNROLL for (int i = 0; i < 3; i++) {
        shifted[i] = lines[i] ? lines[i] + half * FEED_FORWARD_CHANNELS + c : NULL;
      }
      feed_forward_sums(
          pixels, shifted, x, layer->width, layer->depthwise_weight + first, 2 * layer->channels,
          layer->depthwise_bias ? load(layer->depthwise_bias + first) : splat(0), results[half]);
    }
    UNROLL for (int p = 0; p < pixels; p++) {
      store(
          output + (x + (size_t)p) * layer->channels + channel + c,
          results[0][p] * activate(results[1][p], SANA_ACTIVATION_SILU));
    }
  }
}

// Channels `channel ..< channel_end` of both halves, image rows `row ..< row_end` of one batch
// element; `channel` begins a task.
INLINE void feed_forward(
    const sana_feed_forward *layer, const feed_forward_product *product, size_t batch, size_t row,
    size_t row_end, size_t channel, size_t channel_end, void *rows, void *scratch) {
  const size_t channels = channel_end - channel;
  const size_t width = layer->width;
  const size_t positions = layer->height * width;
  const size_t line_count = feed_forward_lines(width);
  const hidden_positions hidden = {.rows = rows, .count = line_count * width};
  size_t done = feed_forward_position(width, layer->height, row);
  for (size_t y = row; y < row_end; y++) {
    for (; done < min_size((y + 2) * width, positions); done += TILE_ROWS) {
      expand_tile(
          layer, product, batch * positions + done, done, min_size(TILE_ROWS, positions - done),
          channel, channels, &hidden, scratch);
    }
    const float *lines[3];
    for (size_t i = 0; i < 3; i++) {
      const size_t line = y + i;
      lines[i] = line >= 1 && line <= layer->height
                     ? hidden.rows + (line - 1) % line_count * width * FEED_FORWARD_WIDTH
                     : NULL;
    }
    float *output = layer->output + (batch * positions + y * width) * layer->channels;
    for (size_t x = 0; x < width;) {
      if (x >= 1 && x + FEED_FORWARD_PIXELS + 1 <= width) {
        gate_pixels(layer, FEED_FORWARD_PIXELS, lines, x, channel, channels, output);
        x += FEED_FORWARD_PIXELS;
      } else {
        gate_pixels(layer, 1, lines, x, channel, channels, output);
        x++;
      }
    }
  }
}

static void feed_forward_int8(
    const sana_feed_forward *layer, const sana_int8_rows *rows, const sana_int8_matrix *weights,
    size_t batch, size_t row, size_t row_end, size_t channel, size_t channel_end, void *hidden,
    void *scratch) {
  const feed_forward_product product = {.rows = rows, .weights = weights};
  feed_forward(layer, &product, batch, row, row_end, channel, channel_end, hidden, scratch);
}

#if SANA_BF16
// Sums over more inputs are cut by the product of one layer, so that they would be others.
static bool has_feed_forward_bf16(size_t inputs, size_t channels) {
  return inputs <= 2 * DEPTH_BLOCK && has_feed_forward(channels);
}

INLINE size_t feed_forward_panel_count(size_t inputs) {
  return FEED_FORWARD_WIDTH * ((inputs + 1) / 2);
}

static size_t feed_forward_bf16_scratch_bytes(size_t inputs) {
  return (feed_forward_panel_count(inputs) + 4 * DEPTH_BLOCK) * sizeof(bf16_pair) +
         feed_forward_scratch_bytes();
}

// `rows` are rounded, `weight` is packed for the task.
static void feed_forward_bf16(
    const sana_feed_forward *layer, const void *rows, const sana_matrix *weight, size_t batch,
    size_t row, size_t row_end, size_t channel, size_t channel_end, void *hidden, void *scratch) {
  const size_t inputs = weight->columns, pairs = (inputs + 1) / 2;
  bf16_pair *panels = scratch;
  bf16_pair *packing = panels + feed_forward_panel_count(inputs);
  for (size_t half = 0; half < 2; half++) {
    for (size_t c = 0; c < channel_end - channel; c += PANEL) {
      pack_bf16_panel(
          weight, half * layer->channels + channel + c, PANEL, PANEL, 0, inputs, packing,
          panels + (half * FEED_FORWARD_CHANNELS + c) * pairs);
    }
  }
  const feed_forward_product product = {.rounded = rows, .inputs = inputs, .panels = panels};
  feed_forward(
      layer, &product, batch, row, row_end, channel, channel_end, hidden,
      packing + 4 * DEPTH_BLOCK);
}
#endif
