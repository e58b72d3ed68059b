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
    let (graph, image) = try run(latents, fusion: fusion, observer: observer)
    try check.require(image, Self.imageName, from: [graph])
    return image
  }

  /// Decodes one picture and hands its rows over, some at a time, from the top.
  ///
  /// - Parameters:
  ///   - latents: as `decode(_:fusion:observer:)` takes them, of one picture.
  ///   - onRows: given which rows come and their values, `[rows, 32 w, 3]`, black at -1, white at
  ///     1, not clamped, valid during the call only.
  /// - Throws: `.numericalFailure` when rows are not finite, which are not handed over then,
  ///   `.cancelled`, and what the back end or `onRows` throws.
  public func decode(
    _ latents: HostTensor,
    onRows: (_ rows: Range<Int>, _ values: UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    precondition(latents.shape.batch == 1)
    let (graph, image) = try run(latents)
    let rowLength = image.shape.width * image.shape.channels
    try image.values.withUnsafeBufferPointer { values in
      for first in stride(from: 0, to: image.shape.height, by: Self.rowsAtOnce) {
        try check.cancellation?.check()
        let rows = first..<min(first + Self.rowsAtOnce, image.shape.height)
        let band = UnsafeBufferPointer(
          rebasing: values[rows.lowerBound * rowLength..<rows.upperBound * rowLength])
        try check.require(band, Self.imageName, from: [graph])
        try onRows(rows, band)
      }
    }
  }

  /// Bytes that decoding holds of a picture besides the arena of its graph: all of its rows as
  /// floats.
  static func pictureBytes(_ parts: AutoencoderDecoder.DecoderGraph) -> Int {
    parts.graph[parts.image].byteCount
  }

  private static let imageName = "image_float"
  private static let rowsAtOnce = 64

  private func run(
    _ latents: HostTensor, fusion: GraphBuilder.Fusion = .full, observer: ValueObserver? = nil
  ) throws -> (Graph, image: HostTensor) {
    let (parts, executable) = try prepare(latents.shape, fusion: fusion)
    let scalingFactor = Float(decoder.configuration.scalingFactor)
    executable.write(
      HostTensor(latents.shape, latents.values.map { $0 / scalingFactor }), to: parts.latents)
    try executable.run(observer: observer)
    return (parts.graph, executable.read(parts.image))
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
