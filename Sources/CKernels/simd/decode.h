// Stored weights -> f32.

INLINE void decode_int8(const int8_t *codes, float scale, float *output, size_t count) {
  size_t i = 0;
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) {
    vchar bytes;
    __builtin_memcpy(&bytes, codes + i, sizeof bytes);
    store(output + i, __builtin_convertvector(bytes, vfloat) * scale);
  }
  for (; i < count; i++) output[i] = (float)codes[i] * scale;
}

INLINE float int4_code(const uint8_t *bytes, size_t index) {
  return (float)((bytes[index / 2] >> (index % 2 * 4) & 15) - 8);
}

INLINE float load_scale(const void *scales, size_t index) {
  float scale;
  __builtin_memcpy(&scale, (const char *)scales + index * sizeof scale, sizeof scale);
  return scale;
}

// Columns `first ..< first + count` of one row; `first` is even.
static void decode_row(
    const sana_matrix *matrix, size_t row, size_t first, size_t count, float *output) {
  const size_t start = row * matrix->columns + first;
  switch (matrix->encoding) {
    case SANA_ENCODING_F32:
      __builtin_memcpy(output, (const char *)matrix->values + 4 * start, 4 * count);
      return;
    case SANA_ENCODING_F16:
      f16_to_f32((const uint16_t *)matrix->values + start, output, count);
      return;
    case SANA_ENCODING_BF16:
      bf16_to_f32((const uint16_t *)matrix->values + start, output, count);
      return;
    case SANA_ENCODING_INT8_CHANNEL:
      decode_int8(
          (const int8_t *)matrix->values + start, load_scale(matrix->scales, row), output, count);
      return;
    case SANA_ENCODING_INT8_GROUPED:
    case SANA_ENCODING_INT4_GROUPED: break;
  }

  const size_t size = matrix->group_size;
  const size_t groups = (matrix->columns + size - 1) / size;
  const uint8_t *nibbles =
      (const uint8_t *)matrix->values + row * ((matrix->columns + 1) / 2);
  for (size_t done = 0; done < count;) {
    const size_t column = first + done;
    const size_t length = min_size(count - done, size - column % size);
    const float scale = load_scale(matrix->scales, row * groups + column / size);
    if (matrix->encoding == SANA_ENCODING_INT8_GROUPED) {
      decode_int8((const int8_t *)matrix->values + start + done, scale, output + done, length);
    } else {
      for (size_t i = 0; i < length; i++) {
        output[done + i] = int4_code(nibbles, column + i) * scale;
      }
    }
    done += length;
  }
}
