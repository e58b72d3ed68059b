// int8 products: positions were quantized before, weights were packed once; the int32 sums are exact.

#if SANA_AVX2
// Apart from its callers, whose own addresses would leave the inner loop too few registers.
#define INT8_PANEL_FUNCTION static __attribute__((noinline))
#else
#define INT8_PANEL_FUNCTION INLINE
#endif

enum {
  // Together they stay in the second-level cache.
  INT8_STRIP_BYTES = SECOND_LEVEL_CACHE / 8 * 3,
  INT8_PANEL_BYTES = SECOND_LEVEL_CACHE / 16 * 5,
#if SANA_AVX2
  // Groups that the inner loop takes at a time: the sums of one are so few that a loop's own instructions count.
  INT8_UNROLLED = 2,
#else
  INT8_UNROLLED = 1,
#endif
};

// What a code of the second plane is worth in the first.
#define SECOND_PLANE (1 / 254.0f)

// Elements of a plane of a quantized row: whole groups, and an odd number of cache lines, so that
// the rows of a strip lie in different cache sets.
INLINE size_t quantized_stride(size_t depth) {
  const size_t line = 64 / sizeof(quantized);
  return (round_up(depth, line) / line | 1) * line;
}

INLINE size_t int8_strip_rows(size_t depth) {
  const size_t rows = INT8_STRIP_BYTES / (quantized_stride(depth) * sizeof(quantized));
  return rows < TILE_ROWS ? TILE_ROWS : rows / TILE_ROWS * TILE_ROWS;
}

// A tile may begin at any row, so there is memory for a whole one behind the last.
static size_t int8_row_count(size_t rows) { return rows + TILE_ROWS; }

static size_t int8_row_bytes(size_t depth) { return quantized_stride(depth) * sizeof(quantized); }

static size_t int8_scratch_bytes(void) { return TILE_ROWS * PANEL * sizeof(float); }

INLINE size_t int8_panel_bytes(size_t depth) { return round_up(depth, INT8_GROUP) * PANEL; }

// Output channels whose panels stay in the second-level cache with a strip of rows: whole panels.
static size_t int8_block_columns(size_t depth) {
  const size_t panels = INT8_PANEL_BYTES / int8_panel_bytes(depth);
  return (panels > 0 ? panels : 1) * PANEL;
}

static size_t int8_packed_bytes(size_t rows, size_t depth) {
  return round_up(rows, PANEL) / PANEL * int8_panel_bytes(depth);
}

static size_t int8_packed_rows(size_t rows) { return round_up(rows, PANEL); }

// From one row to the next, whose planes lie one behind the other.
INLINE size_t row_stride(const sana_int8_rows *rows) {
  return quantized_stride(rows->columns) * rows->coding.planes;
}

INLINE quantized *codes_of(const sana_int8_rows *rows, size_t row) {
  return (quantized *)rows->codes + (row - rows->first) * row_stride(rows);
}

INLINE float *scales_of(const sana_int8_rows *rows, size_t row) {
  return rows->scales + (row - rows->first);
}

INLINE vint load_weights(const int8_t *weights) {
#if SANA_VNNI || SANA_NEON_DOTPROD || SANA_NEON_I8MM
  vint v;
  __builtin_memcpy(&v, weights, sizeof v);
  return v;
#elif SANA_AVX512
  return (vint)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)weights));
#elif SANA_AVX2
  return (vint)_mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)weights));
#else
  vchar v;
  __builtin_memcpy(&v, weights, sizeof v);
  return __builtin_convertvector(v, vint);
#endif
}

#if SANA_NEON_I8MM
// The codes of two rows.
INLINE vint load_row_pair(const quantized *codes, size_t stride) {
  return (vint)vcombine_s8(vld1_s8(codes), vld1_s8(codes + stride));
}

// As below; sums are those of two rows and two channels a vector, [row pair][channel pair], until `arrange_sums`.
INLINE void add_int8_groups(
    size_t groups, const quantized *codes, size_t stride, const int8_t *panel,
    vint sums[TILE_ROWS][2]) {
  for (size_t k = 0; k < groups; k++) {
    vint b[4];
    UNROLL for (int q = 0; q < 4; q++) b[q] = load_weights(panel + 2 * q * INT8_GROUP);
    UNROLL for (int r = 0; r < TILE_ROWS; r += 2) {
      const vint x = load_row_pair(codes + (size_t)r * stride, stride);
      UNROLL for (int q = 0; q < 4; q++) {
        vint *sum = &sums[r + q / 2][q % 2];
        *sum = add_products(*sum, x, b[q]);
      }
    }
    codes += INT8_GROUP;
    panel += PANEL * INT8_GROUP;
  }
}

