#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// y = residual + gate * activation(x w^T + bias); convolutions gather their pixels tap by tap.
layout(constant_id = 0) const uint form = 0;  // 0 rows, 1 convolution, 2 upsampling by phases
layout(constant_id = 1) const uint activation = 0;
layout(constant_id = 2) const uint hasBias = 0;
layout(constant_id = 3) const uint hasGate = 0;
layout(constant_id = 4) const uint hasResidual = 0;
layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float w[]; };
layout(binding = 2) readonly buffer B { float bias[]; };
layout(binding = 3) readonly buffer G { float gate[]; };
layout(binding = 4) readonly buffer R { float residual[]; };
layout(binding = 5) buffer Y { float y[]; };
const uint tile = 32, depth = 16, pitch = depth + 1;
shared float rowTile[tile * pitch], weightTile[tile * pitch];

float gathered(uint row, uint k, uint phase) {
  uint depthOfAll = push.u[2], channels = push.u[3];
  if (form == 0) return x[row * depthOfAll + k];
  uint tap = k / channels, channel = k % channels;
  uint height = push.u[4], width = push.u[5];
  uint rowsHigh = form == 2 ? height : push.u[6], rowsWide = form == 2 ? width : push.u[7];
  int atX = int(row % rowsWide), atY = int(row / rowsWide % rowsHigh);
  uint image = row / (rowsWide * rowsHigh);
  if (form == 2) {
    atY += int(tap / 2 + phase / 2) - 1;
    atX += int(tap % 2 + phase % 2) - 1;
  } else {
    uint kernel = push.u[8];
    atY = atY * int(push.u[9]) - int(push.u[10]) + int(tap / kernel);
    atX = atX * int(push.u[9]) - int(push.u[10]) + int(tap % kernel);
  }
  if (atY < 0 || atX < 0 || atY >= int(height) || atX >= int(width)) return 0.0;
  return x[((image * height + uint(atY)) * width + uint(atX)) * channels + channel];
}

void main() {
  uint rows = push.u[0], columns = push.u[1], depthOfAll = push.u[2];
  uint phase = gl_WorkGroupID.z, lane = gl_LocalInvocationID.x;
  uint firstColumn = gl_WorkGroupID.x * tile, firstRow = gl_WorkGroupID.y * tile;
  uint myRow = lane / 8 * 4, myColumn = lane % 8 * 4;
  float sums[16];
  for (uint i = 0; i < 16; i++) sums[i] = 0.0;
  for (uint start = 0; start < depthOfAll; start += depth) {
    for (uint i = lane; i < tile * depth; i += 64) {
      uint line = i / depth, k = start + i % depth;
      uint row = firstRow + line, column = firstColumn + line;
      bool inside = k < depthOfAll;
      rowTile[line * pitch + i % depth] = inside && row < rows ? gathered(row, k, phase) : 0.0;
      weightTile[line * pitch + i % depth] =
          inside && column < columns ? w[(phase * columns + column) * depthOfAll + k] : 0.0;
    }
    barrier();
    for (uint k = 0; k < depth; k++) {
      for (uint i = 0; i < 4; i++) {
        float a = rowTile[(myRow + i) * pitch + k];
        for (uint j = 0; j < 4; j++)
          sums[i * 4 + j] += a * weightTile[(myColumn + j) * pitch + k];
      }
    }
    barrier();
  }
  for (uint i = 0; i < 4; i++) {
    uint row = firstRow + myRow + i;
    if (row >= rows) break;
    uint place = row;
    if (form == 2) {
      uint width = push.u[5], line = row / width;
      place = (2 * line + phase / 2) * 2 * width + 2 * (row % width) + phase % 2;
    }
    for (uint j = 0; j < 4; j++) {
      uint column = firstColumn + myColumn + j;
      if (column >= columns) break;
      float result = sums[i * 4 + j];
      if (hasBias != 0) result += bias[column];
      result = activated(activation, result);
      if (hasGate != 0) result *= gate[place / push.u[11] * push.u[12] + push.u[13] + column];
      if (hasResidual != 0) result += residual[place * columns + column];
      y[place * columns + column] = result;
    }
  }
}
