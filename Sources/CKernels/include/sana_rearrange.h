#pragma once
#include <stddef.h>

/// Moving numbers between channels and pixels, channels last. Each handles the output rows `row ..< row_end`, counted through
/// the batch; sizes are those of the output.

/// Output `(2y + i, 2x + j, c)` is input `(y, x, 4 c + 2 i + j)`.
void sana_pixel_shuffle(
    const float *_Nonnull input, float *_Nonnull output, size_t width, size_t channels, size_t row,
    size_t row_end);

/// Output `(y, x, 4 c + 2 i + j)` is input `(2y + i, 2x + j, c)`.
void sana_pixel_unshuffle(
    const float *_Nonnull input, float *_Nonnull output, size_t width, size_t channels, size_t row,
    size_t row_end);

/// `residual +` the input, its channels repeated `channels * factor^2 / input_channels` times, then pixel-shuffled by
/// `factor`. The output may be the residual.
void sana_duplicate_channels(
    const float *_Nonnull input, size_t input_channels, size_t factor,
    const float *_Nonnull residual, float *_Nonnull output, size_t width, size_t channels,
    size_t row, size_t row_end);

/// `residual +` the input, pixel-unshuffled by `factor`, then the means of `input_channels * factor^2 / channels` consecutive
/// channels. The output may be the residual.
void sana_average_channels(
    const float *_Nonnull input, size_t input_channels, size_t factor,
    const float *_Nonnull residual, float *_Nonnull output, size_t width, size_t channels,
    size_t row, size_t row_end);