INLINE void arrange_sums(vint sums[TILE_ROWS][2]) {
  UNROLL for (int r = 0; r < TILE_ROWS; r += 2) {
    const vint a = sums[r][0], b = sums[r][1], c = sums[r + 1][0], d = sums[r + 1][1];
    sums[r][0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    sums[r][1] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    sums[r + 1][0] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    sums[r + 1][1] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
  }
}
#else
INLINE vint splat_group(const quantized *codes) {
  if (INT8_GROUP == 1) return splat_int(codes[0]);
  int32_t group = 0;
  __builtin_memcpy(&group, codes, INT8_GROUP * sizeof(quantized));
  return splat_int(group);
}

// Adds the products of one group of each row.
INLINE void add_int8_group(
    const quantized *const *rows, size_t place, const int8_t *panel, vint sums[TILE_ROWS][2]) {
  vint b[2];
  UNROLL for (int v = 0; v < 2; v++) b[v] = load_weights(panel + v * VECTOR_FLOATS * INT8_GROUP);
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    add_two_products(sums[r], splat_group(rows[r] + place), b);
  }
}

// Adds the products of `groups` groups to the sums of TILE_ROWS rows of codes `stride` apart and one packed panel.
INLINE void add_int8_groups(
    size_t groups, const quantized *codes, size_t stride, const int8_t *panel,
    vint sums[TILE_ROWS][2]) {
  enum { BYTES = INT8_UNROLLED * PANEL * INT8_GROUP, LINE = 64, AHEAD = 2048 };
  const quantized *rows[TILE_ROWS];
  UNROLL for (int r = 0; r < TILE_ROWS; r++) {
    rows[r] = codes + r * stride;
    KEEP_ADDRESS(rows[r]);
  }
  size_t k = 0;
  for (; k + INT8_UNROLLED <= groups; k += INT8_UNROLLED) {
    // The panel streams from the second-level cache, or for the first tile of a block from the third.
    UNROLL for (int i = 0; i < BYTES; i += LINE) __builtin_prefetch(panel + AHEAD + i);
    UNROLL for (int i = 0; i < INT8_UNROLLED; i++) {
      add_int8_group(rows, (k + i) * INT8_GROUP, panel + i * PANEL * INT8_GROUP, sums);
    }
    panel += BYTES;
  }
  for (; k < groups; k++) {
    add_int8_group(rows, k * INT8_GROUP, panel, sums);
    panel += PANEL * INT8_GROUP;
  }
}

// Brings sums into the order of rows and channels.
INLINE void arrange_sums(vint sums[TILE_ROWS][2]) { (void)sums; }
#endif

// Sums begin where the offsets of a panel's channels make them end exact. Where sums are arranged, the offsets are zeros.
INLINE void begin_sums(const int32_t *offsets, vint sums[TILE_ROWS][2]) {
  UNROLL for (int v = 0; v < 2; v++) {
    vint offset;
    __builtin_memcpy(&offset, offsets + v * VECTOR_FLOATS, sizeof offset);
    UNROLL for (int r = 0; r < TILE_ROWS; r++) sums[r][v] = -offset;
  }
}

INLINE vfloat scaled_sum(vint sum, float row_scale, vfloat scale) {
  return __builtin_convertvector(sum, vfloat) * (row_scale * scale);
}

// tile[r][c] = row_scales[r] * scales[c] * (exact sum), for TILE_ROWS rows of codes `stride` apart and one packed panel of
// `groups` groups; scales and offsets are the panel's own.
INT8_PANEL_FUNCTION void multiply_int8_panel(
    size_t groups, const quantized *codes, size_t stride, const float *row_scales,
    const int8_t *panel, const float *scales, const int32_t *offsets, float *tile) {
  vint sums[TILE_ROWS][2];
  begin_sums(offsets, sums);
  add_int8_groups(groups, codes, stride, panel, sums);
  arrange_sums(sums);
  UNROLL for (int v = 0; v < 2; v++) {
    const vfloat scale = load(scales + v * VECTOR_FLOATS);
    UNROLL for (int r = 0; r < TILE_ROWS; r++) {
      store(tile + r * PANEL + v * VECTOR_FLOATS, scaled_sum(sums[r][v], row_scales[r], scale));
    }
  }
}

INLINE size_t int8_groups(const sana_int8_matrix *weights) {
  return round_up(weights->columns, INT8_GROUP) / INT8_GROUP;
}

INLINE const int8_t *int8_panel_at(const sana_int8_matrix *weights, size_t column) {
  return weights->codes + column / PANEL * int8_panel_bytes(weights->columns);
}

