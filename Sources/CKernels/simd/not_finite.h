// NaN and infinities among stored numbers: those whose exponent's bits are all set. See sana_not_finite.h.

// Defines a function for one type of numbers, whose bits are a `word`. Memory need not be aligned.
#define COUNT_NOT_FINITE(name, word, exponent)                                        \
  static size_t name(const void *numbers, size_t count) {                             \
    typedef word words __attribute__((vector_size(4 * VECTOR_FLOATS)));               \
    enum { lanes = sizeof(words) / sizeof(word) };                                    \
    const uint8_t *bytes = numbers;                                                   \
    size_t found = 0, i = 0;                                                          \
    while (i + lanes <= count) {                                                      \
      /* So few that the counts fit the narrowest lanes. */                           \
      const size_t end = i + min_size((count - i) / lanes, UINT16_MAX) * lanes;       \
      words counts = {};                                                              \
      for (; i < end; i += lanes) {                                                   \
        words x;                                                                      \
        __builtin_memcpy(&x, bytes + i * sizeof(word), sizeof x);                     \
        counts -= (words)((x & (word)(exponent)) == (word)(exponent));                \
      }                                                                               \
      for (size_t lane = 0; lane < lanes; lane++) found += counts[lane];              \
    }                                                                                 \
    for (; i < count; i++) {                                                          \
      word x;                                                                         \
      __builtin_memcpy(&x, bytes + i * sizeof(word), sizeof x);                       \
      found += (x & (word)(exponent)) == (word)(exponent);                            \
    }                                                                                 \
    return found;                                                                     \
  }

COUNT_NOT_FINITE(count_not_finite_f16, uint16_t, 0x7c00)
COUNT_NOT_FINITE(count_not_finite_bf16, uint16_t, 0x7f80)
COUNT_NOT_FINITE(count_not_finite_f32, uint32_t, 0x7f800000)
COUNT_NOT_FINITE(count_not_finite_f64, uint64_t, 0x7ff0000000000000)

#undef COUNT_NOT_FINITE
