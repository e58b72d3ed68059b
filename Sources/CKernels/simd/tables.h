// The table of each translation unit that includes kernels.h.
#pragma once
#include "../include/sana_kernels.h"

extern const sana_kernels sana_kernels_portable;
#if defined(__x86_64__)
extern const sana_kernels sana_kernels_avx2;
extern const sana_kernels sana_kernels_avx512;
extern const sana_kernels sana_kernels_avx512vnni;
extern const sana_kernels sana_kernels_avx512bf16;
#elif defined(__aarch64__)
extern const sana_kernels sana_kernels_neon;
extern const sana_kernels sana_kernels_neondotprod;
extern const sana_kernels sana_kernels_neoni8mm;
#endif
