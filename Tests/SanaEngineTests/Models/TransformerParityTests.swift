import SanaEngine
import SanaGraph
import SanaModels
import TestSupport
import Testing
import Traces

/// The whole transformer against PyTorch's traces: the first step of each case.
@Suite struct TransformerParityTests {
  /// What a trace of a step holds beside the values of the network in f32.
  private static let notValues: Set<String> = [
    "latent_model_input", "timestep", "model_output_bfloat16", "model_output_float16",
  ]

  @Test(
    arguments: TestedBackend.allCases, RecordedNetwork.names)
  func everyValueOfAStep(backend: TestedBackend, name: String) throws {
    for network in try RecordedNetwork.all(name) {
      guard let (configuration, model) = try network.load(.transformer, on: backend),
        case .transformer(let configuration) = configuration
      else { continue }
      for path in try network.cases {
        let step = RecordedStep(
          network: network, transformer: LinearDiffusionTransformer(configuration), model: model,
          path: path)
        let recorded = Set(try network.trace.entries(of: "\(path)/first_step").map(\.name))
        let observed = try step.run(fusion: .observable)
        #expect(observed.compared == recorded.subtracting(Self.notValues))
        // Fusing gates and residuals only leaves values out.
        let fused = try step.run(fusion: .full)
        try network.check(fused.output, "\(path)/first_step/model_output")
      }
    }
  }
}

/// The first step of a case, replayed from the recorded inputs of the transformer.
private struct RecordedStep {
  let network: RecordedNetwork
  let transformer: LinearDiffusionTransformer
  let model: any ResidentModel
  let path: String

  private var group: String { "\(path)/first_step" }

  func run(fusion: GraphBuilder.Fusion) throws -> (compared: Set<String>, output: HostTensor) {
    let latents = try network.recorded("\(group)/latent_model_input")
    let (captions, counts) = try captions()
    let (tokens, batch) = (captions.shape.positions, latents.shape.batch)

    let prompt = transformer.promptGraph(tokens: tokens, batch: batch, fusion: fusion)
    let promptRun = try model.prepare(prompt.graph)
    promptRun.write(captions, to: prompt.captions)
    var compared = try network.run(promptRun, comparingWith: group, tokenCounts: counts)

    let timestep = transformer.timestepGraph(steps: batch, fusion: fusion)
    let timestepRun = try model.prepare(timestep.graph)
    timestepRun.write(try network.recorded("\(group)/timestep"), to: timestep.timesteps)
    if let guidance = timestep.guidance {
      let run = try #require(
        try ReferenceTraces.runs(of: network.trace).first { $0.casePath == path })
      timestepRun.write(try network.recorded("\(run.path)/guidance"), to: guidance)
    }
    compared.formUnion(try network.run(timestepRun, comparingWith: group))

    let step = transformer.stepGraph(
      height: latents.shape.height, width: latents.shape.width, batch: batch, tokens: tokens,
      fusion: fusion)
    let stepRun = try model.prepare(step.graph)
    stepRun.write(latents, to: step.latents)
    stepRun.write(timestepRun.read(timestep.modulation), to: step.modulation)
    stepRun.write(timestepRun.read(timestep.embeddedTimestep), to: step.embeddedTimestep)
    for (made, taken) in zip(prompt.outputs, step.captionInputs) {
      stepRun.write(promptRun.read(made), to: taken)
    }
    stepRun.write(
      HostTensor(
        .tokens(batch: batch, count: 1, channels: 1), integers: counts.map { Int32($0) }),
      to: step.tokenCounts)
    compared.formUnion(try network.run(stepRun, comparingWith: group))
    return (compared, stepRun.read(step.modelOutput))
  }

  /// The text encoder's rows, the unconditional half first, cut to the longest prompt.
  private func captions() throws -> (HostTensor, counts: [Int]) {
    let text = "\(path)/text"
    let sides = ["negative_prompt", "prompt"].filter {
      network.trace.contains("\(text)/\($0)_embeds")
    }
    let embeddings = try sides.map { try network.recorded("\(text)/\($0)_embeds") }
    let counts = try sides.flatMap {
      try network.trace.int32("\(text)/\($0)_attention_mask").tokenCounts
    }
    let tokens = counts.max() ?? 0
    let parts = embeddings.map { $0.prefix(positions: tokens) }
    return (
      HostTensor(
        .tokens(batch: counts.count, count: tokens, channels: parts[0].shape.channels),
        parts.flatMap(\.values)), counts
    )
  }
}
