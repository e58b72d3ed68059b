#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sana_product.h"

/// The int8 convolutions there are. Both turn patches into points that are multiplied one by one, quantized where they are
/// transformed: one scale for the channels of each tile and point, one for each output channel and point.
typedef enum {
  /// 3x3, stride 1, padding 1, by Winograd's F(2x2, 3x3): 4/9 of the multiplications.
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
  /// Made by the kernels' `convolution_int8_pack`, with factors; rows and columns are not used.
  sana_int8_matrix weight;
  /// `[batch, height, width, outputs]`, both sides doubled when upsampling.
  float *_Nonnull output;
  size_t outputs;
  /// Whether DC-AE's shortcut on the way up is added last, as `sana_duplicate_channels` makes it of the input. Upsampling only.
  bool has_shortcut;
  /// Without a gate.
  sana_epilogue epilogue;
} sana_convolution;
