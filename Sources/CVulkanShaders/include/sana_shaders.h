// The kernels of the Vulkan back end, compiled to SPIR-V by Tools/build_shaders.sh.
#ifndef SANA_SHADERS_H
#define SANA_SHADERS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *name;
  // Storage buffers, bound at 0, 1, ...
  uint32_t buffers;
  uint32_t word_count;
  // Each word as five characters, '#' and up without '?' and '\\', the least digit of base 85
  // first.
  const char *text;
} sana_shader;

uint32_t sana_shader_count(void);
sana_shader sana_shader_at(uint32_t index);
// SHA-256 of the sources, the manifest and the scripts that compiled them, in hexadecimal.
const char *sana_shader_digest(void);

// Writes the shader's `word_count` words.
void sana_shader_decode(sana_shader shader, uint32_t *words);

#endif
