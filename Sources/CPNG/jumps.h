#pragma once
#include <png.h>

// libpng reports an error by a jump. Everything that must survive it lives in a structure outside
// the function that calls setjmp, and no jump ever leaves this target.

static inline void fail(png_structp png, png_const_charp message) {
  (void)message;
  png_longjmp(png, 1);
}

static inline void ignore(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}
