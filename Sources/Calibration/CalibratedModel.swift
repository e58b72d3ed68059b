internal import SanaEngine
internal import SanaGraph
internal import SanaModels
internal import Support
internal import WeightFormats

/// Those networks of a file that statistics can be gathered of: the inputs of a network come from
/// the networks before it, and those of the first from prompts.
struct CalibratedModel {
  let file: ModelFile
  let textEncoder: TextEncoderConfiguration
  let tokenizer: Tokenizer
  let denoiser: Denoiser?
  /// None where there is no transformer either.
  let autoencoder: AutoencoderConfiguration?

  struct Denoiser {
    let configuration: TransformerConfiguration
    let scheduler: SchedulerConfiguration
  }

  /// Of the autoencoders of all releases.
  private static let usualCompression = 32

  /// Pixels a side for each latent.
  var compression: Int { autoencoder?.compression ?? Self.usualCompression }

  /// - Throws: `.unsupported` where nothing can be gathered, and what reading the file throws.
  init(_ file: ModelFile, sampler: SamplerKind?) throws {
    self.file = file
    guard file.component(.textEncoder) != nil,
      case .textEncoder(let textEncoder) = try file.configuration(of: .textEncoder)
    else {
      let held = file.components.map(\.name.abbreviated).joined(separator: ", ")
      throw SanaError(
        .unsupported,
        "no statistics can be gathered: there is no text encoder (only \(held.isEmpty ? "nothing" : held)), and what its networks work on comes from prompts",
        remedy:
          "calibrate a file of the whole checkpoint, and quantize this one with its statistics",
        location: file.path)
    }
    self.textEncoder = textEncoder
    tokenizer = try Tokenizer(besides: file.source(for: .textEncoder))
    guard file.component(.transformer) != nil,
      case .transformer(let transformer) = try file.configuration(of: .transformer)
    else {
      denoiser = nil
      autoencoder = nil
      return
    }
    guard let scheduler = try file.schedulerConfiguration(substitutes: sampler != nil) else {
      throw SanaError(
        .invalidConfiguration, "the model names no scheduler",
        remedy: "convert the whole checkpoint directory", location: file.path)
    }
    denoiser = Denoiser(configuration: transformer, scheduler: scheduler)
    if file.component(.autoencoder) != nil,
      case .autoencoder(let autoencoder) = try file.configuration(of: .autoencoder)
    {
      self.autoencoder = autoencoder
    } else {
      autoencoder = nil
    }
    try check("the width of the captions", textEncoder.hiddenSize, transformer.captionChannels)
    try check(
      "the transformer's channels in and out", transformer.inputChannels,
      transformer.outputChannels)
    if let autoencoder {
      try check(
        "the channels of the latents", transformer.inputChannels, autoencoder.latentChannels)
    }
  }

  private func check(_ what: String, _ first: Int, _ second: Int) throws(SanaError) {
    guard first == second else {
      throw SanaError(
        .invalidConfiguration,
        "its networks do not belong together: \(what) (\(first) and \(second))",
        remedy: "convert all networks from one checkpoint", location: file.path)
    }
  }
}
