// 3x3 convolutions where an int8 code is multiplied as an int16 anyway: by F(4x4, 3x3), whose points are quantized to as many bits as sums in
// int32 have room for. Less than three fifths of the multiplications of F(2x2, 3x3), and nearer to f32 than its 8 bits.

#if SANA_INT16
enum {
  SQUARE = 4,
  SQUARE_PATCH = 6,
  SQUARE_POINTS = SQUARE_PATCH * SQUARE_PATCH,
  // Tiles of a block. The weights of 512 channels, 19 MB, are read once for each block.
  SQUARE_BLOCK = 48,
  // Output channels whose sums exist at a time.
  SQUARE_COLUMNS = 64,
  // With more channels, too few bits would be left.
  SQUARE_CHANNELS = 4096,
};

INLINE size_t channel_pairs(size_t channels) { return (channels + 1) / 2; }

// The largest code: that of patches and that of weights, for which sums over all channels stay below 2^31. 4095 for 128 channels, 2047 for
// 512.
static float largest_code(size_t channels) {
  uint64_t largest = 0;
  for (uint64_t bit = 1 << 14; bit > 0; bit /= 2) {
    const uint64_t code = largest + bit;
    if (code * code * 2 * channel_pairs(channels) <= INT32_MAX) largest = code;
  }
  return (float)largest;
}

// Pairs from one quantized patch to the next: an odd number of cache lines, so that a tile's patches lie in different cache sets.
INLINE size_t square_stride(size_t channels) {
  const size_t line = 64 / sizeof(int16_pair);
  return (round_up(channel_pairs(channels), line) / line | 1) * line;
}

// Scratch memory of a thread.
typedef struct {
  // [point][SQUARE_BLOCK][square_stride]
  int16_pair *codes;
  // [point][SQUARE_BLOCK]
  float *scales;
  // A line of a transformed patch, [channels / VECTOR_FLOATS][SQUARE_PATCH][VECTOR_FLOATS], whole pairs of vectors
  float *points;
  // One patch that reaches beyond the image
  float *border;
  // [SQUARE_BLOCK][point][SQUARE_COLUMNS]
  float *sums;
  size_t bytes;
} square_scratch;

INLINE square_scratch square_areas(size_t channels, void *memory) {
  char *next = memory;
  square_scratch areas;
  TAKE(areas, codes, SQUARE_POINTS * SQUARE_BLOCK * square_stride(channels), next);
  TAKE(areas, scales, SQUARE_POINTS * SQUARE_BLOCK, next);
  TAKE(areas, points, SQUARE_PATCH * round_up(channels, 2 * VECTOR_FLOATS), next);
  TAKE(areas, border, SQUARE_POINTS * channels, next);
  TAKE(areas, sums, SQUARE_BLOCK * SQUARE_POINTS * SQUARE_COLUMNS, next);
  areas.bytes = (size_t)(next - (char *)memory);
  return areas;
}

static size_t convolution_int16_scratch_bytes(sana_convolution_form form, size_t channels) {
  (void)form;
  return square_areas(channels, NULL).bytes;
}

static size_t convolution_int16_block(sana_convolution_form form, size_t channels) {
  (void)form, (void)channels;
  return SQUARE_BLOCK;
}

// Tiles of 4x4 results, counted through rows and batch; y and x are those of the first result.
INLINE convolution_tile find_square(const sana_convolution *layer, size_t index) {
  const size_t across = (layer->width + SQUARE - 1) / SQUARE;
  const size_t down = (layer->height + SQUARE - 1) / SQUARE;
  return (convolution_tile){
      .batch = index / across / down,
      .y = index / across % down * SQUARE,
      .x = index % across * SQUARE,
  };
}
#endif
