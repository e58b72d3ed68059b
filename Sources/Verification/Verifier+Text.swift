internal import SanaEngine
internal import Traces
internal import WeightFormats

/// Prompts to captions.
extension Verifier {
  /// Captions for the transformer, the unconditional half first: computed from the prompts if the model has a text encoder, otherwise the
  /// trace's.
  func captions(of reference: ReferenceCase) throws -> Captions {
    let group = "\(reference.path)/text"
    guard let encoder = model.textEncoder else {
      report.omit("text (the model has no text encoder)")
      return try recordedCaptions(of: reference)
    }
    let preparation = try PromptPreparation(
      tokenizer: encoder.tokenizer, instruction: reference.usesInstruction ? .standard : .none)
    let resident = device.backend.load(encoder.weights)
    let positive = try encode(
      reference.prompts.map(preparation.prepare), encoder, resident, "\(group)/positive",
      captions: "\(group)/prompt_embeds")
    guard let negativePrompt = reference.negativePrompt, isGuided(reference) else {
      return Captions(positive, channels: encoder.configuration.hiddenSize)
    }
    // One text for all prompts of the case; the pipeline computes it as often as there are prompts.
    let prepared = try preparation.prepareNegative(negativePrompt)
    let negative = try encode(
      reference.prompts.map { _ in prepared }, encoder, resident, "\(group)/negative",
      captions: "\(group)/negative_prompt_embeds")
    return Captions(negative + positive, channels: encoder.configuration.hiddenSize)
  }

  /// Guidance in the form of a second, unconditional batch half; Sprint's transformer takes the scale as an input instead.
  func isGuided(_ reference: ReferenceCase) -> Bool {
    reference.negativePrompt != nil
      && ClassifierFreeGuidance.isActive(scale: Float(reference.guidanceScale))
  }

  /// Compares tokens, every layer and the captions.
  /// - Returns: the captions' rows of each prompt.
  private func encode(
    _ prompts: [PreparedPrompt], _ encoder: ModelUnderTest.TextEncoder,
    _ resident: any ResidentModel, _ group: String, captions: String
  ) throws -> [[Float]] {
    try compareTokens(prompts, group)
    let channels = encoder.configuration.hiddenSize
    let counts = prompts.map(\.tokens.count)
    let longest = counts.max() ?? 1
    let made = GemmaEncoder(encoder.configuration).graph(
      tokens: longest, batch: prompts.count, fusion: .observable)
    let executable = try device.prepare(made.graph, on: resident, from: encoder.weights)
    executable.write(
      HostTensor(
        .tokens(batch: prompts.count, count: longest, channels: 1),
        integers: prompts.flatMap {
          $0.tokens + [Int32](repeating: 0, count: longest - $0.tokens.count)
        }), to: made.inputIdentifiers)
    let layers = "\(group)/hidden_states"
    let hidden = trace.contains(layers) ? try trace.floats(layers) : nil
    try executable.run { name, tensor in
      if let hidden, let layer = Self.layer(of: name), hidden.shape.first ?? 0 > layer {
        try self.checkpoint()
        var comparison = Comparison()
        try self.addTokens(of: hidden[layer], tensor, counts, layers, to: &comparison)
        self.report.add(
          ComparedValue(name: "\(layers)[\(layer)]", kind: .forwardPass, comparison: comparison))
      } else {
        try self.compare(name, tensor, in: group, .forwardPass, counts: counts)
      }
    }
    let states = executable.read(made.lastHiddenState).values
    let rows = prompts.enumerated().map { element, prompt in
      prompt.captionRows.flatMap { row in
        let start = (element * longest + row) * channels
        return states[start..<start + channels]
      }
    }
    if trace.contains(captions) {
      let own = Captions(rows, channels: channels)
      var comparison = Comparison()
      try addTokens(
        of: trace.floats(captions), own.tensor, own.counts, captions, to: &comparison)
      report.add(ComparedValue(name: captions, kind: .forwardPass, comparison: comparison))
    }
    return rows
  }

  private static func layer(of name: String) -> Int? {
    let prefix = "hidden_states."
    return name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count)) : nil
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
      "\(group)/input_ids", .exact, reference: zip(expected, mask).map { Float($0 * $1) },
      result: prompts.flatMap { padded($0.tokens) })
    try add(
      "\(group)/attention_mask", .exact, reference: mask.map(Float.init),
      result: prompts.flatMap { padded($0.tokens.map { _ in 1 }) })
  }

  /// The captions that the trace holds.
  func recordedCaptions(of reference: ReferenceCase) throws -> Captions {
    let parts = try (isGuided(reference) ? ["negative_prompt", "prompt"] : ["prompt"]).map {
      let path = "\(reference.path)/text/\($0)"
      let rows = try trace.floats("\(path)_embeds")
      guard rows.shape.count == 3, rows.shape[0] == reference.prompts.count else {
        throw reader.mismatch("'\(path)_embeds' has shape \(rows.shape)")
      }
      let mask = try reader.integers(
        "\(path)_attention_mask", shape: [rows.shape[0], rows.shape[1]])
      return (rows: rows, mask: TraceArray(shape: [rows.shape[0], rows.shape[1]], values: mask))
    }
    let channels = parts[0].rows.shape[2]
    guard channels > 0, parts.allSatisfy({ $0.rows.shape[2] == channels }) else {
      throw reader.mismatch("the captions of '\(reference.path)' have no common width")
    }
    let elements = parts.flatMap { part in
      reference.prompts.indices.map { element in
        let count = part.mask[element].values.count { $0 != 0 }
        return Array(part.rows[element].values.prefix(count * channels))
      }
    }
    return Captions(elements, channels: channels)
  }
}
