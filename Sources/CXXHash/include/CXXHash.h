#pragma once
#include <stddef.h>
#include <stdint.h>

/// XXH64, the 64-bit variant of xxHash, of `count` bytes.
uint64_t sana_xxh64(const void *_Nullable bytes, size_t count, uint64_t seed);
