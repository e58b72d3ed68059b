// What all kernels share: 64 invocations a workgroup, push constants by position, activations and
// weights in f32. Rows are pixels or tokens of all images, channels last.
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint u[24]; } push;

float number(uint position) { return uintBitsToFloat(push.u[position]); }
uint workgroup() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
uint invocation() { return workgroup() * 64 + gl_LocalInvocationID.x; }

// 0 nothing, 1 ReLU, 2 SiLU, 3 GELU by tanh
float activated(uint activation, float x) {
  if (activation == 1) return max(x, 0.0);
  if (activation == 2) return x / (1.0 + exp(-x));
  if (activation == 3) {
    float inner = 0.7978845608028654 * (x + 0.044715 * x * x * x);
    // tanh by an exponential that cannot overflow.
    float e = exp(-2.0 * abs(inner));
    return 0.5 * x * (1.0 + sign(inner) * (1.0 - e) / (1.0 + e));
  }
  return x;
}
