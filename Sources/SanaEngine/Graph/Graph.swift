/// One operation and the value it makes.
public struct Node: Sendable {
  public let operation: Operation
  public let output: Value
}

/// An explicit, static graph for concrete shapes: nodes in the order in which they run.
///
/// Made by `GraphBuilder`. Values are written once. Inputs keep what was written to them from run to run.
public struct Graph: Sendable {
  /// What the graph computes, for messages: `transformer step 32x32`.
  public let name: String
  /// Whether back ends may compute several nodes as one, or must make every value.
  public let fusion: GraphBuilder.Fusion
  /// Whether whoever runs the graph takes the rows of its only output as they are made, from the
  /// top, so that back ends need not hold it whole. It cannot be read then.
  public internal(set) var handsOverRows = false
  public internal(set) var values: [ValueDescription] = []
  public internal(set) var nodes: [Node] = []
  public internal(set) var inputs: [Value] = []
  public internal(set) var outputs: [Value] = []
  /// How many nodes there are up to the end of each segment; those behind the last end are one
  /// more.
  public internal(set) var segmentEnds: [Int] = []

  public subscript(value: Value) -> ValueDescription { values[value.index] }

  /// Every weight the graph reads, each once, in the order of first use.
  public var parameters: [Parameter] {
    var seen: Set<Parameter> = []
    return nodes.flatMap { $0.operation.payload.parameters }.filter { seen.insert($0).inserted }
  }

  /// The value with this name; the last one where several carry it.
  public func value(named name: String) -> Value? {
    values.lastIndex { $0.names.contains(name) }.map(Value.init(index:))
  }
}
