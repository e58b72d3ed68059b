internal import SanaEngine
internal import SanaGraph
internal import Support
public import WeightFormats

extension ModelUnderTest {
  /// What a `.sana` file holds.
  ///
  /// - Throws: what reading configurations and tokenizer throws; `.invalidConfiguration` for a transformer without a scheduler.
  public init(_ file: ModelFile) throws {
    self.init(textEncoder: nil, transformer: nil, autoencoder: nil)
    for kind in file.components.compactMap(\.kind) {
      let weights = try file.source(for: kind)
      switch try file.configuration(of: kind) {
      case .textEncoder(let configuration):
        textEncoder = TextEncoder(
          configuration: configuration, tokenizer: try Tokenizer(besides: weights),
          weights: weights)
      case .transformer(let configuration):
        guard let scheduler = try file.schedulerConfiguration(substitutes: true) else {
          throw SanaError(
            .invalidConfiguration, "the model names no scheduler",
            remedy: "convert the whole checkpoint directory", location: file.path)
        }
        transformer = Transformer(
          configuration: configuration, scheduler: scheduler, weights: weights)
      case .autoencoder(let configuration):
        autoencoder = Autoencoder(configuration: configuration, weights: weights)
      }
    }
  }
}

extension ModelFile {
  /// Whether weights are stored in fewer bits than the checkpoint had them, so that other numbers are to be expected.
  public var isReduced: Bool {
    let precision = metadata["provenance"]?["precision"]?.stringValue
    let isNarrowed = [StoragePrecision.f16, .bf16].contains { $0.rawValue == precision }
    return isNarrowed || metadata["quantization"] != nil
      || components.contains { $0.tensors.contains { $0.description.encoding.isQuantized } }
  }
}

extension TensorEncoding {
  fileprivate var isQuantized: Bool {
    switch self {
    case .int8PerChannel, .int8Grouped, .int4Grouped: true
    case .f32, .f16, .bf16, .plain: false
    }
  }
}
