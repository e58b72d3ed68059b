// Products of bf16 weights where no instruction multiplies bf16 but one multiplies and adds pairs of int16: about one and a half times as fast as
// f32. Rows of activations and of weights become int16, each with one scale for each block of the depth: a weight keeps 13 bits, an
// activation 14, so that rounding costs less than rounding activations to bf16's 8.

#if SANA_INT16
// Two neighbouring elements of the depth.
typedef uint32_t int16_pair;

enum {
  INT16_WEIGHT = 4095,
  INT16_ACTIVATION = 8191,
  // Pairs whose products, were all as large as they can be, still sum to less than 2^31.
  INT16_SUM = 32,
};

// Numbers rounded half to even, as int16.
INLINE __m256i pack_codes(vfloat low, vfloat high) {
  // Packing takes four lanes of each vector in turn.
  const __m256i packed =
      _mm256_packs_epi32(_mm256_cvtps_epi32((__m256)low), _mm256_cvtps_epi32((__m256)high));
  return _mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0));
}

// Symmetric codes of `count` numbers, an odd last one paired with zero; returns the scale. As of int8 rows, infinities and NaN make the scale
// infinite or NaN.
static float quantize_pairs(const float *input, size_t count, float limit, int16_pair *pairs) {
  enum { STEP = 2 * VECTOR_FLOATS };
  vint largest = splat_int(0);
  for (size_t i = 0; i < count; i += VECTOR_FLOATS) {
    const vint bits = (vint)load_up_to(input + i, count - i) & 0x7fffffff;
    largest = __builtin_elementwise_max(largest, bits);
  }
  const float magnitude = float_of_bits((uint32_t)__builtin_reduce_max(largest));
  const float inverse = limit / magnitude;
  if (inverse == __builtin_inff()) {
    __builtin_memset(pairs, 0, (count + 1) / 2 * sizeof *pairs);
    return 0;
  }
  for (size_t i = 0; i < count; i += STEP) {
    vfloat x[2];
    UNROLL for (size_t v = 0; v < 2; v++) {
      const size_t place = i + v * VECTOR_FLOATS;
      x[v] = place < count ? load_up_to(input + place, count - place) : splat(0);
    }
    const __m256i packed = pack_codes(x[0] * inverse, x[1] * inverse);
    if (i + STEP <= count) {
      __builtin_memcpy(pairs + i / 2, &packed, sizeof packed);
    } else {
      __builtin_memcpy(pairs + i / 2, &packed, (count - i + 1) / 2 * sizeof *pairs);
    }
  }
  return magnitude / limit;
}

// Sums of fewer products would take less time than to quantize what they multiply.
enum { PAIRS_LEAST_DEPTH = 64 };

// Scratch memory of a task.
typedef struct {
  product_scratch blocks;
  // A row of a block of the depth before it is quantized.
  float numbers[2 * DEPTH_BLOCK];
  float row_scales[TILE_ROWS];
  float column_scales[COLUMN_BLOCK];
} product_pairs_scratch;

// The panel of the block's column `column`, [pairs][width], from `count` rows of `depth` elements from `first` on; what they lack is
// zero.
static void pack_pairs(
    const sana_matrix *weight, size_t row, size_t count, size_t width, size_t first, size_t depth,
    size_t column, product_pairs_scratch *scratch) {
  const size_t pairs = (depth + 1) / 2;
  int16_pair *rows = (int16_pair *)scratch->blocks.rows;
  for (size_t n = 0; n < width; n += 4) {
    for (size_t i = 0; i < 4; i++) {
      int16_pair *target = rows + i * DEPTH_BLOCK;
      float *scale = scratch->column_scales + column + n + i;
      if (n + i < count) {
        decode_row(weight, row + n + i, first, depth, scratch->numbers);
        *scale = quantize_pairs(scratch->numbers, depth, INT16_WEIGHT, target);
      } else {
        __builtin_memset(target, 0, pairs * sizeof *target);
        *scale = 0;
      }
    }
    transpose_quad(
        (const float *)rows, DEPTH_BLOCK, pairs, scratch->blocks.panels + column * pairs + n, width);
  }
}

