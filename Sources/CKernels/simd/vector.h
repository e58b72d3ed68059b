// Vectors of VECTOR_FLOATS lanes in the compiler's generic notation: one source for every instruction set.
#define INLINE static inline __attribute__((always_inline, unused))

typedef float vfloat __attribute__((vector_size(4 * VECTOR_FLOATS)));
typedef int32_t vint __attribute__((vector_size(4 * VECTOR_FLOATS)));
typedef uint32_t vuint __attribute__((vector_size(4 * VECTOR_FLOATS)));
typedef uint16_t vushort __attribute__((vector_size(2 * VECTOR_FLOATS)));
typedef float quad __attribute__((vector_size(16)));
typedef int32_t quad_int __attribute__((vector_size(16)));
typedef int8_t vchar __attribute__((vector_size(VECTOR_FLOATS)));

INLINE vfloat splat(float x) {
  // A sum with zero would not do: it turns -0 into 0, so it is really computed.
  vfloat v;
  for (int i = 0; i < VECTOR_FLOATS; i++) v[i] = x;
  return v;
}

INLINE vint splat_int(int32_t x) { return (vint){} + x; }

// Memory need not be aligned.
INLINE vfloat load(const float *p) {
  vfloat v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float *p, vfloat v) { __builtin_memcpy(p, &v, sizeof v); }

// The first `count` lanes, 0 <= count <= VECTOR_FLOATS; the others are zero.
INLINE vfloat load_first(const float *p, size_t count) {
#if SANA_AVX512
  return (vfloat)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#else
  vfloat v = {};
  for (size_t i = 0; i < VECTOR_FLOATS; i++) {
    if (i < count) v[i] = p[i];
  }
  return v;
#endif
}

INLINE void store_first(float *p, vfloat v, size_t count) {
#if SANA_AVX512
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
#else
  for (size_t i = 0; i < VECTOR_FLOATS; i++) {
    if (i < count) p[i] = v[i];
  }
#endif
}

// As many lanes as there are, which may be more than a vector has.
INLINE vfloat load_up_to(const float *p, size_t count) {
  return count >= VECTOR_FLOATS ? load(p) : load_first(p, count);
}

INLINE void store_up_to(float *p, vfloat v, size_t count) {
  if (count >= VECTOR_FLOATS) {
    store(p, v);
  } else {
    store_first(p, v, count);
  }
}

INLINE vfloat select(vint mask, vfloat yes, vfloat no) {
  return (vfloat)((mask & (vint)yes) | (~mask & (vint)no));
}

INLINE size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

// All ones in the first `count` lanes.
INLINE vint first_lanes(size_t count) {
  vint mask = {};
  for (size_t i = 0; i < VECTOR_FLOATS; i++) mask[i] = i < count ? -1 : 0;
  return mask;
}
