#define _GNU_SOURCE
#include "sana_cpu.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

static const struct {
  const char *name;
  sana_isa isa;
} names[] = {
    {"portable", SANA_ISA_PORTABLE},
    {"avx2", SANA_ISA_AVX2},
    {"avx512", SANA_ISA_AVX512},
    {"avx512vnni", SANA_ISA_AVX512_VNNI},
    {"avx512bf16", SANA_ISA_AVX512_BF16},
    {"neon", SANA_ISA_NEON},
    {"neondotprod", SANA_ISA_NEON_DOTPROD},
    {"neoni8mm", SANA_ISA_NEON_I8MM},
};
enum { NAME_COUNT = sizeof names / sizeof names[0] };

const char *sana_isa_name(sana_isa isa) {
  for (int i = 0; i < NAME_COUNT; i++) {
    if (names[i].isa == isa) return names[i].name;
  }
  return "unknown";
}

bool sana_isa_from_name(const char *name, sana_isa *isa) {
  for (int i = 0; i < NAME_COUNT; i++) {
    if (strcmp(names[i].name, name) == 0) {
      *isa = names[i].isa;
      return true;
    }
  }
  return false;
}

sana_isa sana_cpu_best_isa(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    if (!__builtin_cpu_supports("avx512vnni")) return SANA_ISA_AVX512;
    return __builtin_cpu_supports("avx512bf16") ? SANA_ISA_AVX512_BF16 : SANA_ISA_AVX512_VNNI;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    return SANA_ISA_AVX2;
  }
  return SANA_ISA_PORTABLE;
#elif defined(__aarch64__) && defined(__linux__)
  const unsigned long dot_product = 1ul << 20;  // HWCAP_ASIMDDP
  const unsigned long matrix_product = 1ul << 13;  // HWCAP2_I8MM
  if (!(getauxval(AT_HWCAP) & dot_product)) return SANA_ISA_NEON;
  return getauxval(AT_HWCAP2) & matrix_product ? SANA_ISA_NEON_I8MM : SANA_ISA_NEON_DOTPROD;
#elif defined(__aarch64__)
  return SANA_ISA_NEON_DOTPROD;
#else
  return SANA_ISA_PORTABLE;
#endif
}

bool sana_cpu_supports(sana_isa isa) {
  const sana_isa best = sana_cpu_best_isa();
  if (isa == SANA_ISA_PORTABLE) return true;
  // Each architecture has its own range of values, ordered within it.
  return isa <= best && isa / SANA_ISA_NEON == best / SANA_ISA_NEON;
}

static sana_isa chosen_isa;

static void choose_isa(void) {
  const char *name = getenv("SANA_ISA");
  chosen_isa = sana_cpu_best_isa();
  sana_isa wanted;
  if (name && sana_isa_from_name(name, &wanted) && sana_cpu_supports(wanted)) {
    chosen_isa = wanted;
  }
}

sana_isa sana_cpu_isa(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose_isa);
  return chosen_isa;
}

size_t sana_cpu_allowed_count(void) {
#if defined(__linux__)
  // The kernel refuses sets that are smaller than its own.
  for (int processors = 1024; processors <= 1 << 20; processors *= 2) {
    cpu_set_t *set = CPU_ALLOC(processors);
    if (!set) return 0;
    const size_t bytes = CPU_ALLOC_SIZE(processors);
    const int status = sched_getaffinity(0, bytes, set);
    const int failure = errno;
    const int count = status == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (status == 0) return (size_t)count;
    if (failure != EINVAL) return 0;
  }
#endif
  return 0;
}
