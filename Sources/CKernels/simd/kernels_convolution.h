// The ways to compute an int8 convolution.

static const sana_convolution_kernels convolution_int8_kernels = {
    .side = 2,
    .packed_bytes = convolution_int8_packed_bytes,
    .packed_rows = convolution_int8_packed_rows,
    .pack_bytes = convolution_int8_pack_bytes,
    .pack = convolution_int8_pack,
    .block = convolution_int8_block,
    .scratch_bytes = convolution_int8_scratch_bytes,
    .compute = convolution_int8,
};

#if SANA_INT16
static const sana_convolution_kernels convolution_int16_kernels = {
    .side = SQUARE,
    .packed_bytes = convolution_int16_packed_bytes,
    .packed_rows = convolution_int16_packed_rows,
    .pack_bytes = convolution_int16_pack_bytes,
    .pack = convolution_int16_pack,
    .block = convolution_int16_block,
    .scratch_bytes = convolution_int16_scratch_bytes,
    .compute = convolution_int16,
};
#endif

static const sana_convolution_kernels *convolution_kernels(
    sana_convolution_form form, size_t channels) {
#if SANA_INT16
  if (form == SANA_CONVOLUTION_WINOGRAD && channels <= SQUARE_CHANNELS) {
    return &convolution_int16_kernels;
  }
#else
  (void)form, (void)channels;
#endif
  return &convolution_int8_kernels;
}
