#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Instruction sets the kernels are compiled for, weakest first within an architecture.
typedef enum {
  SANA_ISA_PORTABLE = 0,
  SANA_ISA_AVX2 = 1,
  SANA_ISA_AVX512 = 2,
  SANA_ISA_AVX512_VNNI = 3,
  SANA_ISA_AVX512_BF16 = 4,
  SANA_ISA_NEON = 16,
  SANA_ISA_NEON_DOTPROD = 17,
  SANA_ISA_NEON_I8MM = 18,
} sana_isa;

/// The best instruction set this processor offers.
sana_isa sana_cpu_best_isa(void);

/// Whether kernels compiled for `isa` run on this processor.
bool sana_cpu_supports(sana_isa isa);

/// The instruction set to use: the best one, or the weaker one that the environment variable `SANA_ISA` names. A name that is
/// unknown, or that this processor does not support, changes nothing. The environment is read once.
sana_isa sana_cpu_isa(void);

/// `portable`, `avx2`, `avx512`, `avx512vnni`, `avx512bf16`, `neon`, `neondotprod`, `neoni8mm`.
const char *_Nonnull sana_isa_name(sana_isa isa);

/// Finds an instruction set by its name; false, and `isa` untouched, when there is none of that name.
bool sana_isa_from_name(const char *_Nonnull name, sana_isa *_Nonnull isa);

/// Processors that the calling thread may run on; 0 when the system does not say.
size_t sana_cpu_allowed_count(void);
