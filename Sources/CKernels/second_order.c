#include "sana_second_order.h"

#include "sana_kernels.h"

void sana_add_product(
    float *target, size_t target_stride, const float *left, size_t left_stride, const float *right,
    size_t right_stride, size_t rows, size_t columns, size_t depth, float sign) {
  sana_kernels_for(sana_cpu_isa())
      ->add_product(
          target, target_stride, left, left_stride, right, right_stride, rows, columns, depth,
          sign);
}

void sana_round_block(
    const float *original, float *moved, const float *factors, size_t factor_stride, size_t column,
    size_t count, size_t group, int limit, int8_t *codes, float *scales, float *errors) {
  sana_kernels_for(sana_cpu_isa())
      ->round_block(
          original, moved, factors, factor_stride, column, count, group, limit, codes, scales,
          errors);
}

int sana_factor_block(float *matrix, size_t stride, size_t count) {
  return sana_kernels_for(sana_cpu_isa())->factor_block(matrix, stride, count);
}

void sana_solve_block(
    float *b, size_t stride, size_t rows, const float *block, size_t block_stride, size_t count) {
  sana_kernels_for(sana_cpu_isa())->solve_block(b, stride, rows, block, block_stride, count);
}
