#pragma once
#include <stddef.h>

/// Adds rows `[rows, columns]` to what is known of their columns: raises the greatest magnitudes,
/// which NaN leaves alone, and adds the squares, which NaN and infinity show in.
void sana_add_column_statistics(const float *_Nonnull values, size_t rows, size_t columns, float *_Nonnull maxima,
                                double *_Nonnull squares);
