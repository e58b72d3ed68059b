internal import Support

/// Whether the parts of a pipeline belong together, as far as their configurations tell.
enum ComponentAgreement {
  /// - Returns: what the person should know.
  /// - Throws: `.invalidConfiguration` naming both numbers of the first contradiction.
  static func check(_ checkpoint: OfficialCheckpoint) throws(SanaError) -> String? {
    try check(
      checkpoint.components, scheduler: checkpoint.scheduler, location: checkpoint.path)
    return try checkVocabulary(
      of: checkpoint.tokenizerModel, against: checkpoint.components, location: checkpoint.path)
  }

  /// - Parameter scheduler: the pipeline's, where it is one that can be run.
  private static func check(
    _ components: [OfficialComponent], scheduler: SchedulerConfiguration?, location: String
  ) throws(SanaError) {
    var textEncoder: TextEncoderConfiguration?
    var transformer: TransformerConfiguration?
    var autoencoder: AutoencoderConfiguration?
    for component in components {
      switch component.configuration {
      case .textEncoder(let configuration): textEncoder = configuration
      case .transformer(let configuration): transformer = configuration
      case .autoencoder(let configuration): autoencoder = configuration
      }
    }
    func contradiction(_ message: String) -> SanaError {
      SanaError(
        .invalidConfiguration, "its parts do not belong together: \(message)",
        remedy: "take all parts from one release, or convert them one by one (--components)",
        location: location)
    }
    if let textEncoder, let transformer,
      textEncoder.hiddenSize != transformer.captionChannels
    {
      throw contradiction(
        "the text encoder's 'hidden_size' is \(textEncoder.hiddenSize), the transformer's 'caption_channels' \(transformer.captionChannels)"
      )
    }
    guard let transformer else { return }
    if let autoencoder, transformer.inputChannels != autoencoder.latentChannels {
      throw contradiction(
        "the transformer's 'in_channels' is \(transformer.inputChannels), the autoencoder's 'latent_channels' \(autoencoder.latentChannels)"
      )
    }
    guard let scheduler else { return }
    let isConsistency = if case .consistency = scheduler { true } else { false }
    if transformer.embedsGuidance != isConsistency {
      throw contradiction(
        "the transformer's 'guidance_embeds' is \(transformer.embedsGuidance), which \(transformer.embedsGuidance ? "only SCMScheduler runs" : "SCMScheduler does not run"), the scheduler is \(scheduler.officialClass)"
      )
    }
  }

  /// Compares the pieces of a tokenizer with the rows of the text encoder's embedding, of which
  /// there may be more.
  private static func checkVocabulary(
    of tokenizer: OfficialDocument?, against components: [OfficialComponent], location: String
  ) throws(SanaError) -> String? {
    for case .textEncoder(let configuration) in components.map(\.configuration) {
      guard let tokenizer, let model = try? SentencePieceModel(tokenizer.contents) else { continue }
      let count = model.pieces.count
      let rows = configuration.vocabularySize
      guard count <= rows else {
        throw SanaError(
          .invalidConfiguration,
          "its parts do not belong together: the tokenizer has \(count) pieces, the text encoder's 'vocab_size' is \(rows)",
          remedy: "take the tokenizer and the text encoder from one release", location: location)
      }
      guard count == rows else {
        return "the tokenizer has \(count) pieces, the text encoder \(rows) embeddings"
      }
    }
    return nil
  }
}
