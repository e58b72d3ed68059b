public import SanaGraph
internal import SanaModels
public import WeightFormats

/// The transformer with its weights on a device. They are released with the object and the denoisers it prepared.
public final class DenoiserStage {
  private let transformer: LinearDiffusionTransformer
  private let model: any ResidentModel
  private let check: FiniteCheck

  public init(
    _ configuration: TransformerConfiguration, source: any WeightSource, backend: any Backend
  ) {
    transformer = LinearDiffusionTransformer(configuration)
    model = backend.load(source)
    check = FiniteCheck(.transformer, source, backend)
  }

  /// Computes what depends on the captions and on the schedule alone, and binds the graphs of a step to it.
  ///
  /// - Parameters:
  ///   - captions: one for each picture of the batch.
  ///   - unconditional: with classifier-free guidance as many again (the negative prompt's), otherwise empty.
  ///   - height, width: of the latents.
  ///   - modelTimesteps: the transformer's timestep at every step, from `Sampler.modelTimesteps`.
  ///   - guidanceScale: what networks that embed the guidance are told; other networks ignore it.
  ///   - fusion: `.observable` when observers are to see every named value of a step.
  ///   - observer: sees the values of the prompt's and the schedule's graphs, the latter with all steps in the batch axis.
  public func prepare(
    captions: [Caption], unconditional: [Caption] = [], height: Int, width: Int,
    modelTimesteps: [Float], guidanceScale: Float, fusion: GraphBuilder.Fusion = .full,
    observer: ValueObserver? = nil
  ) throws -> Denoiser {
    precondition(
      !captions.isEmpty && (unconditional.isEmpty || unconditional.count == captions.count))
    let all = unconditional + captions
    let schedule = try runSchedule(
      modelTimesteps, guidanceScale: guidanceScale, fusion: fusion, observer: observer)
    // Image after image, so that what operations hand over stays in the caches. Observers see the batch as one.
    let together = fusion == .observable ? all.count : 1
    let runs = try stride(from: 0, to: all.count, by: together).map { first in
      try prepare(
        Array(all[first..<first + together]), height: height, width: width, fusion: fusion,
        observer: observer)
    }
    return Denoiser(
      runs: runs, schedule: schedule,
      latentShape: Shape(
        batch: captions.count, height: height, width: width,
        channels: transformer.configuration.inputChannels),
      usesGuidance: !unconditional.isEmpty, check: check)
  }

  /// The graph of a step for as many images as there are captions, bound to them.
  private func prepare(
    _ captions: [Caption], height: Int, width: Int, fusion: GraphBuilder.Fusion,
    observer: ValueObserver?
  ) throws -> Denoiser.Run {
    let (promptGraph, keyValues) = try runPrompt(
      Caption.batch(captions), fusion: fusion, observer: observer)
    let parts = transformer.stepGraph(
      height: height, width: width, batch: captions.count,
      tokens: captions.map(\.tokenCount).max() ?? 0, fusion: fusion)
    let executable = try model.prepare(parts.graph)
    for (value, tensor) in zip(parts.keyValues, keyValues) { executable.write(tensor, to: value) }
    executable.write(
      HostTensor(
        .tokens(batch: captions.count, count: 1, channels: 1),
        integers: captions.map { Int32($0.tokenCount) }),
      to: parts.tokenCounts)
    if let value = parts.positionEmbedding,
      let tensor = transformer.positionEmbedding(height: height, width: width)
    {
      executable.write(tensor, to: value)
    }
    return Denoiser.Run(promptGraph: promptGraph, parts: parts, executable: executable)
  }

  private func runSchedule(
    _ modelTimesteps: [Float], guidanceScale: Float, fusion: GraphBuilder.Fusion,
    observer: ValueObserver?
  ) throws -> Denoiser.Schedule {
    let configuration = transformer.configuration
    let parts = transformer.timestepGraph(steps: modelTimesteps.count, fusion: fusion)
    let executable = try model.prepare(parts.graph)
    let shape = Shape.tokens(batch: modelTimesteps.count, count: 1, channels: 1)
    let scale = Float(configuration.timestepScale)
    executable.write(HostTensor(shape, modelTimesteps.map { $0 * scale }), to: parts.timesteps)
    if let guidance = parts.guidance {
      let embedded = guidanceScale * Float(configuration.guidanceEmbeddingScale)
      executable.write(
        HostTensor(shape, modelTimesteps.map { _ in embedded }), to: guidance)
    }
    try executable.run(observer: observer)
    return Denoiser.Schedule(
      graph: parts.graph, modulation: executable.read(parts.modulation),
      embeddedTimestep: executable.read(parts.embeddedTimestep))
  }

  private func runPrompt(
    _ captions: HostTensor, fusion: GraphBuilder.Fusion, observer: ValueObserver?
  ) throws -> (Graph, keyValues: [HostTensor]) {
    let parts = transformer.promptGraph(
      tokens: captions.shape.positions, batch: captions.shape.batch, fusion: fusion)
    let executable = try model.prepare(parts.graph)
    executable.write(captions, to: parts.captions)
    try executable.run(observer: observer)
    return (parts.graph, parts.keyValues.map(executable.read))
  }
}
