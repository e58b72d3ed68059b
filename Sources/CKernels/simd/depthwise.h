// Convolution of every channel by itself.

enum {
  // Channels at a time: their weights and a few rows of their pixels stay in the first two caches.
  DEPTHWISE_BLOCK = 256,
  DEPTHWISE_PIXELS = 4,
};

// The sums of VECTOR_FLOATS channels at up to DEPTHWISE_PIXELS pixels of a row. `kernel` is a constant where it is inlined.
INLINE void depthwise_sums(
    const sana_depthwise *layer, const int kernel, const float *image, size_t y, size_t x,
    size_t channel, vfloat *sums) {
  const ptrdiff_t margin = kernel / 2;
  const vfloat start = layer->bias ? load(layer->bias + channel) : splat(0);
  UNROLL for (int p = 0; p < DEPTHWISE_PIXELS; p++) sums[p] = start;
  for (int ky = 0; ky < kernel; ky++) {
    const ptrdiff_t line = (ptrdiff_t)y + ky - margin;
    if (line < 0 || line >= (ptrdiff_t)layer->height) continue;
    const float *source =
        image + (line * (ptrdiff_t)layer->width + (ptrdiff_t)x - margin) * (ptrdiff_t)layer->channels +
        channel;
    const float *weights = layer->weight + ky * kernel * layer->channels + channel;
    UNROLL for (int kx = 0; kx < kernel; kx++) {
      const vfloat weight = load(weights + kx * layer->channels);
      UNROLL for (int p = 0; p < DEPTHWISE_PIXELS; p++) {
        sums[p] += load(source + (kx + p) * layer->channels) * weight;
      }
    }
  }
}

// One pixel of `count` <= VECTOR_FLOATS channels, anywhere in the image.
INLINE vfloat depthwise_border(
    const sana_depthwise *layer, const float *image, size_t y, size_t x, size_t channel,
    size_t count) {
  const ptrdiff_t kernel = (ptrdiff_t)layer->kernel, margin = kernel / 2;
  vfloat sum = layer->bias ? load_up_to(layer->bias + channel, count) : splat(0);
  for (ptrdiff_t ky = 0; ky < kernel; ky++) {
    const ptrdiff_t line = (ptrdiff_t)y + ky - margin;
    if (line < 0 || line >= (ptrdiff_t)layer->height) continue;
    for (ptrdiff_t kx = 0; kx < kernel; kx++) {
      const ptrdiff_t column = (ptrdiff_t)x + kx - margin;
      if (column < 0 || column >= (ptrdiff_t)layer->width) continue;
      sum += load_up_to(
                 image + (line * (ptrdiff_t)layer->width + column) * (ptrdiff_t)layer->channels +
                     channel,
                 count) *
             load_up_to(
                 layer->weight + (ky * kernel + kx) * (ptrdiff_t)layer->channels + channel, count);
    }
  }
  return sum;
}

INLINE void depthwise_run(
    const sana_depthwise *layer, const float *image, size_t y, size_t x, size_t channel,
    size_t count, vfloat *sums, bool inner) {
  if (inner && layer->kernel == 3) {
    depthwise_sums(layer, 3, image, y, x, channel, sums);
  } else if (inner && layer->kernel == 5) {
    depthwise_sums(layer, 5, image, y, x, channel, sums);
  } else {
    sums[0] = depthwise_border(layer, image, y, x, channel, count);
  }
}

// Output rows `row ..< row_end` of all images, counted through the batch.
static void depthwise(const sana_depthwise *layer, size_t row, size_t row_end) {
  const size_t outputs = layer->gated ? layer->channels / 2 : layer->channels;
  const size_t margin = layer->kernel / 2;
  for (size_t block = 0; block < outputs; block += DEPTHWISE_BLOCK) {
    const size_t block_end = min_size(block + DEPTHWISE_BLOCK, outputs);
    for (size_t line = row; line < row_end; line++) {
      const size_t y = line % layer->height;
      const float *image = layer->input + (line - y) * layer->width * layer->channels;
      for (size_t x = 0; x < layer->width;) {
        const bool has_run =
            (layer->kernel == 3 || layer->kernel == 5) && x >= margin &&
            x + DEPTHWISE_PIXELS + margin <= layer->width;
        size_t pixels = 1;
        for (size_t c = block; c < block_end; c += VECTOR_FLOATS) {
          const size_t count = min_size(VECTOR_FLOATS, block_end - c);
          const bool inner = has_run && count == VECTOR_FLOATS;
          const size_t run = has_run ? DEPTHWISE_PIXELS : 1;
          for (size_t p = 0; p < run; p += inner ? DEPTHWISE_PIXELS : 1) {
            vfloat sums[DEPTHWISE_PIXELS], gates[DEPTHWISE_PIXELS];
            depthwise_run(layer, image, y, x + p, c, count, sums, inner);
            if (layer->gated) {
              depthwise_run(layer, image, y, x + p, outputs + c, count, gates, inner);
            }
            for (size_t i = 0; i < (inner ? DEPTHWISE_PIXELS : 1); i++) {
              const vfloat result =
                  layer->gated ? sums[i] * activate(gates[i], SANA_ACTIVATION_SILU) : sums[i];
              store_up_to(
                  layer->output + (line * layer->width + x + p + i) * outputs + c, result, count);
            }
          }
          pixels = run;
        }
        x += pixels;
      }
    }
  }
}
