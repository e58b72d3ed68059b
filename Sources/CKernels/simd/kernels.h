// All kernels, compiled for the instruction set that the including file names:
//   SANA_TABLE, SANA_TABLE_ISA  the table to define
//   VECTOR_FLOATS               f32 lanes of a vector register
//   SANA_AVX2, SANA_AVX512, SANA_VNNI, SANA_BF16, SANA_INT16, SANA_NEON, SANA_NEON_DOTPROD, SANA_NEON_I8MM
//                               where a kernel has better than generic vectors
// The instruction set is a property of each function, so that no file needs flags of its own.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables.h"

#if SANA_BF16
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,fma,f16c"))), \
    apply_to = function)
#elif SANA_VNNI
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c"))), \
    apply_to = function)
#elif SANA_AVX512
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma,f16c"))), \
    apply_to = function)
#elif SANA_AVX2
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#elif SANA_NEON_DOTPROD
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#elif SANA_NEON_I8MM
#pragma clang attribute push(__attribute__((target("i8mm"))), apply_to = function)
#endif

#include "vector.h"

#include "convert.h"
#include "not_finite.h"
#include "decode.h"
#include "math.h"
#include "tile.h"
#include "multiply_add.h"

#include "attention.h"
#include "epilogue.h"
#include "relu_sums.h"
#include "linear_attention.h"
#include "normalization.h"
#include "product.h"
#include "product_bf16.h"
#include "product_int16.h"
#include "product_blocks.h"
#include "product_few.h"
#include "quantize.h"
#include "rotate.h"
#include "second_order.h"
#include "product_int8.h"
#include "packing_int8.h"
#include "product_int8_stored.h"
#include "rows_int8.h"
#include "taps.h"
#include "winograd.h"

#include "feed_forward.h"
#include "relu_attention_int8.h"
#include "image_window.h"
#include "multiscale_attention.h"

#include "depthwise.h"
#include "elementwise.h"
#include "low_rank.h"

#include "convolution_form.h"
#include "convolution_weights.h"
#include "convolution_patches.h"
#include "convolution_results.h"
#include "convolution_int8.h"

#include "winograd_4x4.h"
#include "convolution_int16.h"
#include "convolution_int16_weights.h"
#include "convolution_int16_patches.h"
#include "convolution_int16_blocks.h"

#include "peak.h"

#include "kernels_bf16.h"
#include "kernels_convolution.h"

#if SANA_AVX2 || SANA_AVX512 || SANA_NEON_DOTPROD || SANA_NEON_I8MM
#pragma clang attribute pop
#endif

const sana_kernels SANA_TABLE = {
    .isa = SANA_TABLE_ISA,
    .f16_to_f32 = f16_to_f32,
    .bf16_to_f32 = bf16_to_f32,
    .f32_to_f16 = f32_to_f16,
    .f32_to_bf16 = f32_to_bf16,
    .count_not_finite_f16 = count_not_finite_f16,
    .count_not_finite_bf16 = count_not_finite_bf16,
    .count_not_finite_f32 = count_not_finite_f32,
    .count_not_finite_f64 = count_not_finite_f64,
    .decode_row = decode_row,
    .product_scratch_bytes = sizeof(product_scratch),
    .product = product,
    .bf16 = BF16_KERNELS,
    .few_rows = FEW_ROWS,
    .product_few = product_few,
    .has_winograd = has_winograd,
    .winograd_scratch_bytes = sizeof(winograd_scratch),
    .winograd = winograd,
    .sum_taps = sum_taps,
    .int8_packed_bytes = int8_packed_bytes,
    .int8_packed_rows = int8_packed_rows,
    .int8_pack = int8_pack,
    .int8_code_bytes = int8_code_bytes,
    .int8_code = int8_code,
    .int8_scratch_bytes = int8_scratch_bytes,
    .int8_row_bytes = int8_row_bytes,
    .int8_row_count = int8_row_count,
    .quantize_int8 = quantize_int8,
    .layer_norm_int8 = layer_norm_int8,
    .product_int8 = product_int8,
    .int8_stored_columns = int8_block_columns,
    .int8_stored_scratch_bytes = int8_stored_scratch_bytes,
    .product_int8_stored = product_int8_stored,
    .has_feed_forward = has_feed_forward,
    .feed_forward_channels = FEED_FORWARD_CHANNELS,
    .feed_forward_hidden_bytes = feed_forward_hidden_bytes,
    .feed_forward_position = feed_forward_position,
    .feed_forward_scratch_bytes = feed_forward_scratch_bytes,
    .feed_forward = feed_forward_int8,
    .has_relu_attention_int8 = has_relu_attention_int8,
    .relu_attention_int8_scratch_count = relu_attention_int8_scratch_count,
    .sum_relu_attention_int8 = sum_relu_attention_int8,
    .apply_relu_attention_int8 = apply_relu_attention_int8,
    .has_shortcut = has_shortcut,
    .convolution = convolution_kernels,
    .attention_packed_count = attention_packed_count,
    .attention_scratch_count = attention_scratch_count,
    .attention_pack = attention_pack,
    .attention_rows = attention_rows,
    .sum_positions = SUM_BLOCK,
    .relu_state_count = relu_state_count,
    .linear_attention_scratch_count = linear_attention_scratch_count,
    .sum_linear_attention = sum_linear_attention,
    .apply_linear_attention = apply_linear_attention,
    .has_multiscale_attention = has_multiscale_attention,
    .multiscale_attention_scratch_count = multiscale_attention_scratch_count,
    .multiscale_state_count = multiscale_state_count,
    .sum_multiscale_attention = sum_multiscale_attention,
    .apply_multiscale_attention = apply_multiscale_attention,
    .rms_norm = rms_norm,
    .layer_norm = layer_norm,
    .depthwise = depthwise,
    .activate = activate_all,
    .add = add_all,
    .multiply_add = multiply_add_all,
    .gate = gate_all,
    .quantize_rows = quantize_rows,
    .dequantize_rows = dequantize_rows,
    .rotate_row = rotate_row,
    .add_product = add_product,
    .round_block = round_block,
    .factor_block = factor_block,
    .solve_block = solve_block,
    .largest_magnitude = largest_magnitude,
    .measure_distortion = measure_distortion,
    .add_low_rank = add_low_rank,
    .peak_f32 = peak_f32,
    .peak_bf16 = PEAK_BF16,
    .peak_int8 = peak_int8,
};
