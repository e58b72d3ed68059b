// The image rows that a block of positions and their neighbours lie in, of some channels, one behind the other: of a large image they
// are far apart.

// Pixels that are gathered at a time; the last of a row may lie behind its end.
enum { GATHER_PIXELS = 4 };

typedef struct {
  // [count][image width + margins][channels], the margins zero; an image row is at its number modulo `count`.
  float *lines;
  // An image row above or below the image.
  const float *zeros;
  size_t count, line_floats, channels, margin;
  // The first image row that was not read yet.
  size_t next;
  // Of the image.
  size_t width, height;
} image_window;

// Of the rows that a block lies in, and those around it.
INLINE size_t window_lines(size_t image_width, size_t kernel) {
  return (SUM_BLOCK + image_width - 2) / image_width + kernel;
}

INLINE size_t window_line_pixels(size_t image_width, size_t kernel) {
  return image_width + kernel - 1 + GATHER_PIXELS - 1;
}

INLINE size_t window_floats(size_t image_width, size_t kernel, size_t channels) {
  return (window_lines(image_width, kernel) + 1) * window_line_pixels(image_width, kernel) *
         channels;
}

// `position` is the first that will be asked for.
INLINE image_window empty_window(
    float *memory, size_t image_width, size_t image_height, size_t kernel, size_t channels,
    size_t position) {
  const size_t count = window_lines(image_width, kernel);
  const size_t line_floats = window_line_pixels(image_width, kernel) * channels;
  __builtin_memset(memory, 0, (count + 1) * line_floats * sizeof(float));
  const size_t row = position / image_width;
  return (image_window){
      .next = row < kernel / 2 ? 0 : row - kernel / 2,
      .width = image_width,
      .height = image_height,
      .lines = memory,
      .zeros = memory + count * line_floats,
      .count = count,
      .line_floats = line_floats,
      .channels = channels,
      .margin = kernel / 2,
  };
}

// Reads what a block of `length` positions from `position` on gathers: `image` leads to the
// window's channels at the image's first pixel, pixels are `stride` floats apart.
INLINE void fill_window(
    image_window *window, const float *image, size_t stride, size_t position, size_t length) {
  const size_t width = window->width, channels = window->channels;
  const size_t end = (position + length - 1) / width + window->margin + 1;
  for (; window->next < min_size(end, window->height); window->next++) {
    const float *source = image + window->next * width * stride;
    float *line = window->lines + window->next % window->count * window->line_floats +
                  window->margin * channels;
    for (size_t x = 0; x < width; x++) {
      for (size_t c = 0; c < channels; c += VECTOR_FLOATS) {
        store(line + x * channels + c, load(source + x * stride + c));
      }
    }
  }
}

// The pixel at the beginning of an image row.
INLINE const float *window_line(const image_window *window, ptrdiff_t y) {
  const float *line = y >= 0 && y < (ptrdiff_t)window->height
                          ? window->lines + (size_t)y % window->count * window->line_floats
                          : window->zeros;
  return line + window->margin * window->channels;
}

// The pixel at a position of the image.
INLINE const float *window_pixel(const image_window *window, size_t position) {
  return window_line(window, (ptrdiff_t)(position / window->width)) +
         position % window->width * window->channels;
}
