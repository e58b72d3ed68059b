import CPUBackend
import Foundation
import Quantization
import SanaEngine
import SanaGraph
import Support
import Synchronization
import TestSupport
import Testing
import WeightFormats

@Suite struct SessionTests {
  private let directory: TestDirectory
  private let converted: String

  init() throws {
    directory = try TestDirectory()
    converted = try ConvertedModels.make("sana-tiny", in: directory)
  }

  /// How often each tensor was read whole.
  private final class Reads: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    func add(_ name: String) { counts.withLock { $0[name, default: 0] += 1 } }
    func take() -> [String: Int] {
      counts.withLock { counts in
        defer { counts = [:] }
        return counts
      }
    }

    /// A model that is read through this.
    func model(_ path: String) throws -> PipelineModel {
      var model = try PipelineModel(path: path)
      model.weightSource = { kind, source in
        MemorySource(over: source) { name in self.add("\(kind.rawValue)/\(name)") }
      }
      return model
    }
  }

  private func quantized() throws -> String {
    let path = directory.path("w8a8.sana")
    let file = try ModelFile(path: converted)
    let recipe = try Recipe.named("w8a8")
    try Quantizer(file: file, plan: QuantizationPlan(file, recipe: recipe))
      .write(to: path, tool: "a test")
    return path
  }

  private static let requests = [
    GenerationRequest(
      prompts: ["a fox in the snow"], width: 96, height: 64, steps: 2, seed: 3,
      usesResolutionBinning: false),
    GenerationRequest(
      prompts: ["two bears", "a wide river under a grey sky"], width: 64, height: 128, steps: 3,
      seed: 4, usesResolutionBinning: false),
    GenerationRequest(
      prompts: ["a fox in the snow"], width: 96, height: 64, steps: 2, guidanceScale: 1, seed: 5,
      usesResolutionBinning: false),
  ]

  /// What single runs draw.
  private func single(_ path: String, _ requests: [GenerationRequest]) throws -> [RGBImage] {
    var pictures: [RGBImage] = []
    for request in requests {
      try Pipeline(
        model: try PipelineModel(path: path), backend: try CPUBackend(threads: 2),
        request: request
      ).run { if case .picture(_, let picture) = $0 { pictures.append(try RGBImage(picture)) } }
    }
    return pictures
  }

  private func draw(
    _ session: Session, _ request: GenerationRequest
  ) throws -> (pictures: [RGBImage], plan: PipelinePlan) {
    var pictures: [RGBImage] = []
    let plan = try session.draw(request) {
      if case .picture(_, let picture) = $0 { pictures.append(try RGBImage(picture)) }
    }
    return (pictures, plan)
  }

  @Test(arguments: [false, true])
  func picturesOfASessionAreThoseOfSingleRunsAndWeightsAreLoadedOnce(isQuantized: Bool) throws {
    let path = isQuantized ? try quantized() : converted
    let expected = try single(path, Self.requests)
    let reads = Reads()
    let backend = try CPUBackend(threads: 2)
    let session = Session(model: try reads.model(path), backend: backend)
    let first = try draw(session, Self.requests[0])
    #expect(first.plan.stagesThatStay == Set(PipelineStage.allCases))
    let counts = reads.take()
    #expect(counts.count > 100)
    #expect(counts.allSatisfy { $0.value == 1 }, "\(counts.filter { $0.value > 1 })")
    let others = try Self.requests.dropFirst().map { try draw(session, $0).pictures }
    #expect(first.pictures + others.joined() == expected)
    #expect(reads.take().isEmpty)
    // Weights, and nothing else, until the session goes away.
    #expect(backend.ledger.usedBytes == backend.ledger.usedBytes(for: .weights))
    #expect(backend.ledger.usedBytes > 0)
    withExtendedLifetime(session) {}
    _ = consume session
    #expect(backend.ledger.usedBytes == 0)
  }

  @Test(arguments: [false, true])
  func aTightLimitDropsStagesAndDrawsTheSame(isQuantized: Bool) throws {
    let path = isQuantized ? try quantized() : converted
    let expected = try single(path, Self.requests)
    let requests = Self.requests
    let backend = try CPUBackend(threads: 2)
    let model = try PipelineModel(path: path)
    func peak(_ limit: Int?) throws -> Int {
      let session = Session(
        model: model, backend: try CPUBackend(threads: 2), budget: MemoryBudget(limit: limit))
      return try requests.map { try draw(session, $0).plan.peakBytes }.reduce(0, max)
    }
    let least = try requests.map {
      try Pipeline(model: model, backend: backend, request: $0).leastLimit()
    }.reduce(0, max)
    let most = try peak(nil)
    #expect(least < most)
    var sets: Set<Set<PipelineStage>> = []
    for part in 0...6 {
      let limit = least + (most - least) * part / 6
      backend.ledger.resetPeak()
      let reads = Reads()
      let session = Session(
        model: try reads.model(path), backend: backend, budget: MemoryBudget(limit: limit))
      var pictures: [RGBImage] = []
      for request in requests {
        let drawn = try draw(session, request)
        pictures += drawn.pictures
        sets.insert(drawn.plan.stagesThatStay)
      }
      #expect(pictures == expected, "\(limit) of \(least)...\(most) bytes")
      #expect(backend.ledger.peakBytes <= limit)
      if part == 0 { #expect(reads.take().contains { $0.value > 1 }) }
    }
    #expect(sets.count > 2, "\(sets)")
    #expect(sets.contains(Set(PipelineStage.allCases)) && sets.contains([]))
  }

  /// What a stopped run had begun is not used by the next.
  @Test func aSessionGoesOnAfterARunThatWasStopped() throws {
    let backend = try CPUBackend(threads: 2)
    let session = Session(model: try PipelineModel(path: converted), backend: backend)
    let expected = try single(converted, [Self.requests[0]])
    for stage in PipelineStage.allCases {
      struct Stop: Error {}
      #expect(throws: Stop.self) {
        try session.draw(Self.requests[0]) {
          if case .progressed(stage, _) = $0 { throw Stop() }
        }
      }
      #expect(try draw(session, Self.requests[0]).pictures == expected)
    }
    let error = #expect(throws: SanaError.self) {
      let tight = Session(
        model: session.model, backend: backend, budget: MemoryBudget(limit: 1 << 10))
      try tight.draw(Self.requests[0]) { _ in }
    }
    #expect(error?.code == .memoryLimit)
  }
}
