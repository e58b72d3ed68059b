// All kernels, compiled for the instruction set that the including file names:
//   SANA_TABLE, SANA_TABLE_ISA  the table to define
//   VECTOR_FLOATS               f32 lanes of a vector register
//   SANA_AVX2, SANA_AVX512, SANA_VNNI, SANA_NEON, SANA_NEON_DOTPROD
//                               where a kernel has better than generic vectors
// The instruction set is a property of each function, so that no file needs flags of its own.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tables.h"

#if SANA_VNNI
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
#endif

#include "vector.h"

#include "convert.h"

#if SANA_AVX2 || SANA_AVX512 || SANA_NEON_DOTPROD
#pragma clang attribute pop
#endif

const sana_kernels SANA_TABLE = {
    .isa = SANA_TABLE_ISA,
    .f16_to_f32 = f16_to_f32,
    .bf16_to_f32 = bf16_to_f32,
    .f32_to_f16 = f32_to_f16,
    .f32_to_bf16 = f32_to_bf16,
};
