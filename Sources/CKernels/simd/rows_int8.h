// Activations as int8 codes, row by row: as they are, or as the last step of what makes them.

// A row of numbers; with `scale`, `(input - mean) * factor * (1 + scale) + shift`; with `balance`, times that.
typedef struct {
  const float *input;
  float mean, factor;
  const float *scale, *shift, *balance;
} int8_row;

typedef struct {
  bool modulated, balanced;
} int8_row_form;

INLINE vfloat int8_row_values(
    const int8_row *row, const int8_row_form form, size_t i, size_t count) {
  vfloat x = load_up_to(row->input + i, count);
  if (form.modulated) {
    x = modulate(
        (x - row->mean) * row->factor, load_up_to(row->scale + i, count),
        load_up_to(row->shift + i, count));
  }
  return form.balanced ? x * load_up_to(row->balance + i, count) : x;
}

typedef quantized vquantized __attribute__((vector_size(VECTOR_FLOATS * sizeof(quantized))));

INLINE void store_codes(quantized *codes, vfloat x) {
  // Rounds half to even and leaves the code in the low bits.
  const vint code = (vint)(x + 12582912.0f) - (0x4b400000 - INT8_OFFSET);
  const vquantized narrow = __builtin_convertvector(code, vquantized);
  __builtin_memcpy(codes, &narrow, sizeof narrow);
}

// The codes of four vectors.
INLINE void store_four_codes(quantized *codes, const vfloat *x) {
#if SANA_VNNI
  __m512i v[4];
  UNROLL for (int i = 0; i < 4; i++) v[i] = _mm512_cvtps_epi32((__m512)x[i]);
  // Packing takes four lanes of each vector in turn.
  const __m512i packed =
      _mm512_packs_epi16(_mm512_packs_epi32(v[0], v[1]), _mm512_packs_epi32(v[2], v[3]));
  const __m512i order =
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i offset = _mm512_set1_epi8((char)INT8_OFFSET);
  _mm512_storeu_si512(codes, _mm512_xor_si512(_mm512_permutexvar_epi32(order, packed), offset));
#else
  UNROLL for (int i = 0; i < 4; i++) store_codes(codes + i * VECTOR_FLOATS, x[i]);
#endif
}

// Symmetric codes by the largest magnitude; returns the scale. The magnitude is compared as an integer: so infinities and NaN
// win, and make the scale, and with it every output of the row, infinite or NaN.
INLINE float quantize_values(
    const int8_row *row, const int8_row_form form, size_t depth, quantized *codes, size_t stride) {
  const size_t whole = depth / VECTOR_FLOATS * VECTOR_FLOATS;
  vint largest = splat_int(0);
  for (size_t i = 0; i < whole; i += VECTOR_FLOATS) {
    const vint bits = (vint)int8_row_values(row, form, i, VECTOR_FLOATS) & 0x7fffffff;
    largest = __builtin_elementwise_max(largest, bits);
  }
  if (whole < depth) {
    const size_t count = depth - whole;
    vint bits = (vint)int8_row_values(row, form, whole, count) & 0x7fffffff;
    largest = __builtin_elementwise_max(largest, bits & first_lanes(count));
  }
  const float magnitude = float_of_bits((uint32_t)__builtin_reduce_max(largest));
  const float inverse = 127.0f / magnitude;
  if (inverse == __builtin_inff()) {
    for (size_t i = 0; i < stride; i++) codes[i] = INT8_OFFSET;
    return 0;
  }
  size_t i = 0;
  for (; i + 4 * VECTOR_FLOATS <= whole; i += 4 * VECTOR_FLOATS) {
    vfloat x[4];
    UNROLL for (size_t v = 0; v < 4; v++) {
      x[v] = int8_row_values(row, form, i + v * VECTOR_FLOATS, VECTOR_FLOATS) * inverse;
    }
    store_four_codes(codes + i, x);
  }
  for (; i < whole; i += VECTOR_FLOATS) {
    store_codes(codes + i, int8_row_values(row, form, i, VECTOR_FLOATS) * inverse);
  }
  if (whole < depth) {
    const size_t count = depth - whole;
    const vfloat x = int8_row_values(row, form, whole, count) * inverse;
    store_codes(codes + whole, (vfloat)((vint)x & first_lanes(count)));
  }
  for (i = round_up(depth, VECTOR_FLOATS); i < stride; i += VECTOR_FLOATS) {
    store_codes(codes + i, splat(0));
  }
  return magnitude / 127.0f;
}

