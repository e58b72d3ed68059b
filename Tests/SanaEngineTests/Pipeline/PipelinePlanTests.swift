import CPUBackend
import SanaEngine
import SanaGraph
import SanaModels
import Support
import TestSupport
import Testing

@Suite struct PipelinePlanTests {
  private let directory: TestDirectory
  private let model: PipelineModel

  init() throws {
    directory = try TestDirectory()
    model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
  }

  private func pipeline(width: Int = 96, height: Int = 64) throws -> Pipeline {
    try Pipeline(
      model: model, backend: try CPUBackend(),
      request: GenerationRequest(
        prompts: ["a fox"], width: width, height: height, steps: 2, usesResolutionBinning: false))
  }

  @Test func everyStageIsPlanned() throws {
    let plan = try pipeline().plan
    #expect(plan.stages.map(\.stage) == [.text, .denoise, .decode])
    #expect(plan.stages.allSatisfy { $0.weightsBytes > 0 && $0.activationsBytes > 0 })
    #expect(plan.peakBytes == plan.stages.map(\.peakBytes).max())
  }

  @Test func weightsAreWhatTheBackEndHolds() throws {
    let backend = try CPUBackend()
    let plan = try pipeline().plan
    let decoder = backend.load(try model.source(for: .autoencoder))
    _ = try decoder.prepare(
      AutoencoderDecoder(model.autoencoder).graph(height: 2, width: 3, batch: 1).graph)
    #expect(plan.stages[2].weightsBytes == decoder.residentBytes)
    let encoder = backend.load(try model.source(for: .textEncoder))
    let graph = GemmaEncoder(model.textEncoder).graph(tokens: 3, batch: 1).graph
    _ = try encoder.prepare(graph)
    let source = try model.source(for: .textEncoder)
    let readOnce = graph.parameters.filter { $0.access == .once }
      .compactMap { source.description(of: $0.name) }.map(backend.residentBytes)
    #expect(readOnce.count == 4 * model.textEncoder.layers)
    #expect(plan.stages[0].weightsBytes == encoder.residentBytes + (readOnce.max() ?? 0))
  }

  /// A step has a graph for the negative prompt and one for the prompt.
  @Test func guidanceTakesAnArenaMore() throws {
    func pipeline(guidance: Double) throws -> Pipeline {
      try Pipeline(
        model: model, backend: try CPUBackend(threads: 2),
        request: GenerationRequest(
          prompts: ["a fox"], width: 512, height: 512, steps: 2, guidanceScale: guidance,
          usesResolutionBinning: false))
    }
    let (guided, plain) = (try pipeline(guidance: 4.5).plan, try pipeline(guidance: 1).plan)
    let arena = try CPUBackend(threads: 2).plan(
      LinearDiffusionTransformer(model.transformer).stepGraph(
        height: 16, width: 16, batch: 1, tokens: 1
      ).graph, weights: model.source(for: .transformer)
    ).arenaBytes
    #expect(guided.stages[1].activationsBytes >= plain.stages[1].activationsBytes + arena)
    #expect(guided.stages[1].weightsBytes == plain.stages[1].weightsBytes)
  }

  @Test func largerPicturesTakeMore() throws {
    #expect(try pipeline().plan.peakBytes < pipeline(width: 512, height: 512).plan.peakBytes)
  }

  private func plan(
    count: Int, side: Int = 64, steps: Int = 2, memoryLimit: Int? = nil
  ) throws -> PipelinePlan {
    try Pipeline(
      model: model, backend: try CPUBackend(threads: 2),
      request: GenerationRequest(
        prompts: ["a fox"], width: side, height: side, steps: steps, count: count,
        usesResolutionBinning: false), memoryLimit: memoryLimit
    ).plan
  }

  @Test func picturesAreFinishedAsSoonAsLoadingAgainDoesNotMatter() throws {
    #expect(try plan(count: 1).picturesAtOnce == 1)
    let (few, many) = (try plan(count: 1000, steps: 1), try plan(count: 1000, steps: 50))
    #expect(few.picturesAtOnce > many.picturesAtOnce)
    #expect(many.picturesAtOnce > 1)
    #expect(try plan(count: 1000, side: 1024, steps: 50).picturesAtOnce == 1)
    #expect(try plan(count: 2, steps: 1).picturesAtOnce == 2)
  }

  /// What waits to be decoded is never what the run needs memory for.
  @Test func waitingLatentsArePlannedAndStayWithinTheLimit() throws {
    let (one, many) = (try plan(count: 1, steps: 1), try plan(count: 10_000, steps: 1))
    let latentBytes = 4 * 2 * 2 * 32
    for stage in [1, 2] {
      #expect(
        many.stages[stage].activationsBytes - one.stages[stage].activationsBytes
          == (many.picturesAtOnce - 1) * latentBytes)
    }
    #expect(many.stages[1].activationsBytes <= 2 * one.stages[1].activationsBytes + latentBytes)
    let limit = one.peakBytes + 5 * latentBytes
    let bounded = try plan(count: 10_000, steps: 1, memoryLimit: limit)
    #expect(1...6 ~= bounded.picturesAtOnce)
    #expect(throws: Never.self) { try bounded.check(limit: limit) }
  }

  @Test func aLimitThatIsTooSmallIsRefusedAndTheLeastOneIsNamed() throws {
    let plan = try pipeline().plan
    #expect(throws: Never.self) { try plan.check(limit: nil) }
    #expect(throws: Never.self) { try plan.check(limit: plan.peakBytes) }
    let error = #expect(throws: SanaError.self) { try plan.check(limit: plan.peakBytes - 1) }
    #expect(error?.code == .memoryLimit)
    let least = (plan.peakBytes + 1 << 20 - 1) >> 20
    #expect(error?.remedy.contains(" \(least)MiB") == true)
    #expect(throws: Never.self) { try plan.check(limit: least << 20) }
  }
}
