// int8 products of weights as they are stored: for a weight that is used once, which would be packed once and read once.

// What a task packs at a time.
typedef struct {
  int8_t *codes;
  int32_t *offsets;
  float *scales;
  void *tile;
  size_t bytes;
} stored_panels;

INLINE stored_panels stored_areas(size_t depth, void *memory) {
  const size_t columns = int8_block_columns(depth);
  char *next = memory;
  stored_panels areas = {.codes = memory};
  next += round_up(int8_packed_bytes(columns, depth), 64);
  areas.offsets = (void *)next;
  next += columns * sizeof *areas.offsets;
  areas.scales = (void *)next;
  next += columns * sizeof *areas.scales;
  areas.tile = next;
  next += int8_scratch_bytes();
  areas.bytes = (size_t)(next - (char *)memory);
  return areas;
}

static size_t int8_stored_scratch_bytes(size_t depth) { return stored_areas(depth, NULL).bytes; }

// As `product_int8`, with the product's own weight, int8 codes with one scale a row.
static void product_int8_stored(
    const sana_product *product, const sana_int8_rows *rows, size_t row, size_t row_end,
    size_t column, size_t column_end, void *scratch) {
  const sana_matrix *weight = &product->weight;
  const size_t depth = weight->columns, step = int8_block_columns(depth);
  const stored_panels areas = stored_areas(depth, scratch);
  for (size_t n = column; n < column_end; n += step) {
    const size_t count = min_size(step, column_end - n);
    int8_pack(
        (const int8_t *)weight->values + n * depth, count, depth, 0, count, areas.codes,
        areas.offsets);
    __builtin_memset(areas.scales, 0, round_up(count, PANEL) * sizeof(float));
    __builtin_memcpy(
        areas.scales, (const char *)weight->scales + n * sizeof(float), count * sizeof(float));
    const sana_int8_matrix panels = {
        .codes = areas.codes, .scales = areas.scales, .offsets = areas.offsets, .rows = count,
        .columns = depth};
    sana_product part = *product;
    part.output += n;
    if (part.epilogue.bias) part.epilogue.bias += n;
    if (part.epilogue.gate) part.epilogue.gate += n;
    if (part.epilogue.residual) part.epilogue.residual += n;
    product_int8(&part, &panels, rows, row, row_end, 0, count, areas.tile);
  }
}
