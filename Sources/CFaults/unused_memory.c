#include "CFaults.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

void sana_release_unused_memory(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}
