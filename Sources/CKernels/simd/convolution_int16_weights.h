// Weights of int16 convolutions: taps are transformed, and the points quantized and packed, in the order in which blocks of output channels are
// computed: [SQUARE_COLUMNS of outputs][point][panel][pair][PANEL].

#if SANA_INT16
// The place, in panels, of the panel that begins with output channel `column`.
INLINE size_t square_panel(size_t outputs, size_t column, size_t point) {
  const size_t block = column / SQUARE_COLUMNS * SQUARE_COLUMNS;
  const size_t panels = (min_size(SQUARE_COLUMNS, outputs - block) + PANEL - 1) / PANEL;
  return block / PANEL * SQUARE_POINTS + point * panels + (column - block) / PANEL;
}

static size_t convolution_int16_packed_rows(sana_convolution_form form, size_t outputs) {
  (void)form;
  return round_up(outputs, PANEL) * SQUARE_POINTS;
}

static size_t convolution_int16_packed_bytes(
    sana_convolution_form form, size_t channels, size_t outputs) {
  return convolution_int16_packed_rows(form, outputs) * channel_pairs(channels) *
         sizeof(int16_pair);
}

// Scratch memory for one output channel.
typedef struct {
  // [9][channels]
  float *taps;
  // [point][channels, whole vectors]
  float *points;
  // Of a point
  int16_pair *codes;
  size_t bytes;
} square_pack_scratch;

INLINE square_pack_scratch square_pack_areas(size_t channels, void *memory) {
  square_pack_scratch areas = {.taps = memory};
  areas.points = areas.taps + 9 * channels;
  areas.codes = (int16_pair *)(areas.points + SQUARE_POINTS * round_up(channels, VECTOR_FLOATS));
  areas.bytes = (size_t)((char *)(areas.codes + channel_pairs(channels)) - (char *)memory);
  return areas;
}

static size_t convolution_int16_pack_bytes(sana_convolution_form form, size_t channels) {
  (void)form;
  return square_pack_areas(channels, NULL).bytes;
}

// G w G^T of one output channel's taps.
INLINE void transform_square_taps(
    const float *taps, size_t channels, float *points) {
  const size_t width = round_up(channels, VECTOR_FLOATS);
  for (size_t k = 0; k < channels; k += VECTOR_FLOATS) {
    vfloat w[9], half[18], lines[SQUARE_POINTS];
    UNROLL for (size_t i = 0; i < 9; i++) {
      w[i] = load_up_to(taps + i * channels + k, channels - k);
    }
    UNROLL for (int x = 0; x < 3; x++) transform_three_taps(w + x, 3, half + x);
    UNROLL for (int y = 0; y < SQUARE_PATCH; y++) {
      transform_three_taps(half + 3 * y, 1, lines + SQUARE_PATCH * y);
    }
    UNROLL for (size_t i = 0; i < SQUARE_POINTS; i++) store(points + i * width + k, lines[i]);
  }
}

// Packs output channels `row ..< row_end`, where `row` begins a panel. A weight that is no number makes its scale none.
static void convolution_int16_pack(
    sana_convolution_form form, const sana_matrix *weight, size_t channels, size_t outputs,
    size_t row, size_t row_end, int8_t *packed, float *scales, int32_t *offsets, void *memory) {
  (void)form;
  const size_t pairs = channel_pairs(channels), width = round_up(channels, VECTOR_FLOATS);
  const float largest = largest_code(channels);
  const square_pack_scratch scratch = square_pack_areas(channels, memory);
  for (size_t n = row; n < round_up(row_end, PANEL); n++) {
    const bool exists = n < outputs;
    if (exists) {
      decode_row(weight, n, 0, 9 * channels, scratch.taps);
      transform_square_taps(scratch.taps, channels, scratch.points);
    } else {
      __builtin_memset(scratch.codes, 0, pairs * sizeof *scratch.codes);
    }
    for (size_t point = 0; point < SQUARE_POINTS; point++) {
      const size_t panel = square_panel(outputs, n / PANEL * PANEL, point);
      const size_t place = panel * PANEL + n % PANEL;
      int16_pair *target = (int16_pair *)(void *)packed + panel * pairs * PANEL + n % PANEL;
      scales[place] =
          exists
              ? quantize_pairs(scratch.points + point * width, channels, largest, scratch.codes)
              : 0;
      offsets[place] = 0;
      for (size_t k = 0; k < pairs; k++) target[k * PANEL] = scratch.codes[k];
    }
  }
}
#endif
