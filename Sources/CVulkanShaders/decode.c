#include "sana_shaders.h"

void sana_shader_decode(sana_shader shader, uint32_t *words) {
  const char *text = shader.text;
  for (uint32_t i = 0; i < shader.word_count; i++, text += 5) {
    uint32_t word = 0;
    for (int digit = 4; digit >= 0; digit--) {
      int character = text[digit];
      word = word * 85 + (uint32_t)(character - '#' - (character > '?') - (character > '\\'));
    }
    words[i] = word;
  }
}
