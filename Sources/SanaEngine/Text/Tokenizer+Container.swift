internal import Support
public import WeightFormats

extension Tokenizer {
  /// The tokenizer of a `.sana` file, whose files lie beside the text encoder's weights: the model
  /// made of a `tokenizer.json`, or else `tokenizer.model`.
  ///
  /// - Parameter textEncoder: the text encoder's component.
  /// - Throws: `.unsupported` when there is none of them, and what reading it throws.
  public convenience init(besides textEncoder: ComponentSource) throws {
    let documents = textEncoder.component.tensors.filter { $0.description.encoding == .plain(.u8) }
    guard let name = TokenizerFiles.decidingModel(among: documents.map(\.name)) else {
      throw SanaError(
        .unsupported, "the model has no tokenizer",
        remedy:
          "convert a checkpoint again whose tokenizer folder holds tokenizer.json or tokenizer.model"
      )
    }
    let contents = try textEncoder.load(name).values
    try self.init(model: withExtendedLifetime(contents) { Array(contents.bytes) })
  }
}
