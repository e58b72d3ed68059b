#pragma once
#include <stddef.h>
#include <stdint.h>

#include "sana_attention.h"
#include "sana_convolution.h"
#include "sana_cpu.h"
#include "sana_matrix.h"
#include "sana_pointwise.h"
#include "sana_product.h"
#include "sana_quantize.h"

/// The Mix-FFN of weights in bf16.
typedef struct {
  /// Bytes of a rounded row. There must be memory for as many rows as of int8 codes (`int8_row_count`).
  size_t (*_Nonnull row_bytes)(size_t columns);
  /// Rounds rows `row ..< row_end` of `input`, which are `input_stride` floats apart.
  void (*_Nonnull round_rows)(
      const float *_Nonnull input, size_t input_stride, size_t columns, void *_Nonnull rows,
      size_t row, size_t row_end);
  /// Whether `compute` can compute so many channels of so many inputs.
  bool (*_Nonnull can_compute)(size_t inputs, size_t channels);
  size_t (*_Nonnull scratch_bytes)(size_t inputs);
  /// As the int8 `feed_forward`, of rounded rows: `rows` is where that of the batch's first
  /// position would be.
  void (*_Nonnull compute)(
      const sana_feed_forward *_Nonnull, const void *_Nonnull rows, const sana_matrix *_Nonnull,
      size_t batch, size_t row, size_t row_end, size_t channel, size_t channel_end,
      void *_Nonnull hidden, void *_Nonnull scratch);
} sana_bf16_feed_forward;

/// Kernels that multiply weights in bf16 in pairs of 16 bits. With instructions for bf16, weights are multiplied as they are stored,
/// activations are rounded, half to even, and sums are f32. With instructions for int16, both become int16 with one scale for each row and
/// block of the depth, of 13 and 14 bits.
typedef struct {
  /// Products with a smaller depth are better computed in f32.
  size_t least_depth;
  /// Scratch memory of `product`.
  size_t product_scratch_bytes;
  /// As the f32 product, of a weight in bf16.
  void (*_Nonnull product)(
      const sana_product *_Nonnull, size_t row, size_t row_end, size_t column, size_t column_end,
      void *_Nonnull scratch);
  /// Null where the set has no instructions for bf16.
  const sana_bf16_feed_forward *_Nullable feed_forward;
} sana_bf16_kernels;

