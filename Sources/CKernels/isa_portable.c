// Plain C vectors of 16 bytes: what every 64-bit processor has.
#define SANA_TABLE sana_kernels_portable
#define SANA_TABLE_ISA SANA_ISA_PORTABLE
#define VECTOR_FLOATS 4
#include "simd/kernels.h"
