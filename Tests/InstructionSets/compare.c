// Compares the kernels of every instruction set that the processor has with the plain C ones on random shapes, in C alone, so
// that the room's other architectures can be tested by cross-compiling and emulation (Tools/check_neon.sh).
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

/// Sizes that a case makes shapes of, each 1...40.
typedef struct {
  size_t a, b, c, d;
} sizes;

/// Computes something with one table of kernels from inputs that depend on the seed only; `*count` numbers, to be freed.
typedef float *computation(const sana_kernels *kernels, sizes size, size_t *count);

// SplitMix64: the same numbers in every run.
static uint64_t state;

static uint64_t next(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static void *memory(size_t bytes) {
  void *start = aligned_alloc(64, (bytes + 127) / 64 * 64);
  if (!start) abort();
  memset(start, 0, (bytes + 127) / 64 * 64);
  return start;
}

// Between -1 and 1, some of them eight times that.
static float *numbers(size_t count) {
  float *values = memory(count * sizeof *values);
  for (size_t i = 0; i < count; i++) {
    values[i] = (float)((double)(int64_t)next() / 0x1p63);
    if (next() % 97 == 0) values[i] *= 8;
  }
  return values;
}

static sana_matrix f32_matrix(size_t rows, size_t columns) {
  return (sana_matrix){
      .encoding = SANA_ENCODING_F32, .values = numbers(rows * columns), .rows = rows, .columns = columns};
}

static const sana_row_coding plain = {.rotation = 1, .planes = 1};

static sana_int8_rows quantize(
    const sana_kernels *k, const float *input, size_t rows, size_t columns, sana_row_coding coding) {
  const size_t padded = k->int8_row_count(rows);
  sana_int8_rows result = {
      .codes = memory(padded * k->int8_row_bytes(columns) * coding.planes),
      .scales = memory(padded * sizeof(float)), .coding = coding, .columns = columns};
  k->quantize_int8(input, columns, &result, 0, rows);
  return result;
}

static sana_int8_rows quantized_rows(const sana_kernels *k, size_t rows, size_t columns) {
  float *input = numbers(rows * columns);
  const sana_int8_rows result = quantize(k, input, rows, columns, plain);
  free(input);
  return result;
}

static sana_int8_matrix packed_matrix(const sana_kernels *k, size_t rows, size_t columns) {
  const size_t padded = k->int8_packed_rows(rows);
  int8_t *codes = memory(rows * columns), *packed = memory(k->int8_packed_bytes(rows, columns));
  int32_t *offsets = memory(padded * sizeof *offsets);
  float *scales = memory(padded * sizeof *scales);
  for (size_t i = 0; i < rows * columns; i++) codes[i] = (int8_t)((int)(next() % 255) - 127);
  for (size_t i = 0; i < rows; i++) scales[i] = 0.001f * (float)(1 + next() % 9);
  k->int8_pack(codes, rows, columns, 0, rows, packed, offsets);
  free(codes);
  return (sana_int8_matrix){packed, scales, offsets, plain, rows, columns};
}

static void free_rows(sana_int8_rows rows) {
  free(rows.codes), free(rows.scales);
}

static void free_matrix(sana_int8_matrix matrix) {
  free((void *)matrix.codes);
  free((void *)matrix.scales);
  free((void *)matrix.offsets);
}

// A linear layer of `rows` positions with bias, gate and residual.
static sana_product linear_layer(size_t rows, size_t inputs, size_t outputs, float *output) {
  return (sana_product){
      .input = numbers(rows * inputs), .batch = 1, .height = 1, .width = rows, .channels = inputs,
      .input_stride = inputs, .kernel = 1, .stride = 1, .rows = 1, .columns = rows,
      .weight = f32_matrix(outputs, inputs), .output = output,
      .output_batch_stride = rows * outputs, .output_column_stride = outputs,
      .epilogue = {
          .bias = numbers(outputs), .activation = SANA_ACTIVATION_GELU_TANH, .gate = numbers(outputs),
          .residual = numbers(rows * outputs)}};
}

static void free_layer(sana_product layer) {
  free((void *)layer.input);
  free((void *)layer.weight.values);
  free((void *)layer.epilogue.bias);
  free((void *)layer.epilogue.gate);
  free((void *)layer.epilogue.residual);
}

static float *product(const sana_kernels *k, sizes size, size_t *count) {
  const size_t rows = size.a + 8, outputs = size.c * 3;
  float *output = memory((*count = rows * outputs) * sizeof *output);
  sana_product layer = linear_layer(rows, size.b * 7, outputs, output);
  void *scratch = memory(k->product_scratch_bytes);
  k->product(&layer, 0, rows, 0, outputs, scratch);
  free(scratch);
  free_layer(layer);
  return output;
}

static float *product_few(const sana_kernels *k, sizes size, size_t *count) {
  const size_t rows = 1 + size.a % 2, outputs = size.c * 3;
  float *output = memory((*count = rows * outputs) * sizeof *output);
  sana_product layer = linear_layer(rows, size.b * 7, outputs, output);
  void *scratch = memory(k->product_scratch_bytes);
  k->product_few(&layer, 0, outputs, scratch);
  free(scratch);
  free_layer(layer);
  return output;
}

// Computes the layer and frees what it is made from.
static void multiply_int8(
    const sana_kernels *k, sana_product layer, sana_int8_matrix weights, sana_int8_rows codes) {
  void *scratch = memory(k->int8_scratch_bytes());
  k->product_int8(&layer, &weights, &codes, 0, layer.columns, 0, weights.rows, scratch);
  free(scratch);
  free_rows(codes);
  free_matrix(weights);
  free_layer(layer);
}

static float *product_int8(const sana_kernels *k, sizes size, size_t *count) {
  const size_t rows = size.a, inputs = size.b * 7, outputs = size.c * 3;
  float *output = memory((*count = rows * outputs) * sizeof *output);
  sana_product layer = linear_layer(rows, inputs, outputs, output);
  sana_int8_rows codes = quantized_rows(k, rows, inputs);
  multiply_int8(k, layer, packed_matrix(k, outputs, inputs), codes);
  return output;
}

// Weights that are coded when they are loaded, with a factor for each column of rows that are
// rotated and coded in one plane or two.
static float *product_int8_coded(const sana_kernels *k, sizes size, size_t *count) {
  const size_t rows = size.a, inputs = size.b * 7, outputs = size.c * 3;
  float *output = memory((*count = rows * outputs) * sizeof *output);
  sana_product layer = linear_layer(rows, inputs, outputs, output);
  const size_t padded = k->int8_packed_rows(outputs);
  int8_t *packed = memory(k->int8_packed_bytes(outputs, inputs));
  float *scales = memory(padded * sizeof *scales);
  int32_t *offsets = memory(padded * sizeof *offsets);
  float *factors = memory((inputs + 16) * sizeof *factors);
  for (size_t i = 0; i < inputs; i++) factors[i] = 0.25f * (float)(1 + next() % 8);
  void *scratch = memory(k->int8_code_bytes(inputs));
  k->int8_code(&layer.weight, 0, outputs, packed, scales, offsets, scratch);
  const sana_row_coding coding = {
      .factors = factors, .rotation = inputs & -inputs, .planes = 1 + size.a % 2};
  const sana_int8_matrix weights = {packed, scales, offsets, coding, outputs, inputs};
  multiply_int8(k, layer, weights, quantize(k, layer.input, rows, inputs, coding));
  free(scratch);
  free(factors);
  return output;
}

static float *product_int8_stored(const sana_kernels *k, sizes size, size_t *count) {
  const size_t rows = size.a, inputs = size.b * 7, outputs = size.c * 3;
  float *output = memory((*count = rows * outputs) * sizeof *output);
  sana_product layer = linear_layer(rows, inputs, outputs, output);
  sana_int8_rows codes = quantized_rows(k, rows, inputs);
  int8_t *weights = memory(outputs * inputs);
  for (size_t i = 0; i < outputs * inputs; i++) weights[i] = (int8_t)((int)(next() % 255) - 127);
  const void *values = layer.weight.values;
  layer.weight = (sana_matrix){SANA_ENCODING_INT8_CHANNEL, weights, numbers(outputs), outputs, inputs, 0};
  void *scratch = memory(k->int8_stored_scratch_bytes(inputs));
  k->product_int8_stored(&layer, &codes, 0, rows, 0, outputs, scratch);
  free(scratch);
  free_rows(codes);
  free((void *)layer.weight.scales);
  free_layer(layer);
  free((void *)values);
  return output;
}

static float *winograd(const sana_kernels *k, sizes size, size_t *count) {
  const size_t height = size.a, width = size.b, channels = 16 + size.c, outputs = 16 + size.d;
  float *output = memory((*count = height * width * outputs) * sizeof *output);
  sana_product layer = {
      .input = numbers(height * width * channels), .batch = 1, .height = height, .width = width,
      .channels = channels, .input_stride = channels, .kernel = 3, .stride = 1, .top = 1, .left = 1,
      .rows = height, .columns = width, .weight = f32_matrix(outputs, 9 * channels), .output = output,
      .output_batch_stride = height * width * outputs, .output_row_stride = width * outputs,
      .output_column_stride = outputs};
  void *scratch = memory(
      k->product_scratch_bytes > k->winograd_scratch_bytes ? k->product_scratch_bytes
                                                           : k->winograd_scratch_bytes);
  if (k->has_winograd(&layer)) {
    k->winograd(&layer, 0, (height + 1) / 2 * ((width + 1) / 2), 0, outputs, scratch);
  } else {
    k->product(&layer, 0, height * width, 0, outputs, scratch);
  }
  free(scratch);
  free_layer(layer);
  return output;
}

/// - shortcut: whether the output's channels are fewer than the input's by a factor that allows one, and it is added.
static float *convolve_int8(
    const sana_kernels *k, sizes size, size_t *count, sana_convolution_form form, bool shortcut) {
  const size_t scale = form == SANA_CONVOLUTION_UPSAMPLE ? 2 : 1;
  const size_t height = 1 + size.a % 12, width = size.b, channels = size.c * (shortcut ? 4 : 2);
  const size_t outputs = shortcut ? channels >> size.d % 3 : size.d * 2;
  float *output = memory((*count = scale * scale * height * width * outputs) * sizeof *output);
  const sana_matrix weight = scale == 2 ? f32_matrix(4 * outputs, 4 * channels) : f32_matrix(outputs, 9 * channels);
  const sana_convolution_kernels *c = k->convolution(form, channels);
  const size_t padded = c->packed_rows(form, outputs);
  int8_t *packed = memory(c->packed_bytes(form, channels, outputs));
  float *scales = memory(padded * sizeof *scales);
  int32_t *offsets = memory(padded * sizeof *offsets);
  float *factors = memory((channels + 16) * sizeof *factors);
  for (size_t i = 0; i < channels; i++) factors[i] = 0.25f * (float)(1 + next() % 8);
  void *pack_scratch = memory(c->pack_bytes(form, channels));
  c->pack(
      form, &weight, channels, outputs, 0, outputs, packed, scales, offsets, pack_scratch);
  sana_convolution layer = {
      .form = form, .input = numbers(height * width * channels), .batch = 1, .height = height,
      .width = width, .channels = channels,
      .weight = {packed, scales, offsets, {factors, 1, 1}, outputs, channels},
      .output = output, .outputs = outputs, .has_shortcut = shortcut,
      .epilogue = {.bias = numbers(outputs)}};
  void *scratch = memory(c->scratch_bytes(form, channels));
  // A task's worth of tiles at a time.
  const size_t down = (scale * height + c->side - 1) / c->side;
  const size_t across = (scale * width + c->side - 1) / c->side;
  const size_t tiles = down * across, block = c->block(form, channels);
  for (size_t tile = 0; tile < tiles; tile += block) {
    c->compute(&layer, tile, tile + block < tiles ? tile + block : tiles, scratch);
  }
  free(scratch);
  free(pack_scratch);
  free(factors);
  free((void *)layer.input);
  free((void *)layer.epilogue.bias);
  free_matrix(layer.weight);
  free((void *)weight.values);
  return output;
}

static float *convolution_int8(const sana_kernels *k, sizes size, size_t *count) {
  return convolve_int8(k, size, count, SANA_CONVOLUTION_WINOGRAD, false);
}

static float *upsample_int8(const sana_kernels *k, sizes size, size_t *count) {
  return convolve_int8(k, size, count, SANA_CONVOLUTION_UPSAMPLE, false);
}

static float *upsample_with_shortcut(const sana_kernels *k, sizes size, size_t *count) {
  return convolve_int8(k, size, count, SANA_CONVOLUTION_UPSAMPLE, true);
}

static float *feed_forward(const sana_kernels *k, sizes size, size_t *count) {
  const size_t height = 1 + size.a % 12, width = size.b, inputs = size.c * 3, channels = 32 * (1 + size.d % 4);
  float *output = memory((*count = height * width * channels) * sizeof *output);
  if (!k->has_feed_forward(channels)) return output;
  sana_int8_rows codes = quantized_rows(k, height * width, inputs);
  sana_int8_matrix weights = packed_matrix(k, 2 * channels, inputs);
  float *bias = numbers(2 * channels), *kernel = numbers(9 * 2 * channels), *kernel_bias = numbers(2 * channels);
  const sana_feed_forward layer = {
      .bias = bias, .activation = SANA_ACTIVATION_SILU,
      .depthwise_weight = kernel, .depthwise_bias = kernel_bias, .height = height, .width = width,
      .channels = channels, .output = output};
  void *scratch = memory(k->feed_forward_scratch_bytes());
  void *hidden = memory(k->feed_forward_hidden_bytes(width));
  // In two bands, if there are two rows.
  const size_t bands[] = {0, height / 2, height};
  for (size_t channel = 0; channel < channels; channel += k->feed_forward_channels) {
    const size_t end = channel + k->feed_forward_channels < channels ? channel + k->feed_forward_channels : channels;
    for (size_t i = 0; i < 2; i++) {
      k->feed_forward(&layer, &codes, &weights, 0, bands[i], bands[i + 1], channel, end, hidden, scratch);
    }
  }
  free(scratch), free(hidden);
  free(bias), free(kernel), free(kernel_bias);
  free_rows(codes);
  free_matrix(weights);
  return output;
}

// Where a band of positions ends that are summed together.
static size_t band_end(const sana_kernels *k, size_t position, size_t positions) {
  const size_t end = position + 2 * k->sum_positions;
  return end < positions ? end : positions;
}

/// - normalized: whether queries are multiplied by a norm's weights and keys were made before.
static float *attend_int8(const sana_kernels *k, sizes size, size_t *count, bool normalized) {
  const size_t positions = size.a * 5, inputs = size.b * 3, heads = 1 + size.c % 5, dimension = 32;
  float *output = memory((*count = positions * heads * dimension) * sizeof *output);
  if (!k->has_relu_attention_int8(dimension)) return output;
  sana_int8_rows codes = quantized_rows(k, positions, inputs);
  sana_int8_matrix weights = packed_matrix(k, 3 * heads * dimension, inputs);
  const sana_int8_relu_attention layer = {
      .rows = &codes, .weights = &weights, .heads = heads, .dimension = dimension,
      .positions = positions, .query_weight = normalized ? numbers(heads * dimension) : NULL,
      .keys = normalized ? numbers(positions * heads * dimension) : NULL, .output = output};
  float *scratch = memory(k->relu_attention_int8_scratch_count(dimension) * sizeof *scratch);
  float *state = memory(heads * k->relu_state_count(dimension) * sizeof *state);
  for (size_t p = 0, end; p < positions; p = end) {
    end = band_end(k, p, positions);
    k->sum_relu_attention_int8(&layer, 0, 0, heads, p, end, state, scratch);
  }
  k->apply_relu_attention_int8(&layer, 0, 0, heads, 0, positions, state, scratch);
  free(scratch), free(state);
  free((void *)layer.query_weight);
  free((void *)layer.keys);
  free_rows(codes);
  free_matrix(weights);
  return output;
}

static float *relu_attention_int8(const sana_kernels *k, sizes size, size_t *count) {
  return attend_int8(k, size, count, false);
}

static float *relu_attention_of_keys(const sana_kernels *k, sizes size, size_t *count) {
  return attend_int8(k, size, count, true);
}

// The sums of the products of pixels and taps.
static float *taps(const sana_kernels *k, sizes size, size_t *count) {
  const size_t height = 1 + size.a % 12, width = size.b, outputs = 1 + size.c % 3;
  float *output = memory((*count = height * width * outputs) * sizeof *output);
  float *products = numbers(height * width * outputs * 9);
  const sana_product layer = {
      .input = products, .batch = 1, .height = height, .width = width, .channels = 1, .input_stride = 1,
      .kernel = 3, .stride = 1, .top = 1, .left = 1, .rows = height, .columns = width,
      .weight = {.encoding = SANA_ENCODING_F32, .values = products, .rows = outputs, .columns = 9},
      .output = output, .output_batch_stride = height * width * outputs,
      .output_row_stride = width * outputs, .output_column_stride = outputs,
      .epilogue = {.bias = numbers(outputs)}};
  k->sum_taps(&layer, products, 0, 0, 0, height);
  free(products);
  free((void *)layer.epilogue.bias);
  return output;
}

static float *attention(const sana_kernels *k, sizes size, size_t *count) {
  const size_t keys = size.a * 3, dimension = size.b * 2;
  const size_t earlier = size.c % 4 == 3 ? size.a : 0, queries = keys - earlier;
  float *output = memory((*count = queries * dimension) * sizeof *output);
  sana_attention layer = {
      .query = numbers(keys * dimension), .query_stride = dimension, .key = numbers(keys * dimension),
      .value = numbers(keys * dimension), .key_stride = dimension,
      .earlier_key = numbers(earlier * dimension), .earlier_value = numbers(earlier * dimension),
      .earlier_stride = dimension, .earlier_keys = earlier, .output = output,
      .output_stride = dimension, .keys = keys, .dimension = dimension, .scores = SANA_SCORES_SOFTMAX,
      .scale = 0.2f, .softcap = 50, .causal = size.c % 2};
  float *packed = memory(k->attention_packed_count(keys, dimension) * sizeof *packed);
  float *scratch = memory(k->attention_scratch_count(keys, dimension) * sizeof *scratch);
  k->attention_pack(&layer, packed, scratch);
  k->attention_rows(&layer, packed, 0, queries, scratch);
  free(packed);
  free(scratch);
  free((void *)layer.query);
  free((void *)layer.key);
  free((void *)layer.value);
  free((void *)layer.earlier_key);
  free((void *)layer.earlier_value);
  return output;
}

static float *linear_attention(const sana_kernels *k, sizes size, size_t *count) {
  const size_t positions = size.a * 5, dimension = size.b;
  float *output = memory((*count = positions * dimension) * sizeof *output);
  float *input = numbers(positions * 3 * dimension);
  const sana_linear_attention layer = {
      .query = input, .query_stride = 3 * dimension, .key = input + dimension,
      .value = input + 2 * dimension, .key_stride = 3 * dimension, .output = output,
      .output_stride = dimension, .positions = positions, .dimension = dimension};
  float *scratch = memory(k->linear_attention_scratch_count(dimension) * sizeof *scratch);
  float *state = memory(k->relu_state_count(dimension) * sizeof *state);
  for (size_t p = 0, end; p < positions; p = end) {
    end = band_end(k, p, positions);
    k->sum_linear_attention(&layer, p, end, state, scratch);
  }
  k->apply_linear_attention(&layer, 0, positions, state, scratch);
  free(scratch), free(state);
  free(input);
  return output;
}

// 32 channels are whole panels of every instruction set.
static float *multiscale_attention(const sana_kernels *k, sizes size, size_t *count) {
  const size_t height = size.a, width = size.b, heads = 2, dimension = 32, kernel = 1 + size.c % 4 * 2;
  const size_t positions = height * width, channels = 3 * heads * dimension;
  float *output = memory((*count = positions * 2 * heads * dimension) * sizeof *output);
  float *input = numbers(positions * channels), *weight = numbers(kernel * kernel * channels);
  float *projection = numbers(channels * dimension);
  const sana_gathering scale = {
      kernel, weight, {SANA_ENCODING_F32, projection, NULL, channels, dimension, 0}};
  const sana_multiscale_attention layer = {
      .query = input, .query_stride = channels, .query_head_stride = 3 * dimension,
      .key_value = input + dimension, .key_value_stride = channels,
      .key_value_head_stride = 3 * dimension, .height = height, .width = width, .heads = heads,
      .dimension = dimension, .scales = &scale, .scale_count = 1, .output = output};
  float *scratch =
      memory(k->multiscale_attention_scratch_count(dimension, width, kernel, 1) * sizeof *scratch);
  float *state = memory(k->multiscale_state_count(dimension, 1) * sizeof *state);
  for (size_t head = 0; head < heads; head++) {
    for (size_t p = 0, end; p < positions; p = end) {
      end = band_end(k, p, positions);
      k->sum_multiscale_attention(&layer, 0, head, p, end, state, scratch);
    }
    k->apply_multiscale_attention(&layer, 0, head, 0, positions, state, scratch);
  }
  free(scratch), free(state), free(input), free(weight), free(projection);
  return output;
}

static float *layer_norm(const sana_kernels *k, sizes size, size_t *count) {
  const size_t rows = size.a, channels = size.b * 5;
  float *output = memory((*count = rows * channels) * sizeof *output);
  float *input = numbers(rows * channels), *modulation = numbers(2 * channels);
  const sana_layer_norm norm = {
      input, output, channels, rows, modulation, 2 * channels, modulation + channels, 2 * channels, 1e-6f};
  k->layer_norm(&norm, 0, rows);
  free(input);
  free(modulation);
  return output;
}

static float *depthwise(const sana_kernels *k, sizes size, size_t *count) {
  const size_t height = size.a, width = size.b, channels = 2 * size.c;
  float *output = memory((*count = height * width * channels / 2) * sizeof *output);
  float *input = numbers(height * width * channels), *weight = numbers(9 * channels), *bias = numbers(channels);
  const sana_depthwise layer = {input, output, 1, height, width, channels, 3, weight, bias, true};
  k->depthwise(&layer, 0, height);
  free(input), free(weight), free(bias);
  return output;
}

// To f16 and bf16 and back.
static float *conversions(const sana_kernels *k, sizes size, size_t *count) {
  const size_t half = size.a * size.b;
  float *output = memory((*count = 2 * half) * sizeof *output), *input = numbers(half);
  uint16_t *narrow = memory(half * sizeof *narrow);
  k->f32_to_f16(input, narrow, half);
  k->f16_to_f32(narrow, output, half);
  k->f32_to_bf16(input, narrow, half);
  k->bf16_to_f32(narrow, output + half, half);
  free(input);
  free(narrow);
  return output;
}

// Counts of random bits in every format, from an odd address; and what a lane cannot count, all
// infinite.
static float *not_finite_counts(const sana_kernels *k, sizes size, size_t *count) {
  const size_t words = size.a * size.b, many = size.d == 1 ? 3 << 20 : size.d;
  float *output = memory((*count = 5) * sizeof *output);
  uint64_t *bits = memory((words + 1) * sizeof *bits);
  for (size_t i = 0; i <= words; i++) bits[i] = next() | (next() % 5 ? 0 : 0x7ff0ffff7f807c00);
  const char *odd = (const char *)bits + 1;
  output[0] = (float)k->count_not_finite_f16(odd, 4 * words);
  output[1] = (float)k->count_not_finite_bf16(odd, 4 * words);
  output[2] = (float)k->count_not_finite_f32(odd, 2 * words);
  output[3] = (float)k->count_not_finite_f64(odd, words);
  uint16_t *infinities = memory(many * sizeof *infinities);
  for (size_t i = 0; i < many; i++) infinities[i] = 0x7c00;
  output[4] = (float)k->count_not_finite_f16(infinities, many);
  free(bits), free(infinities);
  return output;
}

// Codes and scales of stored weights, decoded.
static float *quantization(const sana_kernels *k, sizes size, size_t *count) {
  const size_t rows = size.a, columns = size.b * 3, group = 1 + size.c;
  float *output = memory((*count = rows * columns) * sizeof *output), *input = numbers(*count);
  int8_t *codes = memory(*count);
  float *scales = memory(rows * ((columns + group - 1) / group) * sizeof *scales);
  k->quantize_rows(input, rows, columns, group, 127, codes, scales);
  k->dequantize_rows(codes, scales, rows, columns, group, output);
  free(input), free(codes), free(scales);
  return output;
}

static const struct {
  const char *name;
  computation *compute;
  /// The least signal to noise against plain C; infinity for the same bits.
  double decibels;
} cases[] = {
    {"conversions", conversions, INFINITY},
    {"counts of NaN and infinity", not_finite_counts, INFINITY},
    {"quantization", quantization, INFINITY},
    {"product", product, 100},
    {"product of few rows", product_few, 100},
    {"int8 product", product_int8, 100},
    {"int8 product of stored weights", product_int8_stored, 100},
    {"int8 product of coded weights", product_int8_coded, 100},
    {"Winograd", winograd, 100},
    // Transformed numbers are rounded to codes: one between two may become the other.
    {"int8 convolution", convolution_int8, 55},
    {"int8 upsampling", upsample_int8, 55},
    {"int8 upsampling with shortcut", upsample_with_shortcut, 55},
    {"int8 Mix-FFN", feed_forward, 100},
    {"int8 ReLU attention", relu_attention_int8, 90},
    {"int8 ReLU attention of keys", relu_attention_of_keys, 90},
    {"attention", attention, 90},
    {"ReLU attention", linear_attention, 90},
    {"attention over scales", multiscale_attention, 90},
    {"sums of taps", taps, 100},
    {"layer norm", layer_norm, 100},
    {"depthwise", depthwise, 100},
};
enum { CASES = sizeof cases / sizeof cases[0], SHAPES = 10 };

static double signal_to_noise(const float *actual, const float *expected, size_t count) {
  double signal = 0, noise = 0;
  for (size_t i = 0; i < count; i++) {
    const double difference = (double)actual[i] - expected[i];
    signal += (double)expected[i] * expected[i];
    noise += difference * difference;
  }
  // Not a number, from either side, is 0 dB, a failure.
  if (isnan(noise) || isnan(signal)) return 0;
  return noise == 0 ? INFINITY : 10 * log10(signal / noise);
}

static bool passes(int index, sana_isa isa) {
  double least = INFINITY;
  for (uint64_t shape = 0; shape < SHAPES; shape++) {
    state = 1000 * (uint64_t)index + shape;
    const sizes size = {1 + next() % 40, 1 + next() % 40, 1 + next() % 40, 1 + next() % 40};
    const uint64_t seed = next();
    size_t count = 0;
    state = seed;
    float *expected = cases[index].compute(sana_kernels_for(SANA_ISA_PORTABLE), size, &count);
    state = seed;
    float *actual = cases[index].compute(sana_kernels_for(isa), size, &count);
    const double decibels = signal_to_noise(actual, expected, count);
    if (decibels < least) least = decibels;
    free(expected);
    free(actual);
  }
  const bool passed = least >= cases[index].decibels;
  printf("%-12s %-30s %6.1f dB %s\n", sana_isa_name(isa), cases[index].name, least, passed ? "" : "FAILED");
  return passed;
}

/// The arguments name instruction sets that the processor must have, lest a test of nothing passes.
int main(int count, char **names) {
  bool passed = count > 1;
  for (int i = 1; i < count; i++) {
    sana_isa isa;
    if (!sana_isa_from_name(names[i], &isa) || !sana_cpu_supports(isa)) {
      fprintf(stderr, "error: this processor has no instruction set '%s'\n", names[i]);
      return 1;
    }
    for (int index = 0; index < CASES; index++) passed &= passes(index, isa);
  }
  return passed ? 0 : 1;
}
