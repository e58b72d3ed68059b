#pragma once
#include <stddef.h>
#include <stdint.h>

/// Results of the functions below. libpng's jumps never leave them.
enum {
  SANA_PNG_OK = 0,
  /// The bytes are no PNG file, or a damaged one; or the picture cannot be one, for its size or the
  /// number of its rows.
  SANA_PNG_MALFORMED = 1,
  SANA_PNG_OUT_OF_MEMORY = 2,
  /// The picture has more pixels than allowed.
  SANA_PNG_TOO_LARGE = 3
};

/// A remark stored in the file: a keyword of 1 to 79 Latin-1 characters, and UTF-8 text.
typedef struct {
  const char *keyword;
  const char *text;
} sana_png_text;

/// Writes a picture of 8-bit RGB pixels, row after row. Once a function has failed, the others fail
/// with the same result.
typedef struct sana_png_writer sana_png_writer;

/// Begins a picture. `*writer` is to be released with `sana_png_writer_destroy`.
int sana_png_writer_create(uint32_t width, uint32_t height, const sana_png_text *texts, size_t text_count,
                           sana_png_writer **writer);

/// Adds the next `count` rows.
int sana_png_writer_write(sana_png_writer *writer, const uint8_t *rows, uint32_t count);

/// Ends the picture, all of whose rows must have been written.
int sana_png_writer_finish(sana_png_writer *writer);

/// The bytes of the file that came into being since they were last discarded; they stay where they
/// are until the writer is used again.
const uint8_t *sana_png_writer_bytes(const sana_png_writer *writer, size_t *count);

void sana_png_writer_discard_bytes(sana_png_writer *writer);

void sana_png_writer_destroy(sana_png_writer *writer);

/// Decodes a PNG file of any kind into 8-bit RGB: gray becomes equal channels, 16 bits lose their lower half, transparency is
/// dropped. `*pixels` is to be released with `sana_png_free`.
int sana_png_decode(const uint8_t *bytes, size_t byte_count, uint64_t maximum_pixels, uint8_t **pixels,
                    uint32_t *width, uint32_t *height);

void sana_png_free(void *memory);
