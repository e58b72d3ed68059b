#include "sana_not_finite.h"

#include "sana_kernels.h"

size_t sana_count_not_finite_f16(const void *numbers, size_t count) {
  return sana_kernels_for(sana_cpu_isa())->count_not_finite_f16(numbers, count);
}

size_t sana_count_not_finite_bf16(const void *numbers, size_t count) {
  return sana_kernels_for(sana_cpu_isa())->count_not_finite_bf16(numbers, count);
}

size_t sana_count_not_finite_f32(const void *numbers, size_t count) {
  return sana_kernels_for(sana_cpu_isa())->count_not_finite_f32(numbers, count);
}

size_t sana_count_not_finite_f64(const void *numbers, size_t count) {
  return sana_kernels_for(sana_cpu_isa())->count_not_finite_f64(numbers, count);
}
