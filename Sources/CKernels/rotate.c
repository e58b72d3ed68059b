#include "sana_rotate.h"

#include "sana_kernels.h"

void sana_rotate_row(float *row, size_t count, size_t block) {
  sana_kernels_for(sana_cpu_isa())->rotate_row(row, count, block);
}
