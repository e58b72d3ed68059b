public import SanaGraph
internal import SanaModels
public import WeightFormats

/// The autoencoder's decoder with its weights on a device. They are released with the object.
public final class DecoderStage: PreparedStage {
  private let decoder: AutoencoderDecoder
  private let model: any ResidentModel
  private var check: FiniteCheck
  private let choices: StageChoices
  let ledger: MemoryLedger
  var context: RunContext { didSet { check.cancellation = context.cancellation } }
  private var prepared: (parts: AutoencoderDecoder.DecoderGraph, executable: any Executable)?

  /// - Parameter context: of all that the stage runs.
  public convenience init(
    _ configuration: AutoencoderConfiguration, source: any WeightSource, backend: any Backend,
    context: RunContext = RunContext()
  ) {
    self.init(
      configuration, source: source, backend: backend, choices: StageChoices(),
      ledger: backend.ledger, context: context)
  }

  /// - Parameter ledger: counts what the stage holds.
  init(
    _ configuration: AutoencoderConfiguration, source: any WeightSource, backend: any Backend,
    choices: StageChoices, ledger: MemoryLedger, context: RunContext
  ) {
    decoder = AutoencoderDecoder(configuration)
    model = backend.load(source, ledger: ledger)
    check = FiniteCheck(.autoencoder, source, backend, context.cancellation)
    self.choices = choices
    self.ledger = ledger
    self.context = context
  }

  /// What the stage holds of a model for pictures of a size.
  /// - Parameters:
  ///   - latents: of one picture.
  ///   - fusion: with which pictures are decoded; one whose values all exist is not handed over
  ///     row by row.
  static func memory(
    _ configuration: AutoencoderConfiguration, source: any WeightSource, backend: any Backend,
    choices: StageChoices, latents: Shape, fusion: GraphBuilder.Fusion = .full
  ) throws -> StageMemory {
    let parts = AutoencoderDecoder(configuration).graph(
      height: latents.height, width: latents.width, batch: 1, fusion: fusion,
      handsOverRows: fusion == .full)
    var memory = StageMemory()
    memory.add(main: [try backend.plan(parts.graph, weights: source, choices.alone)])
    // As they come, and divided by their factor.
    memory.tensorBytes = 2 * parts.graph[parts.latents].byteCount
    return memory
  }

  func rest() {
    prepared = nil
    model.releaseWorkspace()
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
    let (parts, executable) = try prepare(latents, fusion: fusion, handsOverRows: false)
    try executable.run(context.observed(by: observer))
    let image = executable.read(parts.image)
    try check.require(image, Self.imageName, from: [parts.graph])
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
    let (parts, executable) = try prepare(latents, fusion: .full, handsOverRows: true)
    let size = parts.graph[parts.image].shape
    let rowLength = size.width * size.channels
    try executable.run(context) { range, values in
      for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.rowsAtOnce) {
        try check.cancellation?.check()
        let rows = first..<min(first + Self.rowsAtOnce, range.upperBound)
        let start = (first - range.lowerBound) * rowLength
        let band = UnsafeBufferPointer(
          rebasing: values[start..<start + rows.count * rowLength])
        try check.require(band, Self.imageName, from: [parts.graph])
        try onRows(rows, band)
      }
    }
  }

  private static let imageName = "image_float"
  private static let rowsAtOnce = 64

  /// The graph for these latents, which they are written to: that of the last call if it fits, so
  /// that a series of pictures needs only one.
  private func prepare(
    _ latents: HostTensor, fusion: GraphBuilder.Fusion, handsOverRows: Bool
  ) throws -> (parts: AutoencoderDecoder.DecoderGraph, executable: any Executable) {
    let shape = latents.shape
    let fitting = prepared.flatMap { prepared in
      let graph = prepared.parts.graph
      return graph[prepared.parts.latents].shape == shape && graph.fusion == fusion
        && graph.handsOverRows == handsOverRows ? prepared : nil
    }
    let result: (parts: AutoencoderDecoder.DecoderGraph, executable: any Executable)
    if let fitting {
      result = fitting
    } else {
      prepared = nil
      let parts = decoder.graph(
        height: shape.height, width: shape.width, batch: shape.batch, fusion: fusion,
        handsOverRows: handsOverRows)
      result = (parts, try model.prepare(parts.graph, choices.alone, context))
      if fusion == .full { prepared = result }
    }
    let scalingFactor = Float(decoder.configuration.scalingFactor)
    try ledger.holding(
      result.parts.graph[result.parts.latents].byteCount, for: .kept, "latents to be decoded"
    ) {
      result.executable.write(
        HostTensor(shape, latents.values.map { $0 / scalingFactor }), to: result.parts.latents)
    }
    return result
  }
}
