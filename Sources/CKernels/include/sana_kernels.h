#pragma once
#include <stddef.h>
#include <stdint.h>

#include "sana_cpu.h"

/// The kernels compiled for one instruction set. Every set has the same kernels with the same meaning; results differ in
/// rounding only.
typedef struct {
  sana_isa isa;

  // Numbers; see sana_convert.h.
  void (*_Nonnull f16_to_f32)(const uint16_t *_Nonnull, float *_Nonnull, size_t);
  void (*_Nonnull bf16_to_f32)(const uint16_t *_Nonnull, float *_Nonnull, size_t);
  void (*_Nonnull f32_to_f16)(const float *_Nonnull, uint16_t *_Nonnull, size_t);
  void (*_Nonnull f32_to_bf16)(const float *_Nonnull, uint16_t *_Nonnull, size_t);
} sana_kernels;

/// The kernels for an instruction set, which the processor must support (`sana_cpu_supports`).
const sana_kernels *_Nonnull sana_kernels_for(sana_isa isa);
