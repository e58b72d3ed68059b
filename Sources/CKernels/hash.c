#include "sana_hash.h"

#include <string.h>

static const uint64_t prime1 = 0x9E3779B185EBCA87u;
static const uint64_t prime2 = 0xC2B2AE3D27D4EB4Fu;
static const uint64_t prime3 = 0x165667B19E3779F9u;
static const uint64_t prime4 = 0x85EBCA77C2B2AE63u;
static const uint64_t prime5 = 0x27D4EB2F165667C5u;

static inline uint64_t rotate_left(uint64_t x, int bits) { return (x << bits) | (x >> (64 - bits)); }

static inline uint64_t load64(const unsigned char *p) {
  uint64_t x;
  memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  x = __builtin_bswap64(x);
#endif
  return x;
}

static inline uint32_t load32(const unsigned char *p) {
  uint32_t x;
  memcpy(&x, p, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  x = __builtin_bswap32(x);
#endif
  return x;
}

static inline uint64_t step(uint64_t accumulator, uint64_t lane) {
  return rotate_left(accumulator + lane * prime2, 31) * prime1;
}

static inline uint64_t merge(uint64_t hash, uint64_t accumulator) {
  return (hash ^ step(0, accumulator)) * prime1 + prime4;
}

uint64_t sana_xxh64(const void *bytes, size_t count, uint64_t seed) {
  const unsigned char *p = bytes;
  size_t left = count;
  uint64_t hash;
  if (left >= 32) {
    uint64_t a = seed + prime1 + prime2, b = seed + prime2, c = seed, d = seed - prime1;
    for (; left >= 32; left -= 32, p += 32) {
      a = step(a, load64(p));
      b = step(b, load64(p + 8));
      c = step(c, load64(p + 16));
      d = step(d, load64(p + 24));
    }
    hash = rotate_left(a, 1) + rotate_left(b, 7) + rotate_left(c, 12) + rotate_left(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = seed + prime5;
  }
  hash += count;
  for (; left >= 8; left -= 8, p += 8) {
    hash = rotate_left(hash ^ step(0, load64(p)), 27) * prime1 + prime4;
  }
  if (left >= 4) {
    hash = rotate_left(hash ^ (load32(p) * prime1), 23) * prime2 + prime3;
    left -= 4, p += 4;
  }
  for (; left > 0; left--, p++) hash = rotate_left(hash ^ (*p * prime5), 11) * prime1;
  hash = (hash ^ (hash >> 33)) * prime2;
  hash = (hash ^ (hash >> 29)) * prime3;
  return hash ^ (hash >> 32);
}
