#pragma once
#include <stddef.h>
#include <stdint.h>

/// XXH64 (Yann Collet's xxHash, 64-bit variant) of `count` bytes.
uint64_t sana_xxh64(const void *bytes, size_t count, uint64_t seed);
