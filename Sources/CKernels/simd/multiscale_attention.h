// DC-AE's attention over several scales: a task computes one head, of the queries, keys and values
// of each position and of those that a depthwise convolution and a product gather around it. The
// image is gone through twice, in bands or whole: first for the sums of keys times values, then for
// what the queries make of them. What is gathered exists for a block of positions at a time.

// The largest kernel.
enum { GATHER_KERNEL = 7 };

static bool has_multiscale_attention(size_t dimension, size_t kernel) {
  return dimension % PANEL == 0 && dimension <= DEPTH_BLOCK && kernel <= GATHER_KERNEL &&
         kernel % 2 == 1;
}

// The depthwise sums of `count` pixels of an image row, the first at `line_starts[kernel / 2]`, and of up to GATHER_PIXELS - 1 more.
// `kernel` is a constant where it is inlined.
INLINE void gather_pixels(
    const size_t kernel, const float *const *line_starts, size_t count, size_t channels,
    const float *weights, size_t weight_stride, float *output) {
  for (size_t x = 0; x < count; x += GATHER_PIXELS) {
    for (size_t c = 0; c < channels; c += VECTOR_FLOATS) {
      vfloat sums[GATHER_PIXELS];
      UNROLL for (int p = 0; p < GATHER_PIXELS; p++) sums[p] = splat(0);
      for (size_t ky = 0; ky < kernel; ky++) {
        const float *line = line_starts[ky] + x * channels + c;
        const float *row = weights + ky * kernel * weight_stride + c;
        for (size_t kx = 0; kx < kernel; kx++) {
          const vfloat weight = load(row + kx * weight_stride);
          UNROLL for (int p = 0; p < GATHER_PIXELS; p++) {
            sums[p] += load(line + (kx + (size_t)p) * channels) * weight;
          }
        }
      }
      UNROLL for (int p = 0; p < GATHER_PIXELS; p++) {
        store(output + (x + (size_t)p) * channels + c, sums[p]);
      }
    }
  }
}

// The depthwise sums of `length` positions from `position` on, which the window holds; `weights` begin with the window's channels.
INLINE void gather_positions(
    const sana_multiscale_attention *attention, const image_window *window, size_t kernel,
    const float *weights, size_t position, size_t length, float *output) {
  const size_t stride = 3 * attention->heads * attention->dimension;
  for (size_t done = 0; done < length;) {
    const size_t y = (position + done) / window->width;
    const size_t x = (position + done) % window->width;
    const size_t count = min_size(length - done, window->width - x);
    const float *lines[GATHER_KERNEL];
    const ptrdiff_t margin = (ptrdiff_t)kernel / 2;
    for (size_t ky = 0; ky < kernel; ky++) {
      lines[ky] = window_line(window, (ptrdiff_t)(y + ky) - margin) +
                  ((ptrdiff_t)x - margin) * (ptrdiff_t)window->channels;
    }
    float *rows = output + done * window->channels;
    if (kernel == 5) {
      gather_pixels(5, lines, count, window->channels, weights, stride, rows);
    } else {
      gather_pixels(kernel, lines, count, window->channels, weights, stride, rows);
    }
    done += count;
  }
}

// Where a task keeps what.
typedef struct {
  // [scale][queries, keys, values][panel of outputs][input][PANEL]
  float *projections;
  // [SUM_BLOCK + GATHER_PIXELS - 1][keys, values]
  float *gathered;
  // Queries take the place of keys.
  float *keys, *values, *tile;
  // Before it is a window, weights are decoded here.
  float *window;
} multiscale_scratch;

INLINE multiscale_scratch
multiscale_layout(size_t dimension, size_t scales, float *memory) {
  multiscale_scratch scratch;
  scratch.projections = memory;
  scratch.gathered = scratch.projections + scales * 3 * dimension * dimension;
  scratch.keys = scratch.gathered + (SUM_BLOCK + GATHER_PIXELS - 1) * 2 * dimension;
  scratch.values = scratch.keys + relu_keys_count(dimension);
  scratch.tile = scratch.values + relu_values_count(dimension);
  scratch.window = scratch.tile + TILE_ROWS * PANEL;
  return scratch;
}