// The tile of TILE_ROWS rows from `row` on and the panel at `column`.
static void multiply_int8_tile(
    const sana_int8_matrix *weights, size_t column, const sana_int8_rows *rows, size_t row,
    float *tile) {
  const size_t groups = int8_groups(weights), stride = row_stride(rows);
  const quantized *codes = codes_of(rows, row);
  const float *row_scales = scales_of(rows, row), *scales = weights->scales + column;
  const int8_t *panel = int8_panel_at(weights, column);
  const int32_t *offsets = weights->offsets + column;
  multiply_int8_panel(groups, codes, stride, row_scales, panel, scales, offsets, tile);
  if (rows->coding.planes < 2) return;
  float rest[TILE_ROWS * PANEL];
  multiply_int8_panel(
      groups, codes + quantized_stride(rows->columns), stride, row_scales, panel, scales, offsets,
      rest);
  for (size_t i = 0; i < TILE_ROWS * PANEL; i += VECTOR_FLOATS) {
    store(tile + i, load(tile + i) + load(rest + i) * SECOND_PLANE);
  }
}

// As `multiply_int8_tile`, then the epilogue of a layer without activation: sums go from the registers to the output. The lines that
// they meet there come from memory while the sums are made: those of a row in each of TILE_ROWS parts of the depth.
static void multiply_int8_to_output(
    const sana_product *product, const row_targets *targets, const sana_int8_matrix *weights,
    size_t column, const sana_int8_rows *rows, size_t row) {
  const sana_epilogue *epilogue = &product->epilogue;
  const size_t stride = quantized_stride(rows->columns);
  const size_t groups = int8_groups(weights);
  const size_t part = (groups + TILE_ROWS - 1) / TILE_ROWS;
  const int8_t *panel = int8_panel_at(weights, column);
  const quantized *codes = codes_of(rows, row);
  const float *row_scales = scales_of(rows, row);

  vint sums[TILE_ROWS][2];
  begin_sums(weights->offsets + column, sums);
  for (size_t i = 0; i < TILE_ROWS; i++) {
    prefetch_place(product->output, epilogue->residual, targets->output[i] + column);
    const size_t first = min_size(i * part, groups);
    add_int8_groups(
        min_size(part, groups - first), codes + first * INT8_GROUP, stride,
        panel + first * PANEL * INT8_GROUP, sums);
  }
  arrange_sums(sums);
  UNROLL for (int v = 0; v < 2; v++) {
    const size_t c = column + v * VECTOR_FLOATS;
    const vfloat scale = load(weights->scales + c);
    const vfloat bias = epilogue->bias ? load(epilogue->bias + c) : splat(0);
    UNROLL for (int r = 0; r < TILE_ROWS; r++) {
      vfloat sum = scaled_sum(sums[r][v], row_scales[r], scale);
      if (epilogue->bias) sum += bias;
      if (epilogue->gate) {
        sum *= load(epilogue->gate + targets->batch[r] * epilogue->gate_stride + c);
      }
      if (epilogue->residual) sum += load(epilogue->residual + targets->output[r] + c);
      store(product->output + targets->output[r] + c, sum);
    }
  }
}

// Positions `row ..< row_end` of a linear layer whose input is `rows`, output channels `column ..< column_end`, where `column` begins a
// panel.
static void product_int8(
    const sana_product *product, const sana_int8_matrix *weights, const sana_int8_rows *rows,
    size_t row, size_t row_end, size_t column, size_t column_end, void *scratch) {
  const size_t depth = weights->columns;
  const size_t columns = int8_block_columns(depth);
  const size_t strip = int8_strip_rows(depth);
  const bool is_plain =
      product->epilogue.activation == SANA_ACTIVATION_NONE && rows->coding.planes < 2;
  float *tile = scratch;

  for (size_t m = row; m < row_end; m += strip) {
    const size_t m_end = min_size(m + strip, row_end);
    for (size_t n = column; n < column_end; n += columns) {
      const size_t n_end = min_size(n + columns, column_end);
      for (size_t r = m; r < m_end; r += TILE_ROWS) {
        const size_t count = min_size(TILE_ROWS, m_end - r);
        row_targets targets;
        find_targets(product, r, count, &targets);
        for (size_t c = n; c < n_end; c += PANEL) {
          if (is_plain && count == TILE_ROWS && n_end - c >= PANEL) {
            multiply_int8_to_output(product, &targets, weights, c, rows, r);
            continue;
          }
          multiply_int8_tile(weights, c, rows, r, tile);
          store_tile(product, &targets, tile, PANEL, count, c, min_size(PANEL, n_end - c));
        }
      }
    }
  }
}
