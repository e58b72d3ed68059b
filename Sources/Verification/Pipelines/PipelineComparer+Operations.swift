internal import SanaEngine
internal import SanaGraph
internal import SanaModels
internal import Support
internal import Traces
internal import WeightFormats

/// Operation by operation.
extension PipelineComparer {
  /// The longest side of the latents that the autoencoder's operations are run on: its activations
  /// are large, and memory holds those of two models.
  private static let decodedSide = 16

  func studiedSamples(_ settings: GenerationSettings) -> [StudiedSample] {
    StudiedSample.samples(settings, prompts: options.operationPrompts)
  }

  func study(
    _ prompts: [PreparedPrompt], _ captions: Pipeline.Captions, _ samples: [StudiedSample],
    _ comparison: inout PipelineComparison
  ) throws {
    guard !samples.isEmpty else { return }
    let chosen = Set(samples.map(\.prompt)).sorted()
    for network in [
      try studyTextEncoder(chosen.map { prompts[$0] }),
      try studyTransformer(captions, samples, comparison.settings),
      try studyDecoder(samples.filter { $0.step == 0 }),
    ] {
      progress("operations: protecting some of the \(network.component.rawValue)")
      comparison.operations += network.operations
      comparison.operationNotes.append(network.note)
      comparison.offenders += try offenders(network)
    }
  }

  // MARK: Networks

  private func makeStudy(_ component: ComponentKind) throws -> OperationStudy {
    OperationStudy(
      component, reference: try reference.model.source(for: component),
      tested: try tested.model.source(for: component), referenceBackend: reference.backend,
      testedBackend: tested.backend, context: context)
  }

  private func studyTextEncoder(_ prompts: [PreparedPrompt]) throws -> StudiedNetwork {
    var study = try makeStudy(.textEncoder)
    let configuration = tested.model.textEncoder
    var outputs: [HostTensor] = []
    for (index, prompt) in prompts.enumerated() {
      progress("operations: text encoder, \(index + 1) of \(prompts.count)")
      let parts = GemmaEncoder(configuration).graph(
        tokens: prompt.tokens.count, batch: 1, fusion: .observable)
      let result = try study.run(
        parts.graph,
        inputs: [
          parts.inputIdentifiers: HostTensor(
            .tokens(batch: 1, count: prompt.tokens.count, channels: 1),
            integers: prompt.tokens)
        ])
      outputs.append(result.reference[parts.lastHiddenState])
    }
    return StudiedNetwork(
      component: .textEncoder, operations: study.operations, outputs: outputs,
      note:
        "text encoder: \(prompts.count) prompt\(prompts.count == 1 ? "" : "s"), instruction included"
    ) { [backend = tested.backend, context] source in
      let stage = try TextEncoderStage(
        configuration, source: source, backend: backend, context: context)
      return try prompts.map { try stage.encode($0.tokens) }
    }
  }

  private func studyTransformer(
    _ captions: Pipeline.Captions, _ samples: [StudiedSample], _ settings: GenerationSettings
  ) throws -> StudiedNetwork {
    var study = try makeStudy(.transformer)
    let configuration = tested.model.transformer
    let compression = tested.model.autoencoder.compression
    let shape = Shape(
      batch: 1, height: settings.drawnHeight / compression,
      width: settings.drawnWidth / compression, channels: configuration.inputChannels)
    var outputs: [HostTensor] = []
    let steps = try samples.map { sample in
      let (input, timestep) = try sample.modelInput(
        settings, tested.model.scheduler, shape: shape)
      return TransformerStep(
        caption: captions.prompts[sample.prompt], latents: HostTensor(shape, input),
        modelTimestep: timestep, guidanceScale: settings.guidanceScale)
    }
    for (index, step) in steps.enumerated() {
      progress("operations: transformer, \(index + 1) of \(samples.count)")
      outputs.append(try step.run(configuration, &study))
    }
    let described = Set(samples.map { $0.step + 1 }).sorted().map(String.init)
      .joined(separator: " and ")
    let prompts = Set(samples.map(\.prompt)).count
    return StudiedNetwork(
      component: .transformer, operations: study.operations, outputs: outputs,
      note:
        "transformer: step \(described) of \(settings.steps) of \(prompts) prompt\(prompts == 1 ? "" : "s"), without the negative prompt"
    ) { [backend = tested.backend, context] source in
      let stage = DenoiserStage(
        configuration, source: source, backend: backend, context: context)
      return try steps.map { step in
        try stage.prepare(
          captions: [step.caption], height: shape.height, width: shape.width,
          modelTimesteps: [step.modelTimestep], guidanceScale: step.guidanceScale
        ).evaluate(step.latents.values, step: 0)
      }
    }
  }