// What the codes of a row, made with `scale`, leave of it, as codes of 1/254 of the scale.
static void quantize_rest(
    const float *values, float scale, size_t depth, const quantized *codes, quantized *rest,
    size_t stride) {
  const float inverse = scale > 0 ? 1 / scale : 0;
  for (size_t i = 0; i < stride; i += VECTOR_FLOATS) {
    vfloat left = {};
    if (i < depth) {
      const vfloat x = load_up_to(values + i, depth - i) * inverse;
      vquantized whole;
      __builtin_memcpy(&whole, codes + i, sizeof whole);
      const vfloat code = __builtin_convertvector(
          __builtin_convertvector(whole, vint) - INT8_OFFSET, vfloat);
      left = __builtin_elementwise_min(
          __builtin_elementwise_max((x - code) * 254.0f, splat(-127)), splat(127));
    }
    store_codes(rest + i, left);
  }
}

// As below, of a row that is rotated or coded in two planes.
static void quantize_transformed_row(
    const int8_row *values, const int8_row_form form, const sana_row_coding *coding, size_t depth,
    quantized *codes, size_t stride, float *scale) {
  float transformed[depth];
  for (size_t i = 0; i < depth; i += VECTOR_FLOATS) {
    store_up_to(transformed + i, int8_row_values(values, form, i, depth - i), depth - i);
  }
  rotate_row(transformed, depth, coding->rotation);
  const int8_row row = {.input = transformed};
  *scale = quantize_values(&row, (int8_row_form){}, depth, codes, stride);
  if (coding->planes > 1) {
    quantize_rest(transformed, *scale, depth, codes, codes + stride, stride);
  }
}

INLINE void quantize_row(
    const int8_row *values, const bool modulated, const sana_int8_rows *rows, size_t r) {
  const size_t depth = rows->columns, stride = quantized_stride(depth);
  quantized *codes = codes_of(rows, r);
  float *scale = scales_of(rows, r);
  const sana_row_coding *coding = &rows->coding;
  int8_row row = *values;
  row.balance = coding->factors;
  if (coding->rotation > 1 || coding->planes > 1) {
    const int8_row_form form = {.modulated = modulated, .balanced = coding->factors};
    quantize_transformed_row(&row, form, coding, depth, codes, stride, scale);
  } else if (coding->factors) {
    const int8_row_form form = {.modulated = modulated, .balanced = true};
    *scale = quantize_values(&row, form, depth, codes, stride);
  } else {
    const int8_row_form form = {.modulated = modulated};
    *scale = quantize_values(&row, form, depth, codes, stride);
  }
}

// Rows `row ..< row_end`, `input_stride` floats apart.
static void quantize_int8(
    const float *input, size_t input_stride, const sana_int8_rows *rows, size_t row,
    size_t row_end) {
  for (size_t r = row; r < row_end; r++) {
    const int8_row values = {.input = input + r * input_stride};
    quantize_row(&values, false, rows, r);
  }
}

// As `layer_norm`, with codes in place of an output.
static void layer_norm_int8(
    const sana_layer_norm *norm, const sana_int8_rows *rows, size_t row, size_t row_end) {
  const size_t channels = norm->channels;
  for (size_t r = row; r < row_end; r++) {
    const size_t batch = r / norm->positions;
    int8_row values = {
        .input = norm->input + r * channels,
        .scale = norm->scale + batch * norm->scale_stride,
        .shift = norm->shift + batch * norm->shift_stride,
    };
    normalize_row(values.input, channels, norm->epsilon, &values.mean, &values.factor);
    quantize_row(&values, true, rows, r);
  }
}
