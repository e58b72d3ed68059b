#pragma once
#include <stddef.h>
#include <stdint.h>

// The two entries of libFuzzer that this program calls (https://llvm.org/docs/LibFuzzer.html, "Using libFuzzer as a library").

/// Runs the fuzzer with its command line until it ends or finds something.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*target)(const uint8_t *data, size_t size));

/// libFuzzer's own mutation of some bytes, in place. Returns their new count, at most `max_size`.
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
