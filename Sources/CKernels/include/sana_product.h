#pragma once
#include <stddef.h>
#include <stdint.h>

#include "sana_matrix.h"

typedef enum {
  SANA_ACTIVATION_NONE,
  SANA_ACTIVATION_RELU,
  SANA_ACTIVATION_SILU,
  SANA_ACTIVATION_GELU_TANH,
} sana_activation;

/// `output = residual + gate * activation(sum + bias)`; what is null is left out.
typedef struct {
  const float *_Nullable bias;
  sana_activation activation;
  /// One vector per batch element, `gate_stride` floats apart.
  const float *_Nullable gate;
  size_t gate_stride;
  /// Laid out as the output.
  const float *_Nullable residual;
} sana_epilogue;

/// A product of positions by output channels: a square convolution over a channels-last image, or with `kernel` 1 a linear
/// layer. *Rows* are the computed positions `[batch, rows, columns]` in order.
typedef struct {
  /// `[batch, height, width, channels]`
  const float *_Nonnull input;
  size_t batch, height, width, channels;
  /// Floats from one pixel to the next: `channels`, or more where a linear layer reads a part of each.
  size_t input_stride;
  size_t kernel, stride;
  /// Zero rows above and zero columns to the left of the image. As many as needed are assumed at the other sides.
  size_t top, left;
  /// Positions computed per image: row y reads input rows `y * stride - top` and following.
  size_t rows, columns;
  /// `[outputs, kernel * kernel * channels]`
  sana_matrix weight;
  float *_Nonnull output;
  /// Floats from one computed position to the next.
  size_t output_batch_stride, output_row_stride, output_column_stride;
  sana_epilogue epilogue;
} sana_product;

/// What happens to a row of activations before a product multiplies its codes.
typedef struct {
  /// What its columns are multiplied by first, with memory for 16 more; null for ones.
  const float *_Nullable factors;
  /// Columns of a block that are then rotated (`sana_rotate_row`), a power of two; 1 for none.
  size_t rotation;
  /// 1, or 2 for a second plane of codes, of what is left when the first plane is taken away, in
  /// 1/254 of its scale.
  size_t planes;
} sana_row_coding;

/// int8 weights in the order in which an instruction set multiplies them, made by the kernels' `int8_pack`.
typedef struct {
  const int8_t *_Nonnull codes;
  /// One per output channel, padded to whole panels.
  const float *_Nonnull scales;
  /// What the sums of unsigned codes exceed those of signed ones by; padded to whole panels.
  const int32_t *_Nonnull offsets;
  /// What the rows that it multiplies are made by.
  sana_row_coding coding;
  size_t rows;
  size_t columns;
} sana_int8_matrix;

/// Rows of activations as int8 codes, made by the kernels' `quantize_int8` or `layer_norm_int8`.
typedef struct {
  /// `int8_row_bytes` for each plane of each of `int8_row_count` rows.
  void *_Nonnull codes;
  /// One for each of `int8_row_count` rows.
  float *_Nonnull scales;
  /// That of the weights that the rows are made for.
  sana_row_coding coding;
  size_t columns;
  /// The row that codes and scales begin with.
  size_t first;
} sana_int8_rows;

/// The Mix-FFN up to its last product: `a * silu(g)`, with `[a | g]` the depthwise 3x3 convolution (zero padded) of
/// `activation(product + bias)`. The product is one of rows `[batch, height, width, inputs]` and weights `[2 * channels, inputs]`.
typedef struct {
  const float *_Nullable bias;
  sana_activation activation;
  /// `[3, 3, 2 * channels]`
  const float *_Nonnull depthwise_weight;
  const float *_Nullable depthwise_bias;
  size_t height, width;
  /// Of the output: half of the product's.
  size_t channels;
  /// `[batch, height, width, channels]`; only the rows that are computed must be in memory.
  float *_Nonnull output;
} sana_feed_forward;

/// ReLU attention by sums whose queries, keys and values are the product of `rows` and `weights`.
///
/// Where queries and keys are normalized over all heads, `keys` holds the normalized keys, and queries are only multiplied by
/// their norm's weights: a query's own factor scales numerator and denominator alike.
typedef struct {
  /// `[batch, positions, inputs]`
  const sana_int8_rows *_Nonnull rows;
  /// `[3 * heads * dimension, inputs]`: all queries, all keys, all values
  const sana_int8_matrix *_Nonnull weights;
  size_t heads, dimension, positions;
  /// `[heads * dimension]`
  const float *_Nullable query_weight;
  /// `[batch, positions, heads * dimension]`
  const float *_Nullable keys;
  /// `[batch, positions, heads * dimension]`
  float *_Nonnull output;
} sana_int8_relu_attention;
