internal import SanaEngine
internal import SanaGraph
internal import Support
internal import WeightFormats

/// Whether two models are variants of one: the same networks, tokenizer and schedule, with other
/// numbers.
struct ModelAgreement {
  let reference: PipelineModel
  let tested: PipelineModel

  /// - Throws: `.tensorMismatch` that names what differs.
  func check() throws {
    try check("text encoders", reference.textEncoder == tested.textEncoder)
    try check("transformers", reference.transformer == tested.transformer)
    try check("autoencoders", reference.autoencoder == tested.autoencoder)
    try check("schedulers", reference.scheduler == tested.scheduler)
  }

  /// - Throws: `.tensorMismatch` where the tokenizers cut a prompt into different tokens.
  func check(_ prompts: [PreparedPrompt], _ others: [PreparedPrompt]) throws {
    try check("tokenizers", zip(prompts, others).allSatisfy { $0.tokens == $1.tokens })
  }

  private func check(_ what: String, _ isSame: Bool) throws {
    guard !isSame else { return }
    throw SanaError(
      .tensorMismatch,
      "its \(what.dropLast()) is not that of '\(reference.file.path.printablePath)' in other numbers: the two \(what) differ",
      remedy: "compare variants of one model; sana-convert diff says what differs",
      location: tested.file.path)
  }
}
