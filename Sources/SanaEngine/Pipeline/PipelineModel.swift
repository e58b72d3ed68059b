internal import SanaGraph
internal import SanaModels
internal import Support
public import WeightFormats

/// A `.sana` file that holds all that a picture takes: three networks, their configurations, a tokenizer and a schedule.
public struct PipelineModel: Sendable {
  public let file: ModelFile
  public let textEncoder: TextEncoderConfiguration
  public let transformer: TransformerConfiguration
  public let autoencoder: AutoencoderConfiguration
  public let scheduler: SchedulerConfiguration
  public let tokenizer: Tokenizer
  /// What weights are read through instead of the file: for tests.
  package var weightSource: @Sendable (ComponentKind, any WeightSource) -> any WeightSource = {
    $1
  }

  /// - Parameter sampler: what is used instead of the model's own scheduler, which need not be one
  ///   that can be run then.
  /// - Throws: what `ModelFile` throws; `.tensorMismatch` for a missing network, `.invalidConfiguration` for networks that do not
  ///   belong together, `.unsupported` without a tokenizer that can be read.
  public init(path: String, sampler: SamplerKind? = nil) throws {
    try self.init(ModelFile(path: path), sampler: sampler)
  }

  public init(_ file: ModelFile, sampler: SamplerKind? = nil) throws {
    self.file = file
    // The order in which a picture needs them is the order in which a reader expects them to be missed.
    guard case .textEncoder(let textEncoder) = try file.configuration(of: .textEncoder),
      case .transformer(let transformer) = try file.configuration(of: .transformer),
      case .autoencoder(let autoencoder) = try file.configuration(of: .autoencoder)
    else { preconditionFailure("a configuration is of the kind that was asked for") }
    guard let scheduler = try file.schedulerConfiguration(substitutes: sampler != nil) else {
      throw SanaError(
        .invalidConfiguration, "the model names no scheduler",
        remedy: "convert the whole checkpoint directory", location: file.path)
    }
    self.textEncoder = textEncoder
    self.transformer = transformer
    self.autoencoder = autoencoder
    self.scheduler = scheduler
    tokenizer = try Tokenizer(besides: file.source(for: .textEncoder))
    try checkNetworksFit()
  }

  /// Weights of one network.
  public func source(for kind: ComponentKind) throws -> any WeightSource {
    try weightSource(kind, file.source(for: kind))
  }

  private func checkNetworksFit() throws(SanaError) {
    func check(_ what: String, _ first: Int, _ second: Int) throws(SanaError) {
      guard first == second else {
        throw SanaError(
          .invalidConfiguration,
          "its networks do not belong together: \(what) (\(first) and \(second))",
          remedy: "convert all networks from one checkpoint", location: file.path)
      }
    }
    try check(
      "the width of the captions", textEncoder.hiddenSize, transformer.captionChannels)
    try check(
      "the channels of the latents", transformer.inputChannels, autoencoder.latentChannels)
    try check(
      "the transformer's channels in and out", transformer.inputChannels,
      transformer.outputChannels)
    try check("the channels of a picture", autoencoder.imageChannels, 3)
  }
}
