// int8 convolutions block by block: quantize patches, multiply them point by point with every panel, store results.

INLINE void convolve_block(
    const bool winograd, const sana_convolution *layer, size_t tile, size_t tiles, size_t block,
    const convolution_scratch *scratch) {
  const size_t points = winograd ? 16 : 9, outputs = layer->outputs;
  const size_t stride = patch_stride(layer->channels);
  const size_t groups = round_up(layer->channels, INT8_GROUP) / INT8_GROUP;
  const size_t panel_bytes = int8_panel_bytes(layer->channels);
  convolution_tile place = find_convolution_tile(layer, tile);
  for (size_t r = 0; r < round_up(tiles, TILE_ROWS); r++) {
    quantize_tile(winograd, layer, place, block, r, scratch);
    scratch->targets[r] = find_tile_targets(layer, place);
    // What fills up the last rows repeats the last tile and is not stored.
    if (r + 1 < tiles) advance_tile(layer, &place);
  }
  for (size_t n = 0; n < outputs; n += PANEL) {
    const size_t count = min_size(PANEL, outputs - n);
    for (size_t r = 0; r < tiles; r += TILE_ROWS) {
      for (size_t point = 0; point < points; point++) {
        const size_t panel = n / PANEL * points + point;
        prefetch_results(layer, scratch->targets + r, n, point, points);
        multiply_int8_panel(
            groups, scratch->codes + (point * block + r) * stride, stride,
            scratch->scales + point * block + r, layer->weight.codes + panel * panel_bytes,
            layer->weight.scales + panel * PANEL, layer->weight.offsets + panel * PANEL,
            scratch->sums + point * TILE_ROWS * PANEL);
      }
      for (size_t i = r; i < min_size(r + TILE_ROWS, tiles); i++) {
        store_results(
            winograd, layer, scratch->sums + (i - r) * PANEL, scratch->targets + i, n, count);
      }
    }
  }
}

// Tiles of 2x2 results `tile ..< tile_end`, all output channels.
static void convolution_int8(
    const sana_convolution *layer, size_t tile, size_t tile_end, void *memory) {
  const size_t block = convolution_int8_block(layer->form, layer->channels);
  const convolution_scratch scratch =
      convolution_areas(layer->form, layer->channels, memory);
  for (size_t t = tile; t < tile_end; t += block) {
    const size_t tiles = min_size(block, tile_end - t);
    if (layer->form == SANA_CONVOLUTION_WINOGRAD) {
      convolve_block(true, layer, t, tiles, block, &scratch);
    } else {
      convolve_block(false, layer, t, tiles, block, &scratch);
    }
  }
}
