import CPUBackend
import SanaEngine
import SanaGraph
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

  /// The ledger counts what the stages really hold.
  @Test(arguments: [1.0, 4.5]) func theRunHoldsWhatWasPlanned(guidance: Double) throws {
    let backend = try CPUBackend(threads: 2)
    let pipeline = try Pipeline(
      model: model, backend: backend,
      request: GenerationRequest(
        prompts: ["a fox"], width: 96, height: 64, steps: 2, guidanceScale: guidance,
        usesResolutionBinning: false))
    for (stage, planned) in zip(PipelineStage.allCases, pipeline.plan.stages) {
      backend.ledger.resetPeak()
      try pipeline.repetition(of: stage)()
      #expect(backend.ledger.usedBytes == 0, "\(stage)")
      #expect(backend.ledger.peakBytes <= planned.peakBytes, "\(stage)")
      // Weights and memory for activations, without what is kept in ordinary memory.
      #expect(backend.ledger.peakBytes > planned.weightsBytes, "\(stage)")
    }
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
        usesResolutionBinning: false), budget: MemoryBudget(limit: memoryLimit)
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
    #expect(bounded.peakBytes <= limit)
  }

  @Test func aLimitThatIsTooSmallIsRefusedAndTheLeastOneIsNamed() throws {
    let free = try pipeline(width: 512, height: 512)
    let least = try free.leastLimit()
    #expect(least < free.plan.peakBytes)
    func limited(_ limit: Int) throws -> Pipeline {
      try Pipeline(
        model: model, backend: try CPUBackend(),
        request: GenerationRequest(
          prompts: ["a fox"], width: 512, height: 512, steps: 2, usesResolutionBinning: false),
        budget: MemoryBudget(limit: limit))
    }
    let tight = try limited(least)
    #expect(try tight.plan.peakBytes <= least && tight.leastLimit() == least)
    #expect(!tight.plan.means.isEmpty && free.plan.means.isEmpty)
    #expect(throws: Never.self) { try tight.checkLimit() }
    let error = #expect(throws: SanaError.self) { try limited(least - 1).run { _ in } }
    #expect(error?.code == .memoryLimit)
    #expect(error?.remedy.contains(" \((least + 1 << 20 - 1) >> 20)MiB") == true)
  }
}