// Totals of every scale, the image's first, then sums of every scale.
static size_t multiscale_state_count(size_t dimension, size_t scales) {
  return (scales + 1) * relu_state_count(dimension);
}

static size_t multiscale_attention_scratch_count(
    size_t dimension, size_t image_width, size_t kernel, size_t scales) {
  const size_t window = window_floats(image_width, kernel, 2 * dimension);
  return scales * 3 * dimension * dimension + (SUM_BLOCK + GATHER_PIXELS - 1) * 2 * dimension +
         relu_keys_count(dimension) + relu_values_count(dimension) + TILE_ROWS * PANEL +
         (window > 4 * DEPTH_BLOCK ? window : 4 * DEPTH_BLOCK);
}

// `length` gathered rows times the weights of queries, keys or values; rows up to whole tiles are computed.
INLINE void project(
    size_t dimension, size_t length, const float *gathered, size_t stride, const float *panels,
    float *output, size_t panel_stride, size_t row_stride) {
  for (size_t r = 0; r < length; r += TILE_ROWS) {
    for (size_t c = 0; c < dimension; c += PANEL) {
      multiply_tile(
          dimension, gathered + r * stride, stride, 1, panels + c * dimension, PANEL,
          output + c / PANEL * panel_stride + r * row_stride, row_stride);
    }
  }
}

// Adds `length` positions from `position` on to the sums of all scales of a head.
INLINE void sum_scales(
    const sana_multiscale_attention *attention, const multiscale_scratch *scratch,
    const image_window *window, size_t head, size_t position, size_t length, float *sums) {
  const size_t dimension = attention->dimension, key_width = relu_key_width(dimension);
  for (size_t r = 0; r < length; r++) {
    const float *pixel = window_pixel(window, position + r);
    relu_row(pixel, scratch->keys + r * key_width, dimension);
    store_value(dimension, pixel + dimension, r, scratch->values);
  }
  sum_block(dimension, length, scratch->keys, scratch->values, sums, scratch->tile);
  for (size_t s = 0; s < attention->scale_count; s++) {
    const sana_gathering *scale = attention->scales + s;
    const float *projections = scratch->projections + s * 3 * dimension * dimension;
    gather_positions(
        attention, window, scale->kernel, scale->weight + (3 * head + 1) * dimension, position,
        length, scratch->gathered);
    project(
        dimension, length, scratch->gathered, window->channels, projections + dimension * dimension,
        scratch->keys, PANEL, key_width);
    relu_rows(length, scratch->keys, key_width, scratch->keys, key_width, dimension);
    project(
        dimension, length, scratch->gathered + dimension, window->channels,
        projections + 2 * dimension * dimension, scratch->values, SUM_BLOCK * PANEL, PANEL);
    sum_block(
        dimension, length, scratch->keys, scratch->values,
        sums + (s + 1) * relu_sum_count(dimension), scratch->tile);
  }
}

