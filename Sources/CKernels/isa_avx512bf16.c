#if defined(__x86_64__)
#include <immintrin.h>
#define SANA_TABLE sana_kernels_avx512bf16
#define SANA_TABLE_ISA SANA_ISA_AVX512_BF16
#define SANA_AVX512 1
#define SANA_VNNI 1
#define SANA_BF16 1
#define VECTOR_FLOATS 16
#include "simd/kernels.h"
#endif