/// The kernels compiled for one instruction set. Every set has the same kernels with the same meaning; results differ in
/// rounding only.
///
/// Kernels run on the calling thread and keep no state: the caller cuts the work and gives each thread scratch memory, aligned to
/// 64 bytes. Results do not depend on how the work is cut.
typedef struct {
  sana_isa isa;

  // Numbers; see sana_convert.h.
  void (*_Nonnull f16_to_f32)(const uint16_t *_Nonnull, float *_Nonnull, size_t);
  void (*_Nonnull bf16_to_f32)(const uint16_t *_Nonnull, float *_Nonnull, size_t);
  void (*_Nonnull f32_to_f16)(const float *_Nonnull, uint16_t *_Nonnull, size_t);
  void (*_Nonnull f32_to_bf16)(const float *_Nonnull, uint16_t *_Nonnull, size_t);

  // NaN and infinities; see sana_not_finite.h.
  size_t (*_Nonnull count_not_finite_f16)(const void *_Nonnull, size_t);
  size_t (*_Nonnull count_not_finite_bf16)(const void *_Nonnull, size_t);
  size_t (*_Nonnull count_not_finite_f32)(const void *_Nonnull, size_t);
  size_t (*_Nonnull count_not_finite_f64)(const void *_Nonnull, size_t);

  /// Decodes columns `first ..< first + count` of one row of a weight; `first` is even.
  void (*_Nonnull decode_row)(
      const sana_matrix *_Nonnull, size_t row, size_t first, size_t count, float *_Nonnull output);

  // f32 products.
  /// Scratch memory of `product` and `product_few`.
  size_t product_scratch_bytes;
  /// Computes positions `row ..< row_end` and output channels `column ..< column_end`, `column` a multiple of 32.
  void (*_Nonnull product)(
      const sana_product *_Nonnull, size_t row, size_t row_end, size_t column, size_t column_end,
      void *_Nonnull scratch);
  /// Null where weights in bf16 are multiplied as others are, in f32.
  const sana_bf16_kernels *_Nullable bf16;
  /// The most positions `product_few` takes.
  size_t few_rows;
  /// A linear layer of few positions: reads the weights once. Computes output channels `column ..< column_end`.
  void (*_Nonnull product_few)(
      const sana_product *_Nonnull, size_t column, size_t column_end, void *_Nonnull scratch);

  /// Whether `winograd` can compute a convolution: 3x3, stride 1, padding 1, enough channels to pay.
  bool (*_Nonnull has_winograd)(const sana_product *_Nonnull);
  size_t winograd_scratch_bytes;
  /// A 3x3 convolution with 4/9 of the multiplications. Computes tiles of 2x2 positions `tile ..< tile_end`, counted through rows
  /// and batch (the last tile of an odd row or column is cut), and output channels `column ..< column_end`.
  void (*_Nonnull winograd)(
      const sana_product *_Nonnull, size_t tile, size_t tile_end, size_t column, size_t column_end,
      void *_Nonnull scratch);

  /// The sums of a 3x3 convolution (stride 1, padding 1) with its epilogue, rows `row ..< row_end` of the image `batch`. `products` are
  /// `[position][output][tap]` of that image's rows from `first` on, among them the row above and the row below.
  void (*_Nonnull sum_taps)(
      const sana_product *_Nonnull, const float *_Nonnull products, size_t first, size_t batch,
      size_t row, size_t row_end);

  // int8 products. Rows of input are quantized by their largest magnitude / 127, rounding half to even.
  /// Bytes of the packed codes of a weight.
  size_t (*_Nonnull int8_packed_bytes)(size_t rows, size_t columns);
  /// Scales and offsets of a packed weight: its rows, rounded up to whole panels.
  size_t (*_Nonnull int8_packed_rows)(size_t rows);
  /// Packs output channels `row ..< row_end` (`row` a multiple of 32) of int8 codes `[rows, columns]`.
  void (*_Nonnull int8_pack)(
      const int8_t *_Nonnull codes, size_t rows, size_t columns, size_t row, size_t row_end,
      int8_t *_Nonnull packed, int32_t *_Nonnull offsets);
  /// Scratch memory of `int8_code`.
  size_t (*_Nonnull int8_code_bytes)(size_t columns);
  /// Quantizes and packs output channels `row ..< row_end` (`row` a multiple of 32).
  void (*_Nonnull int8_code)(
      const sana_matrix *_Nonnull, size_t row, size_t row_end, int8_t *_Nonnull packed,
      float *_Nonnull scales, int32_t *_Nonnull offsets, void *_Nonnull scratch);
  /// Bytes of a plane of codes of a row, and rows that there must be memory for.
  size_t (*_Nonnull int8_row_bytes)(size_t columns);
  size_t (*_Nonnull int8_row_count)(size_t rows);
  /// Quantizes rows `row ..< row_end` of `input`, which are `input_stride` floats apart.
  void (*_Nonnull quantize_int8)(
      const float *_Nonnull input, size_t input_stride, const sana_int8_rows *_Nonnull, size_t row,
      size_t row_end);
  /// As `layer_norm`, quantized; the norm's output is not used.
  void (*_Nonnull layer_norm_int8)(
      const sana_layer_norm *_Nonnull, const sana_int8_rows *_Nonnull, size_t row, size_t row_end);
  size_t (*_Nonnull int8_scratch_bytes)(void);
  /// As `product`, for a linear layer of quantized rows; the product's own input and weight are not used.
  void (*_Nonnull product_int8)(
      const sana_product *_Nonnull, const sana_int8_matrix *_Nonnull,
      const sana_int8_rows *_Nonnull, size_t row, size_t row_end, size_t column,
      size_t column_end, void *_Nonnull scratch);
  /// Output channels that `product_int8_stored` packs at a time, a multiple of 32.
  size_t (*_Nonnull int8_stored_columns)(size_t columns);
  size_t (*_Nonnull int8_stored_scratch_bytes)(size_t columns);
  /// As `product_int8`, of the product's own weight in `SANA_ENCODING_INT8_CHANNEL`, which is packed a few channels at a time: for weights
  /// that are used once.
  void (*_Nonnull product_int8_stored)(
      const sana_product *_Nonnull, const sana_int8_rows *_Nonnull, size_t row, size_t row_end,
      size_t column, size_t column_end, void *_Nonnull scratch);

  /// Whether `feed_forward` can compute this many channels.
  bool (*_Nonnull has_feed_forward)(size_t channels);
  /// Channels of a task.
  size_t feed_forward_channels;
  /// Bytes of the hidden activations that a task holds.
  size_t (*_Nonnull feed_forward_hidden_bytes)(size_t image_width);
  /// The first position whose rows are multiplied with image rows from `row` on; what those before
  /// gave is held from image rows before.
  size_t (*_Nonnull feed_forward_position)(size_t image_width, size_t image_height, size_t row);
  size_t (*_Nonnull feed_forward_scratch_bytes)(void);
  /// Computes image rows `row ..< row_end` and channels `channel ..< channel_end` of one batch
  /// element: at most a task's channels, from a multiple of that on. `row` is 0, or `hidden` holds
  /// what the same channels of the rows just above have left.
  void (*_Nonnull feed_forward)(
      const sana_feed_forward *_Nonnull, const sana_int8_rows *_Nonnull,
      const sana_int8_matrix *_Nonnull, size_t batch, size_t row, size_t row_end, size_t channel,
      size_t channel_end, void *_Nonnull hidden, void *_Nonnull scratch);

  /// Whether `relu_attention_int8` can compute heads of this dimension.
  bool (*_Nonnull has_relu_attention_int8)(size_t dimension);
  /// Floats of scratch memory.
  size_t (*_Nonnull relu_attention_int8_scratch_count)(size_t dimension);
  /// Adds positions `position ..< end` to the state of heads `head ..< head_end` of one batch
  /// element, which are always the same ones: `relu_state_count` floats for each of them.
  void (*_Nonnull sum_relu_attention_int8)(
      const sana_int8_relu_attention *_Nonnull, size_t batch, size_t head, size_t head_end,
      size_t position, size_t end, float *_Nonnull state, float *_Nonnull scratch);
  /// Computes positions `position ..< end` of the same heads from their finished state.
  void (*_Nonnull apply_relu_attention_int8)(
      const sana_int8_relu_attention *_Nonnull, size_t batch, size_t head, size_t head_end,
      size_t position, size_t end, const float *_Nonnull state, float *_Nonnull scratch);

  // int8 convolutions.
  /// The way to compute a convolution of so many input channels.
  const sana_convolution_kernels *_Nonnull (*_Nonnull convolution)(
      sana_convolution_form, size_t channels);
  /// Whether an upsampling convolution can add its shortcut.
  bool (*_Nonnull has_shortcut)(size_t channels, size_t outputs);

  // Attention that forms its scores.
  /// Floats that `attention_pack` writes.
  size_t (*_Nonnull attention_packed_count)(size_t keys, size_t dimension);
  /// Floats of scratch memory of `attention_rows`.
  size_t (*_Nonnull attention_scratch_count)(size_t keys, size_t dimension);
  /// Brings keys and values into the order of the products, with the scratch memory of `attention_rows`.
  void (*_Nonnull attention_pack)(
      const sana_attention *_Nonnull, float *_Nonnull packed, float *_Nonnull scratch);
  /// Computes queries `row ..< row_end`.
  void (*_Nonnull attention_rows)(
      const sana_attention *_Nonnull, const float *_Nonnull packed, size_t row, size_t row_end,
      float *_Nonnull scratch);

  // ReLU attention by sums, in two passes. The first adds positions `position ..< end` to a state,
  // one call after the other from position 0 to the last; `position` is a multiple of
  // `sum_positions`, and so is `end` but at the last. The second computes results of any positions
  // from the finished state.
  size_t sum_positions;
  /// Floats of the state of a head.
  size_t (*_Nonnull relu_state_count)(size_t dimension);
  size_t (*_Nonnull linear_attention_scratch_count)(size_t dimension);
  void (*_Nonnull sum_linear_attention)(
      const sana_linear_attention *_Nonnull, size_t position, size_t end, float *_Nonnull state,
      float *_Nonnull scratch);
  void (*_Nonnull apply_linear_attention)(
      const sana_linear_attention *_Nonnull, size_t position, size_t end,
      const float *_Nonnull state, float *_Nonnull scratch);
  /// Whether `multiscale_attention` can compute heads of this dimension, gathered with this kernel.
  bool (*_Nonnull has_multiscale_attention)(size_t dimension, size_t kernel);
  /// Floats of scratch memory, for the largest of the kernels.
  size_t (*_Nonnull multiscale_attention_scratch_count)(
      size_t dimension, size_t image_width, size_t kernel, size_t scale_count);
  /// Floats of the state of a head at all scales, that of the image among them.
  size_t (*_Nonnull multiscale_state_count)(size_t dimension, size_t scale_count);
  /// All scales of one head of one batch element. Reads the keys and values of the positions, and
  /// of the image rows that the largest kernel reaches from theirs.
  void (*_Nonnull sum_multiscale_attention)(
      const sana_multiscale_attention *_Nonnull, size_t batch, size_t head, size_t position,
      size_t end, float *_Nonnull state, float *_Nonnull scratch);
  /// Reads the queries of as many.
  void (*_Nonnull apply_multiscale_attention)(
      const sana_multiscale_attention *_Nonnull, size_t batch, size_t head, size_t position,
      size_t end, const float *_Nonnull state, float *_Nonnull scratch);

  // Rows `row ..< row_end`. The output may be the input.
  void (*_Nonnull rms_norm)(const sana_rms_norm *_Nonnull, size_t row, size_t row_end);
  void (*_Nonnull layer_norm)(const sana_layer_norm *_Nonnull, size_t row, size_t row_end);

  /// Image rows `row ..< row_end`, counted through the batch.
  void (*_Nonnull depthwise)(const sana_depthwise *_Nonnull, size_t row, size_t row_end);

  // Element by element; the output may be an input.
  void (*_Nonnull activate)(
      const float *_Nonnull input, sana_activation, float *_Nonnull output, size_t count);
  void (*_Nonnull add)(
      const float *_Nonnull first, const float *_Nonnull second, float *_Nonnull output,
      size_t count);
  /// `residual + gate * input`
  void (*_Nonnull multiply_add)(
      const float *_Nonnull residual, const float *_Nonnull gate, const float *_Nonnull input,
      float *_Nonnull output, size_t count);
  /// `activation(gate) * input`
  void (*_Nonnull gate)(
      const float *_Nonnull gate, sana_activation, const float *_Nonnull input,
      float *_Nonnull output, size_t count);

  // Quantization of stored weights; see sana_quantize.h.
  size_t (*_Nonnull quantize_rows)(
      const float *_Nonnull, size_t, size_t, size_t, int, int8_t *_Nonnull, float *_Nonnull);
  void (*_Nonnull dequantize_rows)(
      const int8_t *_Nonnull, const float *_Nonnull, size_t, size_t, size_t, float *_Nonnull);
  // As the functions of sana_second_order.h.
  void (*_Nonnull add_product)(
      float *_Nonnull target, size_t target_stride, const float *_Nonnull left, size_t left_stride,
      const float *_Nonnull right, size_t right_stride, size_t rows, size_t columns, size_t depth,
      float sign);
  void (*_Nonnull round_block)(
      const float *_Nonnull original, float *_Nonnull moved, const float *_Nonnull factors,
      size_t factor_stride, size_t column, size_t count, size_t group, int limit,
      int8_t *_Nonnull codes, float *_Nonnull scales, float *_Nonnull errors);
  int (*_Nonnull factor_block)(float *_Nonnull matrix, size_t stride, size_t count);
  void (*_Nonnull solve_block)(
      float *_Nonnull b, size_t stride, size_t rows, const float *_Nonnull block,
      size_t block_stride, size_t count);

  /// As `sana_rotate_row`.
  void (*_Nonnull rotate_row)(float *_Nonnull row, size_t count, size_t block);
  float (*_Nonnull largest_magnitude)(const float *_Nonnull, size_t);
  sana_distortion (*_Nonnull measure_distortion)(
      const float *_Nonnull, const float *_Nonnull, size_t);

  /// See sana_low_rank.h.
  void (*_Nonnull add_low_rank)(
      const float *_Nonnull, const float *_Nonnull, size_t, size_t, float, float *_Nonnull);

  // For benchmarks: `rounds` of multiply-adds that never leave the registers; returns how many operations that were. `result`
  // holds two factors close to 1 and receives something.
  double (*_Nonnull peak_f32)(size_t rounds, float *_Nonnull result);
  /// Of what the kernels of bf16 weights multiply; that of f32 where there are none.
  double (*_Nonnull peak_bf16)(size_t rounds, float *_Nonnull result);
  double (*_Nonnull peak_int8)(size_t rounds, float *_Nonnull result);
} sana_kernels;

/// The kernels for an instruction set, which the processor must support (`sana_cpu_supports`).
const sana_kernels *_Nonnull sana_kernels_for(sana_isa isa);
