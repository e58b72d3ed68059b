#if defined(__x86_64__)
#include <immintrin.h>
#define SANA_TABLE sana_kernels_avx2
#define SANA_TABLE_ISA SANA_ISA_AVX2
#define SANA_AVX2 1
#define SANA_INT16 1
#define VECTOR_FLOATS 8
#include "simd/kernels.h"
#endif
