public import SanaGraph
internal import SanaModels
public import WeightFormats

/// The autoencoder's decoder with its weights on a device. They are released with the object.
public final class DecoderStage {
  private let decoder: AutoencoderDecoder
  private let model: any ResidentModel
  private let check: FiniteCheck
  private var prepared: (parts: AutoencoderDecoder.DecoderGraph, executable: any Executable)?

  public init(
    _ configuration: AutoencoderConfiguration, source: any WeightSource, backend: any Backend
  ) {
    decoder = AutoencoderDecoder(configuration)
    model = backend.load(source)
    check = FiniteCheck(.autoencoder, source, backend)
  }

  /// Latents to pictures, one batch element each.
  ///
  /// - Parameters:
  ///   - latents: as the sampler leaves them, `[pictures, h, w, latentChannels]`; they are divided by the scaling factor here.
  ///   - fusion: `.observable` when the observer is to see every named value.
  /// - Returns: `[pictures, 32 h, 32 w, 3]`, black at -1, white at 1, not clamped.
  /// - Throws: `.numericalFailure` when the result is not finite, and what the back end or the observer throws.
  public func decode(
    _ latents: HostTensor, fusion: GraphBuilder.Fusion = .full, observer: ValueObserver? = nil
  ) throws -> HostTensor {
    let (parts, executable) = try prepare(latents.shape, fusion: fusion)
    let scalingFactor = Float(decoder.configuration.scalingFactor)
    executable.write(
      HostTensor(latents.shape, latents.values.map { $0 / scalingFactor }), to: parts.latents)
    try executable.run(observer: observer)
    let image = executable.read(parts.image)
    try check.require(image, "image_float", from: [parts.graph])
    return image
  }

  /// The graph for this shape: that of the last call if it fits, so that a series of pictures needs only one.
  private func prepare(
    _ shape: Shape, fusion: GraphBuilder.Fusion
  ) throws -> (AutoencoderDecoder.DecoderGraph, any Executable) {
    if fusion == .full, let prepared, prepared.parts.graph[prepared.parts.latents].shape == shape {
      return prepared
    }
    prepared = nil
    let parts = decoder.graph(
      height: shape.height, width: shape.width, batch: shape.batch, fusion: fusion)
    let executable = try model.prepare(parts.graph)
    if fusion == .full { prepared = (parts, executable) }
    return (parts, executable)
  }
}
