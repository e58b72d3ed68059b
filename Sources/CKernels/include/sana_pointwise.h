#pragma once
#include <stddef.h>

/// `output = residual + input / sqrt(mean(input^2) + epsilon) * (weight + weight_offset) + bias`, each row by itself.
typedef struct {
  const float *_Nonnull input;
  float *_Nonnull output;
  /// Floats from row to row, of input, output and residual.
  size_t stride;
  /// The range that is normalized; the rest of the row is copied.
  size_t first, channels;
  /// `[channels]`, or null for ones.
  const float *_Nullable weight;
  float weight_offset;
  const float *_Nullable bias;
  float epsilon;
  const float *_Nullable residual;
} sana_rms_norm;

/// Layer normalization without weights, then `* (1 + scale) + shift`, one vector of each per batch element.
typedef struct {
  const float *_Nonnull input;
  float *_Nonnull output;
  size_t channels;
  /// Rows of a batch element.
  size_t positions;
  const float *_Nonnull shift;
  size_t shift_stride;
  const float *_Nonnull scale;
  size_t scale_stride;
  float epsilon;
} sana_layer_norm;

/// A convolution of every channel by itself, zero padded, stride 1, odd kernel.
typedef struct {
  const float *_Nonnull input;
  float *_Nonnull output;
  size_t batch, height, width, channels;
  size_t kernel;
  /// `[kernel, kernel, channels]`
  const float *_Nonnull weight;
  const float *_Nullable bias;
  /// Whether the result is `first half * silu(second half)` of the channels.
  bool gated;
} sana_depthwise;
