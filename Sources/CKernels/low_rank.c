#include "sana_low_rank.h"

#include "sana_kernels.h"

void sana_add_low_rank(
    const float *up, const float *down, size_t rank, size_t columns, float factor, float *row) {
  sana_kernels_for(sana_cpu_isa())->add_low_rank(up, down, rank, columns, factor, row);
}
