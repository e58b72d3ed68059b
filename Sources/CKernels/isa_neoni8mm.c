#if defined(__aarch64__)
#include <arm_neon.h>
#define SANA_TABLE sana_kernels_neoni8mm
#define SANA_TABLE_ISA SANA_ISA_NEON_I8MM
#define SANA_NEON 1
#define SANA_NEON_I8MM 1
#define VECTOR_FLOATS 4
#include "simd/kernels.h"
#endif
