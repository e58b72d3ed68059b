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
  public internal(set) var values: [ValueDescription] = []
  public internal(set) var nodes: [Node] = []
  public internal(set) var inputs: [Value] = []
  public internal(set) var outputs: [Value] = []

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
