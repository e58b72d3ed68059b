// Element by element.

static void activate_all(
    const float *input, sana_activation activation, float *output, size_t count) {
  for (size_t i = 0; i < count; i += VECTOR_FLOATS) {
    const size_t valid = min_size(VECTOR_FLOATS, count - i);
    store_up_to(output + i, activate(load_up_to(input + i, valid), activation), valid);
  }
}

static void add_all(const float *first, const float *second, float *output, size_t count) {
  for (size_t i = 0; i < count; i++) output[i] = first[i] + second[i];
}

static void multiply_add_all(
    const float *residual, const float *gate, const float *input, float *output, size_t count) {
  for (size_t i = 0; i < count; i++) output[i] = residual[i] + gate[i] * input[i];
}

// output = activation(gate) * input
static void gate_all(
    const float *gate, sana_activation activation, const float *input, float *output,
    size_t count) {
  for (size_t i = 0; i < count; i += VECTOR_FLOATS) {
    const size_t valid = min_size(VECTOR_FLOATS, count - i);
    const vfloat g = activate(load_up_to(gate + i, valid), activation);
    store_up_to(output + i, g * load_up_to(input + i, valid), valid);
  }
}
