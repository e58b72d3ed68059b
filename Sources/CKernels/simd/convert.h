// f16, bf16 <-> f32.

INLINE uint32_t float_bits(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

INLINE float float_of_bits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

INLINE float f16_to_f32_scalar(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
  if (magnitude >= 0x7c00u << 13) return float_of_bits(sign | magnitude | 0x7f800000);
  // Multiplying by 2^112 moves the exponent's bias and normalizes what was subnormal.
  return float_of_bits(sign | float_bits(float_of_bits(magnitude) * 0x1p112f));
}

INLINE uint16_t f32_to_f16_scalar(float x) {
  const uint32_t bits = float_bits(x);
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
  if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 leaves the number, in steps of 2^-24 and rounded to even, in the low bits.
    return (uint16_t)(sign | (float_bits(float_of_bits(magnitude) + 0.5f) - 0x3f000000));
  }
  const uint32_t odd = magnitude >> 13 & 1;
  return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}

INLINE uint16_t f32_to_bf16_scalar(float x) {
  const uint32_t bits = float_bits(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void f16_to_f32(const uint16_t *input, float *output, size_t count) {
  size_t i = 0;
#if SANA_AVX512
  for (; i + 16 <= count; i += 16) {
    _mm512_storeu_ps(output + i, _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(input + i))));
  }
#elif SANA_AVX2
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(output + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(input + i))));
  }
#elif SANA_NEON
  for (; i + 4 <= count; i += 4) {
    vst1q_f32(output + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(input + i))));
  }
#endif
  for (; i < count; i++) output[i] = f16_to_f32_scalar(input[i]);
}

static void f32_to_f16(const float *input, uint16_t *output, size_t count) {
  size_t i = 0;
#if SANA_AVX512
  for (; i + 16 <= count; i += 16) {
    _mm256_storeu_si256(
        (void *)(output + i),
        _mm512_cvtps_ph(_mm512_loadu_ps(input + i), _MM_FROUND_TO_NEAREST_INT));
  }
#elif SANA_AVX2
  for (; i + 8 <= count; i += 8) {
    _mm_storeu_si128(
        (void *)(output + i),
        _mm256_cvtps_ph(_mm256_loadu_ps(input + i), _MM_FROUND_TO_NEAREST_INT));
  }
#elif SANA_NEON
  for (; i + 4 <= count; i += 4) {
    vst1_u16(output + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(input + i))));
  }
#endif
  for (; i < count; i++) output[i] = f32_to_f16_scalar(input[i]);
}

static void bf16_to_f32(const uint16_t *input, float *output, size_t count) {
  size_t i = 0;
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) {
    vushort halves;
    __builtin_memcpy(&halves, input + i, sizeof halves);
    store(output + i, (vfloat)(__builtin_convertvector(halves, vuint) << 16));
  }
  for (; i < count; i++) output[i] = float_of_bits((uint32_t)input[i] << 16);
}

static void f32_to_bf16(const float *input, uint16_t *output, size_t count) {
  size_t i = 0;
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) {
    const vfloat x = load(input + i);
    const vuint bits = (vuint)x;
    const vuint rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    const vuint nan = (vuint)(x != x);
    const vuint result = (nan & (bits >> 16 | 0x40)) | (~nan & rounded);
    const vushort halves = __builtin_convertvector(result, vushort);
    __builtin_memcpy(output + i, &halves, sizeof halves);
  }
  for (; i < count; i++) output[i] = f32_to_bf16_scalar(input[i]);
}
