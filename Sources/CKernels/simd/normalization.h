// Norms over the channels of a row.

INLINE float sum_of_squares(const float *x, size_t count, float mean) {
  vfloat sums[4] = {};
  size_t i = 0;
  for (; i + 4 * VECTOR_FLOATS <= count; i += 4 * VECTOR_FLOATS) {
    UNROLL for (int v = 0; v < 4; v++) {
      const vfloat d = load(x + i + v * VECTOR_FLOATS) - mean;
      sums[v] += d * d;
    }
  }
  for (; i < count; i += VECTOR_FLOATS) {
    const size_t valid = min_size(VECTOR_FLOATS, count - i);
    vfloat d = load_up_to(x + i, valid) - mean;
    if (valid < VECTOR_FLOATS) d = select(first_lanes(valid), d, splat(0));
    sums[0] += d * d;
  }
  return sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

INLINE float sum_of(const float *x, size_t count) {
  vfloat sums[4] = {};
  size_t i = 0;
  for (; i + 4 * VECTOR_FLOATS <= count; i += 4 * VECTOR_FLOATS) {
    UNROLL for (int v = 0; v < 4; v++) sums[v] += load(x + i + v * VECTOR_FLOATS);
  }
  for (; i < count; i += VECTOR_FLOATS) {
    sums[0] += load_up_to(x + i, min_size(VECTOR_FLOATS, count - i));
  }
  return sum_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

static void rms_norm(const sana_rms_norm *norm, size_t row, size_t row_end) {
  for (size_t r = row; r < row_end; r++) {
    const float *input = norm->input + r * norm->stride;
    const float *residual = norm->residual ? norm->residual + r * norm->stride : NULL;
    float *output = norm->output + r * norm->stride;
    const size_t end = norm->first + norm->channels;
    const float mean = sum_of_squares(input + norm->first, norm->channels, 0) / norm->channels;
    const float factor = (norm->weight ? 1.0f : 1.0f + norm->weight_offset) /
                         __builtin_sqrtf(mean + norm->epsilon);
    if (output != input) {
      __builtin_memcpy(output, input, norm->first * sizeof(float));
      __builtin_memcpy(output + end, input + end, (norm->stride - end) * sizeof(float));
    }
    if (residual) {
      for (size_t i = 0; i < norm->first; i++) output[i] += residual[i];
      for (size_t i = end; i < norm->stride; i++) output[i] += residual[i];
    }
    for (size_t i = 0; i < norm->channels; i += VECTOR_FLOATS) {
      const size_t valid = norm->channels - i;
      const size_t c = norm->first + i;
      vfloat x = load_up_to(input + c, valid) * factor;
      if (norm->weight) x *= load_up_to(norm->weight + i, valid) + norm->weight_offset;
      if (norm->bias) x += load_up_to(norm->bias + i, valid);
      if (residual) x += load_up_to(residual + c, valid);
      store_up_to(output + c, x, valid);
    }
  }
}

INLINE void normalize_row(
    const float *input, size_t channels, float epsilon, float *mean, float *factor) {
  *mean = sum_of(input, channels) / channels;
  const float variance = sum_of_squares(input, channels, *mean) / channels;
  *factor = 1.0f / __builtin_sqrtf(variance + epsilon);
}

INLINE vfloat modulate(vfloat x, vfloat scale, vfloat shift) { return x * (1.0f + scale) + shift; }

static void layer_norm(const sana_layer_norm *norm, size_t row, size_t row_end) {
  const size_t channels = norm->channels;
  for (size_t r = row; r < row_end; r++) {
    const size_t batch = r / norm->positions;
    const float *input = norm->input + r * channels;
    const float *shift = norm->shift + batch * norm->shift_stride;
    const float *scale = norm->scale + batch * norm->scale_stride;
    float *output = norm->output + r * channels;
    float mean, factor;
    normalize_row(input, channels, norm->epsilon, &mean, &factor);
    for (size_t i = 0; i < channels; i += VECTOR_FLOATS) {
      const size_t valid = min_size(VECTOR_FLOATS, channels - i);
      const vfloat x = (load_up_to(input + i, valid) - mean) * factor;
      store_up_to(
          output + i, modulate(x, load_up_to(scale + i, valid), load_up_to(shift + i, valid)),
          valid);
    }
  }
}
