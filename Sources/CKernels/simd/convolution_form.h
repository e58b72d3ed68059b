// int8 convolutions with fewer multiplications: patches and weights are transformed, multiplied point by point, and the sums
// are transformed back. What is quantized are the transformed numbers, so the transforms cost no range:
//   F(2x2, 3x3)  a 4x4 patch gives 2x2 positions of a 3x3 convolution through 16 points instead of 36 taps;
//   upsampling   a 3x3 patch gives the 2x2 positions of one pixel through 9 points instead of 16 taps.

enum {
  MAXIMUM_POINTS = 16,
  // Quantized patches of a block; with the weights of a panel they stay in the second-level cache.
  PATCH_BYTES = SECOND_LEVEL_CACHE / 32 * 9,
};

INLINE size_t form_side(sana_convolution_form form) {
  return form == SANA_CONVOLUTION_WINOGRAD ? 4 : 3;
}

INLINE size_t form_points(sana_convolution_form form) { return form_side(form) * form_side(form); }

// Columns of a weight row that one transformed row is made from: taps of all phases.
INLINE size_t form_taps(sana_convolution_form form) {
  return form == SANA_CONVOLUTION_WINOGRAD ? 9 : 16;
}

// Elements from one quantized patch to the next; not a multiple of what would put a tile's patches into few cache sets.
INLINE size_t patch_stride(size_t channels) {
  const size_t stride = round_up(channels, 64);
  return stride % 512 ? stride : stride + 64;
}

static size_t convolution_int8_block(sana_convolution_form form, size_t channels) {
  const size_t tile = form_points(form) * patch_stride(channels) * sizeof(quantized) * TILE_ROWS;
  const size_t tiles = PATCH_BYTES / tile;
  return (tiles < 1 ? 1 : tiles > 8 ? 8 : tiles) * TILE_ROWS;
}

// Where the results of a tile go.
typedef struct {
  // Of the four, those inside the image.
  bool inside[4];
  // Floats from the start of output and residual.
  size_t place[4];
  // Of an upsampled pixel: floats from the start of the input.
  size_t source;
} tile_targets;

// Scratch memory of a thread.
typedef struct {
  // [point][block][patch_stride]
  quantized *codes;
  // [point][block]
  float *scales;
  // A line of a transformed patch, [channels / VECTOR_FLOATS][4][VECTOR_FLOATS]
  float *points;
  // One patch that reaches beyond the image
  float *border;
  // Sums of a tile, [point][TILE_ROWS][PANEL]
  float *sums;
  // [block]
  tile_targets *targets;
  size_t bytes;
} convolution_scratch;

// Gives an area of scratch memory the next `count` of its elements.
#define TAKE(areas, field, count, next) \
  areas.field = (void *)next; \
  next += round_up((count) * sizeof *areas.field, 64)

INLINE convolution_scratch convolution_areas(
    sana_convolution_form form, size_t channels, void *memory) {
  const size_t points = form_points(form), block = convolution_int8_block(form, channels);
  const size_t width = round_up(channels, VECTOR_FLOATS);
  char *next = memory;
  convolution_scratch areas;
  TAKE(areas, codes, points * block * patch_stride(channels), next);
  TAKE(areas, scales, points * block, next);
  TAKE(areas, points, 4 * width, next);
  TAKE(areas, border, points * channels, next);
  TAKE(areas, sums, points * TILE_ROWS * PANEL, next);
  TAKE(areas, targets, block, next);
  areas.bytes = (size_t)(next - (char *)memory);
  return areas;
}

static size_t convolution_int8_scratch_bytes(sana_convolution_form form, size_t channels) {
  return convolution_areas(form, channels, NULL).bytes;
}

typedef struct {
  size_t batch, y, x;
} convolution_tile;

// Tiles of 2x2 results, counted through rows and batch; y and x are those of the first result.
INLINE convolution_tile find_convolution_tile(const sana_convolution *layer, size_t index) {
  const bool winograd = layer->form == SANA_CONVOLUTION_WINOGRAD;
  const size_t across = winograd ? (layer->width + 1) / 2 : layer->width;
  const size_t down = winograd ? (layer->height + 1) / 2 : layer->height;
  return (convolution_tile){
      .batch = index / across / down, .y = index / across % down * 2, .x = index % across * 2};
}

INLINE void advance_tile(const sana_convolution *layer, convolution_tile *tile) {
  const size_t scale = layer->form == SANA_CONVOLUTION_WINOGRAD ? 1 : 2;
  tile->x += 2;
  if (tile->x < layer->width * scale) return;
  tile->x = 0;
  tile->y += 2;
  if (tile->y < layer->height * scale) return;
  tile->y = 0;
  tile->batch++;
}
