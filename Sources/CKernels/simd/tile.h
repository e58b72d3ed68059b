// The inner loop of every f32 product: a tile of TILE_ROWS rows by one panel of columns stays in registers.

#if SANA_AVX512 || defined(__aarch64__)
enum { TILE_ROWS = 12 };
#else
enum { TILE_ROWS = 6 };
#endif
enum { PANEL = 2 * VECTOR_FLOATS, PREFETCH_DISTANCE = 16 * PANEL };

#define UNROLL _Pragma("clang loop unroll(full)")

INLINE size_t round_up(size_t count, size_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

INLINE void multiply_tile_vectors(
    const int vectors, size_t depth, const float *a, size_t row_stride, size_t depth_stride,
    const float *panel, float *tile, size_t tile_stride) {
  vfloat sums[TILE_ROWS][2];
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = splat(0);
  }
  for (size_t k = 0; k < depth; k++) {
    vfloat b[2];
    // The panel streams from the second-level cache.
    UNROLL for (int v = 0; v < vectors; v++) {
      __builtin_prefetch(panel + PREFETCH_DISTANCE + v * VECTOR_FLOATS);
    }
    UNROLL for (int v = 0; v < vectors; v++) b[v] = load(panel + v * VECTOR_FLOATS);
    UNROLL for (int r = 0; r < TILE_ROWS; r++) {
      const vfloat x = splat(a[r * row_stride]);
      UNROLL for (int v = 0; v < vectors; v++) sums[r][v] += x * b[v];
    }
    a += depth_stride;
    panel += vectors * VECTOR_FLOATS;
  }
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      store(tile + r * tile_stride + v * VECTOR_FLOATS, sums[r][v]);
    }
  }
}

// tile[r][c] = sum over k < depth of a[r * row_stride + k * depth_stride] * panel[k][c], for TILE_ROWS rows and `width`
// columns (VECTOR_FLOATS or PANEL), which is also the panel's stride. Every sum runs over k in order, in one accumulator.
static void multiply_tile(
    size_t depth, const float *a, size_t row_stride, size_t depth_stride, const float *panel,
    size_t width, float *tile, size_t tile_stride) {
  if (width == PANEL) {
    multiply_tile_vectors(2, depth, a, row_stride, depth_stride, panel, tile, tile_stride);
  } else {
    multiply_tile_vectors(1, depth, a, row_stride, depth_stride, panel, tile, tile_stride);
  }
}
