#include "CPNG.h"
#include "jumps.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct sana_png_writer {
  png_structp png;
  png_infop info;
  size_t row_bytes;
  uint32_t height;
  uint32_t written;
  /// Bytes of the file that nobody has taken yet.
  uint8_t *bytes;
  size_t count;
  size_t capacity;
  /// Not SANA_PNG_OK once anything has failed: libpng is left alone from then on.
  int result;
};

static png_voidp allocate(png_structp png, png_alloc_size_t size) {
  void *memory = malloc(size);
  if (!memory) ((sana_png_writer *)png_get_mem_ptr(png))->result = SANA_PNG_OUT_OF_MEMORY;
  return memory;
}

static void release(png_structp png, png_voidp memory) {
  (void)png;
  free(memory);
}

static void append(png_structp png, png_bytep bytes, size_t count) {
  sana_png_writer *writer = png_get_io_ptr(png);
  if (count > writer->capacity - writer->count) {
    const size_t least = writer->count + count;
    const size_t capacity = writer->capacity * 2 > least ? writer->capacity * 2 : least;
    uint8_t *grown = realloc(writer->bytes, capacity);
    if (!grown) {
      writer->result = SANA_PNG_OUT_OF_MEMORY;
      png_error(png, "out of memory");
    }
    writer->bytes = grown;
    writer->capacity = capacity;
  }
  memcpy(writer->bytes + writer->count, bytes, count);
  writer->count += count;
}

static void flush(png_structp png) { (void)png; }

/// Where libpng's jumps end.
static void jumped(sana_png_writer *writer) {
  if (writer->result == SANA_PNG_OK) writer->result = SANA_PNG_MALFORMED;
}

static void begin(sana_png_writer *writer, uint32_t width, const sana_png_text *texts, size_t text_count) {
  png_structp png = writer->png;
  png_infop info = writer->info;
  if (setjmp(png_jmpbuf(png))) {
    jumped(writer);
    return;
  }
  png_set_write_fn(png, writer, append, flush);
  png_set_IHDR(png, info, width, writer->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  for (size_t index = 0; index < text_count; ++index) {
    png_text text = {.compression = PNG_ITXT_COMPRESSION_NONE,
                     .key = (png_charp)(uintptr_t)texts[index].keyword,
                     .text = (png_charp)(uintptr_t)texts[index].text,
                     .lang = "",
                     .lang_key = ""};
    png_set_text(png, info, &text, 1);
  }
  png_write_info(png, info);
}

int sana_png_writer_create(uint32_t width, uint32_t height, const sana_png_text *texts, size_t text_count,
                           sana_png_writer **created) {
  sana_png_writer *writer = calloc(1, sizeof *writer);
  if (!writer) return SANA_PNG_OUT_OF_MEMORY;
  writer->row_bytes = (size_t)width * 3;
  writer->height = height;
  writer->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, NULL, fail, ignore, writer, allocate, release);
  writer->info = writer->png ? png_create_info_struct(writer->png) : NULL;
  if (writer->info) {
    begin(writer, width, texts, text_count);
  } else {
    writer->result = SANA_PNG_OUT_OF_MEMORY;
  }
  const int result = writer->result;
  if (result == SANA_PNG_OK) {
    *created = writer;
  } else {
    sana_png_writer_destroy(writer);
  }
  return result;
}

int sana_png_writer_write(sana_png_writer *writer, const uint8_t *rows, uint32_t count) {
  if (writer->result != SANA_PNG_OK) return writer->result;
  if (count > writer->height - writer->written) return writer->result = SANA_PNG_MALFORMED;
  if (setjmp(png_jmpbuf(writer->png))) {
    jumped(writer);
    return writer->result;
  }
  for (uint32_t row = 0; row < count; ++row) png_write_row(writer->png, rows + row * writer->row_bytes);
  writer->written += count;
  return SANA_PNG_OK;
}

int sana_png_writer_finish(sana_png_writer *writer) {
  if (writer->result != SANA_PNG_OK) return writer->result;
  if (writer->written < writer->height) return writer->result = SANA_PNG_MALFORMED;
  if (setjmp(png_jmpbuf(writer->png))) {
    jumped(writer);
    return writer->result;
  }
  png_write_end(writer->png, writer->info);
  return SANA_PNG_OK;
}

const uint8_t *sana_png_writer_bytes(const sana_png_writer *writer, size_t *count) {
  *count = writer->count;
  return writer->bytes;
}

void sana_png_writer_discard_bytes(sana_png_writer *writer) { writer->count = 0; }

void sana_png_writer_destroy(sana_png_writer *writer) {
  png_destroy_write_struct(&writer->png, &writer->info);
  free(writer->bytes);
  free(writer);
}
