package import WeightFormats

extension Graph {
  /// One node as a graph of its own: its operands are the inputs, its value is the only output.
  /// Values keep their handles.
  package func isolating(node position: Int) -> Graph {
    let node = nodes[position]
    var graph = self
    graph.nodes = [node]
    graph.segmentEnds = []
    graph.handsOverRows = false
    graph.outputs = [node.output]
    var seen: Set<Value> = []
    graph.inputs = node.operation.payload.inputs.filter { seen.insert($0).inserted }
    return graph
  }
}

/// One node of a graph with its weights on a device, to be run on any operands. The weights are
/// released with the object.
package final class NodeExecutable {
  package let node: Node
  private let executable: any Executable
  private let context: RunContext

  /// - Parameter graph: one that is not fused (`GraphBuilder.Fusion.observable`), so that every
  ///   operand is a value.
  /// - Throws: as `ResidentModel.prepare`.
  package init(
    _ graph: Graph, node position: Int, weights source: any WeightSource,
    on backend: any Backend, _ context: RunContext = RunContext()
  ) throws {
    precondition(graph.fusion == .observable)
    node = graph.nodes[position]
    self.context = context
    executable = try backend.load(source).prepare(
      graph.isolating(node: position), ExecutionChoices(), context)
  }

  /// - Parameter values: holds the node's operands.
  /// - Returns: the node's value, and how long it took.
  package func run(on values: LiveValues) throws -> (result: HostTensor, duration: Duration) {
    for input in executable.graph.inputs { executable.write(values[input], to: input) }
    let duration = try ContinuousClock().measure { try executable.run(context) }
    return (executable.read(node.output), duration)
  }
}
