internal import SanaGraph
internal import SanaModels
public import WeightFormats

extension TextEncoderStage {
  /// What the network makes of the tokens that prompts will begin with, as tensors for the model file (`InstructionTensors`).
  ///
  /// - Parameters:
  ///   - tokens: from the beginning token on; at least one.
  ///   - encoding: f32, f16 or bf16, of keys and values; one whose numbers f16 cannot hold stays f32.
  /// - Throws: as `encode`; `.numericalFailure` for keys or values that are no numbers.
  public func instructionTensors(
    of tokens: [Int32], encoding: TensorEncoding
  ) throws -> [StoredTensor] {
    var keyValues: [StoredTensor] = []
    let lastHiddenState = try encode(tokens) { [encoder] name, tensor in
      guard name == GemmaEncoder.queryKeyValueName(layer: keyValues.count) else { return }
      try self.requireFinite(tensor, name, tokens)
      keyValues.append(
        StoredTensor(
          InstructionTensors.keyValue(layer: keyValues.count),
          shape: [tokens.count, encoder.keyValueWidth],
          encoder.keyValues(of: tensor), encoding: encoding))
    }
    let width = lastHiddenState.shape.channels
    return [
      StoredTensor(InstructionTensors.tokens, integers: tokens),
      StoredTensor(
        InstructionTensors.firstHiddenState, shape: [1, width],
        Array(lastHiddenState.values.prefix(width)), encoding: .f32),
    ] + keyValues
  }
}