// Applies the queries of `length` positions from `position` on to the totals of all scales of a head.
INLINE void attend_scales(
    const sana_multiscale_attention *attention, const multiscale_scratch *scratch,
    const image_window *window, size_t batch, size_t head, size_t position, size_t length,
    const float *totals) {
  const size_t dimension = attention->dimension, key_width = relu_key_width(dimension);
  const size_t width = attention->heads * dimension;
  const size_t output_stride = (attention->scale_count + 1) * width;
  float *queries = scratch->keys;
  for (size_t s = 0; s <= attention->scale_count; s++) {
    if (s == 0) {
      for (size_t r = 0; r < length; r++) {
        relu_row(window_pixel(window, position + r), queries + r * key_width, dimension);
      }
    } else {
      const sana_gathering *scale = attention->scales + s - 1;
      gather_positions(
          attention, window, scale->kernel, scale->weight + 3 * head * dimension, position, length,
          scratch->gathered);
      project(
          dimension, length, scratch->gathered, window->channels,
          scratch->projections + (s - 1) * 3 * dimension * dimension, queries, PANEL, key_width);
      relu_rows(length, queries, key_width, queries, key_width, dimension);
    }
    for (size_t r = 0; r < length; r += TILE_ROWS) {
      const size_t row = batch * attention->height * attention->width + position + r;
      apply_queries(
          dimension, min_size(TILE_ROWS, length - r), queries + r * key_width,
          totals + s * relu_sum_count(dimension), scratch->tile,
          attention->output + row * output_stride + s * width + head * dimension, output_stride);
    }
  }
}

INLINE size_t largest_kernel(const sana_multiscale_attention *attention) {
  size_t kernel = 1;
  for (size_t s = 0; s < attention->scale_count; s++) {
    if (attention->scales[s].kernel > kernel) kernel = attention->scales[s].kernel;
  }
  return kernel;
}

// Scratch memory with the weights of a head's products of queries, keys and values, packed.
INLINE multiscale_scratch multiscale_weights(
    const sana_multiscale_attention *attention, size_t head, float *memory) {
  const size_t dimension = attention->dimension;
  const multiscale_scratch scratch = multiscale_layout(dimension, attention->scale_count, memory);
  __builtin_memset(memory, 0, (size_t)(scratch.window - memory) * sizeof(float));
  for (size_t s = 0; s < attention->scale_count; s++) {
    for (size_t row = 0; row < 3 * dimension; row += PANEL) {
      pack_panel(
          &attention->scales[s].projection, 3 * head * dimension + row, PANEL, PANEL, 0, dimension,
          scratch.window, scratch.projections + (s * 3 * dimension + row) * dimension);
    }
  }
  return scratch;
}

static void sum_multiscale_attention(
    const sana_multiscale_attention *attention, size_t batch, size_t head, size_t position,
    size_t end, float *state, float *memory) {
  const size_t dimension = attention->dimension;
  const size_t positions = attention->height * attention->width;
  const size_t sum_count = (attention->scale_count + 1) * relu_sum_count(dimension);
  const multiscale_scratch scratch = multiscale_weights(attention, head, memory);
  const float *image = attention->key_value + batch * positions * attention->key_value_stride +
                       head * attention->key_value_head_stride;
  image_window window = empty_window(
      scratch.window, attention->width, attention->height, largest_kernel(attention),
      2 * dimension, position);
  begin_relu_sums(position, state, sum_count);
  for (size_t p = position; p < end; p += SUM_BLOCK) {
    const size_t length = min_size(SUM_BLOCK, positions - p);
    fill_window(&window, image, attention->key_value_stride, p, length);
    sum_scales(attention, &scratch, &window, head, p, length, current_sums(state, sum_count));
    end_sum_block(p, positions, state, sum_count);
  }
}

static void apply_multiscale_attention(
    const sana_multiscale_attention *attention, size_t batch, size_t head, size_t position,
    size_t end, const float *state, float *memory) {
  const size_t dimension = attention->dimension;
  const size_t positions = attention->height * attention->width;
  const multiscale_scratch scratch = multiscale_weights(attention, head, memory);
  const float *image = attention->query + batch * positions * attention->query_stride +
                       head * attention->query_head_stride;
  image_window window = empty_window(
      scratch.window, attention->width, attention->height, largest_kernel(attention), dimension,
      position);
  for (size_t p = position; p < end; p += SUM_BLOCK) {
    const size_t length = min_size(SUM_BLOCK, end - p);
    fill_window(&window, image, attention->query_stride, p, length);
    attend_scales(attention, &scratch, &window, batch, head, p, length, state);
  }
}
