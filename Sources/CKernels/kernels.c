#include "sana_kernels.h"

#include "sana_convert.h"
#include "simd/tables.h"

const sana_kernels *sana_kernels_for(sana_isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case SANA_ISA_AVX2: return &sana_kernels_avx2;
    case SANA_ISA_AVX512: return &sana_kernels_avx512;
    case SANA_ISA_AVX512_VNNI: return &sana_kernels_avx512vnni;
    case SANA_ISA_AVX512_BF16: return &sana_kernels_avx512bf16;
#elif defined(__aarch64__)
    case SANA_ISA_NEON: return &sana_kernels_neon;
    case SANA_ISA_NEON_DOTPROD: return &sana_kernels_neondotprod;
    case SANA_ISA_NEON_I8MM: return &sana_kernels_neoni8mm;
#endif
    default: return &sana_kernels_portable;
  }
}

void sana_f16_to_f32(const uint16_t *input, float *output, size_t count) {
  sana_kernels_for(sana_cpu_isa())->f16_to_f32(input, output, count);
}

void sana_bf16_to_f32(const uint16_t *input, float *output, size_t count) {
  sana_kernels_for(sana_cpu_isa())->bf16_to_f32(input, output, count);
}

void sana_f32_to_f16(const float *input, uint16_t *output, size_t count) {
  sana_kernels_for(sana_cpu_isa())->f32_to_f16(input, output, count);
}

void sana_f32_to_bf16(const float *input, uint16_t *output, size_t count) {
  sana_kernels_for(sana_cpu_isa())->f32_to_bf16(input, output, count);
}
