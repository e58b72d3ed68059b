#pragma once
#include <stddef.h>

/// How the numbers of a weight matrix are stored.
typedef enum {
  SANA_ENCODING_F32,
  SANA_ENCODING_F16,
  SANA_ENCODING_BF16,
  /// int8 codes, one scale a row.
  SANA_ENCODING_INT8_CHANNEL,
  /// int8 codes, one scale a row and group of columns.
  SANA_ENCODING_INT8_GROUPED,
  /// Two codes + 8 a byte, low nibble first, rows padded to whole bytes; scales as in INT8_GROUPED.
  SANA_ENCODING_INT4_GROUPED,
} sana_encoding;

/// A weight as a matrix of output channels by everything else, in its stored form. Nothing needs to be aligned.
typedef struct {
  sana_encoding encoding;
  const void *_Nonnull values;
  /// f32, `[rows]` or `[rows, groups]`.
  const void *_Nullable scales;
  size_t rows;
  size_t columns;
  /// Columns of a group; the last group of a row may be shorter.
  size_t group_size;
} sana_matrix;
