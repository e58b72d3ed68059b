import SanaEngine
import SanaGraph
import TestSupport
import Testing
import Traces

/// One unit operation of `ops.h5`: a graph built from its recorded input, run with its recorded weights, compared with its
/// recorded output.
struct RecordedOperation {
  /// Least agreement with PyTorch: rounding of f32 sums allows about 120 dB.
  static let minimumDecibels = 110.0

  let trace: TraceFile
  let group: String
  var builder: GraphBuilder
  private var inputs: [(value: Value, tensor: HostTensor)] = []
  private var expectations: [(value: Value, dataset: String, tokenCounts: [Int]?)] = []

  private init(_ trace: TraceFile, _ group: String) {
    self.trace = trace
    self.group = group
    builder = GraphBuilder(name: group)
  }

  /// Runs `build` for every copy of the trace.
  /// - Parameters:
  ///   - weights: the group that holds the weights; `weights` below the operation's own if none is named.
  ///   - rename: what a weight is called there, from its name in the graph.
  static func check(
    _ group: String, on backend: TestedBackend, weights: String? = nil,
    rename: (String) -> String = { $0 }, build: (inout RecordedOperation) throws -> Void
  ) throws {
    for trace in try ReferenceTraces.files("ops") where trace.contains(group) {
      var operation = RecordedOperation(trace, group)
      try build(&operation)
      try operation.run(backend) { "\(weights ?? "\(group)/weights")/\(rename($0))" }
    }
  }

  /// Whether any copy of the trace has the group: the fixtures leave out what the networks' own traces cover.
  static func isRecorded(_ group: String) throws -> Bool {
    try ReferenceTraces.files("ops").contains { $0.contains(group) }
  }

  /// The names of the operations recorded below a group.
  static func variants(of group: String) throws -> [String] {
    try ReferenceTraces.files("ops")[0].entries(of: group).filter { $0.kind == .group }
      .map(\.name).filter { $0 != "weights" }
  }

  func recorded(_ dataset: String) throws -> HostTensor {
    HostTensor(try trace.floats("\(group)/\(dataset)"))
  }

  /// An input of the graph, filled with a recorded tensor.
  mutating func input(_ dataset: String) throws -> Value {
    input(dataset, try recorded(dataset))
  }

  mutating func input(_ name: String, _ tensor: HostTensor) -> Value {
    let value = builder.input(name, tensor.shape)
    inputs.append((value, tensor))
    return value
  }

  /// The number of real tokens of each batch element, as an input of the graph.
  mutating func tokenCounts(mask dataset: String) throws -> Value {
    let mask = try trace.floats("\(group)/\(dataset)")
    let counts = (0..<mask.shape[0]).map { Int32(mask[$0].values.reduce(0, +)) }
    let shape = Shape.tokens(batch: counts.count, count: 1, channels: 1)
    let value = builder.input("token_counts", shape, .i32)
    inputs.append((value, HostTensor(shape, integers: counts)))
    return value
  }

  /// - Parameter tokenCounts: compare only so many tokens of each batch element.
  mutating func expect(_ value: Value, equals dataset: String, tokenCounts: [Int]? = nil) {
    expectations.append((value, dataset, tokenCounts))
  }

  private mutating func run(_ backend: TestedBackend, path: (String) -> String) throws {
    let graph = builder.finish(outputs: expectations.map(\.value))
    let source = try MemorySource(
      recordedIn: trace, parameters: graph.parameters.map { ($0.name, $0.shape) }, path: path)
    let executable = try backend.make().load(source).prepare(graph)
    for (value, tensor) in inputs { executable.write(tensor, to: value) }
    try executable.run(observer: nil)
    #expect(!expectations.isEmpty)
    for (value, dataset, tokenCounts) in expectations {
      let comparison = try Comparison(
        recorded: trace.floats("\(group)/\(dataset)"), result: executable.read(value),
        tokenCounts: tokenCounts)
      #expect(
        comparison.signalToNoiseDecibels >= Self.minimumDecibels,
        "\(group)/\(dataset) on \(backend): \(comparison.signalToNoiseDecibels) dB")
    }
  }
}
