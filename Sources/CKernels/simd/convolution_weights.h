// Weights of int8 convolutions: taps are transformed, and the points quantized and packed.

static size_t convolution_int8_packed_bytes(
    sana_convolution_form form, size_t channels, size_t outputs) {
  return round_up(outputs, PANEL) * form_points(form) * round_up(channels, INT8_GROUP);
}

static size_t convolution_int8_packed_rows(sana_convolution_form form, size_t outputs) {
  return round_up(outputs, PANEL) * form_points(form);
}

// Floats for the taps and points of one output channel, and bytes for the codes of a point.
static size_t convolution_int8_pack_bytes(sana_convolution_form form, size_t channels) {
  return channels * ((form_taps(form) + form_points(form)) * sizeof(float) + 1);
}

// G w G^T of one channel's taps, `step` floats from tap to tap.
INLINE void transform_winograd_taps(const float *taps, float *points, size_t step) {
  float half[12];
  for (size_t x = 0; x < 3; x++) {
    const float a = taps[x * step], b = taps[(3 + x) * step], c = taps[(6 + x) * step];
    half[x] = a;
    half[3 + x] = 0.5f * (a + b + c);
    half[6 + x] = 0.5f * (a - b + c);
    half[9 + x] = c;
  }
  for (size_t y = 0; y < 4; y++) {
    const float a = half[3 * y], b = half[3 * y + 1], c = half[3 * y + 2];
    points[(4 * y) * step] = a;
    points[(4 * y + 1) * step] = 0.5f * (a + b + c);
    points[(4 * y + 2) * step] = 0.5f * (a - b + c);
    points[(4 * y + 3) * step] = c;
  }
}

// In one dimension the phases are (p, q) = (w0, w1 + w2) and (r, s) = (w0 + w1, w2), and the points w0 = p, w0 + w1 + w2 = p + q,
// w2 = s. Taps are [row phase][column phase][row][column].
INLINE void transform_phases(const float *taps, float *points, size_t step) {
#define TAP(py, px, ky, kx) taps[(8 * (py) + 4 * (px) + 2 * (ky) + (kx)) * step]
  points[0] = TAP(0, 0, 0, 0);
  points[1 * step] = TAP(0, 0, 0, 0) + TAP(0, 0, 0, 1);
  points[2 * step] = TAP(0, 1, 0, 1);
  points[3 * step] = TAP(0, 0, 0, 0) + TAP(0, 0, 1, 0);
  points[4 * step] = (TAP(0, 0, 0, 0) + TAP(0, 0, 0, 1)) + (TAP(0, 0, 1, 0) + TAP(0, 0, 1, 1));
  points[5 * step] = TAP(0, 1, 0, 1) + TAP(0, 1, 1, 1);
  points[6 * step] = TAP(1, 0, 1, 0);
  points[7 * step] = TAP(1, 0, 1, 0) + TAP(1, 0, 1, 1);
  points[8 * step] = TAP(1, 1, 1, 1);
#undef TAP
}

// The points of output channel `n`, `[point][channel]`.
INLINE void transform_kernels(
    sana_convolution_form form, const sana_matrix *weight, size_t channels, size_t outputs,
    size_t n, float *taps, float *points) {
  if (form == SANA_CONVOLUTION_WINOGRAD) {
    decode_row(weight, n, 0, 9 * channels, taps);
  } else {
    for (size_t phase = 0; phase < 4; phase++) {
      decode_row(weight, phase * outputs + n, 0, 4 * channels, taps + phase * 4 * channels);
    }
  }
  for (size_t k = 0; k < channels; k++) {
    if (form == SANA_CONVOLUTION_WINOGRAD) {
      transform_winograd_taps(taps + k, points + k, channels);
    } else {
      transform_phases(taps + k, points + k, channels);
    }
  }
}

// Packs output channels `row ..< row_end`, where `row` begins a panel. Panels are [point][channels / GROUP][PANEL][GROUP].
static void convolution_int8_pack(
    sana_convolution_form form, const sana_matrix *weight, size_t channels, size_t outputs,
    size_t row, size_t row_end, int8_t *packed, float *scales, int32_t *offsets, void *scratch) {
  const size_t points = form_points(form);
  const size_t panel_bytes = int8_panel_bytes(channels);
  float *taps = scratch;
  float *transformed = taps + form_taps(form) * channels;
  int8_t *codes = (int8_t *)(transformed + points * channels);
  for (size_t n = row; n < round_up(row_end, PANEL); n++) {
    const bool exists = n < outputs;
    if (exists) {
      transform_kernels(form, weight, channels, outputs, n, taps, transformed);
    }
    for (size_t point = 0; point < points; point++) {
      const size_t panel = n / PANEL * points + point;
      const size_t place = panel * PANEL + n % PANEL;
      code_int8_row(
          exists ? transformed + point * channels : NULL, channels, n % PANEL,
          packed + panel * panel_bytes, scales + place, offsets + place, codes);
    }
  }
}
