public import WeightFormats

extension Tokenizer {
  /// The tokenizer of a `.sana` file, whose files lie beside the text encoder's weights as they were.
  ///
  /// - Parameter textEncoder: the text encoder's component.
  /// - Throws: `.unsupported` when there is no `tokenizer.model`, and what reading it throws.
  public convenience init(besides textEncoder: ComponentSource) throws {
    var files: [String: [UInt8]] = [:]
    for tensor in textEncoder.component.tensors where tensor.description.encoding == .plain(.u8) {
      // Of the others, which are large and say the same, only the presence matters.
      guard tensor.name == Self.modelFileName else {
        files[tensor.name] = []
        continue
      }
      let contents = try textEncoder.load(tensor.name).values
      files[tensor.name] = withExtendedLifetime(contents) { Array(contents.bytes) }
    }
    try self.init(files: files)
  }
}
