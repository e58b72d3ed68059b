// NaN and infinities among stored numbers; see sana_not_finite.h. Without the sign bit, numbers are
// ordered as integers are: finite < infinite < NaN.

// Defines a function for one type of numbers, whose bits are a `word`: counts those from `least`
// on. Memory need not be aligned.
#define COUNT_NOT_FINITE(name, word, magnitude, least)                                \
  static size_t name(const void *numbers, size_t count) {                             \
    typedef word words __attribute__((vector_size(4 * VECTOR_FLOATS)));               \
    enum { lanes = sizeof(words) / sizeof(word) };                                    \
    const uint8_t *bytes = numbers;                                                   \
    size_t found = 0, i = 0;                                                          \
    while (i + lanes <= count) {                                                      \
      /* So few that the counts fit the narrowest lanes. */                           \
      const size_t end = i + min_size((count - i) / lanes, INT16_MAX) * lanes;        \
      words counts = {};                                                              \
      for (; i < end; i += lanes) {                                                   \
        words x;                                                                      \
        __builtin_memcpy(&x, bytes + i * sizeof(word), sizeof x);                     \
        counts -= (words)((x & (word)(magnitude)) >= (word)(least));                  \
      }                                                                               \
      for (size_t lane = 0; lane < lanes; lane++) found += (size_t)counts[lane];      \
    }                                                                                 \
    for (; i < count; i++) {                                                          \
      word x;                                                                         \
      __builtin_memcpy(&x, bytes + i * sizeof(word), sizeof x);                       \
      found += (x & (word)(magnitude)) >= (word)(least);                              \
    }                                                                                 \
    return found;                                                                     \
  }

COUNT_NOT_FINITE(count_not_finite_f16, int16_t, 0x7fff, 0x7c00)
COUNT_NOT_FINITE(count_not_finite_bf16, int16_t, 0x7fff, 0x7f80)
COUNT_NOT_FINITE(count_not_finite_f32, int32_t, 0x7fffffff, 0x7f800000)
// From half a step beyond the largest f32 on.
COUNT_NOT_FINITE(count_not_finite_f64, int64_t, 0x7fffffffffffffff, 0x47effffff0000000)

#undef COUNT_NOT_FINITE
