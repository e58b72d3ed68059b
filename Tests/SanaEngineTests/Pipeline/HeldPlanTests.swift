import CPUBackend
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing

/// A run holds what was planned, and not a byte more.
@Suite struct HeldPlanTests {
  private let directory: TestDirectory
  private let model: PipelineModel
  private let backend: CPUBackend

  init() throws {
    directory = try TestDirectory()
    model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
    backend = try CPUBackend(threads: 2)
  }

  private func pipeline(limit: Int? = nil) throws -> Pipeline {
    try Pipeline(
      model: model, backend: backend,
      request: GenerationRequest(
        prompts: ["a fox", "two foxes and a bear in the snow"], width: 96, height: 64, steps: 2,
        usesResolutionBinning: false),
      budget: MemoryBudget(limit: limit))
  }

  /// Runs all, and returns what every stage held at its fullest.
  private func run(_ pipeline: Pipeline) throws -> [PipelineStage: Int] {
    var peaks: [PipelineStage: Int] = [:]
    var current = PipelineStage.text
    try pipeline.run { event in
      switch event {
      case .began(let stage, _, _):
        current = stage
        backend.ledger.resetPeak()
      case .ended(let stage, _):
        peaks[stage] = max(peaks[stage] ?? 0, backend.ledger.peakBytes)
      case .picture(_, let picture): try picture.drawRows { _ in }
      case .progressed: break
      }
    }
    #expect(current == .decode)
    return peaks
  }

  @Test(arguments: PipelineStage.allCases, [false, true])
  func aPlanThatIsAByteShortIsRefused(stage: PipelineStage, isLeast: Bool) throws {
    let limit = isLeast ? try pipeline().leastLimit() : nil
    let held = try #require(try run(pipeline(limit: limit))[stage])
    let index = try #require(PipelineStage.allCases.firstIndex(of: stage))

    let exact = try pipeline(limit: limit)
    let slack = exact.plan.stages[index].peakBytes - held
    #expect(slack >= 0)
    exact.plan.stages[index].activationsBytes -= slack
    #expect(try run(exact)[stage] == held)

    let short = try pipeline(limit: limit)
    short.plan.stages[index].activationsBytes -= slack + 1
    let error = #expect(throws: SanaError.self) { try run(short) }
    #expect(error?.code == .memoryLimit)
    #expect(error?.message.contains("'\(stage.rawValue)'") == true)
    #expect(error?.message.contains("\(held - 1) were planned") == true)
    #expect(backend.ledger.usedBytes == 0)
  }

  /// Tensors between graphs count, not only what the back end holds.
  @Test func tensorsBetweenGraphsAreHeldToThePlan() throws {
    let pipeline = try pipeline()
    var kept: [PipelineStage: Int] = [:]
    var stage = PipelineStage.text
    try pipeline.run { event in
      switch event {
      case .began(let begun, _, _): stage = begun
      case .progressed:
        kept[stage] = max(kept[stage] ?? 0, backend.ledger.usedBytes(for: .kept))
      case .picture(_, let picture):
        try picture.drawRows { _ in
          kept[stage] = max(kept[stage] ?? 0, backend.ledger.usedBytes(for: .kept))
        }
      case .ended: break
      }
    }
    let captions = try #require(kept[.text])
    #expect(captions > 0)
    // Latents, and the schedule; rows.
    #expect(try #require(kept[.denoise]) >= captions + 5 * 4 * 3 * 2 * 32)
    #expect(try #require(kept[.decode]) > captions + 2 * 4 * 3 * 2 * 32)
  }

  @Test func plansOfPromptsOfDifferentLengthsAreHeld() throws {
    for limit in [nil, try manyLengths(limit: nil).leastLimit()] {
      let pipeline = try manyLengths(limit: limit)
      _ = try run(pipeline)
      #expect(backend.ledger.usedBytes == 0)
    }
  }

  private func manyLengths(limit: Int?) throws -> Pipeline {
    try Pipeline(
      model: model, backend: backend,
      request: GenerationRequest(
        prompts: (0..<12).map { String(repeating: "fox ", count: $0 * 3) }, negativePrompt: "a dog",
        width: 32, height: 64, steps: 1, usesResolutionBinning: false),
      budget: MemoryBudget(limit: limit))
  }
}
