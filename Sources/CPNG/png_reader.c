#include "CPNG.h"
#include "jumps.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const uint8_t *bytes;
  size_t count;
  size_t position;
  uint64_t maximum_pixels;
  uint8_t *pixels;
  png_bytep *rows;
  uint32_t width;
  uint32_t height;
  int result;
} decoder;

static void take(png_structp png, png_bytep bytes, size_t count) {
  decoder *state = png_get_io_ptr(png);
  if (count > state->count - state->position) png_error(png, "the file ends early");
  memcpy(bytes, state->bytes + state->position, count);
  state->position += count;
}

static void decode(png_structp png, png_infop info, decoder *state) {
  if (setjmp(png_jmpbuf(png))) {
    if (state->result == SANA_PNG_OK) state->result = SANA_PNG_MALFORMED;
    return;
  }
  png_set_read_fn(png, state, take);
  png_read_info(png, info);
  state->width = png_get_image_width(png, info);
  state->height = png_get_image_height(png, info);
  if ((uint64_t)state->width * state->height > state->maximum_pixels) {
    state->result = SANA_PNG_TOO_LARGE;
    png_error(png, "too large");
  }
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  (void)png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t row_bytes = (size_t)state->width * 3;
  if (png_get_rowbytes(png, info) != row_bytes) png_error(png, "unexpected pixel layout");
  state->pixels = malloc(row_bytes * state->height);
  state->rows = malloc(sizeof(png_bytep) * state->height);
  if (!state->pixels || !state->rows) {
    state->result = SANA_PNG_OUT_OF_MEMORY;
    png_error(png, "out of memory");
  }
  for (uint32_t row = 0; row < state->height; ++row) state->rows[row] = state->pixels + row * row_bytes;
  png_read_image(png, state->rows);
  png_read_end(png, NULL);
}

int sana_png_decode(const uint8_t *bytes, size_t byte_count, uint64_t maximum_pixels, uint8_t **pixels,
                    uint32_t *width, uint32_t *height) {
  decoder state = {.bytes = bytes, .count = byte_count, .maximum_pixels = maximum_pixels, .result = SANA_PNG_OK};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, fail, ignore);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (info) {
    decode(png, info, &state);
  } else {
    state.result = SANA_PNG_OUT_OF_MEMORY;
  }
  png_destroy_read_struct(&png, &info, NULL);
  free(state.rows);
  if (state.result != SANA_PNG_OK) {
    free(state.pixels);
    return state.result;
  }
  *pixels = state.pixels;
  *width = state.width;
  *height = state.height;
  return SANA_PNG_OK;
}

void sana_png_free(void *memory) { free(memory); }
