#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sana_product.h"

/// The int8 convolutions there are. Both turn patches into points that are multiplied one by one, quantized where they are
/// transformed: one scale for the channels of each tile and point, one for each output channel and point.
typedef enum {
  /// 3x3, stride 1, padding 1, by Winograd's F(2x2, 3x3) with 4/9 of the multiplications. Where int8 codes are multiplied as int16 anyway, by
  /// F(4x4, 3x3) with 1/4 of the multiplications, whose points have as many bits as sums have room for.
  SANA_CONVOLUTION_WINOGRAD,
  /// Nearest-neighbour upsampling by two, then 3x3 with padding 1, given as four 2x2 phases: 9/16 of the phases'
  /// multiplications, because the phases' inner taps have one sum in common.
  SANA_CONVOLUTION_UPSAMPLE,
} sana_convolution_form;

/// An int8 convolution over a channels-last image.
typedef struct {
  sana_convolution_form form;
  /// `[batch, height, width, channels]`
  const float *_Nonnull input;
  size_t batch, height, width, channels;
  /// Made by `pack` of the same kernels, with factors; rows and columns are not used.
  sana_int8_matrix weight;
  /// `[batch, height, width, outputs]`, both sides doubled when upsampling.
  float *_Nonnull output;
  size_t outputs;
  /// Whether DC-AE's shortcut on the way up is added last, as `sana_duplicate_channels` makes it of the input. Upsampling only.
  bool has_shortcut;
  /// Without a gate.
  sana_epilogue epilogue;
} sana_convolution;

/// One way to compute int8 convolutions.
typedef struct {
  /// Results along both sides of a tile.
  size_t side;
  size_t (*_Nonnull packed_bytes)(sana_convolution_form, size_t channels, size_t outputs);
  /// Scales and offsets of a packed weight.
  size_t (*_Nonnull packed_rows)(sana_convolution_form, size_t outputs);
  /// Scratch memory of `pack`.
  size_t (*_Nonnull pack_bytes)(sana_convolution_form, size_t channels);
  /// Transforms, quantizes and packs output channels `row ..< row_end` (`row` a multiple of 32) of a weight
  /// `[outputs, 3 * 3 * channels]`, or `[4 * outputs, 2 * 2 * channels]` when upsampling.
  void (*_Nonnull pack)(
      sana_convolution_form, const sana_matrix *_Nonnull, size_t channels, size_t outputs,
      size_t row, size_t row_end, int8_t *_Nonnull packed, float *_Nonnull scales,
      int32_t *_Nonnull offsets, void *_Nonnull scratch);
  /// The most tiles that are best computed at a time.
  size_t (*_Nonnull block)(sana_convolution_form, size_t channels);
  /// Scratch memory of `compute`.
  size_t (*_Nonnull scratch_bytes)(sana_convolution_form, size_t channels);
  /// Computes tiles `tile ..< tile_end` of the output, counted through rows and batch (the last tile of a row or column may be cut).
  void (*_Nonnull compute)(
      const sana_convolution *_Nonnull, size_t tile, size_t tile_end, void *_Nonnull scratch);
} sana_convolution_kernels;
