// Elementary functions on vectors, accurate to about one unit in the last place of f32. NaN stays NaN.

// The greater of a bound, no NaN, and x; NaN where x is NaN.
INLINE vfloat at_least(float bound, vfloat x) {
#if SANA_AVX512
  return (vfloat)_mm512_max_ps(_mm512_set1_ps(bound), (__m512)x);
#elif SANA_AVX2
  return (vfloat)_mm256_max_ps(_mm256_set1_ps(bound), (__m256)x);
#else
  return select(x < splat(bound), splat(bound), x);
#endif
}

INLINE vfloat at_most(float bound, vfloat x) {
#if SANA_AVX512
  return (vfloat)_mm512_min_ps(_mm512_set1_ps(bound), (__m512)x);
#elif SANA_AVX2
  return (vfloat)_mm256_min_ps(_mm256_set1_ps(bound), (__m256)x);
#else
  return select(x > splat(bound), splat(bound), x);
#endif
}

INLINE vfloat relu(vfloat x) { return at_least(0, x); }

INLINE vfloat vector_abs(vfloat x) { return (vfloat)((vint)x & 0x7fffffff); }

// exp(x) = 2^n exp(r), |r| <= ln(2) / 2.
typedef struct {
  // n, as a number and in the low bits.
  vfloat n, shifted;
  // exp(r)
  vfloat fraction;
} exp_parts;

INLINE exp_parts split_exp(vfloat x) {
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  const vfloat shifted = x * 1.44269504088896341f + 12582912.0f;
  const vfloat n = shifted - 12582912.0f;
  vfloat r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vfloat p = splat(1.9841270e-4f);
  p = p * r + 1.3888889e-3f;
  p = p * r + 8.3333338e-3f;
  p = p * r + 4.1666668e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 5.0e-1f;
  return (exp_parts){.n = n, .shifted = shifted, .fraction = p * (r * r) + r + 1.0f};
}

INLINE vfloat vector_exp(vfloat x) {
  const exp_parts parts = split_exp(at_most(89.0f, at_least(-104.0f, x)));
#if SANA_AVX512
  return (vfloat)_mm512_scalef_ps((__m512)parts.fraction, (__m512)parts.n);
#else
  // In two steps: 2^n alone may overflow or be subnormal where the result is not.
  const vint n = (vint)parts.shifted - 0x4b400000;
  const vint half = n >> 1;
  const vfloat first = (vfloat)((half + 127) << 23);
  const vfloat second = (vfloat)((n - half + 127) << 23);
  return parts.fraction * first * second;
#endif
}

// Up to e^87, exponential and reciprocal are normal numbers.
INLINE vfloat vector_sigmoid(vfloat x) {
#if SANA_AVX512
  // A 14-bit reciprocal and one step of Newton's method.
  const vfloat denominator = 1.0f + vector_exp(at_most(87.0f, -x));
  const vfloat estimate = (vfloat)_mm512_rcp14_ps((__m512)denominator);
  return estimate * (1.0f - denominator * estimate) + estimate;
#else
  const exp_parts parts = split_exp(at_most(87.0f, at_least(-87.0f, -x)));
  // Shifting leaves of the bits only n.
  const vfloat power = (vfloat)(((vint)parts.shifted << 23) + (127 << 23));
  return 1.0f / (1.0f + parts.fraction * power);
#endif
}

INLINE vfloat vector_tanh(vfloat x) {
  const vfloat size = vector_abs(x);
  const vfloat square = x * x;
  vfloat p = splat(-5.70498872745e-3f);
  p = p * square + 2.06390887954e-2f;
  p = p * square - 5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square - 3.33332819422e-1f;
  const vfloat small = p * square * x + x;
  const vfloat large = 1.0f - 2.0f / (vector_exp(size + size) + 1.0f);
  const vfloat signed_large = (vfloat)((vint)large | ((vint)x & (int32_t)0x80000000));
  return select(size < splat(0.625f), small, signed_large);
}

// x (1 + tanh(u)) / 2 = x sigmoid(2 u), which loses nothing where tanh(u) is close to -1.
INLINE vfloat vector_gelu(vfloat x) {
  const vfloat u = 0.7978845608028654f * (x + 0.044715f * (x * x * x));
  return x * vector_sigmoid(u + u);
}

INLINE vfloat activate(vfloat x, sana_activation activation) {
  switch (activation) {
    case SANA_ACTIVATION_NONE: return x;
    case SANA_ACTIVATION_RELU: return relu(x);
    case SANA_ACTIVATION_SILU: return x * vector_sigmoid(x);
    case SANA_ACTIVATION_GELU_TANH: return vector_gelu(x);
  }
  return x;
}

// Four at a time: their chains of operations run side by side.
INLINE void activate_four(vfloat *x, sana_activation activation) {
  if (activation == SANA_ACTIVATION_SILU) {
    for (int i = 0; i < 4; i++) x[i] = activate(x[i], SANA_ACTIVATION_SILU);
  } else if (activation != SANA_ACTIVATION_NONE) {
    for (int i = 0; i < 4; i++) x[i] = activate(x[i], activation);
  }
}

INLINE float sum_lanes(vfloat x) {
  float lanes[VECTOR_FLOATS];
  store(lanes, x);
  for (int width = VECTOR_FLOATS / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}
