internal import SanaEngine
internal import SanaGraph
internal import Support
internal import Traces

/// The captions of a case: one for each prompt.
struct CaseCaptions {
  var conditional: [Caption]
  /// Those of the negative prompt, as many again; empty without guidance.
  var unconditional: [Caption] = []

  /// In the order of the transformer's batch.
  var all: [Caption] { unconditional + conditional }
}

/// Prompts to captions.
extension Verifier {
  /// Guidance in the form of an unconditional half of the batch; Sprint's transformer takes the scale as an input instead.
  func isGuided(_ reference: ReferenceCase) -> Bool {
    reference.negativePrompt != nil
      && ClassifierFreeGuidance.isActive(scale: Float(reference.guidanceScale))
  }

  /// Computed from the prompts if the model has a text encoder, otherwise the trace's own; none for
  /// an autoencoder alone.
  func captions(of reference: ReferenceCase) throws -> CaseCaptions {
    guard let encoder = model.textEncoder else {
      report.omit("text (the model has no text encoder)")
      return model.transformer == nil
        ? CaseCaptions(conditional: []) : try recordedCaptions(of: reference)
    }
    let group = "\(reference.path)/text"
    let preparation = try PromptPreparation(
      tokenizer: encoder.tokenizer, instruction: reference.usesInstruction ? .standard : .none,
      captionLength: reference.captionLength, positions: encoder.configuration.maximumPositions)
    let stage = try TextEncoderStage(
      encoder.configuration, source: encoder.weights, backend: backend,
      context: RunContext(cancellation: cancellation))
    var captions = CaseCaptions(
      conditional: try encode(
        reference.prompts.map(preparation.prepare), stage, "\(group)/positive",
        captionPath: "\(group)/prompt_embeds"))
    if isGuided(reference), let negative = reference.negativePrompt {
      // One text for all prompts of the case; PyTorch computes it as often as there are prompts.
      let prepared = try preparation.prepareNegative(negative)
      captions.unconditional = try encode(
        reference.prompts.map { _ in prepared }, stage, "\(group)/negative",
        captionPath: "\(group)/negative_prompt_embeds")
    }
    return captions
  }

  /// Compares tokens, every layer and the captions of some prompts.
  private func encode(
    _ prompts: [PreparedPrompt], _ stage: TextEncoderStage, _ group: String,
    captionPath: String
  ) throws -> [Caption] {
    try compareTokens(prompts, group)
    let layers =
      try prompts.isEmpty || !trace.contains("\(group)/hidden_states")
      ? nil : trace.floats("\(group)/hidden_states")
    let last =
      try trace.contains("\(group)/last_hidden_state")
      ? trace.floats("\(group)/last_hidden_state") : nil
    let expectedCaptions = try trace.floats(captionPath)
    try checkBatch(layers?.shape.dropFirst(), prompts.count, "\(group)/hidden_states")
    try checkBatch(last?.shape[...], prompts.count, "\(group)/last_hidden_state")
    try checkBatch(expectedCaptions.shape[...], prompts.count, captionPath)

    // Each value's comparison grows prompt by prompt.
    var comparisons: [(name: String, comparison: Comparison)] = []
    func grow(
      _ name: String, _ expected: TraceArray<Float>, _ tensor: HostTensor
    ) throws {
      let index = comparisons.firstIndex { $0.name == name } ?? comparisons.count
      if index == comparisons.count { comparisons.append((name, Comparison())) }
      try addTokens(
        expected, tensor.values[...], count: tensor.shape.positions,
        channels: tensor.shape.channels, to: &comparisons[index].comparison, name)
    }
    let captions = try prompts.enumerated().map { element, prompt in
      let state = try stage.encode(prompt.tokens, fusion: .observable) { name, tensor in
        try self.cancellation.check()
        if let layers, let layer = Self.layer(of: name), layer < layers.shape[0] {
          try grow("\(group)/hidden_states[\(layer)]", layers[layer][element], tensor)
        } else if let last, name == "last_hidden_state" {
          try grow("\(group)/\(name)", last[element], tensor)
        }
      }
      // As a run makes it, which may find the instruction's part in the model file.
      let caption =
        try stage.knowsBeginning(of: prompt)
        ? stage.caption(of: prompt)
        : Caption(lastHiddenState: state, selecting: prompt.captionRows)
      try grow(captionPath, expectedCaptions[element], caption.rows)
      return caption
    }
    for (name, comparison) in comparisons { add(name, .forwardPass, comparison) }
    return captions
  }

  private static func layer(of name: String) -> Int? {
    let prefix = "hidden_states."
    return name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count)) : nil
  }

  /// - Parameter shape: of a recorded sequence, `[prompts, tokens, channels]`.
  private func checkBatch(_ shape: ArraySlice<Int>?, _ count: Int, _ path: String) throws {
    guard let shape else { return }
    guard shape.count == 3, shape.first == count else {
      throw reader.mismatch(
        "'\(path.abbreviated)' has shape \(Array(shape)), not that of \(count) sequences")
    }
  }

  private func compareTokens(_ prompts: [PreparedPrompt], _ group: String) throws {
    let length = prompts[0].paddedLength
    let shape = [prompts.count, length]
    let expected = try reader.integers("\(group)/input_ids", shape: shape)
    let mask = try reader.integers("\(group)/attention_mask", shape: shape)
    func padded(_ tokens: [Int32]) -> [Float] {
      tokens.map(Float.init) + [Float](repeating: 0, count: length - tokens.count)
    }
    try add(
      "\(group)/input_ids", .exact,
      reference: zip(expected, mask).map { $1 == 0 ? 0 : Float($0) },
      result: prompts.flatMap { padded($0.tokens) })
    try add(
      "\(group)/attention_mask", .exact, reference: mask.map(Float.init),
      result: prompts.flatMap { padded($0.tokens.map { _ in 1 }) })
  }

  /// The captions that the trace holds.
  func recordedCaptions(of reference: ReferenceCase) throws -> CaseCaptions {
    func captions(_ name: String) throws -> [Caption] {
      let path = "\(reference.path)/text/\(name)_embeds"
      let rows = try trace.floats(path)
      try checkBatch(rows.shape[...], reference.prompts.count, path)
      let (length, channels) = (rows.shape[1], rows.shape[2])
      let mask = try reader.integers(
        "\(reference.path)/text/\(name)_attention_mask",
        shape: [reference.prompts.count, length])
      return try reference.prompts.indices.map { element in
        let count = mask[element * length..<(element + 1) * length].count { $0 != 0 }
        guard count > 0 else {
          throw reader.mismatch("a caption of '\(path.abbreviated)' is empty")
        }
        return Caption(
          rows: HostTensor(
            .tokens(batch: 1, count: count, channels: channels),
            Array(rows[element].values.prefix(count * channels))))
      }
    }
    return CaseCaptions(
      conditional: try captions("prompt"),
      unconditional: isGuided(reference) ? try captions("negative_prompt") : [])
  }
}
