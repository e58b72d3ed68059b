// Elementary functions on vectors, accurate to about one unit in the last place of f32. NaN stays NaN.

INLINE vfloat relu(vfloat x) { return select(x < splat(0), splat(0), x); }

INLINE vfloat clamp(vfloat x, float low, float high) {
  x = select(x < splat(low), splat(low), x);
  return select(x > splat(high), splat(high), x);
}

INLINE vfloat vector_abs(vfloat x) { return (vfloat)((vint)x & 0x7fffffff); }

// exp(r) for |r| <= ln(2) / 2.
INLINE vfloat exp_near_zero(vfloat r) {
  vfloat p = splat(1.9841270e-4f);
  p = p * r + 1.3888889e-3f;
  p = p * r + 8.3333338e-3f;
  p = p * r + 4.1666668e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 5.0e-1f;
  return p * (r * r) + r + 1.0f;
}

// exp(x) = 2^n exp(r), |r| <= ln(2) / 2.
INLINE vfloat vector_exp(vfloat x) {
#if SANA_AVX512
  // With the bound first, NaN stays NaN.
  x = (vfloat)_mm512_max_ps(_mm512_set1_ps(-104.0f), (__m512)x);
  x = (vfloat)_mm512_min_ps(_mm512_set1_ps(89.0f), (__m512)x);
#else
  x = clamp(x, -104.0f, 89.0f);
#endif
  // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
  const vfloat shifted = x * 1.44269504088896341f + 12582912.0f;
  const vfloat rounded = shifted - 12582912.0f;
  vfloat r = x - rounded * 0.693359375f;
  r = r - rounded * -2.12194440e-4f;
  const vfloat p = exp_near_zero(r);
#if SANA_AVX512
  return (vfloat)_mm512_scalef_ps((__m512)p, (__m512)rounded);
#else
  // In two steps: 2^n alone may overflow or be subnormal where the result is not.
  const vint n = (vint)shifted - 0x4b400000;
  const vint half = n >> 1;
  const vfloat first = (vfloat)((half + 127) << 23);
  const vfloat second = (vfloat)((n - half + 127) << 23);
  return p * first * second;
#endif
}

INLINE vfloat vector_sigmoid(vfloat x) {
#if SANA_AVX512
  // A 14-bit reciprocal and one step of Newton's method. Up to e^87 the reciprocal is a normal number.
  const vfloat negated = (vfloat)_mm512_min_ps(_mm512_set1_ps(87.0f), (__m512)-x);
  const vfloat denominator = 1.0f + vector_exp(negated);
  const vfloat estimate = (vfloat)_mm512_rcp14_ps((__m512)denominator);
  return estimate * (1.0f - denominator * estimate) + estimate;
#else
  return 1.0f / (1.0f + vector_exp(-x));
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
