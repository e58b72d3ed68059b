// Sums of an int8 convolution, transformed back, on their way to the image.

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

// The shortcut of the four phases of one pixel, whose output channel c is input channel (4 c + phase) / repeats: `step` input
// channels for each output channel.
INLINE void shortcut_values(
    const float *pixel, size_t step, size_t column, size_t count, vfloat *shortcut) {
  const float *source = pixel + column * step;
  if (step == 1) {
    const vfloat all = load_up_to(source, count);
    UNROLL for (int i = 0; i < 4; i++) shortcut[i] = all;
  } else if (step == 2 && count >= VECTOR_FLOATS) {
    const vfloat low = load(source), high = load(source + VECTOR_FLOATS);
    UNROLL for (int c = 0; c < VECTOR_FLOATS; c++) {
      shortcut[0][c] = c < VECTOR_FLOATS / 2 ? low[2 * c] : high[2 * c - VECTOR_FLOATS];
      shortcut[2][c] = c < VECTOR_FLOATS / 2 ? low[2 * c + 1] : high[2 * c + 1 - VECTOR_FLOATS];
    }
    shortcut[1] = shortcut[0];
    shortcut[3] = shortcut[2];
  } else {
    float values[4][VECTOR_FLOATS] = {{0}};
    for (size_t i = 0; i < 4; i++) {
      for (size_t c = 0; c < min_size(count, VECTOR_FLOATS); c++) {
        values[i][c] = source[c * step + i * step / 4];
      }
    }
    __builtin_memcpy(shortcut, values, sizeof values);
  }
}

// Transforms the sums of a tile back and stores `count` channels from `column` on.
INLINE void store_results(
    const bool winograd, const sana_convolution *layer, const float *sums,
    const tile_targets *targets, size_t column, size_t count) {
  const int points = winograd ? 16 : 9;
  const sana_epilogue *epilogue = &layer->epilogue;
  const size_t step = !winograd && layer->has_shortcut ? layer->channels / layer->outputs : 0;
  for (size_t c = 0; c < count; c += VECTOR_FLOATS) {
    const size_t valid = min_size(VECTOR_FLOATS, count - c);
    vfloat m[MAXIMUM_POINTS], values[4];
    UNROLL for (int i = 0; i < points; i++) m[i] = load(sums + i * TILE_ROWS * PANEL + c);
    transform_sums(winograd, m, values);
    if (epilogue->bias) {
      const vfloat bias = load_up_to(epilogue->bias + column + c, valid);
      UNROLL for (int i = 0; i < 4; i++) values[i] += bias;
    }
    activate_four(values, epilogue->activation);
    vfloat shortcut[4];
    if (step) shortcut_values(layer->input + targets->source, step, column + c, valid, shortcut);
    UNROLL for (int i = 0; i < 4; i++) {
      if (!targets->inside[i]) continue;
      const size_t place = targets->place[i] + column + c;
      vfloat value = values[i];
      if (epilogue->residual) value += load_up_to(epilogue->residual + place, valid);
      if (step) value += shortcut[i];
      store_up_to(layer->output + place, value, valid);
    }
  }
}

// The lines that results go to come from memory while the sums are made: a share of those of TILE_ROWS tiles with each point.
INLINE void prefetch_results(
    const sana_convolution *layer, const tile_targets *targets, size_t column, size_t point,
    size_t points) {
  const size_t places = TILE_ROWS * 4, share = (places + points - 1) / points;
  for (size_t i = point * share; i < min_size((point + 1) * share, places); i++) {
    prefetch_place(
        layer->output, layer->epilogue.residual, targets[i / 4].place[i % 4] + column);
  }
}
