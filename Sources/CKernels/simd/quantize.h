// Round-to-nearest quantization of stored weights; see sana_quantize.h.

static float largest_magnitude(const float *input, size_t count) {
  // Without the sign bit, floats are ordered as integers are: finite < infinite < NaN.
  vuint largest = {};
  size_t i = 0;
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) {
    const vuint magnitude = (vuint)load(input + i) & 0x7fffffff;
    const vuint larger = (vuint)(magnitude > largest);
    largest = (larger & magnitude) | (~larger & largest);
  }
  uint32_t result = 0;
  for (size_t lane = 0; lane < VECTOR_FLOATS; lane++) {
    if (largest[lane] > result) result = largest[lane];
  }
  for (; i < count; i++) {
    const uint32_t magnitude = float_bits(input[i]) & 0x7fffffff;
    if (magnitude > result) result = magnitude;
  }
  return float_of_bits(result);
}

// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, ties to even.
static const float rounding = 0x1.8p23f;

INLINE int8_t quantize_scalar(float x, float scale, float limit) {
  const float code = x / scale;
  const float clamped = code > limit ? limit : code < -limit ? -limit : code;
  return (int8_t)((clamped + rounding) - rounding);
}

static void quantize_group(
    const float *input, float scale, float limit, int8_t *codes, size_t count) {
  size_t i = 0;
  const vfloat scales = splat(scale), high = splat(limit), low = splat(-limit);
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) {
    const vfloat code = load(input + i) / scales;
    const vfloat clamped = select(code > high, high, select(code < low, low, code));
    const vfloat rounded = (clamped + rounding) - rounding;
    const vchar bytes = __builtin_convertvector(__builtin_convertvector(rounded, vint), vchar);
    __builtin_memcpy(codes + i, &bytes, sizeof bytes);
  }
  for (; i < count; i++) codes[i] = quantize_scalar(input[i], scale, limit);
}

static size_t quantize_rows(
    const float *input, size_t rows, size_t columns, size_t group, int limit, int8_t *codes,
    float *scales) {
  for (size_t row = 0; row < rows; row++) {
    for (size_t column = 0; column < columns; column += group) {
      const size_t count = min_size(group, columns - column);
      const float *in = input + row * columns + column;
      int8_t *out = codes + row * columns + column;
      const float largest = largest_magnitude(in, count);
      if (!(largest <= 0x1.fffffep127f)) return row;
      const float scale = largest / (float)limit;
      if (scale < 0x1p-126f) {
        *scales++ = 0;
        __builtin_memset(out, 0, count);
      } else {
        *scales++ = scale;
        quantize_group(in, scale, (float)limit, out, count);
      }
    }
  }
  return rows;
}

static void dequantize_rows(
    const int8_t *codes, const float *scales, size_t rows, size_t columns, size_t group,
    float *output) {
  for (size_t row = 0; row < rows; row++) {
    for (size_t column = 0; column < columns; column += group) {
      const size_t count = min_size(group, columns - column);
      const int8_t *in = codes + row * columns + column;
      float *out = output + row * columns + column;
      const float scale = *scales++;
      size_t i = 0;
      for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) {
        vchar bytes;
        __builtin_memcpy(&bytes, in + i, sizeof bytes);
        store(out + i, __builtin_convertvector(bytes, vfloat) * scale);
      }
      for (; i < count; i++) out[i] = (float)in[i] * scale;
    }
  }
}

static sana_distortion measure_distortion(
    const float *original, const float *decoded, size_t count) {
  // The same 16 lanes on every instruction set, and no fused multiply-adds, so that all add up in the same order.
#pragma STDC FP_CONTRACT OFF
  enum { lanes = 16 };
  typedef float floats __attribute__((vector_size(4 * lanes)));
  typedef int32_t ints __attribute__((vector_size(4 * lanes)));
  typedef double doubles __attribute__((vector_size(8 * lanes)));
  doubles signal = {}, noise = {}, product = {}, energy = {};
  ints largest = {};
  sana_distortion sums = {};
  for (size_t i = 0; i < count; i += lanes) {
    // Beyond the end both are zero, which adds nothing.
    floats x = {}, y = {};
    const size_t bytes = 4 * min_size(lanes, count - i);
    if (bytes == sizeof x) {
      __builtin_memcpy(&x, original + i, sizeof x);
      __builtin_memcpy(&y, decoded + i, sizeof y);
    } else {
      __builtin_memcpy(&x, original + i, bytes);
      __builtin_memcpy(&y, decoded + i, bytes);
    }
    const doubles a = __builtin_convertvector(x, doubles), b = __builtin_convertvector(y, doubles);
    const doubles error = a - b;
    signal += a * a;
    noise += error * error;
    product += a * b;
    energy += b * b;
    const ints magnitude = (ints)(x - y) & 0x7fffffff;
    const ints larger = magnitude > largest;
    largest = (larger & magnitude) | (~larger & largest);
    sums.rounded_to_zero += (uint64_t)-__builtin_reduce_add((y == 0) & (x != 0));
    sums.changed += (uint64_t)-__builtin_reduce_add((ints)x != (ints)y);
  }
  for (size_t lane = 0; lane < lanes; lane++) {
    sums.signal += signal[lane];
    sums.noise += noise[lane];
    sums.product += product[lane];
    sums.energy += energy[lane];
  }
  // As integers, NaN is larger than everything.
  sums.largest_error = float_of_bits((uint32_t)__builtin_reduce_max(largest));
  return sums;
}
