internal import SanaEngine
internal import WeightFormats

/// The transformer's three graphs for one set of captions.
final class TransformerReplay {
  typealias Observer = (_ name: String, _ tensor: HostTensor) throws -> Void

  private let transformer: ModelUnderTest.Transformer
  private let network: LinearDiffusionTransformer
  private let device: Device
  private let resident: any ResidentModel
  private let captions: Captions
  private let fusion: GraphBuilder.Fusion
  private var keyValues: [HostTensor] = []
  private var modulation: HostTensor?
  private var embeddedTimestep: HostTensor?
  /// Made with the first step, for the size of its latents.
  private var step: (graph: LinearDiffusionTransformer.StepGraph, executable: any Executable)?

  init(
    _ transformer: ModelUnderTest.Transformer, _ device: Device, _ resident: any ResidentModel,
    captions: Captions, fusion: GraphBuilder.Fusion
  ) {
    self.transformer = transformer
    self.device = device
    self.resident = resident
    self.captions = captions
    self.fusion = fusion
    network = LinearDiffusionTransformer(transformer.configuration)
  }

  /// Computes keys and values of the captions.
  /// - Throws: `.tensorMismatch` when the captions have another width than the transformer takes.
  func preparePrompt(observer: Observer?) throws {
    guard captions.tensor.shape.channels == transformer.configuration.captionChannels else {
      throw SanaError(
        .tensorMismatch,
        "the captions have \(captions.tensor.shape.channels) channels, the transformer takes \(transformer.configuration.captionChannels)",
        remedy: "verify with a trace of the same model")
    }
    let made = network.promptGraph(
      tokens: captions.longest, batch: captions.counts.count, fusion: fusion)
    let executable = try device.prepare(made.graph, on: resident, from: transformer.weights)
    executable.write(captions.tensor, to: made.captions)
    try executable.run(observer: observer)
    keyValues = made.keyValues.map(executable.read)
  }

  /// Computes the modulation for every timestep.
  /// - Parameter guidance: of Sprint, already scaled.
  func prepareTimesteps(_ timesteps: [Float], guidance: Float, observer: Observer?) throws {
    let made = network.timestepGraph(steps: timesteps.count, fusion: fusion)
    let executable = try device.prepare(made.graph, on: resident, from: transformer.weights)
    let shape = Shape.tokens(batch: timesteps.count, count: 1, channels: 1)
    executable.write(HostTensor(shape, timesteps), to: made.timesteps)
    if let input = made.guidance {
      executable.write(
        HostTensor(shape, [Float](repeating: guidance, count: timesteps.count)), to: input)
    }
    try executable.run(observer: observer)
    modulation = executable.read(made.modulation)
    embeddedTimestep = executable.read(made.embeddedTimestep)
  }

  /// One evaluation, after the two preparations.
  /// - Parameter timestepRows: which of the prepared timesteps each batch element is at.
  func run(
    _ latents: HostTensor, timestepRows: [Int], observer: Observer?
  ) throws -> HostTensor {
    guard let modulation, let embeddedTimestep else {
      preconditionFailure("the timesteps are prepared first")
    }
    let (graph, executable) = try prepareStep(latents.shape)
    executable.write(latents, to: graph.latents)
    executable.write(modulation.elements(timestepRows), to: graph.modulation)
    executable.write(embeddedTimestep.elements(timestepRows), to: graph.embeddedTimestep)
    try executable.run(observer: observer)
    return executable.read(graph.modelOutput)
  }

  private func prepareStep(
    _ shape: Shape
  ) throws -> (graph: LinearDiffusionTransformer.StepGraph, executable: any Executable) {
    if let step { return step }
    let graph = network.stepGraph(
      height: shape.height, width: shape.width, batch: shape.batch, tokens: captions.longest,
      fusion: fusion)
    let executable = try device.prepare(graph.graph, on: resident, from: transformer.weights)
    for (tensor, input) in zip(keyValues, graph.keyValues) { executable.write(tensor, to: input) }
    executable.write(captions.countTensor, to: graph.tokenCounts)
    if let input = graph.positionEmbedding,
      let tensor = network.positionEmbedding(height: shape.height, width: shape.width)
    {
      executable.write(tensor, to: input)
    }
    step = (graph, executable)
    return (graph, executable)
  }
}

extension HostTensor {
  /// Batch elements picked by index.
  fileprivate func elements(_ indices: [Int]) -> HostTensor {
    let count = shape.positions * shape.channels
    var picked = shape
    picked.batch = indices.count
    let values = values
    return HostTensor(picked, indices.flatMap { values[$0 * count..<($0 + 1) * count] })
  }
}
