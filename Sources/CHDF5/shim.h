#pragma once
#include <hdf5.h>

// HDF5's predefined types are C globals behind macros, which Swift 6 refuses to touch: reach them through functions.
static inline hid_t sana_hdf5_native_float(void) { return H5T_NATIVE_FLOAT; }
