/// The values of a graph that is run node by node, as long as a node ahead reads them: every node's
/// operands pass by, and memory holds no more than the widest place of the graph.
///
///     var values = LiveValues(graph, inputs)
///     for position in graph.nodes.indices {
///       let made = try NodeExecutable(graph, node: position, ...).run(on: values)
///       values.finish(node: position, made.result)
///     }
package struct LiveValues {
  private let graph: Graph
  private var values: [Value: HostTensor]
  /// Reads that are still to come.
  private var readers: [Value: Int] = [:]

  /// - Parameter inputs: of the graph, all of them.
  package init(_ graph: Graph, _ inputs: [Value: HostTensor]) {
    precondition(graph.inputs.allSatisfy { inputs[$0]?.shape == graph[$0].shape })
    self.graph = graph
    values = inputs
    let uses = GraphUses(graph)
    for index in graph.values.indices {
      let value = Value(index: index)
      readers[value] = uses.readerCount(of: value)
    }
  }

  /// How many values are held.
  package var count: Int { values.count }

  /// - Precondition: a node ahead reads the value, or it is an output of the graph.
  package subscript(value: Value) -> HostTensor {
    guard let tensor = values[value] else {
      preconditionFailure("value \(value.index) is not there")
    }
    return tensor
  }

  /// Puts another tensor of the same shape in the place of a value.
  package mutating func replace(_ value: Value, by tensor: HostTensor) {
    precondition(tensor.shape == graph[value].shape)
    values[value] = tensor
  }

  /// Takes a node's value, and lets go of operands that nobody else reads.
  package mutating func finish(node position: Int, _ result: HostTensor) {
    let node = graph.nodes[position]
    for input in node.operation.payload.inputs {
      let left = (readers[input] ?? 1) - 1
      readers[input] = left
      if left == 0 { values[input] = nil }
    }
    if readers[node.output, default: 0] > 0 { values[node.output] = result }
  }
}
