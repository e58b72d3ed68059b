#include "sana_column_statistics.h"

#include <math.h>

// Bound by memory with any instruction set, so that there is no variant for each.
void sana_add_column_statistics(const float *restrict values, size_t rows, size_t columns, float *restrict maxima,
                                double *restrict squares) {
  for (size_t row = 0; row < rows; row++) {
    for (size_t column = 0; column < columns; column++) {
      const float value = values[row * columns + column];
      const float magnitude = fabsf(value);
      maxima[column] = magnitude > maxima[column] ? magnitude : maxima[column];
      squares[column] += (double)value * value;
    }
  }
}
