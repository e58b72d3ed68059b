// The inner loop of every f32 product: a tile of TILE_ROWS rows by one panel of columns stays in registers.

#if SANA_AVX512 || defined(__aarch64__)
enum { TILE_ROWS = 12 };
#else
enum { TILE_ROWS = 6 };
#endif
// Bytes that what is multiplied over and over may take: processors without AVX-512 are taken to have half as much.
#if SANA_AVX512
enum { SECOND_LEVEL_CACHE = 1024 * 1024 };
#else
enum { SECOND_LEVEL_CACHE = 512 * 1024 };
#endif
enum { PANEL = 2 * VECTOR_FLOATS, PREFETCH_DISTANCE = 16 * PANEL };

// Keeps an address in a register: otherwise it may be computed anew, from another and a stride, in every turn of a loop.
#if SANA_AVX2
#define KEEP_ADDRESS(pointer) __asm__("" : "+r"(pointer))
#else
#define KEEP_ADDRESS(pointer) (void)(pointer)
#endif

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

// panel[k * width + i] = rows[i * stride + k] for four rows.
INLINE void transpose_quad(
    const float *rows, size_t stride, size_t depth, float *panel, size_t width) {
  size_t k = 0;
  for (; k + 4 <= depth; k += 4) {
    quad a, b, c, d;
    __builtin_memcpy(&a, rows + k, 16);
    __builtin_memcpy(&b, rows + stride + k, 16);
    __builtin_memcpy(&c, rows + 2 * stride + k, 16);
    __builtin_memcpy(&d, rows + 3 * stride + k, 16);
    const quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    const quad transposed[4] = {
        __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
        __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
        __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
        __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7),
    };
    for (size_t i = 0; i < 4; i++) {
      __builtin_memcpy(panel + (k + i) * width, &transposed[i], 16);
    }
  }
  for (; k < depth; k++) {
    for (size_t i = 0; i < 4; i++) panel[k * width + i] = rows[i * stride + k];
  }
}
