#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// What makes each number from few others: an invocation a number.
layout(constant_id = 0) const uint form = 0;
layout(constant_id = 1) const uint option_ = 0;  // an activation, or whether there is a gate
layout(binding = 0) readonly buffer A { float a[]; };
layout(binding = 1) readonly buffer B { float b[]; };
layout(binding = 2) readonly buffer C { float c[]; };
layout(binding = 3) buffer Y { float y[]; };

// Cosine (quarter 1) or sine (quarter 0) of angles of thousands, exact to f32's last bits: devices
// promise little beyond pi.
float turned(float angle, uint quarter) {
  precise float turns = roundEven(angle * 0.636619772367581);
  precise float rest = fma(turns, -1.5707962513, angle);
  rest = fma(turns, -7.5497894159e-8, rest);
  rest = fma(turns, -5.3903029534742e-15, rest);
  uint which = (uint(int(turns)) + quarter) & 3u;
  float square = rest * rest;
  float sine = rest + rest * square * (-0.16666666666 + square * (0.00833333333 + square * (-0.000198412698 + square * 2.7557319e-6)));
  float cosine = 1.0 + square * (-0.5 + square * (0.0416666666 + square * (-0.00138888889 + square * (2.48015873e-5 + square * -2.7557319e-7))));
  float result = (which & 1u) != 0 ? cosine : sine;
  return (which & 2u) != 0 ? -result : result;
}

// Channel of pixel (row) after a pixel shuffle of `source`, every channel of which stands `repeats` times.
uint shuffled(uint row, uint channel, uint factor, uint repeats, uint width, uint channels) {
  uint atX = row % width, line = row / width;
  uint source = (channel * factor + line % factor) * factor + atX % factor;
  return (line / factor * (width / factor) + atX / factor) * channels + source / repeats;
}
// Channel of pixel (row) after a pixel unshuffle.
uint unshuffled(uint row, uint channel, uint factor, uint width, uint channels) {
  uint atX = row % width, line = row / width, offset = channel % (factor * factor);
  return ((line * factor + offset / factor) * width * factor + atX * factor + offset % factor) *
             channels + channel / (factor * factor);
}

void main() {
  uint rows = push.u[0], channels = push.u[1];
  uint index = invocation();
  if (index >= rows * channels) return;
  uint row = index / channels, channel = index % channels;
  if (form == 0) {  // a sum; the second operand over and over
    y[index] = a[index] + b[index % push.u[2]];
  } else if (form == 1) {  // gated, with a residual
    float gate = option_ != 0 ? c[row / push.u[2] * push.u[3] + push.u[4] + channel] : 1.0;
    y[index] = b[index] + gate * a[index];
  } else if (form == 2) {
    y[index] = activated(option_, a[index]);
  } else if (form == 3) {  // gated linear unit
    y[index] = activated(option_, a[row * 2 * channels + channel]) * a[row * 2 * channels + channels + channel];
  } else if (form == 4) {  // a table
    y[index] = b[channel] + a[row * push.u[2] + channel % push.u[2]];
  } else if (form == 5) {  // a sinusoid
    uint half_ = channels / 2;
    precise float angle = a[row] * b[channel % half_];
    y[index] = turned(angle, channel < half_ ? 1 : 0);
  } else if (form == 6) {  // a part of the channels
    y[row * push.u[2] + push.u[3] + channel] = a[index];
  } else if (form == 7) {
    y[index] = a[shuffled(row, channel, 2, 1, push.u[2], push.u[3])];
  } else if (form == 8) {
    y[index] = a[unshuffled(row, channel, 2, push.u[2], push.u[3])];
  } else if (form == 9) {  // duplicated channels, added
    y[index] = b[index] + a[shuffled(row, channel, push.u[4], push.u[5], push.u[2], push.u[3])];
  } else if (form == 10) {  // averaged channels, added
    uint group = push.u[5];
    float sum = 0.0;
    for (uint i = 0; i < group; i++)
      sum += a[unshuffled(row, channel * group + i, push.u[4], push.u[2], push.u[3])];
    y[index] = b[index] + sum / float(group);
  } else {  // scaled
    y[index] = a[index] * number(2);
  }
}
