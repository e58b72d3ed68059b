#include "CPNG.h"
#include <png.h>

const char *sana_png_version(void) { return PNG_LIBPNG_VER_STRING; }
