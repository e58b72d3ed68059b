#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Norms over the channels of a row, a workgroup each.
layout(constant_id = 0) const uint form = 0;  // 0 root mean square, 1 layer norm with modulation
layout(constant_id = 1) const uint hasWeight = 0;
layout(constant_id = 2) const uint hasBias = 0;
layout(constant_id = 3) const uint hasResidual = 0;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float weight[]; };  // or the scale
layout(binding = 2) readonly buffer B { float bias[]; };    // or the shift
layout(binding = 3) readonly buffer R { float residual[]; };
layout(binding = 4) buffer Y { float y[]; };
shared float partial[64];

float sumOfAll(float own) {
  uint lane = gl_LocalInvocationID.x;
  partial[lane] = own;
  barrier();
  for (uint half_ = 32; half_ > 0; half_ /= 2) {
    if (lane < half_) partial[lane] += partial[lane + half_];
    barrier();
  }
  float sum = partial[0];
  barrier();
  return sum;
}

void main() {
  uint rows = push.u[0], channels = push.u[1], first = push.u[2], count = push.u[3];
  uint row = workgroup(), lane = gl_LocalInvocationID.x, start = row * channels;
  if (row >= rows) return;
  float mean = 0.0;
  if (form == 1) {
    float sum = 0.0;
    for (uint c = lane; c < channels; c += 64) sum += x[start + c];
    mean = sumOfAll(sum) / float(channels);
  }
  float squares = 0.0;
  for (uint c = lane; c < count; c += 64) {
    float d = x[start + first + c] - mean;
    squares += d * d;
  }
  float scale = 1.0 / sqrt(sumOfAll(squares) / float(count) + number(4));
  uint image = row / push.u[6];
  for (uint c = lane; c < channels; c += 64) {
    float result = x[start + c];
    if (form == 1) {
      result = (result - mean) * scale * (1.0 + weight[image * push.u[7] + push.u[8] + c]) +
               bias[image * push.u[9] + push.u[10] + c];
    } else if (c >= first && c < first + count) {
      result *= scale * ((hasWeight != 0 ? weight[c - first] : 1.0) + number(5));
      if (hasBias != 0) result += bias[c - first];
    }
    if (hasResidual != 0) result += residual[start + c];
    y[start + c] = result;
  }
}
