// One row of `matrix += factor * up * down`. Every number is summed in the order of the ranks and nothing is fused, so that all
// instruction sets give the same bits.

static void add_low_rank(
    const float *up, const float *down, size_t rank, size_t columns, float factor, float *row) {
#pragma STDC FP_CONTRACT OFF
  enum { vectors = 4 };
  size_t column = 0;
  for (; column + vectors * VECTOR_FLOATS <= columns; column += vectors * VECTOR_FLOATS) {
    vfloat sums[vectors] = {};
    for (size_t i = 0; i < rank; i++) {
      const float *in = down + i * columns + column;
      const vfloat weight = splat(up[i]);
      for (size_t v = 0; v < vectors; v++) sums[v] += weight * load(in + v * VECTOR_FLOATS);
    }
    for (size_t v = 0; v < vectors; v++) {
      float *out = row + column + v * VECTOR_FLOATS;
      store(out, load(out) + splat(factor) * sums[v]);
    }
  }
  for (; column < columns; column++) {
    float sum = 0;
    for (size_t i = 0; i < rank; i++) sum += up[i] * down[i * columns + column];
    row[column] += factor * sum;
  }
}
