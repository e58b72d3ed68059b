#include "sana_cpu.h"

sana_isa sana_cpu_best_isa(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    return __builtin_cpu_supports("avx512vnni") ? SANA_ISA_AVX512_VNNI : SANA_ISA_AVX512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    return SANA_ISA_AVX2;
  }
  return SANA_ISA_PORTABLE;
#elif defined(__aarch64__)
  return SANA_ISA_NEON;
#else
  return SANA_ISA_PORTABLE;
#endif
}
