// The parts of products of bf16 weights by activations rounded to bf16: twice the f32 product's multiplications an instruction. Sums are f32;
// numbers below f32's normal range count as zero.

#if SANA_BF16
// Neighbouring elements of the depth, which one instruction multiplies and adds.
typedef uint32_t bf16_pair;

// [pairs][width] from `count` rows of `depth` elements from `first` on; what they lack is zero.
static void pack_bf16_panel(
    const sana_matrix *weight, size_t row, size_t count, size_t width, size_t first, size_t depth,
    bf16_pair *rows, bf16_pair *panel) {
  const uint16_t *values = weight->values;
  const size_t pairs = (depth + 1) / 2;
  for (size_t n = 0; n < width; n += 4) {
    for (size_t i = 0; i < 4; i++) {
      bf16_pair *target = rows + i * DEPTH_BLOCK;
      target[pairs - 1] = 0;
      if (n + i < count) {
        __builtin_memcpy(target, values + (row + n + i) * weight->columns + first, 2 * depth);
      } else {
        __builtin_memset(target, 0, pairs * sizeof *target);
      }
    }
    transpose_quad((const float *)rows, DEPTH_BLOCK, pairs, (float *)panel + n, width);
  }
}

// Rounds `count` numbers to bf16, half to even; an odd last one is paired with zero.
INLINE void round_to_pairs(const float *input, size_t count, bf16_pair *pairs) {
  size_t i = 0;
  for (; i + 2 * VECTOR_FLOATS <= count; i += 2 * VECTOR_FLOATS) {
    const __m512bh v =
        _mm512_cvtne2ps_pbh((__m512)load(input + i + VECTOR_FLOATS), (__m512)load(input + i));
    __builtin_memcpy(pairs + i / 2, &v, sizeof v);
  }
  if (i < count) {
    const size_t low = min_size(VECTOR_FLOATS, count - i);
    const __m512bh v = _mm512_cvtne2ps_pbh(
        (__m512)load_up_to(input + i + low, count - i - low), (__m512)load_up_to(input + i, low));
    __builtin_memcpy(pairs + i / 2, &v, (count - i + 1) / 2 * sizeof *pairs);
  }
}

// Pairs from one rounded row to the next: an odd number of cache lines, as of int8 codes.
INLINE size_t bf16_row_stride(size_t columns) {
  const size_t line = 64 / sizeof(bf16_pair);
  return (round_up((columns + 1) / 2, line) / line | 1) * line;
}

static size_t bf16_row_bytes(size_t columns) { return bf16_row_stride(columns) * sizeof(bf16_pair); }

static void round_bf16_rows(
    const float *input, size_t input_stride, size_t columns, void *rows, size_t row,
    size_t row_end) {
  for (size_t r = row; r < row_end; r++) {
    round_to_pairs(
        input + r * input_stride, columns, (bf16_pair *)rows + r * bf16_row_stride(columns));
  }
}

enum { PAIRS_LEAST_DEPTH = 1 };

// Scratch memory of a task.
typedef struct {
  product_scratch blocks;
  // A position's part of a block of the depth before it is rounded.
  float numbers[2 * DEPTH_BLOCK];
} product_pairs_scratch;

// As `pack_bf16_panel`, of the block's column `column`.
static void pack_pairs(
    const sana_matrix *weight, size_t row, size_t count, size_t width, size_t first, size_t depth,
    size_t column, product_pairs_scratch *scratch) {
  pack_bf16_panel(
      weight, row, count, width, first, depth, (bf16_pair *)scratch->blocks.rows,
      (bf16_pair *)scratch->blocks.panels + column * ((depth + 1) / 2));
}

static void gather_pairs(
    const sana_product *product, size_t row, size_t count, size_t first, size_t depth,
    product_pairs_scratch *scratch) {
  for (size_t r = 0; r < TILE_ROWS; r++) {
    bf16_pair *target = (bf16_pair *)scratch->blocks.strip + r * STRIP_STRIDE;
    if (r >= count) {
      __builtin_memset(target, 0, (depth + 1) / 2 * sizeof *target);
    } else if (product->kernel == 1 && product->stride == 1) {
      round_to_pairs(
          product->input + (row + r) * product->input_stride + first, depth, target);
    } else {
      gather_position(product, row + r, first, depth, scratch->numbers);
      round_to_pairs(scratch->numbers, depth, target);
    }
  }
}

// As multiply_tile_vectors, of pairs; rows are `stride` apart.
INLINE void multiply_bf16_vectors(
    const int vectors, size_t pairs, const bf16_pair *strip, size_t stride, const bf16_pair *panel,
    float *tile) {
  __m512 sums[TILE_ROWS][2];
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = _mm512_setzero_ps();
  }
  for (size_t k = 0; k < pairs; k++) {
    __m512bh b[2];
    // The panel streams from the second-level cache.
    UNROLL for (int v = 0; v < vectors; v++) {
      __builtin_prefetch(panel + PREFETCH_DISTANCE + v * VECTOR_FLOATS);
    }
    UNROLL for (int v = 0; v < vectors; v++) {
      b[v] = (__m512bh)_mm512_loadu_si512(panel + v * VECTOR_FLOATS);
    }
    UNROLL for (int r = 0; r < TILE_ROWS; r++) {
      const __m512bh x = (__m512bh)_mm512_set1_epi32((int)strip[(size_t)r * stride]);
      UNROLL for (int v = 0; v < vectors; v++) {
        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], x, b[v]);
      }
    }
    strip++;
    panel += vectors * VECTOR_FLOATS;
  }
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      store(tile + r * PANEL + v * VECTOR_FLOATS, (vfloat)sums[r][v]);
    }
  }
}

static void multiply_bf16_tile(
    size_t pairs, const bf16_pair *strip, size_t stride, const bf16_pair *panel, size_t width,
    float *tile) {
  if (width == PANEL) {
    multiply_bf16_vectors(2, pairs, strip, stride, panel, tile);
  } else {
    multiply_bf16_vectors(1, pairs, strip, stride, panel, tile);
  }
}

// The tile of the strip and the panel of the block's column `column`.
static void multiply_pairs(
    size_t pairs, size_t width, size_t column, product_pairs_scratch *scratch) {
  multiply_bf16_tile(
      pairs, (const bf16_pair *)scratch->blocks.strip, STRIP_STRIDE,
      (const bf16_pair *)scratch->blocks.panels + column * pairs, width, scratch->blocks.tile);
}
#endif
