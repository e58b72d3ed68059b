public import Support

/// The configuration of any one component.
public enum ComponentConfiguration: Hashable, Sendable {
  case textEncoder(TextEncoderConfiguration)
  case transformer(TransformerConfiguration)
  case autoencoder(AutoencoderConfiguration)

  public var kind: ComponentKind {
    switch self {
    case .textEncoder: .textEncoder
    case .transformer: .transformer
    case .autoencoder: .autoencoder
    }
  }

  /// Reads a component's official `config.json`.
  /// - Parameter location: the file's name for error messages.
  /// - Throws: `.invalidConfiguration` naming the key, `.unsupported` naming the variant.
  public init(
    _ kind: ComponentKind, official document: MetadataValue, location: String
  ) throws(SanaError) {
    self =
      switch kind {
      case .textEncoder:
        .textEncoder(try TextEncoderConfiguration(official: document, location: location))
      case .transformer:
        .transformer(try TransformerConfiguration(official: document, location: location))
      case .autoencoder:
        .autoencoder(try AutoencoderConfiguration(official: document, location: location))
      }
  }
}
