#pragma once
#include <stdint.h>

/// Instruction sets a kernel family may be written for, weakest first within an architecture.
typedef enum {
  SANA_ISA_PORTABLE = 0,
  SANA_ISA_AVX2 = 1,
  SANA_ISA_AVX512 = 2,
  SANA_ISA_AVX512_VNNI = 3,
  SANA_ISA_NEON = 16,
  SANA_ISA_NEON_DOTPROD = 17,
} sana_isa;

/// The best instruction set this processor offers.
sana_isa sana_cpu_best_isa(void);
