public import WeightFormats

/// The text encoder with its weights on a device. They are released with the object.
public final class TextEncoderStage {
  private let encoder: GemmaEncoder
  private let model: any ResidentModel

  public init(
    _ configuration: TextEncoderConfiguration, source: any WeightSource, backend: any Backend
  ) {
    encoder = GemmaEncoder(configuration)
    model = backend.load(source)
  }

  /// The last hidden state of every token, `[1, tokens, hiddenSize]`.
  ///
  /// - Parameters:
  ///   - tokens: those that exist, without padding; at least one.
  ///   - fusion: `.observable` when the observer is to see every named value.
  /// - Throws: `.invalidArgument` for an id that the network has no row for, `.numericalFailure`, and what the back end throws.
  public func encode(
    _ tokens: [Int32], fusion: GraphBuilder.Fusion = .full, observer: ValueObserver? = nil
  ) throws -> HostTensor {
    let vocabulary = encoder.configuration.vocabularySize
    guard !tokens.isEmpty, tokens.allSatisfy({ 0..<Int32(clamping: vocabulary) ~= $0 }) else {
      throw SanaError(
        .invalidArgument, "the prompt's tokens are not all among the text encoder's \(vocabulary)",
        remedy: "convert the checkpoint again with the tokenizer that belongs to it")
    }
    let parts = encoder.graph(tokens: tokens.count, batch: 1, fusion: fusion)
    let executable = try model.prepare(parts.graph)
    executable.write(
      HostTensor(.tokens(batch: 1, count: tokens.count, channels: 1), integers: tokens),
      to: parts.inputIdentifiers)
    try executable.run(observer: observer)
    let hiddenState = executable.read(parts.lastHiddenState)
    try hiddenState.requireFinite("last_hidden_state")
    return hiddenState
  }

  /// The caption of a prepared prompt.
  /// - Throws: as `encode`.
  public func caption(of prompt: PreparedPrompt) throws -> Caption {
    Caption(
      lastHiddenState: try encode(prompt.tokens), selecting: prompt.captionRows)
  }
}
