#pragma once
#include <stddef.h>

/// The version of the libpng this was built against, for `--version` reports.
const char *sana_png_version(void);