static void gather_pairs(
    const sana_product *product, size_t row, size_t count, size_t first, size_t depth,
    product_pairs_scratch *scratch) {
  for (size_t r = 0; r < TILE_ROWS; r++) {
    int16_pair *target = (int16_pair *)scratch->blocks.strip + r * STRIP_STRIDE;
    const float *numbers = scratch->numbers;
    if (r >= count) {
      __builtin_memset(target, 0, (depth + 1) / 2 * sizeof *target);
      scratch->row_scales[r] = 0;
      continue;
    }
    if (product->kernel == 1 && product->stride == 1) {
      numbers = product->input + (row + r) * product->input_stride + first;
    } else {
      gather_position(product, row + r, first, depth, scratch->numbers);
    }
    scratch->row_scales[r] = quantize_pairs(numbers, depth, INT16_ACTIVATION, target);
  }
}

INLINE void add_pair_products(
    const int vectors, const int16_pair *const *rows, size_t k, const int16_pair *panel,
    vint sums[TILE_ROWS][2]) {
  vint b[2];
  UNROLL for (int v = 0; v < vectors; v++) __builtin_memcpy(&b[v], panel + v * VECTOR_FLOATS, sizeof b[v]);
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    const vint x = splat_int((int)rows[r][k]);
    if (vectors == 2) {
      add_two_products(sums[r], x, b);
    } else {
      sums[r][0] = add_products(sums[r][0], x, b[0]);
    }
  }
}

// The sums of the products of pairs `k ..< end`. `streams`: whether the panel comes from the second-level cache; otherwise it is nearer.
INLINE void sum_pairs(
    const int vectors, const bool streams, const int16_pair *const *rows, size_t k, size_t end,
    const int16_pair *panel, vint sums[TILE_ROWS][2]) {
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = splat_int(0);
  }
  for (; k + 2 <= end; k += 2) {
    UNROLL for (int v = 0; streams && v < vectors; v++) {
      __builtin_prefetch(panel + PREFETCH_DISTANCE + v * 2 * VECTOR_FLOATS);
    }
    UNROLL for (int i = 0; i < 2; i++) {
      add_pair_products(vectors, rows, k + i, panel + i * vectors * VECTOR_FLOATS, sums);
    }
    panel += 2 * vectors * VECTOR_FLOATS;
  }
  if (k < end) add_pair_products(vectors, rows, k, panel, sums);
}

// Adds the sums of INT16_SUM or fewer pairs from `k` on to the tile's.
INLINE void add_pair_sums(
    const int vectors, const int16_pair *const *rows, size_t k, size_t end,
    const int16_pair *panel, bool is_first, float *tile) {
  vint sums[TILE_ROWS][2];
  sum_pairs(vectors, true, rows, k, end, panel, sums);
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      float *target = tile + r * PANEL + v * VECTOR_FLOATS;
      const vfloat sum = __builtin_convertvector(sums[r][v], vfloat);
      store(target, is_first ? sum : load(target) + sum);
    }
  }
}

INLINE void multiply_pair_vectors(
    const int vectors, size_t pairs, const int16_pair *strip, const int16_pair *panel,
    const float *row_scales, const float *column_scales, float *tile) {
  const int16_pair *rows[TILE_ROWS];
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    rows[r] = strip + r * STRIP_STRIDE;
    KEEP_ADDRESS(rows[r]);
  }
  for (size_t k = 0; k < pairs; k += INT16_SUM) {
    add_pair_sums(
        vectors, rows, k, min_size(k + INT16_SUM, pairs),
        panel + k * (size_t)vectors * VECTOR_FLOATS, k == 0, tile);
  }
  UNROLL for (int v = 0; v < vectors; v++) {
    const vfloat scale = load(column_scales + v * VECTOR_FLOATS);
    UNROLL for (int r = 0; r < TILE_ROWS; r++) {
      float *target = tile + r * PANEL + v * VECTOR_FLOATS;
      store(target, load(target) * (row_scales[r] * scale));
    }
  }
}

// Apart from its callers, whose own addresses would leave the inner loop too few registers.
static __attribute__((noinline)) void multiply_pair_tile(
    size_t pairs, const int16_pair *strip, const int16_pair *panel, size_t width,
    const float *row_scales, const float *column_scales, float *tile) {
  if (width == PANEL) {
    multiply_pair_vectors(2, pairs, strip, panel, row_scales, column_scales, tile);
  } else {
    multiply_pair_vectors(1, pairs, strip, panel, row_scales, column_scales, tile);
  }
}

// The tile of the strip and the panel of the block's column `column`.
static void multiply_pairs(
    size_t pairs, size_t width, size_t column, product_pairs_scratch *scratch) {
  multiply_pair_tile(
      pairs, (const int16_pair *)scratch->blocks.strip,
      (const int16_pair *)scratch->blocks.panels + column * pairs, width, scratch->row_scales,
      scratch->column_scales + column, scratch->blocks.tile);
}
#endif
