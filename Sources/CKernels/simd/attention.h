// Attention that forms its scores: softmax attention and DC-AE's quadratic ReLU attention.

INLINE size_t packed_keys(size_t keys) { return round_up(keys, PANEL); }

// Floats that attention_pack writes: keys as [panel of keys][dimension][PANEL], values as [panel of channels][keys][PANEL],
// the last panel narrower where it can be.
static size_t attention_packed_count(size_t keys, size_t dimension) {
  return packed_keys(keys) * dimension + packed_keys(keys) * round_up(dimension, PANEL);
}

// Floats of scratch memory that attention_rows needs.
static size_t attention_scratch_count(size_t keys, size_t dimension) {
  return TILE_ROWS * (packed_keys(keys) + round_up(dimension, PANEL));
}

// One position's query or key: rotated, or passed through relu, or as it is.
INLINE void load_head(
    const sana_attention *head, const float *source, size_t position, float scale,
    float *destination) {
  const size_t half = head->dimension / 2;
  if (head->cosines && head->sines) {
    const float *cosines = head->cosines + position * half;
    const float *sines = head->sines + position * half;
    for (size_t i = 0; i < half; i++) {
      const float low = source[i], high = source[half + i];
      destination[i] = (low * cosines[i] - high * sines[i]) * scale;
      destination[half + i] = (high * cosines[i] + low * sines[i]) * scale;
    }
  } else if (head->scores == SANA_SCORES_RELU) {
    for (size_t i = 0; i < head->dimension; i++) {
      destination[i] = source[i] < 0 ? 0 : source[i];
    }
  } else {
    for (size_t i = 0; i < head->dimension; i++) destination[i] = source[i] * scale;
  }
}

// Columns of the panel of values that begins at `channel`: narrow at the end where that is enough.
INLINE size_t value_width(size_t dimension, size_t channel) {
  return dimension - channel <= VECTOR_FLOATS ? VECTOR_FLOATS : PANEL;
}

// The key at a position.
INLINE const float *key_at(const sana_attention *head, size_t position) {
  return position < head->earlier_keys
             ? head->earlier_key + position * head->earlier_stride
             : head->key + (position - head->earlier_keys) * head->key_stride;
}

INLINE const float *value_at(const sana_attention *head, size_t position) {
  return position < head->earlier_keys
             ? head->earlier_value + position * head->earlier_stride
             : head->value + (position - head->earlier_keys) * head->key_stride;
}

static void attention_pack(const sana_attention *head, float *packed, float *scratch) {
  const size_t dimension = head->dimension;
  const size_t keys = packed_keys(head->keys);
  for (size_t j = 0; j < keys; j += 4) {
    for (size_t i = 0; i < 4; i++) {
      float *row = scratch + i * dimension;
      if (j + i < head->keys) {
        load_head(head, key_at(head, j + i), j + i, 1, row);
      } else {
        __builtin_memset(row, 0, dimension * sizeof(float));
      }
    }
    transpose_quad(
        scratch, dimension, dimension, packed + j / PANEL * PANEL * dimension + j % PANEL, PANEL);
  }
  float *values = packed + keys * dimension;
  for (size_t c = 0; c < dimension; c += PANEL) {
    const size_t width = value_width(dimension, c), count = min_size(width, dimension - c);
    float *panel = values + c * keys;
    for (size_t j = 0; j < head->keys; j++) {
      const float *value = value_at(head, j) + c;
      for (size_t i = 0; i < count; i++) panel[j * width + i] = value[i];
      for (size_t i = count; i < width; i++) panel[j * width + i] = 0;
    }
  }
}

