#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Feeds `count` blocks of 64 bytes to SHA-256 (FIPS 180-4). The caller sets the first state and
/// pads the last block.
/// `portable` leaves the processor's SHA instructions aside.
void sana_sha256_blocks(uint32_t state[8], const void *bytes, size_t count, bool portable);
