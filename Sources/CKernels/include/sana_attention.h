#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "sana_matrix.h"

/// How scores become weights.
typedef enum {
  /// `softmax(scale * q k)`, the score soft-capped first.
  SANA_SCORES_SOFTMAX,
  /// `relu(q) relu(k)`, divided by the sum over the keys `+ 1e-15`.
  SANA_SCORES_RELU,
} sana_scores;

/// One head of attention that forms its scores. Pointers lead to the head's channels at position 0; strides are in floats.
typedef struct {
  const float *_Nonnull query;
  size_t query_stride;
  const float *_Nonnull key;
  const float *_Nonnull value;
  size_t key_stride;
  /// Keys and values of positions before the first query's, or null: `earlier_keys` of them.
  const float *_Nullable earlier_key;
  const float *_Nullable earlier_value;
  size_t earlier_stride;
  size_t earlier_keys;
  float *_Nonnull output;
  size_t output_stride;
  /// All keys, the earlier ones included.
  size_t keys;
  size_t dimension;
  sana_scores scores;
  float scale;
  /// `softcap * tanh(score / softcap)`; 0 for none.
  float softcap;
  /// Whether a query sees only the keys up to its own position, which is `earlier_keys` for the first query.
  bool causal;
  /// With `causal`, a query at position i sees only keys j > i - window; 0 for all.
  size_t window;
  /// Half-split rotation of query and key by their position: `[position][dimension / 2]` cosines and sines, or null.
  const float *_Nullable cosines;
  const float *_Nullable sines;
} sana_attention;

/// One head of ReLU attention that sums keys times values first: `output = relu(q) (relu(k)^T v) /
/// (relu(q) (relu(k)^T 1) + 1e-15)`. Pointers lead to the head's channels at position 0; only the
/// positions that are computed must be in memory.
typedef struct {
  const float *_Nonnull query;
  size_t query_stride;
  const float *_Nonnull key;
  const float *_Nonnull value;
  size_t key_stride;
  float *_Nonnull output;
  size_t output_stride;
  size_t positions;
  size_t dimension;
} sana_linear_attention;

/// What a head of another scale attends: a depthwise convolution of queries, keys and values, and a product of each head's queries, keys
/// and values by themselves.
typedef struct {
  /// Odd; zero padded.
  size_t kernel;
  /// `[kernel, kernel, 3 * heads * dimension]`
  const float *_Nonnull weight;
  /// `[3 * heads * dimension, dimension]`
  sana_matrix projection;
} sana_gathering;

/// ReLU attention by sums over several scales, every head and scale by itself (`SanaMultiscaleLinearAttention`).
typedef struct {
  /// The query of the first head at the first position of the batch, positions and heads so many
  /// floats apart. Only what is read must be in memory.
  const float *_Nonnull query;
  size_t query_stride, query_head_stride;
  /// The same of keys, each with its value behind it.
  const float *_Nonnull key_value;
  size_t key_value_stride, key_value_head_stride;
  size_t height, width, heads, dimension;
  /// Beside that of the image itself.
  const sana_gathering *_Nonnull scales;
  size_t scale_count;
  /// `[batch, height, width, (1 + scale_count) * heads * dimension]`: the heads of the image itself, then those of each scale
  float *_Nonnull output;
} sana_multiscale_attention;
