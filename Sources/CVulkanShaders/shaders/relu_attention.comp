#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Attention with ReLU: sums of keys times values of a run of positions (0), those of all runs in
// order (1), queries times sums (2), or by scores (3).
layout(constant_id = 0) const uint form = 0;
layout(constant_id = 1) const uint triples = 0;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) buffer S { float sums[]; };
layout(binding = 2) buffer Y { float y[]; };

void main() {
  uint images = push.u[0], positions = push.u[1], heads = push.u[2], size = push.u[3];
  uint run = push.u[4], runs = push.u[5];
  uint width = heads * size, cells = size * (size + 1);
  uint index = invocation();
  if (form == 0) {
    if (index >= images * heads * runs * cells) return;
    uint cell = index % cells, part = index / cells % runs, head = index / cells / runs % heads;
    uint image = index / cells / runs / heads, i = cell / (size + 1), j = cell % (size + 1);
    uint key = triples != 0 ? (3 * head + 1) * size : width + head * size;
    uint value = triples != 0 ? (3 * head + 2) * size : 2 * width + head * size;
    float sum = 0.0;
    for (uint p = part * run; p < min(positions, (part + 1) * run); p++) {
      uint start = (image * positions + p) * 3 * width;
      sum += max(x[start + key + i], 0.0) * (j < size ? x[start + value + j] : 1.0);
    }
    sums[index] = sum;
  } else if (form == 1) {
    // The sums of a head follow those of all runs.
    if (index >= images * heads * cells) return;
    uint cell = index % cells, head = index / cells;
    float sum = 0.0;
    for (uint part = 0; part < runs; part++) sum += sums[(head * runs + part) * cells + cell];
    sums[images * heads * runs * cells + index] = sum;
  } else {
    if (index >= images * positions * width) return;
    uint channel = index % size, head = index / size % heads, row = index / width;
    uint image = row / positions;
    uint start = row * 3 * width + (triples != 0 ? 3 * head * size : head * size);
    float numerator = 0.0, denominator = 0.0;
    if (form == 2) {
      uint base = (images * heads * runs + image * heads + head) * cells;
      for (uint i = 0; i < size; i++) {
        float query = max(x[start + i], 0.0);
        numerator += query * sums[base + i * (size + 1) + channel];
        denominator += query * sums[base + i * (size + 1) + size];
      }
    } else {
      uint key = triples != 0 ? (3 * head + 1) * size : width + head * size;
      uint value = triples != 0 ? (3 * head + 2) * size : 2 * width + head * size;
      for (uint p = 0; p < positions; p++) {
        uint other = (image * positions + p) * 3 * width;
        float score = 0.0;
        for (uint i = 0; i < size; i++)
          score += max(x[start + i], 0.0) * max(x[other + key + i], 0.0);
        numerator += score * x[other + value + channel];
        denominator += score;
      }
    }
    y[index] = numerator / (denominator + 1e-15);
  }
}