// exp(score - maximum) over `begin ..< end`, zero elsewhere below `count`; returns the sum.
INLINE float softmax_row(float *scores, size_t begin, size_t end, size_t count) {
  for (size_t j = 0; j < begin; j++) scores[j] = 0;
  for (size_t j = end; j < count; j++) scores[j] = 0;
  vfloat largest = splat(-__builtin_inff());
  for (size_t j = begin; j < end; j += VECTOR_FLOATS) {
    const vfloat x =
        end - j >= VECTOR_FLOATS
            ? load(scores + j)
            : select(first_lanes(end - j), load_up_to(scores + j, end - j), largest);
    largest = select(x > largest, x, largest);
  }
  float maximum = largest[0];
  for (int i = 1; i < VECTOR_FLOATS; i++) maximum = largest[i] > maximum ? largest[i] : maximum;
  vfloat sums = splat(0);
  for (size_t j = begin; j < end; j += VECTOR_FLOATS) {
    const size_t valid = min_size(VECTOR_FLOATS, end - j);
    vfloat x = vector_exp(load_up_to(scores + j, valid) - maximum);
    if (valid < VECTOR_FLOATS) x = select(first_lanes(valid), x, splat(0));
    store_up_to(scores + j, x, valid);
    sums += x;
  }
  return sum_lanes(sums);
}

INLINE float sum_row(const float *scores, size_t count) {
  vfloat sums = splat(0);
  for (size_t j = 0; j < count; j += VECTOR_FLOATS) sums += load(scores + j);
  return sum_lanes(sums);
}

// Queries `row ..< row_end`.
static void attention_rows(
    const sana_attention *head, const float *packed, size_t row, size_t row_end, float *scratch) {
  const size_t dimension = head->dimension;
  const size_t keys = packed_keys(head->keys);
  const size_t width = round_up(dimension, PANEL);
  const float *values = packed + keys * dimension;
  float *scores = scratch;
  float *queries = scratch + TILE_ROWS * keys;

  for (size_t m = row; m < row_end; m += TILE_ROWS) {
    const size_t rows = min_size(TILE_ROWS, row_end - m);
    const size_t place = head->earlier_keys + m;
    // Keys that some query of the strip sees, from a panel's begin on.
    const size_t end = head->causal ? min_size(head->keys, place + rows) : head->keys;
    const size_t hidden = head->causal && head->window > 0 && place + 1 > head->window
                              ? place + 1 - head->window
                              : 0;
    const size_t begin = hidden / PANEL * PANEL;
    const size_t count = end - begin;
    for (size_t r = 0; r < TILE_ROWS; r++) {
      const size_t offset = min_size(r, rows - 1);
      load_head(
          head, head->query + (m + offset) * head->query_stride, place + offset, head->scale,
          queries + r * width);
    }
    for (size_t j = begin; j < end; j += PANEL) {
      multiply_tile(
          dimension, queries, width, 1, packed + j * dimension, PANEL, scores + (j - begin), keys);
    }

    float sums[TILE_ROWS];
    for (size_t r = 0; r < TILE_ROWS; r++) {
      float *line = scores + r * keys;
      if (head->softcap > 0) {
        for (size_t j = 0; j < count; j += VECTOR_FLOATS) {
          store(line + j, head->softcap * vector_tanh(load(line + j) / head->softcap));
        }
      }
      if (head->scores == SANA_SCORES_RELU) {
        sums[r] = sum_row(line, packed_keys(count)) + 1e-15f;
        continue;
      }
      if (count == 0) {
        // Nothing to see: the result is zero.
        sums[r] = 1;
        continue;
      }
      const size_t position = place + min_size(r, rows - 1);
      const size_t last = head->causal ? min_size(position + 1, head->keys) : head->keys;
      const size_t first = head->causal && head->window > 0 && position + 1 > head->window
                               ? position + 1 - head->window
                               : 0;
      sums[r] = softmax_row(line, first - begin, last - begin, count);
    }

    for (size_t i = 0; i < dimension; i += PANEL) {
      // The queries are no longer needed: their place takes the result.
      const size_t columns = value_width(dimension, i);
      multiply_tile(
          count, scores, keys, 1, values + i * keys + begin * columns, columns, queries + i, width);
    }
    for (size_t r = 0; r < rows; r++) {
      float *output = head->output + (m + r) * head->output_stride;
      for (size_t i = 0; i < dimension; i++) output[i] = queries[r * width + i] / sums[r];
    }
  }
}
