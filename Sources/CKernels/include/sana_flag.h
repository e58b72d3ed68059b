#pragma once
#include <stdbool.h>

/// A flag that one thread raises and others look at. Begins as zero.
typedef struct {
  bool raised;
} sana_flag;

static inline void sana_flag_raise(sana_flag *_Nonnull flag) {
  __atomic_store_n(&flag->raised, true, __ATOMIC_RELAXED);
}

static inline bool sana_flag_is_raised(const sana_flag *_Nonnull flag) {
  return __atomic_load_n(&flag->raised, __ATOMIC_RELAXED);
}
