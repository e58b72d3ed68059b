import SanaGraph
import Support
import TestSupport
import Testing
import VulkanBackend
import WeightFormats

@Suite struct VulkanHazardTests {
  private typealias Access = VulkanRecording.Access
  private final class Buffer {}

  /// Kernels of random reads and writes, as they are recorded.
  private func recording(seed: UInt64, _ buffers: [Buffer]) -> VulkanRecording {
    var random = SplitMix(seed: seed)
    var recording = VulkanRecording()
    for _ in 0..<60 {
      let accesses = (0..<3).map { index in
        let start = Int.random(in: 0..<900, using: &random)
        return Access(
          buffer: ObjectIdentifier(buffers[Int.random(in: buffers.indices, using: &random)]),
          range: start..<start + Int.random(in: 1...80, using: &random), writes: index == 0)
      }
      _ = recording.add(accesses)
    }
    return recording
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func barriersAreWhereTheyMustBeAndNowhereElse(_ seed: UInt64) {
    let buffers = [Buffer(), Buffer()]
    let entries = recording(seed: seed, buffers).entries
    #expect(VulkanHazards.all(in: entries).isEmpty)
    let barriers = entries.indices.filter { if case .barrier = entries[$0] { true } else { false } }
    #expect(!barriers.isEmpty)
    for barrier in barriers {
      var without = entries
      without.remove(at: barrier)
      #expect(!VulkanHazards.all(in: without).isEmpty, "the barrier at \(barrier) is not needed")
    }
  }

  @Test func everyKindOfHazardIsFound() {
    let buffer = Buffer()
    func dispatch(_ range: Range<Int>, writes: Bool) -> VulkanRecording.Entry {
      .dispatch([Access(buffer: ObjectIdentifier(buffer), range: range, writes: writes)])
    }
    func kinds(_ first: Bool, _ second: Bool, at range: Range<Int>) -> [VulkanHazards.Kind] {
      VulkanHazards.all(in: [dispatch(0..<64, writes: first), dispatch(range, writes: second)])
        .map(\.kind)
    }
    #expect(kinds(true, false, at: 63..<70) == [.readAfterWrite])
    #expect(kinds(false, true, at: 0..<1) == [.writeAfterRead])
    #expect(kinds(true, true, at: 10..<20) == [.writeAfterWrite])
    #expect(kinds(false, false, at: 0..<64).isEmpty)
    #expect(kinds(true, true, at: 64..<70).isEmpty)
  }

  @Test func graphsAreRecordedWithoutHazardsAndNeedTheirBarriers() throws {
    var builder = GraphBuilder(name: "a block")
    let x = builder.input("x", Shape(batch: 2, height: 4, width: 5, channels: 16))
    let fused = builder.linear(x, weight: Parameter("qkv", [48, 16]))
    let attended = builder.reluAttention(
      fused, heads: 2, headDimension: 8, layout: .blocks, form: .linear)
    let sum = builder.linear(attended, weight: Parameter("out", [16, 16]), residual: x)
    let graph = builder.finish(outputs: [sum])
    var weights = MemorySource()
    weights.add("qkv", [48, 16], [Float](repeating: 0.1, count: 48 * 16))
    weights.add("out", [16, 16], [Float](repeating: 0.1, count: 16 * 16))
    let backend = try VulkanBackend(index: 0, precision: .auto, validates: true)
    let executable = try backend.load(weights).prepare(graph)
    let entries = try #require(vulkanRecording(of: executable)).entries
    #expect(VulkanHazards.all(in: entries).isEmpty)
    let barriers = entries.indices.filter { if case .barrier = entries[$0] { true } else { false } }
    #expect(barriers.count == 4)
    for barrier in barriers {
      var without = entries
      without.remove(at: barrier)
      #expect(!VulkanHazards.all(in: without).isEmpty)
    }
    executable.write(
      HostTensor(graph[x].shape, [Float](repeating: 1, count: graph[x].shape.elementCount)), to: x)
    try executable.run(observer: nil)
    let areFinite = executable.read(sum).values.allSatisfy(\.isFinite)
    #expect(areFinite)
    if let complaints = backend.complaints {
      #expect(complaints.count == 0, "\(complaints.first)")
    }
  }

  @Test func memoryIsCountedAndGivenBack() throws {
    var builder = GraphBuilder(name: "a product")
    let x = builder.input("x", .tokens(batch: 1, count: 3, channels: 16))
    let y = builder.linear(x, weight: Parameter("w", [16, 16]))
    let graph = builder.finish(outputs: [y])
    var weights = MemorySource()
    weights.add("w", [16, 16], [Float](repeating: 1, count: 256))
    let backend = try VulkanBackend(index: 0, precision: .auto)
    do {
      let executable = try backend.load(weights).prepare(graph)
      let plan = executable.plan
      #expect(backend.ledger.usedBytes(for: .arena) == plan.arenaBytes)
      #expect(backend.ledger.usedBytes(for: .weights) == plan.residentBytes)
    }
    #expect(backend.ledger.usedBytes == 0)
    backend.ledger.limit = 1024
    let model = backend.load(weights)
    #expect(throws: SanaError.self) { try model.prepare(graph) }
    #expect(backend.ledger.usedBytes == 0)
  }

  @Test func headsThatNoKernelHoldsAreRefusedBeforeAnythingIsLoaded() throws {
    var builder = GraphBuilder(name: "wide heads")
    let x = builder.input("x", .tokens(batch: 1, count: 2, channels: 3 * 520))
    let y = builder.causalAttention(
      x, heads: 1, keyValueHeads: 1, headDimension: 520, scale: 0.1, softcap: nil, window: nil,
      ropeTheta: 10000)
    let graph = builder.finish(outputs: [y])
    let model = try VulkanBackend(index: 0, precision: .f32).load(MemorySource())
    #expect(throws: SanaError.self) { try model.plan(graph, ExecutionChoices()) }
  }
}
