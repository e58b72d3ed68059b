// Bound by memory: the compiler's code is as good as any.
#include "sana_rearrange.h"

void sana_pixel_shuffle(
    const float *input, float *output, size_t width, size_t channels, size_t row, size_t row_end) {
  for (size_t y = row; y < row_end; y++) {
    for (size_t x = 0; x < width; x++) {
      const float *source =
          input + (y / 2 * (width / 2) + x / 2) * 4 * channels + y % 2 * 2 + x % 2;
      float *pixel = output + (y * width + x) * channels;
      for (size_t c = 0; c < channels; c++) pixel[c] = source[4 * c];
    }
  }
}

void sana_pixel_unshuffle(
    const float *input, float *output, size_t width, size_t channels, size_t row, size_t row_end) {
  const size_t input_channels = channels / 4;
  for (size_t y = row; y < row_end; y++) {
    for (size_t x = 0; x < width; x++) {
      float *pixel = output + (y * width + x) * channels;
      for (size_t offset = 0; offset < 4; offset++) {
        const float *source =
            input + ((2 * y + offset / 2) * 2 * width + 2 * x + offset % 2) * input_channels;
        for (size_t c = 0; c < input_channels; c++) pixel[4 * c + offset] = source[c];
      }
    }
  }
}

// Sums of a residual and every `step`th of the source's channels; alone for each step, so that the
// compiler knows it.
static inline void add_spread(
    const float *source, size_t step, const float *residual, float *output, size_t channels) {
  switch (step) {
    case 1:
      for (size_t c = 0; c < channels; c++) output[c] = residual[c] + source[c];
      break;
    case 2:
      for (size_t c = 0; c < channels; c++) output[c] = residual[c] + source[2 * c];
      break;
    default:
      for (size_t c = 0; c < channels; c++) output[c] = residual[c] + source[step * c];
  }
}

void sana_duplicate_channels(
    const float *input, size_t input_channels, size_t factor, const float *residual,
    float *output, size_t width, size_t channels, size_t row, size_t row_end) {
  const size_t square = factor * factor;
  const size_t repeats = channels * square / input_channels;
  for (size_t y = row; y < row_end; y++) {
    for (size_t x = 0; x < width; x++) {
      const float *source =
          input + (y / factor * (width / factor) + x / factor) * input_channels;
      const size_t offset = y % factor * factor + x % factor;
      const size_t pixel = (y * width + x) * channels;
      if (square % repeats == 0) {
        add_spread(
            source + offset / repeats, square / repeats, residual + pixel, output + pixel, channels);
        continue;
      }
      for (size_t c = 0; c < channels; c++) {
        output[pixel + c] = residual[pixel + c] + source[(c * square + offset) / repeats];
      }
    }
  }
}

void sana_average_channels(
    const float *input, size_t input_channels, size_t factor, const float *residual,
    float *output, size_t width, size_t channels, size_t row, size_t row_end) {
  const size_t square = factor * factor;
  const size_t group = input_channels * square / channels;
  for (size_t y = row; y < row_end; y++) {
    for (size_t x = 0; x < width; x++) {
      const size_t pixel = (y * width + x) * channels;
      for (size_t c = 0; c < channels; c++) {
        float sum = 0;
        for (size_t member = c * group; member < (c + 1) * group; member++) {
          const size_t offset = member % square;
          const size_t line = y * factor + offset / factor;
          const size_t column = x * factor + offset % factor;
          sum += input[(line * width * factor + column) * input_channels + member / square];
        }
        output[pixel + c] = residual[pixel + c] + sum / (float)group;
      }
    }
  }
}
