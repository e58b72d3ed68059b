// int8 weights in the order of the products: panels of [depth / GROUP][PANEL][GROUP].

INLINE int32_t sum_codes(const int8_t *codes, size_t count) {
  int32_t sum = 0;
  for (size_t k = 0; k < count; k++) sum += codes[k];
  return sum;
}

// Puts one row of `count` codes at its place in a panel of rows of `depth`; what it lacks is zero.
INLINE void pack_int8_row(
    const int8_t *codes, size_t count, size_t depth, size_t place, int8_t *panel) {
  for (size_t k = 0; k < round_up(depth, INT8_GROUP); k++) {
    panel[(k / INT8_GROUP * PANEL + place) * INT8_GROUP + k % INT8_GROUP] =
        k < count ? codes[k] : 0;
  }
}

#if SANA_VNNI || SANA_NEON_DOTPROD
// A whole panel of rows whose depth is whole groups, which have the size of a float: so this is a transposition. In parts of the depth
// whose place in the panel stays in the first-level cache.
INLINE void transpose_int8_panel(const int8_t *codes, size_t depth, int8_t *panel) {
  const size_t groups = depth / INT8_GROUP, part = 64;
  const float *rows = (const float *)(const void *)codes;
  for (size_t k = 0; k < groups; k += part) {
    for (size_t i = 0; i < PANEL; i += 4) {
      transpose_quad(
          rows + i * groups + k, groups, min_size(part, groups - k),
          (float *)(void *)panel + k * PANEL + i, PANEL);
    }
  }
}

// The offsets of a whole panel: what a row of codes that stand for zero would sum to.
INLINE void sum_int8_panel(size_t groups, const int8_t *panel, int32_t *offsets) {
  quantized zero[INT8_GROUP];
  for (size_t i = 0; i < INT8_GROUP; i++) zero[i] = INT8_OFFSET;
  const vint x = splat_group(zero);
  vint sums[2] = {splat_int(0), splat_int(0)};
  for (size_t k = 0; k < groups; k++) {
    UNROLL for (int v = 0; v < 2; v++) {
      sums[v] = add_products(
          sums[v], x, load_weights(panel + (k * PANEL + (size_t)v * VECTOR_FLOATS) * INT8_GROUP));
    }
  }
  __builtin_memcpy(offsets, sums, sizeof sums);
}
#else
// A whole panel of rows whose depth is whole groups.
INLINE void transpose_int8_panel(const int8_t *codes, size_t depth, int8_t *panel) {
  for (size_t k = 0; k < depth; k += INT8_GROUP) {
    for (size_t i = 0; i < PANEL; i++) {
      __builtin_memcpy(panel + k * PANEL + i * INT8_GROUP, codes + i * depth + k, INT8_GROUP);
    }
  }
}

// Codes are signed: sums exceed nothing.
INLINE void sum_int8_panel(size_t groups, const int8_t *panel, int32_t *offsets) {
  (void)groups, (void)panel;
  __builtin_memset(offsets, 0, PANEL * sizeof *offsets);
}
#endif

// Packs the panels of output channels `row ..< row_end`, where `row` begins a panel: [depth / GROUP][PANEL][GROUP].
static void int8_pack(
    const int8_t *codes, size_t rows, size_t depth, size_t row, size_t row_end, int8_t *packed,
    int32_t *offsets) {
  for (size_t n = row; n < row_end; n += PANEL) {
    int8_t *panel = packed + n / PANEL * int8_panel_bytes(depth);
    if (depth % INT8_GROUP == 0 && n + PANEL <= row_end) {
      transpose_int8_panel(codes + n * depth, depth, panel);
      sum_int8_panel(depth / INT8_GROUP, panel, offsets + n);
      continue;
    }
    for (size_t i = 0; i < PANEL; i++) {
      offsets[n + i] = n + i < row_end ? INT8_OFFSET * sum_codes(codes + (n + i) * depth, depth) : 0;
    }
    for (size_t i = 0; i < PANEL; i++) {
      const bool exists = n + i < rows;
      pack_int8_row(exists ? codes + (n + i) * depth : codes, exists ? depth : 0, depth, i, panel);
    }
  }
}

// Quantizes one row of numbers, null for a row of zeros, and puts it at its place in a panel. A weight that is no number must not look
// like a zero: its scale is none.
INLINE void code_int8_row(
    const float *values, size_t depth, size_t place, int8_t *panel, float *scale, int32_t *offset,
    int8_t *codes) {
  *scale = 0;
  __builtin_memset(codes, 0, depth);
  if (values && quantize_rows(values, 1, depth, depth, 127, codes, scale) == 0) {
    *scale = __builtin_nanf("");
  }
  *offset = INT8_OFFSET * sum_codes(codes, depth);
  pack_int8_row(codes, depth, depth, place, panel);
}

static size_t int8_code_bytes(size_t columns) { return columns * (sizeof(float) + 1); }

// As `int8_pack`, of weights in any encoding.
static void int8_code(
    const sana_matrix *weight, size_t row, size_t row_end, int8_t *packed, float *scales,
    int32_t *offsets, void *scratch) {
  const size_t depth = weight->columns;
  float *values = scratch;
  for (size_t n = row; n < round_up(row_end, PANEL); n++) {
    const bool exists = n < weight->rows;
    if (exists) decode_row(weight, n, 0, depth, values);
    code_int8_row(
        exists ? values : NULL, depth, n % PANEL, packed + n / PANEL * int8_panel_bytes(depth),
        scales + n, offsets + n, (int8_t *)(values + depth));
  }
}
