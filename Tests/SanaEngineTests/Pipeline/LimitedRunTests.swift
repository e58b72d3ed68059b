import CPUBackend
import SanaEngine
import SanaGraph
import Support
import TestSupport
import Testing

/// A limit changes what a run holds and how long it takes, and nothing else.
@Suite struct LimitedRunTests {
  private let directory: TestDirectory

  init() throws { directory = try TestDirectory() }

  private func draw(
    _ model: PipelineModel, _ request: GenerationRequest, limit: Int?, threads: Int
  ) throws -> (picture: RGBImage, plan: PipelinePlan, peak: Int) {
    let backend = try CPUBackend(threads: threads)
    let pipeline = try Pipeline(
      model: model, backend: backend, request: request, budget: MemoryBudget(limit: limit))
    var pictures: [RGBImage] = []
    try pipeline.run { event in
      if case .picture(_, let picture) = event { pictures.append(try RGBImage(picture)) }
    }
    return (try #require(pictures.first), pipeline.plan, backend.ledger.peakBytes)
  }

  /// Any size, any number of threads, the least limit and one between it and what is fastest.
  @Test(arguments: WholeModel.allCases, [nil, "f16", "w8a16", "w8a8", "w4a16"])
  func thePictureIsTheSameAtEveryLimit(_ kind: WholeModel, _ recipe: String?) throws {
    let model = try kind.make(recipe, in: directory)
    let seed = UInt64.random(in: 0 ... .max)
    var random = SplitMix(seed: seed)
    // Wide, high and small pictures alike.
    let sides = [1...9, 1...3].shuffled(using: &random)
    let request = GenerationRequest(
      prompts: ["a fox in the snow"], width: 32 * Int.random(in: sides[0], using: &random),
      height: 32 * Int.random(in: sides[1], using: &random), steps: 2, seed: 3,
      usesResolutionBinning: false)
    let free = try draw(model, request, limit: nil, threads: 2)
    let size = "\(free.picture.width)x\(free.picture.height)"
    #expect(free.peak <= free.plan.peakBytes, "\(size), seed \(seed)")
    for isLeast in [true, false] {
      let threads = Int.random(in: 1...3, using: &random)
      func pipeline(limit: Int?) throws -> Pipeline {
        try Pipeline(
          model: model, backend: try CPUBackend(threads: threads), request: request,
          budget: MemoryBudget(limit: limit))
      }
      let unlimited = try pipeline(limit: nil)
      let least = try unlimited.leastLimit()
      let limit =
        isLeast ? least : Int.random(in: least...unlimited.plan.peakBytes, using: &random)
      let limited = try draw(model, request, limit: limit, threads: threads)
      let circumstances: Comment =
        "\(limit) bytes, \(threads) threads, \(size), seed \(seed)"
      #expect(limited.picture == free.picture, circumstances)
      #expect(limited.plan.peakBytes <= limit, circumstances)
      #expect(limited.peak <= limited.plan.peakBytes, circumstances)
      #expect(throws: SanaError.self, circumstances) {
        try pipeline(limit: least - 1).checkLimit()
      }
    }
  }

  /// Every allocation fails in turn: the run says so, and holds nothing afterwards.
  @Test func aRunWithoutMemorySaysSoWhereverItIsRefused() throws {
    let model = try PipelineModel(path: try ConvertedModels.make("sana-tiny", in: directory))
    let backend = try CPUBackend(threads: 2)
    let request = GenerationRequest(
      prompts: ["a fox"], width: 64, height: 64, steps: 1, usesResolutionBinning: false)
    let least = try Pipeline(model: model, backend: backend, request: request).leastLimit()
    for limit in [nil, least] {
      let pipeline = try Pipeline(
        model: model, backend: backend, request: request, budget: MemoryBudget(limit: limit))
      var refusals = 0
      for grants in 0... {
        backend.ledger.refuse(afterGranting: grants)
        defer { backend.ledger.refuse(afterGranting: nil) }
        do {
          try pipeline.run { event in
            if case .picture(_, let picture) = event { try picture.drawRows { _ in } }
          }
          break
        } catch let error as SanaError {
          #expect(error.code == .memoryLimit)
          #expect(backend.ledger.usedBytes == 0, "after \(grants) grants")
          refusals += 1
        }
      }
      #expect(refusals > 10)
      #expect(backend.ledger.usedBytes == 0)
    }
  }
}
