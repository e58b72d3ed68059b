#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Results of the functions below. libpng's jumps never leave them.
enum {
  SANA_PNG_OK = 0,
  /// The bytes are no PNG file, or a damaged one.
  SANA_PNG_MALFORMED = 1,
  SANA_PNG_OUT_OF_MEMORY = 2,
  /// The picture has more pixels than allowed.
  SANA_PNG_TOO_LARGE = 3,
  /// Asked to stop.
  SANA_PNG_STOPPED = 4
};

/// A remark stored in the file: a keyword of 1 to 79 Latin-1 characters, and UTF-8 text.
typedef struct {
  const char *keyword;
  const char *text;
} sana_png_text;

/// Encodes 8-bit RGB pixels. `*bytes` is to be released with `sana_png_free`. Gives up once another
/// thread has set `*stop`, which may be null.
int sana_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, const sana_png_text *texts,
                    size_t text_count, const bool *stop, uint8_t **bytes, size_t *byte_count);

/// Decodes a PNG file of any kind into 8-bit RGB: gray becomes equal channels, 16 bits lose their lower half, transparency is
/// dropped. `*pixels` is to be released with `sana_png_free`.
int sana_png_decode(const uint8_t *bytes, size_t byte_count, uint64_t maximum_pixels, uint8_t **pixels,
                    uint32_t *width, uint32_t *height);

void sana_png_free(void *memory);
