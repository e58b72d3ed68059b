#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Convolutions of every channel by itself, and products of groups of channels.
layout(constant_id = 0) const uint form = 0;  // 0 depthwise, 1 depthwise with its gate, 2 groups
layout(constant_id = 1) const uint hasBias = 0;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float w[]; };
layout(binding = 2) readonly buffer B { float bias[]; };
layout(binding = 3) buffer Y { float y[]; };

float depthwise(uint row, uint channel) {
  uint channels = push.u[2], height = push.u[3], width = push.u[4], kernel = push.u[5];
  int atX = int(row % width), atY = int(row / width % height);
  uint image = row / (width * height);
  float sum = hasBias != 0 ? bias[channel] : 0.0;
  for (uint tapY = 0; tapY < kernel; tapY++) {
    for (uint tapX = 0; tapX < kernel; tapX++) {
      int sourceY = atY + int(tapY) - int(kernel / 2), sourceX = atX + int(tapX) - int(kernel / 2);
      if (sourceY < 0 || sourceX < 0 || sourceY >= int(height) || sourceX >= int(width)) continue;
      sum += x[((image * height + uint(sourceY)) * width + uint(sourceX)) * channels + channel] *
             w[(tapY * kernel + tapX) * channels + channel];
    }
  }
  return sum;
}

void main() {
  uint rows = push.u[0], outputs = push.u[1], channels = push.u[2];
  uint index = invocation();
  if (index >= rows * outputs) return;
  uint row = index / outputs, channel = index % outputs;
  if (form == 2) {
    uint depth = push.u[3], group = channel / push.u[4];
    float sum = 0.0;
    for (uint k = 0; k < depth; k++)
      sum += x[row * channels + group * depth + k] * w[channel * depth + k];
    y[index] = sum;
    return;
  }
  float result = depthwise(row, channel);
  if (form == 1) result *= activated(2, depthwise(row, channel + outputs));
  y[index] = result;
}