  private func studyDecoder(_ samples: [StudiedSample]) throws -> StudiedNetwork {
    var study = try makeStudy(.autoencoder)
    let configuration = tested.model.autoencoder
    let latents = samples.compactMap { $0.finalLatents?.center(side: Self.decodedSide) }
    let scale = Float(configuration.scalingFactor)
    var outputs: [HostTensor] = []
    for (index, latents) in latents.enumerated() {
      progress("operations: decoder, \(index + 1) of \(samples.count)")
      let shape = latents.shape
      let parts = AutoencoderDecoder(configuration).graph(
        height: shape.height, width: shape.width, batch: 1, fusion: .observable)
      let result = try study.run(
        parts.graph,
        inputs: [parts.latents: HostTensor(shape, latents.values.map { $0 / scale })])
      outputs.append(result.reference[parts.image])
    }
    let size = latents.first?.shape
    let pixels = size.map {
      "\($0.width * configuration.compression) x \($0.height * configuration.compression)"
    }
    return StudiedNetwork(
      component: .autoencoder, operations: study.operations, outputs: outputs,
      note:
        "decoder: the reference's final latents of \(samples.count) picture\(samples.count == 1 ? "" : "s"), \(pixels ?? "no") pixels of the middle"
    ) { [backend = tested.backend, context] source in
      let stage = DecoderStage(
        configuration, source: source, backend: backend, context: context)
      return try latents.map { try stage.decode($0) }
    }
  }

  // MARK: Offenders

  /// Where a weight alone would take the network this much further away, it is scaled against its
  /// neighbours.
  private static let largestLoss = -3.0

  private func offenders(_ network: StudiedNetwork) throws -> [Offender] {
    let worst = network.operations.filter(\.isProtectable)
      .filter { $0.own.signalToNoiseDecibels < .infinity }
      .sorted { $0.own.signalToNoiseDecibels < $1.own.signalToNoiseDecibels }
      .prefix(max(options.offenders, 0))
    guard !worst.isEmpty else { return [] }
    let base = try tested.model.source(for: network.component)
    let replacement = try reference.model.source(for: network.component)
    func decibels(replacing names: Set<String>) throws -> [Double] {
      try context.cancellation?.check()
      let outputs = try network.evaluate(
        ReplacedWeights(base: base, replacement: replacement, names: names))
      return try zip(network.outputs, outputs).map {
        try Comparison(reference: $0.values, result: $1.values).signalToNoiseDecibels
      }
    }
    let before = try decibels(replacing: [])
    let found = try worst.map { operation in
      let after = try decibels(replacing: [operation.weight])
      let gain = zip(after, before).map { $0 - $1 }.reduce(0, +) / Double(before.count)
      return Offender(
        operation: operation, gainDecibels: gain > Self.largestLoss ? gain : nil)
    }
    return found.sorted { ($0.gainDecibels ?? -.infinity) > ($1.gainDecibels ?? -.infinity) }
  }
}

/// A network whose operations have been looked at.
private struct StudiedNetwork {
  let component: ComponentKind
  let operations: [OperationError]
  /// Of the reference, a sample each.
  let outputs: [HostTensor]
  /// What it was run on, for people.
  let note: String
  /// The outputs with other weights, on the tested model's back end.
  let evaluate: (any WeightSource) throws -> [HostTensor]
}

/// One evaluation of the transformer for one prompt.
private struct TransformerStep {
  let caption: Caption
  /// What the transformer is given of them.
  let latents: HostTensor
  let modelTimestep: Float
  let guidanceScale: Float

  /// - Returns: the reference's output.
  func run(
    _ configuration: TransformerConfiguration, _ study: inout OperationStudy
  ) throws -> HostTensor {
    let transformer = LinearDiffusionTransformer(configuration)
    let single = Shape.tokens(batch: 1, count: 1, channels: 1)
    let schedule = transformer.timestepGraph(steps: 1, fusion: .observable)
    var inputs = [
      schedule.timesteps: HostTensor(
        single, [modelTimestep * Float(configuration.timestepScale)])
    ]
    if let guidance = schedule.guidance {
      inputs[guidance] = HostTensor(
        single, [guidanceScale * Float(configuration.guidanceEmbeddingScale)])
    }
    let times = try study.run(schedule.graph, inputs: inputs)

    let prompt = transformer.promptGraph(
      tokens: caption.tokenCount, batch: 1, fusion: .observable)
    let keyValues = try study.run(prompt.graph, inputs: [prompt.captions: caption.rows])

    let shape = latents.shape
    let parts = transformer.stepGraph(
      height: shape.height, width: shape.width, batch: 1, tokens: caption.tokenCount,
      fusion: .observable)
    var given = [
      parts.latents: latents,
      parts.tokenCounts: HostTensor(single, integers: [Int32(caption.tokenCount)]),
    ]
    if let value = parts.positionEmbedding {
      given[value] = transformer.positionEmbedding(height: shape.height, width: shape.width)
    }
    var made = [
      parts.modulation: times.values(schedule.modulation),
      parts.embeddedTimestep: times.values(schedule.embeddedTimestep),
    ]
    for (input, output) in zip(parts.captionInputs, prompt.outputs) {
      made[input] = keyValues.values(output)
    }
    let result = try study.run(parts.graph, inputs: given, made: made)
    return result.reference[parts.modelOutput]
  }
}

extension HostTensor {
  /// The middle of an image, at most so large.
  fileprivate func center(side: Int) -> HostTensor {
    let (height, width) = (min(shape.height, side), min(shape.width, side))
    let (top, left) = ((shape.height - height) / 2, (shape.width - width) / 2)
    let values = values
    let channels = shape.channels
    let middle = (0..<height).flatMap { y in
      let start = ((top + y) * shape.width + left) * channels
      return values[start..<start + width * channels]
    }
    return HostTensor(Shape(batch: 1, height: height, width: width, channels: channels), middle)
  }
}
