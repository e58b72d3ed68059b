#if defined(__aarch64__)
#include <arm_neon.h>
#define SANA_TABLE sana_kernels_neon
#define SANA_TABLE_ISA SANA_ISA_NEON
#define SANA_NEON 1
#define VECTOR_FLOATS 4
#include "simd/kernels.h"
#endif
