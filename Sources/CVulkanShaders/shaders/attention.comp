#version 450
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
// Softmax attention of a head of a row, a workgroup each; keys pass by 64 at a time.
layout(constant_id = 0) const uint causal = 0;
layout(binding = 0) readonly buffer Q { float q[]; };
layout(binding = 1) readonly buffer K { float kv[]; };
layout(binding = 2) readonly buffer N { int counts[]; };
layout(binding = 3) readonly buffer E { float earlier[]; };
layout(binding = 4) readonly buffer T { vec2 rotation[]; };  // cosine, sine: [position][pair]
layout(binding = 5) buffer Y { float y[]; };
shared float query[512], scores[64], reduced[64];

void main() {
  uint rows = push.u[0], heads = push.u[1], size = push.u[2];
  uint queryStride = push.u[3], keyStride = push.u[4], tokens = push.u[5], positions = push.u[6];
  uint before = push.u[7], window = push.u[8], headsPerKey = push.u[11];
  uint group = workgroup(), lane = gl_LocalInvocationID.x;
  if (group >= rows * heads) return;
  uint row = group / heads, head = group % heads, image = row / positions;
  uint half_ = size / 2, keyHead = head / headsPerKey;
  uint keyStart = push.u[12] + keyHead * size, valueStart = push.u[13] + keyHead * size;
  uint first = 0, end;
  if (causal != 0) {
    end = before + row % positions + 1;
    if (window != 0 && end > window) first = end - window;
  } else {
    end = uint(clamp(counts[image], 0, int(tokens)));
  }
  for (uint c = lane; c < size; c += 64) {
    float own = q[row * queryStride + head * size + c];
    if (causal != 0 && c < 2 * half_) {
      vec2 turn = rotation[(end - 1) * half_ + c % half_];
      float other = q[row * queryStride + head * size + (c < half_ ? c + half_ : c - half_)];
      own = own * turn.x + (c < half_ ? -other : other) * turn.y;
    }
    query[c] = own;
  }
  barrier();
  float greatest = uintBitsToFloat(0xFF800000u), total = 0.0;
  float sums[8];
  for (uint i = 0; i < 8; i++) sums[i] = 0.0;
  for (uint start = first; start < end; start += 64) {
    uint position = start + lane;
    float score = uintBitsToFloat(0xFF800000u);
    if (position < end) {
      score = 0.0;
      bool isEarlier = position < before;
      uint base = isEarlier
          ? position * push.u[14] + keyHead * size
          : (image * tokens + position - before) * keyStride + keyStart;
      if (causal != 0) {
        for (uint i = 0; i < half_; i++) {
          vec2 turn = rotation[position * half_ + i];
          float one = isEarlier ? earlier[base + i] : kv[base + i];
          float two = isEarlier ? earlier[base + i + half_] : kv[base + i + half_];
          score += query[i] * (one * turn.x - two * turn.y) +
                   query[i + half_] * (two * turn.x + one * turn.y);
        }
      } else {
        for (uint i = 0; i < size; i++) score += query[i] * kv[base + i];
      }
      score *= number(9);
      float cap = number(10);
      if (cap > 0.0) {
        float e = exp(-2.0 * abs(score / cap));
        score = cap * sign(score) * (1.0 - e) / (1.0 + e);
      }
    }
    scores[lane] = score;
    reduced[lane] = score;
    barrier();
    for (uint step_ = 32; step_ > 0; step_ /= 2) {
      if (lane < step_) reduced[lane] = max(reduced[lane], reduced[lane + step_]);
      barrier();
    }
    float newGreatest = max(greatest, reduced[0]);
    float shrink = exp(greatest - newGreatest);
    barrier();
    scores[lane] = exp(scores[lane] - newGreatest);
    barrier();
    uint count = min(64, end - start);
    total *= shrink;
    for (uint k = 0; k < count; k++) total += scores[k];
    uint slot = 0;
    for (uint c = lane; c < size; c += 64, slot++) {
      float sum = sums[slot] * shrink;
      for (uint k = 0; k < count; k++) {
        uint other = start + k;
        float value = other < before
            ? earlier[other * push.u[14] + push.u[15] + keyHead * size + c]
            : kv[(image * tokens + other - before) * keyStride + valueStart + c];
        sum += scores[k] * value;
      }
      sums[slot] = sum;
    }
    greatest = newGreatest;
    barrier();
  }
  uint slot = 0;
  for (uint c = lane; c < size; c += 64, slot++)
    y[(row * heads + head) * size + c] = end > first ? sums[slot] / total : 0.0;
}
